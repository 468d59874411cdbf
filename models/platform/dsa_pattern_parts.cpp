#include "models/platform/dsa_pattern_parts.hpp"

#include <algorithm>

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kConvergedPerMille = 5;
// Results of the first repetitions are never the last word.
constexpr std::uint64_t kStep = 20;
constexpr std::uint64_t kSameInARow = 20;

bool close(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t off = a > b ? a - b : b - a;
    return off * 1000 < std::max(a, b) * kConvergedPerMille;
}

void merge(std::vector<BenchPart>& parts, Measurement& into) {
    TimePs start = parts.front().start;
    TimePs end = parts.front().end;
    into = Measurement{};
    for (BenchPart& part : parts) {
        start = std::min(start, part.start);
        end = std::max(end, part.end);
        into.operations += part.measured.operations;
        into.bytes += part.measured.bytes;
        into.samples.insert(into.samples.end(), part.measured.samples.begin(),
                            part.measured.samples.end());
        if (into.problem.empty()) {
            into.problem = part.measured.problem;
        }
    }
    into.elapsed = end - start;
}

void count(BenchPart& part, const BenchSlot& slot) {
    part.measured.operations += slot.members;
    part.measured.bytes += slot.members * slot.buffers.bytes;
    ++part.results;
}

// The next use of a slot: other operands, out of the caches, templates.
void refresh(DsaActor& actor, BenchSlot& slot) {
    actor.renew(slot);
    actor.flush(slot);
    actor.rebuild(slot, actor.experiment().rebuild == RebuildWhen::Untimed);
}

}  // namespace

bool Convergence::enough(TimePs took) {
    sums_.push_back((sums_.empty() ? 0 : sums_.back()) + took.ps());
    const std::uint64_t n = sums_.size();
    if (n >= iterations_) {
        return true;
    }
    if (n < least_ || (least_ >= kStep && n % kStep != 0) || n % 2 != 0) {
        return false;
    }
    const std::uint64_t first = sums_[n / 2 - 1];
    return close(first, sums_[n - 1] - first);
}

std::uint64_t Repetitions::ended(TimePs took) {
    same_ = took == took_ ? same_ + 1 : 0;
    took_ = took;
    const std::uint64_t stands_for = same_ < kSameInARow ? 1 : left_;
    left_ -= std::min(left_, stands_for);
    return stands_for;
}

void run_submitters(Harness& harness, DsaBench& bench,
                    const std::function<void(DsaActor&, BenchPart&)>& code) {
    const std::uint32_t count = std::max(bench.experiment().submitters, 1U);
    std::vector<BenchPart> parts(count);
    std::vector<std::function<void(ExecContext&)>> bodies;
    for (std::uint32_t i = 0; i < count; ++i) {
        bodies.emplace_back([&, i](ExecContext& ctx) {
            DsaActor actor(bench, ctx, 0);
            code(actor, parts[i]);
            if (parts[i].measured.problem.empty()) {
                parts[i].measured.problem = actor.problem();
            }
        });
    }
    harness.run_together(bodies);
    merge(parts, harness.results.front());
}

void loop_window(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end) {
    const Experiment& e = actor.experiment();
    const std::uint64_t iterations = end.iterations(e);
    std::vector<BenchSlot> slots =
        actor.slots_for(queues, std::max(e.queue_depth, 1U), std::max(e.batch_size, 1U));
    for (BenchSlot& slot : slots) {
        actor.flush(slot);
    }
    std::uint64_t submitted = 0;
    part.start = actor.timestamp();
    for (BenchSlot& slot : slots) {
        if (submitted < iterations) {
            actor.submit(slot);
            ++submitted;
        }
    }
    if (e.clock_start == ClockStart::AfterFill) {
        part.start = actor.timestamp();
    }
    for (std::uint64_t done = 1; done <= iterations; ++done) {
        BenchSlot& slot = slots[(done - 1) % slots.size()];
        actor.wait(slot);
        count(part, slot);
        part.end = actor.ctx().now();
        if (end.stop && end.stop()) {
            return;
        }
        if (submitted < iterations) {
            refresh(actor, slot);
            actor.submit(slot);
            ++submitted;
        }
    }
    part.end = actor.timestamp();
}

