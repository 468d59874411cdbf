// The processors' own caches, with data: lines of 64 bytes that memory behind them may not have
// yet, or has newer than they are.
//
// Among processors, and towards accesses that are snooped, caches are coherent as MESI makes them:
// a line is modified in one cache or equal in several. An access that is not snooped (PCI Express
// 2.2.6.5, No Snoop) goes to memory and leaves the caches as they are. WBINVD and CLFLUSH write
// modified lines back as a whole (Intel SDM vol. 2). What has to go for want of room is the line of
// that processor touched longest ago. Left out: sets, levels, store buffers, lines fetched ahead;
// lines with an error that cannot be corrected are never held.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "core/base/defects.hpp"
#include "models/memory/memory_if.hpp"
#include "models/memory/sparse_memory.hpp"

namespace ioasim::memory {

class ProcessorCaches {
public:
    // `bytes`: of each processor; 0: there are none.
    ProcessorCaches(std::uint64_t bytes, SparseMemory& memory, Probes& probes);

    bool present() const { return capacity_ != 0; }

    // A load or store of a processor.
    void read(std::size_t processor, Hpa address, void* out, std::size_t size);
    void write(std::size_t processor, Hpa address, const void* in, std::size_t size);
    // What a snooped read gets: from the caches what they hold, else from memory.
    void snoop(Hpa address, void* out, std::size_t size) const;
    // A snooped write: the lines leave all caches, and memory has the bytes.
    void overwrite(Hpa address, const void* in, std::size_t size);

    CacheFlush held(Hpa address, std::size_t size) const;
    // CLFLUSH of the lines that the range touches: they leave all caches, modified ones through
    // memory.
    CacheFlush flush(Hpa address, std::size_t size);
    // WBINVD.
    CacheFlush flush_all(std::size_t processor);

    std::size_t lines() const { return lines_.size(); }

private:
    static constexpr std::size_t kLineBytes = 64;
    using Data = std::array<std::uint8_t, kLineBytes>;
    using Order = std::list<std::uint64_t>;  // numbers of lines, the newest first
    struct Line {
        Data data{};
        bool modified = false;
        std::vector<std::size_t> holders;  // one when it is modified
    };
    struct Cache {
        Order order;
        std::unordered_map<std::uint64_t, Order::iterator> at;
    };

    Cache& cache_of(std::size_t processor);
    // The line as this processor has it from now on: alone, or it may share it.
    enum class Want : std::uint8_t { Shared, Alone };
    Line& fetch(std::size_t processor, std::uint64_t number, Want want);
    void write_back(std::uint64_t number, Line& line);
    void take_from(std::size_t processor, std::uint64_t number);
    void drop(std::uint64_t number);
    void make_room(Cache& cache, std::size_t processor);
    // Calls visit(line number, offset in the line, offset in the range, bytes) for each line.
    template <class Visit>
    static void each_line(Hpa address, std::size_t size, Visit visit);

    std::uint64_t capacity_;  // lines
    SparseMemory& memory_;
    Probes& probes_;
    std::unordered_map<std::uint64_t, Line> lines_;
    std::vector<Cache> caches_;
};

}  // namespace ioasim::memory
