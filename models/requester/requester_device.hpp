// A test requester on the fabric: the timed shell around RequesterCore. A register access takes
// effect register_access after it arrived, in order of arrival.
#pragma once

#include <optional>
#include <string>

#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
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
    sim::Link<pcie::Tlp>& upstream() { return upstream_; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override { return core_.busy() || !register_accesses_.empty(); }

private:
    TimePs send(TimePs now, pcie::Tlp tlp) override;
    void access_register(TimePs now, const pcie::Tlp& tlp);

    RequesterConfig config_;
    RequesterParams params_;
    sim::Inbox<pcie::Tlp> inbox_;
    sim::Link<pcie::Tlp> upstream_;
    RequesterCore core_;
    sim::Timeline<pcie::Tlp> register_accesses_;
};

}  // namespace ioasim::requester
