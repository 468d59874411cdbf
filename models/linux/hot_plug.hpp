// Slots of a host kernel: a function that is pulled out without notice (Linux pciehp, and what
// drivers and the core do then).
//
// The root port's interrupt wakes the slot's thread. It clears what changed, looks at the link,
// and marks the function disconnected (pci_dev_set_disconnected): from then on nobody waits for an
// answer of it - registers would read all ones, and an invalidation of its TLB would take the
// unit's time-out (since Linux 6.9 none is sent). Then its driver goes: virtual devices on it are
// unregistered, and their VMMs asked to close them, again and again. Last the IOMMU driver lets it
// go: context entry not present, caches invalidated, what waits of its page requests answered
// Invalid; a page request that comes later is an unknown function's.
// Leaves out: VMs that have the function's queues without a virtual device, or all of the function
// (they keep what they have until they end), and functions that come back.
#pragma once

#include <memory>
#include <vector>

#include "core/base/exec_context.hpp"

namespace ioasim::os {

class Device;
class Kernel;

class HotPlug {
public:
    explicit HotPlug(Kernel& kernel) : kernel_(kernel) {}

    // A thread and a vector for each slot. Nothing where no function is in one.
    void start(ExecContext& ctx);

private:
    void check_link(ExecContext& ctx, Device& device);
    void handle(ExecContext& ctx, Device& device);
    void remove(ExecContext& ctx, Device& device);
    void tell(ExecContext& ctx, const Device& device, const char* phase);

    Kernel& kernel_;
};

}  // namespace ioasim::os
