// The root complex: routes transactions between CPUs, remapping units and devices.
//
//   from the CPUs   requests by address to a device or to a unit's registers
//   from a device   requests and read completions to its unit, other completions to the CPUs
//   from a unit     completions by requester, interrupts to the CPUs, messages by device
//
// Paths on the die are FIFOs, so a posted write is never passed there; links to devices have
// credits and order by class (link_if.hpp). A device's read completion must push the device's
// earlier DMA writes (PCIe 2.4.1): it goes through the unit, which sends it back once they are
// done. Completions without data order nothing and go directly. A transaction of a device occupies
// its port until it is on its way to the unit; then its credits go back.
//
// The bus above a device may have fewer address bits than the IOMMU takes: its port refuses
// requests with addresses beyond them, and the unit never sees them.
//
// A window of the CPUs' addresses is the functions' configuration space (7.2.2): an access becomes
// a configuration request of type 0 to the function whose page it hits. Left out: peer to peer,
// switches, error messages.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/defects.hpp"
#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/pcie/link_if.hpp"
#include "models/pcie/pcie_if.hpp"
#include "models/pcie/pcie_params.hpp"
#include "models/pcie/root_port.hpp"
#include "models/pcie/routing.hpp"

namespace ioasim::pcie {

class RootComplex final : public sim::Module {
public:
    RootComplex(sim::Simulation& simulation, const std::string& name, const PcieParams& params);

    // Peers bind their link to inbox() with the port returned here; ports are ranked in the order
    // of these calls. Requests of a requester that is no device's function are the CPUs'.
    PortId add_cpus();
    PortId add_iommu(BarRange registers);
    // `link`: shape of the link to the device and what the device advertises; by default an
    // endpoint inside the root complex that always has room.
    PortId add_device(PortId iommu, Rid rid, const std::vector<BarRange>& bars,
                      const std::string& name = "device", const LinkParams& link = {});
    // Binds a device's own link to its port, which advertises room and gives credits back.
    void attach(PortId device, TlpLink& upstream);
    // Where the CPUs find configuration space; the functions of these devices answer there, others
    // as if they were not.
    void set_configuration_window(std::uint64_t base) { configuration_ = base; }
    void has_configuration(PortId device) { ports_.at(device)->configurable = true; }
    // One more function behind a device's port.
    void add_function(PortId device, Rid rid) { routes_.add_function(device, rid); }

    // The last address that the device's port passes on.
    void limit_addresses(PortId device, std::uint64_t last) { ports_.at(device)->last = last; }

    // The device is in a slot behind a root port of this id, from which it can be pulled.
    void add_slot(PortId device, Rid root_port) {
        ports_.at(device)->slot = std::make_unique<Slot>(root_port);
    }
    // At this time it is: what comes for it from then on is refused, what it was asked and has not
    // answered times out, what it sent and has not arrived is lost. The slot tells software.
    void pull(PortId device, TimePs at);

    // With nothing under way every credit of every link to a device must be back.
    void check_quiet() const;

