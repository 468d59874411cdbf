#include "models/platform/dsa_patterns.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/check.hpp"
#include "models/platform/dsa_actor.hpp"

namespace ioasim::platform {
namespace {

// Repetitions end early once results stand still, at the earliest after these.
constexpr std::uint64_t kLeastIterations = 20;
constexpr std::uint64_t kConvergedPerMille = 5;
// Forced misses of device TLBs: records and operands move from page to page, in a cycle that no
// number of engines divides.
constexpr std::uint64_t kMissPages = 5;

using Body = std::function<void(ExecContext&)>;

// Whether the mean of the second half differs from that of the first by less than the limit.
class Convergence {
public:
    explicit Convergence(std::uint64_t iterations) : iterations_(iterations) {}
    // After each iteration, with its duration; true: enough.
    bool enough(TimePs took) {
        sums_.push_back((sums_.empty() ? 0 : sums_.back()) + took.ps());
        const std::uint64_t n = sums_.size();
        if (n >= iterations_) {
            return true;
        }
        if (n < 2 * kLeastIterations || n % kLeastIterations != 0) {
            return false;
        }
        const std::uint64_t first = sums_[n / 2 - 1] / (n / 2);
        const std::uint64_t second = (sums_[n - 1] - sums_[n / 2 - 1]) / (n - n / 2);
        const std::uint64_t off = first > second ? first - second : second - first;
        return off * 1000 < first * kConvergedPerMille;
    }

private:
    std::uint64_t iterations_;
    std::vector<std::uint64_t> sums_;
};

// What one core did.
struct Part {
    Measurement measured;
    TimePs start;
    TimePs end;
};

void merge(std::vector<Part>& parts, Measurement& into) {
    TimePs start = parts.front().start;
    TimePs end = parts.front().end;
    into = Measurement{};
    for (Part& part : parts) {
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

using ActorCode = std::function<void(DsaActor&, Part&)>;

// Each submitter runs the same code on its own core.
void run_submitters(Harness& harness, DsaBench& bench, const ActorCode& code) {
    const std::uint32_t count = std::max(bench.experiment().submitters, 1U);
    std::vector<Part> parts(count);
    std::vector<Body> bodies;
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

// Slots over all workqueues in turn, with operands as the layout says.
std::vector<BenchSlot> window_slots(DsaBench& bench, DsaActor& actor, std::uint64_t count,
                                    std::uint64_t members = 1) {
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

void prepare(DsaActor& actor, std::vector<BenchSlot>& slots) {
    for (BenchSlot& slot : slots) {
        actor.rebuild(slot);
    }
}

// Fresh pages for the operands of the next use.
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

// Keeps `slots` in flight until `iterations` operations have ended.
void window(const Experiment& e, DsaActor& actor, std::vector<BenchSlot>& slots,
            std::uint64_t iterations, Part& part, const std::function<bool()>& stop = {}) {
    const std::uint64_t members = slots.front().members;
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
    for (std::uint64_t done = 0; done < iterations; ++done) {
        BenchSlot& slot = slots[done % slots.size()];
        actor.wait(slot);
        part.measured.operations += members;
        part.measured.bytes += members * slot.buffers.bytes;
        part.end = actor.ctx().now();
        if (stop && stop()) {
            return;
        }
        if (submitted < iterations) {
            if (e.rebuild == RebuildWhen::Timed || slot.members >= 1) {
                actor.rebuild(slot);
            }
            actor.submit(slot);
            ++submitted;
        }
    }
    part.end = actor.timestamp();
}

}  // namespace

void run_window(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.queue_depth, 1U), e.batch_size);
        prepare(actor, slots);
        window(e, actor, slots, e.iterations, part);
    });
}

void run_burst(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.burst, 1U), std::max(e.batch_size, 1U));
        prepare(actor, slots);
        Convergence convergence(e.iterations);
        TimePs before = part.start = actor.timestamp();
        for (bool enough = false; !enough;) {
            for (BenchSlot& slot : slots) {
                renew(bench, actor, slot);
                actor.rebuild(slot);
                actor.submit(slot);
            }
            for (BenchSlot& slot : slots) {
                if (e.wait == WaitFor::All || &slot == &slots.back()) {
                    actor.wait(slot);
                }
                part.measured.operations += slot.members;
                part.measured.bytes += slot.members * slot.buffers.bytes;
            }
            const TimePs now = actor.ctx().now();
            enough = convergence.enough(now - before);
            before = now;
        }
        part.end = actor.timestamp();
    });
}

