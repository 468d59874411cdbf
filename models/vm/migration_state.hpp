// What of a virtual machine goes to another host beside its memory: the virtual IOMMU's registers,
// the guest PASIDs that were handed out, and the submissions that the VMM keeps. No host PASID is
// among it: the other host has numbers of its own. Registers of vCPUs stay with their threads.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/result.hpp"
#include "models/linux/virtual_device_state_if.hpp"
#include "models/vm/kept_submissions.hpp"

namespace ioasim::vm {

struct MigrationState {
    std::vector<std::uint64_t> registers;    // of the virtual IOMMU
    std::uint64_t root_table = 0;            // latched by the guest's SRTP
    std::uint32_t next_gpasid = 0;           // numbers from here on were never used
    std::vector<std::uint32_t> returned;     // free again, ascending
    std::vector<std::uint32_t> gpasids;      // handed out, ascending
    std::deque<KeptSubmission> submissions;  // oldest first
    // Of virtual devices, in the order of assignment.
    std::vector<os::VirtualDeviceState> devices{};
};

// Little endian, every list behind its length.
std::vector<std::uint8_t> encode(const MigrationState& state);
// -EINVAL: cut short, or too long.
Result<MigrationState> decode(const std::vector<std::uint8_t>& bytes);

}  // namespace ioasim::vm
