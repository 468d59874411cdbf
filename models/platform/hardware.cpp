#include "models/platform/hardware.hpp"

#include <functional>
#include <utility>

#include "models/platform/address_map.hpp"
#include "models/platform/bystander.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

// Bystanders tick at about a nanosecond, each with its own distance.
constexpr std::uint64_t kBystanderPeriodPs = 997;

dsa::DsaConfig device_config(const DeviceConfig& device, std::size_t index) {
    dsa::DsaConfig config;
    config.name = device.name;
    config.rid = rid_of(device, index);
    config.bar0 = {device_registers(index), dsa::kBar0Bytes};
    config.bar2 = {device_portals(index), kPortalWindow};
    config.engines = device.engines;
    for (const WorkqueueConfig& wq : device.workqueues) {
        config.workqueues.push_back({wq.name, wq.size});
    }
    return config;
}

// That the bus above the device passes on.
std::uint64_t last_address(const DeviceConfig& device) {
    return ~std::uint64_t{0} >> (64U - device.address_bits);
}

requester::RequesterConfig requester_config(const DeviceConfig& device, std::size_t index) {
    return {device.name, rid_of(device, index), {device_registers(index), requester::kBar0Bytes}};
}

}  // namespace

Hardware::Hardware(sim::Simulation& sim, const PlatformConfig& config, sim::Dispatcher& dispatcher)
    : iommus_(config.iommus.size()),
      devices_(config.devices.size()),
      requesters_(config.devices.size()),
      bystanders_(config.bystanders) {
    construct(sim, config, dispatcher);
    connect(config);
}

Hardware::~Hardware() = default;

void Hardware::construct(sim::Simulation& sim, const PlatformConfig& config,
                         sim::Dispatcher& dispatcher) {
    const memory::MemoryParams memory_params =
        resolve(memory::memory_param_table(), config, "memory");
    low_memory_bytes_ = memory_params.low_bytes;
    // The CPU complex looks at memory's bytes, so memory comes first; all else may come in any
    // order.
    memory_ = std::make_unique<memory::MemoryModule>(sim, "memory", memory_params);
    std::vector<std::function<void()>> makers;
    makers.emplace_back([&] {
        root_complex_ = std::make_unique<pcie::RootComplex>(
            sim, "root_complex", resolve(pcie::pcie_param_table(), config, "pcie"));
    });
    makers.emplace_back([&] {
        cpus_ = std::make_unique<cpu::CpuComplex>(sim, "cpus",
                                                  resolve(cpu::cpu_param_table(), config, "cpu"),
                                                  memory_->cached(), dispatcher, config.cpus);
    });
    for (std::size_t i = 0; i < config.iommus.size(); ++i) {
        makers.emplace_back([&, i] {
            const std::string& name = config.iommus[i].name;
            iommus_[i] = std::make_unique<vtd::Iommu>(
                sim, name, resolve(vtd::vtd_param_table(), config, name));
        });
    }
    for (std::size_t i = 0; i < config.devices.size(); ++i) {
        makers.emplace_back([&, i] {
            const DeviceConfig& device = config.devices[i];
            if (device.kind == DeviceKind::Requester) {
                requesters_[i] = std::make_unique<requester::RequesterDevice>(
                    sim, requester_config(device, i),
                    resolve(requester::requester_param_table(), config, device.name));
                return;
            }
            devices_[i] = std::make_unique<dsa::DsaDevice>(
                sim, device_config(device, i),
                resolve(dsa::dsa_param_table(), config, device.name));
        });
    }
    for (std::size_t i = 0; i < bystanders_.size(); ++i) {
        makers.emplace_back([&, i] {
            bystanders_[i] = std::make_unique<Bystander>(sim, "bystander" + std::to_string(i),
                                                         kBystanderPeriodPs + 2 * i);
        });
    }
    if (config.shuffle != 0) {
        RandomStream order{config.shuffle, "platform", "construction"};
        for (std::size_t i = makers.size(); i > 1; --i) {
            std::swap(makers[i - 1], makers[static_cast<std::size_t>(order.below(i))]);
        }
    }
    for (const auto& make : makers) {
        make();
    }
}

template <class Device>
void Hardware::attach(Device& device, pcie::PortId port) {
    root_complex_->attach(port, device.upstream());
    root_complex_->downstream(port).bind(device.inbox(), 0);
    device.return_credits_to(root_complex_->downstream(port));
}

void Hardware::connect(const PlatformConfig& config) {
    pcie::RootComplex& rc = *root_complex_;
    const pcie::PortId cpu_port = rc.add_cpus();
    rc.set_configuration_window(kConfigurationWindow);
    cpus_->upstream().bind(rc.inbox(), cpu_port);
    rc.downstream(cpu_port).bind(cpus_->inbox(), 0);
    std::map<std::string, pcie::PortId> iommu_ports;
    for (std::size_t i = 0; i < iommus_.size(); ++i) {
        vtd::Iommu& iommu = *iommus_[i];
        const pcie::PortId port = rc.add_iommu({iommu_registers(i), vtd::kRegisterBytes});
        iommu_ports[config.iommus[i].name] = port;
        iommu.fabric().bind(rc.inbox(), port);
        rc.downstream(port).bind(iommu.inbox(), vtd::Iommu::kRegisterPort);
        rc.upstream(port).bind(iommu.inbox(), vtd::Iommu::kRequestPort);
        iommu.return_credits_to(rc.upstream(port));
        const std::uint32_t client = memory_->add_client(config.iommus[i].node);
        iommu.memory().bind(memory_->inbox(), client);
        memory_->responses(client).bind(iommu.memory_inbox(), 0);
    }
    for (std::size_t i = 0; i < devices_.size(); ++i) {
        const DeviceConfig& device = config.devices[i];
        const pcie::PortId iommu = iommu_ports.at(device.iommu);
        if (device.kind == DeviceKind::Requester) {
            const requester::RequesterConfig identity = requester_config(device, i);
            const pcie::PortId port = rc.add_device(iommu, identity.rid, {identity.bar0},
                                                    device.name, requesters_[i]->link_params());
            rc.has_configuration(port);
            rc.limit_addresses(port, last_address(device));
            attach(*requesters_[i], port);
        } else {
            const dsa::DsaConfig identity = device_config(device, i);
            const pcie::PortId port =
                rc.add_device(iommu, identity.rid, {identity.bar0, identity.bar2}, device.name,
                              devices_[i]->link_params());
            rc.has_configuration(port);
            rc.limit_addresses(port, last_address(device));
            attach(*devices_[i], port);
            if (device.hotplug) {
                rc.add_slot(port, pcie::root_port_of(i));
                slots_[device.name] = {port, devices_[i].get()};
            }
        }
    }
}

void Hardware::pull(const std::string& device, TimePs at) {
    const auto& [port, function] = slots_.at(device);
    root_complex_->pull(port, at);
    function->pull(at);
}

}  // namespace ioasim::platform
