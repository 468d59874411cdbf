// The remapping unit as a module: inboxes, links, wake-ups around RemappingUnit. At one instant it
// serves memory's answers first, then its own timers, then transactions by port.
#pragma once

#include <string>

#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
#include "models/vtd/vtd_unit.hpp"

namespace ioasim::vtd {

// The unit's way to memory. Requests of devices and of the unit keep their order on the link; reads
// of walkers leave when their walker is ready, whatever else is under way.
class MemoryWay {
public:
    explicit MemoryWay(const sim::LinkParams& params) : params_(params), link_(params) {}
    void bind(sim::Inbox<memory::MemRequest>& target, std::uint32_t port) {
        link_.bind(target, port);
        target_ = &target;
        port_ = port;
    }
    void send(TimePs at, memory::MemRequest request, std::uint64_t bytes) {
        link_.send(at, std::move(request), bytes);
    }
    void send_walk(TimePs now, TimePs at, memory::MemRequest request, std::uint64_t bytes) {
        if (params_.bytes_per_us != 0) {
            link_.send(at, std::move(request), bytes);
            return;
        }
        SIM_CHECK(target_ != nullptr, "a walk without memory");
        ++walks_;
        target_->deliver(now, at + params_.latency, port_, std::move(request));
    }
    std::uint64_t sent() const { return link_.sent() + walks_; }

private:
    sim::LinkParams params_;
    sim::Link<memory::MemRequest> link_;
    sim::Inbox<memory::MemRequest>* target_ = nullptr;
    std::uint32_t port_ = 0;
    std::uint64_t walks_ = 0;
};

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
    MemoryWay& memory() { return memory_; }
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
    MemoryWay memory_;
    sim::Link<pcie::Tlp>* requests_from_ = nullptr;
    RemappingUnit unit_;
};

}  // namespace ioasim::vtd
