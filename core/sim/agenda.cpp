#include "core/sim/agenda.hpp"

#include <algorithm>

#include <systemc>

#include "core/sim/alarm.hpp"
#include "core/sim/module.hpp"
#include "core/sim/simulation.hpp"

namespace ioasim::sim {

struct Agenda::Process final : sc_core::sc_module {
    SC_HAS_PROCESS(Process);
    Process(const sc_core::sc_module_name& name, Agenda& owner)
        : sc_core::sc_module(name), agenda(owner), alarm(owner.simulation_) {
        SC_METHOD(activate);
        sensitive << alarm.soon() << alarm.far();
        dont_initialize();
    }
    void activate() {
        alarm.came();
        agenda.run();
    }

    Agenda& agenda;
    Alarm alarm;
};

Agenda::Agenda(Simulation& simulation)
    : simulation_(simulation), process_(std::make_unique<Process>("hardware", *this)) {}

Agenda::~Agenda() = default;

std::size_t Agenda::add(Module& module) {
    modules_.push_back(&module);
    turns_.push_back(TimePs::max());
    return modules_.size() - 1;
}

void Agenda::ask(std::size_t place, TimePs time) {
    if (time < turns_[place]) {
        turns_[place] = time;
        if (!running_) {
            process_->alarm.set(time);
        }
    }
}

void Agenda::run() {
    TimePs now = Simulation::now();
    running_ = true;
    TimePs next;
    do {
        round_.clear();
        for (std::size_t i = 0; i < turns_.size(); ++i) {
            if (turns_[i] <= now) {
                round_.push_back(i);
            }
        }
        for (const std::size_t place : round_) {
            act(place, now);
        }
        next = earliest();
        if (next > now && next != TimePs::max() && simulation_.skip_to(next)) {
            now = next;
        }
    } while (next <= now && !simulation_.stopping());
    running_ = false;
    if (next == TimePs::max()) {
        process_->alarm.rest();
    } else {
        process_->alarm.set(std::max(now, next));
    }
}

void Agenda::act(std::size_t place, TimePs now) {
    turns_[place] = TimePs::max();
    simulation_.guard([&] {
        simulation_.note_activation(now);
        simulation_.recorder().begin_hardware();
        modules_[place]->advance(now);
        if (const auto next = modules_[place]->next_wakeup()) {
            ask(place, *next);
        }
    });
}

TimePs Agenda::earliest() const {
    TimePs first = TimePs::max();
    for (const TimePs turn : turns_) {
        first = turn < first ? turn : first;
    }
    return first;
}

}  // namespace ioasim::sim
