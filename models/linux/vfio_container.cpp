#include "models/linux/vfio_container.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/vfio_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {

VfioContainer::VfioContainer(Kernel& kernel, Process& process, std::string name)
    : kernel_(kernel),
      process_(process),
      name_(std::move(name)),
      lock_(SimLock::Kind::Mutex, name_ + "/vfio_iommu_lock", kernel.name() + "/vfio_iommu_lock") {}

VfioContainer::~VfioContainer() = default;

bool VfioContainer::enforces_coherency() const {
    return std::all_of(domains_.begin(), domains_.end(),
                       [](const Domain& domain) { return domain->enforces_coherency(); });
}

// --- joining and leaving ------------------------------------------------------------------------

bool VfioContainer::holds(const DeviceGroup& group) const {
    return std::find(groups_.begin(), groups_.end(), &group) != groups_.end();
}

Errno VfioContainer::set_backend(ExecContext& ctx, Backend backend) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (groups_.empty() || backend_ != Backend::None) {
        return Errno::Einval;
    }
    backend_ = backend;
    for (DeviceGroup* group : groups_) {
        const Errno error = attach_locked(ctx, *group);
        if (error != Errno::Ok) {
            while (!attached_.empty()) {
                detach_locked(ctx, *attached_.back());
            }
            backend_ = Backend::None;
            return error;
        }
    }
    return Errno::Ok;
}

Errno VfioContainer::add(ExecContext& ctx, DeviceGroup& group) {
    LockGuard guard{ctx, lock_};
    if (backend_ != Backend::None) {
        const Errno error = attach_locked(ctx, group);
        if (error != Errno::Ok) {
            return error;
        }
    }
    groups_.push_back(&group);
    return Errno::Ok;
}

void VfioContainer::remove(ExecContext& ctx, DeviceGroup& group) {
    LockGuard guard{ctx, lock_};
    groups_.erase(std::remove(groups_.begin(), groups_.end(), &group), groups_.end());
    if (std::find(attached_.begin(), attached_.end(), &group) != attached_.end()) {
        detach_locked(ctx, group);
    }
    if (groups_.empty()) {
        backend_ = Backend::None;  // the backend goes with the last group
    }
}

// --- attach -------------------------------------------------------------------------------------

Errno VfioContainer::attach_devices(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group) {
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        const Errno error = domain.attach(ctx, *group.members[i].device);
        if (error != Errno::Ok) {
            while (i-- > 0) {
                domain.detach(ctx, *group.members[i].device);
            }
            return error;
        }
    }
    group.domain = &domain;
    return Errno::Ok;
}

void VfioContainer::detach_devices(ExecContext& ctx, DeviceGroup& group) {
    const auto in = std::find_if(domains_.begin(), domains_.end(), [&group](const Domain& domain) {
        return domain.get() == group.domain;
    });
    SIM_CHECK(in != domains_.end(), "group {} is in no domain of {}", group.name, name_);
    for (const DeviceGroup::Member& member : group.members) {
        (*in)->detach(ctx, *member.device);
    }
    group.domain = nullptr;
}

Errno VfioContainer::attach_locked(ExecContext& ctx, DeviceGroup& group) {
    Frame frame{ctx, "vfio_iommu_attach_group"};
    IovaRanges worked = usable_;
    const Errno error = attach_group(ctx, group, worked);
    if (error == Errno::Ok) {
        attached_.push_back(&group);
    }
    if (error == Errno::Ok || kernel_.probes().has(kAttachHalfDone)) {
        usable_ = worked;
    }
    kernel_.emit(ctx, trace::VfioAttach{kernel_.intern(name_), kernel_.intern(group.name), error,
                                        static_cast<std::uint32_t>(domains_.size())});
    return error;
}

Errno VfioContainer::attach_group(ExecContext& ctx, DeviceGroup& group, IovaRanges& ranges) {
    const bool there = std::find(attached_.begin(), attached_.end(), &group) != attached_.end();
    if (there || (backend_ == Backend::Nesting && !domains_.empty())) {
        return Errno::Einval;
    }
    domains_.push_back(std::make_unique<IommuDomain>(kernel_, group.unit(), process_.name));
    IommuDomain& fresh = *domains_.back();
    Errno error = fresh.create(ctx);
    error = error == Errno::Einval ? Errno::Eio : error;  // the bus has no domains
    if (error == Errno::Ok) {
        error = attach_devices(ctx, fresh, group);
    }
    if (error == Errno::Ok) {
        static_cast<void>(fresh.enforce_coherency());  // where the unit cannot, none is forced
        error = fit(fresh.aperture(), kernel_.device_groups().reserved(group), ranges);
    }
    if (error == Errno::Ok && !group.unit().remaps_interrupts() &&
        !kernel_.params().unsafe_interrupts) {
        error = Errno::Eperm;
    }
    if (error == Errno::Ok) {
        error = settle(ctx, group);
    }
    if (error != Errno::Ok) {
        if (group.domain != nullptr) {
            detach_devices(ctx, group);
        }
        domains_.back()->destroy();
        domains_.pop_back();
    }
    return error;
}

