// A module that only takes kernel time: wakes up, does nothing. The determinism tests add some to
// show that unrelated modules change no byte of any output.
#pragma once

#include "core/sim/module.hpp"

namespace ioasim::platform {

class Bystander final : public sim::Module {
public:
    // Ticks at odd distances during the first tenth of a microsecond, so that the end of the run
    // stays its own.
    Bystander(sim::Simulation& sim, const std::string& name, std::uint64_t period_ps)
        : sim::Module(sim, name), period_(period_ps) {}

    void advance(TimePs now) override {
        while (next_ <= now && ticks_ < kTicks) {
            next_ += period_;
            ++ticks_;
        }
    }
    std::optional<TimePs> next_wakeup() const override {
        return ticks_ < kTicks ? std::optional<TimePs>(next_) : std::nullopt;
    }

    bool background() const override { return true; }

private:
    static constexpr std::uint64_t kTicks = 100;
    TimePs period_;
    TimePs next_{1};
    std::uint64_t ticks_ = 0;
};

}  // namespace ioasim::platform
