// The engines of a device: slots for descriptors under way, a batch unit each, the requests they
// make, and how descriptors end. Plain C++: takes the time and inputs, answers with transactions
// and the next wake-up.
//
// An engine decodes one descriptor at a time and works on a few at once; entries of its batch use
// the same slots, of which one is kept for them. Reads of all engines share the device's read
// buffers as the groups allow.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/sim/module.hpp"
#include "core/sim/timeline.hpp"
#include "models/dsa/batch.hpp"
#include "models/dsa/dma_port.hpp"
#include "models/dsa/operation.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/translator.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

class Engines final : private TranslationUsers {
public:
    Engines(const DeviceShared& shared, Registers& registers, Function& function);

    // What the groups' flags say about read buffers; the device has just been enabled.
    void set_groups(const std::vector<GroupBuffers>& groups) { port_.set_groups(groups); }
    std::uint32_t count() const { return static_cast<std::uint32_t>(engines_.size()); }
    // When the engine could take a descriptor of this kind: now or later; none: there is no room.
    std::optional<TimePs> free_at(std::uint32_t engine, bool batch) const;
    // Descriptors that the engine works on.
    std::uint32_t load(std::uint32_t engine) const;
    // `occupancy` is the workqueue's after it gave the descriptor up.
    void start(TimePs now, std::uint32_t engine, Work work, std::uint32_t occupancy);
    // When the next entry of the engine's batch could begin; none: there is none, or no room.
    std::optional<TimePs> entry_at(std::uint32_t engine) const;
    void start_entry(TimePs now, std::uint32_t engine);
    // Entries and descriptors from workqueues take turns at the decoder.
    bool entries_turn(std::uint32_t engine) const { return engines_[engine].entries_turn; }
    // A read completion. False: nobody waits for it.
    bool answer(TimePs now, pcie::Tlp completion);
    // Software has read entries of the event log: who waits to be told there may go on.
    void log_read(TimePs now);

    void advance(TimePs now);
    // Writes that waited for credits of the link have left.
    void way_out_free(TimePs now);
    std::optional<TimePs> next_wakeup() const {
        return sim::earliest(sim::earliest(steps_.next(), port_.next_deadline()),
                             translator_.next_wakeup());
    }
    Translator& translator() { return translator_; }

    // Ends matching work as soon as its reads are back, without a record.
    template <class Matches>
    void abort_if(TimePs now, Matches&& matches) {
        for (std::uint32_t e = 0; e < count(); ++e) {
            if (engines_[e].batch.state() != Batch::State::Free &&
                matches(engines_[e].batch.work())) {
                engines_[e].batch.abort();
                translator_.abandon(now, batch_user(e));
            }
            for (std::uint32_t s = 0; s < engines_[e].slots.size(); ++s) {
                Operation& op = engines_[e].slots[s];
                if (op.state() != Operation::State::Free && !op.aborted() && matches(op.work())) {
                    cut_short(now, e, s);
                }
            }
            batch_moved(now, e);
        }
    }
    template <class Matches>
    bool any(Matches&& matches) const {
        for (const Engine& engine : engines_) {
            if (engine.batch.state() != Batch::State::Free && matches(engine.batch.work())) {
                return true;
            }
            for (const Operation& op : engine.slots) {
                if (op.state() != Operation::State::Free && matches(op.work())) {
                    return true;
                }
            }
        }
        return false;
    }
    // A function-level reset: all work is lost.
    void function_reset(TimePs now);
    // A request that waited for credits was dropped by it.
    void never_sent(std::uint32_t tag) {
        translator_.owns(tag) ? translator_.never_sent(tag) : port_.never_sent(tag);
    }
    // A descriptor never reaches an engine: tells that it left its workqueue, and its end.
    void dropped(TimePs now, const Work& work, std::uint32_t occupancy) const;
    std::uint32_t active() const { return active_; }
    std::uint32_t reads_outstanding() const { return port_.outstanding(); }

private:
    struct Engine {
        std::vector<Operation> slots;
        Batch batch;
        TimePs decoder_free;
        bool entries_turn = true;
    };
    enum class StepKind : std::uint8_t { Decoded, Fill, Close, BatchDecoded, BatchClose };
    // Stale unless the slot's or batch unit's generation is still the same.
    struct Step {
        StepKind kind;
        std::uint32_t engine;
        std::uint32_t slot;
        std::uint32_t generation;
    };

