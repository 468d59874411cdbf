#include "models/linux/mm.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "models/cpu/mmu_if.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/lock_unless.hpp"
#include "models/linux/vfio_probes.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {
namespace {

constexpr unsigned kLevels = 4;

std::uint64_t pages_of(std::uint64_t bytes) {
    return (bytes + kPageSize - 1) / kPageSize;
}

}  // namespace

Mm::Mm(Kernel& kernel, std::string owner, std::uint64_t token)
    : kernel_(kernel),
      owner_(std::move(owner)),
      token_(token),
      lock_(SimLock::Kind::Mutex, owner_ + "/mmap_lock", kernel.name() + "/mmap_lock"),
      next_address_(kFirstAddress) {}

Errno Mm::create(ExecContext& ctx) {
    SIM_CHECK(root_ == 0, "address space {} exists", owner_);
    const auto page = kernel_.alloc_pages(ctx);
    if (!page) {
        return page.error();
    }
    root_ = *page;
    return Errno::Ok;
}

void Mm::destroy(ExecContext& ctx) {
    if (root_ == 0) {
        return;
    }
    LockGuard guard{ctx, lock_};
    free_tables(ctx, root_, kLevels);
    root_ = 0;
    tlb_.clear();
    for (const auto& [address, mapping] : mappings_) {
        if (!mapping.device) {
            release_pages(ctx, mapping);
        }
    }
    mappings_.clear();
}

void Mm::release_pages(ExecContext& ctx, const Mapping& mapping) {
    std::vector<std::uint64_t> gone;
    for (const std::uint64_t page : mapping.pages) {
        if (page == 0) {
            continue;
        }
        if (kernel_.shared_pages().leave(page, owner_)) {
            kernel_.set_owner(ctx, kernel_.shared_pages().owners(page), page, kPageSize);
        } else if (kernel_.probes().has(kUnpinnedAtExit) || !kernel_.pins().leave(page)) {
            gone.push_back(page);
        }
    }
    kernel_.set_owner(ctx, "", gone);
    free_all(gone);
}

void Mm::unmap_device(ExecContext& ctx, std::uint64_t address) {
    const auto found = mappings_.find(address);
    SIM_CHECK(found != mappings_.end() && found->second.device, "no device is mapped at {:#x}",
              address);
    for (std::uint64_t i = 0; i < found->second.pages.size(); ++i) {
        static_cast<void>(install(ctx, address + i * kPageSize, 0));
        tlb_.erase(address + i * kPageSize);
    }
    mappings_.erase(found);
}

void Mm::free_all(const std::vector<std::uint64_t>& pages) {
    for (const std::uint64_t page : pages) {
        kernel_.free_pages(page);
    }
}

void Mm::free_tables(ExecContext& ctx, std::uint64_t table, unsigned level) {
    if (level > 1) {
        std::array<std::uint64_t, vtd::kEntriesPerTable> entries{};
        ctx.read_bytes(table, entries.data(), sizeof(entries));
        for (const std::uint64_t entry : entries) {
            if ((entry & vtd::fs::kPresent) != 0) {
                free_tables(ctx, entry & vtd::kPageTableAddress, level - 1);
            }
        }
    }
    kernel_.free_pages(table);
}

Result<std::uint64_t> Mm::next_table(ExecContext& ctx, std::uint64_t entry_address) {
    const std::uint64_t entry = ctx.load(entry_address, 8);
    if ((entry & vtd::fs::kPresent) != 0) {
        return entry & vtd::kPageTableAddress;
    }
    const auto page = kernel_.alloc_pages(ctx);
    if (page) {
        ctx.store(entry_address, vtd::fs::table(*page) | kTouched, 8);
    }
    return page;
}

Errno Mm::install(ExecContext& ctx, std::uint64_t address, std::uint64_t leaf) {
    std::uint64_t table = root_;
    for (unsigned level = kLevels; level > 1; --level) {
        const auto next = next_table(ctx, table + vtd::page_table_offset(address, level));
        if (!next) {
            return next.error();
        }
        table = *next;
    }
    ctx.store(table + vtd::page_table_offset(address, 1), leaf, 8);
    return Errno::Ok;
}

