// Where engines wait for translations, and go on.
#include "core/trace/device_events.hpp"
#include "models/dsa/dsa_probes.hpp"
#include "models/dsa/engines.hpp"

namespace ioasim::dsa {
namespace {

Operand operand_of(Field field, bool second) {
    switch (field) {
        case Field::Source:
            return Operand::Source;
        case Field::Destination:
            return second ? Operand::Source2 : Operand::Destination;
        case Field::Third:
            return Operand::Destination2;
        case Field::Record:
            return Operand::Record;
        default:
            return Operand::List;
    }
}

}  // namespace

Translator::Route Engines::route(TimePs now, std::uint32_t engine, std::uint32_t slot, Field field,
                                 bool second, std::uint64_t address, bool write) {
    const Operation& op = engines_[engine].slots[slot];
    const bool streams = op.state() == Operation::State::Moving;
    return translator_.route(now, op.issuer(),
                             {slot_user(engine, slot), operand_of(field, second), address, write,
                              streams ? op.end_of(field, second) : 0});
}

void Engines::translate_places(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    for (const Operation::Place& place : engines_[engine].slots[slot].places()) {
        route(now, engine, slot, place.field, place.second, place.address, place.write);
    }
}

bool Engines::routes_of(TimePs now, std::uint32_t engine, std::uint32_t slot, std::uint32_t length,
                        Way (&ways)[2]) {
    Operation& op = engines_[engine].slots[slot];
    bool wait = false;
    for (std::uint32_t i = 0; i < op.sources(); ++i) {
        const Operation::Read part = op.part(i, length);
        const auto one = route(now, engine, slot, part.field, i != 0, part.address, false);
        if (one.kind == Translator::Route::Kind::Refused) {
            op.refused(i, length, one.why);
            process(now, engine, slot);
            return false;
        }
        wait = wait || !one.goes();
        ways[i] = one.way;
    }
    return !wait;
}

void Engines::translated(TimePs now, AtsUser user) {
    if (user.slot == shared_.params.engine_depth) {
        resume_batch(now, user.engine);
    } else {
        resume(now, user.engine, user.slot);
    }
}

void Engines::resume(TimePs now, std::uint32_t engine, std::uint32_t slot) {
    Operation& op = engines_[engine].slots[slot];
    if (op.aborted()) {
        if (op.state() != Operation::State::Free && op.finished() && quiet(engine, slot)) {
            end_aborted(now, engine, slot);
        }
        return;
    }
    switch (op.state()) {
        case Operation::State::Prelude:
        case Operation::State::Readback:
            issue_words(now, engine, slot);
            return;
        case Operation::State::Recording:
            finish(now, engine, slot);
            return;
        case Operation::State::Moving:
            break;
        default:
            return;
    }
    if (op.fills()) {
        if (op.has_write()) {
            fill(now, engine, slot);
        }
        return;
    }
    issue_writes(now, engine, slot);
    process(now, engine, slot);
    issue_reads(now, engine, slot);
}

void Engines::resume_batch(TimePs now, std::uint32_t engine) {
    Batch& batch = engines_[engine].batch;
    if (batch.aborted()) {
        batch_moved(now, engine);
    } else if (batch.state() == Batch::State::Running) {
        fetch_list(now, engine);
    } else if (batch.state() == Batch::State::Recording) {
        finish_batch(now, engine);
    }
}

}  // namespace ioasim::dsa
