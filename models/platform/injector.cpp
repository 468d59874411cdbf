#include "models/platform/injector.hpp"

#include <utility>

#include "core/trace/run_events.hpp"

namespace ioasim::platform {

Injector::Injector(sim::Simulation& sim, const std::vector<InjectionConfig>& injections,
                   TimePs until, Deliver deliver)
    : Module(sim, "inject"), until_(until), deliver_(std::move(deliver)) {
    bool sites = false;
    for (const InjectionConfig& config : injections) {
        all_.push_back({&config, sim.stream("inject", config.stream)});
        sites = sites || config.fault.kind->way == InjectWay::Site;
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
        if (all_[i].config->when) {
            watch_event(i);
        }
    }
    if (sites) {
        sim.probes().decide = [this](const FaultSite& site, std::string_view where) {
            return call(site, where);
        };
    }
}

void Injector::start() {
    for (std::size_t i = 0; i < all_.size(); ++i) {
        const InjectionConfig& config = *all_[i].config;
        emit(trace::RunInjection{
            static_cast<std::uint32_t>(i), recorder().name(config.fault.kind->name),
            recorder().name(config.fault.target), recorder().name(config.trigger), config.certain});
        if (config.at) {
            due_.schedule(*config.at, 0, i);
        } else if (!config.when) {
            trigger(i);
        }
    }
}

// The reaction only counts and asks to be woken: nothing changes in this instant.
void Injector::watch_event(std::size_t index) {
    const InjectEvent& when = *all_[index].config->when;
    recorder().watch(*when.event, [this, index, &when](const trace::EventRecord& record) {
        One& one = all_[index];
        if (!when.matches(record, recorder().names())) {
            return;
        }
        ++one.events;
        const bool site = one.config->fault.kind->way == InjectWay::Site;
        // At a site the lot is drawn call by call, once the n-th event has come.
        const bool now = site ? one.events == one.config->nth
                              : !exhausted(one) && hit(one, one.events, one.config->nth);
        if (now) {
            const TimePs behind = sim::Simulation::now() + TimePs{1};
            due_.schedule(behind, 0, index);
            wake_at(behind);
        }
    });
}

// The n-th, and with a count those right behind it; or whoever draws the lot.
bool Injector::hit(One& one, std::uint64_t counted, std::uint64_t nth) {
    const InjectionConfig& config = *one.config;
    return config.chance_of != 0 ? one.draws.below(config.chance_in) < config.chance_of
                                 : counted >= nth;
}

void Injector::advance(TimePs now) {
    while (due_.due(now)) {
        trigger(due_.pop());
    }
}

void Injector::trigger(std::size_t index) {
    One& one = all_[index];
    if (one.config->fault.kind->way == InjectWay::Site) {
        one.armed = true;
        return;
    }
    if (!exhausted(one) && sim::Simulation::now() < until_ && deliver_(index, one.started++)) {
        took_effect(index);
    }
}

std::optional<std::uint64_t> Injector::call(const FaultSite& site, std::string_view where) {
    std::optional<std::uint64_t> extent;
    if (sim::Simulation::now() >= until_) {
        return extent;
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
        One& one = all_[i];
        const InjectFault& fault = one.config->fault;
        if (!one.armed || fault.kind->site != &site || exhausted(one) ||
            (!fault.target.empty() && fault.target != where)) {
            continue;
        }
        if (hit(one, ++one.calls, one.config->nth_call)) {
            ++one.started;
            extent = one.config->extent;
            took_effect(i, where);
        }
    }
    return extent;
}

// `where`: whom it befell of all that it might have.
void Injector::took_effect(std::size_t index, std::string_view where) {
    One& one = all_[index];
    const InjectFault& fault = one.config->fault;
    const std::string_view target = fault.target.empty() ? where : std::string_view(fault.target);
    emit(trace::RunInject{static_cast<std::uint32_t>(index), recorder().name(fault.kind->name),
                          recorder().name(target), ++one.effects});
}

void Injector::missed(std::size_t index, std::string_view step, Errno result, bool told) {
    One& one = all_[index];
    const InjectFault& fault = one.config->fault;
    one.effects -= told ? 1 : 0;
    emit(trace::RunInjectMissed{static_cast<std::uint32_t>(index),
                                recorder().name(fault.kind->name), recorder().name(fault.target),
                                recorder().name(step), result, told});
}

}  // namespace ioasim::platform
