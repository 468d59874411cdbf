// The IOMMU group of a device with its PASID array, the one place that knows which domain is
// attached under which PASID (Linux: iommu_group.pasid_array, iommu_attach_handle_get,
// iommu_attach_device_pasid, iommu_detach_device_pasid). A slot is reserved before the driver makes
// the PASID entry live and published behind it; whoever looks in between finds nothing. The group's
// mutex lets attach, detach, replacement and the two ends of a reset happen one after the other.
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
#include "models/linux/iommu_driver.hpp"

namespace ioasim::os {

class IommuDomain;
class Kernel;

class IommuGroup {
public:
    IommuGroup(Kernel& kernel, Device& device);

    // Nothing there, or only reserved: -ENOENT. A domain without handle, or of another type than
    // asked for (Any: all match): -EBUSY. Takes no reference.
    Result<std::shared_ptr<AttachHandle>> handle_get(ExecContext& ctx, Pasid pasid,
                                                     DomainType type);
    // -EINVAL PASID 0, -EBUSY the function is being reset, -EINVAL it does not have the PASID.
    Errno may_attach(Pasid pasid) const;
    // -EBUSY: the slot is in use, or the function is being reset; -ENOMEM. `coming` is what will be
    // published.
    Errno reserve(ExecContext& ctx, Pasid pasid, PasidDomain* coming = nullptr);
    // The reservation becomes an attachment; `handle` may be null (a bare domain).
    void publish(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                 std::shared_ptr<AttachHandle> handle);
    // Another domain stands in the slot from here on, without a handle.
    void replace(ExecContext& ctx, Pasid pasid, PasidDomain& domain);
    // The reservation or attachment ends; a handle is dead from here on.
    void erase(ExecContext& ctx, Pasid pasid);

    // iommu_attach_device_pasid: reserved, entry live, published. What reserve() and the domain
    // say; nothing is left then.
    Errno attach(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                 std::shared_ptr<AttachHandle> handle);
    // iommu_detach_device_pasid. What the driver says, now or when the entry went before; the slot
    // is free whatever that is.
    Errno detach(ExecContext& ctx, Pasid pasid, bool fpd,
                 IommuDriver::TableLock hold = IommuDriver::TableLock::ForTables);
    // The address space of a process goes: its entries are disabled and none of them comes back.
    // How many were.
    std::uint32_t release(ExecContext& ctx, const Process& process);

    // Between them a reset of the function is under way: nothing is attached. False: one is.
    bool begin_reset();
    void end_reset() { resetting_ = false; }
    bool resetting() const;
    // Requests with any PASID and those without go nowhere, what is recorded stays; and they go
    // there again, as far as it is not on its way out. `pasids`: how many.
    Errno block(ExecContext& ctx, std::uint32_t& pasids);
    Errno unblock(ExecContext& ctx, std::uint32_t& pasids);
    SimLock& mutex() { return mutex_; }
    // Where requests without PASID go; null: nowhere. With the mutex held.
    void set_rid_domain(IommuDomain* domain) { rid_domain_ = domain; }

    // The domain published under the PASID, or null.
    PasidDomain* domain_at(Pasid pasid) const;
    // PASIDs whose entries lead, or are about to lead, to page tables of this process.
    std::vector<Pasid> pasids_of(ExecContext& ctx, const Process& process) const;
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
        PasidDomain* domain = nullptr;  // null: of somebody who does not say
        std::shared_ptr<AttachHandle> handle;
        std::unique_ptr<PasidDomain> owned;
        std::uint64_t tables = 0;  // page table of an unmanaged domain, with its domain id
        DomainId did;
        bool published = false;       // otherwise reserved
        bool blocked = false;         // its entry went when a reset began
        Errno unflushed = Errno::Ok;  // its entry went before the detach, and was not flushed
    };
    Errno settle(ExecContext& ctx, Pasid pasid, PasidDomain& domain,
                 std::shared_ptr<AttachHandle> handle);
    Errno set_entry(ExecContext& ctx, Pasid pasid, Slot& slot);
    Errno set_own_entry(ExecContext& ctx, Pasid pasid, Slot& slot);
    void note_flush(Slot& slot, Errno error) const;
    std::vector<Pasid> published() const;
    bool left_out(const Slot& slot) const;

    Kernel& kernel_;
    Device& device_;
    SimLock mutex_;
    mutable SimLock lock_;  // xa_lock
    NumberMap<std::uint32_t, Slot> slots_;
    bool resetting_ = false;
    IommuDomain* rid_domain_ = nullptr;
    bool rid_blocked_ = false;
};

}  // namespace ioasim::os
