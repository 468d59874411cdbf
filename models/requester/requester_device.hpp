// A test requester on the fabric: the timed shell around RequesterCore. A register access takes
// effect register_access after it arrived, in order of arrival.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/sim/inbox.hpp"
#include "core/sim/module.hpp"
#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_if.hpp"
#include "models/requester/requester_core.hpp"

namespace ioasim::requester {

struct RequesterConfig {
    std::string name;
    Rid rid;
    pcie::BarRange bar0;
};

class RequesterDevice final : public sim::Module, private Fabric {
public:
    RequesterDevice(sim::Simulation& simulation, const RequesterConfig& config,
                    const RequesterParams& params);

    // From the root complex; and the link to it.
    sim::Inbox<pcie::Tlp>& inbox() { return inbox_; }
    pcie::TlpLink& upstream() { return upstream_; }
    const pcie::LinkParams& link_params() const { return params_; }
    // The link that brings transactions; credits go back as they are consumed.
    void return_credits_to(pcie::TlpLink& link) { downstream_ = &link; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override { return core_.busy() || !register_accesses_.empty(); }

private:
    TimePs send(TimePs now, pcie::Tlp tlp) override { return upstream_.send(now, std::move(tlp)); }
    std::optional<TimePs> all_sent() const override { return upstream_.free_at(); }
    void consumed(TimePs now, const pcie::Tlp& tlp);
    void access_register(TimePs now, const pcie::Tlp& tlp);

    RequesterConfig config_;
    RequesterParams params_;
    sim::Inbox<pcie::Tlp> inbox_;
    pcie::TlpLink upstream_;
    pcie::TlpLink* downstream_ = nullptr;
    RequesterCore core_;
    sim::Timeline<pcie::Tlp> register_accesses_;
};

}  // namespace ioasim::requester
