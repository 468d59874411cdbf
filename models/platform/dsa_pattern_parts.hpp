// What the patterns with an accelerator share: when repetitions may end, what a core measured, the
// loops of submitting cores.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "models/platform/dsa_actor.hpp"

namespace ioasim::platform {

// Whether the mean of the second half differs from that of the first by less than 0.5 %.
class Convergence {
public:
    explicit Convergence(std::uint64_t iterations, std::uint64_t least = 40)
        : iterations_(iterations), least_(least) {}
    // After each iteration, with its duration; true: enough.
    bool enough(TimePs took);

private:
    std::uint64_t iterations_;
    std::uint64_t least_;
    std::vector<std::uint64_t> sums_;
};

// Repetitions that begin with an idle machine and are to be carried out to the last. The simulator
// is deterministic: once many in a row took the same picoseconds, the rest is known.
class Repetitions {
public:
    explicit Repetitions(std::uint64_t iterations) : left_(iterations) {}
    // After each one, with its duration: how many it stands for; 0 left: the last.
    std::uint64_t ended(TimePs took);
    bool over() const { return left_ == 0; }

private:
    std::uint64_t left_;
    TimePs took_;
    std::uint64_t same_ = 0;
};

// What one core did.
struct BenchPart {
    Measurement measured;
    TimePs start;
    TimePs end;
    std::uint64_t results = 0;  // descriptors that ended, batches as one
};

// When a loop ends: after the experiment's repetitions, some earlier when results have converged,
// or when somebody says so.
struct LoopEnd {
    std::function<bool()> stop;
    std::uint64_t iterations(const Experiment& e) const {
        return stop ? ~std::uint64_t{0} : e.iterations;
    }
};

// Each submitter runs the same code on a core of its own; the result is that of all together.
void run_submitters(Harness& harness, DsaBench& bench,
                    const std::function<void(DsaActor&, BenchPart&)>& code);

using Queues = std::vector<BenchQueue*>;
// The sliding window, exactly as long as the experiment says.
void loop_window(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end = {});
void loop_burst(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end = {});
// One descriptor, or one batch, after the other.
void loop_single(DsaActor& actor, const Queues& queues, std::uint64_t members, BenchPart& part,
                 const LoopEnd& end = {});
void loop_pipeline(DsaActor& actor, const Queues& queues, BenchPart& part, const LoopEnd& end = {});

// One operation with its time stamps: the span that was asked for.
TimePs timed(DsaActor& actor, BenchSlot& slot);

}  // namespace ioasim::platform
