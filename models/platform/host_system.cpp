#include "models/platform/host_system.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/migration_events.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/pcie/slot_layout.hpp"
#include "models/platform/address_map.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

constexpr std::uint8_t kVectorsOfHost = 32;

os::FirmwareTable firmware_of(const FirmwareConfig& config) {
    os::FirmwareTable table;
    table.address_bits = config.address_bits;
    for (const RegionConfig& region : config.regions) {
        os::ReservedRegion out{region.first, region.last, os::RegionType::Reserved};
        SIM_CHECK(os::parse_region_type(region.type, out.type), "unknown type {}", region.type);
        table.regions.push_back(out);
    }
    return table;
}

os::DeviceSetup setup_of(os::Kernel& kernel, const DeviceConfig& device, std::size_t index) {
    os::DeviceSetup setup;
    setup.name = device.name;
    setup.iommu = kernel.find_iommu(device.iommu);
    setup.rid = rid_of(device, index);
    setup.ats = device.ats;
    setup.grouped = device.grouped;
    setup.configuration = kConfigurationWindow + pcie::ecam_offset(rid_of(device, index), 0);
    if (device.hotplug) {
        setup.root_port = kConfigurationWindow + pcie::ecam_offset(pcie::root_port_of(index), 0);
    }
    setup.group = device.group;
    setup.firmware = firmware_of(device.firmware);
    if (device.kind == DeviceKind::Requester) {
        setup.for_users = true;
        setup.bar0 = device_registers(index);
        setup.bar0_bytes = requester::kBar0Bytes;
        return setup;
    }
    setup.engines = device.engines;
    setup.registers = device_registers(index);
    setup.portals = device_portals(index);
    for (const WorkqueueConfig& wq : device.workqueues) {
        setup.queues.push_back({wq.name, wq.shared, wq.size, wq.threshold, wq.priority});
    }
    return setup;
}

}  // namespace

HostSystem make_host(const HostParts& parts, const PlatformConfig& config, std::size_t index) {
    const std::vector<std::string> names = host_names(config);
    HostSystem host;
    host.name = names.at(index);
    host.ioasid =
        std::make_unique<IoasidCore>(host.name, resolve(IoasidParams::table(), config, "ioasid"),
                                     parts.switches, parts.sim.recorder(), parts.sim.probes());
    cpu::CpuComplex& cpus = parts.hardware.cpus();
    const os::KernelDeps deps{
        parts.sim.recorder(), parts.sim.probes(), *host.ioasid, cpus, parts.scheduler, &cpus};
    const std::uint64_t usable = parts.hardware.low_memory_bytes() - kKernelBase;
    os::KernelConfig kernel;
    kernel.name = host.name;
    kernel.memory_bytes = usable / names.size() / kPageSize * kPageSize;
    kernel.memory_base = kKernelBase + index * kernel.memory_bytes;
    kernel.first_vector = static_cast<std::uint8_t>(kernel.first_vector + index * kVectorsOfHost);
    host.kernel = std::make_unique<os::Kernel>(
        deps, kernel, resolve(os::kernel_param_table(), config, host.name));
    for (std::size_t i = 0; i < config.iommus.size(); ++i) {
        if (config.iommus[i].host == host.name) {
            host.kernel->add_iommu(config.iommus[i].name, iommu_registers(i));
        }
    }
    for (std::size_t i = 0; i < config.devices.size(); ++i) {
        const DeviceConfig& device = config.devices[i];
        if (host_of(config, device) != host.name) {
            continue;
        }
        host.kernel->add_device(setup_of(*host.kernel, device, i));
        if (device.kind == DeviceKind::Dsa) {
            host.accelerators.push_back(&device);
        }
    }
    return host;
}

os::MdevSetup alike(const MdevConfig& mdev, const HostSystem& home, const HostSystem& host) {
    const auto parent =
        std::find_if(home.accelerators.begin(), home.accelerators.end(),
                     [&mdev](const DeviceConfig* device) { return device->name == mdev.device; });
    const std::vector<WorkqueueConfig>& queues = (*parent)->workqueues;
    const auto queue =
        std::find_if(queues.begin(), queues.end(),
                     [&mdev](const WorkqueueConfig& wq) { return wq.name == mdev.workqueue; });
    const DeviceConfig& there =
        *host.accelerators.at(static_cast<std::size_t>(parent - home.accelerators.begin()));
    return {mdev.name, there.name,
            there.workqueues.at(static_cast<std::size_t>(queue - queues.begin())).name, mdev.aux};
}

void tell_hosts(trace::Recorder& recorder, const PlatformConfig& config) {
    if (config.hosts.empty()) {
        return;
    }
    const SourceId source = recorder.source("platform");
    for (const IommuConfig& unit : config.iommus) {
        recorder.emit(source,
                      trace::RunHostUnit{recorder.name(unit.host), recorder.name(unit.name)});
    }
    for (std::size_t i = 0; i < config.devices.size(); ++i) {
        const DeviceConfig& device = config.devices[i];
        recorder.emit(source,
                      trace::RunHostFunction{recorder.name(host_of(config, device)),
                                             recorder.name(device.name), rid_of(device, i)});
    }
}

}  // namespace ioasim::platform
