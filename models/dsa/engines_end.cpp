// How descriptors end in engines: records, interrupts, errors without a record, aborts, drains.
#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/engines.hpp"

namespace ioasim::dsa {
namespace {

// Neither success nor what an operation may come to (8.1.3): told even when nobody asked.
bool is_error(const CompletionRecord& record) {
    return record.status != Status::Success && record.status != Status::ResultNotExpected &&
           record.status != Status::BatchMemberFailed;
}

// A record that cannot be written where it should, or must not be (5.8.1): SWERR or the event log.
bool withheld(const CompletionRecord& record) {
    return record.status == Status::RecordMisaligned || record.status == Status::PrivilegeOff;
}

bool record_due(const Work& work, const CompletionRecord& record) {
    return has_record_address(work.descriptor) && !withheld(record) &&
           (is_error(record) || (work.descriptor.flags & flag::kRequestRecord) != 0);
}

bool is_drain(const Work& work) {
    return work.descriptor.opcode == static_cast<std::uint8_t>(Opcode::Drain);
}

}  // namespace

void Engines::close(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    op.set_state(Operation::State::Closing);
    op.conclude();
    if (op.record().status == Status::PageFault && shared_.probes.has(kPartForgotten)) {
        op.record().bytes_completed = 0;
    }
    schedule(now + shared_.params.completion, StepKind::Close, engine, slot);
}

void Engines::finish(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    op.set_state(Operation::State::Recording);
    const RecordWay way =
        record_way(now, slot_user(engine, slot), op.work(), op.issuer(), op.record());
    // Nothing that was asked for this descriptor is still under way when it has ended.
    if (way.wait || !quiet(engine, slot) || waits_for_log(op.work(), op.record(), way)) {
        return;
    }
    const unsigned times = shared_.probes.has(kCompleteTwice) ? 2 : 1;
    trace::Name how;
    for (unsigned i = 0; i < times; ++i) {
        const Work& work = op.work();
        how = tell_end(now, work, op.issuer(), op.record(), way);
        if (work.batch) {
            tell_entry_end(work, op.record(), how, op.done());
        } else {
            shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq],
                                            work.number, traced_pasid(work.pasid),
                                            encode(op.record())[0], how, op.done(),
                                            now - work.accepted});
        }
    }
    release(now, op, op.record().status == Status::Success, how != shared_.names.lost);
}

Engines::RecordWay Engines::record_way(TimePs now, AtsUser user, const Work& work,
                                       const Issuer& issuer, const CompletionRecord& record) {
    const bool due = record_due(work, record);
    // Software that writes the records before it must not hear of this end before either.
    if (due || interrupt_due(work, record, {})) {
        if (const Status why = behind_logged(work, record); why != Status::Success) {
            return {false, std::nullopt, why};
        }
    }
    if (!due) {
        return {};
    }
    const auto route =
        translator_.route(now, issuer, {user, Operand::Record, work.descriptor.record, true});
    switch (route.kind) {
        case Translator::Route::Kind::Go:
            return {false, route.way, Status::Success};
        case Translator::Route::Kind::Wait:
            return {true, std::nullopt, Status::Success};
        default:  // a page fault, or nobody translates (table 5-6)
            return {false, std::nullopt,
                    route.why == Status::TranslationFailure ? route.why : Status::RecordPageFault};
    }
}

Status Engines::behind_logged(const Work& work, const CompletionRecord& record) const {
    if (!registers_.logs() || shared_.probes.has(kOvertakesLog)) {
        return Status::Success;
    }
    if (work.is_batch() && engines_[engine_of(work)].batch.has_logged()) {
        return Status::BatchSawFaults;
    }
    // Where pages cannot be asked for, any record before it may have gone there (5.9).
    const bool pages = shared_.function.view().page_requests && work.prs;
    return is_drain(work) && record.status == Status::Success && !pages ? Status::DrainSawFaults
                                                                        : Status::Success;
}

bool Engines::waits_for_log(const Work& work, const CompletionRecord& record,
                            const RecordWay& way) const {
    const bool told =
        way.refused != Status::Success || (is_error(record) && !record_due(work, record));
    return told && registers_.log_full();
}

