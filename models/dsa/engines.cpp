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

bool is_free(const Operation& op) {
    return op.state() == Operation::State::Free;
}
}  // namespace

Engines::Engines(const DeviceShared& shared, Registers& registers, Function& function)
    : shared_(shared),
      registers_(registers),
      port_(shared),
      translator_(shared, function, registers, port_, *this),
      engines_(shared.config.engines) {
    for (Engine& engine : engines_) {
        engine.slots.resize(shared.params.engine_depth);
    }
}

std::uint32_t Engines::free_slots(std::uint32_t engine) const {
    const auto& slots = engines_[engine].slots;
    return static_cast<std::uint32_t>(std::count_if(slots.begin(), slots.end(), is_free));
}

bool Engines::has_free_slots(std::uint32_t engine, std::uint32_t wanted) const {
    const auto& slots = engines_[engine].slots;
    for (auto slot = slots.begin(); wanted != 0 && slot != slots.end(); ++slot) {
        wanted -= is_free(*slot) ? 1 : 0;
    }
    return wanted == 0;
}

std::uint32_t Engines::free_slot(std::uint32_t engine) const {
    const auto& slots = engines_[engine].slots;
    const auto slot = std::find_if(slots.begin(), slots.end(), is_free);
    SIM_CHECK(slot != slots.end(), "engine {} has no free slot", engine);
    return static_cast<std::uint32_t>(slot - slots.begin());
}

std::optional<TimePs> Engines::free_at(std::uint32_t engine, bool batch) const {
    const Engine& e = engines_[engine];
    const bool batch_unit_free = e.batch.state() == Batch::State::Free;
    if (batch && !batch_unit_free) {
        return std::nullopt;
    }
    // A batch that has no entry in a slot keeps one free: its entries can always go on, whatever
    // waits in the other slots.
    const std::uint32_t kept = !batch_unit_free && e.batch.idle() ? 1 : 0;
    return has_free_slots(engine, kept + 1) ? std::optional<TimePs>(e.decoder_free) : std::nullopt;
}

std::uint32_t Engines::load(std::uint32_t engine) const {
    const Engine& e = engines_[engine];
    return static_cast<std::uint32_t>(e.slots.size()) - free_slots(engine) +
           (e.batch.state() == Batch::State::Free ? 0U : 1U);
}

void Engines::schedule(TimePs at, StepKind kind, std::uint32_t engine, std::uint32_t slot) {
    // Rank: engine, then slot, so that equal times never depend on the order of scheduling.
    const Engine& e = engines_[engine];
    const bool batch = kind == StepKind::BatchDecoded || kind == StepKind::BatchClose;
    const auto rank = static_cast<std::uint32_t>(engine * (shared_.params.engine_depth + 1) +
                                                 (batch ? shared_.params.engine_depth : slot));
    const std::uint32_t generation = batch ? e.batch.generation() : e.slots[slot].generation();
    steps_.schedule(at, rank, {kind, engine, slot, generation});
}

Issuer Engines::issuer_of(const Work& work) {
    Issuer issuer{work.number, work.pasid, work.privileged, work.group, work.ats, work.prs, false};
    // Batch and drain have no such flag, and block whenever pages can be asked for.
    const auto op = static_cast<Opcode>(work.descriptor.opcode);
    issuer.block = (work.descriptor.flags & flag::kBlockOnFault) != 0 || op == Opcode::Batch ||
                   op == Opcode::Drain;
    const Issuer own = issuer;
    if (shared_.probes.has(kPasidOfPrevious) && previous_) {
        issuer.pasid = previous_->pasid;
    }
    previous_ = own;
    return issuer;
}

void Engines::start(TimePs now, std::uint32_t engine, Work work, std::uint32_t occupancy) {
    Engine& e = engines_[engine];
    SIM_CHECK(free_at(engine, work.is_batch()).has_value() && e.decoder_free <= now,
              "engine {} cannot take a descriptor", engine);
    shared_.emit(trace::DsaDispatch{shared_.names.device, shared_.names.wqs[work.wq],
                                    shared_.names.engines[engine], work.number,
                                    traced_pasid(work.pasid),
                                    shared_.names.ops[work.descriptor.opcode], occupancy});
    const Issuer issuer = issuer_of(work);
    e.entries_turn = true;
    if (work.is_batch()) {
        e.batch.begin(std::move(work), issuer);
        translator_.begin(batch_user(engine));
        ++active_;
        e.decoder_free = now + shared_.params.engine_setup;
        schedule(e.decoder_free, StepKind::BatchDecoded, engine, 0);
        return;
    }
    occupy(now, engine, std::move(work), issuer);
}

