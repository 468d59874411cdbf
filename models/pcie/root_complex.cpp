#include "models/pcie/root_complex.hpp"

#include <utility>

#include "core/sim/simulation.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/vfio_events.hpp"
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

PortId RootComplex::add_port(Kind kind, const LinkShape& shape, const std::string& name) {
    ports_.push_back(std::make_unique<Port>(kind, *this, shape, name));
    ports_.back()->down.bind_sender(*this);
    return static_cast<PortId>(ports_.size() - 1);
}

PortId RootComplex::add_cpus() {
    SIM_CHECK(!cpus_, "a second CPU complex");
    LinkShape shape;
    shape.latency = params_.cpu_latency;
    shape.rate = params_.cpu_bandwidth;
    cpus_ = add_port(Kind::Cpus, shape, "cpus");
    return *cpus_;
}

PortId RootComplex::add_iommu(BarRange registers) {
    LinkShape shape;
    shape.latency = params_.iommu_latency;
    shape.rate = params_.iommu_bandwidth;
    const PortId port = add_port(Kind::Iommu, shape, "iommu");
    routes_.claim(port, registers);
    sim::LinkParams link;
    link.latency = params_.iommu_latency;
    link.bytes_per_us = params_.iommu_bandwidth;
    link.credits = params_.iommu_credits;
    ports_[port]->up = std::make_unique<Upward>(link);
    ports_[port]->up->link.bind_sender(credit_waker_);
    return port;
}

PortId RootComplex::add_device(PortId iommu, Rid rid, const std::vector<BarRange>& bars,
                               const std::string& name, const LinkParams& link) {
    SIM_CHECK(ports_.at(iommu)->kind == Kind::Iommu, "port {} is no remapping unit", iommu);
    SIM_CHECK(rid != kHostRid, "the host's id for a device");
    LinkShape shape = upstream_shape(link);
    shape.latency = params_.device_latency;
    if (!link.physical()) {
        shape.rate = params_.device_bandwidth;
    }
    const PortId port = add_port(Kind::Device, shape, name + ".down");
    ports_[port]->down.advertise(link.advertised());
    ports_[port]->iommu = iommu;
    ports_[port]->rid = rid;
    routes_.add_function(port, rid);
    for (const BarRange& bar : bars) {
        routes_.claim(port, bar);
    }
    return port;
}

void RootComplex::attach(PortId device, TlpLink& upstream) {
    upstream.bind(inbox_, device);
    upstream.advertise(params_.advertised());
    ports_.at(device)->from_device = &upstream;
}

void RootComplex::check_quiet() const {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const Port& port = *ports_[i];
        if (port.gone()) {
            continue;  // what it had not consumed it never will
        }
        SIM_CHECK(port.down.settled(), "credits of the device at port {} are missing", i);
        SIM_CHECK(port.from_device == nullptr || port.from_device->settled(),
                  "credits of port {} are missing", i);
    }
}

