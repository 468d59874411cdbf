#include "core/sim/module.hpp"

#include <algorithm>
#include <systemc>

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
        : sc_core::sc_module(sc_core::sc_module_name(kernel_name(name).c_str())), owner_(owner) {
        SC_METHOD(run);
        sensitive << event_;
        dont_initialize();
    }

    void wake_at(TimePs time) {
        if (armed_ && armed_for_ <= time) {
            return;
        }
        const TimePs now = Simulation::now();
        armed_ = true;
        armed_for_ = time;
        if (time <= now) {
            event_.notify(sc_core::SC_ZERO_TIME);
        } else {
            event_.notify(sc_core::sc_time::from_value((time - now).ps()));
        }
    }

private:
    void run() {
        const TimePs now = Simulation::now();
        armed_ = false;
        owner_.sim_.guard([&] {
            owner_.sim_.note_activation(now);
            owner_.recorder().begin_hardware();
            owner_.advance(now);
            if (const auto next = owner_.next_wakeup()) {
                wake_at(*next);
            }
        });
    }

    Module& owner_;
    sc_core::sc_event event_;
    bool armed_ = false;
    TimePs armed_for_;
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

void Module::wake_at(TimePs time) {
    process_->wake_at(time);
}

}  // namespace ioasim::sim
