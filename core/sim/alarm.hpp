// When a process of the kernel is to be activated again: the one place that notifies its events.
//
// Time-outs lie far ahead and move away with every answer. A notification that is replaced stays in
// the kernel's queue until its time, so a far one has an event of its own that is never taken back:
// when it comes too early, the process asks again. When no process wants anything any more, what
// is pending is taken back, so that the run ends when the last thing happened.
//
// A process begins with came(), which is also where the simulation learns what time it is.
#pragma once

#include <systemc>

#include "core/base/time.hpp"
#include "core/sim/simulation.hpp"

namespace ioasim::sim {

class Alarm {
public:
    explicit Alarm(Simulation& simulation) : simulation_(simulation) {}

    // The process is sensitive to both.
    const sc_core::sc_event& soon() const { return soon_.event; }
    const sc_core::sc_event& far() const { return far_.event; }

    // At `time` or earlier; the earliest request wins.
    void set(TimePs time) {
        const TimePs now = Simulation::now();
        if ((time > now + kFar ? far_ : soon_).set(time)) {
            simulation_.kernel_moved();
        }
        want();
    }
    // The process needs nothing until somebody sets this again.
    void rest() {
        if (wants_) {
            wants_ = false;
            simulation_.rests();
        }
    }
    // In this delta, after the processes that time activates.
    void ring() {
        soon_.pending = false;
        soon_.event.notify();
        simulation_.kernel_moved();
        want();
    }
    void take_back() { far_.take_back(); }
    bool pending() const { return soon_.pending || far_.pending; }
    // What has come by now; first thing in the process.
    void came() {
        Simulation::read_clock();
        simulation_.kernel_moved();
        const TimePs now = Simulation::now();
        soon_.came(now);
        far_.came(now);
    }

private:
    friend class Simulation;
    static constexpr TimePs kFar{2'000'000};

    struct Bell {
        // False: it rings early enough.
        bool set(TimePs time) {
            if (pending && at <= time) {
                return false;
            }
            pending = true;
            at = time;
            // The kernel's clock stays behind while software runs alone.
            const TimePs now{sc_core::sc_time_stamp().value()};
            event.notify(time > now ? sc_core::sc_time::from_value((time - now).ps())
                                    : sc_core::SC_ZERO_TIME);
            return true;
        }
        void came(TimePs now) { pending = pending && at > now; }
        void take_back() {
            event.cancel();
            pending = false;
        }

        sc_core::sc_event event;
        TimePs at;
        bool pending = false;
    };
    void want() {
        if (!wants_) {
            wants_ = true;
            simulation_.wants(*this);
        }
    }

    Simulation& simulation_;
    Bell soon_;
    Bell far_;
    bool wants_ = false;
    bool known_ = false;  // to the simulation
};

}  // namespace ioasim::sim
