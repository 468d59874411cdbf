// Values by number, in leaves of 64 as Linux keeps PASIDs and IDs (xarray): numbers that were
// handed out one after the other cost their value and a bit, not a node of a tree each. Walks go by
// rising number.
//
// An iterator is a number, no place: whatever is inserted or erased meanwhile, the next step goes
// to the next number that is there then. A value stays where it is until it is erased. What find
// and the map itself return is good until then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace ioasim {

template <class Key, class Value>
class NumberMap {
    static_assert(std::is_unsigned_v<Key>);
    static constexpr unsigned kShift = 6;
    static constexpr Key kMask = (Key{1} << kShift) - 1;
    struct Leaf {
        std::uint64_t present = 0;  // a bit each
        std::array<Value, std::size_t{1} << kShift> values{};
    };

    template <bool kConst>
    class Iterator {
    public:
        using Map = std::conditional_t<kConst, const NumberMap, NumberMap>;
        using Item = std::pair<const Key, std::conditional_t<kConst, const Value, Value>&>;
        using iterator_category = std::input_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        using pointer = const Item*;
        using reference = Item;
        class Arrow {
        public:
            explicit Arrow(const Item& item) : item_(item) {}
            const Item* operator->() const { return &item_; }

        private:
            Item item_;
        };

        Iterator(Map& map, Key key, bool end) : map_(&map), key_(key), end_(end) {}
        Item operator*() const { return {key_, *map_->value_at(key_)}; }
        Arrow operator->() const { return Arrow(**this); }
        Iterator& operator++() {
            end_ = key_ == static_cast<Key>(~Key{0}) || !map_->first_from(key_ + 1, key_);
            return *this;
        }
        bool operator==(const Iterator& other) const {
            return end_ == other.end_ && (end_ || key_ == other.key_);
        }
        bool operator!=(const Iterator& other) const { return !(*this == other); }

    private:
        friend class NumberMap;
        Map* map_;
        Key key_;
        bool end_;
    };

public:
    using iterator = Iterator<false>;
    using const_iterator = Iterator<true>;

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::size_t count(Key key) const { return value_at(key) != nullptr ? 1 : 0; }

    iterator find(Key key) { return {*this, key, value_at(key) == nullptr}; }
    const_iterator find(Key key) const { return {*this, key, value_at(key) == nullptr}; }
    iterator begin() { return from_first<iterator>(*this); }
    const_iterator begin() const { return from_first<const_iterator>(*this); }
    iterator end() { return {*this, 0, true}; }
    const_iterator end() const { return {*this, 0, true}; }

    Value& at(Key key) {
        Value* value = value_at(key);
        if (value == nullptr) {
            throw std::out_of_range("no such number");
        }
        return *value;
    }
    const Value& at(Key key) const { return const_cast<NumberMap*>(this)->at(key); }

    // Makes the value when it is missing.
    Value& operator[](Key key) {
        Leaf* leaf = leaf_of(key);
        if (leaf == nullptr) {
            leaf = leaves_.emplace(key >> kShift, std::make_unique<Leaf>()).first->second.get();
            remember(key, leaf);
        }
        size_ += (leaf->present & bit(key)) == 0 ? 1 : 0;
        leaf->present |= bit(key);
        return leaf->values[key & kMask];
    }

    std::size_t erase(Key key) {
        Value* value = value_at(key);
        if (value == nullptr) {
            return 0;
        }
        // Last, when the map is in order again: what the value's end does may ask it.
        [[maybe_unused]] const Value gone = std::exchange(*value, Value{});
        Leaf* leaf = leaf_of(key);
        leaf->present &= ~bit(key);
        --size_;
        if (leaf->present == 0) {
            last_ = nullptr;
            leaves_.erase(key >> kShift);
        }
        return 1;
    }
    void erase(const iterator& place) { erase(place.key_); }
    void clear() {
        last_ = nullptr;
        size_ = 0;
        leaves_.clear();
    }

private:
    static std::uint64_t bit(Key key) { return std::uint64_t{1} << (key & kMask); }
    void remember(Key key, Leaf* leaf) const {
        last_key_ = key >> kShift;
        last_ = leaf;
    }
    Leaf* leaf_of(Key key) const {
        if (last_ == nullptr || last_key_ != key >> kShift) {
            const auto found = leaves_.find(key >> kShift);
            if (found == leaves_.end()) {
                return nullptr;
            }
            remember(key, found->second.get());
        }
        return last_;
    }
    Value* value_at(Key key) const {
        Leaf* leaf = leaf_of(key);
        return leaf != nullptr && (leaf->present & bit(key)) != 0 ? &leaf->values[key & kMask]
                                                                  : nullptr;
    }
    // The lowest number at or above `from` that is there; no leaf is empty.
    bool first_from(Key from, Key& key) const {
        for (auto leaf = leaves_.lower_bound(from >> kShift); leaf != leaves_.end(); ++leaf) {
            const Key base = leaf->first << kShift;
            const std::uint64_t above =
                base < from ? leaf->second->present & ~(bit(from) - 1) : leaf->second->present;
            if (above != 0) {
                key = base + static_cast<Key>(__builtin_ctzll(above));
                return true;
            }
        }
        return false;
    }
    template <class It, class Map>
    static It from_first(Map& map) {
        Key key = 0;
        const bool any = map.first_from(0, key);
        return {map, key, !any};
    }

    std::map<Key, std::unique_ptr<Leaf>> leaves_;
    std::size_t size_ = 0;
    mutable Key last_key_ = 0;  // of the leaf that was asked last
    mutable Leaf* last_ = nullptr;
};

}  // namespace ioasim
