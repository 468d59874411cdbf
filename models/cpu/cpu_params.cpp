#include "models/cpu/cpu_params.hpp"

namespace ioasim::cpu {

const ParamTable<CpuParams>& cpu_param_table() {
    static const ParamTable<CpuParams> table = [] {
        ParamTable<CpuParams> t{"cpu"};
        t.timing("load", &CpuParams::load,
                 "a load or store of at most 8 bytes that hits the caches");
        t.timing("block", &CpuParams::block, "copying software: each 64-byte line read or written");
        t.timing("block.miss", &CpuParams::line_miss,
                 "copying software: each 64-byte line that comes from memory");
        t.timing("mmio_write", &CpuParams::mmio_write, "an uncached store; delivery is posted");
        t.timing("mmio_issue", &CpuParams::mmio_issue,
                 "core to uncore for uncached reads and ENQCMD");
        t.timing("movdir64b", &CpuParams::movdir64b,
                 "MOVDIR64B: issue interval to the same portal line; delivery is posted");
        t.timing("movdir64b.other_line", &CpuParams::movdir64b_other,
                 "MOVDIR64B: issue interval to another portal line than the last one");
        t.timing("movdir64b.issue", &CpuParams::movdir64b_issue,
                 "MOVDIR64B: the instruction itself, when a buffer is free");
        t.timing("fence", &CpuParams::fence, "SFENCE");
        t.timing("timestamp", &CpuParams::timestamp, "RDTSCP and LFENCE");
        t.timing("poll.turn", &CpuParams::poll_turn,
                 "one turn of a loop that looks at a completion record; 0: it sees at once");
        t.timing("poll.fetch", &CpuParams::poll_fetch,
                 "a line that a device has written, into the processor that looks at it");
        t.timing("umwait.wake", &CpuParams::umwait_wake,
                 "UMWAIT (C0.1): a store to the monitored line to the next instruction");
        t.timing("clflushopt", &CpuParams::flush, "CLFLUSHOPT: each line that leaves the caches");
        t.timing("wbinvd", &CpuParams::wbinvd,
                 "WBINVD: looking through caches in which nothing is");
        t.timing("wbinvd.line", &CpuParams::wbinvd_line,
                 "WBINVD: each line that leaves the caches");
        t.timing("completion", &CpuParams::completion,
                 "a completion back at the core until the instruction retires");
        t.timing("pasid_translation", &CpuParams::pasid_translation,
                 "ENQCMD in a guest: reading directory and table entry");
        t.timing("interrupt", &CpuParams::interrupt,
                 "MSI at the CPUs to the first instruction of the handler");
        t.timing("ipi", &CpuParams::ipi, "an interrupt from one processor to another");
        t.timing("link.latency", &CpuParams::link_latency, "CPUs to root complex, one way");
        t.timing("link.bandwidth", &CpuParams::link_bandwidth, "CPUs to root complex; 0: no limit");
        return t;
    }();
    return table;
}

}  // namespace ioasim::cpu
