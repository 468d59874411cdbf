// The engines of a device: slots for descriptors under way, the requests they make, and how they
// end. Plain C++: takes the time and inputs, answers with transactions and the next wake-up.
//
// An engine decodes one descriptor at a time and works on a few at once; reads of all engines share
// the device's read buffers. Left out: batch units, read-buffer limits of groups, traffic classes.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/dsa/dma_port.hpp"
#include "models/dsa/operation.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

class Engines {
public:
    Engines(const DeviceShared& shared, Registers& registers);

    std::uint32_t count() const { return static_cast<std::uint32_t>(engines_.size()); }
    // When the engine could take a descriptor: now or later; none: no slot is free.
    std::optional<TimePs> free_at(std::uint32_t engine) const;
    // Descriptors that the engine works on.
    std::uint32_t load(std::uint32_t engine) const;
    // `occupancy` is the workqueue's after it gave the descriptor up.
    void start(TimePs now, std::uint32_t engine, Work work, std::uint32_t occupancy);
    // A read completion. False: nobody waits for it.
    bool answer(TimePs now, pcie::Tlp completion);

    void advance(TimePs now);
    // Writes that waited for credits of the link have left.
    void way_out_free(TimePs now);
    std::optional<TimePs> next_wakeup() const {
        return sim::earliest(steps_.next(), port_.next_deadline());
    }

    // Ends matching work as soon as its reads are back, without a record.
    template <class Matches>
    void abort_if(TimePs now, Matches&& matches) {
        for (std::uint32_t e = 0; e < count(); ++e) {
            for (std::uint32_t s = 0; s < engines_[e].slots.size(); ++s) {
                Operation& op = engines_[e].slots[s];
                if (op.state() != Operation::State::Free && !op.aborted() && matches(op.work())) {
                    cut_short(now, op);
                }
            }
        }
    }
    template <class Matches>
    bool any(Matches&& matches) const {
        for (const Engine& engine : engines_) {
            for (const Operation& op : engine.slots) {
                if (op.state() != Operation::State::Free && matches(op.work())) {
                    return true;
                }
            }
        }
        return false;
    }
    // A descriptor never reaches an engine: tells that it left its workqueue, and its end.
    void dropped(TimePs now, const Work& work, std::uint32_t occupancy) const;
    std::uint32_t active() const { return active_; }
    std::uint32_t reads_outstanding() const { return port_.outstanding(); }

private:
    struct Engine {
        std::vector<Operation> slots;
        TimePs decoder_free;
    };
    enum class StepKind : std::uint8_t { Decoded, Fill, Close };
    // Stale unless the slot's generation is still the same.
    struct Step {
        StepKind kind;
        std::uint32_t engine;
        std::uint32_t slot;
        std::uint32_t generation;
    };

    void give_up_overdue(TimePs now);
    void decoded(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void issue_reads(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void issue_all(TimePs now);
    void fill(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void process(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void close(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void finish(TimePs now, Operation& op);
    void tell_end(TimePs now, Operation& op);
    void cut_short(TimePs now, Operation& op);
    void end(TimePs now, Operation& op, trace::Name how, std::uint32_t status);
    void check_waiting_drains(TimePs now);
    bool others_pending(const Operation& drain) const;
    void schedule(TimePs at, StepKind kind, std::uint32_t engine, std::uint32_t slot);
    Operation& slot_of(const ReadOwner& owner) { return engines_[owner.engine].slots[owner.slot]; }

    const DeviceShared& shared_;
    Registers& registers_;
    DmaPort port_;
    std::vector<Engine> engines_;
    sim::Timeline<Step> steps_;
    std::uint32_t active_ = 0;
    std::uint32_t drains_waiting_ = 0;
    std::uint32_t first_to_issue_ = 0;  // round robin among engines for read buffers
    bool starved_ = false;              // somebody waits for read buffers or for the way out
    std::vector<Step> held_fills_;      // that wait for the way out
    std::optional<Issuer> previous_;    // defect dsa.pasid_of_previous
};

}  // namespace ioasim::dsa
