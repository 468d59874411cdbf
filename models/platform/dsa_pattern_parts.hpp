// What the patterns with an accelerator share: when repetitions may end, what a core measured, the
// sliding window.
#pragma once

#include <cstdint>
#include <functional>
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

// What one core did.
struct BenchPart {
    Measurement measured;
    TimePs start;
    TimePs end;
};

// Each submitter runs the same code on a core of its own; the result is that of all together.
void run_submitters(Harness& harness, DsaBench& bench,
                    const std::function<void(DsaActor&, BenchPart&)>& code);

// Pairs of operands that so many slots need.
std::uint64_t pairs_for(const Experiment& e, std::uint64_t slots);
// Slots over all workqueues in turn, with operands as the layout says.
std::vector<BenchSlot> window_slots(DsaBench& bench, DsaActor& actor, std::uint64_t count,
                                    std::uint64_t members = 1);
// Fresh pages for the operands of the next use, where the layout wants them.
void renew(DsaBench& bench, DsaActor& actor, BenchSlot& slot);
// Keeps the slots in flight until `iterations` operations have ended, or `stop` says so.
void run_slots(const Experiment& e, DsaActor& actor, std::vector<BenchSlot>& slots,
               std::uint64_t iterations, BenchPart& part, const std::function<bool()>& stop = {});

}  // namespace ioasim::platform