namespace {

// One operation after the other, each with its time stamps.
void one_at_a_time(DsaBench& bench, DsaActor& actor, const Experiment& e, std::uint64_t members,
                   Part& part) {
    const bool cpu = e.executor == Executor::Cpu;
    const std::uint64_t sets = e.devtlb == DevTlbUse::Miss ? kMissPages : 1;
    std::vector<BenchSlot> slots = actor.make_slots(sets, sets > 1);
    // Sets that share no page.
    std::vector<std::vector<BenchBuffers>> buffers;
    for (std::uint64_t i = 0; i < sets; ++i) {
        buffers.push_back(actor.make_buffers(e.op, e.size_bytes, pairs_for(e, 1), e.layout));
    }
    const std::vector<BenchQueue*> queues = bench.queues();
    Convergence convergence(e.iterations);
    for (std::uint64_t i = 0;; ++i) {
        BenchSlot& slot = slots[i % sets];
        slot.queue = queues.empty() ? nullptr : queues[i % queues.size()];
        const auto& mine = buffers[i % sets];
        actor.aim_batch(slot, e.op, mine[i / sets % mine.size()], members);
        renew(bench, actor, slot);
        actor.flush(slot);
        if (e.rebuild == RebuildWhen::Untimed && !cpu) {
            actor.rebuild(slot);
        }
        const TimePs start = actor.timestamp();
        TimePs submitted = start;
        if (cpu) {
            actor.work(e.op, slot.buffers);
        } else {
            if (e.rebuild == RebuildWhen::Timed) {
                actor.rebuild(slot);
            }
            actor.submit(slot);
            if (e.span != SpanOf::Total) {
                submitted = actor.timestamp();
            }
            actor.wait(slot);
        }
        const TimePs end = actor.timestamp();
        const TimePs took = e.span == SpanOf::Submit ? submitted - start
                            : e.span == SpanOf::Wait ? end - submitted
                                                     : end - start;
        if (i < e.warmup) {
            continue;
        }
        part.start = part.measured.samples.empty() ? start : part.start;
        part.end = end;
        part.measured.samples.push_back(took);
        part.measured.operations += slot.members;
        part.measured.bytes += slot.members * slot.buffers.bytes;
        if (convergence.enough(took)) {
            return;
        }
    }
}

// The values of a sequence: sizes in ascending order on the same memory, caches and TLBs kept.
void sequence(Harness& harness, DsaBench& bench) {
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
        actor.rebuild(slots[0]);
        const TimePs start = actor.timestamp();
        actor.submit(slots[0]);
        const TimePs submitted = actor.timestamp();
        actor.wait(slots[0]);
        const TimePs end = actor.timestamp();
        for (std::size_t i = 0; i < harness.series.size(); ++i) {
            if (harness.series[i].size_bytes == size) {
                const TimePs took = e.span == SpanOf::Submit ? submitted - start
                                    : e.span == SpanOf::Wait ? end - submitted
                                                             : end - start;
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
}

void run_latency(Harness& harness, std::uint64_t members) {
    DsaBench bench(harness);
    bench.bring_up();
    if (bench.experiment().sequence) {
        sequence(harness, bench);
        return;
    }
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        one_at_a_time(bench, actor, bench.experiment(), members, part);
    });
}

}  // namespace

void run_single(Harness& harness) {
    run_latency(harness, 1);
}

void run_batch(Harness& harness) {
    run_latency(harness, std::max(harness.series.front().batch_size, 1U));
}

void run_batch_pipeline(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        const Experiment& e = bench.experiment();
        std::vector<BenchSlot> slots =
            window_slots(bench, actor, std::max(e.outstanding, 1U), e.batch_size);
        const auto fill = [&] {
            for (BenchSlot& slot : slots) {
                actor.rebuild(slot);
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
        Convergence convergence(e.iterations);
        TimePs before = part.start;
        for (std::uint64_t i = 0;; ++i) {
            BenchSlot& slot = slots[i % slots.size()];
            actor.wait(slot);
            part.measured.operations += slot.members;
            part.measured.bytes += slot.members * slot.buffers.bytes;
            part.end = actor.ctx().now();
            // Batches end in turns of all that are outstanding.
            if ((i + 1) % slots.size() == 0) {
                if (convergence.enough(part.end - before) || i + 1 >= e.iterations) {
                    return;
                }
                before = part.end;
            }
            actor.rebuild(slot);
            actor.submit(slot);
        }
    });
}

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
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        const Experiment& e = bench.experiment();
        const std::uint32_t burst = std::max(e.burst, 1U);
        std::vector<std::vector<BenchSlot>> transfers;
        for (std::uint32_t i = 0; i < burst; ++i) {
            transfers.push_back(cut(bench, actor, e, e.devices));
        }
        Convergence convergence(e.iterations);
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

