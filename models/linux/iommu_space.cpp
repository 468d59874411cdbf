// I/O address spaces of /dev/iommu: which devices share a page table, and who forces snooping.
#include <algorithm>

#include "core/trace/coherency_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {
namespace {

// Those that are in it.
void detach_members(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group) {
    for (const DeviceGroup::Member& member : group.members) {
        const auto& in = domain.devices();
        if (std::find(in.begin(), in.end(), member.device) != in.end()) {
            domain.detach(ctx, *member.device);
        }
    }
    group.domain = nullptr;
}

// What users of its devices may not have (iopt_table_enforce_dev_resv_regions), and what its unit
// does not translate.
std::vector<IovaRange> reserved_by(Kernel& kernel, const DeviceGroup& group) {
    std::vector<IovaRange> all;
    const ReservedRegions regions = kernel.device_groups().reserved(group);
    for (const ReservedRegion& region : regions.list()) {
        if (!is_usable(region.type)) {
            all.push_back({region.first, region.last});
        }
    }
    const std::uint64_t last = group.unit().second_stage_format().last;
    if (last != 0 && last != kLastIova) {
        all.push_back({last + 1, kLastIova});
    }
    return all;
}

}  // namespace

IommuSpace::IommuSpace(Kernel& kernel, IommuFile& file, std::string name, SnoopWish wish,
                       bool for_pasids)
    : kernel_(kernel), file_(file), name_(std::move(name)), wish_(wish), for_pasids_(for_pasids) {}

KvmVfio* IommuSpace::kvm() const {
    return kvm_ != nullptr ? kvm_ : file_.kvm();
}

bool IommuSpace::enforces_coherency() const {
    return std::all_of(domains_.begin(), domains_.end(),
                       [](const Domain& domain) { return domain->enforces_coherency(); });
}

// How many there are: it is none of them.
std::uint32_t IommuSpace::index_of(const IommuDomain* wanted) const {
    const auto in = std::find_if(domains_.begin(), domains_.end(),
                                 [&](const Domain& domain) { return domain.get() == wanted; });
    return static_cast<std::uint32_t>(in - domains_.begin());
}

IommuDomain& IommuSpace::domain_of(const DeviceGroup& group) const {
    const std::uint32_t index = index_of(group.domain);
    SIM_CHECK(index < domains_.size(), "group {} is in no domain of {}", group.name, name_);
    return *domains_[index];
}

void IommuSpace::tell(ExecContext& ctx, const DeviceGroup& group, bool made, Errno error) const {
    const std::uint32_t index = index_of(group.domain);
    const bool enforced = index < domains_.size() && domains_[index]->enforces_coherency();
    for (const DeviceGroup::Member& member : group.members) {
        kernel_.emit(ctx, trace::CoherencyAttach{kernel_.intern(name_),
                                                 kernel_.intern(member.device->name()), index,
                                                 enforced, made, error});
    }
}

// The devices behind it changed.
void IommuSpace::changed(ExecContext& ctx) {
    if (kvm() != nullptr && !kernel_.probes().has(kKvmNotAskedAgain)) {
        kvm()->reevaluate(ctx);
    }
}

// --- reserved and allowed -----------------------------------------------------------------------

bool IommuSpace::in_use(const IovaRange& range) const {
    const Probes& probes = kernel_.probes();
    const bool mapped =
        std::any_of(mappings_.begin(), mappings_.end(), [&range](const auto& mapping) {
            const std::uint64_t bytes = mapping.second.size() * kPageSize;
            return range.overlaps({mapping.first, mapping.first + bytes - 1});
        });
    const bool allowed =
        std::any_of(allowed_.begin(), allowed_.end(),
                    [&range](const IovaRange& each) { return range.overlaps(each); });
    return (mapped && !probes.has(kReservedOverMapped)) ||
           (allowed && !probes.has(kReservedOverAllowed));
}

bool IommuSpace::conflicts(const DeviceGroup& group) const {
    const std::vector<IovaRange> reserved = reserved_by(kernel_, group);
    return std::any_of(reserved.begin(), reserved.end(),
                       [this](const IovaRange& range) { return in_use(range); });
}

IovaRanges IommuSpace::usable() const {
    IovaRanges left{IovaRange{0, kLastIova}};
    std::vector<const DeviceGroup*> groups(groups_.begin(), groups_.end());
    for (const auto& [key, domain] : pasids_) {
        groups.push_back(key.first);
    }
    for (const DeviceGroup* group : groups) {
        for (const IovaRange& range : reserved_by(kernel_, *group)) {
            left.exclude(range);
        }
    }
    return left;
}

Errno IommuSpace::allow(ExecContext& ctx, const std::vector<IovaRange>& ranges) {
    ctx.spend(kernel_.params().syscall);
    for (auto at = ranges.begin(); at != ranges.end(); ++at) {
        if (at->first >= at->last || std::any_of(ranges.begin(), at, [at](const IovaRange& before) {
                return before.overlaps(*at);
            })) {
            return Errno::Einval;
        }
    }
    const IovaRanges free = usable();
    const bool reserved = std::any_of(ranges.begin(), ranges.end(), [&](const IovaRange& range) {
        return !free.contains(range);
    });
    if (reserved && !kernel_.probes().has(kAllowedOverReserved)) {
        allowed_ = kernel_.probes().has(kRefusedRangesKept) ? ranges : allowed_;
        return Errno::Eaddrinuse;
    }
    allowed_ = ranges;
    return Errno::Ok;
}

