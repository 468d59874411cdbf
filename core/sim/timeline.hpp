// Ordered future work of one module: key (time, rank, sequence). Equal times are served by rank,
// then in the order of scheduling, on every host. Cancelling takes a token, never a key.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::sim {

class CancelToken {
public:
    CancelToken() = default;
    bool armed() const { return id_ != 0; }

private:
    template <class T>
    friend class Timeline;
    explicit CancelToken(std::uint64_t id) : id_(id) {}
    std::uint64_t id_ = 0;
};

template <class T>
class Timeline {
public:
    CancelToken schedule(TimePs time, std::uint32_t rank, T item) {
        const std::uint64_t id = ++last_id_;
        heap_.push_back({time, rank, id, std::move(item)});
        std::push_heap(heap_.begin(), heap_.end(), later);
        return CancelToken{id};
    }

    // False when the item was served or cancelled before. The token is disarmed.
    bool cancel(CancelToken& token) {
        const std::uint64_t id = std::exchange(token.id_, 0);
        const auto found =
            std::find_if(heap_.begin(), heap_.end(), [id](const Entry& e) { return e.id == id; });
        if (id == 0 || found == heap_.end()) {
            return false;
        }
        *found = std::move(heap_.back());
        heap_.pop_back();
        std::make_heap(heap_.begin(), heap_.end(), later);
        return true;
    }

    std::optional<TimePs> next() const {
        return heap_.empty() ? std::nullopt : std::optional<TimePs>(heap_.front().time);
    }
    bool due(TimePs now) const { return !heap_.empty() && heap_.front().time <= now; }

    // The next item; only when due() or at least not empty.
    T pop() {
        SIM_CHECK(!heap_.empty(), "pop of an empty timeline");
        std::pop_heap(heap_.begin(), heap_.end(), later);
        T item = std::move(heap_.back().item);
        heap_.pop_back();
        return item;
    }
    std::size_t size() const { return heap_.size(); }
    bool empty() const { return heap_.empty(); }
    void clear() { heap_.clear(); }

private:
    struct Entry {
        TimePs time;
        std::uint32_t rank;
        std::uint64_t id;
        T item;
    };
    static bool later(const Entry& a, const Entry& b) {
        if (a.time != b.time) {
            return a.time > b.time;
        }
        return a.rank != b.rank ? a.rank > b.rank : a.id > b.id;
    }
    std::vector<Entry> heap_;
    std::uint64_t last_id_ = 0;
};

}  // namespace ioasim::sim
