#include "models/memory/memory_params.hpp"

namespace ioasim::memory {
namespace {

constexpr std::uint64_t kHighBase = std::uint64_t{1} << 32U;

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
        return t;
    }();
    return table;
}

std::vector<MemoryRange> memory_ranges(const MemoryParams& params) {
    std::vector<MemoryRange> ranges{{Hpa{0}, params.low_bytes}};
    if (params.high_bytes != 0) {
        ranges.push_back({Hpa{kHighBase}, params.high_bytes});
    }
    return ranges;
}

}  // namespace ioasim::memory
