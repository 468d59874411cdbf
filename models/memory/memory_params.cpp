#include "models/memory/memory_params.hpp"

#include "models/memory/last_level_cache.hpp"

namespace ioasim::memory {
namespace {

constexpr std::uint64_t kHighBase = std::uint64_t{1} << 32U;

void add_cache(ParamTable<MemoryParams>& t) {
    t.count("llc.bytes", &MemoryParams::llc_bytes, 0, std::uint64_t{1} << 32U, 0,
            "Last-level cache of each socket; 0: none, every access goes to memory.",
            "modelling choice: timing profiles set it", Unit::Bytes)
        .in_multiples_of(kCacheLineBytes);
    t.count("llc.device_bytes", &MemoryParams::llc_device_bytes, 0, std::uint64_t{1} << 32U,
            std::uint64_t{2} << 20U,
            "What writes of devices may fill of it; as much as there is when it is less.",
            "2 of 12 ways, 3 to 8 MB (Sepia, OSDI'26); 2 of 20 ways on Broadwell", Unit::Bytes)
        .in_multiples_of(kCacheLineBytes);
    t.time("llc.latency", &MemoryParams::llc_latency, 0_ps, 100_us, 37_ns,
           "From the arrival of a request whose lines are all in the last-level cache to its "
           "response.",
           "a device's read that hits is 75 ns quicker (Neugebauer et al., SIGCOMM'18, raw data)");
    t.count("llc.bandwidth", &MemoryParams::llc_bandwidth, 0, 100'000'000, 0,
            "Rate of each socket's last-level cache towards devices; 0: no limit.",
            "modelling choice: the ports of devices limit", Unit::Bandwidth);
    t.flag("llc.device_writes", &MemoryParams::llc_device_writes, true,
           "Writes of devices that ask for nothing go into the last-level cache.",
           "Intel Data Direct I/O technology: write allocation by default");
}

void add_snooping(ParamTable<MemoryParams>& t) {
    t.count("processor_cache.bytes", &MemoryParams::processor_cache_bytes, 0,
            std::uint64_t{1} << 30U, 0,
            "What each processor's own cache holds, with data; 0: none, and every access is "
            "coherent, snooped or not.",
            "modelling choice: only accesses without snooping can tell", Unit::Bytes)
        .in_multiples_of(kCacheLineBytes);
    t.time("snoop.latency", &MemoryParams::snoop_latency, 0_ps, 10_us, 15_ns,
           "What asking the processors' caches adds: contained in the latencies of memory and "
           "last-level cache, so a request that is not snooped takes so much less.",
           "assumed: a look-up of the snoop filter beside the last-level cache, 10 to 20 ns");
    t.time("snoop.modified", &MemoryParams::snoop_modified, 0_ps, 10_us, 40_ns,
           "Beside it, when a processor has the newest bytes and must give them.",
           "assumed: a line from another core takes 40 to 60 ns longer than one of the last-level "
           "cache on mesh processors");
}

void add_sockets(ParamTable<MemoryParams>& t) {
    t.count("node1.bytes", &MemoryParams::node1_bytes, 0, std::uint64_t{1} << 45U, 0,
            "Memory of a second socket, behind that of the first; 0: there is one socket.",
            "modelling choice", Unit::Bytes)
        .in_multiples_of(kPageSize);
    t.time("socket_link.latency", &MemoryParams::socket_latency, 0_ps, 10_us, 60_ns,
           "One way between the sockets.",
           "modelling choice: remote memory is about twice as far as local memory");
    t.count("socket_link.bandwidth", &MemoryParams::socket_bandwidth, 0, 10'000'000, 118'330,
            "Rate of data in each direction between the sockets; 0: no limit.",
            "8 devices copying to the other node reach 110.2 GiB/s (DSA-2LM, USENIX ATC'25, "
            "fig. 4)",
            Unit::Bandwidth);
}

}  // namespace

const ParamTable<MemoryParams>& memory_param_table() {
    static const ParamTable<MemoryParams> table = [] {
        ParamTable<MemoryParams> t{"memory"};
        t.count("low_bytes", &MemoryParams::low_bytes, 16U << 20U, std::uint64_t{3} << 30U,
                std::uint64_t{2} << 30U, "Memory from address 0, below the hole for devices.",
                "modelling choice: as PC firmware lays it out", Unit::Bytes)
            .in_multiples_of(kPageSize);
        t.count("high_bytes", &MemoryParams::high_bytes, 0, std::uint64_t{1} << 45U,
                std::uint64_t{254} << 30U, "Memory from 4 GiB on.",
                "modelling choice: untouched memory costs nothing", Unit::Bytes)
            .in_multiples_of(kPageSize);
        t.time("latency", &MemoryParams::latency, 0_ps, 100_us, 112_ns,
               "From the arrival of a request to its response, unloaded.",
               "DRAM on a Sapphire Rapids host (DSA-2LM, USENIX ATC'25, test bed)");
        t.count("bandwidth", &MemoryParams::bandwidth, 0, 100'000'000, 307'200,
                "Rate shared by all clients; 0: no limit.",
                "8 channels of DDR5-4800, 8 bytes wide (JEDEC JESD79-5)", Unit::Bandwidth);
        t.count("channels", &MemoryParams::channels, 1, 64, 1,
                "Channels that share the rate equally; each serves what lies in it in order of "
                "arrival. 1: one server with the whole rate.",
                "modelling choice: of many channels, perfect interleaving");
        t.count("interleave", &MemoryParams::interleave, 64, 4096, 256,
                "Neighbouring bytes of one channel.", "modelling choice, as servers do",
                Unit::Bytes)
            .in_powers_of_two();
        t.time("link.latency", &MemoryParams::link_latency, 1_ps, 10_us, 42500_ps,
               "One way of a response to its client.",
               "197 ns for a walk read (Fast & Safe IO Memory Protection, SOSP'24, fit) less the "
               "memory latency, halved");
        t.count("queue", &MemoryParams::queue, 1024, 1U << 24U, 65536,
                "Requests under way at most; clients stay below it.", "modelling choice");
        add_cache(t);
        add_snooping(t);
        add_sockets(t);
        return t;
    }();
    return table;
}

Hpa node1_base(const MemoryParams& params) {
    return Hpa{kHighBase + params.high_bytes};
}

std::vector<MemoryRange> memory_ranges(const MemoryParams& params) {
    std::vector<MemoryRange> ranges{{Hpa{0}, params.low_bytes}};
    if (params.high_bytes != 0) {
        ranges.push_back({Hpa{kHighBase}, params.high_bytes});
    }
    if (params.node1_bytes != 0) {
        ranges.push_back({node1_base(params), params.node1_bytes});
    }
    return ranges;
}

}  // namespace ioasim::memory
