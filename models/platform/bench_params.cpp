#include "models/platform/bench_params.hpp"

namespace ioasim::platform {
namespace {

void add_kernel_paths(ParamTable<BenchParams>& t) {
    t.timing("fault.exception", &BenchParams::exception,
             "a page fault's way into the kernel and back, the walks not counted");
    t.timing("fault.page_cache", &BenchParams::page_cache,
             "finding a page that is in memory and mapping it");
    t.timing("fault.anonymous", &BenchParams::anonymous, "making a page of zeros and mapping it");
    t.timing("fault.storage", &BenchParams::storage, "reading a page from its backing storage");
    t.timing("pipe.byte", &BenchParams::pipe,
             "a byte into or out of a pipe, the system call and waking not counted");
    t.timing("nested.exit", &BenchParams::nested_exit,
             "a hypervisor hands its guest's guest's exit to its guest");
    t.timing("nested.resume", &BenchParams::nested_resume,
             "a hypervisor enters its guest's guest for its guest");
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
        t.timing("dma_api.map", &BenchParams::dma_map,
                 "mapping and preparing a descriptor through the DMA API");
        t.timing("dma_api.unmap", &BenchParams::dma_unmap,
                 "what the DMA API does after a completion");
        t.timing("sleep_poll.sleep", &BenchParams::sleep,
                 "how long a kernel thread sleeps before it looks at the record, beside going to "
                 "sleep and waking up");
        t.timing("crc.line", &BenchParams::crc_line,
                 "a core's checksum over 64 bytes in its caches");
        t.timing("compare.line", &BenchParams::compare_line,
                 "a core's comparison of 64 bytes in its caches");
        add_kernel_paths(t);
        return t;
    }();
    return table;
}

}  // namespace ioasim::platform
