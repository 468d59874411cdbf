// References: a ledger by holder. Counts follow gets and puts, nobody puts what he did not get, an
// ID goes back to the pool when and only when the last reference went, and none is left over at the
// end.
#include <map>

#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "traces/checkers.hpp"

namespace ioasim::traces {
namespace {

using trace::IoasidState;

class ReferencesChecker final : public Checker {
public:
    explicit ReferencesChecker(const CheckerContext& context)
        : Checker(context), owner_(c_.recorder.name("owner").value()) {}
    const char* name() const override { return "references"; }
    void add_handlers(HandlerTable& table) override {
        using Self = ReferencesChecker;
        on<Self, trace::IoasidAlloc, &Self::on_alloc>(table);
        on<Self, trace::IoasidGet, &Self::on_get>(table);
        on<Self, trace::IoasidPut, &Self::on_put>(table);
        on<Self, trace::IoasidReclaim, &Self::on_reclaim>(table);
    }

    // A left-over reference is one that nobody will drop: the run is over, and the ID waits for its
    // users, or its owner is gone.
    void on_end(TimePs end) override {
        if (!c_.facts.ended_idle()) {
            return;
        }
        c_.facts.ids.for_each([&](std::uint32_t kernel, std::uint32_t number, const IdFacts& id) {
            if (!id.live || c_.facts.is_destroyed(kernel)) {
                return;
            }
            std::string why;
            if (id.state == IoasidState::FreePending) {
                why = "was freed, but waits for ever in FREE_PENDING";
            } else if (c_.facts.is_destroyed(id.set)) {
                why = fmt::format("outlived its VM {}", c_.sink.name(id.set));
            } else if (count_of(kernel, number, id, owner_) == 0 && id.refs > 0) {
                why = "has no owner any more";
            } else {
                return;
            }
            c_.sink.report_end_id("references.leak", end, kernel, number,
                                  fmt::format("{}: {} held by {}", why, counted(id.refs),
                                              holders(kernel, number, id)));
        });
    }

private:
    static std::string counted(std::uint64_t refs) {
        return fmt::format("{} reference{}", refs, refs == 1 ? "" : "s");
    }

    // --- the ledger: the usual holders in place, more of them aside
    // ---------------------------------
    HolderCount* slot(std::uint32_t kernel, std::uint32_t number, IdFacts& id, std::uint32_t holder,
                      bool make) {
        HolderCount* free_slot = nullptr;
        for (HolderCount& entry : id.holders) {
            if (entry.count != 0 && entry.holder == holder) {
                return &entry;
            }
            if (entry.count == 0 && free_slot == nullptr) {
                free_slot = &entry;
            }
        }
        const auto more = more_.find(pair_key(kernel, number));
        if (more != more_.end()) {
            for (HolderCount& entry : more->second) {
                if (entry.count != 0 && entry.holder == holder) {
                    return &entry;
                }
            }
        }
        if (!make) {
            return nullptr;
        }
        if (free_slot == nullptr) {
            auto& list = more_[pair_key(kernel, number)];
            list.push_back({});
            free_slot = &list.back();
        }
        free_slot->holder = holder;
        return free_slot;
    }
    std::uint32_t count_of(std::uint32_t kernel, std::uint32_t number, const IdFacts& id,
                           std::uint32_t holder) {
        const HolderCount* found = slot(kernel, number, const_cast<IdFacts&>(id), holder, false);
        return found == nullptr ? 0 : found->count;
    }
    std::string holders(std::uint32_t kernel, std::uint32_t number, const IdFacts& id) const {
        std::map<std::string, std::uint32_t> by_name;
        const auto add = [&](const HolderCount& entry) {
            if (entry.count != 0) {
                by_name[c_.sink.name(entry.holder)] += entry.count;
            }
        };
        for (const HolderCount& entry : id.holders) {
            add(entry);
        }
        const auto more = more_.find(pair_key(kernel, number));
        if (more != more_.end()) {
            for (const HolderCount& entry : more->second) {
                add(entry);
            }
        }
        std::string text;
        for (const auto& [name, count] : by_name) {
            text += fmt::format("{}{}{}", text.empty() ? "" : ", ", name,
                                count > 1 ? fmt::format(" ({})", count) : "");
        }
        return text.empty() ? "nobody known" : text;
    }

    void on_alloc(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidAlloc);
        const std::uint32_t number = IOASIM_U32(record, IoasidAlloc, ioasid);
        IdFacts& id = c_.facts.ids.at(kernel, number);
        id.holders = {};
        id.holders[0] = {owner_, 1};
        if (!more_.empty()) {
            more_.erase(pair_key(kernel, number));
        }
    }

    void on_get(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidGet);
        const std::uint32_t number = IOASIM_U32(record, IoasidGet, ioasid);
        const std::uint32_t refs = IOASIM_U32(record, IoasidGet, refs);
        IdFacts& id = c_.facts.ids.at(kernel, number);
        if (refs != id.refs + 1 || !id.live) {
            c_.sink.report_id("references.count", record, kernel, number,
                              fmt::format("a get by {} made {} of {}",
                                          c_.sink.name(IOASIM_U32(record, IoasidGet, holder)),
                                          counted(refs), id.refs));
        }
        if (id.state == IoasidState::FreePending) {
            c_.sink.report_id("references.get_when_pending", record, kernel, number,
                              fmt::format("{} got a new reference although the ID was freed",
                                          c_.sink.name(IOASIM_U32(record, IoasidGet, holder))));
        }
        id.refs = refs;
        ++slot(kernel, number, id, IOASIM_U32(record, IoasidGet, holder), true)->count;
    }

    void on_put(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidPut);
        const std::uint32_t number = IOASIM_U32(record, IoasidPut, ioasid);
        const std::uint32_t refs = IOASIM_U32(record, IoasidPut, refs);
        const std::uint32_t holder = IOASIM_U32(record, IoasidPut, holder);
        IdFacts& id = c_.facts.ids.at(kernel, number);
        if (id.refs == 0 || refs != id.refs - 1 || !id.live) {
            c_.sink.report_id("references.count", record, kernel, number,
                              fmt::format("a put by {} left {} of {}", c_.sink.name(holder),
                                          counted(refs), id.refs));
        }
        id.refs = refs;
        HolderCount* entry = slot(kernel, number, id, holder, false);
        if (entry == nullptr) {
            c_.sink.report_id("references.foreign_put", record, kernel, number,
                              fmt::format("{} put a reference that it does not hold; holders: {}",
                                          c_.sink.name(holder), holders(kernel, number, id)));
            return;
        }
        --entry->count;
    }

    void on_reclaim(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_ID_SPACE(c_.facts, record, IoasidReclaim);
        const std::uint32_t number = IOASIM_U32(record, IoasidReclaim, ioasid);
        IdFacts& id = c_.facts.ids.at(kernel, number);
        if (!id.live) {
            c_.sink.report_id("references.count", record, kernel, number,
                              "was reclaimed although it was in the pool already");
        } else if (id.refs != 0) {
            c_.sink.report_id("references.reclaimed_in_use", record, kernel, number,
                              fmt::format("was reclaimed with {} held by {}", counted(id.refs),
                                          holders(kernel, number, id)));
        }
        if (!more_.empty()) {
            more_.erase(pair_key(kernel, number));
        }
    }

    std::uint32_t owner_;
    std::map<std::uint64_t, std::vector<HolderCount>> more_;  // beyond those in place: rare
};

}  // namespace

std::unique_ptr<Checker> make_references_checker(const CheckerContext& context) {
    return std::make_unique<ReferencesChecker>(context);
}

}  // namespace ioasim::traces
