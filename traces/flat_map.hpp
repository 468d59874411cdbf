// Integer-keyed tables for listeners on the hot path: an open-addressing map and a table of per-ID
// records. Neither can be walked in its own order; `sorted_keys` is the way to look at all entries.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ioasim::traces {

constexpr std::uint64_t pair_key(std::uint32_t high, std::uint32_t low) {
    return (std::uint64_t{high} << 32U) | low;
}
constexpr std::uint32_t key_high(std::uint64_t key) {
    return static_cast<std::uint32_t>(key >> 32U);
}
constexpr std::uint32_t key_low(std::uint64_t key) {
    return static_cast<std::uint32_t>(key);
}
constexpr std::uint64_t mix_key(std::uint64_t key) {
    key ^= key >> 31U;
    key *= 0x9E37'79B9'7F4A'7C15U;
    return key ^ (key >> 29U);
}

// A key of all ones marks a free slot, so that a slot is no more than key and value; what is kept
// under that key itself has a place of its own.
template <class Value>
class FlatMap {
public:
    std::size_t size() const { return size_ + (has_ones_ ? 1 : 0); }
    bool empty() const { return size() == 0; }

    Value* find(std::uint64_t key) {
        if (key == kFree) {
            return has_ones_ ? &ones_ : nullptr;
        }
        if (slots_.empty()) {
            return nullptr;
        }
        for (std::size_t at = home(key); slots_[at].key != kFree; at = next(at)) {
            if (slots_[at].key == key) {
                return &slots_[at].value;
            }
        }
        return nullptr;
    }
    const Value* find(std::uint64_t key) const { return const_cast<FlatMap*>(this)->find(key); }

    // Makes the entry when it is missing. References stay valid until the next insertion or erase.
    Value& operator[](std::uint64_t key) {
        if (Value* found = find(key)) {
            return *found;
        }
        if (key == kFree) {
            has_ones_ = true;
            return ones_;
        }
        if ((size_ + 1) * 2 > slots_.size()) {
            grow();
        }
        std::size_t at = home(key);
        while (slots_[at].key != kFree) {
            at = next(at);
        }
        slots_[at].key = key;
        ++size_;
        return slots_[at].value;
    }

    void erase(std::uint64_t key) {
        if (key == kFree) {
            has_ones_ = false;
            ones_ = Value{};
            return;
        }
        if (slots_.empty()) {
            return;
        }
        std::size_t hole = home(key);
        while (slots_[hole].key != kFree && slots_[hole].key != key) {
            hole = next(hole);
        }
        if (slots_[hole].key == kFree) {
            return;
        }
        // Close the gap so that probes never meet a hole inside their run.
        for (std::size_t at = next(hole); slots_[at].key != kFree; at = next(at)) {
            const std::size_t wanted = home(slots_[at].key);
            const bool movable =
                hole <= at ? (wanted <= hole || wanted > at) : (wanted <= hole && wanted > at);
            if (movable) {
                slots_[hole] = std::move(slots_[at]);
                slots_[at] = Slot{};
                hole = at;
            }
        }
        slots_[hole] = Slot{};
        --size_;
    }

    std::vector<std::uint64_t> sorted_keys() const {
        std::vector<std::uint64_t> keys;
        keys.reserve(size());
        for (const Slot& slot : slots_) {
            if (slot.key != kFree) {
                keys.push_back(slot.key);
            }
        }
        if (has_ones_) {
            keys.push_back(kFree);
        }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

private:
    static constexpr std::uint64_t kFree = ~std::uint64_t{0};
    struct Slot {
        std::uint64_t key = kFree;
        Value value{};
    };
    std::size_t home(std::uint64_t key) const { return mix_key(key) & (slots_.size() - 1); }
    std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
    void grow() {
        std::vector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
        old.swap(slots_);
        for (Slot& slot : old) {
            if (slot.key != kFree) {
                std::size_t at = home(slot.key);
                while (slots_[at].key != kFree) {
                    at = next(at);
                }
                slots_[at] = std::move(slot);
            }
        }
    }
    std::vector<Slot> slots_;
    std::size_t size_ = 0;  // of the slots
    bool has_ones_ = false;
    Value ones_{};
};

// Records by numbers that come in runs (IDs, PASIDs under one function or machine), in pages of 64
// side by side: neighbours share cache lines, and a record costs no more than itself. A record that
// was never asked for may be there all the same, as it was made.
template <class Record>
class PagedMap {
public:
    Record& operator[](std::uint64_t key) {
        Recent& recent = recent_[slot(key)];
        if (recent.page == nullptr || recent.key != key / kPage) {
            std::unique_ptr<Page>& page = pages_[key / kPage];
            if (!page) {
                page = std::make_unique<Page>();
            }
            recent = {key / kPage, page.get()};
        }
        return (*recent.page)[key % kPage];
    }
    Record* find(std::uint64_t key) {
        Recent& recent = recent_[slot(key)];
        if (recent.page == nullptr || recent.key != key / kPage) {
            std::unique_ptr<Page>* page = pages_.find(key / kPage);
            if (page == nullptr) {
                return nullptr;
            }
            recent = {key / kPage, page->get()};
        }
        return &(*recent.page)[key % kPage];
    }
    const Record* find(std::uint64_t key) const { return const_cast<PagedMap*>(this)->find(key); }
    // visit(key, record), by rising key.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const std::uint64_t number : pages_.sorted_keys()) {
            const Page& page = **pages_.find(number);
            for (std::uint64_t i = 0; i < kPage; ++i) {
                visit(number * kPage + i, page[i]);
            }
        }
    }

private:
    static constexpr std::uint64_t kPage = 64;
    using Page = std::array<Record, kPage>;
    struct Recent {
        std::uint64_t key = 0;
        Page* page = nullptr;
    };
    // Several kernels, functions or machines take turns, each in a page of its own.
    static std::size_t slot(std::uint64_t key) {
        return (key / kPage ^ key_high(key)) % std::tuple_size_v<decltype(recent_)>;
    }
    FlatMap<std::unique_ptr<Page>> pages_;
    std::array<Recent, 8> recent_{};
};

// One record for each (kernel, ID).
template <class Record>
class IdTable {
public:
    Record& at(std::uint32_t kernel, std::uint32_t id) { return map_[pair_key(kernel, id)]; }
    Record* find(std::uint32_t kernel, std::uint32_t id) { return map_.find(pair_key(kernel, id)); }
    const Record* find(std::uint32_t kernel, std::uint32_t id) const {
        return map_.find(pair_key(kernel, id));
    }
    // visit(kernel, id, record), by kernel number and ID.
    template <class Visit>
    void for_each(Visit visit) const {
        map_.for_each([&visit](std::uint64_t key, const Record& record) {
            visit(key_high(key), key_low(key), record);
        });
    }

private:
    PagedMap<Record> map_;
};

}  // namespace ioasim::traces
