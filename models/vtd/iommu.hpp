// The remapping unit as a module: inboxes, links, wake-ups around RemappingUnit. At one instant it
// serves memory's answers first, then its own timers, then transactions by port.
#pragma once

#include <string>

#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
#include "models/vtd/vtd_unit.hpp"

namespace ioasim::vtd {

class Iommu final : public sim::Module, private UnitPort {
public:
    // Ports of inbox(): accesses of CPUs to the registers, and what devices send.
    static constexpr std::uint32_t kRegisterPort = 0;
    static constexpr std::uint32_t kRequestPort = 1;

    // `own_id` is the requester of the unit's interrupts.
    Iommu(sim::Simulation& simulation, const std::string& name, const VtdParams& params,
          Rid own_id = Rid{});

    sim::Inbox<pcie::Tlp>& inbox() { return inbox_; }
    sim::Inbox<memory::MemResponse>& memory_inbox() { return memory_inbox_; }
    // To the root complex: completions and interrupts.
    sim::Link<pcie::Tlp>& fabric() { return fabric_; }
    sim::Link<memory::MemRequest>& memory() { return memory_; }
    // The link that brings requests of devices; its credits go back as they are taken in.
    void return_credits_to(sim::Link<pcie::Tlp>& link) { requests_from_ = &link; }

    const RemappingUnit& unit() const { return unit_; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override { return inbox_.size() != 0 || unit_.busy(); }

private:
    void send_memory(TimePs at, memory::MemRequest request) override;
    void send_fabric(TimePs at, pcie::Tlp tlp) override;
    void return_credit(TimePs now) override;

    sim::Inbox<pcie::Tlp> inbox_;
    sim::Inbox<memory::MemResponse> memory_inbox_;
    sim::Link<pcie::Tlp> fabric_;
    sim::Link<memory::MemRequest> memory_;
    sim::Link<pcie::Tlp>* requests_from_ = nullptr;
    RemappingUnit unit_;
};

}  // namespace ioasim::vtd
