// Page requests of PASIDs that a guest owns, between the host kernel and a VMM: VFIO's fault region
// with its eventfd, and the ioctl that answers (vSVA series of 2020: iommu_fault, VFIO DMA fault
// region, iommu_page_response). A VMM reads whole groups; each is answered by it or, at the detach
// of the PASID, by the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

struct GuestFault {
    std::string device;
    Pasid pasid;                            // on the bus
    Spid gpasid;                            // what the guest calls it
    std::vector<vtd::PageRequest> pages{};  // oldest first; the last one ends the group
    std::uint64_t serial = 0;               // of the host's fault core
};

class GuestFaultFile {
public:
    virtual ~GuestFaultFile() = default;
    // The VMM registers its eventfd. Before that nobody would read: groups are answered Invalid.
    virtual void listen() = 0;
    // Sleeps until a group can be read. False: the VM's files are closed.
    virtual bool wait(ExecContext& ctx) = 0;
    virtual std::optional<GuestFault> read(ExecContext& ctx) = 0;
    virtual bool empty() const = 0;
    // The answer to a group of this host PASID: 0 Success, 1 Invalid; anything else would disable
    // the function's page requests for everybody: -EINVAL. -EINVAL: no such group waits.
    virtual Errno respond(ExecContext& ctx, const std::string& device, Ioasid id,
                          std::uint16_t group, std::uint32_t code) = 0;
};

}  // namespace ioasim::os
