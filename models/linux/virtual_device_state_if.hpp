// What a virtual device (mediated device, software.md "VDCM virtual device commands") is as its
// guest sees it: all that a VMM saves to pause it here and go on elsewhere. Guest PASIDs only: host
// PASIDs are allocated anew by each host and never leave it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/dsa/dsa_layout.hpp"

namespace ioasim::os {

// One virtual workqueue. `config` is the guest's WQCFG: mode, guest PASID, PASID enable, privilege;
// size and threshold are those of the real queue.
struct VirtualQueueState {
    bool shared = false;
    bool enabled = false;
    dsa::WqConfig config{};

    // The guest PASID that a dedicated queue was told to work under; 0: none.
    std::uint32_t gpasid() const { return config.pasid_enable ? config.pasid : 0; }
};

// A descriptor that the guest wrote while its portal was trapped and the device paused.
struct TrappedDescriptor {
    std::uint32_t queue = 0;
    std::uint32_t gpasid = 0;  // of a shared queue: bytes [3:0] as the guest's processor sent them
    dsa::DescriptorBytes bytes{};
};

struct VirtualDeviceState {
    // configuration space: COMMAND and the control registers of PASID, ATS and page requests
    std::uint16_t command = 0;
    std::uint16_t pasid_control = 0;
    std::uint16_t ats_control = 0;
    std::uint16_t pri_control = 0;
    // BAR0
    dsa::DeviceState state = dsa::DeviceState::Disabled;
    dsa::CommandStatus status{};
    dsa::SoftwareError error{};
    std::uint32_t gencfg = 0;
    std::uint32_t genctrl = 0;
    std::uint32_t intcause = 0;
    std::vector<VirtualQueueState> queues;
    // trapped submissions
    bool paused = false;
    std::vector<TrappedDescriptor> trapped;
};

}  // namespace ioasim::os
