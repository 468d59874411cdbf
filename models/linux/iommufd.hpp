// /dev/iommu: files that own devices and I/O address spaces, and the devices' own files. Objects
// and order of calls as Linux iommufd has them, attributes of an address space (fixed when it is
// allocated) and the moment at which a driver opens its device as the proposals for /dev/iommu of
// 2021.
//
// Coherency: devices whose units force snooping and devices whose units cannot get page tables of
// their own within one address space; each table forces snooping where its own unit can (or, as
// KernelParams says, none does as soon as one cannot). KVM is told of files or address spaces and
// asks again whenever the devices behind them change. A user may also allocate page tables itself
// (IOMMU_HWPT_ALLOC) and name a fault object that takes their page requests (fault_queue.hpp); an
// attachment goes over from one page table to another without a gap. Left out: page tables of
// users, pins by other drivers, flags of allocations; mappings are of a VM's pages.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/fault_queue.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/kvm_vfio.hpp"

namespace ioasim::os {

class Device;
class IommuFile;
class Kernel;
struct DeviceGroup;

// What the user asked of an address space: to force snooping wherever a unit can, for every device
// or not at all, or never.
enum class SnoopWish : std::uint8_t { Auto, Enforce, None };

class IommuSpace;

// A page table that a user allocated: of one address space, whose mappings it has, in the format
// of one device's unit.
struct IommuHwpt {
    std::string name;
    IommuDomain* domain = nullptr;
    FaultQueue* faults = nullptr;  // null: page requests are answered Invalid
    bool for_pasids = false;
};

// What a device is attached to (pt_id): an address space, which finds or makes the page table
// itself, or one that was allocated.
struct PageTableRef {
    IommuSpace* space = nullptr;  // null: nothing
    IommuHwpt* hwpt = nullptr;

    bool for_pasids() const;
    bool operator==(const PageTableRef& o) const { return space == o.space && hwpt == o.hwpt; }
    bool operator!=(const PageTableRef& o) const { return !(*this == o); }
    explicit operator bool() const { return space != nullptr; }
};

class IommuSpace final : public KvmFile {
public:
    // for_pasids: its page tables may stand behind PASIDs (IOMMU_HWPT_ALLOC_PASID).
    IommuSpace(Kernel& kernel, IommuFile& file, std::string name, SnoopWish wish, bool for_pasids);

    const std::string& file_name() const override { return name_; }
    bool enforces_coherency() const override;
    void set_kvm(KvmVfio* kvm) override { kvm_ = kvm; }
    // Who is to know of a change: asked through the space or through its file.
    KvmVfio* kvm() const;

