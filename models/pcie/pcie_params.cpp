#include "models/pcie/pcie_params.hpp"

namespace ioasim::pcie {
namespace {

void add_credits(ParamTable<PcieParams>& t) {
    t.count("port.posted_headers", &PcieParams::posted_headers, 0, 65536, 92,
            "Writes and messages of a device that its port has room for; 0: no limit.",
            "about 92 cache lines of write credits (Understanding the Host Network, SIGCOMM'24)");
    t.count("port.posted_data", &PcieParams::posted_data, 0, 65536, 368,
            "Their data in units of 16 bytes, at least one payload; 0: no limit.",
            "92 cache lines of 64 bytes, as the headers");
    t.count("port.nonposted_headers", &PcieParams::nonposted_headers, 0, 65536, 164,
            "Reads of a device that its port has room for; 0: no limit.",
            "more than 164 lines in flight (Understanding the Host Network, SIGCOMM'24)");
    t.count("port.nonposted_data", &PcieParams::nonposted_data, 0, 65536, 16,
            "Data of deferrable writes in units of 16 bytes, at least 4; 0: no limit.",
            "modelling choice: devices read, they send no deferrable writes");
}

}  // namespace

CreditLimits PcieParams::advertised() const {
    CreditLimits limits;
    limits.headers = {posted_headers, nonposted_headers, 0};
    limits.data = {posted_data, nonposted_data, 0};
    return limits;
}

const ParamTable<PcieParams>& pcie_param_table() {
    static const ParamTable<PcieParams> table = [] {
        ParamTable<PcieParams> t{"pcie"};
        t.timing("cpu.latency", &PcieParams::cpu_latency,
                 "One way from the root complex to the CPUs.");
        t.timing("cpu.bandwidth", &PcieParams::cpu_bandwidth, "Rate to the CPUs; 0: no limit.");
        t.timing("device.latency", &PcieParams::device_latency,
                 "One way from the root complex to a device, and of credits back to it.");
        t.timing("device.bandwidth", &PcieParams::device_bandwidth,
                 "Rate to a device without a physical link; 0: no limit.");
        add_credits(t);
        t.timing("port.completion_timeout", &PcieParams::completion_timeout,
                 "A root port gives a request of the CPUs up that a device has not answered.");
        t.timing("iommu.latency", &PcieParams::iommu_latency,
                 "One way from the root complex to a remapping unit.");
        t.timing("iommu.bandwidth", &PcieParams::iommu_bandwidth,
                 "Rate to a remapping unit; 0: no limit.");
        t.count("iommu.credits", &PcieParams::iommu_credits, 1, 65536, 1024,
                "Requests sent to a remapping unit that it has not finished taking in.",
                "modelling choice: as many as the unit's own slots");
        t.count("queue", &PcieParams::queue, 4096, 1U << 24U, 65536,
                "Transactions under way to the root complex, or waiting in it for one credit pool.",
                "modelling choice");
        return t;
    }();
    return table;
}

}  // namespace ioasim::pcie
