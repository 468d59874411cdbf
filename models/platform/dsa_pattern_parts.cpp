#include "models/platform/dsa_pattern_parts.hpp"

#include <algorithm>

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kConvergedPerMille = 5;
// Results of the first repetitions are never the last word.
constexpr std::uint64_t kStep = 20;
// A window that moves more than this and whose rounds repeat goes on by calculation.
constexpr std::uint64_t kLongBytes = std::uint64_t{192} << 20U;
constexpr std::uint64_t kSettledRounds = 3;

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

// The rounds of a long window: once they take the same time, the rest takes as long.
class Rounds {
public:
    Rounds(std::uint64_t slots, std::uint64_t bytes, std::uint64_t iterations)
        : slots_(slots),
          long_(iterations != ~std::uint64_t{0} && bytes * iterations > kLongBytes) {}
    // After operation `done` ended; the time that one operation takes, once it stands.
    std::optional<TimePs> settled(std::uint64_t done, TimePs now) {
        if (!long_ || done % slots_ != 0) {
            return std::nullopt;
        }
        const std::uint64_t took = (now - last_).ps();
        same_ = done > slots_ && close(took, took_) ? same_ + 1 : 0;
        took_ = took;
        last_ = now;
        return same_ >= kSettledRounds ? std::optional<TimePs>(TimePs{took / slots_})
                                       : std::nullopt;
    }

private:
    std::uint64_t slots_;
    bool long_;
    TimePs last_;
    std::uint64_t took_ = 0;
    std::uint64_t same_ = 0;
};

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

void run_submitters(Harness& harness, DsaBench& bench,
                    const std::function<void(DsaActor&, BenchPart&)>& code) {
    const std::uint32_t count = std::max(bench.experiment().submitters, 1U);
    std::vector<BenchPart> parts(count);
    std::vector<std::function<void(ExecContext&)>> bodies;
    for (std::uint32_t i = 0; i < count; ++i) {
        bodies.emplace_back([&, i](ExecContext& ctx) {
            DsaActor actor(bench, ctx, 0);
            code(actor, parts[i]);
            parts[i].measured.problem = actor.problem();
        });
    }
    harness.run_together(bodies);
    merge(parts, harness.results.front());
}

std::uint64_t pairs_for(const Experiment& e, std::uint64_t slots) {
    switch (e.layout) {
        case BufferLayout::Same:
            return 1;
        case BufferLayout::Page:
            return std::max({e.buffer_count, slots, std::uint64_t{1}});
        default:
            return std::max(slots, std::uint64_t{1});
    }
}

std::vector<BenchSlot> window_slots(DsaBench& bench, DsaActor& actor, std::uint64_t count,
                                    std::uint64_t members) {
    const Experiment& e = bench.experiment();
    std::vector<BenchSlot> slots = actor.make_slots(count);
    const std::vector<BenchBuffers> buffers =
        actor.make_buffers(e.op, e.size_bytes, pairs_for(e, count), e.layout);
    const std::vector<BenchQueue*> queues = bench.queues();
    for (std::size_t i = 0; i < count; ++i) {
        slots[i].queue = queues[i % queues.size()];
        actor.aim_batch(slots[i], e.op, buffers[i % buffers.size()], members);
    }
    return slots;
}

void renew(DsaBench& bench, DsaActor& actor, BenchSlot& slot) {
    const Experiment& e = bench.experiment();
    if (e.layout == BufferLayout::Fresh && e.size_bytes != 0) {
        const std::uint64_t members = std::max<std::uint64_t>(slot.members, 1);
        const auto buffers = actor.make_buffers(e.op, e.size_bytes, members, e.layout);
        actor.aim_batch(slot, e.op, buffers.front(), members);
        for (std::size_t i = 0; i < slot.list.size() && slot.members > 1; ++i) {
            slot.list[i].source = buffers[i].source;
            slot.list[i].destination = buffers[i].destination;
        }
    }
}

void run_slots(const Experiment& e, DsaActor& actor, std::vector<BenchSlot>& slots,
               std::uint64_t iterations, BenchPart& part, const std::function<bool()>& stop) {
    const std::uint64_t members = slots.front().members;
    const std::uint64_t bytes = members * slots.front().buffers.bytes;
    Rounds rounds(slots.size(), bytes, iterations);
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
        part.measured.operations += members;
        part.measured.bytes += bytes;
        part.end = actor.ctx().now();
        if (stop && stop()) {
            return;
        }
        if (const auto each = rounds.settled(done, part.end)) {
            const std::uint64_t left = iterations - done;
            part.measured.operations += left * members;
            part.measured.bytes += left * bytes;
            part.end += *each * left;
            return;
        }
        if (submitted < iterations) {
            actor.rebuild(slot);
            actor.submit(slot);
            ++submitted;
        }
    }
    part.end = actor.timestamp();
}

}  // namespace ioasim::platform
