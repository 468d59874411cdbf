// Mappings, queries and IOASIDs of a container.
#include <algorithm>

#include "core/trace/vfio_events.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_container.hpp"
#include "models/linux/vfio_info.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {

bool VfioContainer::mapped_in(const IovaRange& range) const {
    const auto behind = mappings_.upper_bound(range.last);
    if (behind == mappings_.begin()) {
        return false;
    }
    const auto& [iova, mapping] = *std::prev(behind);
    return iova + mapping.bytes - 1 >= range.first;
}

// --- map ----------------------------------------------------------------------------------------

Errno VfioContainer::check_map(const VfioMapRequest& r) const {
    constexpr std::uint32_t kFlags = kVfioMapRead | kVfioMapWrite;
    if (r.argsz < kVfioMapArgsz || (r.flags & ~kFlags) != 0) {
        return Errno::Einval;
    }
    const bool aligned = (r.size | r.iova | r.vaddr) % kPageSize == 0;
    if ((r.flags & kFlags) == 0 || r.size == 0 || !aligned || r.iova + r.size - 1 < r.iova ||
        r.vaddr + r.size - 1 < r.vaddr) {
        return Errno::Einval;
    }
    const IovaRange wanted{r.iova, r.iova + r.size - 1};
    const bool credit = mappings_.size() < kernel_.params().dma_entry_limit;
    if (!credit && kernel_.probes().has(kCreditsFirst)) {
        return Errno::Enospc;
    }
    if (mapped_in(wanted)) {
        return Errno::Eexist;
    }
    if (!credit) {
        return Errno::Enospc;
    }
    const bool usable = usable_.contains(wanted) || kernel_.probes().has(kMapsAnywhere);
    return usable ? Errno::Ok : Errno::Einval;
}

Errno VfioContainer::map(ExecContext& ctx, const VfioMapRequest& request) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vfio_dma_do_map"};
    LockGuard guard{ctx, lock_};
    Errno error = backend_ == Backend::None ? Errno::Einval : check_map(request);
    if (error == Errno::Ok) {
        Mapping mapping;
        mapping.bytes = request.size;
        mapping.access = {(request.flags & kVfioMapRead) != 0,
                          (request.flags & kVfioMapWrite) != 0};
        error = pin(ctx, request, mapping);
        if (error == Errno::Ok) {
            error = map_everywhere(ctx, request.iova, mapping);
        }
        if (error == Errno::Ok) {
            mappings_.emplace(request.iova, std::move(mapping));
        } else {
            unpin(ctx, mapping);
        }
    }
    kernel_.emit(ctx, trace::VfioMap{kernel_.intern(name_), Iova{request.iova}, request.size, error,
                                     pinned_});
    return error;
}

// The process must be able to do what the device shall, and may lock only so much memory.
Errno VfioContainer::pin(ExecContext& ctx, const VfioMapRequest& request, Mapping& mapping) {
    const std::uint64_t limit = kernel_.params().memlock_pages;
    for (std::uint64_t at = 0; at < request.size; at += kPageSize) {
        const auto page = process_.mm.translate(ctx, request.vaddr + at, mapping.access.write);
        if (!page) {
            return page.error();
        }
        if (limit != 0 && process_.locked_pages >= limit) {
            return Errno::Enomem;
        }
        kernel_.pins().pin(*page);
        mapping.pages.push_back(*page);
        ++pinned_;
        ++process_.locked_pages;
    }
    return Errno::Ok;
}

void VfioContainer::unpin(ExecContext& ctx, const Mapping& mapping) {
    if (kernel_.probes().has(kUnmapKeepsPins)) {
        return;
    }
    for (const std::uint64_t page : mapping.pages) {
        kernel_.unpin_page(ctx, page);
        --pinned_;
        --process_.locked_pages;
    }
}

Errno VfioContainer::map_everywhere(ExecContext& ctx, std::uint64_t iova, const Mapping& mapping) {
    for (std::size_t i = 0; i < domains_.size(); ++i) {
        const Errno error = domains_[i]->map(ctx, iova, mapping.pages, mapping.access);
        if (error != Errno::Ok) {
            while (i-- > 0) {
                static_cast<void>(domains_[i]->unmap(ctx, iova, mapping.bytes));
            }
            return error;
        }
    }
    return Errno::Ok;
}