    std::uint32_t free_slots(std::uint32_t engine) const;
    bool has_free_slots(std::uint32_t engine, std::uint32_t wanted) const;
    std::uint32_t free_slot(std::uint32_t engine) const;
    void occupy(TimePs now, std::uint32_t engine, Work work, const Issuer& issuer);
    Issuer issuer_of(const Work& work);
    void give_up_overdue(TimePs now);
    // An answer, or what stands for one that never came.
    void deliver(TimePs now, const ReadOwner& owner, pcie::CplStatus status,
                 std::vector<std::uint8_t> data);
    void decoded(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void move(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void issue_reads(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void issue_words(TimePs now, std::uint32_t engine, std::uint32_t slot);
    // Sends what may be written; the way out is free again at the result. What waits for a
    // translation stays.
    TimePs issue_writes(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void issue_all(TimePs now);
    void fill(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void process(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void words_answered(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void moved(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void tell_refusal(TimePs now, const Work& work, const CompletionRecord& record);
    void tell_fault(TimePs now, const Work& work, const Issuer& issuer,
                    const CompletionRecord& record);
    // Where the front piece goes. False: its page, or its twin's, is not there yet, or has been
    // refused, and nothing more is written.
    bool may_write(TimePs now, std::uint32_t engine, std::uint32_t slot, Way& way);
    // --- translations ---
    static AtsUser slot_user(std::uint32_t engine, std::uint32_t slot) { return {engine, slot}; }
    AtsUser batch_user(std::uint32_t engine) const {
        return {engine, static_cast<std::uint32_t>(shared_.params.engine_depth)};
    }
    void translated(TimePs now, AtsUser user) override;
    // Goes on where the descriptor waits for a translation.
    void resume(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void resume_batch(TimePs now, std::uint32_t engine);
    // Asks for the pages where an operation begins, all at once.
    void translate_places(TimePs now, std::uint32_t engine, std::uint32_t slot);
    Translator::Route route(TimePs now, std::uint32_t engine, std::uint32_t slot, Field field,
                            bool second, std::uint64_t address, bool write);
    // The routes of a chunk's parts; false: one has to wait, or was refused, which ends the stream.
    bool routes_of(TimePs now, std::uint32_t engine, std::uint32_t slot, std::uint32_t length,
                   Way (&ways)[2]);
    bool quiet(std::uint32_t engine, std::uint32_t slot) const {
        return !translator_.asking(slot_user(engine, slot));
    }
    // --- batches ---
    void batch_decoded(TimePs now, std::uint32_t engine);
    void fetch_list(TimePs now, std::uint32_t engine);
    void list_answered(TimePs now, const ReadOwner& owner, pcie::CplStatus status,
                       const std::vector<std::uint8_t>& data);
    void list_failed(TimePs now, std::uint32_t engine);
    void batch_moved(TimePs now, std::uint32_t engine);
    void finish_batch(TimePs now, std::uint32_t engine);
    // --- ends ---
    void close(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void finish(TimePs now, std::uint32_t engine, std::uint32_t slot);
    // Where the record goes; none: it is not wanted or cannot be written. `wait`: not known yet.
    struct RecordWay {
        bool wait = false;
        std::optional<Way> way;
        Status refused = Status::Success;  // the error that tells of it
    };
    RecordWay record_way(TimePs now, AtsUser user, const Work& work, const Issuer& issuer,
                         const CompletionRecord& record);
    // Its end is an entry of the event log, which has no room: it waits.
    bool waits_for_log(const Work& work, const CompletionRecord& record,
                       const RecordWay& way) const;
    bool interrupt_due(const Work& work, const CompletionRecord& record,
                       const RecordWay& way) const;
    trace::Name tell_end(TimePs now, const Work& work, const Issuer& issuer,
                         const CompletionRecord& record, const RecordWay& way);
    trace::Name record_lost(TimePs now, const Work& work, const CompletionRecord& record,
                            Status why);
    // A record that must not be seen before others that went to the event log goes there too.
    Status behind_logged(const Work& work, const CompletionRecord& record) const;
    static SoftwareError error_of(const Work& work, const CompletionRecord& record);
    // Of a batch or an entry of one; of others 0.
    std::uint32_t engine_of(const Work& work) const;
    LoggedError logged(const SoftwareError& error, const Work& work,
                       const CompletionRecord& record) const;
    void report_error(TimePs now, const Work& work, const CompletionRecord& record);
    void tell_entry_end(const Work& work, const CompletionRecord& record, trace::Name how,
                        std::uint32_t bytes = 0);
    void cut_short(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void end_aborted(TimePs now, std::uint32_t engine, std::uint32_t slot);
    void tell_aborted(TimePs now, const Work& work, std::uint32_t bytes) const;
    void release(TimePs now, Operation& op, bool success, bool written);
    void check_waiting_drains(TimePs now);
    bool others_pending(const Operation& drain) const;
    void schedule(TimePs at, StepKind kind, std::uint32_t engine, std::uint32_t slot);
    Operation& slot_of(const ReadOwner& owner) { return engines_[owner.engine].slots[owner.slot]; }

    const DeviceShared& shared_;
    Registers& registers_;
    DmaPort port_;
    Translator translator_;
    std::vector<Engine> engines_;
    sim::Timeline<Step> steps_;
    std::uint32_t active_ = 0;
    std::uint32_t drains_waiting_ = 0;
    std::uint32_t rounds_ = 0;  // who comes first for read buffers: engines and their slots in turn
    bool starved_ = false;      // somebody waits for read buffers or for the way out
    std::vector<Step> held_fills_;    // that wait for the way out
    std::optional<Issuer> previous_;  // defect dsa.pasid_of_previous
};

}  // namespace ioasim::dsa
