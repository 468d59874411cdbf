// Number -> ID of one allocator: constant-time look-up, insertion, removal and "lowest free number
// of a range", whatever the number of live IDs. Entries live in chunks of 256 at stable addresses;
// the 20-bit PASID space has a flat directory with bitmaps of full chunks, numbers beyond it (legal
// in the API, unknown to PCIe) a sorted one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/check.hpp"
#include "core/ioasid/ioasid_types.hpp"

namespace ioasim {

// 32 bytes: two to a cache line, none across two. The count, which changes most often, has a word
// of its own.
struct alignas(32) IoasidEntry {
    IoasidSet* set = nullptr;
    void* data = nullptr;
    std::uint32_t id = 0;
    std::uint32_t spid = kInvalidIoasid;
    std::uint32_t refs = 0;
    std::uint32_t position : 27;  // in the set's array
    std::uint32_t used : 1;
    std::uint32_t pending : 1;  // FREE_PENDING
    std::uint32_t listed : 1;   // in the set's array
    std::uint32_t orphan : 1;   // its allocator is gone
    std::uint32_t charged : 1;  // the controller holds a unit for it

    IoasidEntry() : position(0), used(0), pending(0), listed(0), orphan(0), charged(0) {}
};
static_assert(sizeof(IoasidEntry) == 32, "a look-up costs one cache line");

// ACTIVE is derived: somebody beside the owner holds a reference.
inline IoasidState state_of(const IoasidEntry& entry) {
    if (entry.pending != 0) {
        return IoasidState::FreePending;
    }
    return entry.refs > 1 ? IoasidState::Active : IoasidState::Idle;
}

class IdTable {
public:
    IdTable() : dense_(1) {}

    [[gnu::always_inline]] IoasidEntry* find(std::uint32_t id) const {
        const std::uint32_t index = id / kChunk;
        Chunk* chunk = index < dense_.size() ? dense_[index].get() : sparse_chunk(index);
        if (chunk == nullptr) {
            return nullptr;
        }
        IoasidEntry& entry = chunk->entries[id % kChunk];
        return entry.used != 0 ? &entry : nullptr;
    }

    // Lowest number of min..max that is not in the table.
    std::optional<std::uint32_t> lowest_free(std::uint32_t min, std::uint32_t max) {
        const bool from_start = min <= all_used_below_;
        const auto id = search_free(from_start ? all_used_below_ : min, max);
        if (from_start && id) {
            all_used_below_ = *id;
        }
        return id;
    }

    // `id` must not be in the table.
    IoasidEntry& insert(std::uint32_t id) {
        const std::uint32_t index = id / kChunk;
        Chunk& chunk = make_chunk(index);
        const std::uint32_t slot = id % kChunk;
        IoasidEntry& entry = chunk.entries[slot];
        SIM_CHECK(!entry.used, "ID {} inserted twice", id);
        entry.used = 1;
        entry.id = id;
        chunk.used[slot / 64] |= std::uint64_t{1} << (slot % 64);
        if (++chunk.count == kChunk) {
            set_full(index, true);
        }
        ++size_;
        highest_ = id > highest_ ? id : highest_;
        return entry;
    }

    void erase(IoasidEntry& entry) {
        const std::uint32_t id = entry.id;
        const std::uint32_t index = id / kChunk;
        const std::uint32_t slot = id % kChunk;
        Chunk& chunk = *chunk_at(index);
        entry = IoasidEntry{};
        chunk.used[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
        if (chunk.count-- == kChunk) {
            set_full(index, false);
        }
        --size_;
        all_used_below_ = id < all_used_below_ ? id : all_used_below_;
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::uint32_t highest() const { return highest_; }  // ever inserted

    // Ascending.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const auto& chunk : dense_) {
            visit_chunk(chunk.get(), visit);
        }
        for (const auto& [index, chunk] : sparse_) {
            visit_chunk(chunk.get(), visit);
        }
    }

private:
    static constexpr std::uint32_t kChunk = 256;
    static constexpr std::uint32_t kDenseChunks = kDefaultIoasidCapacity / kChunk;
    static constexpr std::uint32_t kFullWords = kDenseChunks / 64;

    struct Chunk {
        std::array<IoasidEntry, kChunk> entries;
        std::array<std::uint64_t, kChunk / 64> used{};
        std::uint32_t count = 0;