// --- unmap --------------------------------------------------------------------------------------

Errno VfioContainer::check_unmap(const VfioUnmapRequest& r) const {
    if (r.argsz < kVfioUnmapArgsz || r.flags != 0) {
        return Errno::Einval;
    }
    if ((r.size | r.iova) % kPageSize != 0 || r.size == 0 || r.iova + r.size - 1 < r.iova) {
        return Errno::Einval;
    }
    // Second version of the interface: a mapping is never cut.
    for (const auto& [iova, mapping] : mappings_) {
        const bool inside = iova >= r.iova && iova + mapping.bytes - 1 <= r.iova + r.size - 1;
        const bool apart = iova > r.iova + r.size - 1 || iova + mapping.bytes - 1 < r.iova;
        if (!inside && !apart) {
            return Errno::Einval;
        }
    }
    return Errno::Ok;
}

Result<std::uint64_t> VfioContainer::unmap(ExecContext& ctx, const VfioUnmapRequest& request) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "vfio_dma_do_unmap"};
    LockGuard guard{ctx, lock_};
    const Errno error = backend_ == Backend::None ? Errno::Einval : check_unmap(request);
    if (error != Errno::Ok) {
        return error;
    }
    std::uint64_t bytes = 0;
    auto next = mappings_.lower_bound(request.iova);
    while (next != mappings_.end() && next->first <= request.iova + request.size - 1) {
        bytes += next->second.bytes;
        const auto gone = next++;
        drop(ctx, gone);
    }
    return bytes;
}

// The pages go back when no unit has a translation of them any more.
void VfioContainer::drop(ExecContext& ctx, Mappings::iterator mapping) {
    for (const Domain& domain : domains_) {
        static_cast<void>(domain->unmap(ctx, mapping->first, mapping->second.bytes));
    }
    unpin(ctx, mapping->second);
    kernel_.emit(ctx, trace::VfioUnmap{kernel_.intern(name_), Iova{mapping->first},
                                       mapping->second.bytes, pinned_});
    mappings_.erase(mapping);
}

// --- queries ------------------------------------------------------------------------------------

Result<std::vector<std::uint8_t>> VfioContainer::info(ExecContext& ctx, std::uint32_t argsz) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (backend_ == Backend::None || argsz < kVfioInfoArgszMin) {
        return Errno::Einval;
    }
    const std::uint64_t version =
        kernel_.probes().has(kVersionFixed) ? 2 : kernel_.params().iova_range_version;
    return encode_info(argsz, ~(kPageSize - 1), usable_, static_cast<std::uint16_t>(version),
                       kernel_.params().dma_entry_limit - mappings_.size());
}

// --- IOASIDs ------------------------------------------------------------------------------------

Result<Ioasid> VfioContainer::alloc_ioasid(ExecContext& ctx, std::uint32_t min, std::uint32_t max) {
    LockGuard guard{ctx, lock_};
    if (min > max) {
        return Errno::Einval;
    }
    if (backend_ != Backend::Nesting) {
        return Errno::Enotsupp;
    }
    const Result<Ioasid> id = kernel_.sva().alloc(ctx, process_, min, max);
    if (id) {
        ids_.push_back({*id, process_.mm.token()});
    }
    return id;
}

Errno VfioContainer::free_ioasids(ExecContext& ctx, std::uint32_t min, std::uint32_t max) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    if (min > max) {
        return Errno::Einval;
    }
    if (backend_ != Backend::Nesting) {
        return Errno::Enotsupp;
    }
    free_ids(ctx, min, max);
    return Errno::Ok;
}

void VfioContainer::free_ids(ExecContext& ctx, std::uint32_t min, std::uint32_t max) {
    const auto in_range = [&](const OwnId& own) {
        return own.id.value() >= min && own.id.value() <= max;
    };
    for (const OwnId& own : ids_) {
        // Without the set the IDs went with it.
        const bool here = own.mm == process_.mm.token() || kernel_.probes().has(kIdsOfAnyImage);
        if (in_range(own) && here && process_.set != nullptr) {
            kernel_.ioasid().free(ctx, process_.set, own.id);
        }
    }
    ids_.erase(std::remove_if(ids_.begin(), ids_.end(), in_range), ids_.end());
    kernel_.run_deferred(ctx);
}

}  // namespace ioasim::os
