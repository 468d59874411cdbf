// When modules act: one process of the kernel for all hardware of a run.
//
// What is due in one instant is done in rounds: first everything that was due when the round began,
// then what that has asked for at once. In SystemC's terms a round is a delta; software's threads
// come after the rounds. Where nothing of the kernel comes before the next thing that hardware
// does, hardware goes on by itself (Simulation::skip_to), which saves most activations of the
// kernel.
//
// A machine has a few dozen modules: looking at all their times takes less than keeping a heap.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::sim {

class Module;
class Simulation;

class Agenda {
public:
    explicit Agenda(Simulation& simulation);
    ~Agenda();
    Agenda(const Agenda&) = delete;
    Agenda& operator=(const Agenda&) = delete;

    // The module's place here.
    std::size_t add(Module& module);
    // A turn at `time` or earlier; the earliest request wins.
    void ask(std::size_t place, TimePs time);

private:
    struct Process;

    void run();
    void act(std::size_t place, TimePs now);
    TimePs earliest() const;

    Simulation& simulation_;
    std::unique_ptr<Process> process_;
    std::vector<Module*> modules_;
    std::vector<TimePs> turns_;       // of each; max: it asked for none
    std::vector<std::size_t> round_;  // whose turn it is
    bool running_ = false;
};

}  // namespace ioasim::sim
