// A DSA device without time of its own: registers, portals, workqueues, arbitration, engines and
// commands joined. Plain C++: every call takes the time; transactions leave through Fabric.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/dsa/arbiter.hpp"
#include "models/dsa/commands.hpp"
#include "models/dsa/engines.hpp"
#include "models/dsa/function.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/work.hpp"
#include "models/dsa/workqueue.hpp"

namespace ioasim::dsa {

class DsaCore {
public:
    DsaCore(const DsaParams& params, const DsaConfig& config, Fabric& fabric, Probes& probes,
            trace::Recorder& recorder, SourceId source);
    DsaCore(const DsaCore&) = delete;
    DsaCore& operator=(const DsaCore&) = delete;

    // Declares the workqueues as pools.
    void start() const;

    // BAR0: 4 or 8 bytes, aligned.
    std::uint64_t read_register(std::uint64_t offset, unsigned size) const;
    void write_register(TimePs now, std::uint64_t offset, std::uint64_t value, unsigned size);

    // BAR2. The number of the descriptor is 0 unless it was accepted.
    struct Answer {
        pcie::CplStatus status = pcie::CplStatus::Success;
        std::uint64_t number = 0;
    };
    Answer submit(TimePs now, std::uint64_t offset, const std::vector<std::uint8_t>& data,
                  bool non_posted);

    // --- the PCI function ---
    const Function& function() const { return function_; }
    // A configuration request, answered through the fabric.
    void configure(TimePs now, const pcie::Tlp& request);
    // Work, configuration and registers are gone without a trace: nobody gets a record.
    void power_off(TimePs now);
    // An invalidation request or page response.
    void receive(TimePs now, const pcie::Tlp& message);

    // A completion of a read; false: not expected.
    bool answer(TimePs now, pcie::Tlp completion);
    // Writes that waited for credits of the link have left.
    void way_out_free(TimePs now) { engines_.way_out_free(now); }

    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;

    bool busy() const;
    // Lines for state dumps.
    std::vector<std::string> describe() const;

private:
    struct Group {
        std::uint32_t index;
        std::vector<std::uint32_t> wqs;
        std::vector<std::uint32_t> engines;
        GroupArbiter arbiter;
    };

    void enables_changed(TimePs now, const pcie::ConfigView& before,
                         const pcie::ConfigOrders& orders);
    void function_reset(TimePs now);
    std::uint32_t read32(std::uint64_t offset) const;
    void write32(TimePs now, std::uint64_t offset, std::uint32_t value);
    void write_wqcfg(std::uint64_t offset, std::uint32_t value);
    std::uint64_t accept(TimePs now, const PortalTarget& target, const Descriptor& descriptor);
    void tell_submission(std::uint32_t wq, Pasid pasid, std::uint64_t number) const;
    // What no queue takes: retry, or dropped. `overflow`: of a dedicated queue, which is an error.
    Answer refuse_submission(TimePs now, std::optional<std::uint32_t> wq, bool non_posted,
                             const Descriptor& descriptor, bool overflow = false);
    // Groups are configured while the device is disabled: read once, when it comes to life.
    void read_groups();
    std::uint32_t queued() const;
    void arbitrate(TimePs now);
    // The least loaded engine of the group that can take a descriptor or batch now.
    std::optional<std::uint32_t> engine_for(TimePs now, const Group& group, bool batch) const;
    bool dispatch_one(TimePs now, Group& group);
    bool start_entry(TimePs now, const Group& group, bool out_of_turn);
    std::optional<TimePs> next_dispatch() const;

    DsaParams params_;
    DsaConfig config_;
    TraceNames names_;
    Function function_;
    DeviceShared shared_;
    Registers registers_;
    std::vector<Workqueue> wqs_;
    Engines engines_;
    CommandUnit commands_;
    std::vector<Group> groups_;
    DeviceState known_state_ = DeviceState::Disabled;
    std::vector<GroupArbiter::Candidate> candidates_;
    std::uint64_t accepted_ = 0;
};

}  // namespace ioasim::dsa
