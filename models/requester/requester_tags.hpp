// Tags of a function's non-posted requests. A tag is taken until its completion came, however late:
// one that was given up (time-out, reset) stays taken, so that no later request is mistaken for it.
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
    bool translated = false;  // read: with an address of the device TLB
    bool stale = false;       // translation: an invalidation overtook it
    std::optional<TimePs> deadline;
    std::uint32_t tag = 0;  // filled in by the table
};

class TagTable {
public:
    explicit TagTable(std::size_t tags) : tags_(tags) {}

    // Nothing when every tag is taken.
    std::optional<std::uint32_t> take(const Outstanding& request) {
        for (std::size_t i = 0; i < tags_.size(); ++i) {
            if (tags_[i].state == State::Free) {
                tags_[i] = {State::Waited, request};
                tags_[i].request.tag = static_cast<std::uint32_t>(i);
                ++waited_;
                return static_cast<std::uint32_t>(i);
            }
        }
        return std::nullopt;
    }

    enum class Came : std::uint8_t { Wanted, Late, Unexpected };
    // A completion came: the tag is free; `out` is whose it was.
    Came complete(std::uint32_t tag, Outstanding& out) {
        if (tag >= tags_.size() || tags_[tag].state == State::Free) {
            return Came::Unexpected;
        }
        const bool late = tags_[tag].state == State::GivenUp;
        waited_ -= late ? 0 : 1;
        tags_[tag].state = State::Free;
        out = tags_[tag].request;
        return late ? Came::Late : Came::Wanted;
    }

    // The first one that is out of time is given up.
    std::optional<Outstanding> expire(TimePs now) {
        for (Tag& tag : tags_) {
            if (tag.state == State::Waited && tag.request.deadline &&
                *tag.request.deadline <= now) {
                tag.state = State::GivenUp;
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

    void give_up_all() {
        for (Tag& tag : tags_) {
            if (tag.state == State::Waited) {
                tag.state = State::GivenUp;
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
    };
    std::vector<Tag> tags_;
    std::size_t waited_ = 0;
};

}  // namespace ioasim::requester
