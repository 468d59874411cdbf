#include "models/dsa/engines.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {

namespace {
// Payloads that a fill hands to the link before it looks again.
constexpr std::uint32_t kFillBurst = 8;
}  // namespace

Engines::Engines(const DeviceShared& shared, Registers& registers)
    : shared_(shared), registers_(registers), port_(shared), engines_(shared.config.engines) {
    for (Engine& engine : engines_) {
        engine.slots.resize(shared.params.engine_depth);
    }
}

std::optional<TimePs> Engines::free_at(std::uint32_t engine) const {
    const Engine& e = engines_[engine];
    const bool room = std::any_of(e.slots.begin(), e.slots.end(), [](const Operation& op) {
        return op.state() == Operation::State::Free;
    });
    return room ? std::optional<TimePs>(e.decoder_free) : std::nullopt;
}

std::uint32_t Engines::load(std::uint32_t engine) const {
    const auto& slots = engines_[engine].slots;
    return static_cast<std::uint32_t>(
        std::count_if(slots.begin(), slots.end(),
                      [](const Operation& op) { return op.state() != Operation::State::Free; }));
}

void Engines::schedule(TimePs at, StepKind kind, std::uint32_t engine, std::uint32_t slot) {
    // Rank: engine, then slot, so that equal times never depend on the order of scheduling.
    const auto rank = static_cast<std::uint32_t>(engine * shared_.params.engine_depth + slot);
    steps_.schedule(at, rank, {kind, engine, slot, engines_[engine].slots[slot].generation()});
}

void Engines::start(TimePs now, std::uint32_t engine, Work work, std::uint32_t occupancy) {
    Engine& e = engines_[engine];
    const auto slot = std::find_if(e.slots.begin(), e.slots.end(), [](const Operation& op) {
        return op.state() == Operation::State::Free;
    });
    SIM_CHECK(slot != e.slots.end() && e.decoder_free <= now, "engine {} cannot take a descriptor",
              engine);
    shared_.emit(trace::DsaDispatch{shared_.names.device, shared_.names.wqs[work.wq],
                                    shared_.names.engines[engine], work.number,
                                    traced_pasid(work.pasid),
                                    shared_.names.ops[work.descriptor.opcode], occupancy});
    Issuer issuer{work.number, work.pasid, work.privileged};
    const Issuer own = issuer;
    if (shared_.probes.has(kPasidOfPrevious) && previous_) {
        issuer.pasid = previous_->pasid;
    }
    previous_ = own;
    slot->begin(std::move(work), issuer);
    ++active_;
    e.decoder_free = now + shared_.params.engine_setup;
    schedule(e.decoder_free, StepKind::Decoded, engine,
             static_cast<std::uint32_t>(slot - e.slots.begin()));
}

void Engines::give_up_overdue(TimePs now) {
    bool any = false;
    while (const auto owner = port_.give_up(now)) {
        any = true;
        slot_of(*owner).answered(*owner, pcie::CplStatus::Abort, {});
        process(now, owner->engine, owner->slot);
    }
    if (any && starved_) {
        issue_all(now);
    }
}

void Engines::advance(TimePs now) {
    give_up_overdue(now);
    while (steps_.due(now)) {
        const Step step = steps_.pop();
        Operation& op = engines_[step.engine].slots[step.slot];
        if (op.generation() != step.generation || op.aborted()) {
            continue;
        }
        switch (step.kind) {
            case StepKind::Decoded:
                decoded(now, step.engine, step.slot);
                break;
            case StepKind::Fill:
                fill(now, step.engine, step.slot);
                break;
            case StepKind::Close:
                finish(now, op);
                break;
        }
    }
}

void Engines::decoded(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (const auto refusal = refuse(op.work(), registers_, shared_.params.max_transfer_shift)) {
        op.record() = *refusal;
        close(now, engine, slot);
        return;
    }
    if (op.work().descriptor.opcode == static_cast<std::uint8_t>(Opcode::Drain)) {
        op.set_state(Operation::State::AwaitsOthers);
        ++drains_waiting_;
        check_waiting_drains(now);
        return;
    }
    op.set_state(Operation::State::Moving);
    if (op.fills()) {
        fill(now, engine, slot);
    } else if (op.reads()) {
        issue_reads(now, engine, slot);
    } else {
        close(now, engine, slot);
    }
}

void Engines::issue_reads(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (op.state() != Operation::State::Moving || !op.reads()) {
        return;
    }
    const std::uint32_t limit = port_.max_read(op.sources());
    std::uint32_t length = op.next_chunk(limit);
    while (length != 0) {
        if (shared_.fabric.held_back()) {
            starved_ = true;
            return;
        }
        if (!port_.can_read(length, op.sources())) {
            starved_ = true;
            shared_.probes.hit(kBuffersExhausted);
            return;
        }
        const Operation::Read parts[2] = {op.part(0, length), op.part(1, length)};
        const std::uint64_t chunk = op.issued(length);
        for (std::uint32_t i = 0; i < op.sources(); ++i) {
            port_.read(now, op.issuer(), parts[i].address, {engine, slot, chunk, i, length});
        }
        if ((parts[0].address + length) % kPageSize == 0) {
            shared_.probes.hit(kPageEnd);
        }
        length = op.next_chunk(limit);
    }
}

void Engines::issue_all(TimePs now) {
    starved_ = false;
    for (std::uint32_t i = 0; i < count(); ++i) {
        const std::uint32_t engine = (first_to_issue_ + i) % count();
        for (std::uint32_t slot = 0; slot < engines_[engine].slots.size(); ++slot) {
            issue_reads(now, engine, slot);
        }
    }
    first_to_issue_ = (first_to_issue_ + 1) % count();
}

