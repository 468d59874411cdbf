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
        take(remove(found));
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
    // The first item of each rank up to `last`, in order, of those that `may` accepts; the very
    // first is always among them.
    template <class May>
    std::vector<std::uint64_t> firsts(TimePs last, May&& may) const {
        std::vector<Entry> found;
        for (const Entry& entry : heap_) {
            if (entry.time > last || (entry.id != heap_.front().id && !may(items_[entry.place]))) {
                continue;
            }
            const auto same = std::find_if(found.begin(), found.end(), [&entry](const Entry& e) {
                return e.rank == entry.rank;
            });
            if (same == found.end()) {
                found.push_back(entry);
            } else if (later(*same, entry)) {
                *same = entry;
            }
        }
        std::sort(found.begin(), found.end(),
                  [](const Entry& a, const Entry& b) { return later(b, a); });
        std::vector<std::uint64_t> ids;
        for (const Entry& entry : found) {
            ids.push_back(entry.id);
        }
        return ids;
    }
    // The item with this id, which must be there.
    T pop(std::uint64_t id) {
        const auto found =
            std::find_if(heap_.begin(), heap_.end(), [id](const Entry& e) { return e.id == id; });
        SIM_CHECK(found != heap_.end(), "pop of an item that is not there");
        return take(remove(found));
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
    // Takes a key out; where its item lies.
    std::uint32_t remove(typename std::vector<Entry>::iterator key) {
        const std::uint32_t place = key->place;
        *key = heap_.back();
        heap_.pop_back();
        std::make_heap(heap_.begin(), heap_.end(), later);
        return place;
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
