#include "models/pcie/root_complex.hpp"

#include <utility>

#include "core/sim/simulation.hpp"
#include "core/trace/device_events.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/pcie/pcie_probes.hpp"

namespace ioasim::pcie {
namespace {

// The CPUs' tag of configuration writes: their store is done when it is sent, and nobody waits for
// the completion.
constexpr std::uint32_t kConfigurationWriteTag = ~0U;

}  // namespace

RootComplex::RootComplex(sim::Simulation& simulation, const std::string& name,
                         const PcieParams& params)
    : Module(simulation, name),
      params_(params),
      probes_(simulation.probes()),
      inbox_(*this, params.queue),
      credit_waker_(*this) {}

PortId RootComplex::add_port(Kind kind, TimePs latency, std::uint64_t bandwidth) {
    sim::LinkParams link;
    link.latency = latency;
    link.bytes_per_us = bandwidth;
    ports_.push_back(std::make_unique<Port>(kind, link));
    return static_cast<PortId>(ports_.size() - 1);
}

PortId RootComplex::add_cpus() {
    SIM_CHECK(!cpus_, "a second CPU complex");
    cpus_ = add_port(Kind::Cpus, params_.cpu_latency, params_.cpu_bandwidth);
    return *cpus_;
}

PortId RootComplex::add_iommu(BarRange registers) {
    const PortId port = add_port(Kind::Iommu, params_.iommu_latency, params_.iommu_bandwidth);
    routes_.claim(port, registers);
    sim::LinkParams link;
    link.latency = params_.iommu_latency;
    link.bytes_per_us = params_.iommu_bandwidth;
    link.credits = params_.iommu_credits;
    ports_[port]->up = std::make_unique<Egress>(link);
    ports_[port]->up->link.bind_sender(credit_waker_);
    return port;
}

PortId RootComplex::add_device(PortId iommu, Rid rid, const std::vector<BarRange>& bars) {
    SIM_CHECK(ports_.at(iommu)->kind == Kind::Iommu, "port {} is no remapping unit", iommu);
    SIM_CHECK(rid != kHostRid, "the host's id for a device");
    const PortId port = add_port(Kind::Device, params_.device_latency, params_.device_bandwidth);
    ports_[port]->iommu = iommu;
    ports_[port]->rid = rid;
    routes_.add_function(port, rid);
    for (const BarRange& bar : bars) {
        routes_.claim(port, bar);
    }
    return port;
}

void RootComplex::advance(TimePs now) {
    if (waiting_ != 0) {
        for (const auto& port : ports_) {
            if (port->up) {
                send_waiting(now, *port->up);
            }
        }
    }
    while (inbox_.due(now)) {
        sim::Arrival<Tlp> arrival = inbox_.pop();
        SIM_CHECK(arrival.port < ports_.size(), "a transaction from unknown port {}", arrival.port);
        ++routed_;
        switch (ports_[arrival.port]->kind) {
            case Kind::Cpus:
                from_cpus(now, arrival.port, std::move(arrival.message));
                break;
            case Kind::Device:
                from_device(now, arrival.port, std::move(arrival.message));
                break;
            case Kind::Iommu:
                from_iommu(now, arrival.port, std::move(arrival.message));
                break;
        }
    }
}

void RootComplex::from_cpus(TimePs now, PortId from, Tlp tlp) {
    if (in_configuration(tlp)) {
        configure(now, from, std::move(tlp));
        return;
    }
    const auto target = routes_.by_address(tlp.address, tlp.length);
    if (!target) {
        refuse(now, from, tlp);
        return;
    }
    forward(now, from, ports_[*target]->down, std::move(tlp));
}

bool RootComplex::in_configuration(const Tlp& tlp) const {
    return configuration_ && tlp.address >= *configuration_ &&
           tlp.address - *configuration_ < kEcamBytes;
}

// One, two or four bytes of one dword; anything else the bridge cannot make a request of.
void RootComplex::configure(TimePs now, PortId from, Tlp tlp) {
    const std::uint64_t offset = tlp.address - *configuration_;
    const auto device = routes_.by_function(ecam_function(offset));
    const bool plain = tlp.kind == TlpKind::MemRead || tlp.kind == TlpKind::MemWrite;
    const bool one_dword = (tlp.length == 1 || tlp.length == 2 || tlp.length == 4) &&
                           offset / 4 == (offset + tlp.length - 1) / 4;
    if (!device || !ports_[*device]->configurable || !plain || !one_dword) {
        refuse(now, from, tlp);
        return;
    }
    const bool write = tlp.kind == TlpKind::MemWrite;
    tlp.kind = write ? TlpKind::ConfigWrite : TlpKind::ConfigRead;
    tlp.tag = write ? kConfigurationWriteTag : tlp.tag;
    tlp.completer = ecam_function(offset);
    tlp.address = offset % kConfigBytes;
    forward(now, from, ports_[*device]->down, std::move(tlp));
}

void RootComplex::refuse(TimePs now, PortId from, const Tlp& tlp) {
    probes_.hit(kUnclaimedAddress);
    emit(trace::PcieUnsupported{tlp.requester, Hpa{tlp.address}, tlp.length,
                                tlp.kind != TlpKind::MemRead});
    if (!is_posted(tlp.kind)) {
        forward(now, from, ports_[from]->down, make_completion(tlp, CplStatus::UnsupportedRequest));
    }
    left(now, from);
}

void RootComplex::from_device(TimePs now, PortId from, Tlp tlp) {
    Port& port = *ports_[from];
    if (tlp.kind == TlpKind::Completion) {
        tlp.completer = port.rid;
        if (tlp.requester == kHostRid && tlp.tag == kConfigurationWriteTag) {
            left(now, from);
            return;
        }
        const bool pushes_writes = !tlp.data.empty() && !probes_.has(kCompletionPassesWrites);
        if (!pushes_writes) {
            SIM_CHECK(cpus_, "a completion, but no CPU complex");
            forward(now, from, ports_[*cpus_]->down, std::move(tlp));
            return;
        }
    }
    if (malformed(tlp)) {
        emit(trace::PcieMalformed{tlp.requester, Iova{tlp.address}, tlp.length,
                                  tlp.kind == TlpKind::MemWrite});
        left(now, from);
        return;
    }
    forward(now, from, *ports_[port.iommu]->up, std::move(tlp));
}

// A memory request that crosses a 4-KiB border; a receiver that looks drops it (2.2.7, 2.3).
bool RootComplex::malformed(const Tlp& tlp) const {
    const bool memory = tlp.kind == TlpKind::MemRead || tlp.kind == TlpKind::MemWrite;
    return memory && tlp.length != 0 &&
           tlp.address / kPageSize != (tlp.address + tlp.length - 1) / kPageSize;
}

void RootComplex::from_iommu(TimePs now, PortId from, Tlp tlp) {
    std::optional<PortId> target = cpus_;
    if (tlp.kind != TlpKind::Interrupt) {
        const auto device = routes_.by_function(tlp.requester);
        if (!device && is_posted(tlp.kind)) {
            refuse(now, from, tlp);  // a message to a function that is gone
            return;
        }
        if (!device && tlp.kind == TlpKind::Completion && tlp.requester != kHostRid) {
            // Asked for in the name of a function that does not exist: nobody takes it.
            probes_.hit(kOrphanCompletion);
            left(now, from);
            return;
        }
        target = device ? device : target;
    }
    SIM_CHECK(target, "nobody to take a transaction of requester {:#06x}", tlp.requester.value());
    forward(now, from, ports_[*target]->down, std::move(tlp));
}

void RootComplex::forward(TimePs now, PortId from, Egress& egress, Tlp tlp) {
    if (egress.waiting.empty() && egress.link.can_send(now)) {
        const std::uint64_t bytes = wire_bytes(tlp);
        egress.link.send(now, std::move(tlp), bytes);
        left(now, from);
        return;
    }
    probes_.hit(kCreditWait);
    SIM_CHECK(egress.waiting.size() < params_.queue, "{} transactions wait for a credit",
              egress.waiting.size());
    egress.waiting.push_back({std::move(tlp), from});
    ++waiting_;
}

void RootComplex::send_waiting(TimePs now, Egress& egress) {
    while (!egress.waiting.empty() && egress.link.can_send(now)) {
        Waiting next = std::move(egress.waiting.front());
        egress.waiting.pop_front();
        --waiting_;
        const std::uint64_t bytes = wire_bytes(next.tlp);
        egress.link.send(now, std::move(next.tlp), bytes);
        left(now, next.from);
    }
}

void RootComplex::left(TimePs now, PortId from) {
    if (ports_[from]->credit_link != nullptr) {
        ports_[from]->credit_link->return_credit(now);
    }
}

std::optional<TimePs> RootComplex::next_wakeup() const {
    std::optional<TimePs> next = inbox_.next();
    if (waiting_ == 0) {
        return next;
    }
    for (const auto& port : ports_) {
        if (port->up && !port->up->waiting.empty()) {
            next = sim::earliest(next, port->up->link.next_credit());
        }
    }
    return next;
}

void RootComplex::dump(sim::StateDump& out) const {
    out.line(fmt::format("{} transactions routed, {} under way", routed_, inbox_.size()));
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (ports_[i]->up) {
            out.line(fmt::format("unit at port {}: {} of {} credits in use, {} wait", i,
                                 ports_[i]->up->link.in_use(), params_.iommu_credits,
                                 ports_[i]->up->waiting.size()));
        }
    }
}

}  // namespace ioasim::pcie
