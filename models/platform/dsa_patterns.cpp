#include "models/platform/dsa_patterns.hpp"

#include <algorithm>

#include "models/platform/dsa_pattern_parts.hpp"

namespace ioasim::platform {
namespace {

void run(Harness& harness, const std::function<void(DsaActor&, const Queues&, BenchPart&)>& loop) {
    DsaBench bench(harness);
    bench.bring_up();
    const Queues queues = bench.queues();
    run_submitters(harness, bench,
                   [&](DsaActor& actor, BenchPart& part) { loop(actor, queues, part); });
}

// The values of a sequence: sizes in ascending order on the same memory, caches and TLBs kept.
void sequence(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    const Experiment& e = bench.experiment();
    const SequenceShape& shape = *e.sequence;
    std::uint64_t largest = 0;
    for (const Experiment& one : harness.series) {
        largest = std::max(largest, one.size_bytes);
    }
    DsaActor actor(bench, harness.ctx, 0);
    std::vector<BenchSlot> slots = actor.make_slots(1);
    BenchBuffers buffers = actor.make_buffers(e.op, largest, 1, e.layout).front();
    slots[0].queue = bench.queues().front();
    for (std::uint64_t size = shape.start_size_bytes; size <= largest;
         size *= std::max<std::uint64_t>(shape.step_factor, 2)) {
        buffers.bytes = size;
        actor.aim(slots[0], e.op, buffers);
        if (e.rebuild == RebuildWhen::Untimed) {
            actor.rebuild(slots[0]);
        }
        const TimePs took = timed(actor, slots[0]);
        for (std::size_t i = 0; i < harness.series.size(); ++i) {
            if (harness.series[i].size_bytes == size) {
                harness.results[i].samples.push_back(took);
                harness.results[i].operations = 1;
                harness.results[i].bytes = size;
                harness.results[i].elapsed = took;
                harness.results[i].problem = actor.problem();
            }
        }
        if (shape.cpu_compare_after_each) {
            actor.work(BenchOp::Compare, buffers);
        }
    }
    for (std::size_t i = 0; i < harness.series.size(); ++i) {
        if (harness.results[i].samples.empty()) {
            harness.results[i].problem = "the sequence has no step of this size";
        }
    }
}

void run_latency(Harness& harness, std::uint64_t members) {
    if (harness.series.front().sequence) {
        sequence(harness);
        return;
    }
    run(harness, [members](DsaActor& actor, const Queues& queues, BenchPart& part) {
        loop_single(actor, queues, members, part);
    });
}

}  // namespace

void run_window(Harness& harness) {
    run(harness, [](DsaActor& actor, const Queues& queues, BenchPart& part) {
        loop_window(actor, queues, part);
    });
}

void run_burst(Harness& harness) {
    run(harness, [](DsaActor& actor, const Queues& queues, BenchPart& part) {
        loop_burst(actor, queues, part);
    });
}

void run_single(Harness& harness) {
    run_latency(harness, 1);
}

void run_batch(Harness& harness) {
    run_latency(harness, std::max(harness.series.front().batch_size, 1U));
}

void run_batch_pipeline(Harness& harness) {
    run(harness, [](DsaActor& actor, const Queues& queues, BenchPart& part) {
        loop_pipeline(actor, queues, part);
    });
}

}  // namespace ioasim::platform
