// Two bookkeepers of requests in flight: what an invalidation wait must drain, and in which order
// the requests of one device may reach memory.
#pragma once

#include <cstdint>
#include <deque>

#include "core/base/check.hpp"

namespace ioasim::vtd {

// Requests are counted by epoch; a barrier (an invalidation) ends the epoch. Drained: nothing of an
// older epoch is left.
class DrainTracker {
public:
    using Epoch = std::uint64_t;

    Epoch begin() {
        ++counts_.back();
        return first_ + counts_.size() - 1;
    }
    void end(Epoch epoch) {
        SIM_CHECK(epoch >= first_ && epoch - first_ < counts_.size() && counts_[epoch - first_] > 0,
                  "epoch {} ended twice", epoch);
        --counts_[epoch - first_];
        while (counts_.size() > 1 && counts_.front() == 0) {
            counts_.pop_front();
            ++first_;
        }
    }
    void barrier() {
        if (counts_.back() != 0) {
            counts_.push_back(0);
        }
    }
    // Everything that began before the last barrier has ended.
    bool drained() const { return counts_.size() == 1; }
    // What begins from here on is not older than the mark.
    Epoch oldest() const { return first_; }
    Epoch mark() const { return first_ + counts_.size() - 1; }
    // Everything that began before that barrier has ended.
    bool drained(Epoch mark) const { return first_ >= mark; }

private:
    std::deque<std::uint32_t> counts_{0};
    Epoch first_ = 0;
};

// PCIe order of one requester (2.4.1): posted requests reach memory in order of arrival; reads do
// not pass earlier posted requests; interrupts and read completions wait until the earlier posted
// requests are done. Tickets number the posted requests.
class RequesterOrder {
public:
    // A posted request arrives.
    std::uint64_t take_ticket() { return arrived_++; }
    // What a request that is not posted comes after.
    std::uint64_t arrived() const { return arrived_; }

    bool may_issue_posted(std::uint64_t ticket) const { return issued_ == ticket; }
    bool may_issue_read(std::uint64_t before) const { return issued_ >= before; }
    bool all_done(std::uint64_t before) const { return done_ >= before; }

    void issue(std::uint64_t ticket) {
        SIM_CHECK(may_issue_posted(ticket), "posted request {} issued when {} is next", ticket,
                  issued_);
        ++issued_;
        window_.push_back(false);
    }
    void finish(std::uint64_t ticket) {
        SIM_CHECK(ticket >= done_ && ticket < issued_,
                  "posted request {} finished, {}..{} are open", ticket, done_, issued_);
        window_[static_cast<std::size_t>(ticket - done_)] = true;
        while (!window_.empty() && window_.front()) {
            window_.pop_front();
            ++done_;
        }
    }

private:
    std::uint64_t arrived_ = 0;
    std::uint64_t issued_ = 0;
    std::uint64_t done_ = 0;
    std::deque<bool> window_;  // issued and not yet contiguous done
};

// Reads and writes of one function that leave the unit in order of arrival, where the unit lets
// none pass.
class RequestLine {
public:
    std::uint64_t take() {
        gone_.push_back(false);
        return first_ + gone_.size() - 1;
    }
    bool first(std::uint64_t place) const { return place == first_; }
    void leave(std::uint64_t place) {
        SIM_CHECK(place >= first_ && place - first_ < gone_.size(), "place {} left twice", place);
        gone_[static_cast<std::size_t>(place - first_)] = true;
        while (!gone_.empty() && gone_.front()) {
            gone_.pop_front();
            ++first_;
        }
    }

private:
    std::uint64_t first_ = 0;
    std::deque<bool> gone_;
};

}  // namespace ioasim::vtd
