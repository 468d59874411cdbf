// Batches in engines: the list, the entries, the end.
#include "core/base/check.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/engines.hpp"

namespace ioasim::dsa {

void Engines::batch_decoded(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    if (const auto refusal = refuse(batch.work(), registers_, shared_)) {
        batch.record() = *refusal;
        tell_refusal(now, batch.work(), batch.record());
        batch.close();
        schedule(now + shared_.params.completion, StepKind::BatchClose, engine, 0);
        return;
    }
    batch.run();
    fetch_list(now, engine);
}

void Engines::fetch_list(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    const auto read = batch.next_fetch(port_.max_read(batch.issuer().group));
    if (!read) {
        return;
    }
    if (shared_.fabric.held_back()) {
        starved_ = true;
        return;
    }
    if (!port_.can_read(batch.issuer().group, read->length)) {
        starved_ = true;
        shared_.probes.hit(kBuffersExhausted);
        return;
    }
    const auto way =
        translator_.route(now, batch.issuer(), {batch_user(engine), Operand::List, read->address});
    if (way.kind == Translator::Route::Kind::Refused) {
        batch.fetch_refused(way.why);
        list_failed(now, engine);
        batch_moved(now, engine);
    }
    if (!way.goes()) {
        return;
    }
    batch.fetching(read->length);
    port_.read(now, batch.issuer(), read->address, way.way, {engine, 0, 0, kListPart, read->length},
               shared_.names.list);
}

void Engines::list_answered(TimePs now, const ReadOwner& owner, pcie::CplStatus status,
                            const std::vector<std::uint8_t>& data) {
    const std::uint32_t engine = owner.engine;
    Batch& batch = engines_[engine].batch;
    batch.fetched(status, data, owner.length);
    if (!batch.aborted() && batch.record().status != Status::Success) {
        list_failed(now, engine);
    }
    fetch_list(now, engine);
    batch_moved(now, engine);
}

void Engines::list_failed(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    tell_fault(now, batch.work(), batch.issuer(), batch.record());
}

std::optional<TimePs> Engines::entry_at(std::uint32_t engine) const {
    const Engine& e = engines_[engine];
    const bool ready = e.batch.entry_ready(!shared_.probes.has(kFenceIgnored));
    return ready && has_free_slots(engine, 1) ? std::optional<TimePs>(e.decoder_free)
                                              : std::nullopt;
}

void Engines::start_entry(TimePs now, std::uint32_t engine) {
    Engine& e = engines_[engine];
    Work entry = e.batch.next_entry(engine);
    shared_.emit(trace::DsaBatchEntry{shared_.names.device, shared_.names.engines[engine],
                                      entry.number, entry.batch->index,
                                      shared_.names.ops[entry.descriptor.opcode]});
    e.entries_turn = false;
    // The requests are those of the batch, but each entry says for itself whether it blocks.
    Issuer issuer = e.batch.issuer();
    issuer.block =
        (entry.descriptor.flags & flag::kBlockOnFault) != 0 || shared_.probes.has(kEntriesBlock);
    occupy(now, engine, std::move(entry), issuer);
    fetch_list(now, engine);
}

// Something about the batch changed: it may be over.
void Engines::batch_moved(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    if (batch.aborted() && batch.state() != Batch::State::Free) {
        if (batch.finished() && !translator_.asking(batch_user(engine))) {
            tell_aborted(now, batch.work(), 0);
            batch.release();
            --active_;
            check_waiting_drains(now);
        }
        return;
    }
    if (batch.state() != Batch::State::Running || !batch.finished()) {
        return;
    }
    batch.conclude();
    batch.close();
    schedule(now + shared_.params.completion, StepKind::BatchClose, engine, 0);
}

void Engines::finish_batch(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    const Work& work = batch.work();
    batch.record_waits();
    const RecordWay way = record_way(now, batch_user(engine), work, batch.issuer(), batch.record());
    if (way.wait || translator_.asking(batch_user(engine)) ||
        waits_for_log(work, batch.record(), way)) {
        return;
    }
    const trace::Name how = tell_end(now, work, batch.issuer(), batch.record(), way);
    shared_.emit(trace::DsaComplete{shared_.names.device, shared_.names.wqs[work.wq], work.number,
                                    traced_pasid(work.pasid), encode(batch.record())[0], how,
                                    batch.record().bytes_completed, now - work.accepted});
    batch.release();
    --active_;
    check_waiting_drains(now);
}

}  // namespace ioasim::dsa
