#include "models/platform/bench_params.hpp"

namespace ioasim::platform {
namespace {

void add_kernel_paths(ParamTable<BenchParams>& t) {
    t.time("fault.exception", &BenchParams::exception, 0_ps, 100_us, 52_ns,
           "a page fault's way into the kernel and back, the walks not counted",
           "derived: 117 ns for a fault of a file's page (lmbench, Asterinas benchmark data)");
    t.time("fault.page_cache", &BenchParams::page_cache, 0_ps, 1_ms, 40_ns,
           "finding a page that is in memory and mapping it",
           "derived: 117 ns for a fault of a file's page (lmbench, Asterinas benchmark data)");
    t.time("fault.anonymous", &BenchParams::anonymous, 0_ps, 1_ms, 698_ns,
           "making a page of zeros and mapping it",
           "derived: 0.75 us for an anonymous fault (bpf_fault, SOSP'26 draft)");
    t.time("fault.storage", &BenchParams::storage, 0_ps, 100_ms, 694_us,
           "reading a page from its backing storage",
           "derived: 700 us for a device's fault in production (To PRI or Not To PRI, OSDI'25)");
    t.time("pipe.byte", &BenchParams::pipe, 0_ps, 100_us, 35_ns,
           "a byte into or out of a pipe, the system call and waking not counted",
           "derived: 2.65 us for a byte there and back (lmbench, Asterinas benchmark data)");
    t.time("nested.exit", &BenchParams::nested_exit, 0_ps, 1_ms, 1_us,
           "a hypervisor hands its guest's guest's exit to its guest",
           "derived: 13,500 cycles for an exit that a nested hypervisor handles (KVM VMX "
           "optimisation series)");
    t.time("nested.resume", &BenchParams::nested_resume, 0_ps, 1_ms, 1300_ns,
           "a hypervisor enters its guest's guest for its guest",
           "derived: 13,500 cycles for an exit that a nested hypervisor handles (KVM VMX "
           "optimisation series)");
    t.count("nested.kernel_exits", &BenchParams::nested_kernel_exits, 0, 1000, 3,
            "exits of a nested hypervisor while it handles one in its kernel",
            "derived: 13,500 cycles in all (KVM VMX optimisation series)");
    t.count("nested.user_exits", &BenchParams::nested_user_exits, 0, 1000, 19,
            "further ones when its user space handles it",
            "derived: 44,800 cycles in all (KVM VMX optimisation series)");
}

}  // namespace

const ParamTable<BenchParams>& bench_param_table() {
    static const ParamTable<BenchParams> table = [] {
        ParamTable<BenchParams> t{"software"};
        t.count("core_clock", &BenchParams::core_clock, 100, 100'000, 3200,
                "MHz at which the costs of cores and software are given",
                "the cores whose copies fix cpu.block (DSA-2LM, USENIX ATC 2025, test bed)");
        t.time("dma_api.map", &BenchParams::dma_map, 0_ps, 1_ms, 44_ns,
               "mapping and preparing a descriptor through the DMA API",
               "half of the 88 ns that the API adds to a 4-KiB copy (DSA-2LM, USENIX ATC 2025)");
        t.time("dma_api.unmap", &BenchParams::dma_unmap, 0_ps, 1_ms, 44_ns,
               "what the DMA API does after a completion",
               "half of the 88 ns that the API adds to a 4-KiB copy (DSA-2LM, USENIX ATC 2025)");
        t.time("sleep_poll.sleep", &BenchParams::sleep, 0_ps, 1_ms, 1_us,
               "how long a kernel thread sleeps before it looks at the record, beside going to "
               "sleep and waking up",
               "derived: 6 us for a 4-KiB checksum by sleeping and polling (Para-ksm, USENIX ATC "
               "2025)");
        t.time("crc.line", &BenchParams::crc_line, 0_ps, 1_us, 20_ns,
               "a core's checksum over 64 bytes in its caches",
               "derived: offload takes 6 us and 2.7 times as long as a core (Para-ksm, USENIX ATC "
               "2025)");
        t.time("compare.line", &BenchParams::compare_line, 0_ps, 1_us, 20_ns,
               "a core's comparison of 64 bytes in its caches",
               "derived: offload takes 2.6 times as long as a core, and 6 us for a checksum "
               "(Para-ksm, USENIX ATC 2025); quadword by quadword");
        add_kernel_paths(t);
        return t;
    }();
    return table;
}

}  // namespace ioasim::platform