void Engines::way_out_free(TimePs now) {
    for (const Step& step : std::exchange(held_fills_, {})) {
        if (engines_[step.engine].slots[step.slot].generation() == step.generation) {
            schedule(now, step.kind, step.engine, step.slot);
        }
    }
    if (starved_) {
        issue_all(now);
    }
}

bool Engines::answer(TimePs now, pcie::Tlp completion) {
    if (port_.late(completion.tag)) {
        if (starved_) {
            issue_all(now);
        }
        return true;
    }
    const auto owner = port_.take(completion.tag);
    if (!owner) {
        return false;
    }
    slot_of(*owner).answered(*owner,
                             completion.poisoned ? pcie::CplStatus::Abort : completion.status,
                             std::move(completion.data));
    process(now, owner->engine, owner->slot);
    if (starved_) {
        issue_all(now);
    }
    return true;
}

void Engines::process(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    std::optional<Operation::Write> write;
    std::optional<Operation::Read> fault;
    while (op.take_ready(write, fault)) {
        if (write) {
            port_.write(now, op.issuer(), write->address, std::move(write->data),
                        shared_.names.destination);
        }
        if (fault) {
            shared_.probes.hit(kReadFaulted);
            shared_.emit(trace::DsaFault{shared_.names.device, op.work().number,
                                         traced_pasid(op.issuer().pasid), Iova{fault->address},
                                         false});
        }
    }
    if (!op.finished()) {
        return;
    }
    if (op.aborted()) {
        end(now, op, shared_.names.abort, 0);
    } else {
        close(now, engine, slot);
    }
}

void Engines::fill(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (shared_.fabric.held_back()) {
        held_fills_.push_back({StepKind::Fill, engine, slot, op.generation()});
        return;
    }
    Operation::Write write =
        op.fill(static_cast<std::uint32_t>(shared_.params.max_payload) * kFillBurst);
    const TimePs free_at = port_.write(now, op.issuer(), write.address, std::move(write.data),
                                       shared_.names.destination);
    if (op.finished()) {
        close(now, engine, slot);
    } else {
        schedule(std::max(free_at, now + TimePs{1}), StepKind::Fill, engine, slot);
    }
}

void Engines::close(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    op.set_state(Operation::State::Closing);
    const Descriptor& d = op.work().descriptor;
    if ((d.flags & flag::kCheckResult) != 0 && op.record().status == Status::Success &&
        op.record().result != d.expected_result) {
        op.record().status = Status::ResultNotExpected;
    }
    schedule(now + shared_.params.completion, StepKind::Close, engine, slot);
}

void Engines::finish(TimePs now, Operation& op) {
    tell_end(now, op);
    if (shared_.probes.has(kCompleteTwice)) {
        tell_end(now, op);
    }
    op.release();
    --active_;
    check_waiting_drains(now);
}

void Engines::tell_end(TimePs now, Operation& op) {
    const Work& work = op.work();
    const Descriptor& d = work.descriptor;
    const CompletionRecord& record = op.record();
    const bool failed = record.status != Status::Success;
    trace::Name how = shared_.names.none;
    if (has_record_address(d)) {
        if (failed || (d.flags & flag::kRequestRecord) != 0) {
            const RecordBytes bytes = encode(record);
            port_.write(now, op.issuer(), d.record, {bytes.begin(), bytes.end()},
                        shared_.names.completion);
            how = shared_.names.record;
        }
    } else if (failed) {
        SoftwareError error;
        error.descriptor_valid = error.wq_valid = true;
        error.error = static_cast<std::uint8_t>(record.status);
        error.wq = static_cast<std::uint8_t>(work.wq);
        error.opcode = d.opcode;
        error.pasid = work.pasid ? work.pasid->value() : 0;
        error.privileged = work.privileged;
        error.invalid_flags = record.invalid_flags;
        error.address = record.status == Status::RecordMisaligned ? d.record : record.fault_address;
        registers_.report(now, error);
        how = shared_.names.lost;
    }
    const bool refused_interrupt = record.status == Status::InvalidInterruptHandle ||
                                   (record.invalid_flags & flag::kRequestInterrupt) != 0;
    if ((d.flags & flag::kRequestInterrupt) != 0 && !refused_interrupt &&
        registers_.valid_handle(d.interrupt_handle, work.pasid)) {
        registers_.fire(now, d.interrupt_handle);
    }
    shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq], work.number,
                                    traced_pasid(work.pasid), encode(record)[0], how,
                                    record.bytes_completed, now - work.accepted});
}

// --- aborts and drains ---

void Engines::cut_short(TimePs now, Operation& op) {
    shared_.probes.hit(kAbortedRunning);
    if (op.state() == Operation::State::AwaitsOthers) {
        --drains_waiting_;
    }
    op.abort();
    if (op.finished()) {  // no read is outstanding
        end(now, op, shared_.names.abort, 0);
    }
}

void Engines::end(TimePs now, Operation& op, trace::Name how, std::uint32_t status) {
    const Work& work = op.work();
    shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq], work.number,
                                    traced_pasid(work.pasid), status, how,
                                    op.record().bytes_completed, now - work.accepted});
    op.release();
    --active_;
    check_waiting_drains(now);
}

void Engines::dropped(TimePs now, const Work& work, std::uint32_t occupancy) const {
    shared_.probes.hit(kAbortedQueued);
    shared_.emit(trace::DsaDispatch{shared_.names.device, shared_.names.wqs[work.wq], trace::Name{},
                                    work.number, traced_pasid(work.pasid),
                                    shared_.names.ops[work.descriptor.opcode], occupancy});
    shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq], work.number,
                                    traced_pasid(work.pasid), 0, shared_.names.abort, 0,
                                    now - work.accepted});
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
                close(now, e, s);
            }
        }
    }
}

}  // namespace ioasim::dsa