void Engines::log_read(TimePs now) {
    for (std::uint32_t e = 0; e < count() && !registers_.log_full(); ++e) {
        for (std::uint32_t s = 0; s < engines_[e].slots.size(); ++s) {
            if (engines_[e].slots[s].state() == Operation::State::Recording && quiet(e, s)) {
                resume(now, e, s);
            }
        }
        if (engines_[e].batch.state() == Batch::State::Recording &&
            !translator_.asking(batch_user(e))) {
            resume_batch(now, e);
        }
    }
}

// Who writes a record for the device raises its interrupt, too (5.9).
bool Engines::interrupt_due(const Work& work, const CompletionRecord& record,
                            const RecordWay& way) const {
    const bool asked = (work.descriptor.flags & flag::kRequestInterrupt) != 0 &&
                       record.status != Status::InvalidInterruptHandle &&
                       (record.invalid_flags & flag::kRequestInterrupt) == 0 &&
                       registers_.interrupts().valid(interrupt_of(work), work.pasid);
    if (!asked || shared_.probes.has(kRefusedFires)) {
        return asked;
    }
    return registers_.may_interrupt(work) && !withheld(record) && way.refused == Status::Success;
}

trace::Name Engines::tell_end(TimePs now, const Work& work, const Issuer& issuer,
                              const CompletionRecord& record, const RecordWay& way) {
    const Descriptor& d = work.descriptor;
    const bool interrupt = interrupt_due(work, record, way);
    const bool ahead = shared_.probes.has(kInterruptAhead);
    if (interrupt && ahead) {
        registers_.interrupts().fire(now, interrupt_of(work), work.number);
    }
    trace::Name how = shared_.names.none;
    if (way.way) {
        const RecordBytes bytes = encode(record);
        // Software is about to look at it.
        port_.write(now, issuer, d.record, *way.way, {bytes.begin(), bytes.end()},
                    shared_.names.completion, pcie::CacheHint::Cache);
        how = shared_.names.record;
    } else if (way.refused != Status::Success) {
        how = record_lost(now, work, record, way.refused);
    } else if (is_error(record)) {
        report_error(now, work, record);
        how = shared_.names.lost;
    }
    if (interrupt && !ahead) {
        registers_.interrupts().fire(now, interrupt_of(work), work.number);
    }
    return how;
}

// The page of the record is not to be had: the error tells where it should have been, and the event
// log keeps it for software to write.
trace::Name Engines::record_lost(TimePs now, const Work& work, const CompletionRecord& record,
                                 Status why) {
    if (why == Status::RecordPageFault || why == Status::TranslationFailure) {
        shared_.probes.hit(kRecordFaulted);
        shared_.emit(trace::DsaFault{shared_.names.device, work.number, traced_pasid(work.pasid),
                                     Iova{work.descriptor.record}, true});
    }
    SoftwareError error = error_of(work, record);
    error.error = static_cast<std::uint8_t>(why);
    error.write = true;
    error.address = work.descriptor.record;
    LoggedError entry = logged(error, work, record);
    entry.first_of_batch = why == Status::RecordPageFault && work.batch &&
                           engines_[work.batch->engine].batch.first_logged();
    registers_.report(now, entry);
    return shared_.names.lost;
}

SoftwareError Engines::error_of(const Work& work, const CompletionRecord& record) {
    SoftwareError error;
    error.descriptor_valid = error.wq_valid = true;
    error.batch = work.batch.has_value();
    error.batch_index = work.batch ? static_cast<std::uint16_t>(work.batch->index) : 0;
    error.error = static_cast<std::uint8_t>(record.status);
    error.write = record.fault_write;
    error.wq = static_cast<std::uint8_t>(work.wq);
    error.opcode = work.descriptor.opcode;
    error.pasid = work.pasid ? work.pasid->value() : 0;
    error.privileged = work.privileged;
    error.invalid_flags = record.invalid_flags;
    error.address =
        record.status == Status::RecordMisaligned ? work.descriptor.record : record.fault_address;
    return error;
}

std::uint32_t Engines::engine_of(const Work& work) const {
    if (work.batch) {
        return work.batch->engine;
    }
    std::uint32_t engine = 0;
    for (std::uint32_t e = 0; work.is_batch() && e < count(); ++e) {
        const Batch& unit = engines_[e].batch;
        const bool here = unit.state() != Batch::State::Free && unit.work().number == work.number;
        engine = here ? e : engine;
    }
    return engine;
}

