// Delivers the injections of a scenario. A trigger never acts in the middle of an event: a time
// wakes this module, an event makes it wake 1 ps later, and only then is the fault carried out, or
// its fault site armed. Faults at sites happen when the call comes by that is to fail.
//
// Each effect is a run.inject event; one that is found out to have struck nobody is taken back by a
// run.inject_missed. Draws come from the stream that the injection names, one a
// call or event, so that no other draw of the run depends on it.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/random.hpp"
#include "core/base/result.hpp"
#include "core/sim/simulation.hpp"
#include "core/sim/timeline.hpp"
#include "models/platform/config.hpp"

namespace ioasim::platform {

class Injector final : public sim::Module {
public:
    // Carries out the n-th (from 0) effect of the injection at `index`; what is not a fault site.
    // False: it calls took_effect() later, or never.
    using Deliver = std::function<bool(std::size_t index, std::uint64_t n)>;

    // From `until` on nothing of it happens any more.
    Injector(sim::Simulation& sim, const std::vector<InjectionConfig>& injections, TimePs until,
             Deliver deliver);
    void took_effect(std::size_t index, std::string_view where = {});
    // It did not: this step of it found nobody, or could not prepare it. `told`: as if it had.
    void missed(std::size_t index, std::string_view step, Errno result, bool told);

    void start() override;
    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override { return due_.next(); }
    bool background() const override { return true; }

private:
    struct One {
        const InjectionConfig* config;
        RandomStream draws;
        bool armed = false;         // Site: calls count
        std::uint64_t events = 0;   // that matched
        std::uint64_t calls = 0;    // of the site, since it is armed
        std::uint64_t started = 0;  // deliveries
        std::uint64_t effects = 0;
    };
    void watch_event(std::size_t index);
    bool exhausted(const One& one) const {
        return one.config->count != 0 && one.started >= one.config->count;
    }
    static bool hit(One& one, std::uint64_t counted, std::uint64_t nth);
    void trigger(std::size_t index);
    std::optional<std::uint64_t> call(const FaultSite& site, std::string_view where);

    std::vector<One> all_;
    TimePs until_;
    Deliver deliver_;
    sim::Timeline<std::size_t> due_;
};

}  // namespace ioasim::platform