void RootComplex::advance(TimePs now) {
    while (pulls_.due(now)) {
        surprise_down(now, pulls_.pop());
    }
    release_held(now);
    if (stalled_) {
        retry_stalled(now);
    }
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

void RootComplex::from_cpus(TimePs now, PortId from, Tlp&& tlp) {
    if (in_configuration(tlp)) {
        configure(now, from, std::move(tlp));
        return;
    }
    const auto target = routes_.by_address(tlp.address, tlp.length);
    if (!target) {
        refuse(now, from, tlp);
        return;
    }
    to_device(now, from, *target, std::move(tlp));
}

bool RootComplex::in_configuration(const Tlp& tlp) const {
    return configuration_ && tlp.address >= *configuration_ &&
           tlp.address - *configuration_ < kEcamBytes;
}

// One, two or four bytes of one dword; anything else the bridge cannot make a request of.
void RootComplex::configure(TimePs now, PortId from, Tlp&& tlp) {
    const std::uint64_t offset = tlp.address - *configuration_;
    if (Slot* const slot = slot_of(ecam_function(offset))) {
        configure_slot(now, from, *slot, tlp);
        return;
    }
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
    to_device(now, from, *device, std::move(tlp));
}

void RootComplex::refuse(TimePs now, PortId from, const Tlp& tlp) {
    probes_.hit(kUnclaimedAddress);
    emit(trace::PcieUnsupported{tlp.requester, Hpa{tlp.address}, tlp.length,
                                tlp.kind != TlpKind::MemRead});
    // To the processor a configuration write was posted: the bridge takes its completion.
    if (!is_posted(tlp.kind) && tlp.kind != TlpKind::ConfigWrite) {
        send_down(now, from, make_completion(tlp, CplStatus::UnsupportedRequest));
    }
}

void RootComplex::from_device(TimePs now, PortId from, Tlp&& tlp) {
    Port& port = *ports_[from];
    if (port.gone()) {
        left(now, from, tlp);
        return;
    }
    if (tlp.kind == TlpKind::Completion) {
        answered(port, tlp);
        tlp.completer = port.rid;
        if (tlp.requester == kHostRid && tlp.tag == kConfigurationWriteTag) {
            left(now, from, tlp);
            return;
        }
        const bool pushes_writes = !tlp.data.empty() && !probes_.has(kCompletionPassesWrites);
        if (!pushes_writes) {
            SIM_CHECK(cpus_, "a completion, but no CPU complex");
            left(now, from, tlp);
            if (disturbs_up(now, from, tlp)) {
                return;
            }
            send_down(now, *cpus_, std::move(tlp));
            return;
        }
    }
    if (tlp.kind != TlpKind::Completion && disturbs_up(now, from, tlp)) {
        return;
    }
    if (malformed(tlp)) {
        emit(trace::PcieMalformed{tlp.requester, Iova{tlp.address}, tlp.length,
                                  tlp.kind == TlpKind::MemWrite});
        left(now, from, tlp);
        return;
    }
    if (beyond_the_bus(port, tlp)) {
        probes_.hit(kBeyondTheBus);
        emit(trace::PcieAddressLimit{tlp.requester, Iova{tlp.address}, tlp.length,
                                     tlp.kind == TlpKind::MemWrite});
        left(now, from, tlp);
        if (!is_posted(tlp.kind)) {
            send_down(now, from, make_completion(tlp, CplStatus::UnsupportedRequest));
        }
        return;
    }
    send_up(now, from, *ports_[port.iommu]->up, std::move(tlp));
}

bool RootComplex::beyond_the_bus(const Port& port, const Tlp& tlp) const {
    const bool addressed = tlp.kind == TlpKind::MemRead || tlp.kind == TlpKind::MemWrite ||
                           tlp.kind == TlpKind::AtsRequest;
    const std::uint64_t end = tlp.length == 0 ? tlp.address : tlp.address + tlp.length - 1;
    return addressed && (tlp.address > port.last || end > port.last) &&
           !probes_.has(kBusLimitIgnored);
}

// A memory request that crosses a 4-KiB border; a receiver that looks drops it (2.2.7, 2.3).
bool RootComplex::malformed(const Tlp& tlp) const {
    const bool memory = tlp.kind == TlpKind::MemRead || tlp.kind == TlpKind::MemWrite;
    return memory && tlp.length != 0 &&
           tlp.address / kPageSize != (tlp.address + tlp.length - 1) / kPageSize;
}

void RootComplex::from_iommu(TimePs now, PortId from, Tlp&& tlp) {
    std::optional<PortId> target = cpus_;
    if (tlp.kind != TlpKind::Interrupt) {
        const auto device = routes_.by_function(tlp.requester);
        if (device && ports_[*device]->gone()) {
            if (tlp.kind == TlpKind::Completion) {
                lose(tlp);
            }
            return;
        }
        if (!device && is_posted(tlp.kind)) {
            refuse(now, from, tlp);  // a message to a function that is gone
            return;
        }
        if (!device && tlp.kind == TlpKind::Completion && tlp.requester != kHostRid) {
            // Asked for in the name of a function that does not exist: nobody takes it.
            probes_.hit(kOrphanCompletion);
            return;
        }
        if (device && disturbs_down(now, *device, tlp)) {
            return;
        }
        target = device ? device : target;
    }
    SIM_CHECK(target, "nobody to take a transaction of requester {:#06x}", tlp.requester.value());
    if (tlp.kind == TlpKind::Interrupt) {
        const auto device = routes_.by_function(tlp.requester);
        if (disturbs_interrupt(now, tlp, device ? device_name(*device) : "")) {
            return;
        }
    }
    send_down(now, *target, std::move(tlp));
}

void RootComplex::send_down(TimePs now, PortId to, Tlp&& tlp) {
    TlpLink& down = ports_[to]->down;
    down.send(now, std::move(tlp));
    if (down.waiting() != 0) {
        SIM_CHECK(down.waiting() < params_.queue, "{} transactions wait for credits of a device",
                  down.waiting());
        stalled_ = true;
    }
}

void RootComplex::retry_stalled(TimePs now) {
    stalled_ = false;
    for (const auto& port : ports_) {
        port->down.advance(now);
        stalled_ = stalled_ || port->down.waiting() != 0;
    }
}

void RootComplex::send_up(TimePs now, PortId from, Upward& up, Tlp&& tlp) {
    if (up.waiting.empty() && up.link.can_send(now)) {
        left(now, from, tlp);
        const std::uint64_t bytes = wire_bytes(tlp);
        up.link.send(now, std::move(tlp), bytes);
        return;
    }
    probes_.hit(kCreditWait);
    if (up.waiting.size() > 2 && probes_.has(kThirdWaiterLost)) {
        return;
    }
    SIM_CHECK(up.waiting.size() < params_.queue, "{} transactions wait for a credit",
              up.waiting.size());
    up.waiting.push_back({std::move(tlp), from});
    ++waiting_;
}

void RootComplex::send_waiting(TimePs now, Upward& up) {
    while (!up.waiting.empty() && up.link.can_send(now)) {
        Waiting next = std::move(up.waiting.front());
        up.waiting.pop_front();
        --waiting_;
        if (up.waiting.size() > 1 && probes_.has(kCreditDropsSecond)) {
            up.waiting.pop_front();
            --waiting_;
        }
        left(now, next.from, next.tlp);
        const std::uint64_t bytes = wire_bytes(next.tlp);
        up.link.send(now, std::move(next.tlp), bytes);
    }
}

void RootComplex::left(TimePs now, PortId from, const Tlp& tlp) {
    TlpLink* const link = ports_[from]->from_device;
    if (link != nullptr && link->limited()) {
        link->return_credits(now, link->cost(tlp));
    }
}

std::optional<TimePs> RootComplex::next_wakeup() const {
    std::optional<TimePs> next =
        sim::earliest(sim::earliest(inbox_.next(), held_.next()), pulls_.next());
    if (stalled_) {
        for (const auto& port : ports_) {
            next = sim::earliest(next, port->down.next_wakeup());
        }
    }
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
        if (ports_[i]->down.waiting() != 0) {
            out.line(fmt::format("device at port {}: {} transactions wait for credits", i,
                                 ports_[i]->down.waiting()));
        }
    }
}

}  // namespace ioasim::pcie
