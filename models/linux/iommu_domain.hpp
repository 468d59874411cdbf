// An I/O address space: a page table in memory that untranslated requests of its devices go
// through, those without PASID or those of PASIDs that are attached (Linux's unmanaged paging
// domain; VT-d 3.6, 3.7, 9.7, 9.8). A second stage, or a first stage for PASIDs alone.
//
// The aperture is what the unit walks: the widest table of CAP.SAGAW, cut to CAP.MGAW. A device of
// another unit may join when its unit has the same; otherwise its owner makes a second domain.
// Leaves are 4 KiB. Unmapping clears leaves and flushes every unit, by pages where CAP.PSI lets it;
// tables stay until the domain goes. Leaves out: large pages, dirty tracking.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

class IommuDomain {
public:
    struct Access {
        bool read = true;
        bool write = true;
    };

    enum class Stage : std::uint8_t { First, Second };

    // `space` names the address space in ownership events ("host/app").
    IommuDomain(Kernel& kernel, IommuDriver& unit, std::string space, Stage stage = Stage::Second);

    // -ENOMEM; -EINVAL: the unit walks no second stage.
    Errno create(ExecContext& ctx);
    // No device may be attached any more.
    void destroy();

    IovaRange aperture() const { return {0, format_.last}; }
    bool fits(const IommuDriver& unit) const { return unit.second_stage_format() == format_; }
    const std::vector<Device*>& devices() const { return devices_; }
    // Requests of the device with the PASID (0: those without one) go through here.
    bool has(const Device& device, Pasid pasid) const;
    // Neither devices nor PASIDs of devices are attached.
    bool idle() const { return devices_.empty() && pasids_.empty(); }

    // From now on every access of its devices is snooped, whatever they ask for (SNP of each leaf);
    // for good. -EINVAL, and nothing changes: a unit cannot, or something is mapped.
    Errno enforce_coherency();
    bool enforces_coherency() const { return snoop_; }

    // -EPERM: firmware needs addresses of the device mapped one to one (RMRR); -EINVAL: another
    // format, or its unit cannot force snooping as the domain does; -EBUSY: it is attached
    // elsewhere, or is being reset.
    Errno attach(ExecContext& ctx, Device& device);
    void detach(ExecContext& ctx, Device& device);
    // The entries alone of a device or of a PASID that is attached.
    Errno set_dev(ExecContext& ctx, Device& device);
    Errno set_dev_pasid(ExecContext& ctx, Device& device, Pasid pasid);

    // iommu_attach_device_pasid: -ENODEV no group, -EINVAL PASID 0 or another format, -EBUSY the
    // device is being reset, -EINVAL it does not have the PASID, -EBUSY the group's slot is in use,
    // -ENOMEM, what the driver says.
    Errno attach_pasid(ExecContext& ctx, Device& device, Pasid pasid);
    void detach_pasid(ExecContext& ctx, Device& device, Pasid pasid);
    // The device's requests with the PASID (0: those without one) go through `old` until now, and
    // through this one from one store on; what was asked of `old` and is unanswered is answered
    // Invalid (iommu_replace_device_pasid). -EINVAL: another format, or as attach() says; -EBUSY:
    // the device is being reset; what the driver says: nothing has changed.
    Errno take_over(ExecContext& ctx, IommuDomain& old, Device& device, Pasid pasid);
    // Page requests of what is attached from now on go there.
    void set_fault_handler(PageFaultHandler* handler) { slot_.faults = handler; }
    // Somebody else attaches and detaches this PASID; its translations are flushed from here.
    void follow(Device& device, Pasid pasid) { pasids_.push_back({&device, pasid}); }
    void forget() { pasids_.clear(); }

    // `pages` one after the other from `iova` on; nothing may be mapped there. -EFAULT beyond
    // the aperture, -ENOMEM: nothing is mapped.
    Errno map(ExecContext& ctx, std::uint64_t iova, const std::vector<std::uint64_t>& pages,
              Access access);
    // Leaves are gone and no unit has them cached when it returns.
    Errno unmap(ExecContext& ctx, std::uint64_t iova, std::uint64_t bytes);
    // As software sees the table; -ENOENT.
    Result<std::uint64_t> translate(ExecContext& ctx, std::uint64_t iova) const;

    // The leaf itself; -ENOENT.
    Result<std::uint64_t> leaf_entry(ExecContext& ctx, std::uint64_t iova) const;

    const SecondStage& table() const { return table_; }

private:
    // Requests without PASID have a slot only where somebody takes their page requests.
    Errno publish_requests_without(ExecContext& ctx, Device& device);
    void withdraw_requests_without(ExecContext& ctx, Device& device);
    // What groups know of it.
    class Slot final : public PasidDomain {
    public:
        Slot(IommuDomain& owner, trace::Name address_space)
            : PasidDomain(DomainType::Unmanaged, address_space), domain_(owner) {}
        Errno set_dev_pasid(ExecContext& ctx, Device& device, Pasid pasid) override {
            return domain_.set_dev_pasid(ctx, device, pasid);
        }

    private:
        IommuDomain& domain_;
    };

    // Address of the leaf; -ENOENT without a table on the way, -ENOMEM.
    Result<std::uint64_t> leaf(ExecContext& ctx, std::uint64_t iova, bool allocate);
    void clear(ExecContext& ctx, std::uint64_t iova, std::uint64_t bytes);
    template <class Wanted>
    Errno flush(ExecContext& ctx, const IovaRange& range, const Wanted& wanted);
    Errno flush_first_stage(ExecContext& ctx, const IovaRange& range);
    std::uint64_t entry_of_table(std::uint64_t table) const;
    std::uint64_t entry_of_page(std::uint64_t page, Access access) const;

    Kernel& kernel_;
    std::string space_;
    Stage stage_;
    SecondStageFormat format_;
    SecondStage table_;
    std::vector<Device*> devices_;
    Slot slot_;
    std::vector<std::pair<Device*, Pasid>> pasids_;
    bool snoop_ = false;
    std::uint64_t mapped_ = 0;  // leaves
};

}  // namespace ioasim::os
