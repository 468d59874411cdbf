#include "models/platform/software_patterns.hpp"

#include <algorithm>

#include "models/cpu/mmu_if.hpp"
#include "models/linux/kernel_params.hpp"
#include "models/platform/dsa_actor.hpp"
#include "models/platform/nic_bench.hpp"
#include "models/platform/nic_patterns.hpp"
#include "models/platform/page_fault_service.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/vm/vm_params.hpp"

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kServiceCpus = 2;
constexpr unsigned kFirstMaskBit = 12;

bool with_nic(const Experiment& e) {
    return e.device == "discrete-nic";
}

void add(Measurement& m, TimePs start, TimePs end) {
    m.samples.push_back(end - start);
    m.elapsed += end - start;
    ++m.operations;
}

// --- invalidations ---

// 2^n pages that hold these.
unsigned mask_for(std::uint64_t pages) {
    unsigned mask = 0;
    while ((std::uint64_t{1} << mask) < pages) {
        ++mask;
    }
    return mask;
}

// Pages of a device TLB's invalidation: the lowest zero bit says how many.
std::uint64_t sized(std::uint64_t address, unsigned mask) {
    return mask == 0 ? address : address | bit_mask(kFirstMaskBit + mask - 2, kFirstMaskBit);
}

struct Range {
    std::uint64_t address = 0;
    unsigned mask = 0;
    Rid rid;
    std::optional<Pasid> pasid;
    DomainId did{1};
};

vtd::Descriptor descriptor_for(const std::string& target, const Range& r) {
    const std::uint64_t at = r.address;
    if (target == "devtlb") {
        return r.pasid ? vtd::pasid_device_tlb_invalidate(r.rid, *r.pasid, sized(at, r.mask),
                                                          r.mask != 0)
                       : vtd::device_tlb_invalidate(r.rid, sized(at, r.mask), r.mask != 0);
    }
    return r.pasid ? vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Page, r.did, *r.pasid,
                                                 at, r.mask)
                   : vtd::iotlb_invalidate(vtd::IotlbGranularity::Page, r.did, at, r.mask);
}

// The targets in turn over the submissions; each submission waits.
std::vector<std::vector<vtd::Descriptor>> submissions_of(const Experiment& e, const Range& range) {
    std::vector<std::vector<vtd::Descriptor>> all(std::max(e.submissions, 1U));
    for (std::size_t i = 0; i < e.targets.size(); ++i) {
        all[i * all.size() / e.targets.size()].push_back(descriptor_for(e.targets[i], range));
    }
    return all;
}

void timed_call(Harness& harness, BareDriver& unit, const Range& range) {
    const Experiment& e = harness.series.front();
    const auto submissions = submissions_of(e, range);
    const TimePs start = harness.ctx.now();
    for (const auto& descriptors : submissions) {
        must(unit.submit_sync(harness.ctx, descriptors), "an invalidation");
    }
    add(harness.results.front(), start, harness.ctx.now());
}

void invalidate_for_nic(Harness& harness) {
    const Experiment& e = harness.series.front();
    NicBench bench(harness, 4);
    bench.begin();
    bench.enable();
    const std::uint64_t bytes = e.pages * e.page_size;
    const unsigned mask = mask_for(bytes / kPageSize);
    for (std::uint64_t i = 0; i < e.iterations; ++i) {
        const std::uint64_t at = NicBench::kWindowIova;
        bench.map(at, NicBench::kDataBase, bytes, e.page_size);
        bench.unmap(at, bytes, e.page_size);
        timed_call(harness, bench.unit(), {at, mask, bench.rid(), std::nullopt});
    }
}

