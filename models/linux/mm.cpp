#include "models/linux/mm.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "models/cpu/mmu_if.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_probes.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {
namespace {

constexpr std::uint64_t kFirstUserAddress = 0x7000'0000'0000;
constexpr unsigned kLevels = 4;
// As Linux's _PAGE_TABLE and populated user pages: accessed and dirty from the start, so that
// neither the CPU nor the IOMMU has to update entries.
constexpr std::uint64_t kTouched = vtd::fs::kAccessed | vtd::fs::kDirty;

std::uint64_t pages_of(std::uint64_t bytes) {
    return (bytes + kPageSize - 1) / kPageSize;
}

}  // namespace

Mm::Mm(Kernel& kernel, std::string owner, std::uint64_t token)
    : kernel_(kernel), owner_(std::move(owner)), token_(token), next_address_(kFirstUserAddress) {}

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
        if (kernel_.probes().has(kUnpinnedAtExit) || !kernel_.pins().leave(page)) {
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
        error = install(ctx, mapping.address + i * kPageSize,
                        vtd::fs::leaf(mapping.pages[i], true, true) | flags);
    }
    const std::uint64_t address = mapping.address;
    // A mapping that ran out of table pages stays known, so that its pages go with the process.
    mappings_.emplace(address, std::move(mapping));
    if (error != Errno::Ok) {
        return error;
    }
    return address;
}

Result<std::uint64_t> Mm::map_anonymous(ExecContext& ctx, std::uint64_t bytes) {
    SIM_CHECK(root_ != 0 && bytes > 0, "mapping of {} bytes in {}", bytes, owner_);
    Mapping mapping;
    mapping.bytes = bytes;
    for (std::uint64_t i = 0; i < pages_of(bytes); ++i) {
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

Result<std::uint64_t> Mm::map_device(ExecContext& ctx, std::uint64_t machine_address,
                                     std::uint64_t bytes) {
    SIM_CHECK(root_ != 0 && machine_address % kPageSize == 0, "device mapping at {:#x} in {}",
              machine_address, owner_);
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
    const auto found = walk(ctx, address, write);
    if (!found) {
        return found;
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
