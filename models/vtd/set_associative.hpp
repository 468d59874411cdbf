// A set-associative array with least-recently-used replacement. Zero entries: nothing is ever kept.
// A size that is no multiple of the ways is rounded down to one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace ioasim::vtd {

template <class Key, class Value, class Hash>
class SetAssociative {
public:
    SetAssociative(std::uint64_t entries, std::uint64_t ways)
        : ways_(static_cast<std::size_t>(std::min(entries, ways))),
          sets_(ways_ == 0 ? 0 : static_cast<std::size_t>(entries) / ways_),
          lines_(sets_ * ways_) {}

    std::size_t capacity() const { return lines_.size(); }
    std::size_t size() const { return size_; }

    // Counts as a use.
    Value* find(const Key& key) {
        if (size_ == 0) {
            return nullptr;
        }
        Line* const set = set_of(key);
        for (std::size_t way = 0; way < ways_; ++way) {
            if (set[way].used != 0 && set[way].key == key) {
                set[way].used = ++clock_;
                return &set[way].value;
            }
        }
        return nullptr;
    }

    // Returns what had to go; the old value when the key was there.
    std::optional<std::pair<Key, Value>> insert(const Key& key, const Value& value) {
        if (lines_.empty()) {
            return std::nullopt;
        }
        Line* const set = set_of(key);
        Line* target = set;
        for (std::size_t way = 0; way < ways_; ++way) {
            if (set[way].used != 0 && set[way].key == key) {
                target = &set[way];
                break;
            }
            if (set[way].used < target->used) {
                target = &set[way];
            }
        }
        std::optional<std::pair<Key, Value>> victim;
        if (target->used != 0) {
            victim.emplace(target->key, target->value);
        } else {
            ++size_;
        }
        *target = Line{key, value, ++clock_};
        return victim;
    }

    // Removes every entry for which predicate(key, value) holds, after telling on_drop.
    template <class Predicate, class OnDrop>
    std::uint32_t drop_if(Predicate&& predicate, OnDrop&& on_drop) {
        std::uint32_t dropped = 0;
        if (size_ == 0) {
            return dropped;
        }
        for (Line& line : lines_) {
            if (line.used != 0 && predicate(line.key, line.value)) {
                on_drop(line.key, line.value);
                line.used = 0;
                --size_;
                ++dropped;
            }
        }
        return dropped;
    }

    // The first entry, in array order, for which the predicate holds.
    template <class Predicate>
    Value* find_if(Predicate&& predicate) {
        for (Line& line : lines_) {
            if (line.used != 0 && predicate(line.key, line.value)) {
                return &line.value;
            }
        }
        return nullptr;
    }

private:
    struct Line {
        Key key{};
        Value value{};
        std::uint64_t used = 0;  // 0: free
    };

    Line* set_of(const Key& key) {
        const std::uint64_t mixed = Hash{}(key)*0x9E37'79B9'7F4A'7C15ULL;
        return lines_.data() + static_cast<std::size_t>((mixed >> 32U) % sets_) * ways_;
    }

    std::size_t ways_;
    std::size_t sets_;
    std::vector<Line> lines_;
    std::size_t size_ = 0;
    std::uint64_t clock_ = 0;
};

}  // namespace ioasim::vtd
