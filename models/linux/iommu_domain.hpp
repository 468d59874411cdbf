// An I/O address space: a second-stage page table in memory that untranslated requests without
// PASID of its devices go through (Linux's unmanaged paging domain; VT-d 3.7 and 9.8).
//
// The aperture is what the unit walks: the widest table of CAP.SAGAW, cut to CAP.MGAW. A device of
// another unit may join when its unit has the same; otherwise its owner makes a second domain.
// Leaves are 4 KiB. Unmapping clears leaves and flushes every unit, by pages where CAP.PSI lets it;
// tables stay until the domain goes. Leaves out: large pages, first-stage tables, dirty tracking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

class IommuDomain {
public:
    struct Access {
        bool read = true;
        bool write = true;
    };

    // `space` names the address space in ownership events ("host/app").
    IommuDomain(Kernel& kernel, IommuDriver& unit, std::string space);

    // -ENOMEM; -EINVAL: the unit walks no second stage.
    Errno create(ExecContext& ctx);
    // No device may be attached any more.
    void destroy();

    IovaRange aperture() const { return {0, format_.last}; }
    bool fits(const IommuDriver& unit) const { return unit.second_stage_format() == format_; }
    const std::vector<Device*>& devices() const { return devices_; }

    // From now on every access of its devices is snooped, whatever they ask for (SNP of each leaf);
    // for good. -EINVAL, and nothing changes: a unit cannot, or something is mapped.
    Errno enforce_coherency();
    bool enforces_coherency() const { return snoop_; }

    // -EPERM: firmware needs addresses of the device mapped one to one (RMRR); -EINVAL: another
    // format, or its unit cannot force snooping as the domain does; -EBUSY: it is attached
    // elsewhere.
    Errno attach(ExecContext& ctx, Device& device);
    void detach(ExecContext& ctx, Device& device);

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
    // Address of the leaf; -ENOENT without a table on the way, -ENOMEM.
    Result<std::uint64_t> leaf(ExecContext& ctx, std::uint64_t iova, bool allocate);
    void clear(ExecContext& ctx, std::uint64_t iova, std::uint64_t bytes);
    template <class Wanted>
    Errno flush(ExecContext& ctx, const IovaRange& range, const Wanted& wanted);

    Kernel& kernel_;
    std::string space_;
    SecondStageFormat format_;
    SecondStage table_;
    std::vector<Device*> devices_;
    bool snoop_ = false;
    std::uint64_t mapped_ = 0;  // leaves
};

}  // namespace ioasim::os
