// /dev/iommu: files that own devices and I/O address spaces, and the devices' own files. Objects
// and order of calls as Linux iommufd has them, attributes of an address space (fixed when it is
// allocated) and the moment at which a driver opens its device as the proposals for /dev/iommu of
// 2021.
//
// Coherency: devices whose units force snooping and devices whose units cannot get page tables of
// their own within one address space; each table forces snooping where its own unit can (or, as
// KernelParams says, none does as soon as one cannot). KVM is told of files or address spaces and
// asks again whenever the devices behind them change. Left out: page tables of users,
// replacement of an attachment, pins by other drivers; mappings are of a VM's pages.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
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
    // says.
    Errno attach(ExecContext& ctx, DeviceGroup& group);
    void detach(ExecContext& ctx, DeviceGroup& group);
    // One PASID of a member. What attach() says, and what IommuDomain::attach_pasid() does.
    Errno attach_pasid(ExecContext& ctx, DeviceGroup& group, Device& device, Pasid pasid);
    void detach_pasid(ExecContext& ctx, Device& device, Pasid pasid);
    // IOMMU_IOAS_ALLOW_IOVAS: what users want to keep. No device that reserves any of it joins from
    // now on; mappings may lie elsewhere. No ranges: nothing is kept. -EINVAL an empty range, or
    // they overlap; -EADDRINUSE one is reserved. The former ones stay then.
    Errno allow(ExecContext& ctx, const std::vector<IovaRange>& ranges);
    // IOMMU_IOAS_IOVA_RANGES: what no device reserves and every aperture has.
    IovaRanges usable() const;
    // Pages one after the other; -EEXIST, -EINVAL reserved, or beyond an aperture.
    Errno map(ExecContext& ctx, std::uint64_t iova, const std::vector<std::uint64_t>& pages);
    // What is mapped from there on; -ENOENT.
    Errno unmap(ExecContext& ctx, std::uint64_t iova);

    bool for_pasids() const { return for_pasids_; }
    bool used() const { return !domains_.empty() || kvm_ != nullptr; }
    IommuFile& file() const { return file_; }
    std::size_t domains() const { return domains_.size(); }
    const IommuDomain& domain(std::size_t index) const { return *domains_.at(index); }

private:
    using Domain = std::unique_ptr<IommuDomain>;

    bool breaks_promise(const DeviceGroup& group) const;
    bool wants_snoop(const DeviceGroup& group) const;
    // Mapped, or allowed.
    bool in_use(const IovaRange& range) const;
    // What it reserves is in use.
    bool conflicts(const DeviceGroup& group) const;
    Errno attach_members(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group);
    Errno attach_new(ExecContext& ctx, DeviceGroup& group, bool snoop);
    Errno attach_new(ExecContext& ctx, DeviceGroup& group, Device& device, Pasid pasid);
    // A page table with the space's mappings.
    Errno fill(ExecContext& ctx, IommuDomain& domain, bool snoop);
    Errno refusal(const DeviceGroup& group) const;
    // Another policy: no table forces snooping any more. Not atomic; DMA fails meanwhile.
    Errno give_up_snooping(ExecContext& ctx);
    Errno place(ExecContext& ctx, DeviceGroup& group);
    void tell(ExecContext& ctx, const DeviceGroup& group, bool made, Errno error) const;
    void changed(ExecContext& ctx);
    void remove_domain(const IommuDomain* domain);

    Kernel& kernel_;
    IommuFile& file_;
    std::string name_;
    SnoopWish wish_;
    bool for_pasids_;
    KvmVfio* kvm_ = nullptr;
    bool mixed_ = false;  // some device could not be forced; matters where one answer is for all
    std::vector<Domain> domains_;
    std::vector<DeviceGroup*> groups_;
    // Where each attached PASID is, and in which page table.
    std::map<std::pair<const Device*, std::uint32_t>, IommuDomain*> pasids_;
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

    // --- files of devices -----------------------------------------------------------------------
    // Its driver is not called yet. -ENODEV: it does not belong to vfio; -EBUSY: it is open.
    Errno open_device(ExecContext& ctx, const std::string& owner, Device& device);
    // Detaches and unbinds. -EBADF.
    Errno close_device(ExecContext& ctx, const std::string& owner, Device& device);
    // -EBADF no such file or device file, -EINVAL bound already, -EBUSY a member of the group has a
    // host driver, -EPERM the group belongs to another file.
    Errno bind(ExecContext& ctx, Device& device, const std::string& file);
    // Opens the device in its driver. -EBADF; -ENOENT; -EINVAL not bound to the space's file, or
    // the group is attached elsewhere; -EBUSY attached already; -ESRCH its driver needs a VM and
    // none is known; what IommuSpace::attach() says.
    Errno attach(ExecContext& ctx, Device& device, const std::string& space);
    // -EINVAL: not attached.
    Errno detach(ExecContext& ctx, Device& device);
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
        IommuSpace* space = nullptr;
        std::uint64_t registers = 0;  // virtual, while its driver has it open
        std::uint64_t mm = 0;         // the address space that has them; exec makes another
        std::map<std::uint32_t, IommuSpace*> pasids{};
    };
    void open_in_driver(ExecContext& ctx, DeviceFile& device);
    void close_in_driver(ExecContext& ctx, DeviceFile& device);
    DeviceFile* device_file(const Device& device);
    IommuFile* owner_of(const DeviceGroup& group);
    std::size_t attached(const DeviceGroup& group) const;
    Errno check_attach(const DeviceFile& device, const IommuSpace* space);
    Errno check_pasid(const DeviceFile& device, const IommuSpace* space, Pasid pasid);
    void leave(ExecContext& ctx, DeviceFile& device);
    void leave_pasid(ExecContext& ctx, DeviceFile& device, Pasid pasid);
    void unbind(DeviceFile& device);
    // A file without descriptor and devices goes.
    void release(IommuFile& file);
    void tell(ExecContext& ctx, const DeviceFile& file, const char* state);

    Kernel& kernel_;
    std::vector<std::unique_ptr<IommuFile>> files_;
    std::vector<DeviceFile> devices_;
};

}  // namespace ioasim::os
