// A Data Streaming Accelerator on the fabric: the timed shell around DsaCore. It turns transactions
// into calls, delays answers, and wakes the core; it decides nothing.
//
// A submission is decided when it arrives; a register access takes effect register_access later, in
// order of arrival, as do configuration requests.
#pragma once

#include <optional>
#include <string>

#include "core/sim/inbox.hpp"
#include "core/sim/module.hpp"
#include "models/dsa/dsa_core.hpp"
#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::dsa {

class DsaDevice final : public sim::Module, private Fabric {
public:
    DsaDevice(sim::Simulation& simulation, const DsaConfig& config, const DsaParams& params);

    // From the root complex; and the link to it.
    sim::Inbox<pcie::Tlp>& inbox() { return inbox_; }
    pcie::TlpLink& upstream() { return upstream_; }
    const pcie::LinkParams& link_params() const { return params_; }
    // The link that brings transactions; credits go back as they are consumed.
    void return_credits_to(pcie::TlpLink& link) { downstream_ = &link; }
    const DsaConfig& config() const { return config_; }
    // It is pulled out at this time: everything in it is gone, and nothing reaches it any more.
    void pull(TimePs at);

    void start() override { core_.start(); }
    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override;

private:
    TimePs send(TimePs now, pcie::Tlp tlp) override;
    bool held_back() const override { return upstream_.waits(pcie::CreditClass::Posted); }
    std::vector<pcie::Tlp> drop_requests(TimePs now) override {
        return upstream_.drop_requests(now);
    }
    void vanish(TimePs now);
    void consumed(TimePs now, const pcie::Tlp& tlp);
    void receive(TimePs now, pcie::Tlp&& tlp);
    void submission(TimePs now, const pcie::Tlp& tlp);
    void access_register(TimePs now, const pcie::Tlp& tlp);
    bool in_bar0(const pcie::Tlp& tlp) const;
    bool in_bar2(const pcie::Tlp& tlp) const;

    DsaConfig config_;
    DsaParams params_;
    sim::Inbox<pcie::Tlp> inbox_;
    pcie::TlpLink upstream_;
    pcie::TlpLink* downstream_ = nullptr;
    DsaCore core_;
    sim::Timeline<pcie::Tlp> register_accesses_;
    sim::Timeline<pcie::Tlp> portal_answers_;
    std::optional<TimePs> pulled_;
    bool gone_ = false;
};

}  // namespace ioasim::dsa
