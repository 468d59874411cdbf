#include "models/linux/iommu_domain.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {

namespace {

// What a unit walks as a first stage of four levels, less the upper half of canonical addresses.
constexpr SecondStageFormat kFirstStageFormat{4, vtd::kAddressWidth48, bit_mask(46, 0)};

}  // namespace

IommuDomain::IommuDomain(Kernel& kernel, IommuDriver& unit, std::string space, Stage stage)
    : kernel_(kernel),
      space_(std::move(space)),
      stage_(stage),
      format_(stage == Stage::First ? kFirstStageFormat : unit.second_stage_format()),
      slot_(*this, kernel.intern(space_)) {}

Errno IommuDomain::create(ExecContext& ctx) {
    if (format_.levels == 0) {
        return Errno::Einval;
    }
    const auto root = kernel_.alloc_pages(ctx);
    if (!root) {
        return root.error();
    }
    table_.root = *root;
    table_.tables.push_back(*root);
    table_.aw = format_.aw;
    if (stage_ == Stage::Second) {
        table_.did = kernel_.alloc_domain_id();
    }
    return Errno::Ok;
}

void IommuDomain::destroy() {
    SIM_CHECK(devices_.empty() && pasids_.empty(), "a domain with {} devices and {} PASIDs goes",
              devices_.size(), pasids_.size());
    if (table_.root == 0) {
        return;
    }
    for (const std::uint64_t table : table_.tables) {
        kernel_.free_pages(table);
    }
    if (stage_ == Stage::Second) {
        kernel_.free_domain_id(table_.did);
    }
    table_ = {};
}

bool IommuDomain::has(const Device& device, Pasid pasid) const {
    if (pasid.value() == 0) {
        return std::find(devices_.begin(), devices_.end(), &device) != devices_.end();
    }
    return std::any_of(pasids_.begin(), pasids_.end(), [&](const auto& each) {
        return each.first == &device && each.second == pasid;
    });
}

Errno IommuDomain::set_dev(ExecContext& ctx, Device& device) {
    return device.iommu().set_second_stage(ctx, device, table_, space_);
}

Errno IommuDomain::attach(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iommu_attach_device"};
    std::optional<LockGuard> guard;
    if (device.group() != nullptr) {
        guard.emplace(ctx, device.group()->mutex());
        if (device.group()->resetting()) {
            return Errno::Ebusy;
        }
    }
    const auto& firmware = device.setup().firmware.regions;
    const bool locked = std::any_of(firmware.begin(), firmware.end(), [](const auto& region) {
        return region.type == RegionType::Direct;
    });
    if (locked) {
        return Errno::Eperm;
    }
    if (!fits(device.iommu()) || (snoop_ && !device.iommu().forces_snooping())) {
        return Errno::Einval;
    }
    Errno error = set_dev(ctx, device);
    if (error == Errno::Ok) {
        devices_.push_back(&device);
        if (guard) {
            device.group()->set_rid_domain(this);
            guard.reset();
        }
        error = publish_requests_without(ctx, device);
        if (error != Errno::Ok) {
            detach(ctx, device);
        }
    }
    return error;
}

Errno IommuDomain::publish_requests_without(ExecContext& ctx, Device& device) {
    if (slot_.faults == nullptr || device.group() == nullptr) {
        return Errno::Ok;
    }
    const Errno error = device.group()->reserve(ctx, Pasid{});
    if (error == Errno::Ok) {
        device.group()->publish(ctx, Pasid{}, slot_, nullptr);
    }
    return error;
}

void IommuDomain::withdraw_requests_without(ExecContext& ctx, Device& device) {
    if (device.group() != nullptr && device.group()->domain_at(Pasid{}) == &slot_) {
        device.group()->erase(ctx, Pasid{});
    }
}

void IommuDomain::detach(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iommu_detach_device"};
    const auto found = std::find(devices_.begin(), devices_.end(), &device);
    SIM_CHECK(found != devices_.end(), "{} is not attached to this domain", device.name());
    devices_.erase(found);
    std::optional<LockGuard> guard;
    if (device.group() != nullptr) {
        guard.emplace(ctx, device.group()->mutex());
        device.group()->set_rid_domain(nullptr);
    }
    if (!kernel_.probes().has(kDetachKeepsEntry)) {
        // Whatever the unit answers to the invalidations: the entry is not present any more.
        static_cast<void>(device.iommu().clear_second_stage(ctx, device));
    }
    withdraw_requests_without(ctx, device);
}