Result<std::uint64_t> Mm::add_mapping(ExecContext& ctx, Mapping mapping, std::uint64_t flags) {
    mapping.address = next_address_;
    // One page stays free behind each mapping, so that an overrun faults.
    next_address_ += (mapping.pages.size() + 1) * kPageSize;
    Errno error = Errno::Ok;
    for (std::size_t i = 0; i < mapping.pages.size() && error == Errno::Ok; ++i) {
        if (mapping.pages[i] != 0) {
            error = install(ctx, mapping.address + i * kPageSize,
                            vtd::fs::leaf(mapping.pages[i], mapping.writable, true) | flags);
        }
    }
    const std::uint64_t address = mapping.address;
    // A mapping that ran out of table pages stays known, so that its pages go with the process.
    mappings_.emplace(address, std::move(mapping));
    if (error != Errno::Ok) {
        return error;
    }
    return address;
}

Result<std::uint64_t> Mm::map(ExecContext& ctx, const Request& request) {
    SIM_CHECK(root_ != 0 && request.bytes > 0, "mapping of {} bytes in {}", request.bytes, owner_);
    LockGuard guard{ctx, lock_};
    Mapping mapping;
    mapping.bytes = request.bytes;
    mapping.writable = request.writable;
    mapping.on_storage = request.on_storage;
    if (!request.populate) {
        mapping.pages.assign(pages_of(request.bytes), 0);
        return add_mapping(ctx, std::move(mapping), kTouched);
    }
    for (std::uint64_t i = 0; i < pages_of(request.bytes); ++i) {
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            free_all(mapping.pages);
            return page.error();
        }
        mapping.pages.push_back(*page);
    }
    kernel_.set_owner(ctx, owner_, mapping.pages);
    return add_mapping(ctx, std::move(mapping), kTouched);
}

// The pages live until nobody translates to them any more: page table, then the CPU's TLB, then the
// TLBs of devices, then the free list.
Errno Mm::unmap(ExecContext& ctx, std::uint64_t address) {
    LockGuard guard{ctx, lock_};
    const auto found = mappings_.find(address);
    if (root_ == 0 || found == mappings_.end() || found->second.device) {
        return Errno::Einval;
    }
    const Mapping gone = std::move(found->second);
    mappings_.erase(found);
    for (std::size_t i = 0; i < gone.pages.size(); ++i) {
        if (gone.pages[i] != 0) {
            const Errno cleared = install(ctx, address + i * kPageSize, 0);
            SIM_CHECK(cleared == Errno::Ok, "no table for a page of {}", owner_);
        }
        tlb_.erase(address + i * kPageSize);
    }
    if (kernel_.probes().has(kPagesFreedFirst)) {
        release_pages(ctx, gone);
        notifier_(ctx, address, gone.pages.size() * kPageSize);
        return Errno::Ok;
    }
    notifier_(ctx, address, gone.pages.size() * kPageSize);
    release_pages(ctx, gone);
    return Errno::Ok;
}

// --- faults -------------------------------------------------------------------------------------

const char* name_of(Mm::Fault fault) {
    constexpr const char* kNames[] = {"present",  "minor",     "major",  "no_mapping",
                                      "no_right", "no_memory", "exiting"};
    return kNames[static_cast<std::size_t>(fault)];
}

Mm::Mapping* Mm::mapping_of(std::uint64_t address) {
    auto after = mappings_.upper_bound(address);
    if (after == mappings_.begin()) {
        return nullptr;
    }
    Mapping& mapping = std::prev(after)->second;
    return address - mapping.address < mapping.pages.size() * kPageSize ? &mapping : nullptr;
}

Mm::Fault Mm::handle_fault(ExecContext& ctx, std::uint64_t address, bool write, bool execute) {
    const LockUnless guard{ctx, lock_, kernel_.probes(), kFaultUnlocked};
    return fault_locked(ctx, address, write, execute);
}

