// The host's window to a virtual device's portal, in the address space of its guest.
#pragma once

#include "models/dsa/dsa_layout.hpp"
#include "models/linux/virtual_device_if.hpp"
#include "models/vm/guest_memory.hpp"

namespace ioasim::vm {

// Where the pages of a virtual device's queue lie in its guest.
class GuestPortalWindow final : public os::PortalWindow {
public:
    GuestPortalWindow(GuestMemory& memory, Gpa base) : memory_(memory), base_(base) {}
    void map(std::uint32_t queue, dsa::Portal page, Hpa target) override {
        memory_.map_portal(base_ + dsa::portal_offset(queue, page), target, true);
    }
    void unmap(std::uint32_t queue) override {
        for (const dsa::Portal page : {dsa::Portal::UnlimitedMsix, dsa::Portal::LimitedMsix,
                                       dsa::Portal::UnlimitedIms, dsa::Portal::LimitedIms}) {
            memory_.unmap_portal(base_ + dsa::portal_offset(queue, page));
        }
    }

private:
    GuestMemory& memory_;
    Gpa base_;
};

}  // namespace ioasim::vm