Errno IommuDomain::attach_pasid(ExecContext& ctx, Device& device, Pasid pasid) {
    Frame frame{ctx, "iommu_attach_device_pasid"};
    IommuGroup* const group = device.group();
    if (group == nullptr) {
        return Errno::Enodev;
    }
    if (stage_ == Stage::Second && !fits(device.iommu())) {
        return Errno::Einval;
    }
    Errno error = group->may_attach(pasid);
    if (error == Errno::Ok) {
        error = group->attach(ctx, pasid, slot_, nullptr);
    }
    if (error == Errno::Ok) {
        follow(device, pasid);
    }
    return error;
}

Errno IommuDomain::set_dev_pasid(ExecContext& ctx, Device& device, Pasid pasid) {
    IommuDriver& unit = device.iommu();
    return stage_ == Stage::First ? unit.set_first_stage(ctx, device, pasid, table_.root, space_)
                                  : unit.set_second_stage(ctx, device, pasid, table_, space_);
}

void IommuDomain::detach_pasid(ExecContext& ctx, Device& device, Pasid pasid) {
    Frame frame{ctx, "iommu_detach_device_pasid"};
    const auto found = std::find(pasids_.begin(), pasids_.end(), std::pair{&device, pasid});
    SIM_CHECK(found != pasids_.end(), "PASID {} of {} is not attached to this domain",
              pasid.value(), device.name());
    pasids_.erase(found);
    // As with a device: the entry is not present any more, whatever the unit answers.
    const Errno error = device.group()->detach(ctx, pasid, false);
    kernel_.unfinished().keep_unflushed(
        ctx, error, device, pasid,
        stage_ == Stage::First ? IommuDriver::kFirstStageDid : table_.did);
}

Errno IommuDomain::take_over(ExecContext& ctx, IommuDomain& old, Device& device, Pasid pasid) {
    Frame frame{ctx, "iommu_replace_device_pasid"};
    IommuDriver& unit = device.iommu();
    if (!fits(unit) || (snoop_ && !unit.forces_snooping())) {
        return Errno::Einval;
    }
    std::optional<LockGuard> guard;
    if (device.group() != nullptr) {
        guard.emplace(ctx, device.group()->mutex());
        if (device.group()->resetting()) {
            return Errno::Ebusy;
        }
    }
    const Errno error = unit.replace_second_stage(ctx, device, pasid, table_, space_);
    if (error != Errno::Ok) {
        return error;
    }
    if (pasid.value() != 0) {
        device.group()->replace(ctx, pasid, slot_);
        old.pasids_.erase(
            std::find(old.pasids_.begin(), old.pasids_.end(), std::pair{&device, pasid}));
        follow(device, pasid);
    } else {
        old.withdraw_requests_without(ctx, device);
        static_cast<void>(publish_requests_without(ctx, device));
        old.devices_.erase(std::find(old.devices_.begin(), old.devices_.end(), &device));
        devices_.push_back(&device);
        if (guard) {
            device.group()->set_rid_domain(this);
        }
    }
    // What came in between the drain and now was still delivered to the former one's handler.
    if (unit.page_requests() != nullptr && !kernel_.probes().has(kReplaceKeepsGroups)) {
        unit.page_requests()->faults().detach(ctx, device, pasid, &old.slot_);
    }
    return Errno::Ok;
}

Errno IommuDomain::enforce_coherency() {
    const bool able = std::all_of(devices_.begin(), devices_.end(), [](const Device* device) {
        return device->iommu().forces_snooping();
    });
    if (!able || (mapped_ != 0 && !snoop_)) {
        return Errno::Einval;
    }
    snoop_ = true;
    return Errno::Ok;
}

Result<std::uint64_t> IommuDomain::leaf(ExecContext& ctx, std::uint64_t iova, bool allocate) {
    std::uint64_t table = table_.root;
    for (unsigned level = format_.levels; level > 1; --level) {
        const std::uint64_t at = table + vtd::page_table_offset(iova, level);
        std::uint64_t entry = ctx.load(at, 8);
        if (entry == 0) {
            if (!allocate) {
                return Errno::Enoent;
            }
            const auto page = kernel_.alloc_pages(ctx);
            if (!page) {
                return page;
            }
            table_.tables.push_back(*page);
            entry = entry_of_table(*page);
            ctx.store(at, entry, 8);
        }
        table = entry & vtd::kPageTableAddress;
    }
    return table + vtd::page_table_offset(iova, 1);
}

std::uint64_t IommuDomain::entry_of_table(std::uint64_t table) const {
    return stage_ == Stage::First ? vtd::fs::table(table) | vtd::fs::kAccessed
                                  : vtd::ss::table(Hpa{table});
}