    // All members of the group; -EINVAL a member cannot have what the space promises, -EBUSY KVM
    // was promised coherency and changes are refused, -EADDRINUSE what is mapped or allowed lies in
    // regions that are not the group's to use or beyond its aperture; what the driver of the IOMMU
    // says. `hwpt` (or null): through that page table. `only`: one member, the others will join.
    Errno attach(ExecContext& ctx, DeviceGroup& group, const IommuHwpt* hwpt = nullptr,
                 const Device* only = nullptr);
    void detach(ExecContext& ctx, DeviceGroup& group);
    // A further member of a group that is attached in part comes, and one goes that is not the
    // last.
    Errno join(ExecContext& ctx, DeviceGroup& group, Device& device);
    void part(ExecContext& ctx, DeviceGroup& group, Device& device);
    // One PASID of all members that have PASIDs, or of none. What attach() says, and what
    // IommuDomain::attach_pasid() does.
    Errno attach_pasid(ExecContext& ctx, DeviceGroup& group, Pasid pasid,
                       const IommuHwpt* hwpt = nullptr);
    void detach_pasid(ExecContext& ctx, DeviceGroup& group, Pasid pasid);
    // What is attached to `from` goes over to a page table of this space, in one step: requests of
    // the group with the PASID (0: those without one). What attach() says, and what
    // IommuDomain::take_over() does: nothing has changed then.
    Errno replace(ExecContext& ctx, IommuSpace& from, DeviceGroup& group, Pasid pasid,
                  const IommuHwpt* hwpt);
    // -EINVAL the unit walks no such table; -EOPNOTSUPP under the policy of one answer for all,
    // which builds tables anew; -ENOMEM.
    Errno alloc_hwpt(ExecContext& ctx, const DeviceGroup& group, std::string name,
                     FaultQueue* faults, bool for_pasids);
    // -EBUSY: something is attached.
    Errno destroy_hwpt(const std::string& name);
    IommuHwpt* hwpt(const std::string& name);
    // The last holder of its file has gone, or it is destroyed.
    void release(ExecContext& ctx);
    // IOMMU_IOAS_ALLOW_IOVAS: what users want to keep. No device that reserves any of it joins from
    // now on; mappings may lie elsewhere. No ranges: nothing is kept. -EINVAL an empty range, or
    // they overlap; -EADDRINUSE one is reserved. The former ones stay then.
    Errno allow(ExecContext& ctx, const std::vector<IovaRange>& ranges);
    // IOMMU_IOAS_IOVA_RANGES: what no device reserves and every aperture has.
    IovaRanges usable() const;
    // Pages one after the other, in all page tables or in none, pinned from here until they are
    // unmapped, whatever becomes of their owner; -EINVAL, -EOVERFLOW it wraps,
    // -EINVAL reserved or beyond an aperture, -EEXIST, -ENOMEM, in this order.
    Errno map(ExecContext& ctx, std::uint64_t iova, const std::vector<std::uint64_t>& pages);
    // What is mapped from there on; -ENOENT.
    Errno unmap(ExecContext& ctx, std::uint64_t iova);

    bool for_pasids() const { return for_pasids_; }
    bool used() const { return !domains_.empty() || kvm_ != nullptr; }
    // KVM, or a device.
    bool held() const;
    IommuFile& file() const { return file_; }
    std::size_t domains() const { return domains_.size(); }
    const IommuDomain& domain(std::size_t index) const { return *domains_.at(index); }

private:
    using Domain = std::unique_ptr<IommuDomain>;

    Errno may_map(std::uint64_t iova, std::uint64_t bytes) const;
    std::uint32_t index_of(const IommuDomain* wanted) const;
    IommuDomain& domain_of(const DeviceGroup& group) const;
    bool breaks_promise(const DeviceGroup& group) const;
    bool wants_snoop(const DeviceGroup& group) const;
    // Mapped, or allowed.
    bool in_use(const IovaRange& range) const;
    // What it reserves is in use.
    bool conflicts(const DeviceGroup& group) const;
    Errno attach_members(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group,
                         const Device* only = nullptr);
    Errno attach_pasid_members(ExecContext& ctx, IommuDomain& domain, const DeviceGroup& group,
                               Pasid pasid);
    // No group is attached in part.
    bool complete() const;
    IommuDomain& domain_of(const DeviceGroup& group, Pasid pasid);
    // With the space's mappings, and nothing attached.
    Result<IommuDomain*> new_domain(ExecContext& ctx, const DeviceGroup& group);
    Errno attach_new(ExecContext& ctx, DeviceGroup& group, bool snoop, const Device* only);
    // The page table for devices of a group: the one given, one that suits, or a new one.
    Result<IommuDomain*> domain_for(ExecContext& ctx, const DeviceGroup& group,
                                    const IommuHwpt* hwpt);
    bool allocated(const IommuDomain& domain) const;
    void drop_if_idle(const IommuDomain& domain);
    Errno take_over_members(ExecContext& ctx, IommuDomain& to, IommuDomain& old,
                            const DeviceGroup& group, Pasid pasid);
    // A page table with the space's mappings.
    Errno fill(ExecContext& ctx, IommuDomain& domain, bool snoop);
    Errno refusal(const DeviceGroup& group) const;
    // Another policy: no table forces snooping any more. Not atomic; DMA fails meanwhile.
    Errno give_up_snooping(ExecContext& ctx);
    Errno place(ExecContext& ctx, DeviceGroup& group, const Device* only = nullptr);
    void tell(ExecContext& ctx, const DeviceGroup& group, bool made, Errno error) const;
    void changed(ExecContext& ctx);
    void remove_domain(const IommuDomain* domain);
    void unpin(ExecContext& ctx, const std::vector<std::uint64_t>& pages);

