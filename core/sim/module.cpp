#include "core/sim/module.hpp"

#include "core/sim/agenda.hpp"
#include "core/sim/simulation.hpp"

namespace ioasim::sim {

Module::Module(Simulation& sim, const std::string& name)
    : sim_(sim),
      name_(name),
      source_(sim.recorder().source(name)),
      place_(sim.agenda_->add(*this)) {
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
    sim_.agenda_->ask(place_, time);
}

}  // namespace ioasim::sim
