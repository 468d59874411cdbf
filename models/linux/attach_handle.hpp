// What stands in a slot of a group's PASID array (Linux: struct iommu_domain, struct
// iommu_attach_handle, struct iommu_sva). The handle lives from attach to detach: a pointer to it
// is good only as long as its holder keeps the two from running.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/trace/event.hpp"

namespace ioasim::os {

class Device;
class PageFaultHandler;
struct Process;

enum class DomainType : std::uint8_t { Any, Sva, Nested, Unmanaged };

inline const char* name_of(DomainType type) {
    constexpr const char* kNames[] = {"any", "sva", "nested", "unmanaged"};
    return kNames[static_cast<std::size_t>(type)];
}

// One I/O address space that PASIDs of devices may lead to.
struct PasidDomain {
    PasidDomain(DomainType kind, trace::Name address_space) : type(kind), space(address_space) {}
    virtual ~PasidDomain() = default;
    // The PASID entry of a device leads here from now on (iommu_domain_ops.set_dev_pasid), when it
    // is attached and again behind a reset of the function.
    virtual Errno set_dev_pasid(ExecContext& /*ctx*/, Device& /*device*/, Pasid /*pasid*/) {
        return Errno::Eopnotsupp;
    }
    // On its way out: no entry of it is made again.
    virtual bool ending() const { return released; }

    // Page requests of the device are delivered from now on.
    void serve_again(const Device& device) {
        leaving.erase(std::remove(leaving.begin(), leaving.end(), &device), leaving.end());
    }

    DomainType type;
    trace::Name space;           // owner of the address space, for events
    std::uint32_t users = 0;     // devices that it is attached to
    Process* process = nullptr;  // SVA: whose page tables
    bool released = false;       // SVA: the process has given its page tables back
    // Tables that user space fills: who takes the page requests; null: nobody.
    PageFaultHandler* faults = nullptr;
    // Functions that leave it: whose page requests it does not take any more.
    std::vector<const Device*> leaving;
};

struct AttachHandle {
    std::uint64_t serial = 0;  // no two of a run are equal
    PasidDomain* domain = nullptr;
    Device* device = nullptr;
    Pasid pasid;
    std::uint32_t users = 0;  // SVA: binds of the same address space and device
    bool attached = false;    // false: detached, whoever uses it now uses freed memory
};

}  // namespace ioasim::os
