// IOMMU groups: functions that the fabric does not keep apart, so that they share one I/O address
// space; their drivers; and the I/O virtual addresses that are not theirs to use.
//
// A group's reserved regions are the union over its members (iommu_get_group_resv_regions): what
// firmware tells, the MSI window of the remapping unit's driver, and, as KernelParams says, where
// addresses end that do not come through:
//   firmware  what firmware tells of the bus is one more reserved region, whoever had the device
//   dma_mask  what is above the device's dma_mask, and beyond the aperture of the domain it is
//             attached to (the series of September 2020, not merged)
//   none      nobody tells (Linux as it is): the IOMMU takes such addresses, the bus does not
// dma_mask is 32 bits wide until a driver says otherwise; a limit in the firmware's table is put
// into it before each probe; unbinding leaves it as it is. Leaves out: default domains, ACS.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

class Device;
class IommuDomain;
class IommuDriver;
class Kernel;

enum class DriverKind : std::uint8_t {
    None,
    Host,  // a driver of the kernel, which uses the DMA API
    Vfio,  // the function is for user space
};

struct DeviceGroup {
    struct Member {
        Device* device = nullptr;
        DriverKind driver = DriverKind::None;
        unsigned dma_bits = 32;  // of dma_mask, as the PCI core sets it
        bool needs_kvm = false;  // the vfio driver serves devices of VMs only
    };
    std::string name;
    std::vector<Member> members;
    const IommuDomain* domain = nullptr;  // that a user attached it to
    unsigned bound = 0;                   // how many members are bound to a file of /dev/iommu

    IommuDriver& unit() const;
    bool has(DriverKind driver) const;
    const Member* find(const Device& device) const;
    bool contains(const Device& device) const { return find(device) != nullptr; }
};

class DeviceGroups {
public:
    explicit DeviceGroups(Kernel& kernel) : kernel_(kernel) {}

    // All members of a group are behind one unit.
    void add(Device& device);
    DeviceGroup* find(const std::string& name);
    DeviceGroup& group_of(const Device& device);

    // dma_bits: what a host driver sets. -EBUSY: the device has a driver, or a user has the group
    // and the driver is the host's; -EINVAL: no such width.
    Errno bind_driver(ExecContext& ctx, Device& device, DriverKind driver, unsigned dma_bits,
                      bool needs_kvm = false);
    // -ENODEV: it has none; -EBUSY: vfio's, and a user has the group; or an accelerator's own.
    Errno unbind_driver(ExecContext& ctx, Device& device);
    // A user has it: attached, or bound to a file of /dev/iommu (iommu_device_claim_dma_owner).
    bool claimed(const DeviceGroup& group) const;
    // No member has a host driver.
    bool viable(const DeviceGroup& group) const;

    ReservedRegions reserved(const DeviceGroup& group) const;

private:
    DeviceGroup::Member& member(const Device& device);
    void add_regions(const DeviceGroup& group, const DeviceGroup::Member& member,
                     ReservedRegions& out) const;
    void tell(ExecContext& ctx, const DeviceGroup::Member& member);

    Kernel& kernel_;
    std::deque<DeviceGroup> groups_;
};

}  // namespace ioasim::os
