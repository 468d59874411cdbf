#include "models/requester/requester_device.hpp"

#include <utility>

#include "core/sim/simulation.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::requester {
namespace {

// Under way to the function: register accesses of the CPUs, a completion for each tag, messages.
constexpr std::size_t kInboxCapacity = 65536;

}  // namespace

RequesterDevice::RequesterDevice(sim::Simulation& simulation, const RequesterConfig& config,
                                 const RequesterParams& params)
    : Module(simulation, config.name),
      config_(config),
      params_(params),
      inbox_(*this, kInboxCapacity),
      upstream_(pcie::upstream_shape(params), simulation.probes(), simulation.recorder(), source(),
                config.name + ".up"),
      core_(params, config.rid, simulation.recorder().name(config.name), *this, simulation.probes(),
            simulation.recorder(), source(), config.bar0.base) {
    upstream_.bind_sender(*this);
}

void RequesterDevice::consumed(TimePs now, const pcie::Tlp& tlp) {
    if (downstream_ != nullptr && downstream_->limited()) {
        downstream_->return_credits(now, downstream_->cost(tlp));
    }
}

void RequesterDevice::advance(TimePs now) {
    upstream_.advance(now);
    while (register_accesses_.due(now)) {
        const pcie::Tlp access = register_accesses_.pop();
        consumed(now, access);
        access_register(now, access);
    }
    while (inbox_.due(now)) {
        pcie::Tlp tlp = inbox_.pop().message;
        switch (tlp.kind) {
            case pcie::TlpKind::Completion:
                consumed(now, tlp);
                core_.answer(now, tlp);
                break;
            case pcie::TlpKind::MemRead:
            case pcie::TlpKind::MemWrite:
            case pcie::TlpKind::DeferrableWrite:
            case pcie::TlpKind::ConfigRead:
            case pcie::TlpKind::ConfigWrite:
                register_accesses_.schedule(now + params_.register_access, 0, std::move(tlp));
                break;
            default:
                consumed(now, tlp);
                core_.receive(now, tlp);
        }
    }
    core_.advance(now);
}

void RequesterDevice::access_register(TimePs now, const pcie::Tlp& tlp) {
    if (tlp.kind == pcie::TlpKind::ConfigRead || tlp.kind == pcie::TlpKind::ConfigWrite) {
        core_.configure(now, tlp);
        return;
    }
    const std::uint64_t offset = tlp.address - config_.bar0.base;
    const bool legal = core_.decodes(now, config_.bar0.base) &&
                       (tlp.length == 4 || tlp.length == 8) && offset % tlp.length == 0 &&
                       tlp.kind != pcie::TlpKind::DeferrableWrite;
    if (tlp.kind == pcie::TlpKind::MemWrite) {
        if (legal) {
            std::uint64_t value = 0;
            for (std::size_t i = 0; i < tlp.data.size(); ++i) {
                value |= std::uint64_t{tlp.data[i]} << (8 * i);
            }
            core_.write_register(now, offset, value, tlp.length);
        }
        return;
    }
    pcie::Tlp completion = pcie::make_completion(
        tlp, legal ? pcie::CplStatus::Success : pcie::CplStatus::UnsupportedRequest);
    if (legal) {
        const std::uint64_t value = core_.read_register(offset, tlp.length);
        for (unsigned i = 0; i < tlp.length; ++i) {
            completion.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
    }
    send(now, std::move(completion));
}

std::optional<TimePs> RequesterDevice::next_wakeup() const {
    return sim::earliest(sim::earliest(inbox_.next(), register_accesses_.next()),
                         sim::earliest(core_.next_wakeup(), upstream_.next_wakeup()));
}

void RequesterDevice::dump(sim::StateDump& out) const {
    for (const std::string& line : core_.describe()) {
        out.line(line);
    }
}

}  // namespace ioasim::requester
