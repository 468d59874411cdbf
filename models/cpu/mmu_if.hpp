// The processor's page walk as a pure function: guest or process virtual address to physical
// address, 4-level paging, with an optional second level (EPT) under it. Software uses it to
// execute user-mode accesses on real tables in memory. Intel SDM vol. 3, 4.5 (4-level paging), 4.7
// (error codes), 28.3 (EPT). Left out: accessed and dirty bits, protection keys, SMEP and SMAP, 5
// levels, TLBs.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bits.hpp"

namespace ioasim::cpu {

namespace paging {
constexpr std::uint64_t kPresent = 1U << 0U;
constexpr std::uint64_t kWritable = 1U << 1U;
constexpr std::uint64_t kUser = 1U << 2U;
constexpr std::uint64_t kLarge = 1U << 7U;
constexpr std::uint64_t kExecuteDisable = std::uint64_t{1} << 63U;
constexpr std::uint64_t kAddress = bit_mask(51, 12);
// EPT entries.
constexpr std::uint64_t kEptRead = 1U << 0U;
constexpr std::uint64_t kEptWrite = 1U << 1U;
constexpr std::uint64_t kEptExecute = 1U << 2U;
// Page-fault error code.
constexpr std::uint32_t kErrorPresent = 1U << 0U;
constexpr std::uint32_t kErrorWrite = 1U << 1U;
constexpr std::uint32_t kErrorUser = 1U << 2U;
constexpr std::uint32_t kErrorReserved = 1U << 3U;
constexpr std::uint32_t kErrorFetch = 1U << 4U;
}  // namespace paging

struct PageAccess {
    bool write = false;
    bool user = true;
    bool fetch = false;
};

struct PagingRoots {
    std::uint64_t table = 0;           // CR3: physical, or guest physical when there is an EPT
    std::optional<std::uint64_t> ept;  // root of the second level
};

enum class WalkResult : std::uint8_t { Ok, PageFault, EptViolation };

struct Translation {
    WalkResult result = WalkResult::Ok;
    std::uint64_t address = 0;        // Ok: final physical address
    std::uint64_t page_bytes = 0;     // Ok: of the smaller of both levels' pages
    std::uint32_t error = 0;          // PageFault: error code
    std::uint64_t guest_address = 0;  // Ok and EptViolation with an EPT: guest physical address
};

namespace detail {

constexpr std::uint64_t page_bytes_of_level(unsigned level) {
    return std::uint64_t{1} << (12U + 9U * (level - 1U));
}
constexpr std::uint64_t entry_address(std::uint64_t table, std::uint64_t address, unsigned level) {
    return table + get_bits(address, 20U + 9U * (level - 1U), 12U + 9U * (level - 1U)) * 8U;
}

}  // namespace detail

// Second level alone. `read64` is any callable: physical address -> 64-bit entry.
template <class Read64>
Translation walk_second_level(std::uint64_t root, std::uint64_t guest_address, PageAccess access,
                              Read64&& read64) {
    std::uint64_t table = root & paging::kAddress;
    const Translation violation{WalkResult::EptViolation, 0, 0, 0, guest_address};
    const std::uint64_t wanted = paging::kEptRead | (access.write ? paging::kEptWrite : 0) |
                                 (access.fetch ? paging::kEptExecute : 0);
    for (unsigned level = 4; level >= 1; --level) {
        const std::uint64_t entry = read64(detail::entry_address(table, guest_address, level));
        if ((entry & wanted) != wanted) {
            return violation;
        }
        if (level == 1 || ((entry & paging::kLarge) != 0 && level <= 3)) {
            const std::uint64_t bytes = detail::page_bytes_of_level(level);
            const std::uint64_t base = entry & paging::kAddress & ~(bytes - 1);
            return {WalkResult::Ok, base | (guest_address & (bytes - 1)), bytes, 0, guest_address};
        }
        table = entry & paging::kAddress;
    }
    return violation;
}

template <class Read64>
Translation walk_pages(const PagingRoots& roots, std::uint64_t virtual_address, PageAccess access,
                       Read64&& read64) {
    const auto to_physical = [&](std::uint64_t address, PageAccess wanted) {
        return roots.ept ? walk_second_level(*roots.ept, address, wanted, read64)
                         : Translation{WalkResult::Ok, address, ~std::uint64_t{0}, 0, address};
    };
    const std::uint32_t error = (access.write ? paging::kErrorWrite : 0U) |
                                (access.user ? paging::kErrorUser : 0U) |
                                (access.fetch ? paging::kErrorFetch : 0U);
    std::uint64_t table = roots.table & paging::kAddress;
    bool writable = true;
    bool user = true;
    bool executable = true;
    for (unsigned level = 4; level >= 1; --level) {
        const Translation where =
            to_physical(detail::entry_address(table, virtual_address, level), PageAccess{});
        if (where.result != WalkResult::Ok) {
            return where;
        }
        const std::uint64_t entry = read64(where.address);
        if ((entry & paging::kPresent) == 0) {
            return {WalkResult::PageFault, 0, 0, error, 0};
        }
        if (level == 4 && (entry & paging::kLarge) != 0) {
            return {WalkResult::PageFault, 0, 0,
                    error | paging::kErrorPresent | paging::kErrorReserved, 0};
        }
        writable = writable && (entry & paging::kWritable) != 0;
        user = user && (entry & paging::kUser) != 0;
        executable = executable && (entry & paging::kExecuteDisable) == 0;
        if (level == 1 || (entry & paging::kLarge) != 0) {
            // CR0.WP is 1: supervisor writes obey read-only pages too.
            if ((access.write && !writable) || (access.user && !user) ||
                (access.fetch && !executable)) {
                return {WalkResult::PageFault, 0, 0, error | paging::kErrorPresent, 0};
            }
            const std::uint64_t bytes = detail::page_bytes_of_level(level);
            const std::uint64_t base = entry & paging::kAddress & ~(bytes - 1);
            Translation last = to_physical(base | (virtual_address & (bytes - 1)), access);
            last.page_bytes = last.page_bytes < bytes ? last.page_bytes : bytes;
            return last;
        }
        table = entry & paging::kAddress;
    }
    return {WalkResult::PageFault, 0, 0, error, 0};
}

}  // namespace ioasim::cpu
