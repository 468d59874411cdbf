// Patterns with several devices, several clients, or single descriptors: split, page_list, shared,
// trace.
#include <algorithm>
#include <map>

#include "models/platform/dsa_pattern_parts.hpp"
#include "models/platform/dsa_patterns.hpp"

namespace ioasim::platform {
namespace {

// The descriptors of one transfer, cut over the devices.
std::vector<BenchSlot> cut(DsaBench& bench, DsaActor& actor, const Experiment& e,
                           std::uint32_t split) {
    const std::vector<BenchQueue*> queues = bench.queues();
    std::vector<BenchSlot> slots = actor.make_slots(split);
    const BenchBuffers whole = actor.make_buffers(e.op, e.size_bytes, 1, e.layout).front();
    const std::uint64_t part = e.size_bytes / split;
    for (std::uint32_t i = 0; i < split; ++i) {
        BenchBuffers own = whole;
        own.source += i * part;
        own.destination += i * part;
        own.bytes = i + 1 == split ? e.size_bytes - i * part : part;
        slots[i].queue = queues[i % queues.size()];
        actor.aim(slots[i], e.op, own);
    }
    return slots;
}

}  // namespace

void run_split(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        const std::uint32_t burst = std::max(e.burst, 1U);
        std::vector<std::vector<BenchSlot>> transfers;
        for (std::uint32_t i = 0; i < burst; ++i) {
            transfers.push_back(cut(bench, actor, e, e.devices));
        }
        // The first repetition begins with idle devices like every other.
        Convergence convergence(e.iterations, burst > 1 ? 2 : 40);
        part.start = actor.timestamp();
        for (bool enough = false; !enough;) {
            const TimePs start = actor.timestamp();
            for (auto& slots : transfers) {
                for (BenchSlot& slot : slots) {
                    actor.rebuild(slot);
                    actor.submit(slot);
                }
            }
            for (auto& slots : transfers) {
                for (BenchSlot& slot : slots) {
                    if (e.wait == WaitFor::All || &slots == &transfers.back()) {
                        actor.wait(slot);
                    }
                    part.measured.bytes += slot.buffers.bytes;
                }
                ++part.measured.operations;
            }
            part.measured.samples.push_back(actor.timestamp() - start);
            enough = convergence.enough(part.measured.samples.back());
        }
        part.end = actor.ctx().now();
    });
}

namespace {

// Huge pages cut over the devices, then small ones, a batch for each device.
struct PageLists {
    std::vector<std::vector<BenchSlot>> huge;
    std::vector<BenchSlot> batches;
    std::vector<BenchBuffers> pages;
    bool huge_on_cpu = false;
    bool small_on_cpu = false;
};

PageLists make_lists(DsaBench& bench, DsaActor& actor, const Experiment& e) {
    PageLists lists;
    const std::vector<BenchQueue*> queues = bench.queues();
    lists.huge_on_cpu = e.executor == Executor::Cpu;
    lists.small_on_cpu =
        e.small_executor.value_or(e.executor == Executor::Dsa ? Executor::Dsa : Executor::Cpu) ==
        Executor::Cpu;
    Experiment transfer = e;
    transfer.size_bytes = e.huge.size_bytes != 0 ? e.huge.size_bytes : e.size_bytes;
    for (std::uint64_t i = 0; i < e.huge.count; ++i) {
        lists.huge.push_back(
            cut(bench, actor, transfer, lists.huge_on_cpu ? 1 : std::max(e.huge.split, 1U)));
    }
    const std::uint64_t size = e.small.size_bytes != 0 ? e.small.size_bytes : kPageSize;
    lists.pages = actor.make_buffers(e.op, size, e.small.count, BufferLayout::Page);
    const std::uint64_t share = (e.small.count + queues.size() - 1) / queues.size();
    std::vector<BenchSlot> batches = actor.make_slots(queues.size());
    for (std::size_t d = 0; d * share < e.small.count && !lists.small_on_cpu; ++d) {
        const std::uint64_t mine = std::min(share, e.small.count - d * share);
        batches[d].queue = queues[d];
        actor.aim_batch(batches[d], e.op, lists.pages[d * share], mine);
        for (std::size_t i = 0; i < batches[d].list.size(); ++i) {
            batches[d].list[i].source = lists.pages[d * share + i].source;
            batches[d].list[i].destination = lists.pages[d * share + i].destination;
        }
        lists.batches.push_back(batches[d]);
    }
    return lists;
}

// Everything is submitted, then everything is waited for in order; a core does its part between.
void run_lists(DsaActor& actor, const Experiment& e, PageLists& lists, BenchPart& part) {
    std::vector<BenchSlot*> submitted;
    const auto submit = [&](BenchSlot& slot) {
        actor.rebuild(slot);
        actor.submit(slot);
        submitted.push_back(&slot);
    };
    for (auto& slots : lists.huge) {
        for (BenchSlot& slot : slots) {
            lists.huge_on_cpu ? actor.work(e.op, slot.buffers) : submit(slot);
            part.measured.bytes += slot.buffers.bytes;
        }
        ++part.measured.operations;
    }
    for (BenchSlot& batch : lists.batches) {
        submit(batch);
    }
    for (const BenchBuffers& page : lists.pages) {
        if (lists.small_on_cpu) {
            actor.work(e.op, page);
        }
        part.measured.bytes += page.bytes;
        ++part.measured.operations;
    }
    for (BenchSlot* const slot : submitted) {
        actor.wait(*slot);
    }
}

}  // namespace