void invalidate_for_dsa(Harness& harness) {
    const Experiment& e = harness.series.front();
    DsaBench bench(harness);
    bench.bring_up();
    DsaActor actor(bench, harness.ctx, 0);
    HarnessSpace& space = actor.space();
    const std::uint64_t bytes = e.pages * e.page_size;
    const unsigned mask = mask_for(bytes / kPageSize);
    const std::uint64_t at = space.reserve(bytes, kPageSize << mask);
    std::vector<BenchSlot> slots = actor.make_slots(1);
    slots[0].queue = bench.queues().front();
    std::optional<Pasid> pasid;
    if (e.translation == TranslationBy::Svm) {
        pasid = space.pasid();
    }
    for (std::uint64_t i = 0; i < e.iterations; ++i) {
        space.map(harness.ctx, at, bytes);
        // The device uses the first page: IOTLB and device TLB have it.
        actor.aim(slots[0], BenchOp::CrcGen, {at, 0, 0, kPageSize});
        actor.rebuild(slots[0]);
        actor.submit(slots[0]);
        actor.wait(slots[0]);
        space.unmap(harness.ctx, at, bytes);
        timed_call(harness, bench.unit(), {at, mask, bench.rid(), pasid});
    }
    harness.results.front().problem = actor.problem();
}

// --- page faults ---

// Finds the page of a fault, by what backs it.
void find_page(DsaBench& bench, ExecContext& ctx, std::uint64_t address, FaultBacking backing,
               TimePs memory) {
    if (backing == FaultBacking::Storage) {
        WaitQueue disk{"storage"};
        ctx.wait_until(disk, ctx.now() + bench.params().storage);
    }
    ctx.spend(memory);
    bench.space(0).map(ctx, address / kPageSize * kPageSize, kPageSize);
}

// One load of a program; the handler runs when the walk does not get through.
TimePs faulting_load(DsaBench& bench, ExecContext& ctx, std::uint64_t address, FaultBacking backing,
                     TimePs memory) {
    const TimePs start = ctx.now();
    const auto walk = [&] {
        return cpu::walk_pages({bench.space(0).root(), std::nullopt}, address, {},
                               [&ctx](std::uint64_t entry) { return ctx.load(entry, 8); });
    };
    cpu::Translation found = walk();
    if (found.result != cpu::WalkResult::Ok) {
        ctx.spend(bench.params().exception);
        find_page(bench, ctx, address, backing, memory);
        found = walk();
    }
    SIM_CHECK(found.result == cpu::WalkResult::Ok, "the page at {:#x} does not come", address);
    ctx.load(found.address, 8);
    return ctx.now() - start;
}

void faults(DsaBench& bench, FaultBacking backing, TimePs memory) {
    Harness& harness = bench.harness();
    const std::uint64_t iterations = bench.experiment().iterations;
    const std::uint64_t base = bench.space(0).reserve(iterations * kPageSize);
    // The tables above the leaves are there: only pages are missing.
    for (std::uint64_t i = 0; i < iterations; ++i) {
        bench.space(0).map(harness.ctx, base + i * kPageSize, kPageSize);
        bench.space(0).unmap(harness.ctx, base + i * kPageSize, kPageSize);
    }
    for (std::uint64_t i = 0; i < iterations; ++i) {
        const TimePs took =
            faulting_load(bench, harness.ctx, base + i * kPageSize, backing, memory);
        add(harness.results.front(), TimePs{}, took);
    }
}

// A descriptor that may not block ends at the page; software touches it and submits the rest.
void retry_until_done(DsaBench& bench, DsaActor& actor, BenchSlot& slot, FaultBacking backing,
                      FaultTimes& times) {
    ExecContext& ctx = actor.ctx();
    actor.submit(slot);
    if (!bench.experiment().block_on_fault) {
        const TimePs seen = actor.wait_fault(slot);
        faulting_load(bench, ctx, slot.descriptor.source, backing, bench.params().anonymous);
        actor.rebuild(slot);
        actor.submit(slot);
        actor.wait(slot);
        times.samples.push_back(ctx.now() - seen);
        return;
    }
    actor.wait(slot);
}

}  // namespace