    Kernel& kernel_;
    IommuFile& file_;
    std::string name_;
    SnoopWish wish_;
    bool for_pasids_;
    KvmVfio* kvm_ = nullptr;
    bool mixed_ = false;  // some device could not be forced; matters where one answer is for all
    std::vector<Domain> domains_;
    std::vector<std::unique_ptr<IommuHwpt>> hwpts_;  // whose domains are among those
    std::vector<DeviceGroup*> groups_;
    // Where each attached PASID of a group is.
    std::map<std::pair<const DeviceGroup*, std::uint32_t>, IommuDomain*> pasids_;
    std::vector<IovaRange> allowed_;
    std::map<std::uint64_t, std::vector<std::uint64_t>> mappings_;
};

// One open of /dev/iommu. It lives until its descriptor is closed and neither a device nor KVM
// holds it.
class IommuFile final : public KvmFile {
public:
    IommuFile(std::string owner, std::string name)
        : owner_(std::move(owner)), name_(std::move(name)) {}
    const std::string& file_name() const override { return name_; }
    bool enforces_coherency() const override;
    void set_kvm(KvmVfio* kvm) override { kvm_ = kvm; }
    KvmVfio* kvm() const { return kvm_; }
    const std::string& owner() const { return owner_; }
    // By its descriptor, by devices or by KVM.
    bool held() const;

private:
    friend class Iommufd;
    std::string owner_;
    std::string name_;
    KvmVfio* kvm_ = nullptr;
    bool open_ = true;
    std::size_t devices_ = 0;
    std::vector<std::unique_ptr<IommuSpace>> spaces_;
    std::vector<std::unique_ptr<FaultQueue>> faults_;
    std::uint32_t last_id_ = 0;  // of its objects and bound devices
};

class Iommufd {
public:
    explicit Iommufd(Kernel& kernel) : kernel_(kernel) {}

    // --- /dev/iommu -----------------------------------------------------------------------------
    // Names are one's own for what open() and alloc_space() return numbers for. -EEXIST.
    Errno open(ExecContext& ctx, const std::string& owner, const std::string& name);
    // The descriptor goes; -EBADF. Objects stay as long as a device holds the file.
    Errno close(ExecContext& ctx, const std::string& name);
    // -EBADF, -EEXIST.
    Errno alloc_space(ExecContext& ctx, const std::string& file, const std::string& name,
                      SnoopWish wish, bool for_pasids = false);
    // -ENOENT; -EBUSY while devices are attached or KVM asks it.
    Errno destroy_space(ExecContext& ctx, const std::string& name);
    IommuFile* file(const std::string& name);
    IommuSpace* space(const std::string& name);
    // A page table of an address space for a device that is bound to its file, whose page requests
    // go to a fault object (empty: to nobody). -ENOENT no such space or fault object, -EEXIST,
    // -EINVAL the device is not bound there; what IommuSpace::alloc_hwpt() says.
    Errno alloc_hwpt(ExecContext& ctx, const std::string& space, const std::string& name,
                     const Device& device, const std::string& faults, bool for_pasids);
    // -ENOENT; -EBUSY: something is attached.
    Errno destroy_hwpt(ExecContext& ctx, const std::string& name);

    // --- fault objects --------------------------------------------------------------------------
    // -EBADF, -EEXIST; -EOPNOTSUPP: there are no flags.
    Errno alloc_faults(ExecContext& ctx, const std::string& file, const std::string& name,
                       std::uint64_t flags);
    // The descriptor goes; -EBADF. What waits there waits on.
    Errno close_faults(ExecContext& ctx, const std::string& name);
    // -ENOENT; -EBUSY: a page table names it, or its descriptor is open.
    Errno destroy_faults(ExecContext& ctx, const std::string& name);
    FaultQueue* faults(const std::string& name);
    // The number of a bound device in records of its fault objects; 0: it is not bound.
    std::uint32_t device_id(const Device& device) const;

