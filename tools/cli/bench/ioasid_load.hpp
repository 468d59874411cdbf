// What `bench ioasid` times: a core in zero time, without listeners, with sets that hold a given
// number of live IDs, and loops over it that choose their ID at random.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ioasid/ioasid.hpp"

namespace ioasim::tools {

struct LoadShape {
    std::size_t sets = 1;
    std::size_t ids = 0;
    bool round_robin = true;  // neighbouring numbers belong to different sets; else to the same
    bool handlers = false;    // FREE goes to three, ALLOC to two
};

// Marsaglia's xorshift: the choice costs next to nothing beside what is measured.
class Xorshift {
public:
    std::uint64_t next() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return state_;
    }

private:
    std::uint64_t state_ = 0x9E3779B97F4A7C15;
};

// Every loop does `count` rounds and returns that number.
class IoasidLoad {
public:
    // The sets are made, the IDs are not: see fill().
    explicit IoasidLoad(const LoadShape& shape);
    ~IoasidLoad();

    std::uint64_t fill();
    std::uint64_t empty(std::uint64_t count);
    std::uint64_t alloc_free_same(std::uint64_t count);
    std::uint64_t alloc_free_random(std::uint64_t count);
    std::uint64_t get_put(std::uint64_t count);
    std::uint64_t find(std::uint64_t count);
    std::uint64_t find_set(std::uint64_t count);
    // alloc, get, free, put of one ID: it goes through FREE_PENDING.
    std::uint64_t life(std::uint64_t count);

    // --- SPIDs: `per_set` IDs of each of the first `sets` sets
    // ------------------------------------
    std::uint64_t attach_spids(std::size_t sets, std::size_t per_set);
    std::uint64_t detach_spids(std::size_t sets, std::size_t per_set);
    std::uint64_t find_by_spid(std::uint64_t count, std::size_t sets, std::size_t per_set);
    std::uint64_t detach_attach(std::uint64_t count, std::size_t sets, std::size_t per_set);

    // For tests: what the loops leave behind, and how many calls the handlers got.
    const IoasidCore& core() const { return *core_; }
    std::uint64_t heard() const { return heard_; }

private:
    class Block;
    template <class Each>
    std::uint64_t rounds(std::uint64_t count, Each each);

    const LoadShape shape_;
    std::size_t per_set_;
    LockMonitor monitor_;
    ImmediateContext ctx_;
    trace::Recorder recorder_;
    Probes probes_;
    std::unique_ptr<IoasidCore> core_;
    trace::Name me_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<IoasidSet*> sets_;
    std::vector<std::uint32_t> ids_;  // the IDs of one set after those of another
    Xorshift random_;
    std::uint64_t seen_ = 0;  // what the loops read, so that no call is optimised away
    std::uint64_t heard_ = 0;
};

// Bytes that the program has allocated at the moment.
std::size_t allocated_bytes();

}  // namespace ioasim::tools
