// Guest physical address space of a VM: RAM at 0, the virtual IOMMU's register page, portal pages
// of assigned devices. Stands for the EPT: translation of CPU accesses is functional (4-KiB
// granularity, no walk latency); the second-stage table for devices is built in memory by the host
// kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/types.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::vm {

constexpr std::uint64_t kGuestKernelBase = 0x1'0000;  // below: firmware, not for the allocator
constexpr Gpa kVirtualIommuBase{vtd::kDefaultRegisterBase};
constexpr Gpa kPortalBase{0xC000'0000};
constexpr std::uint64_t kMaxGuestMemory = std::uint64_t{2} << 30U;

enum class GpaKind : std::uint8_t { Nothing, Ram, Portal, TrappedPortal, VirtualIommu };

// A queue of an assigned device, in the order of assignment.
struct PortalOf {
    std::uint32_t device = 0;
    std::uint32_t queue = 0;
};

struct GpaTarget {
    GpaKind kind = GpaKind::Nothing;
    Hpa hpa;             // Ram, Portal
    PortalOf trapped{};  // TrappedPortal
};

class GuestMemory {
public:
    explicit GuestMemory(std::uint64_t bytes) : bytes_(bytes) {}

    void set_ram(std::vector<Hpa> pages) { pages_ = std::move(pages); }
    void map_portal(Gpa page, Hpa target) {
        traps_.erase(page.page().value());
        portals_[page.page().value()] = target;
    }
    // The page is there for the guest, but accesses leave it.
    void trap_portal(Gpa page, PortalOf portal) {
        portals_.erase(page.page().value());
        traps_[page.page().value()] = portal;
    }
    void unmap_portal(Gpa page) { portals_.erase(page.page().value()); }
    void clear();

    GpaTarget find(Gpa address) const;
    std::uint64_t bytes() const { return bytes_; }

    // Accesses of the VMM (a host context) to guest RAM; false outside of it.
    bool read(ExecContext& ctx, Gpa address, void* out, std::size_t bytes) const;
    bool store(ExecContext& ctx, Gpa address, std::uint64_t value, unsigned size) const;

private:
    std::uint64_t bytes_;
    std::vector<Hpa> pages_;
    std::map<std::uint64_t, Hpa> portals_;
    std::map<std::uint64_t, PortalOf> traps_;
};

}  // namespace ioasim::vm
