// Context entries of other kinds: of legacy mode, and such that lead several functions to one PASID
// table (one for each VM instead of one for each function). PASID entries that are replaced.
#include <utility>

#include "core/trace/vtd_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/guest_fault_probes.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"

namespace ioasim::os {

// Legacy mode: a context table a bus, pass-through for every function.
Errno IommuDriver::attach_legacy(ExecContext& ctx, const Device& device) {
    const std::uint64_t root = vtd::root_entry_address(Hpa{root_}, device.rid()).value();
    std::uint64_t entry = ctx.load(root, 8);
    if ((entry & 1U) == 0) {
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            return page.error();
        }
        entry = *page | 1U;
        ctx.store(root, entry, 8);
    }
    vtd::LegacyContextEntry context;
    context.present = true;
    context.type = vtd::LegacyType::PassThrough;
    // Pass-through: the largest width that the unit supports (VT-d 9.3).
    const std::uint64_t widths = vtd::cap::kSagaw.get(cap_);
    while (widths >> (context.aw + 1U) != 0) {
        ++context.aw;
    }
    context.did = DomainId{1};
    const vtd::LegacyContextQwords words = vtd::encode(context);
    const std::uint64_t address =
        vtd::legacy_context_entry_address(Hpa{entry & vtd::kTableAddress}, device.rid()).value();
    ctx.store(address + 8, words[1], 8);
    ctx.store(address, words[0], 8);
    return Errno::Ok;
}

Errno IommuDriver::share_directory(ExecContext& ctx, const Device& device, const Device& owner) {
    const auto own = directories_.find(device.rid().value());
    const auto other = directories_.find(owner.rid().value());
    if (own == directories_.end() || other == directories_.end()) {
        return Errno::Enodev;  // no PASIDs here
    }
    own_.emplace(device.rid().value(), own->second);
    return use_directory(ctx, device, other->second);
}

Errno IommuDriver::own_directory(ExecContext& ctx, const Device& device) {
    const auto own = own_.find(device.rid().value());
    if (own == own_.end()) {
        return Errno::Ok;
    }
    const std::uint64_t directory = own->second;
    own_.erase(own);
    return use_directory(ctx, device, directory);
}

// P and the pointer stand in one quadword of the context entry, so one store changes it; then what
// was read through the old one is dropped (VT-d 6.5.3.3, table 28: context, PASID, IOTLB).
Errno IommuDriver::use_directory(ExecContext& ctx, const Device& device, std::uint64_t directory) {
    {
        LockGuard guard{ctx, lock_};
        const auto address = context_entry(ctx, device.rid());
        if (!address) {
            return address.error();
        }
        vtd::ContextQwords words{};
        ctx.read_bytes(*address, words.data(), sizeof(words));
        vtd::ContextEntry entry = vtd::decode_context(words);
        entry.directory = Hpa{directory};
        ctx.store(*address, vtd::encode(entry)[0], 8);
        directories_[device.rid().value()] = directory;
    }
    return queue_.submit(ctx, {vtd::context_cache_invalidate(vtd::ContextGranularity::Device,
                                                             DomainId{0}, device.rid()),
                               vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Global),
                               vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)});
}

// The pointer stands in the first quadword, the domain id in the second. In between the unit may
// walk the new table and tag what it finds with the old id: the invalidation behind takes that, too
// (VT-d 6.5.3.3, table 28).
Errno IommuDriver::replace_second_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                                        const SecondStage& stage, const std::string& space) {
    Frame frame{ctx, "pasid_entry_replace"};
    if (!knows(stage.did)) {
        return Errno::Enospc;
    }
    vtd::PasidEntry old;
    {
        LockGuard guard{ctx, lock_};
        const auto address = entry_address(ctx, device, pasid, false);
        if (!address) {
            return address.error();
        }
        vtd::PasidQwords words{};
        ctx.read_bytes(*address, words.data(), sizeof(words));
        old = vtd::decode_pasid_entry(words);
        if (!old.present) {
            return Errno::Enoent;
        }
        if (old.pgtt != vtd::TranslationType::SecondStage) {
            return Errno::Einval;
        }
        vtd::PasidEntry entry = old;
        entry.aw = stage.aw;
        entry.second_stage = Hpa{stage.root};
        entry.did = stage.did;
        words = vtd::encode(entry);
        ctx.store(*address, words[0], 8);
        ctx.store(*address + 8, words[1], 8);
        tell_space(ctx, device, pasid, space);
        tell_entry(ctx, device, pasid, entry);
    }
    const bool keeps = kernel_.probes().has(kReplaceKeepsTranslations);
    const Errno flushed = keeps ? Errno::Ok : flush_after_clear(ctx, device, pasid, old);
    // The entry leads elsewhere by now, whatever the unit answers.
    static_cast<void>(flushed);
    if (!kernel_.probes().has(kReplaceKeepsGroups)) {
        static_cast<void>(drain_page_requests(ctx, device, pasid));
    }
    return Errno::Ok;
}

Errno IommuDriver::take_page_requests(ExecContext& ctx, const Device& device, bool on) {
    {
        LockGuard guard{ctx, lock_};
        const auto address = context_entry(ctx, device.rid());
        if (!address) {
            return address.error();
        }
        vtd::ContextQwords words{};
        ctx.read_bytes(*address, words.data(), sizeof(words));
        vtd::ContextEntry entry = vtd::decode_context(words);
        entry.pre = on;
        ctx.store(*address, vtd::encode(entry)[0], 8);
    }
    return queue_.submit(ctx, {vtd::context_cache_invalidate(vtd::ContextGranularity::Device,
                                                             DomainId{0}, device.rid())});
}

// P goes first; then table 28 for a context entry: context, PASID and IOTLB, here of everything,
// since the domains of the function's PASIDs are not known any more.
Errno IommuDriver::release(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iommu_release_device"};
    {
        LockGuard guard{ctx, lock_};
        const auto address = context_entry(ctx, device.rid());
        if (!address) {
            return address.error();
        }
        for (std::size_t i = 0; i < std::tuple_size_v<vtd::ContextQwords>; ++i) {
            ctx.store(*address + i * 8, 0, 8);
        }
    }
    const Errno flushed = queue_.submit(
        ctx,
        {vtd::context_cache_invalidate(vtd::ContextGranularity::Device, DomainId{0}, device.rid()),
         vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Global),
         vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)});
    if (page_requests_ != nullptr) {
        static_cast<void>(page_requests_->faults().remove_device(ctx, device));
    }
    return flushed;
}

// The function itself first.
std::vector<const Device*> IommuDriver::sharing(const Device& device) const {
    std::vector<const Device*> users{&device};
    const auto mine = directories_.find(device.rid().value());
    if (mine == directories_.end() || own_.empty()) {
        return users;
    }
    for (const auto& each : kernel_.devices()) {
        const auto other = directories_.find(each->rid().value());
        if (each.get() != &device && &each->iommu() == this && other != directories_.end() &&
            other->second == mine->second) {
            users.push_back(each.get());
        }
    }
    return users;
}

bool IommuDriver::used_by_others(const Device& device, Pasid pasid) const {
    if (own_.empty() || kernel_.probes().has(kSharedEntryCleared)) {
        return false;
    }
    for (const Device* each : sharing(device)) {
        if (each != &device && each->group() != nullptr &&
            each->group()->domain_at(pasid) != nullptr) {
            return true;
        }
    }
    return false;
}

}  // namespace ioasim::os