Mm::Fault Mm::fault_locked(ExecContext& ctx, std::uint64_t address, bool write, bool execute) {
    if (root_ == 0) {
        return Fault::Exiting;  // mm_users is 0: mmget_not_zero fails
    }
    Mapping* const mapping = mapping_of(address);
    if (mapping == nullptr) {
        return Fault::NoMapping;
    }
    if ((write && !mapping->writable && !kernel_.probes().has(kFaultIgnoresRights)) || execute) {
        return Fault::NoRight;
    }
    std::uint64_t& page = mapping->pages.at((address - mapping->address) / kPageSize);
    if (page != 0) {
        return write && kernel_.shared_pages().shared(page)
                   ? break_sharing(ctx, address & ~(kPageSize - 1), page)
                   : Fault::Present;
    }
    ctx.spend(mapping->on_storage ? kernel_.params().major_fault : kernel_.params().minor_fault);
    const auto fresh = kernel_.alloc_pages(ctx);
    if (!fresh) {
        return Fault::NoMemory;
    }
    const std::uint64_t leaf = vtd::fs::leaf(*fresh, mapping->writable, true) | kTouched;
    kernel_.set_owner(ctx, owner_, *fresh, kPageSize);
    if (install(ctx, address & ~(kPageSize - 1), leaf) != Errno::Ok) {
        kernel_.set_owner(ctx, "", *fresh, kPageSize);
        kernel_.free_pages(*fresh);
        return Fault::NoMemory;
    }
    page = *fresh;
    return mapping->on_storage ? Fault::Major : Fault::Minor;
}

Result<std::uint64_t> Mm::map_device(ExecContext& ctx, std::uint64_t machine_address,
                                     std::uint64_t bytes) {
    SIM_CHECK(root_ != 0 && machine_address % kPageSize == 0, "device mapping at {:#x} in {}",
              machine_address, owner_);
    LockGuard guard{ctx, lock_};
    Mapping mapping;
    mapping.bytes = bytes;
    mapping.device = true;
    for (std::uint64_t i = 0; i < pages_of(bytes); ++i) {
        mapping.pages.push_back(machine_address + i * kPageSize);
    }
    return add_mapping(ctx, std::move(mapping), kTouched);
}

Result<std::uint64_t> Mm::walk(ExecContext& ctx, std::uint64_t address, bool write) {
    const cpu::Translation found =
        cpu::walk_pages({root_, std::nullopt}, address, {write, true, false},
                        [&ctx](std::uint64_t entry) { return ctx.load(entry, 8); });
    if (found.result != cpu::WalkResult::Ok) {
        return Errno::Efault;
    }
    return found.address & ~(kPageSize - 1);
}

Result<std::uint64_t> Mm::translate(ExecContext& ctx, std::uint64_t address, bool write) {
    if (root_ == 0) {
        return Errno::Efault;
    }
    const std::uint64_t page = address & ~(kPageSize - 1);
    const auto cached = tlb_.find(page);
    if (cached != tlb_.end() && (cached->second.write || !write)) {
        return cached->second.page + (address - page);
    }
    auto found = walk(ctx, address, write);
    if (!found) {
        // #PF: pages of a mapping that was not populated come when they are touched.
        Mapping* const mapping = mapping_of(address);
        if (mapping == nullptr || mapping->device || (write && !mapping->writable)) {
            return found;
        }
        ctx.spend(kernel_.params().exception);
        if (handle_fault(ctx, address, write, false) > Fault::Major) {
            return found;
        }
        found = walk(ctx, address, write);
        if (!found) {
            return found;
        }
    }
    tlb_[page] = {*found, write};
    return *found + (address - page);
}

Errno Mm::read(ExecContext& ctx, std::uint64_t address, void* out, std::size_t bytes) {
    auto* to = static_cast<std::uint8_t*>(out);
    while (bytes > 0) {
        const auto pa = translate(ctx, address, false);
        if (!pa) {
            return pa.error();
        }
        const std::size_t chunk = std::min<std::size_t>(bytes, kPageSize - address % kPageSize);
        const UserAccess copied(ctx);
        ctx.read_bytes(*pa, to, chunk);
        to += chunk;
        address += chunk;
        bytes -= chunk;
    }
    return Errno::Ok;
}

Errno Mm::write(ExecContext& ctx, std::uint64_t address, const void* in, std::size_t bytes) {
    const auto* from = static_cast<const std::uint8_t*>(in);
    while (bytes > 0) {
        const auto pa = translate(ctx, address, true);
        if (!pa) {
            return pa.error();
        }
        const std::size_t chunk = std::min<std::size_t>(bytes, kPageSize - address % kPageSize);
        ctx.write_bytes(*pa, from, chunk);
        from += chunk;
        address += chunk;
        bytes -= chunk;
    }
    return Errno::Ok;
}

const Mm::Mapping* Mm::mapping(std::uint64_t address) const {
    const auto found = mappings_.find(address);
    return found == mappings_.end() ? nullptr : &found->second;
}

}  // namespace ioasim::os
