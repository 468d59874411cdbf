#include "models/dsa/dsa_device.hpp"

#include <utility>

#include "core/sim/simulation.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::dsa {

namespace {

// Under way to the device: a submission from each CPU, register writes, and a completion for each
// read buffer.
constexpr std::size_t kInboxCapacity = 65536;

bool inside(const pcie::Tlp& tlp, const pcie::BarRange& bar) {
    return tlp.address >= bar.base && tlp.address - bar.base + tlp.length <= bar.size;
}

}  // namespace

DsaDevice::DsaDevice(sim::Simulation& simulation, const DsaConfig& config, const DsaParams& params)
    : Module(simulation, config.name),
      config_(config),
      params_(params),
      inbox_(*this, kInboxCapacity),
      upstream_(pcie::upstream_shape(params), simulation.probes(), simulation.recorder(), source(),
                config.name + ".up"),
      core_(params, config, *this, simulation.probes(), simulation.recorder(), source()) {
    upstream_.bind_sender(*this);
}

bool DsaDevice::in_bar0(const pcie::Tlp& tlp) const {
    return core_.function().decodes_bar0() && inside(tlp, config_.bar0);
}

bool DsaDevice::in_bar2(const pcie::Tlp& tlp) const {
    return core_.function().decodes_bar2() && inside(tlp, config_.bar2);
}

TimePs DsaDevice::send(TimePs now, pcie::Tlp tlp) {
    return upstream_.send(now, std::move(tlp));
}

void DsaDevice::consumed(TimePs now, const pcie::Tlp& tlp) {
    if (downstream_ != nullptr && downstream_->limited()) {
        downstream_->return_credits(now, downstream_->cost(tlp));
    }
}

void DsaDevice::pull(TimePs at) {
    pulled_ = at;
    wake_at(at);
}

// No power: what arrives is consumed, so that the links are at rest, and nothing comes of it.
void DsaDevice::vanish(TimePs now) {
    if (pulled_) {
        core_.power_off(now);
        while (register_accesses_.due(now)) {
            consumed(now, register_accesses_.pop());
        }
        while (portal_answers_.due(now)) {
            static_cast<void>(portal_answers_.pop());
        }
        pulled_.reset();
        gone_ = true;
    }
    static_cast<void>(upstream_.advance(now));
    while (inbox_.due(now)) {
        consumed(now, inbox_.pop().message);
    }
}

void DsaDevice::advance(TimePs now) {
    if (gone_ || (pulled_ && *pulled_ <= now)) {
        vanish(now);
        return;
    }
    if (upstream_.advance(now) && !held_back()) {
        core_.way_out_free(now);
    }
    while (register_accesses_.due(now)) {
        const pcie::Tlp access = register_accesses_.pop();
        consumed(now, access);
        access_register(now, access);
    }
    while (portal_answers_.due(now)) {
        send(now, portal_answers_.pop());
    }
    while (inbox_.due(now)) {
        receive(now, inbox_.pop().message);
    }
    core_.advance(now);
}

void DsaDevice::receive(TimePs now, pcie::Tlp&& tlp) {
    switch (tlp.kind) {
        case pcie::TlpKind::Completion: {
            consumed(now, tlp);
            // One that nobody waits for is dropped (2.3.2).
            static_cast<void>(core_.answer(now, std::move(tlp)));
            return;
        }
        case pcie::TlpKind::DeferrableWrite:
            consumed(now, tlp);
            submission(now, tlp);
            return;
        case pcie::TlpKind::MemWrite:
            // At once: what follows a posted write must not overtake it (2.4.1).
            consumed(now, tlp);
            in_bar2(tlp) ? submission(now, tlp) : access_register(now, tlp);
            return;
        case pcie::TlpKind::ConfigWrite:
            consumed(now, tlp);
            access_register(now, tlp);
            return;
        case pcie::TlpKind::MemRead:
        case pcie::TlpKind::ConfigRead:
            break;
        case pcie::TlpKind::InvalidateRequest:
        case pcie::TlpKind::PageGroupResponse:
            consumed(now, tlp);
            core_.receive(now, tlp);
            return;
        default:
            SIM_CHECK(false, "{}: transaction kind {}", name(), static_cast<int>(tlp.kind));
    }
    register_accesses_.schedule(now + params_.register_access, 0, std::move(tlp));
}

void DsaDevice::submission(TimePs now, const pcie::Tlp& tlp) {
    const bool non_posted = tlp.kind == pcie::TlpKind::DeferrableWrite;
    DsaCore::Answer answer{pcie::CplStatus::UnsupportedRequest, 0};
    if (in_bar2(tlp)) {
        answer = core_.submit(now, tlp.address - config_.bar2.base, tlp.data, non_posted);
    }
    if (non_posted) {
        pcie::Tlp completion = pcie::make_completion(tlp, answer.status);
        completion.descriptor = answer.number;
        portal_answers_.schedule(now + params_.portal_accept, 0, std::move(completion));
    }
}

void DsaDevice::access_register(TimePs now, const pcie::Tlp& tlp) {
    if (tlp.kind == pcie::TlpKind::ConfigRead || tlp.kind == pcie::TlpKind::ConfigWrite) {
        core_.configure(now, tlp);
        return;
    }
    const bool legal =
        in_bar0(tlp) && (tlp.length == 4 || tlp.length == 8) && tlp.address % tlp.length == 0;
    const std::uint64_t offset = tlp.address - config_.bar0.base;
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
    pcie::Tlp completion = pcie::make_completion(tlp, pcie::CplStatus::Success);
    if (in_bar2(tlp)) {
        completion.data.assign(tlp.length, 0xFF);  // portals are write only
    } else if (legal) {
        const std::uint64_t value = core_.read_register(offset, tlp.length);
        for (unsigned i = 0; i < tlp.length; ++i) {
            completion.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        }
    } else {
        completion.status = pcie::CplStatus::UnsupportedRequest;
    }
    send(now, std::move(completion));
}

std::optional<TimePs> DsaDevice::next_wakeup() const {
    const auto queues = sim::earliest(register_accesses_.next(), portal_answers_.next());
    const auto outside = sim::earliest(inbox_.next(), upstream_.next_wakeup());
    if (gone_) {
        return outside;
    }
    const auto inside = sim::earliest(pulled_, core_.next_wakeup());
    return sim::earliest(sim::earliest(outside, queues), inside);
}

void DsaDevice::dump(sim::StateDump& out) const {
    for (const std::string& line : core_.describe()) {
        out.line(line);
    }
}

bool DsaDevice::busy() const {
    return gone_ ? false : core_.busy() || !register_accesses_.empty() || !portal_answers_.empty();
}

}  // namespace ioasim::dsa
