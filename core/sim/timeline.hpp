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
    CancelToken schedule(TimePs time, std::uint32_t rank, T&& item) {
        const std::uint64_t id = ++last_id_;
        heap_.push_back({time, rank, keep(std::move(item)), id});
        std::push_heap(heap_.begin(), heap_.end(), later);
        return CancelToken{id};
    }
    CancelToken schedule(TimePs time, std::uint32_t rank, const T& item) {
        return schedule(time, rank, T(item));
    }

    // False when the item was served or cancelled before. The token is disarmed.
    bool cancel(CancelToken& token) {
        const std::uint64_t id = std::exchange(token.id_, 0);
        const auto found =
            std::find_if(heap_.begin(), heap_.end(), [id](const Entry& e) { return e.id == id; });
        if (id == 0 || found == heap_.end()) {
            return false;
        }
        take(found->place);
        *found = heap_.back();
        heap_.pop_back();
        std::make_heap(heap_.begin(), heap_.end(), later);
        return true;
    }

    std::optional<TimePs> next() const {
        return heap_.empty() ? std::nullopt : std::optional<TimePs>(heap_.front().time);
    }
    // The next item, to look at; only when not empty.
    const T& front() const { return items_[heap_.front().place]; }
    bool due(TimePs now) const { return !heap_.empty() && heap_.front().time <= now; }

    // The next item; only when due() or at least not empty.
    T pop() {
        SIM_CHECK(!heap_.empty(), "pop of an empty timeline");
        std::pop_heap(heap_.begin(), heap_.end(), later);
        const std::uint32_t place = heap_.back().place;
        heap_.pop_back();
        return take(place);
    }
    std::size_t size() const { return heap_.size(); }
    bool empty() const { return heap_.empty(); }
    void clear() {
        heap_.clear();
        items_.clear();
        free_.clear();
    }

private:
    // The heap orders keys; items, which may be large, stay where they were put.
    struct Entry {
        TimePs time;
        std::uint32_t rank;
        std::uint32_t place;
        std::uint64_t id;
    };
    std::uint32_t keep(T&& item) {
        if (free_.empty()) {
            items_.push_back(std::move(item));
            return static_cast<std::uint32_t>(items_.size() - 1);
        }
        const std::uint32_t place = free_.back();
        free_.pop_back();
        items_[place] = std::move(item);
        return place;
    }
    T take(std::uint32_t place) {
        free_.push_back(place);
        return std::move(items_[place]);
    }
    static bool later(const Entry& a, const Entry& b) {
        if (a.time != b.time) {
            return a.time > b.time;
        }
        return a.rank != b.rank ? a.rank > b.rank : a.id > b.id;
    }
    std::vector<Entry> heap_;
    std::vector<T> items_;
    std::vector<std::uint32_t> free_;
    std::uint64_t last_id_ = 0;
};

}  // namespace ioasim::sim
