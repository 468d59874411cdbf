#include "models/vtd/iommu.hpp"

#include <utility>

#include "core/sim/simulation.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::vtd {
namespace {

// Register accesses under way, on top of the requests; CPUs have a handful outstanding.
constexpr std::size_t kRegisterRoom = 65536;
// Walk, fetch and status accesses, on top of one access a request.
constexpr std::size_t kInternalRoom = 1024;

sim::LinkParams link_params(TimePs latency, std::uint64_t bandwidth) {
    sim::LinkParams link;
    link.latency = latency;
    link.bytes_per_us = bandwidth;
    return link;
}

}  // namespace

Iommu::Iommu(sim::Simulation& simulation, const std::string& name, const VtdParams& params,
             Rid own_id)
    : Module(simulation, name),
      inbox_(*this, params.requests + kRegisterRoom),
      memory_inbox_(*this, params.requests + kInternalRoom),
      fabric_(link_params(params.fabric_link_latency, params.fabric_link_bandwidth)),
      memory_(link_params(params.memory_link_latency, params.memory_link_bandwidth)),
      unit_(params, simulation.probes(), recorder(), source(), name, own_id, *this,
            simulation.options().seed) {}

void Iommu::advance(TimePs now) {
    while (memory_inbox_.due(now)) {
        unit_.on_memory(now, memory_inbox_.pop().message);
    }
    unit_.advance(now);
    while (inbox_.due(now)) {
        sim::Arrival<pcie::Tlp> arrival = inbox_.pop();
        if (arrival.port == kRegisterPort) {
            unit_.on_register_access(now, arrival.message);
        } else {
            unit_.on_request(now, std::move(arrival.message));
        }
    }
    unit_.advance(now);  // what a latency of zero made due
}

std::optional<TimePs> Iommu::next_wakeup() const {
    return sim::earliest(sim::earliest(inbox_.next(), memory_inbox_.next()), unit_.next_wakeup());
}

void Iommu::send_memory(TimePs at, memory::MemRequest request) {
    const std::uint64_t bytes = pcie::kHeaderBytes + request.data.size();
    if (RequestPipeline::is_walk(request.tag)) {
        memory_.send_walk(now(), at, std::move(request), bytes);
        return;
    }
    memory_.send(at, std::move(request), bytes);
}

void Iommu::send_fabric(TimePs at, pcie::Tlp tlp) {
    const std::uint64_t bytes = pcie::wire_bytes(tlp);
    fabric_.send(at, std::move(tlp), bytes);
}

void Iommu::return_credit(TimePs now) {
    if (requests_from_ != nullptr) {
        requests_from_->return_credit(now);
    }
}

void Iommu::dump(sim::StateDump& out) const {
    const RequestPipeline& pipeline = unit_.pipeline();
    out.line(fmt::format("status {:#010x}; {} requests inside, {} wait for a slot, {} walks",
                         unit_.status(), pipeline.in_flight(), pipeline.waiting_for_slot(),
                         pipeline.active_walks()));
    out.line(fmt::format("invalidation queue: head {:#x}, tail {:#x}, {}", unit_.queue().head(),
                         unit_.queue().tail(),
                         pipeline.drained() ? "drained" : "older requests in flight"));
}

}  // namespace ioasim::vtd