// --- attach -------------------------------------------------------------------------------------

bool IommuSpace::breaks_promise(const DeviceGroup& group) const {
    return kernel_.params().coherency_promise && !kernel_.probes().has(kPromiseForgotten) &&
           kvm() != nullptr && !kvm()->noncoherent() && !wants_snoop(group);
}

bool IommuSpace::wants_snoop(const DeviceGroup& group) const {
    const bool given_up = kernel_.params().coherency_one_for_all && mixed_;
    return wish_ != SnoopWish::None && !given_up && group.unit().forces_snooping();
}

Errno IommuSpace::attach_members(ExecContext& ctx, IommuDomain& domain, DeviceGroup& group,
                                 const Device* only) {
    Errno error = Errno::Ok;
    for (const DeviceGroup::Member& member : group.members) {
        if (only != nullptr && member.device != only) {
            continue;
        }
        error = domain.attach(ctx, *member.device);
        if (error != Errno::Ok || kernel_.probes().has(kGroupInPart)) {
            break;
        }
    }
    group.domain = &domain;
    if (error != Errno::Ok) {
        detach_members(ctx, domain, group);
    }
    return error;
}

Errno IommuSpace::fill(ExecContext& ctx, IommuDomain& domain, bool snoop) {
    // Before the first mapping: leaves hold the bit.
    Errno error = snoop ? domain.enforce_coherency() : Errno::Ok;
    for (auto at = mappings_.begin(); error == Errno::Ok && at != mappings_.end(); ++at) {
        error = domain.map(ctx, at->first, at->second, {});
    }
    return error;
}

Result<IommuDomain*> IommuSpace::new_domain(ExecContext& ctx, const DeviceGroup& group) {
    const std::string& whose = kvm() == nullptr ? file_.owner() : kvm()->vm();
    auto fresh = std::make_unique<IommuDomain>(kernel_, group.unit(), whose);
    Errno error = fresh->create(ctx);
    if (error == Errno::Ok) {
        error = fill(ctx, *fresh, wants_snoop(group));
    }
    if (error != Errno::Ok) {
        fresh->destroy();
        return error;
    }
    domains_.push_back(std::move(fresh));
    return domains_.back().get();
}

Errno IommuSpace::attach_new(ExecContext& ctx, DeviceGroup& group, bool snoop, const Device* only) {
    // Whose memory it is meant to reach: the VM's, once KVM knows of it.
    const std::string& whose = kvm() == nullptr ? file_.owner() : kvm()->vm();
    domains_.push_back(std::make_unique<IommuDomain>(kernel_, group.unit(), whose));
    IommuDomain& fresh = *domains_.back();
    Errno error = fresh.create(ctx);
    if (error == Errno::Ok) {
        error = attach_members(ctx, fresh, group, only);
    }
    if (error == Errno::Ok) {
        error = fill(ctx, fresh, snoop);
    }
    if (error != Errno::Ok) {
        if (group.domain == &fresh) {
            detach_members(ctx, fresh, group);
        }
        fresh.destroy();
        domains_.pop_back();
    }
    return error;
}

Errno IommuSpace::give_up_snooping(ExecContext& ctx) {
    mixed_ = true;
    Errno error = Errno::Ok;
    std::vector<IommuDomain*> left;
    for (auto at = groups_.begin(); error == Errno::Ok && at != groups_.end(); ++at) {
        DeviceGroup& group = **at;
        if (!group.unit().forces_snooping()) {
            continue;
        }
        IommuDomain& before = domain_of(group);
        detach_members(ctx, before, group);
        error = place(ctx, group);
        if (error != Errno::Ok && kernel_.probes().has(kLeftWithoutTables)) {
            return error;
        }
        if (error != Errno::Ok) {
            // Its old tables are still there. When that fails too, its DMA is blocked.
            static_cast<void>(attach_members(ctx, before, group));
        } else if (before.idle()) {
            left.push_back(&before);
        }
    }
    for (const IommuDomain* domain : left) {
        drop_if_idle(*domain);
    }
    return error;
}

// A domain that there is already, or a new one.
Errno IommuSpace::place(ExecContext& ctx, DeviceGroup& group, const Device* only) {
    const bool snoop = wants_snoop(group);
    for (const Domain& domain : domains_) {
        const bool other = domain->enforces_coherency() != snoop;
        if (allocated(*domain) || !domain->fits(group.unit()) ||
            (other && !kernel_.probes().has(kDomainsMixed))) {
            continue;
        }
        const Errno error = attach_members(ctx, *domain, group, only);
        if (error != Errno::Einval) {  // which says only that this one does not suit
            return error;
        }
    }
    return attach_new(ctx, group, snoop, only);
}

