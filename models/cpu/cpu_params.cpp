#include "models/cpu/cpu_params.hpp"

namespace ioasim::cpu {

const ParamTable<CpuParams>& cpu_param_table() {
    static const ParamTable<CpuParams> table = [] {
        ParamTable<CpuParams> t{"cpu"};
        t.time("load", &CpuParams::load, 0_ps, 1_us, 2_ns,
               "a load or store of at most 8 bytes that hits the caches",
               "modelling choice: first-level cache with neighbours");
        t.time("block", &CpuParams::block, 0_ps, 1_us, 4_ns,
               "copying software: each 64-byte line read or written",
               "derived: 10 to 20 ns for a descriptor and its fence (DSA-2LM, USENIX ATC 2025)");
        t.time("block.miss", &CpuParams::line_miss, 0_ps, 1_us, 7500_ps,
               "copying software: each 64-byte line that comes from memory",
               "derived: 8.1 us to copy 32 KiB that were flushed (DSA-2LM, USENIX ATC 2025)");
        t.time("mmio_write", &CpuParams::mmio_write, 0_ps, 10_us, 10_ns,
               "an uncached store; delivery is posted", "modelling choice: store buffer drain");
        t.time(
            "mmio_issue", &CpuParams::mmio_issue, 0_ps, 10_us, 50_ns,
            "core to uncore for uncached reads and ENQCMD",
            "derived: share of the 190 ns ENQCMD round trip (accel-datapath hardware evaluation)");
        t.time("movdir64b", &CpuParams::movdir64b, 0_ps, 10_us, 106700_ps,
               "MOVDIR64B: issue interval to the same portal line; delivery is posted",
               "accel-datapath hardware evaluation: 9.37 million submissions a second");
        t.time("movdir64b.other_line", &CpuParams::movdir64b_other, 0_ps, 10_us, 60_ns,
               "MOVDIR64B: issue interval to another portal line than the last one",
               "derived: 16.3 million copies of 256 bytes a second (DSAssassin, HPCA 2026)");
        t.time("movdir64b.issue", &CpuParams::movdir64b_issue, 0_ps, 10_us, 6_ns,
               "MOVDIR64B: the instruction itself, when a buffer is free",
               "6 ns to submit a prepared descriptor (DSA-2LM, USENIX ATC 2025)");
        t.time("fence", &CpuParams::fence, 0_ps, 10_us, 15_ns, "SFENCE",
               "derived: share of 253 ns for fence, ENQCMD and time stamps (DSAssassin, HPCA "
               "2026)");
        t.time("timestamp", &CpuParams::timestamp, 0_ps, 10_us, 25_ns, "RDTSCP and LFENCE",
               "derived: share of 253 ns for fence, ENQCMD and time stamps (DSAssassin, HPCA "
               "2026)");
        t.time("poll.turn", &CpuParams::poll_turn, 0_ps, 10_us, 5_ns,
               "one turn of a loop that looks at a completion record; 0: it sees at once",
               "modelling choice: load, compare, pause and branch");
        t.time("poll.fetch", &CpuParams::poll_fetch, 0_ps, 10_us, 20_ns,
               "a line that a device has written, into the processor that looks at it",
               "assumed: part of 50 to 150 ns from the write of a record to a polling core");
        t.time("umwait.wake", &CpuParams::umwait_wake, 0_ps, 10_us, 5_ns,
               "UMWAIT (C0.1): a store to the monitored line to the next instruction",
               "0 to 30 ns: 488 cycles against 512 of busy polling (DSAssassin, HPCA 2026)");
        t.time("clflushopt", &CpuParams::flush, 0_ps, 10_us, 4_ns,
               "CLFLUSHOPT: each line that leaves the caches",
               "modelling choice: as a line that copying software writes");
        t.time("wbinvd", &CpuParams::wbinvd, 0_ps, 100_ms, 50_us,
               "WBINVD: looking through caches in which nothing is",
               "modelling choice: 32768 lines of a 2-MiB cache at about a cycle each, and the wait "
               "for external caches");
        t.time("wbinvd.line", &CpuParams::wbinvd_line, 0_ps, 10_us, 4_ns,
               "WBINVD: each line that leaves the caches", "modelling choice: as CLFLUSHOPT");
        t.time(
            "completion", &CpuParams::completion, 0_ps, 10_us, 40_ns,
            "a completion back at the core until the instruction retires",
            "derived: share of the 190 ns ENQCMD round trip (accel-datapath hardware evaluation)");
        t.time(
            "pasid_translation", &CpuParams::pasid_translation, 0_ps, 10_us, 90_ns,
            "ENQCMD in a guest: reading directory and table entry",
            "derived: ENQCMD 280 ns in a virtual machine against 190 ns (DSAssassin, HPCA 2026)");
        t.time("interrupt", &CpuParams::interrupt, 0_ps, 100_us, 1_us,
               "MSI at the CPUs to the first instruction of the handler",
               "assumed, 0.5 to 3 us: idle core in a shallow sleep state");
        t.time("ipi", &CpuParams::ipi, 1_ps, 100_us, 400_ns,
               "an interrupt from one processor to another",
               "assumed: 1500 to 3000 cycles for a kick (Linux KVM) less sending it and the exit");
        t.time(
            "link.latency", &CpuParams::link_latency, 1_ps, 10_us, 20_ns,
            "CPUs to root complex, one way",
            "derived: share of the 190 ns ENQCMD round trip (accel-datapath hardware evaluation)");
        t.count("link.bandwidth", &CpuParams::link_bandwidth, 0, 1000'000, 64000,
                "CPUs to root complex; 0: no limit",
                "modelling choice: one 64-byte store in a nanosecond", Unit::Bandwidth);
        return t;
    }();
    return table;
}

}  // namespace ioasim::cpu
