#include "core/sim/bare_event.hpp"

#include <systemc>

namespace ioasim::sim {

struct BareEvent::Process final : sc_core::sc_module {
    SC_HAS_PROCESS(Process);
    explicit Process(sc_core::sc_module_name name) : sc_core::sc_module(name) {
        SC_METHOD(activate);
        sensitive << event_;
        dont_initialize();
    }
    void start(std::uint64_t activations) {
        wanted = activations;
        event_.notify(step_);
    }
    std::uint64_t done = 0;
    std::uint64_t wanted = 0;

private:
    void activate() {
        if (++done < wanted) {
            event_.notify(step_);
        }
    }
    sc_core::sc_event event_;
    const sc_core::sc_time step_ = sc_core::sc_time::from_value(1000);
};

BareEvent::BareEvent() : process_(std::make_unique<Process>("bare_event")) {}

BareEvent::~BareEvent() {
    process_.reset();
    sc_core::sc_get_curr_simcontext()->reset();
}

void BareEvent::run(std::uint64_t activations) {
    process_->start(activations);
    sc_core::sc_start(sc_core::sc_max_time(), sc_core::SC_EXIT_ON_STARVATION);
}

std::uint64_t BareEvent::activated() const {
    return process_->done;
}

}  // namespace ioasim::sim
