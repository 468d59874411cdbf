#include "models/linux/device_groups.hpp"

#include <algorithm>

#include "core/trace/vfio_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/iommu_domain.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {
namespace {

// Writes there are interrupts, never translated (VT-d 3.14, Linux IOAPIC_RANGE_START and _END).
constexpr ReservedRegion kInterruptWindow{0xFEE0'0000, 0xFEEF'FFFF, RegionType::Msi};
constexpr unsigned kAddressBits = 64;

const char* driver_word(DriverKind driver) {
    switch (driver) {
        case DriverKind::None:
            return "none";
        case DriverKind::Host:
            return "host";
        case DriverKind::Vfio:
            return "vfio";
    }
    return "?";
}

ReservedRegion above(unsigned bits) {
    return {std::uint64_t{1} << bits, kLastIova, RegionType::Reserved};
}

}  // namespace

IommuDriver& DeviceGroup::unit() const {
    return members.front().device->iommu();
}

bool DeviceGroup::has(DriverKind driver) const {
    return std::any_of(members.begin(), members.end(),
                       [driver](const Member& member) { return member.driver == driver; });
}

const DeviceGroup::Member* DeviceGroup::find(const Device& device) const {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const Member& member) { return member.device == &device; });
    return found == members.end() ? nullptr : &*found;
}

void DeviceGroups::add(Device& device) {
    const std::string& wanted = device.setup().group;
    const std::string name = wanted.empty() ? device.name() : wanted;
    DeviceGroup* group = find(name);
    if (group == nullptr) {
        groups_.push_back({name, {}, nullptr});
        group = &groups_.back();
    }
    SIM_CHECK(group->members.empty() || &group->unit() == &device.iommu(),
              "group {} is behind two units", name);
    const bool users = device.setup().for_users;
    group->members.push_back({&device, users ? DriverKind::None : DriverKind::Host,
                              users ? DeviceGroup::Member{}.dma_bits : kAddressBits});
}

DeviceGroup* DeviceGroups::find(const std::string& name) {
    const auto found = std::find_if(groups_.begin(), groups_.end(),
                                    [&name](const DeviceGroup& g) { return g.name == name; });
    return found == groups_.end() ? nullptr : &*found;
}

DeviceGroup& DeviceGroups::group_of(const Device& device) {
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const DeviceGroup& group) {
        return std::any_of(group.members.begin(), group.members.end(),
                           [&](const auto& member) { return member.device == &device; });
    });
    SIM_CHECK(found != groups_.end(), "{} is in no group", device.name());
    return *found;
}

DeviceGroup::Member& DeviceGroups::member(const Device& device) {
    DeviceGroup& group = group_of(device);
    return *std::find_if(group.members.begin(), group.members.end(),
                         [&](const auto& member) { return member.device == &device; });
}

void DeviceGroups::tell(ExecContext& ctx, const DeviceGroup::Member& member) {
    kernel_.emit(ctx,
                 trace::DriverBound{kernel_.intern(member.device->name()),
                                    kernel_.intern(driver_word(member.driver)), member.dma_bits});
}

Errno DeviceGroups::bind_driver(ExecContext& ctx, Device& device, DriverKind driver,
                                unsigned dma_bits, bool needs_kvm) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "driver_probe"};
    if (dma_bits == 0 || dma_bits > kAddressBits) {
        return Errno::Einval;
    }
    DeviceGroup::Member& self = member(device);
    const bool used = claimed(group_of(device)) && driver == DriverKind::Host;
    if (self.driver != DriverKind::None || used) {
        return Errno::Ebusy;
    }
    self.driver = driver;
    self.needs_kvm = needs_kvm;
    const unsigned limit = device.setup().firmware.address_bits;
    if (limit < kAddressBits) {
        self.dma_bits = limit;
    }
    if (driver == DriverKind::Host) {
        self.dma_bits = dma_bits;
    }
    tell(ctx, self);
    return Errno::Ok;
}

Errno DeviceGroups::unbind_driver(ExecContext& ctx, Device& device) {
    ctx.spend(kernel_.params().syscall);
    DeviceGroup::Member& self = member(device);
    if (self.driver == DriverKind::None) {
        return Errno::Enodev;
    }
    const bool used = self.driver == DriverKind::Vfio && claimed(group_of(device));
    if (used || !device.setup().for_users) {
        return Errno::Ebusy;
    }
    self.driver = DriverKind::None;
    tell(ctx, self);
    return Errno::Ok;
}

bool DeviceGroups::claimed(const DeviceGroup& group) const {
    const bool bound = group.bound != 0 && !kernel_.probes().has(kOwnedByTableOnly);
    return group.domain != nullptr || bound;
}

bool DeviceGroups::viable(const DeviceGroup& group) const {
    return !group.has(DriverKind::Host) || kernel_.probes().has(kMixedGroup);
}

void DeviceGroups::add_regions(const DeviceGroup& group, const DeviceGroup::Member& member,
                               ReservedRegions& out) const {
    Probes& probes = kernel_.probes();
    const auto touch = probes.has(kMergeIncrementsEnd) ? ReservedRegions::Touch::IncrementsEnd
                                                       : ReservedRegions::Touch::Exact;
    const FirmwareTable& firmware = member.device->setup().firmware;
    for (const ReservedRegion& region : firmware.regions) {
        out.insert(region, touch);
    }
    if (!probes.has(kNoMsiRegion)) {
        out.insert(kInterruptWindow, touch);
    }
    const AddressLimits limits = kernel_.params().address_limits;
    const bool by_mask = limits == AddressLimits::DmaMask || probes.has(kListReadsDmaMask);
    if (limits == AddressLimits::Firmware && firmware.address_bits < kAddressBits &&
        !probes.has(kFirmwareLimitUnread)) {
        out.insert(above(firmware.address_bits), touch);
    }
    if (by_mask && member.dma_bits < kAddressBits) {
        out.insert(above(member.dma_bits), touch);
    }
    const bool by_aperture = (limits == AddressLimits::DmaMask && !probes.has(kApertureUnread)) ||
                             probes.has(kListFollowsAttachment);
    if (by_aperture && group.domain != nullptr && group.domain->aperture().last != kLastIova) {
        out.insert({group.domain->aperture().last + 1, kLastIova, RegionType::Reserved}, touch);
    }
}

ReservedRegions DeviceGroups::reserved(const DeviceGroup& group) const {
    ReservedRegions all;
    for (const DeviceGroup::Member& member : group.members) {
        add_regions(group, member, all);
        if (kernel_.probes().has(kRegionsOfOneMember)) {
            break;
        }
    }
    return all;
}

}  // namespace ioasim::os
