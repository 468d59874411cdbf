#include "core/sim/module.hpp"

#include <algorithm>
#include <systemc>

#include "core/sim/alarm.hpp"
#include "core/sim/simulation.hpp"

namespace ioasim::sim {
namespace {

// SystemC object names may not hold its hierarchy separator.
std::string kernel_name(std::string name) {
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '.' || c == '/' || c == ' '; }, '_');
    return name;
}

}  // namespace

struct Module::Process final : sc_core::sc_module {
    SC_HAS_PROCESS(Process);
    Process(const std::string& name, Module& owner)
        : sc_core::sc_module(sc_core::sc_module_name(kernel_name(name).c_str())),
          owner_(owner),
          alarm_(owner.sim_) {
        SC_METHOD(run);
        sensitive << alarm_.soon() << alarm_.far();
        dont_initialize();
    }

    void wake_at(TimePs time) { alarm_.set(time); }

private:
    void run() {
        alarm_.came();
        const TimePs now = Simulation::now();
        owner_.sim_.guard([&] {
            owner_.sim_.note_activation(now);
            owner_.recorder().begin_hardware();
            owner_.advance(now);
            if (const auto next = owner_.next_wakeup()) {
                wake_at(*next);
            } else {
                alarm_.rest();
            }
        });
    }

    Module& owner_;
    Alarm alarm_;
};

Module::Module(Simulation& sim, const std::string& name)
    : sim_(sim),
      name_(name),
      source_(sim.recorder().source(name)),
      process_(std::make_unique<Process>(name, *this)) {
    sim_.add(*this);
}

Module::~Module() {
    sim_.remove(*this);
}

trace::Recorder& Module::recorder() const {
    return sim_.recorder();
}

TimePs Module::now() const {
    return Simulation::now();
}

const ArrivalOrder* Module::arrival_order() const {
    return sim_.arrival_order();
}

void Module::wake_at(TimePs time) {
    process_->wake_at(time);
}

}  // namespace ioasim::sim