// The conflicts in Linux's order: apertures, mappings outside of them, mappings in the group's
// regions, nothing left.
Errno VfioContainer::fit(const IovaRange& aperture, const ReservedRegions& reserved,
                         IovaRanges& ranges) const {
    Probes& probes = kernel_.probes();
    const IovaRange limits = probes.has(kApertureIgnored) ? IovaRange{0, kLastIova} : aperture;
    if (ranges.empty()) {
        ranges = IovaRanges{limits};
    } else if (!ranges.span().overlaps(limits)) {
        return Errno::Einval;
    }
    if (!probes.has(kConflictIgnored)) {
        if (limits.last != kLastIova && mapped_in({limits.last + 1, kLastIova})) {
            return Errno::Einval;
        }
        for (const ReservedRegion& region : reserved.list()) {
            if (!is_usable(region.type) && mapped_in({region.first, region.last})) {
                return Errno::Einval;
            }
        }
    }
    ranges.clip(limits);
    return exclude(reserved, ranges);
}

Errno VfioContainer::exclude(const ReservedRegions& reserved, IovaRanges& ranges) const {
    Probes& probes = kernel_.probes();
    for (const ReservedRegion& region : reserved.list()) {
        const bool hole = !is_usable(region.type) || probes.has(kRelaxableExcluded);
        if (hole && !probes.has(kReservedIgnored)) {
            ranges.exclude({region.first, region.last});
        }
    }
    return ranges.empty() ? Errno::Einval : Errno::Ok;
}

Errno VfioContainer::settle(ExecContext& ctx, DeviceGroup& group) {
    for (std::size_t i = 0; i + 1 < domains_.size(); ++i) {
        const bool other =
            domains_[i]->enforces_coherency() != domains_.back()->enforces_coherency();
        if (!domains_[i]->fits(group.unit()) || (other && !kernel_.probes().has(kDomainsMixed))) {
            continue;
        }
        detach_devices(ctx, group);
        if (attach_devices(ctx, *domains_[i], group) == Errno::Ok) {
            domains_.back()->destroy();
            domains_.pop_back();
            return Errno::Ok;
        }
        const Errno error = attach_devices(ctx, *domains_.back(), group);
        if (error != Errno::Ok) {
            return error;
        }
    }
    return replay(ctx, *domains_.back());
}

// What is mapped in the other domains; the pages are pinned already.
Errno VfioContainer::replay(ExecContext& ctx, IommuDomain& domain) {
    for (const auto& [iova, mapping] : mappings_) {
        const Errno error = domain.map(ctx, iova, mapping.pages, mapping.access);
        if (error != Errno::Ok) {
            return error;
        }
    }
    return Errno::Ok;
}

// --- detach and release -------------------------------------------------------------------------

void VfioContainer::detach_locked(ExecContext& ctx, DeviceGroup& group) {
    Frame frame{ctx, "vfio_iommu_detach_group"};
    attached_.erase(std::remove(attached_.begin(), attached_.end(), &group), attached_.end());
    const IommuDomain* const domain = group.domain;
    detach_devices(ctx, group);
    if (domain->devices().empty()) {
        while (domains_.size() == 1 && !mappings_.empty()) {
            drop(ctx, mappings_.begin());
        }
        const auto gone = std::find_if(domains_.begin(), domains_.end(),
                                       [domain](const Domain& d) { return d.get() == domain; });
        (*gone)->destroy();
        domains_.erase(gone);
    }
    recompute();
    kernel_.emit(ctx, trace::VfioDetach{kernel_.intern(name_), kernel_.intern(group.name),
                                        static_cast<std::uint32_t>(domains_.size())});
}

// A hole returns unless somebody else reserves it.
void VfioContainer::recompute() {
    IovaRange span{0, kLastIova};
    for (const Domain& domain : domains_) {
        span.last = std::min(span.last, domain->aperture().last);
    }
    IovaRanges ranges = domains_.empty() ? IovaRanges{} : IovaRanges{span};
    for (const DeviceGroup* group : attached_) {
        if (exclude(kernel_.device_groups().reserved(*group), ranges) != Errno::Ok) {
            return;
        }
    }
    if (domains_.empty() || !kernel_.probes().has(kHoleStays)) {
        usable_ = ranges;
    }
}

void VfioContainer::release(ExecContext& ctx) {
    LockGuard guard{ctx, lock_};
    Frame frame{ctx, "vfio_container_release"};
    trace::VfioRelease told{kernel_.intern(name_), static_cast<std::uint32_t>(groups_.size()),
                            static_cast<std::uint32_t>(mappings_.size()),
                            static_cast<std::uint32_t>(ids_.size()), 0};
    if (!kernel_.probes().has(kCloseKeepsIoasids)) {
        free_ids(ctx, 0, kInvalidIoasid);
    }
    while (!attached_.empty()) {
        detach_locked(ctx, *attached_.back());
    }
    groups_.clear();
    backend_ = Backend::None;
    told.pinned = pinned_;
    kernel_.emit(ctx, told);
}

}  // namespace ioasim::os
