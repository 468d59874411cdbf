#include "models/memory/memory_params.hpp"

#include "models/memory/last_level_cache.hpp"

namespace ioasim::memory {
namespace {

constexpr std::uint64_t kHighBase = std::uint64_t{1} << 32U;

void add_cache(ParamTable<MemoryParams>& t) {
    t.timing("llc.bytes", &MemoryParams::llc_bytes,
             "Last-level cache of each socket; 0: none, every access goes to memory.")
        .in_multiples_of(kCacheLineBytes);
    t.timing("llc.device_bytes", &MemoryParams::llc_device_bytes,
             "What writes of devices may fill of it; as much as there is when it is less.")
        .in_multiples_of(kCacheLineBytes);
    t.timing("llc.latency", &MemoryParams::llc_latency,
             "From the arrival of a request whose lines are all in the last-level cache to its "
             "response.");
    t.timing("llc.bandwidth", &MemoryParams::llc_bandwidth,
             "Rate of each socket's last-level cache towards devices; 0: no limit.");
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
    t.timing("snoop.latency", &MemoryParams::snoop_latency,
             "What asking the processors' caches adds: contained in the latencies of memory and "
             "last-level cache, so a request that is not snooped takes so much less.");
    t.timing("snoop.modified", &MemoryParams::snoop_modified,
             "Beside it, when a processor has the newest bytes and must give them.");
}

void add_sockets(ParamTable<MemoryParams>& t) {
    t.count("node1.bytes", &MemoryParams::node1_bytes, 0, std::uint64_t{1} << 45U, 0,
            "Memory of a second socket, behind that of the first; 0: there is one socket.",
            "modelling choice", Unit::Bytes)
        .in_multiples_of(kPageSize);
    t.timing("socket_link.latency", &MemoryParams::socket_latency, "One way between the sockets.");
    t.timing("socket_link.bandwidth", &MemoryParams::socket_bandwidth,
             "Rate of data in each direction between the sockets; 0: no limit.");
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
        t.timing("latency", &MemoryParams::latency,
                 "From the arrival of a request to its response, unloaded.");
        t.timing("bandwidth", &MemoryParams::bandwidth, "Rate shared by all clients; 0: no limit.");
        t.count("channels", &MemoryParams::channels, 1, 64, 1,
                "Channels that share the rate equally; each serves what lies in it in order of "
                "arrival. 1: one server with the whole rate.",
                "modelling choice: of many channels, perfect interleaving");
        t.count("interleave", &MemoryParams::interleave, 64, 4096, 256,
                "Neighbouring bytes of one channel.", "modelling choice, as servers do",
                Unit::Bytes)
            .in_powers_of_two();
        t.timing("link.latency", &MemoryParams::link_latency,
                 "One way of a response to its client.");
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
