// The IOMMU group of a device with its PASID array, the one place that knows which domain is
// attached under which PASID (Linux: iommu_group.pasid_array, iommu_attach_handle_get,
// iommu_attach_device_pasid, iommu_detach_device_pasid). A slot is reserved before the driver makes
// the PASID entry live and published behind it; whoever looks in between finds nothing.
// Leaves out: groups of several devices.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/number_map.hpp"
#include "core/base/result.hpp"
#include "models/linux/attach_handle.hpp"

namespace ioasim::os {

class Kernel;

class IommuGroup {
public:
    IommuGroup(Kernel& kernel, Device& device);

    // Nothing there, or only reserved: -ENOENT. A domain without handle, or of another type than
    // asked for (Any: all match): -EBUSY. Takes no reference.
    Result<std::shared_ptr<AttachHandle>> handle_get(ExecContext& ctx, Pasid pasid,
                                                     DomainType type);
    // -EBUSY: the slot is in use; -ENOMEM.
    Errno reserve(ExecContext& ctx, Pasid pasid);
    // The reservation becomes an attachment; `handle` may be null (a bare domain).
    void publish(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                 std::shared_ptr<AttachHandle> handle);
    // Another domain stands in the slot from here on, without a handle.
    void replace(ExecContext& ctx, Pasid pasid, PasidDomain& domain);
    // The reservation or attachment ends; a handle is dead from here on.
    void erase(ExecContext& ctx, Pasid pasid);

    // Between them a reset of the function is under way: nothing is attached. False: one is.
    bool begin_reset();
    void end_reset() { resetting_ = false; }

    // The domain published under the PASID, or null.
    PasidDomain* domain_at(Pasid pasid) const;
    // PASIDs under which SVA domains of this process are published.
    std::vector<Pasid> pasids_of(const Process& process) const;
    std::shared_ptr<AttachHandle> new_handle();
    std::size_t size() const { return slots_.size(); }

    // iommu_attach_device_pasid for domains that kernel code brings along. -EINVAL PASID 0 or not
    // of the device, -EBUSY, -ENOMEM, what the driver says.
    Errno attach(ExecContext& ctx, Pasid pasid, std::unique_ptr<PasidDomain> domain,
                 bool with_handle);
    // -ENOENT: no such attachment of kernel code.
    Errno detach(ExecContext& ctx, Pasid pasid);

private:
    struct Slot {
        PasidDomain* domain = nullptr;  // null: reserved
        std::shared_ptr<AttachHandle> handle;
        std::unique_ptr<PasidDomain> owned;
        std::uint64_t tables = 0;  // page table of an unmanaged domain
    };
    Errno set_entry(ExecContext& ctx, Pasid pasid, const PasidDomain& domain, Slot& slot);

    Kernel& kernel_;
    Device& device_;
    mutable SimLock lock_;  // xa_lock
    NumberMap<std::uint32_t, Slot> slots_;
    bool resetting_ = false;
};

}  // namespace ioasim::os
