// Patterns with several devices, several clients, or single descriptors: split, page_list, shared,
// trace.
#include <algorithm>
#include <map>

#include "models/platform/dsa_pattern_parts.hpp"
#include "models/platform/dsa_patterns.hpp"

namespace ioasim::platform {
namespace {

// One workqueue of each device.
Queues first_queues(DsaBench& bench) {
    Queues queues;
    for (std::uint32_t d = 0; d < device_shapes(bench.experiment()).size(); ++d) {
        queues.push_back(&bench.queue(d, 0, 0));
    }
    return queues;
}

// The descriptors of one transfer, cut over the devices.
using Transfer = std::vector<BenchSlot>;

void aim_transfer(DsaActor& actor, Transfer& slots, const BenchBuffers& whole) {
    const std::uint64_t part = whole.bytes / slots.size();
    for (std::size_t i = 0; i < slots.size(); ++i) {
        BenchBuffers own = whole;
        for (std::uint64_t* const at : {&own.source, &own.destination, &own.destination2}) {
            *at += *at == 0 ? 0 : i * part;
        }
        own.bytes = i + 1 == slots.size() ? whole.bytes - i * part : part;
        actor.aim(slots[i], actor.experiment().op, own);
    }
}

Transfer cut(DsaActor& actor, const Queues& queues, std::uint64_t bytes, std::uint64_t split) {
    const Experiment& e = actor.experiment();
    Transfer slots = actor.make_slots(split);
    for (std::uint64_t i = 0; i < split; ++i) {
        slots[i].queue = queues[i % queues.size()];
    }
    aim_transfer(actor, slots, actor.make_buffers(e.op, bytes, 1, e.layout).front());
    return slots;
}

// Pages that were never used, where the layout wants them; out of the caches; templates.
void refresh(DsaActor& actor, Transfer& slots, std::uint64_t bytes) {
    const Experiment& e = actor.experiment();
    if (e.layout == BufferLayout::Fresh) {
        aim_transfer(actor, slots, actor.make_buffers(e.op, bytes, 1, e.layout).front());
    }
    for (BenchSlot& slot : slots) {
        actor.flush(slot);
    }
}

}  // namespace

void run_split(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    const Queues queues = first_queues(bench);
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        const bool free = e.rebuild == RebuildWhen::Untimed;
        std::vector<Transfer> transfers;
        for (std::uint32_t i = 0; i < std::max(e.burst, 1U); ++i) {
            transfers.push_back(cut(actor, queues, e.size_bytes, queues.size()));
        }
        Repetitions repetitions(e.iterations);
        Measurement& m = part.measured;
        part.start = actor.timestamp();
        while (!repetitions.over()) {
            const TimePs start = actor.timestamp();
            for (Transfer& slots : transfers) {
                refresh(actor, slots, e.size_bytes);
                for (BenchSlot& slot : slots) {
                    actor.finish(slot);
                    actor.rebuild(slot, free);
                    actor.submit(slot);
                }
            }
            for (Transfer& slots : transfers) {
                for (BenchSlot& slot : slots) {
                    if (e.wait == WaitFor::All) {
                        actor.wait(slot);
                    } else if (&slots == &transfers.back()) {
                        actor.wait_last(slot);
                    }
                }
            }
            const TimePs took = actor.timestamp() - start;
            const std::uint64_t times = repetitions.ended(took);
            m.samples.push_back(took);
            m.operations += times * transfers.size();
            m.bytes += times * transfers.size() * e.size_bytes;
            part.end = actor.ctx().now() + took * (times - 1);
        }
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

PageLists make_lists(DsaActor& actor, const Queues& queues) {
    const Experiment& e = actor.experiment();
    PageLists lists;
    lists.huge_on_cpu = e.executor == Executor::Cpu;
    lists.small_on_cpu =
        e.small_executor.value_or(e.executor == Executor::Dsa ? Executor::Dsa : Executor::Cpu) ==
        Executor::Cpu;
    const std::uint64_t huge = e.huge.size_bytes != 0 ? e.huge.size_bytes : e.size_bytes;
    for (std::uint64_t i = 0; i < e.huge.count; ++i) {
        lists.huge.push_back(
            cut(actor, queues, huge, lists.huge_on_cpu ? 1 : std::max(e.huge.split, 1U)));
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
            actor.aim_member(batches[d], i, lists.pages[d * share + i]);
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
        refresh(actor, slots, e.huge.size_bytes != 0 ? e.huge.size_bytes : e.size_bytes);
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
    const Queues queues = first_queues(bench);
    run_submitters(harness, bench, [&](DsaActor& actor, BenchPart& part) {
        const Experiment& e = bench.experiment();
        // A core's share is told apart below: descriptors go to the devices.
        Experiment mine = e;
        mine.executor = Executor::Mixed;
        DsaActor submitter(bench, actor.ctx(), 0, mine);
        PageLists lists = make_lists(actor, queues);
        Repetitions repetitions(e.iterations);
        part.start = actor.timestamp();
        while (!repetitions.over()) {
            const Measurement before = part.measured;
            const TimePs start = actor.timestamp();
            run_lists(submitter, e, lists, part);
            const TimePs took = actor.timestamp() - start;
            const std::uint64_t more = repetitions.ended(took) - 1;
            Measurement& m = part.measured;
            m.samples.push_back(took);
            m.operations += more * (m.operations - before.operations);
            m.bytes += more * (m.bytes - before.bytes);
            part.end = actor.ctx().now() + took * more;
        }
        part.measured.problem = submitter.problem();
    });
}

namespace {

// Results that a measured client wants.
constexpr std::uint64_t kClientResults = 1000;

// What this client does, as an experiment of its own.
Experiment of_client(const Experiment& e, const ClientShape& client) {
    Experiment mine = e;
    mine.pattern = client.pattern;
    mine.op = client.op;
    mine.size_bytes = client.size_bytes;
    mine.queue_depth = client.queue_depth;
    mine.batch_size = client.batch_size;
    mine.burst = client.burst;
    mine.outstanding = client.outstanding;
    return mine;
}

void run_client(DsaBench& bench, ExecContext& ctx, std::size_t index, BenchPart& part,
                const LoopEnd& end) {
    const ClientShape& client = bench.experiment().clients[index];
    const Queues queues{&bench.queue(client.device, client.group, client.queue)};
    Experiment mine = of_client(bench.experiment(), client);
    mine.submit = client.submit.value_or(submit_to(queues.front()->shape.shared));
    DsaActor actor(bench, ctx, index, mine);
    if (client.pattern == "burst") {
        loop_burst(actor, queues, part, end);
    } else if (client.pattern == "single") {
        loop_single(actor, queues, 1, part, end);
    } else if (client.pattern == "batch") {
        loop_single(actor, queues, std::max(client.batch_size, 1U), part, end);
    } else if (client.pattern == "batch_pipeline") {
        loop_pipeline(actor, queues, part, end);
    } else {
        loop_window(actor, queues, part, end);
    }
    part.measured.problem = actor.problem();
}

}  // namespace

void run_shared(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    const Experiment& e = bench.experiment();
    std::vector<BenchPart> parts(e.clients.size());
    const LoopEnd end{[&] {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (e.clients[i].measured && parts[i].results < kClientResults) {
                return false;
            }
        }
        return true;
    }};
    std::vector<std::function<void(ExecContext&)>> bodies;
    for (std::size_t i = 0; i < e.clients.size(); ++i) {
        bodies.emplace_back([&, i](ExecContext& ctx) { run_client(bench, ctx, i, parts[i], end); });
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
            BenchSlot slot = actor.make_slots(1).front();
            slot.queue = &bench.queue(step.device, step.group, step.queue);
            const bool fits = (e.submit == SubmitBy::Movdir64b) != slot.queue->shape.shared;
            actor.submit_with(
                step.submit.value_or(fits ? e.submit : submit_to(slot.queue->shape.shared)));
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
