// Number -> ID of one allocator: constant-time look-up, insertion, removal and "lowest free number
// of a range", whatever the number of live IDs. Entries live in chunks of 256 at stable addresses;
// the 20-bit PASID space has a flat directory with bitmaps of full chunks, numbers beyond it (legal
// in the API, unknown to PCIe) a sorted one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/base/check.hpp"
#include "core/ioasid/ioasid_types.hpp"
#include "core/ioasid/slab_store.hpp"

namespace ioasim {

// 32 bytes: two to a cache line, none across two. The count, which changes most often, has a word
// of its own.
struct alignas(32) IoasidEntry {
    enum Flag : std::uint32_t {
        kUsed = 1,
        kPending = 2,  // FREE_PENDING
        kListed = 4,   // in the set's array
        kOrphan = 8,   // its allocator is gone
        kCharged = 16  // the controller holds a unit for it
    };
    static constexpr unsigned kFlagBits = 5;

    bool is(Flag flag) const { return (word & flag) != 0; }
    void mark(Flag flag) { word |= flag; }
    void unmark(Flag flag) { word &= ~std::uint32_t{flag}; }
    std::uint32_t position() const { return word >> kFlagBits; }
    void set_position(std::uint32_t position) {
        word = (word & ((1U << kFlagBits) - 1)) | position << kFlagBits;
    }

    IoasidSet* set = nullptr;
    void* data = nullptr;
    std::uint32_t id = 0;
    std::uint32_t spid = kInvalidIoasid;
    std::uint32_t refs = 0;
    // Flags below the position in the set's array. Bit fields would be written a byte at a time and
    // read whole, which a processor waits for.
    std::uint32_t word = 0;
};
static_assert(sizeof(IoasidEntry) == 32, "a look-up costs one cache line");

// ACTIVE is derived: somebody beside the owner holds a reference.
inline IoasidState state_of(const IoasidEntry& entry) {
    if (entry.is(IoasidEntry::kPending)) {
        return IoasidState::FreePending;
    }
    return entry.refs > 1 ? IoasidState::Active : IoasidState::Idle;
}

class IdTable {
public:
    IdTable() { grow_directory(1); }
    IdTable(const IdTable&) = delete;
    IdTable& operator=(const IdTable&) = delete;

    [[gnu::always_inline]] IoasidEntry* find(std::uint32_t id) const {
        return entry_in(chunk_at(id / kChunk), id);
    }
    // As find() for most IDs, in fewer instructions; null also for IDs beyond 20 bits.
    [[gnu::always_inline]] IoasidEntry* find_dense(std::uint32_t id) const {
        const std::uint32_t index = id / kChunk;
        return index < directory_size_ ? entry_in(directory_[index], id) : nullptr;
    }

    // Lowest number of min..max that is not in the table.
    std::optional<std::uint32_t> lowest_free(std::uint32_t min, std::uint32_t max) {
        const auto id = search_free(search_start(min), max);
        if (id) {
            searched(min, *id);
        }
        return id;
    }

    // Null when there is none.
    IoasidEntry* insert_lowest_free(std::uint32_t min, std::uint32_t max) {
        const std::uint32_t from = search_start(min);
        Chunk* chunk = chunk_at(from / kChunk);
        std::uint32_t slot = chunk == nullptr ? kChunk : chunk->first_free(from % kChunk);
        std::uint32_t id = from / kChunk * kChunk + slot;
        if (slot == kChunk) {
            const auto found = search_free(from, max);
            if (!found) {
                return nullptr;
            }
            id = *found;
            slot = id % kChunk;
            chunk = &make_chunk(id / kChunk);
        } else if (id > max) {
            return nullptr;
        }
        searched(min, id);
        return &place(*chunk, id);
    }

