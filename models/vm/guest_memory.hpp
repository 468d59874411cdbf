// Guest physical address space of a VM: RAM at 0, the virtual IOMMU's register page, portal pages
// of assigned devices, registers and configuration space of virtual devices, which trap. Stands for
// the EPT: translation of CPU accesses is functional (4-KiB granularity, no walk latency); the
// second-stage table for devices is built in memory by the host kernel.
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
constexpr Gpa kDeviceRegisterBase{0xE000'0000};  // BAR0 of the first virtual device
constexpr Gpa kConfigurationBase{0xB000'0000};   // enhanced configuration access, bus 0
constexpr std::uint64_t kMaxGuestMemory = std::uint64_t{2} << 30U;

enum class GpaKind : std::uint8_t {
    Nothing,
    Ram,
    Portal,
    VirtualIommu,
    Registers,      // BAR0 of a virtual device
    Configuration,  // its configuration space
    TrappedPortal,  // its BAR2, where nothing is mapped
};

struct GpaTarget {
    GpaKind kind = GpaKind::Nothing;
    Hpa hpa{};                 // Ram, Portal
    std::size_t device = 0;    // the last three kinds: which, and where in it
    std::uint64_t offset = 0;  //
    bool revocable = false;    // Portal: the host may take the mapping away
};

// A range of guest addresses that traps.
struct TrappedRange {
    GpaKind kind = GpaKind::Nothing;
    Gpa base;
    std::uint64_t bytes = 0;
    std::size_t device = 0;
};

class GuestMemory {
public:
    explicit GuestMemory(std::uint64_t bytes) : bytes_(bytes) {}

    void set_ram(std::vector<Hpa> pages) { pages_ = std::move(pages); }
    void map_portal(Gpa page, Hpa target, bool revocable = false) {
        portals_[page.page().value()] = {target, revocable};
    }
    void trap(const TrappedRange& range) { trapped_.push_back(range); }
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
    struct Mapping {
        Hpa target;
        bool revocable = false;
    };
    std::map<std::uint64_t, Mapping> portals_;
    std::vector<TrappedRange> trapped_;
};

}  // namespace ioasim::vm