void Engines::occupy(TimePs now, std::uint32_t engine, Work work, const Issuer& issuer) {
    Engine& e = engines_[engine];
    const std::uint32_t slot = free_slot(engine);
    e.slots[slot].begin(std::move(work), issuer);
    translator_.begin(slot_user(engine, slot));
    ++active_;
    e.decoder_free = now + shared_.params.engine_setup;
    if (shared_.probes.fails(kEngineHangs, shared_.config.name)) {
        e.decoder_free += TimePs{shared_.probes.extent()};
    }
    schedule(e.decoder_free, StepKind::Decoded, engine, slot);
}

void Engines::give_up_overdue(TimePs now) {
    bool any = port_.end_quarantine(now);
    while (const auto overdue = port_.give_up(now)) {
        any = true;
        deliver(now, overdue->owner, pcie::CplStatus::Abort, {});
        if (!shared_.probes.has(kWaitsForLostRead)) {
            translator_.read_ended(now, overdue->tag);
        }
    }
    if (any && starved_) {
        issue_all(now);
    }
}

void Engines::advance(TimePs now) {
    give_up_overdue(now);
    translator_.advance(now);
    while (steps_.due(now)) {
        const Step step = steps_.pop();
        Engine& e = engines_[step.engine];
        if (step.kind == StepKind::BatchDecoded || step.kind == StepKind::BatchClose) {
            if (e.batch.generation() == step.generation && !e.batch.aborted()) {
                step.kind == StepKind::BatchDecoded ? batch_decoded(now, step.engine)
                                                    : finish_batch(now, step.engine);
            }
            continue;
        }
        Operation& op = e.slots[step.slot];
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
            default:
                finish(now, step.engine, step.slot);
                break;
        }
    }
}

void Engines::decoded(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (const auto refusal = refuse(op.work(), registers_, shared_)) {
        op.record() = *refusal;
        tell_refusal(now, op.work(), op.record());
        close(now, engine, slot);
        return;
    }
    op.plan(shared_.probes);
    translate_places(now, engine, slot);
    if (op.opcode() == Opcode::Drain) {
        op.set_state(Operation::State::AwaitsOthers);
        ++drains_waiting_;
        check_waiting_drains(now);
    } else if (op.wants_prelude()) {
        op.set_state(Operation::State::Prelude);
        issue_words(now, engine, slot);
    } else {
        move(now, engine, slot);
    }
}

void Engines::move(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    op.set_state(Operation::State::Moving);
    if (op.fills()) {
        fill(now, engine, slot);
    } else if (op.reads()) {
        issue_reads(now, engine, slot);
    } else {
        moved(now, engine, slot);
    }
}

// --- requests ---

void Engines::issue_reads(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (op.state() != Operation::State::Moving || !op.reads()) {
        return;
    }
    const std::uint32_t limit = port_.max_read(op.issuer().group, op.sources());
    std::uint32_t length = op.next_chunk(limit);
    while (length != 0) {
        if (shared_.fabric.held_back()) {
            starved_ = true;
            return;
        }
        const Operation::Read parts[2] = {op.part(0, length), op.part(1, length)};
        if (!port_.can_read(op.issuer().group, parts[0].length, op.sources())) {
            starved_ = true;
            shared_.probes.hit(kBuffersExhausted);
            return;
        }
        Way ways[2];
        if (!routes_of(now, engine, slot, length, ways)) {
            return;
        }
        const std::uint64_t chunk = op.issued(length);
        for (std::uint32_t i = 0; i < op.sources(); ++i) {
            port_.read(now, op.issuer(), parts[i].address, ways[i],
                       {engine, slot, chunk, i, parts[i].length}, shared_.names.source);
        }
        if ((parts[0].address + parts[0].length) % kPageSize == 0) {
            shared_.probes.hit(kPageEnd);
        }
        length = op.next_chunk(limit);
    }
}

void Engines::issue_words(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    const bool back = op.state() == Operation::State::Readback;
    while (const auto word = op.next_word()) {
        if (shared_.fabric.held_back() || !port_.can_read(op.issuer().group, word->length)) {
            starved_ = true;
            return;
        }
        const auto way = route(now, engine, slot, word->field, false, word->address, false);
        if (way.kind == Translator::Route::Kind::Refused) {
            op.word_refused(way.why);
            words_answered(now, engine, slot);
        }
        if (!way.goes()) {
            return;
        }
        const std::uint32_t index = op.word_issued();
        port_.read(now, op.issuer(), word->address, way.way,
                   {engine, slot, index, kWordPart, word->length},
                   back ? shared_.names.readback : shared_.names.source);
    }
}

TimePs Engines::issue_writes(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    TimePs free_at = now;
    Way way;
    while (op.has_write() && may_write(now, engine, slot, way)) {
        Operation::Write write = op.take_write();
        free_at = port_.write(now, op.issuer(), write.address, way, std::move(write.data),
                              shared_.names.destination, op.hint());
    }
    return free_at;
}