PlatformConfig software_platform(const Experiment& e) {
    if (with_nic(e)) {
        return nic_platform(e);
    }
    PlatformConfig config = DsaBench::platform(e);
    config.cpus += kServiceCpus;
    return config;
}

void run_invalidate(Harness& harness) {
    const Experiment& e = harness.series.front();
    const bool devtlb = std::find(e.targets.begin(), e.targets.end(), "devtlb") != e.targets.end();
    if (e.translation == TranslationBy::Physical) {
        harness.results.front().problem = "without translation there is nothing to invalidate";
    } else if (with_nic(e) && (devtlb || e.translation != TranslationBy::Iova)) {
        harness.results.front().problem = "the adapter translates nothing and has no PASIDs";
    } else if (with_nic(e)) {
        invalidate_for_nic(harness);
    } else {
        invalidate_for_dsa(harness);
    }
}

void run_io_page_fault(Harness& harness) {
    const Experiment& e = harness.series.front();
    Measurement& m = harness.results.front();
    if (with_nic(e) || e.translation != TranslationBy::Svm || e.vm) {
        m.problem = "page requests need shared virtual memory and an accelerator of the host";
        return;
    }
    const auto listener = std::make_shared<FaultTimes>(harness.world.recorder);
    harness.listeners.push_back(listener);
    FaultTimes& times = *listener;
    DsaBench bench(harness);
    bench.bring_up();
    std::unique_ptr<PageFaultService> service;
    if (e.block_on_fault) {
        service = std::make_unique<PageFaultService>(
            bench, harness.ctx, [&](ExecContext& ctx, std::uint64_t address) {
                find_page(bench, ctx, address, e.backing, bench.params().anonymous);
            });
    }
    DsaActor actor(bench, harness.ctx, 0);
    std::vector<BenchSlot> slots = actor.make_slots(1);
    slots[0].queue = bench.queues().front();
    const std::uint64_t bytes =
        std::min<std::uint64_t>(std::max<std::uint64_t>(e.size_bytes, 8), kPageSize);
    const std::uint64_t pages = actor.space().reserve(e.iterations * kPageSize);
    const std::uint64_t target = actor.space().region(harness.ctx, 2 * kPageSize);
    for (std::uint64_t i = 0; i < e.iterations; ++i) {
        // The table above the leaf is there.
        actor.space().map(harness.ctx, pages + i * kPageSize, kPageSize);
        actor.space().unmap(harness.ctx, pages + i * kPageSize, kPageSize);
        actor.aim(slots[0], e.op, {pages + i * kPageSize, target, target + kPageSize, bytes});
        actor.rebuild(slots[0]);
        retry_until_done(bench, actor, slots[0], e.backing, times);
    }
    if (service) {
        service->stop(harness.ctx);
    }
    harness.ctx.spend(TimePs{1});  // the last events are told when time has moved
    m.problem = actor.problem();
    m.samples = times.samples;
    m.operations = m.samples.size();
    m.bytes = m.operations * bytes;
    for (const TimePs sample : m.samples) {
        m.elapsed += sample;
    }
}

void run_cpu_page_fault(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    faults(bench, bench.experiment().backing, bench.params().anonymous);
}

// --- VM exits ---

namespace {

// An exit to the hypervisor at the bottom, which handles it in its kernel or in its VMM process.
struct Exits {
    ExecContext& ctx;
    const vm::VmParams vm;
    const BenchParams bench;

    void kernel() const { ctx.spend(vm.exit + vm.kernel_exit + vm.entry); }
    void user() const { ctx.spend(vm.exit + vm.kernel_exit + vm.user_exit + vm.entry); }
    // The exit of a guest's guest: handed up, handled there, VMRESUME is an exit again.
    void nested(bool in_user_space) const {
        ctx.spend(vm.exit + bench.nested_exit + vm.entry);
        ctx.spend(vm.kernel_exit + (in_user_space ? vm.user_exit : TimePs{}));
        const std::uint64_t more = in_user_space ? bench.nested_user_exits : 0;
        for (std::uint64_t i = 0; i < bench.nested_kernel_exits + more; ++i) {
            kernel();
        }
        ctx.spend(vm.exit + bench.nested_resume + vm.entry);
    }
};

}  // namespace

