// A VFIO container with the type 1 IOMMU backend: groups that share one I/O address space, the
// process's memory mapped and pinned in it, and the IOASIDs that it asked for. Linux
// drivers/vfio/vfio.c and vfio_iommu_type1.c of about 5.10, PASIDs as in the vSVA series of 2020.
//
// Groups whose units walk the same tables and force snooping, or do not, share a domain (where a
// unit can, it always does); others get one of their own; every mapping is in every domain. The
// usable ranges are the intersection of the apertures minus what the groups reserve and is not
// relaxable. An attach works on a copy of them and replaces them only when all of it succeeded.
// vfio_container.cpp has groups and life, vfio_dma.cpp mappings and queries. Leaves out: mediated
// devices, dirty logging, mappings of another process, no-IOMMU mode.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

class Kernel;
struct Process;

// struct vfio_iommu_type1_dma_map, ..._unmap
constexpr std::uint32_t kVfioMapArgsz = 32;
constexpr std::uint32_t kVfioUnmapArgsz = 24;
constexpr std::uint32_t kVfioMapRead = 1U << 0U;  // the device may read
constexpr std::uint32_t kVfioMapWrite = 1U << 1U;

struct VfioMapRequest {
    std::uint64_t vaddr = 0;
    std::uint64_t iova = 0;
    std::uint64_t size = 0;
    std::uint32_t flags = kVfioMapRead | kVfioMapWrite;
    std::uint32_t argsz = kVfioMapArgsz;
};
struct VfioUnmapRequest {
    std::uint64_t iova = 0;
    std::uint64_t size = 0;
    std::uint32_t flags = 0;
    std::uint32_t argsz = kVfioUnmapArgsz;
};

class VfioContainer {
public:
    enum class Backend : std::uint8_t { None, Type1, Nesting };

    VfioContainer(Kernel& kernel, Process& process, std::string name);
    ~VfioContainer();

    // --- groups ---------------------------------------------------------------------------------
    // VFIO_SET_IOMMU: every group that joined is attached, or none. -EINVAL: no group, or done.
    Errno set_backend(ExecContext& ctx, Backend backend);
    // With a backend the group is attached at once, with all that attach_locked() may say.
    Errno add(ExecContext& ctx, DeviceGroup& group);
    void remove(ExecContext& ctx, DeviceGroup& group);
    bool holds(const DeviceGroup& group) const;
    Backend backend() const { return backend_; }

    // --- mappings and queries; without a backend -EINVAL ----------------------------------------
    Errno map(ExecContext& ctx, const VfioMapRequest& request);
    // The bytes that were unmapped.
    Result<std::uint64_t> unmap(ExecContext& ctx, const VfioUnmapRequest& request);
    Result<std::vector<std::uint8_t>> info(ExecContext& ctx, std::uint32_t argsz);

    // --- IOASIDs of the process's set, only with nesting (-ENOTSUPP) ----------------------------
    Result<Ioasid> alloc_ioasid(ExecContext& ctx, std::uint32_t min, std::uint32_t max);
    // Every ID of the container in the range; there may be none.
    Errno free_ioasids(ExecContext& ctx, std::uint32_t min, std::uint32_t max);

    // The last file of it was closed: IDs, groups, mappings.
    void release(ExecContext& ctx);

    const std::string& name() const { return name_; }
    Process& process() { return process_; }
    const IovaRanges& usable() const { return usable_; }
    std::size_t domains() const { return domains_.size(); }
    const IommuDomain& domain(std::size_t index) const { return *domains_.at(index); }
    // Every page table forces snooping (VFIO_DMA_CC_IOMMU); none: nothing says otherwise.
    bool enforces_coherency() const;
    std::size_t mappings() const { return mappings_.size(); }
    std::uint64_t pinned_pages() const { return pinned_; }

private:
    struct Mapping {
        std::uint64_t bytes = 0;
        IommuDomain::Access access;
        std::vector<std::uint64_t> pages;  // machine physical
    };
    using Mappings = std::map<std::uint64_t, Mapping>;  // by address
    using Domain = std::unique_ptr<IommuDomain>;

    // All or nothing.
    Errno attach_locked(ExecContext& ctx, DeviceGroup& group);
    // Which error, in this order: -EINVAL attached already, or nesting and a second domain;
    // -ENOMEM, -EIO no domain; what the IOMMU's driver says; -EINVAL apertures or regions conflict
    // with mappings or leave nothing; -EPERM interrupts are not isolated; what replay says.
    Errno attach_group(ExecContext& ctx, DeviceGroup& group, IovaRanges& ranges);
    Errno attach_devices(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group);
    void detach_devices(ExecContext& ctx, DeviceGroup& group);
    Errno fit(const IovaRange& aperture, const ReservedRegions& reserved, IovaRanges& ranges) const;
    Errno exclude(const ReservedRegions& reserved, IovaRanges& ranges) const;
    // The last domain, which the group is in, stays or goes for one that walks the same tables.
    Errno settle(ExecContext& ctx, DeviceGroup& group);
    Errno replay(ExecContext& ctx, IommuDomain& domain);
    void detach_locked(ExecContext& ctx, DeviceGroup& group);
    void recompute();

    bool mapped_in(const IovaRange& range) const;
    Errno check_map(const VfioMapRequest& request) const;
    Errno check_unmap(const VfioUnmapRequest& request) const;
    Errno pin(ExecContext& ctx, const VfioMapRequest& request, Mapping& mapping);
    void unpin(ExecContext& ctx, const Mapping& mapping);
    Errno map_everywhere(ExecContext& ctx, std::uint64_t iova, const Mapping& mapping);
    void drop(ExecContext& ctx, Mappings::iterator mapping);
    void free_ids(ExecContext& ctx, std::uint32_t min, std::uint32_t max);

    Kernel& kernel_;
    Process& process_;
    std::string name_;
    SimLock lock_;
    Backend backend_ = Backend::None;
    std::vector<DeviceGroup*> groups_;    // that joined
    std::vector<DeviceGroup*> attached_;  // in order
    std::vector<Domain> domains_;
    IovaRanges usable_;
    Mappings mappings_;
    std::uint64_t pinned_ = 0;
    // With the address space whose set they are of: what exec left behind went with that one.
    struct OwnId {
        Ioasid id;
        std::uint64_t mm = 0;
    };
    std::vector<OwnId> ids_;
};

}  // namespace ioasim::os