    // --- files of devices -----------------------------------------------------------------------
    // Its driver is not called yet. -ENODEV: it does not belong to vfio; -EBUSY: it is open.
    Errno open_device(ExecContext& ctx, const std::string& owner, Device& device);
    // Detaches and unbinds. -EBADF.
    Errno close_device(ExecContext& ctx, const std::string& owner, Device& device);
    // -EBADF no such file or device file, -EINVAL bound already, -EPERM the group belongs to
    // another user, -EBUSY a member has a host driver or PASIDs of the kernel, -EPERM nobody
    // isolates its interrupts and that is not allowed. From then on no host driver may have a
    // member.
    Errno bind(ExecContext& ctx, Device& device, const std::string& file);
    // Opens the device in its driver. -EBADF; -ENOENT; -EINVAL not bound to the space's file, or
    // the group is attached elsewhere; -EBUSY attached already; -ESRCH its driver needs a VM and
    // none is known; what IommuSpace::attach() says.
    Errno attach(ExecContext& ctx, Device& device, const std::string& space);
    // -EINVAL: not attached.
    Errno detach(ExecContext& ctx, Device& device);
    // Both names are those of address spaces and of allocated page tables. An attached device, or
    // PASID of it, goes over to another one. -EBADF, -ENOENT; -EINVAL nothing is attached, or not
    // bound to that file; what IommuSpace::replace() says: nothing has changed.
    Errno replace(ExecContext& ctx, Device& device, const std::string& name);
    Errno replace_pasid(ExecContext& ctx, Device& device, const std::string& name, Pasid pasid);
    // The same for one PASID. -EINVAL too: the space is not for PASIDs, or that of the device's
    // requests without PASID is not, or another space has the PASID; -EBUSY: this one has.
    // attach() in turn refuses a space that is not for PASIDs where some are attached (-EINVAL).
    Errno attach_pasid(ExecContext& ctx, Device& device, const std::string& space, Pasid pasid);
    Errno detach_pasid(ExecContext& ctx, Device& device, Pasid pasid);

    // Where the owner's process has the registers; -EBADF.
    Result<std::uint64_t> registers(const std::string& owner, const Device& device) const;

    void close_all(ExecContext& ctx, const std::string& owner);

private:
    struct DeviceFile {
        Device* device = nullptr;
        std::string owner;
        IommuFile* file = nullptr;  // bound to
        PageTableRef table{};
        std::uint64_t registers = 0;  // virtual, while its driver has it open
        std::uint64_t mm = 0;         // the address space that has them; exec makes another
        std::map<std::uint32_t, PageTableRef> pasids{};
        std::uint32_t id = 0;  // in its file
    };
    PageTableRef page_table(const std::string& name);
    Errno check_replace(const DeviceFile& device, const PageTableRef& to);
    void open_in_driver(ExecContext& ctx, DeviceFile& device);
    void close_in_driver(ExecContext& ctx, DeviceFile& device);
    DeviceFile* device_file(const Device& device);
    IommuFile* owner_of(const DeviceGroup& group);
    Errno claim(const DeviceGroup& group, const IommuFile& file);
    std::size_t attached(const DeviceGroup& group) const;
    // Of a group's devices, how many have the PASID attached.
    std::size_t attached(const DeviceGroup& group, Pasid pasid) const;
    Errno check_attach(const DeviceFile& device, const PageTableRef& to);
    Errno check_pasid(const DeviceFile& device, const PageTableRef& to, Pasid pasid);
    void leave(ExecContext& ctx, DeviceFile& device);
    void leave_pasid(ExecContext& ctx, DeviceFile& device, Pasid pasid);
    void unbind(ExecContext& ctx, DeviceFile& device);
    // A file without descriptor and devices goes.
    void release(ExecContext& ctx, IommuFile& file);
    void tell(ExecContext& ctx, const DeviceFile& file, const char* state);

    Kernel& kernel_;
    std::vector<std::unique_ptr<IommuFile>> files_;
    std::vector<DeviceFile> devices_;
};

}  // namespace ioasim::os