// A first stage has no leaf that may be written and not read.
std::uint64_t IommuDomain::entry_of_page(std::uint64_t page, Access access) const {
    if (stage_ == Stage::First) {
        return vtd::fs::leaf(page, access.write, true) | vtd::fs::kAccessed | vtd::fs::kDirty;
    }
    const bool snoop = snoop_ && !kernel_.probes().has(kSnoopBitMissing);
    return vtd::ss::leaf(Hpa{page}, access.read, access.write) | (snoop ? vtd::ss::kSnoop : 0);
}

Errno IommuDomain::flush_first_stage(ExecContext& ctx, const IovaRange& range) {
    Errno result = Errno::Ok;
    for (const auto& [device, pasid] : pasids_) {
        const Errno error = device->iommu().flush_range(ctx, *device, pasid, range.first,
                                                        range.last - range.first + 1);
        result = result == Errno::Ok ? error : result;
    }
    return result;
}

// Every unit once that has devices here and that `wanted` says.
template <class Wanted>
Errno IommuDomain::flush(ExecContext& ctx, const IovaRange& range, const Wanted& wanted) {
    std::vector<const IommuDriver*> done;
    Errno result = Errno::Ok;
    std::vector<const Device*> concerned(devices_.begin(), devices_.end());
    for (const auto& [device, pasid] : pasids_) {
        concerned.push_back(device);
    }
    for (const Device* device : concerned) {
        IommuDriver& unit = device->iommu();
        if (std::find(done.begin(), done.end(), &unit) != done.end() || !wanted(unit)) {
            continue;
        }
        done.push_back(&unit);
        const Errno error = unit.flush_second_stage(ctx, table_.did, range, devices_);
        result = result == Errno::Ok ? error : result;
    }
    for (const auto& [device, pasid] : pasids_) {
        if (device->ats() && wanted(device->iommu())) {
            const Errno error = device->iommu().flush_device_tlb(ctx, *device, pasid);
            result = result == Errno::Ok ? error : result;
        }
    }
    return result;
}

Errno IommuDomain::map(ExecContext& ctx, std::uint64_t iova,
                       const std::vector<std::uint64_t>& pages, Access access) {
    SIM_CHECK(iova % kPageSize == 0 && !pages.empty(), "{} pages at {:#x}", pages.size(), iova);
    if (iova > format_.last || format_.last - iova < pages.size() * kPageSize - 1) {
        return Errno::Efault;
    }
    for (std::size_t i = 0; i < pages.size(); ++i) {
        const auto at = leaf(ctx, iova + i * kPageSize, true);
        if (!at) {
            clear(ctx, iova, i * kPageSize);
            return at.error();
        }
        ctx.store(*at, entry_of_page(pages[i], access), 8);
        ++mapped_;
    }
    // Nothing was present before and units do not cache that, unless they are virtual ones.
    // No unit caches that of a first stage.
    if (stage_ == Stage::First) {
        return Errno::Ok;
    }
    const IovaRange range{iova, iova + pages.size() * kPageSize - 1};
    return flush(ctx, range, [](const IommuDriver& unit) { return unit.caching_mode(); });
}

void IommuDomain::clear(ExecContext& ctx, std::uint64_t iova, std::uint64_t bytes) {
    for (std::uint64_t at = iova; at < iova + bytes; at += kPageSize) {
        const auto entry = leaf(ctx, at, false);
        if (entry) {
            mapped_ -= ctx.load(*entry, 8) != 0 ? 1 : 0;
            ctx.store(*entry, 0, 8);
        }
    }
}

Errno IommuDomain::unmap(ExecContext& ctx, std::uint64_t iova, std::uint64_t bytes) {
    Frame frame{ctx, "iommu_unmap"};
    clear(ctx, iova, bytes);
    if (kernel_.probes().has(kUnmapKeepsTranslations)) {
        return Errno::Ok;
    }
    if (stage_ == Stage::First) {
        return flush_first_stage(ctx, {iova, iova + bytes - 1});
    }
    return flush(ctx, {iova, iova + bytes - 1}, [](const IommuDriver&) { return true; });
}

Result<std::uint64_t> IommuDomain::leaf_entry(ExecContext& ctx, std::uint64_t iova) const {
    std::uint64_t entry = table_.root;
    for (unsigned level = format_.levels; level > 0; --level) {
        const std::uint64_t table = entry & vtd::kPageTableAddress;
        entry = ctx.load(table + vtd::page_table_offset(iova, level), 8);
        if (entry == 0) {
            return Errno::Enoent;
        }
    }
    return entry;
}

Result<std::uint64_t> IommuDomain::translate(ExecContext& ctx, std::uint64_t iova) const {
    const auto entry = leaf_entry(ctx, iova);
    if (!entry) {
        return entry;
    }
    return (*entry & vtd::kPageTableAddress) + iova % kPageSize;
}

}  // namespace ioasim::os