void run_vmexit(Harness& harness) {
    const Experiment& e = harness.series.front();
    const Exits exits{harness.ctx, resolve(vm::vm_param_table(), harness.config, "vm"),
                      resolve(bench_param_table(), harness.config, "software")};
    const bool nested = e.handler == "L1_kernel" || e.handler == "L1_user";
    if (nested && e.level != "L2") {
        harness.results.front().problem = "only a guest's guest has exits that a guest handles";
        return;
    }
    const bool user = e.handler == "L1_user" || e.handler == "L0_user";
    for (std::uint64_t i = 0; i < e.iterations; ++i) {
        const TimePs start = harness.ctx.now();
        if (nested) {
            exits.nested(user);
        } else {
            user ? exits.user() : exits.kernel();
        }
        add(harness.results.front(), start, harness.ctx.now());
    }
}

// --- primitives ---

namespace {

// Two tasks on one processor that wake each other in turn; `work` is done by each before.
void ping_pong(Harness& harness, const std::function<void(ExecContext&)>& work, bool round_trip) {
    struct Side {
        WaitQueue queue{"the other task"};
        bool turn = false;
    };
    Side sides[2];
    const std::uint64_t iterations = harness.series.front().iterations;
    const auto pass = [&](ExecContext& ctx, int me) {
        work(ctx);
        sides[me].turn = false;
        sides[1 - me].turn = true;
        ctx.wake_one(sides[1 - me].queue);
        while (!sides[me].turn) {
            ctx.wait(sides[me].queue);
        }
    };
    bool over = false;
    WaitQueue ended{"the end of the other task"};
    bool gone = false;
    harness.world.spawn("bare/other", 0, [&](ExecContext& other) {
        while (!sides[1].turn) {
            other.wait(sides[1].queue);
        }
        while (!over) {
            pass(other, 1);
        }
        gone = true;
        other.wake_all(ended);
    });
    Measurement& m = harness.results.front();
    for (std::uint64_t i = 0; i <= iterations; ++i) {
        const TimePs start = harness.ctx.now();
        pass(harness.ctx, 0);
        if (i != 0) {  // the first one begins the other task
            const TimePs took = harness.ctx.now() - start;
            add(m, TimePs{}, round_trip ? took : TimePs{took.ps() / 2});
        }
    }
    over = true;
    sides[1].turn = true;
    harness.ctx.wake_one(sides[1].queue);
    while (!gone) {
        harness.ctx.wait(ended);
    }
}

}  // namespace

void run_primitive(Harness& harness) {
    const Experiment& e = harness.series.front();
    const auto kernel = resolve(os::kernel_param_table(), harness.config, "kernel");
    const auto bench = resolve(bench_param_table(), harness.config, "software");
    if (e.primitive == "file_page_fault") {
        DsaBench machine(harness);
        machine.bring_up();
        faults(machine, FaultBacking::Memory, bench.page_cache);
    } else if (e.primitive == "context_switch") {
        ping_pong(
            harness, [](ExecContext&) {}, false);
    } else if (e.primitive == "pipe_1B") {
        // write() on one side, the other's read() returns.
        const TimePs calls = (kernel.syscall + bench.pipe) * 2;
        ping_pong(
            harness, [calls](ExecContext& ctx) { ctx.spend(calls); }, true);
    } else {
        for (std::uint64_t i = 0; i < e.iterations; ++i) {
            const TimePs start = harness.ctx.now();
            harness.ctx.spend(kernel.syscall);
            add(harness.results.front(), start, harness.ctx.now());
        }
    }
}

}  // namespace ioasim::platform