Errno IommuSpace::refusal(const DeviceGroup& group) const {
    if (wish_ == SnoopWish::Enforce && !group.unit().forces_snooping()) {
        return Errno::Einval;
    }
    if (breaks_promise(group)) {
        return Errno::Ebusy;
    }
    return conflicts(group) ? Errno::Eaddrinuse : Errno::Ok;
}

Errno IommuSpace::attach(ExecContext& ctx, DeviceGroup& group, const IommuHwpt* hwpt,
                         const Device* only) {
    Frame frame{ctx, "iommufd_attach"};
    const bool can = group.unit().forces_snooping();
    Errno error = refusal(group);
    if (error == Errno::Ok && !can && kernel_.params().coherency_one_for_all && !mixed_) {
        error = give_up_snooping(ctx);
    }
    const std::size_t before = domains_.size();
    if (error == Errno::Ok) {
        error = hwpt == nullptr ? place(ctx, group, only)
                                : attach_members(ctx, *hwpt->domain, group, only);
    }
    tell(ctx, group, domains_.size() != before, error);
    if (error == Errno::Ok) {
        groups_.push_back(&group);
        changed(ctx);
    }
    return error;
}

void IommuSpace::remove_domain(const IommuDomain* domain) {
    const auto gone = std::find_if(domains_.begin(), domains_.end(),
                                   [domain](const Domain& d) { return d.get() == domain; });
    (*gone)->destroy();
    domains_.erase(gone);
}

void IommuSpace::detach(ExecContext& ctx, DeviceGroup& group) {
    Frame frame{ctx, "iommufd_detach"};
    groups_.erase(std::find(groups_.begin(), groups_.end(), &group));
    if (group.domain == nullptr) {
        return;
    }
    IommuDomain& domain = domain_of(group);
    const auto index = index_of(&domain);
    detach_members(ctx, domain, group);
    for (const DeviceGroup::Member& member : group.members) {
        kernel_.emit(ctx, trace::CoherencyDetach{kernel_.intern(name_),
                                                 kernel_.intern(member.device->name()), index,
                                                 domain.idle()});
    }
    drop_if_idle(domain);
    changed(ctx);
}

// --- mappings -----------------------------------------------------------------------------------

// In this order (software.md 5.7); what lies beyond an aperture counts as reserved.
Errno IommuSpace::may_map(std::uint64_t iova, std::uint64_t bytes) const {
    const IovaRange wanted{iova, iova + bytes - 1};
    const bool mapped =
        std::any_of(mappings_.begin(), mappings_.end(), [&wanted](const auto& mapping) {
            return wanted.overlaps(
                {mapping.first, mapping.first + mapping.second.size() * kPageSize - 1});
        });
    if (mapped && kernel_.probes().has(kMappedBeforeReserved)) {
        return Errno::Eexist;
    }
    if (iova % kPageSize != 0 || bytes == 0) {
        return Errno::Einval;
    }
    if (wanted.last < iova) {
        return Errno::Eoverflow;
    }
    const bool reach = std::all_of(
        domains_.begin(), domains_.end(),
        [&wanted](const Domain& domain) { return wanted.last <= domain->aperture().last; });
    if (!usable().contains(wanted) || !reach) {
        return Errno::Einval;
    }
    return mapped ? Errno::Eexist : Errno::Ok;
}

Errno IommuSpace::map(ExecContext& ctx, std::uint64_t iova,
                      const std::vector<std::uint64_t>& pages) {
    ctx.spend(kernel_.params().syscall);
    if (!complete() && !kernel_.probes().has(kPartlyAttachedMapped)) {
        return Errno::Ebusy;
    }
    Errno error = may_map(iova, pages.size() * kPageSize);
    for (std::size_t i = 0; error == Errno::Ok && i < domains_.size(); ++i) {
        error = domains_[i]->map(ctx, iova, pages, {});
        if (error != Errno::Ok && !kernel_.probes().has(kMapLeftInPart)) {
            while (i-- > 0) {
                static_cast<void>(domains_[i]->unmap(ctx, iova, pages.size() * kPageSize));
            }
            return error;
        }
    }
    if (error == Errno::Ok) {
        mappings_[iova] = pages;
        for (const std::uint64_t page : pages) {
            kernel_.pins().pin(page);
        }
    }
    return error;
}

void IommuSpace::unpin(ExecContext& ctx, const std::vector<std::uint64_t>& pages) {
    for (const std::uint64_t page : pages) {
        kernel_.unpin_page(ctx, page);
    }
}

Errno IommuSpace::unmap(ExecContext& ctx, std::uint64_t iova) {
    ctx.spend(kernel_.params().syscall);
    const auto found = mappings_.find(iova);
    if (found == mappings_.end()) {
        return Errno::Enoent;
    }
    Errno result = Errno::Ok;
    for (const Domain& domain : domains_) {
        const Errno error = domain->unmap(ctx, iova, found->second.size() * kPageSize);
        result = result == Errno::Ok ? error : result;
    }
    const std::vector<std::uint64_t> pages = std::move(found->second);
    mappings_.erase(found);
    unpin(ctx, pages);
    return result;
}

}  // namespace ioasim::os