bool Engines::may_write(TimePs now, std::uint32_t engine, std::uint32_t slot, Way& way) {
    Operation& op = engines_[engine].slots[slot];
    const Operation::Write* const both[] = {
        &op.front_write(), shared_.probes.has(kDualcastApart) ? nullptr : op.twin()};
    bool goes = true;
    for (const Operation::Write* write : both) {
        if (write == nullptr) {
            break;
        }
        const std::uint64_t address = write->address;
        const auto one = route(now, engine, slot, write->field, false, address, true);
        if (one.kind == Translator::Route::Kind::Refused) {
            op.write_refused(address, one.why);
            tell_fault(now, op.work(), op.issuer(), op.record());
            return false;
        }
        way = write == both[0] ? one.way : way;
        goes = goes && one.goes();
    }
    return goes;
}

void Engines::issue_all(TimePs now) {
    starved_ = false;
    const std::uint32_t before = port_.outstanding();
    for (std::uint32_t i = 0; i < count(); ++i) {
        const std::uint32_t engine = (rounds_ + i) % count();
        fetch_list(now, engine);
        const auto slots = static_cast<std::uint32_t>(engines_[engine].slots.size());
        for (std::uint32_t j = 0; j < slots; ++j) {
            const std::uint32_t slot = (rounds_ + j) % slots;
            const Operation::State state = engines_[engine].slots[slot].state();
            if (state == Operation::State::Prelude || state == Operation::State::Readback) {
                issue_words(now, engine, slot);
            } else {
                issue_reads(now, engine, slot);
            }
        }
    }
    rounds_ += port_.outstanding() != before ? 1 : 0;
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
    if (translator_.owns(completion.tag)) {
        return translator_.answer(now, completion);
    }
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
    const std::uint32_t tag = completion.tag;
    deliver(now, *owner, completion.poisoned ? pcie::CplStatus::Abort : completion.status,
            std::move(completion.data));
    translator_.read_ended(now, tag);
    if (starved_) {
        issue_all(now);
    }
    return true;
}

void Engines::deliver(TimePs now, const ReadOwner& owner, pcie::CplStatus status,
                      std::vector<std::uint8_t> data) {
    if (owner.part == kListPart) {
        list_answered(now, owner, status, data);
        return;
    }
    slot_of(owner).answered(owner, status, std::move(data));
    if (owner.part == kWordPart) {
        words_answered(now, owner.engine, owner.slot);
    } else {
        process(now, owner.engine, owner.slot);
    }
}

void Engines::tell_fault(TimePs now, const Work& work, const Issuer& issuer,
                         const CompletionRecord& record) {
    shared_.probes.hit(kReadFaulted);
    shared_.emit(trace::DsaFault{shared_.names.device, work.number, traced_pasid(issuer.pasid),
                                 Iova{record.fault_address}, record.fault_write});
    // A translation that fails is an error of the platform: software without the record hears of
    // it too (5.8.1).
    if (record.status == Status::TranslationFailure && has_record_address(work.descriptor)) {
        report_error(now, work, record);
    }
}

// Whoever gave out the handle is told as well, where there is a log for it (5.4).
void Engines::tell_refusal(TimePs now, const Work& work, const CompletionRecord& record) {
    if (record.status == Status::InvalidInterruptHandle && registers_.logs() &&
        has_record_address(work.descriptor)) {
        report_error(now, work, record);
    }
}

void Engines::process(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    std::optional<Operation::Read> fault;
    while (op.take_ready(fault)) {
        if (fault) {
            tell_fault(now, op.work(), op.issuer(), op.record());
        }
        issue_writes(now, engine, slot);
    }
    if (!op.finished()) {
        return;
    }
    if (!op.aborted()) {
        moved(now, engine, slot);
    } else if (quiet(engine, slot)) {
        end_aborted(now, engine, slot);
    }
}

void Engines::words_answered(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (!op.words_done()) {
        return;
    }
    if (op.aborted()) {
        if (quiet(engine, slot)) {
            end_aborted(now, engine, slot);
        }
        return;
    }
    if (op.word_fault()) {
        tell_fault(now, op.work(), op.issuer(), op.record());
        close(now, engine, slot);
    } else if (op.state() == Operation::State::Prelude) {
        op.end_prelude();
        move(now, engine, slot);
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
    if (!op.has_write()) {
        op.fill(static_cast<std::uint32_t>(shared_.params.max_payload) * kFillBurst);
    }
    const TimePs free_at = issue_writes(now, engine, slot);
    if (op.finished()) {
        moved(now, engine, slot);
    } else if (!op.has_write()) {  // else it waits for a translation
        schedule(std::max(free_at, now + TimePs{1}), StepKind::Fill, engine, slot);
    }
}

void Engines::moved(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (shared_.probes.has(kReadbackSkipped) || !op.wants_readback()) {
        close(now, engine, slot);
        return;
    }
    op.set_state(Operation::State::Readback);
    issue_words(now, engine, slot);
}

}  // namespace ioasim::dsa
