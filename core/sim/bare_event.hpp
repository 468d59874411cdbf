// The yardstick of `ioasim bench`: what the kernel under us takes for one timed event that
// activates one method, with nothing of ours in between. Measured in the same process as what it is
// compared with.
#pragma once

#include <cstdint>
#include <memory>

namespace ioasim::sim {

// One method that notifies its own event again, 1 ns ahead. No Simulation may live meanwhile.
class BareEvent {
public:
    BareEvent();
    ~BareEvent();
    BareEvent(const BareEvent&) = delete;
    BareEvent& operator=(const BareEvent&) = delete;

    // Runs until the method was activated so often. Once per object.
    void run(std::uint64_t activations);
    std::uint64_t activated() const;

private:
    struct Process;
    std::unique_ptr<Process> process_;
};

}  // namespace ioasim::sim