    sim::Inbox<Tlp>& inbox() { return inbox_; }
    // To the CPUs: completions and interrupts. To a device: MMIO, completions, messages. To a unit:
    // accesses to its registers. A device gives credits back for what it has consumed.
    TlpLink& downstream(PortId port) { return ports_.at(port)->down; }
    // To a unit: what its devices send. The unit returns a credit for each.
    sim::Link<Tlp>& upstream(PortId iommu) { return ports_.at(iommu)->up->link; }

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override {
        return inbox_.size() != 0 || waiting_ != 0 || stalled_ || !held_.empty() || !pulls_.empty();
    }

private:
    enum class Kind : std::uint8_t { Cpus, Iommu, Device };
    struct Waiting {
        Tlp tlp;
        PortId from;
    };
    // Held up on a link.
    struct Held {
        Tlp tlp;
        PortId at;
        bool up;
    };
    struct Upward {
        explicit Upward(sim::LinkParams params) : link(params) {}
        sim::Link<Tlp> link;
        std::deque<Waiting> waiting;
    };
    struct Slot {
        explicit Slot(Rid port) : root_port(port) {}
        Rid root_port;
        RootPort registers;
        std::vector<Tlp> asked;  // of the device by the CPUs, not answered
    };
    struct Port {
        Port(Kind k, RootComplex& rc, const LinkShape& shape, const std::string& direction)
            : kind(k),
              name(direction),
              down(shape, rc.probes_, rc.recorder(), rc.source(), direction) {}
        Kind kind;
        std::string name;  // of the way down: "dsa0.down"
        PortId iommu = 0;  // devices
        Rid rid;           // devices
        TlpLink down;
        std::unique_ptr<Upward> up;      // units
        TlpLink* from_device = nullptr;  // the device's own link
        bool configurable = false;
        std::unique_ptr<Slot> slot;  // devices that can be pulled
        bool gone() const { return slot != nullptr && !slot->registers.up(); }
        std::uint64_t last = ~std::uint64_t{0};  // address of a device's request
    };

    // A returned credit matters only while something waits for it.
    struct CreditWaker final : sim::Wakeable {
        explicit CreditWaker(RootComplex& rc) : owner(rc) {}
        void wake_at(TimePs time) override {
            if (owner.waiting_ != 0) {
                owner.Module::wake_at(time);
            }
        }
        RootComplex& owner;
    };

    PortId add_port(Kind kind, const LinkShape& shape, const std::string& name);
    void from_cpus(TimePs now, PortId from, Tlp&& tlp);
    bool in_configuration(const Tlp& tlp) const;
    void configure(TimePs now, PortId from, Tlp&& tlp);
    void configure_slot(TimePs now, PortId from, Slot& slot, const Tlp& tlp);
    Slot* slot_of(Rid root_port);
    void to_device(TimePs now, PortId from, PortId device, Tlp&& tlp);
    void surprise_down(TimePs now, PortId device);
    void from_device(TimePs now, PortId from, Tlp&& tlp);
    void from_iommu(TimePs now, PortId from, Tlp&& tlp);
    void refuse(TimePs now, PortId from, const Tlp& tlp);
    bool malformed(const Tlp& tlp) const;
    bool beyond_the_bus(const Port& port, const Tlp& tlp) const;
    // Faults of links. True: the transaction goes no further now.
    bool disturbs_down(TimePs now, PortId to, Tlp& tlp);
    bool disturbs_completion(TimePs now, PortId to, Tlp& tlp, std::string_view device);
    bool disturbs_up(TimePs now, PortId from, const Tlp& tlp);
    bool disturbs_interrupt(TimePs now, const Tlp& tlp, std::string_view name);
    std::string_view device_name(PortId port) const;
    void lose(const Tlp& tlp);
    static void answered(Port& port, const Tlp& completion);
    void hold(TimePs until, PortId at, Tlp tlp, bool up);
    void release_held(TimePs now);
    void send_down(TimePs now, PortId to, Tlp&& tlp);
    void send_up(TimePs now, PortId from, Upward& up, Tlp&& tlp);
    void send_waiting(TimePs now, Upward& up);
    void retry_stalled(TimePs now);
    // Returns its credits to the device that it came from.
    void left(TimePs now, PortId from, const Tlp& tlp);

    PcieParams params_;
    Probes& probes_;
    sim::Inbox<Tlp> inbox_;
    RoutingTable routes_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::optional<PortId> cpus_;
    std::optional<std::uint64_t> configuration_;
    CreditWaker credit_waker_;
    sim::Timeline<Held> held_;
    sim::Timeline<PortId> pulls_;
    std::size_t waiting_ = 0;  // for credits of units
    bool stalled_ = false;     // something waits on a link to a device
    std::uint64_t routed_ = 0;
};

}  // namespace ioasim::pcie
