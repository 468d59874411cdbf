// Level: the life of an ID is a level, events mark its edges: one event a transition, FREE once a
// life, BIND and UNBIND in turn, one alias an ID and one ID an alias.
#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

using trace::IoasidState;

const char* label(IoasidState state) {
    return trace::kIoasidStateLabels[static_cast<std::size_t>(state)];
}

class LevelChecker final : public Checker {
public:
    using Checker::Checker;
    const char* name() const override { return "level"; }
    void add_handlers(HandlerTable& table) override {
        using Self = LevelChecker;
        on<Self, trace::IoasidStateChange, &Self::on_state>(table);
        on<Self, trace::IoasidBind, &Self::on_bind>(table);
        on<Self, trace::IoasidUnbind, &Self::on_unbind>(table);
        on<Self, trace::IoasidFree, &Self::on_free>(table);
        on<Self, trace::IoasidReclaim, &Self::on_reclaim>(table);
    }

private:
    static bool legal(IoasidState from, IoasidState to) {
        switch (from) {
            case IoasidState::Free:
                return to == IoasidState::Idle;
            case IoasidState::Idle:
                return to == IoasidState::Active || to == IoasidState::Free;
            case IoasidState::Active:
                return to == IoasidState::Idle || to == IoasidState::FreePending;
            case IoasidState::FreePending:
                return to == IoasidState::Free;
        }
        return false;
    }

    // The facts still hold the state before the event.
    void on_state(const trace::EventRecord& record) {
        const std::uint32_t space = IOASIM_ID_SPACE(c_.facts, record, IoasidStateChange);
        const std::uint32_t number = IOASIM_U32(record, IoasidStateChange, ioasid);
        const IoasidState known = c_.facts.ids.at(space, number).state;
        const auto from = static_cast<IoasidState>(IOASIM_FIELD(record, IoasidStateChange, from));
        const auto to = static_cast<IoasidState>(IOASIM_FIELD(record, IoasidStateChange, to));
        if (to == IoasidState::FreePending) {
            was_pending_[pair_key(space, number)] = 1;
        }
        if (known != from) {
            c_.sink.report_id("level.transition", record, space, number,
                              fmt::format("left {} although it was {}", label(from), label(known)));
        } else if (!legal(from, to)) {
            c_.sink.report_id("level.transition", record, space, number,
                              fmt::format("went from {} to {}, which is no legal transition",
                                          label(from), label(to)));
        }
    }

    void on_bind(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidBind);
        const std::uint32_t number = IOASIM_U32(record, IoasidBind, ioasid);
        const std::uint32_t set = IOASIM_U32(record, IoasidBind, set);
        const std::uint32_t spid = IOASIM_U32(record, IoasidBind, spid);
        if (c_.facts.ids.at(kernel, number).bound) {
            c_.sink.report_id("level.repeated_bind", record, kernel, number,
                              "BIND was sent again without an UNBIND between");
        }
        if (spid == kNoId) {
            return;
        }
        std::uint32_t& user = spid_user_[spid_key(kernel, set, spid)];
        if (user != 0 && user - 1 != number) {
            c_.sink.report_id(
                "level.spid_used_twice", record, kernel, number,
                fmt::format("got SPID {} although ID {} of the same set has it", spid, user - 1));
        }
        user = number + 1;
    }

    void on_unbind(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidUnbind);
        const std::uint32_t number = IOASIM_U32(record, IoasidUnbind, ioasid);
        const IdFacts& id = c_.facts.ids.at(kernel, number);
        if (!id.bound) {
            c_.sink.report_id("level.repeated_unbind", record, kernel, number,
                              "UNBIND was sent although no BIND is open");
        }
        forget_spid(kernel, IOASIM_U32(record, IoasidUnbind, set), number, id.spid);
    }

    void forget_spid(std::uint32_t kernel, std::uint32_t set, std::uint32_t number,
                     std::uint32_t spid) {
        if (spid == kNoId) {
            return;
        }
        const std::uint64_t key = spid_key(kernel, set, spid);
        std::uint32_t* user = spid_user_.find(key);
        if (user != nullptr && *user == number + 1) {
            *user = 0;
        }
    }

    void on_free(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidFree);
        const std::uint32_t number = IOASIM_U32(record, IoasidFree, ioasid);
        if (c_.facts.ids.at(kernel, number).free_sent) {
            c_.sink.report_id("level.repeated_free", record, kernel, number,
                              "FREE was sent twice in one life");
        }
    }

    void on_reclaim(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidReclaim);
        const std::uint32_t number = IOASIM_U32(record, IoasidReclaim, ioasid);
        const IdFacts& id = c_.facts.ids.at(kernel, number);
        if (id.bound) {
            c_.sink.report_id("level.missing_unbind", record, kernel, number,
                              "went back to the pool without the UNBIND that its BIND asks for");
            forget_spid(kernel, IOASIM_U32(record, IoasidReclaim, set), number, id.spid);
        }
        // A core without states (mainline) tells none; then nothing is pending.
        const bool pending = was_pending_.find(pair_key(kernel, number)) != nullptr;
        if (pending && !id.free_sent) {
            c_.sink.report_id("level.missing_free", record, kernel, number,
                              "was freed while in use, but FREE was never sent to its users");
        }
        was_pending_.erase(pair_key(kernel, number));
    }

    std::uint64_t spid_key(std::uint32_t kernel, std::uint32_t set, std::uint32_t spid) {
        std::uint32_t& number = set_numbers_[pair_key(kernel, set)];
        if (number == 0) {
            number = static_cast<std::uint32_t>(set_numbers_.size());
        }
        return pair_key(number, spid);
    }

    FlatMap<std::uint32_t> set_numbers_;  // (kernel, set), from 1
    PagedMap<std::uint32_t> spid_user_;   // (number of the set, SPID) -> ID + 1; 0: nobody
    FlatMap<std::uint32_t> was_pending_;  // IDs in FREE_PENDING
};

}  // namespace

std::unique_ptr<Checker> make_level_checker(const CheckerContext& context) {
    return std::make_unique<LevelChecker>(context);
}

}  // namespace ioasim::traces
