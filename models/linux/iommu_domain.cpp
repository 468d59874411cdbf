#include "models/linux/iommu_domain.hpp"

#include <algorithm>
#include <utility>

#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {

IommuDomain::IommuDomain(Kernel& kernel, IommuDriver& unit, std::string space)
    : kernel_(kernel), space_(std::move(space)), format_(unit.second_stage_format()) {}

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
    table_.did = kernel_.alloc_domain_id();
    return Errno::Ok;
}

void IommuDomain::destroy() {
    SIM_CHECK(devices_.empty(), "a domain with {} devices goes", devices_.size());
    if (table_.root == 0) {
        return;
    }
    for (const std::uint64_t table : table_.tables) {
        kernel_.free_pages(table);
    }
    kernel_.free_domain_id(table_.did);
    table_ = {};
}

Errno IommuDomain::attach(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iommu_attach_device"};
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
    const Errno error = device.iommu().set_second_stage(ctx, device, table_, space_);
    if (error == Errno::Ok) {
        devices_.push_back(&device);
    }
    return error;
}

void IommuDomain::detach(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iommu_detach_device"};
    const auto found = std::find(devices_.begin(), devices_.end(), &device);
    SIM_CHECK(found != devices_.end(), "{} is not attached to this domain", device.name());
    devices_.erase(found);
    if (!kernel_.probes().has(kDetachKeepsEntry)) {
        // Whatever the unit answers to the invalidations: the entry is not present any more.
        static_cast<void>(device.iommu().clear_second_stage(ctx, device));
    }
}

Errno IommuDomain::enforce_coherency() {
    const bool able = std::all_of(devices_.begin(), devices_.end(), [](const Device* device) {
        return device->iommu().forces_snooping();
    });
    if (!able || (mapped_ != 0 && !snoop_ && !kernel_.probes().has(kEnforceAfterMapping))) {
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
            entry = vtd::ss::table(Hpa{*page});
            ctx.store(at, entry, 8);
        }
        table = entry & vtd::kPageTableAddress;
    }
    return table + vtd::page_table_offset(iova, 1);
}

// Every unit once that has devices here and that `wanted` says.
template <class Wanted>
Errno IommuDomain::flush(ExecContext& ctx, const IovaRange& range, const Wanted& wanted) {
    std::vector<const IommuDriver*> done;
    Errno result = Errno::Ok;
    for (const Device* device : devices_) {
        IommuDriver& unit = device->iommu();
        if (std::find(done.begin(), done.end(), &unit) != done.end() || !wanted(unit)) {
            continue;
        }
        done.push_back(&unit);
        const Errno error = unit.flush_second_stage(ctx, table_.did, range, devices_);
        result = result == Errno::Ok ? error : result;
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
        const std::uint64_t snoop =
            snoop_ && !kernel_.probes().has(kSnoopBitMissing) ? vtd::ss::kSnoop : 0;
        ctx.store(*at, vtd::ss::leaf(Hpa{pages[i]}, access.read, access.write) | snoop, 8);
        ++mapped_;
    }
    // Nothing was present before and units do not cache that, unless they are virtual ones.
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
