// A set-associative array with a choice of replacement. No entries or no ways: nothing is ever
// kept. As many ways as entries: fully associative. A size that is no multiple of the ways is
// rounded down to one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/random.hpp"

namespace ioasim::vtd {

enum class Replacement : std::uint8_t { LeastRecentlyUsed, FirstInFirstOut, Random };

template <class Key, class Value, class Hash>
class SetAssociative {
public:
    SetAssociative(std::uint64_t entries, std::uint64_t ways,
                   Replacement replacement = Replacement::LeastRecentlyUsed,
                   const RandomStream& random = RandomStream{0, "", ""})
        : replacement_(replacement),
          random_(random),
          ways_(static_cast<std::size_t>(std::min(entries, ways))),
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
            if (set[way].stamp != 0 && set[way].key == key) {
                if (replacement_ == Replacement::LeastRecentlyUsed) {
                    set[way].stamp = ++clock_;
                }
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
        Line* const target = place_for(key);
        std::optional<std::pair<Key, Value>> victim;
        if (target->stamp != 0) {
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
            if (line.stamp != 0 && predicate(line.key, line.value)) {
                on_drop(line.key, line.value);
                line.stamp = 0;
                --size_;
                ++dropped;
            }
        }
        return dropped;
    }

    // What stands at one place of the array goes, if anything does.
    std::optional<std::pair<Key, Value>> drop_at(std::size_t place) {
        Line& line = lines_.at(place);
        if (line.stamp == 0) {
            return std::nullopt;
        }
        line.stamp = 0;
        --size_;
        return std::pair<Key, Value>{line.key, line.value};
    }

    // The first entry, in array order, for which the predicate holds.
    template <class Predicate>
    Value* find_if(Predicate&& predicate) {
        for (Line& line : lines_) {
            if (line.stamp != 0 && predicate(line.key, line.value)) {
                return &line.value;
            }
        }
        return nullptr;
    }

private:
    struct Line {
        Key key{};
        Value value{};
        std::uint64_t stamp = 0;  // of the last use or of the arrival; 0: free
    };

    Line* set_of(const Key& key) {
        const std::uint64_t mixed = Hash{}(key)*0x9E37'79B9'7F4A'7C15ULL;
        return lines_.data() + static_cast<std::size_t>((mixed >> 32U) % sets_) * ways_;
    }
    // The line of the key, else a free one, else whose turn it is.
    Line* place_for(const Key& key) {
        Line* const set = set_of(key);
        Line* oldest = set;
        for (std::size_t way = 0; way < ways_; ++way) {
            if (set[way].stamp != 0 && set[way].key == key) {
                return &set[way];
            }
            if (set[way].stamp < oldest->stamp) {
                oldest = &set[way];
            }
        }
        const bool draw = replacement_ == Replacement::Random && oldest->stamp != 0;
        return draw ? &set[static_cast<std::size_t>(random_.below(ways_))] : oldest;
    }

    Replacement replacement_;
    RandomStream random_;
    std::size_t ways_;
    std::size_t sets_;
    std::vector<Line> lines_;
    std::size_t size_ = 0;
    std::uint64_t clock_ = 0;
};

}  // namespace ioasim::vtd