// A batch is told apart by its engine, which works on one at a time.
LoggedError Engines::logged(const SoftwareError& error, const Work& work,
                            const CompletionRecord& record) const {
    return {error,
            work.number,
            work.descriptor.interrupt_handle,
            (work.descriptor.flags & flag::kRequestInterrupt) != 0,
            work.stored_messages,
            record_due(work, record),
            static_cast<std::uint8_t>(engine_of(work)),
            false,
            encode(record)};
}

void Engines::report_error(TimePs now, const Work& work, const CompletionRecord& record) {
    registers_.report(now, logged(error_of(work, record), work, record));
}

void Engines::tell_entry_end(const Work& work, const CompletionRecord& record, trace::Name how,
                             std::uint32_t bytes) {
    shared_.emit(trace::DsaBatchEntryDone{shared_.names.device, work.number, work.batch->index,
                                          encode(record)[0], how, bytes});
}

// The slot is free again, and the batch of an entry knows.
void Engines::release(TimePs now, Operation& op, bool success, bool written) {
    const std::optional<BatchPlace> place = op.work().batch;
    op.release();
    --active_;
    if (place) {
        engines_[place->engine].batch.entry_done(success, written);
        batch_moved(now, place->engine);
    }
    check_waiting_drains(now);
}

// --- aborts and drains ---

void Engines::cut_short(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    shared_.probes.hit(kAbortedRunning);
    if (op.state() == Operation::State::AwaitsOthers) {
        --drains_waiting_;
    }
    op.abort();
    translator_.abandon(now, slot_user(engine, slot));
    if (op.finished() && quiet(engine, slot)) {  // no read is outstanding, no translation
        end_aborted(now, engine, slot);
    }
}

void Engines::end_aborted(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (op.work().batch) {
        tell_entry_end(op.work(), CompletionRecord{}, shared_.names.abort);
    } else {
        tell_aborted(now, op.work(), op.record().bytes_completed);
    }
    release(now, op, false, true);
}

void Engines::tell_aborted(TimePs now, const Work& work, std::uint32_t bytes) const {
    shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq], work.number,
                                    traced_pasid(work.pasid), 0, shared_.names.abort, bytes,
                                    now - work.accepted});
}

void Engines::function_reset(TimePs now) {
    for (Engine& engine : engines_) {
        for (Operation& op : engine.slots) {
            if (op.state() == Operation::State::Free) {
                continue;
            }
            if (op.work().batch) {
                tell_entry_end(op.work(), CompletionRecord{}, shared_.names.abort);
            } else {
                tell_aborted(now, op.work(), op.record().bytes_completed);
            }
            op.discard();
        }
        if (engine.batch.state() != Batch::State::Free) {
            tell_aborted(now, engine.batch.work(), 0);
            engine.batch.discard();
        }
    }
    active_ = drains_waiting_ = 0;
    starved_ = false;
    steps_.clear();
    held_fills_.clear();
    port_.reset(now);
    translator_.reset(now);
}

void Engines::dropped(TimePs now, const Work& work, std::uint32_t occupancy) const {
    shared_.probes.hit(kAbortedQueued);
    shared_.emit(trace::DsaDispatch{shared_.names.device, shared_.names.wqs[work.wq], trace::Name{},
                                    work.number, traced_pasid(work.pasid),
                                    shared_.names.ops[work.descriptor.opcode], occupancy});
    tell_aborted(now, work, 0);
}

bool Engines::others_pending(const Operation& drain) const {
    // Dispatch is in order within a workqueue: whatever was accepted before is in an engine or
    // done.
    const Work& mine = drain.work();
    return any([&mine](const Work& other) {
        return other.wq == mine.wq && other.pasid == mine.pasid && other.number < mine.number;
    });
}

void Engines::check_waiting_drains(TimePs now) {
    if (drains_waiting_ == 0) {
        return;
    }
    for (std::uint32_t e = 0; e < count(); ++e) {
        for (std::uint32_t s = 0; s < engines_[e].slots.size(); ++s) {
            Operation& op = engines_[e].slots[s];
            if (op.state() == Operation::State::AwaitsOthers && !others_pending(op)) {
                --drains_waiting_;
                moved(now, e, s);
            }
        }
    }
}

}  // namespace ioasim::dsa