void run_page_list(Harness& harness) {
    DsaBench bench(harness);
    bench.bring_up();
    run_submitters(harness, bench, [&](DsaActor& actor, Part& part) {
        Experiment e = bench.experiment();
        const std::vector<BenchQueue*> queues = bench.queues();
        const Executor small_by = e.small_executor.value_or(
            e.executor == Executor::Mixed ? Executor::Cpu : e.executor);
        const bool huge_on_cpu = e.executor == Executor::Cpu;
        e.size_bytes = e.huge.size_bytes;
        std::vector<std::vector<BenchSlot>> huge;
        for (std::uint64_t i = 0; i < e.huge.count; ++i) {
            huge.push_back(cut(bench, actor, e, huge_on_cpu ? 1 : std::max(e.huge.split, 1U)));
        }
        // One batch of small pages for each device.
        std::vector<BenchSlot> batches = actor.make_slots(queues.size());
        const auto pages = actor.make_buffers(e.op, e.small.size_bytes, e.small.count,
                                              BufferLayout::Page);
        std::size_t used = 0;
        const std::uint64_t share = (e.small.count + queues.size() - 1) / queues.size();
        for (std::size_t d = 0; d * share < e.small.count; ++d) {
            const std::uint64_t mine = std::min(share, e.small.count - d * share);
            batches[d].queue = queues[d];
            actor.aim_batch(batches[d], e.op, pages[d * share], mine);
            for (std::size_t i = 0; i < batches[d].list.size(); ++i) {
                batches[d].list[i].source = pages[d * share + i].source;
                batches[d].list[i].destination = pages[d * share + i].destination;
            }
            used = d + 1;
        }
        batches.resize(used);
        Convergence convergence(e.iterations);
        part.start = actor.timestamp();
        for (bool enough = false; !enough;) {
            const TimePs start = actor.timestamp();
            for (auto& slots : huge) {
                for (BenchSlot& slot : slots) {
                    if (huge_on_cpu) {
                        actor.work(e.op, slot.buffers);
                    } else {
                        actor.rebuild(slot);
                        actor.submit(slot);
                    }
                    part.measured.bytes += slot.buffers.bytes;
                }
                ++part.measured.operations;
            }
            for (BenchSlot& batch : batches) {
                if (small_by != Executor::Cpu) {
                    actor.rebuild(batch);
                    actor.submit(batch);
                }
            }
            for (std::uint64_t i = 0; small_by == Executor::Cpu && i < e.small.count; ++i) {
                actor.work(e.op, pages[i]);
            }
            part.measured.operations += e.small.count;
            part.measured.bytes += e.small.count * e.small.size_bytes;
            for (auto& slots : huge) {
                for (BenchSlot& slot : slots) {
                    if (!huge_on_cpu) {
                        actor.wait(slot);
                    }
                }
            }
            for (BenchSlot& batch : batches) {
                if (small_by != Executor::Cpu) {
                    actor.wait(batch);
                }
            }
            part.measured.samples.push_back(actor.timestamp() - start);
            enough = convergence.enough(part.measured.samples.back());
        }
        part.end = actor.ctx().now();
    });
}

void run_shared(Harness& harness) {
    constexpr std::uint64_t kResults = 1000;
    DsaBench bench(harness);
    bench.bring_up();
    const Experiment& e = bench.experiment();
    std::vector<Part> parts(e.clients.size());
    const auto over = [&] {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (e.clients[i].measured && parts[i].measured.operations < kResults) {
                return false;
            }
        }
        return true;
    };
    std::vector<Body> bodies;
    for (std::size_t i = 0; i < e.clients.size(); ++i) {
        bodies.emplace_back([&, i](ExecContext& ctx) {
            const ClientShape& client = e.clients[i];
            DsaActor actor(bench, ctx, i);
            actor.submit_with(client.submit);
            const std::uint64_t depth =
                std::max({client.queue_depth, client.burst, client.outstanding});
            std::vector<BenchSlot> slots = actor.make_slots(depth);
            const auto buffers = actor.make_buffers(client.op, client.size_bytes, depth, e.layout);
            for (std::uint64_t s = 0; s < depth; ++s) {
                slots[s].queue = &bench.queue(client.device, client.group, client.queue);
                actor.aim_batch(slots[s], client.op, buffers[s], client.batch_size);
            }
            prepare(actor, slots);
            window(e, actor, slots, ~std::uint64_t{0}, parts[i], over);
            parts[i].measured.problem = actor.problem();
        });
    }
    harness.run_together(bodies);
    harness.results.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        harness.results[i] = parts[i].measured;
        harness.results[i].elapsed = parts[i].end - parts[i].start;
    }
}

void run_trace(Harness& harness) {
    harness.results.front().problem = "the device counts no hits of its TLB";
}

}  // namespace ioasim::platform