void loop_burst(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end) {
    const Experiment& e = actor.experiment();
    std::vector<BenchSlot> slots =
        actor.slots_for(queues, std::max(e.burst, 1U), std::max(e.batch_size, 1U));
    Convergence convergence(end.iterations(e));
    TimePs before = part.start = actor.timestamp();
    for (bool enough = false; !enough;) {
        for (BenchSlot& slot : slots) {
            actor.finish(slot);
            refresh(actor, slot);
            actor.submit(slot);
        }
        for (BenchSlot& slot : slots) {
            if (e.wait == WaitFor::All) {
                actor.wait(slot);
            }
            count(part, slot);
        }
        if (e.wait == WaitFor::Last) {
            actor.wait_last(slots.back());
        }
        const TimePs now = part.end = actor.ctx().now();
        enough = end.stop ? end.stop() : convergence.enough(now - before);
        before = now;
    }
    part.end = actor.timestamp();
}

TimePs timed(DsaActor& actor, BenchSlot& slot) {
    const Experiment& e = actor.experiment();
    const TimePs start = actor.timestamp();
    TimePs submitted = start;
    if (e.rebuild == RebuildWhen::Timed) {
        actor.rebuild(slot);
    }
    actor.submit(slot);
    if (e.span != SpanOf::Total) {
        submitted = actor.timestamp();
    }
    actor.wait(slot);
    const TimePs end = actor.timestamp();
    return e.span == SpanOf::Submit ? submitted - start
           : e.span == SpanOf::Wait ? end - submitted
                                    : end - start;
}

void loop_single(DsaActor& actor, const Queues& queues, std::uint64_t members, BenchPart& part,
                 const LoopEnd& end) {
    const Experiment& e = actor.experiment();
    BenchSlot slot = actor.slots_for(queues, 1, members).front();
    Convergence convergence(end.iterations(e));
    for (std::uint64_t i = 0;; ++i) {
        slot.queue = queues.empty() ? nullptr : queues[i % queues.size()];
        actor.renew(slot);
        actor.flush(slot);
        if (e.rebuild == RebuildWhen::Untimed) {
            actor.rebuild(slot);
        }
        const TimePs start = actor.ctx().now();
        const TimePs took = timed(actor, slot);
        if (i < e.warmup) {
            continue;
        }
        part.start = part.measured.samples.empty() ? start : part.start;
        part.end = actor.ctx().now();
        part.measured.samples.push_back(took);
        count(part, slot);
        if (end.stop ? end.stop() : convergence.enough(took)) {
            return;
        }
    }
}

void loop_pipeline(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end) {
    const Experiment& e = actor.experiment();
    const std::uint64_t iterations = end.iterations(e);
    std::vector<BenchSlot> slots =
        actor.slots_for(queues, std::max(e.outstanding, 1U), std::max(e.batch_size, 1U));
    const auto fill = [&] {
        for (BenchSlot& slot : slots) {
            refresh(actor, slot);
            actor.submit(slot);
        }
    };
    fill();
    for (BenchSlot& slot : slots) {
        actor.wait(slot);
    }
    part.start = actor.timestamp();
    fill();
    part.start = e.clock_start == ClockStart::AfterFill ? actor.timestamp() : part.start;
    Convergence convergence(iterations);
    TimePs before = part.start;
    for (std::uint64_t i = 0;; ++i) {
        BenchSlot& slot = slots[i % slots.size()];
        actor.wait(slot);
        count(part, slot);
        part.end = actor.ctx().now();
        if (end.stop && end.stop()) {
            return;
        }
        // Batches end in turns of all that are outstanding.
        if ((i + 1) % slots.size() == 0) {
            if (!end.stop && (convergence.enough(part.end - before) || i + 1 >= iterations)) {
                return;
            }
            before = part.end;
        }
        refresh(actor, slot);
        actor.submit(slot);
    }
}

}  // namespace ioasim::platform