void run_page_list(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        PageLists lists = make_lists(bench, actor, e);
        Convergence convergence(e.iterations);
        part.start = actor.timestamp();
        for (bool enough = false; !enough;) {
            const TimePs start = actor.timestamp();
            run_lists(actor, e, lists, part);
            part.measured.samples.push_back(actor.timestamp() - start);
            enough = convergence.enough(part.measured.samples.back());
        }
        part.end = actor.ctx().now();
    });
}

namespace {

// Results that a measured client wants; large transfers say as much with fewer.
constexpr std::uint64_t kClientResults = 1000;
constexpr std::uint64_t kClientBytes = std::uint64_t{128} << 20U;

void run_client(DsaBench& bench, ExecContext& ctx, std::size_t index, BenchPart& part,
                const std::function<bool()>& over) {
    const Experiment& e = bench.experiment();
    const ClientShape& client = e.clients[index];
    DsaActor actor(bench, ctx, index);
    actor.submit_with(client.submit);
    const std::uint64_t depth = std::max({client.queue_depth, client.burst, client.outstanding});
    std::vector<BenchSlot> slots = actor.make_slots(depth);
    const auto buffers =
        actor.make_buffers(client.op, client.size_bytes, pairs_for(e, depth), e.layout);
    for (std::uint64_t s = 0; s < depth; ++s) {
        slots[s].queue = &bench.queue(client.device, client.group, client.queue);
        actor.aim_batch(slots[s], client.op, buffers[s % buffers.size()], client.batch_size);
        actor.rebuild(slots[s]);
    }
    run_slots(e, actor, slots, ~std::uint64_t{0}, part, over);
    part.measured.problem = actor.problem();
}

}  // namespace

void run_shared(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    const Experiment& e = bench.experiment();
    std::vector<BenchPart> parts(e.clients.size());
    const auto over = [&] {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const Measurement& m = parts[i].measured;
            if (e.clients[i].measured && m.operations < kClientResults && m.bytes < kClientBytes) {
                return false;
            }
        }
        return true;
    };
    std::vector<std::function<void(ExecContext&)>> bodies;
    for (std::size_t i = 0; i < e.clients.size(); ++i) {
        bodies.emplace_back(
            [&, i](ExecContext& ctx) { run_client(bench, ctx, i, parts[i], over); });
    }
    harness.run_together(bodies);
    harness.results.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        harness.results[i] = parts[i].measured;
        harness.results[i].elapsed = parts[i].end - parts[i].start;
    }
}

namespace {

// The pages that labels of a trace name, one set for each address space.
class LabelledPages {
public:
    LabelledPages(DsaBench& bench, ExecContext& ctx) : bench_(bench), ctx_(ctx) {}
    std::uint64_t at(std::uint32_t client, const std::string& label) {
        std::uint64_t& page = pages_[{client, label}];
        if (page == 0 && !label.empty()) {
            page = bench_.space(client).region(ctx_, kPageSize);
        }
        return page;
    }

private:
    DsaBench& bench_;
    ExecContext& ctx_;
    std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> pages_;
};

void aim_step(DsaActor& actor, LabelledPages& pages, const TraceShape& step, BenchSlot& slot) {
    slot.record = pages.at(step.client, step.completion);
    const bool compares = step.op == BenchOp::Compare;
    actor.aim(slot, step.op,
              {pages.at(step.client, step.source),
               pages.at(step.client, compares ? step.source2 : step.destination),
               pages.at(step.client, step.destination2), step.size_bytes});
}

void aim_trace(DsaActor& actor, LabelledPages& pages, const TraceShape& step, BenchSlot& slot) {
    if (step.op != BenchOp::Batch) {
        aim_step(actor, pages, step, slot);
        return;
    }
    slot.list.clear();
    for (const TraceShape& member : step.members) {
        BenchSlot one = slot;
        aim_step(actor, pages, member, one);
        slot.list.push_back(one.descriptor);
    }
    slot.record = pages.at(step.client, step.completion);
    actor.aim_list(slot, pages.at(step.client, step.list));
}

}  // namespace

void run_trace(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    const Experiment& e = bench.experiment();
    const bool some = std::any_of(e.trace.begin(), e.trace.end(),
                                  [](const TraceShape& step) { return step.counted; });
    LabelledPages pages(bench, harness.ctx);
    for (std::uint32_t d = 0; d < device_shapes(e).size(); ++d) {
        bench.count_device_tlb_hits(d);
    }
    Measurement& result = harness.results.front();
    for (std::uint64_t i = 0; i < std::max<std::uint64_t>(e.repeat, 1); ++i) {
        for (const TraceShape& step : e.trace) {
            DsaActor actor(bench, harness.ctx, step.client);
            actor.submit_with(step.submit.value_or(e.submit));
            BenchSlot slot = actor.make_slots(1).front();
            slot.queue = &bench.queue(step.device, step.group, step.queue);
            aim_trace(actor, pages, step, slot);
            actor.rebuild(slot);
            const std::uint64_t before = bench.device_tlb_hits(step.device);
            actor.submit(slot);
            actor.wait(slot);
            if (!some || step.counted) {
                result.count += bench.device_tlb_hits(step.device) - before;
            }
            if (result.problem.empty()) {
                result.problem = actor.problem();
            }
        }
    }
}

}  // namespace ioasim::platform
