// Tags of a function's non-posted requests. A tag is taken until its completion came. One that was
// given up (time-out, reset) stays taken for a quarantine, so that a late completion is not taken
// for that of a later request.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "models/pcie/ats_layout.hpp"

namespace ioasim::requester {

struct Outstanding {
    bool translation = false;     // asks for a translation, else reads
    std::uint32_t operation = 0;  // its number
    std::uint32_t offset = 0;     // into the operation
    std::uint32_t length = 0;
    std::uint64_t iova = 0;
    std::optional<Pasid> pasid;
    bool privileged = false;
    bool translated = false;             // read: with an address of the device TLB
    bool stale = false;                  // translation: an invalidation overtook it
    std::optional<std::uint32_t> block;  // of traffic
    std::optional<TimePs> deadline;
    std::uint32_t tag = 0;  // filled in by the table
};

class TagTable {
public:
    // A tag that was given up is taken again after `quarantine` at the earliest, as its completion
    // may only be late.
    TagTable(std::size_t tags, TimePs quarantine) : quarantine_(quarantine), tags_(tags) {}

    // Nothing when every tag is taken.
    std::optional<std::uint32_t> take(TimePs now, const Outstanding& request) {
        for (std::size_t i = 0; i < tags_.size(); ++i) {
            const Tag& tag = tags_[i];
            if (tag.state == State::Free || (tag.state == State::GivenUp && tag.until <= now)) {
                tags_[i] = {State::Waited, request, {}};
                tags_[i].request.tag = static_cast<std::uint32_t>(i);
                ++waited_;
                return static_cast<std::uint32_t>(i);
            }
        }
        return std::nullopt;
    }

    enum class Came : std::uint8_t { Wanted, Late, Unexpected };
    // A completion came: its tag is free; `out` is whose it was. Data of another length than was
    // read are no answer to that read (2.3.2): the tag stays taken.
    Came complete(const pcie::Tlp& completion, Outstanding& out) {
        if (completion.tag >= tags_.size()) {
            return Came::Unexpected;
        }
        Tag& tag = tags_[completion.tag];
        const bool waited = tag.state == State::Waited;
        const bool data = completion.status == pcie::CplStatus::Success;
        const bool foreign = waited && data && !tag.request.translation &&
                             completion.data.size() != tag.request.length;
        if (tag.state == State::Free || foreign) {
            return Came::Unexpected;
        }
        waited_ -= waited ? 1 : 0;
        tag.state = State::Free;
        out = tag.request;
        return waited ? Came::Wanted : Came::Late;
    }

    // The first one that is out of time is given up.
    std::optional<Outstanding> expire(TimePs now) {
        for (Tag& tag : tags_) {
            if (tag.state == State::Waited && tag.request.deadline &&
                *tag.request.deadline <= now) {
                tag.state = State::GivenUp;
                tag.until = now + quarantine_;
                --waited_;
                return tag.request;
            }
        }
        return std::nullopt;
    }
    std::optional<TimePs> deadline() const {
        std::optional<TimePs> first;
        for (const Tag& tag : tags_) {
            if (tag.state == State::Waited && tag.request.deadline &&
                (!first || *tag.request.deadline < *first)) {
                first = tag.request.deadline;
            }
        }
        return first;
    }

    // Of those that are waited for.
    template <class Visit>
    void each(Visit visit) {
        for (Tag& tag : tags_) {
            if (tag.state == State::Waited) {
                visit(tag.request);
            }
        }
    }
    std::size_t waited() const { return waited_; }

    // Its request did not leave: there will be no completion.
    void never_sent(std::uint32_t tag) {
        waited_ -= tags_.at(tag).state == State::Waited ? 1 : 0;
        tags_[tag].state = State::Free;
    }
    void give_up_all(TimePs now) {
        for (Tag& tag : tags_) {
            if (tag.state == State::Waited) {
                tag.state = State::GivenUp;
                tag.until = now + quarantine_;
            }
        }
        waited_ = 0;
    }
    void forget_all() {
        for (Tag& tag : tags_) {
            tag.state = State::Free;
        }
        waited_ = 0;
    }

private:
    enum class State : std::uint8_t { Free, Waited, GivenUp };
    struct Tag {
        State state = State::Free;
        Outstanding request;
        TimePs until;  // given up: not before
    };
    TimePs quarantine_;
    std::vector<Tag> tags_;
    std::size_t waited_ = 0;
};

}  // namespace ioasim::requester