    // `id` must not be in the table.
    IoasidEntry& insert(std::uint32_t id) {
        Chunk& chunk = make_chunk(id / kChunk);
        SIM_CHECK(!chunk.entries[id % kChunk].is(IoasidEntry::kUsed), "ID {} inserted twice", id);
        return place(chunk, id);
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
        if (id - run_start_ < run_end_ - run_start_) {
            run_end_ = id;
        }
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::uint32_t highest() const { return highest_; }  // ever inserted

    // Ascending.
    template <class Visit>
    void for_each(Visit visit) const {
        for (Chunk* chunk : dense_) {
            visit_chunk(chunk, visit);
        }
        for (const auto& [index, chunk] : sparse_) {
            visit_chunk(chunk, visit);
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
            std::uint32_t word = from / 64;
            std::uint64_t open = ~used[word] & (~std::uint64_t{0} << (from % 64));
            while (open == 0) {
                if (++word == used.size()) {
                    return kChunk;
                }
                open = ~used[word];
            }
            return word * 64 + static_cast<std::uint32_t>(__builtin_ctzll(open));
        }
    };

    std::uint32_t search_start(std::uint32_t min) const { return in_run(min) ? run_end_ : min; }
    // `id` is the lowest free number from `min` on.
    void searched(std::uint32_t min, std::uint32_t id) {
        run_start_ = in_run(min) ? run_start_ : min;
        run_end_ = id;
    }
    bool in_run(std::uint32_t id) const { return id - run_start_ <= run_end_ - run_start_; }

    [[gnu::always_inline]] IoasidEntry& place(Chunk& chunk, std::uint32_t id) {
        const std::uint32_t slot = id % kChunk;
        IoasidEntry& entry = chunk.entries[slot];
        entry.word = IoasidEntry::kUsed;
        entry.id = id;
        chunk.used[slot / 64] |= std::uint64_t{1} << (slot % 64);
        if (++chunk.count == kChunk) {
            set_full(id / kChunk, true);
        }
        ++size_;
        highest_ = id > highest_ ? id : highest_;
        return entry;
    }

    [[gnu::noinline]] std::optional<std::uint32_t> search_free(std::uint32_t min,
                                                               std::uint32_t max) const {
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

    [[gnu::always_inline]] static IoasidEntry* entry_in(Chunk* chunk, std::uint32_t id) {
        if (chunk == nullptr) {
            return nullptr;
        }
        IoasidEntry& entry = chunk->entries[id % kChunk];
        return entry.is(IoasidEntry::kUsed) ? &entry : nullptr;
    }

    [[gnu::always_inline]] Chunk* chunk_at(std::uint32_t index) const {
        return index < directory_size_ ? directory_[index] : sparse_chunk(index);
    }

    [[gnu::noinline]] Chunk* sparse_chunk(std::uint32_t index) const {
        const auto found = sparse_.find(index);
        return found == sparse_.end() ? nullptr : found->second;
    }

    void grow_directory(std::uint32_t size) {
        dense_.resize(size);
        directory_ = dense_.data();
        directory_size_ = size;
    }

    Chunk& make_chunk(std::uint32_t index) {
        Chunk* known = index < directory_size_ ? directory_[index] : nullptr;
        return known != nullptr ? *known : make_new_chunk(index);
    }

    [[gnu::noinline]] Chunk& make_new_chunk(std::uint32_t index) {
        Chunk** place = nullptr;
        if (index < kDenseChunks) {
            if (index >= directory_size_) {
                grow_directory(index + 1);
            }
            place = &dense_[index];
        } else {
            place = &sparse_[index];
        }
        if (*place == nullptr) {
            *place = chunks_.make();
        }
        return **place;
    }

    [[gnu::noinline]] void set_full(std::uint32_t index, bool full) {
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
            if (entry.is(IoasidEntry::kUsed)) {
                visit(entry);
            }
        }
    }

    static_assert(kFullWords == 64, "one summary word covers the dense directory");
    SlabStore<Chunk> chunks_;
    Chunk* const* directory_ = nullptr;  // of dense_
    std::uint32_t directory_size_ = 0;
    std::vector<Chunk*> dense_;
    std::map<std::uint32_t, Chunk*> sparse_;
    std::array<std::uint64_t, kFullWords> full_{};
    std::uint64_t full_words_ = 0;
    std::size_t size_ = 0;
    std::uint32_t highest_ = 0;
    // All of run_start_..run_end_-1 are used: who asks from within gets nothing below the end.
    std::uint32_t run_start_ = 0;
    std::uint32_t run_end_ = 0;
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
