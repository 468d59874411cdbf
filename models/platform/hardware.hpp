// The hardware of a platform: modules and the links between them. Construction order is free
// (`shuffle` proves it); ranks at every inbox come from the order of the configuration.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/sim/dispatcher.hpp"
#include "core/sim/simulation.hpp"
#include "models/cpu/cpu_complex.hpp"
#include "models/dsa/dsa_device.hpp"
#include "models/memory/memory_module.hpp"
#include "models/pcie/root_complex.hpp"
#include "models/platform/config.hpp"
#include "models/requester/requester_device.hpp"
#include "models/vtd/iommu.hpp"

namespace ioasim::platform {

class Bystander;

class Hardware {
public:
    Hardware(sim::Simulation& sim, const PlatformConfig& config, sim::Dispatcher& dispatcher);
    ~Hardware();
    Hardware(const Hardware&) = delete;
    Hardware& operator=(const Hardware&) = delete;

    memory::MemoryModule& memory() { return *memory_; }
    const memory::MemoryModule& memory() const { return *memory_; }
    cpu::CpuComplex& cpus() { return *cpus_; }
    // Nothing is under way: the links must be at rest.
    void check_quiet() const { root_complex_->check_quiet(); }
    // A device is pulled out of its slot.
    void pull(const std::string& device, TimePs at);
    // Bytes of RAM from address 0, what the host kernel's page allocator works on.
    std::uint64_t low_memory_bytes() const { return low_memory_bytes_; }

private:
    void construct(sim::Simulation& sim, const PlatformConfig& config, sim::Dispatcher& dispatcher);
    void connect(const PlatformConfig& config);
    template <class Device>
    void attach(Device& device, pcie::PortId port);

    std::uint64_t low_memory_bytes_ = 0;
    std::unique_ptr<memory::MemoryModule> memory_;
    std::unique_ptr<pcie::RootComplex> root_complex_;
    std::unique_ptr<cpu::CpuComplex> cpus_;
    std::vector<std::unique_ptr<vtd::Iommu>> iommus_;
    // By position in the configuration; of each, one of the two is there.
    std::vector<std::unique_ptr<dsa::DsaDevice>> devices_;
    std::vector<std::unique_ptr<requester::RequesterDevice>> requesters_;
    std::vector<std::unique_ptr<Bystander>> bystanders_;
    std::map<std::string, std::pair<pcie::PortId, dsa::DsaDevice*>> slots_;
};

}  // namespace ioasim::platform