        // kChunk when there is none.
        std::uint32_t first_free(std::uint32_t from) const {
            if (count == kChunk) {
                return kChunk;
            }
            std::uint64_t mask = ~std::uint64_t{0} << (from % 64);
            for (std::uint32_t word = from / 64; word < used.size(); ++word) {
                const std::uint64_t open = ~used[word] & mask;
                if (open != 0) {
                    return word * 64 + static_cast<std::uint32_t>(__builtin_ctzll(open));
                }
                mask = ~std::uint64_t{0};
            }
            return kChunk;
        }
    };

    std::optional<std::uint32_t> search_free(std::uint32_t min, std::uint32_t max) const {
        if (min > max) {
            return std::nullopt;
        }
        std::uint32_t index = min / kChunk;
        std::uint32_t from = min % kChunk;
        const std::uint32_t last = max / kChunk;
        while (index <= last) {
            const Chunk* chunk = chunk_at(index);
            const std::uint32_t slot = chunk == nullptr ? from : chunk->first_free(from);
            if (slot < kChunk) {
                const std::uint32_t id = index * kChunk + slot;
                return id <= max ? std::optional<std::uint32_t>(id) : std::nullopt;
            }
            if (index == last) {
                break;
            }
            index = next_not_full(index + 1);
            from = 0;
        }
        return std::nullopt;
    }

    Chunk* chunk_at(std::uint32_t index) const {
        return index < dense_.size() ? dense_[index].get() : sparse_chunk(index);
    }

    [[gnu::noinline]] Chunk* sparse_chunk(std::uint32_t index) const {
        const auto found = sparse_.find(index);
        return found == sparse_.end() ? nullptr : found->second.get();
    }

    Chunk& make_chunk(std::uint32_t index) {
        std::unique_ptr<Chunk>* place = nullptr;
        if (index < kDenseChunks) {
            if (index >= dense_.size()) {
                dense_.resize(index + 1);
            }
            place = &dense_[index];
        } else {
            place = &sparse_[index];
        }
        if (*place == nullptr) {
            *place = std::make_unique<Chunk>();
        }
        return **place;
    }

    void set_full(std::uint32_t index, bool full) {
        if (index >= kDenseChunks) {
            return;
        }
        const std::uint32_t word = index / 64;
        const std::uint64_t bit = std::uint64_t{1} << (index % 64);
        full_[word] = full ? full_[word] | bit : full_[word] & ~bit;
        const std::uint64_t word_bit = std::uint64_t{1} << word;
        full_words_ =
            full_[word] == ~std::uint64_t{0} ? full_words_ | word_bit : full_words_ & ~word_bit;
    }

    // The first chunk at or after `index` that may have room. Beyond 20 bits every chunk may.
    std::uint32_t next_not_full(std::uint32_t index) const {
        if (index >= kDenseChunks) {
            return index;
        }
        const std::uint32_t word = index / 64;
        const std::uint64_t open = ~full_[word] & (~std::uint64_t{0} << (index % 64));
        if (open != 0) {
            return word * 64 + static_cast<std::uint32_t>(__builtin_ctzll(open));
        }
        if (word + 1 == kFullWords) {
            return kDenseChunks;
        }
        const std::uint64_t words = ~full_words_ & (~std::uint64_t{0} << (word + 1));
        if (words == 0) {
            return kDenseChunks;
        }
        const auto next = static_cast<std::uint32_t>(__builtin_ctzll(words));
        return next * 64 + static_cast<std::uint32_t>(__builtin_ctzll(~full_[next]));
    }

    template <class Visit>
    static void visit_chunk(Chunk* chunk, Visit& visit) {
        if (chunk == nullptr || chunk->count == 0) {
            return;
        }
        for (IoasidEntry& entry : chunk->entries) {
            if (entry.used) {
                visit(entry);
            }
        }
    }

    static_assert(kFullWords == 64, "one summary word covers the dense directory");
    std::vector<std::unique_ptr<Chunk>> dense_;
    std::map<std::uint32_t, std::unique_ptr<Chunk>> sparse_;
    std::array<std::uint64_t, kFullWords> full_{};
    std::uint64_t full_words_ = 0;
    std::size_t size_ = 0;
    std::uint32_t highest_ = 0;
    std::uint32_t all_used_below_ = 0;  // no free number is lower
};

// Levels of a tree with 64 slots a node that holds numbers up to `highest`.
inline std::uint64_t tree_levels(std::uint32_t highest) {
    std::uint64_t levels = 1;
    for (std::uint32_t rest = highest / 64; rest != 0; rest /= 64) {
        ++levels;
    }
    return levels;
}

}  // namespace ioasim
