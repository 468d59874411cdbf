// Random operations against reference models.
#include <memory>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "core/base/random.hpp"
#include "core/ioasid/id_table.hpp"
#include "tests/random/ioasid_model.hpp"
#include "tests/random/random_words.hpp"
#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

// --- core and model side by side ----------------------------------------------------------------

constexpr unsigned kCapacity = 24;
constexpr int kIds = 24;
constexpr int kSpids = 6;
constexpr std::size_t kRecentSets = 6;
constexpr int kExplicitBlocks = 3;  // the others register by mm

class Pair {
public:
    explicit Pair(const Defect* defect = nullptr)
        : core_("host", IoasidParams::zero_time(), Switches::preset(Profile::Spec), recorder_,
                probes_),
          model_(kCapacity, {{"cpu", 3, false, false},
                             {"iommu", 2, false, true},
                             {"device", 1, true, false},
                             {"kvm", 3, true, true},
                             {"vdcm", 1, false, true},
                             {"last", 0, false, false}}),
          me_(core_.holder("me")) {
        if (defect != nullptr) {
            probes_.enable(*defect);
        }
        core_.install_capacity(ctx_, kCapacity);
        for (const ModelBlock& block : model_.blocks) {
            blocks_.push_back(std::make_unique<LoggingBlock>(
                calls_, block.name, block.priority,
                [this, block](ExecContext& ctx, const NotifierPayload& p) {
                    if (block.puts_on_free && p.event == IoasidNotification::Free) {
                        core_.put_locked(ctx, p.set, p.id, me_);
                    }
                    return block.stops ? NotifyResult::Stop : NotifyResult::Ok;
                }));
        }
    }

    void step(Word word) {
        calls_.clear();
        model_.calls.clear();
        const unsigned kind = bits(word, 0, 5);
        if (kind < 6 || !id_step(kind, word)) {
            set_step(kind, word);
        }
        RC_ASSERT(calls_ == model_.calls);
        compare();
    }

private:
    static int number(Errno error) { return static_cast<int>(error); }
    static Ioasid id_of(Word word) { return Ioasid{bits(word, 8, 5) % kIds}; }
    static int model_id(Ioasid id) {
        return is_valid(id) ? static_cast<int>(id.value()) : kModelNone;
    }
    void* data_of(Word word) { return &data_[bits(word, 30, 2)]; }
    int model_data(const void* data) const {
        return data == nullptr ? 0 : static_cast<int>(static_cast<const char*>(data) - data_) + 1;
    }

    // One of the last sets, dead ones too; sometimes none.
    int set_of(Word word) const {
        if (sets_.empty() || bits(word, 16, 4) == 15) {
            return kModelNone;
        }
        const std::size_t recent = std::min(sets_.size(), kRecentSets);
        return static_cast<int>(sets_.size() - 1 - bits(word, 16, 4) % recent);
    }
    IoasidSet* core_set(int s) const {
        return s == kModelNone ? nullptr : sets_[static_cast<std::size_t>(s)];
    }

    bool id_step(unsigned kind, Word word) {
        const int s = set_of(word);
        IoasidSet* set = core_set(s);
        const Ioasid id = id_of(word);
        const int m = model_id(id);
        switch (kind) {
            case 6:
            case 7:
            case 8:
            case 9:
            case 10:
                return alloc(s, word);
            case 11:
            case 12:
                core_.free(ctx_, set, id);
                model_.free(s, m);
                return true;
            case 13:
            case 14:
                RC_ASSERT(number(core_.get(ctx_, set, id, me_)) == model_.get(s, m));
                return true;
            case 15:
            case 16:
            case 17:
                RC_ASSERT(core_.put(ctx_, set, id, me_) == model_.put(s, m));
                return true;
            case 18:
            case 19: {
                const unsigned spid = bits(word, 24, 3);
                const bool none = spid >= kSpids;
                const Errno error = core_.attach_spid(ctx_, set, id, none ? kNoSpid : Spid{spid});
                RC_ASSERT(number(error) ==
                          model_.attach_spid(s, m, none ? kModelNone : static_cast<int>(spid)));
                return true;
            }
            case 20:
                core_.detach_spid(ctx_, id);
                model_.detach_spid(m);
                return true;
            case 21:
                return find_by_spid(s, word);
            case 22: {
                const auto found = core_.find(ctx_, set, id);
                const auto expected = model_.find(s, m);
                RC_ASSERT(number(found.error()) == expected.first);
                if (found.ok()) {
                    RC_ASSERT(model_data(*found) == expected.second);
                }
                return true;
            }
            case 23: {
                void* data = data_of(word);
                RC_ASSERT(number(core_.attach_data(ctx_, set, id, data)) ==
                          model_.attach_data(s, m, model_data(data)));
                return true;
            }
            case 24:
                core_.detach_data(ctx_, id);
                model_.detach_data(m);
                return true;
            case 25:
                RC_ASSERT(number(core_.get_if_owned(ctx_, bits(word, 20, 2), id, me_)) ==
                          model_.get_if_owned(bits(word, 20, 2), m));
                return true;
            default:
                return false;
        }
    }

    bool alloc(int s, Word word) {
        if (s == kModelNone) {
            return true;
        }
        const Ioasid min = id_of(word);
        const Ioasid max{bits(word, 24, 5) % kIds};
        void* data = bits(word, 32, 1) != 0 ? data_of(word) : nullptr;
        RC_ASSERT(model_id(core_.alloc(ctx_, core_set(s), min, max, data)) ==
                  model_.alloc(s, model_id(min), model_id(max), model_data(data)));
        return true;
    }
    bool find_by_spid(int s, Word word) {
        if (s != kModelNone) {
            const unsigned spid = bits(word, 24, 3);
            const bool get = bits(word, 27, 1) != 0;
            const Ioasid found = core_.find_by_spid(ctx_, core_set(s), Spid{spid}, get, me_);
            RC_ASSERT(model_id(found) == model_.find_by_spid(s, static_cast<int>(spid), get));
        }
        return true;
    }

    void set_step(unsigned kind, Word word) {
        const int s = set_of(word);
        const unsigned token = bits(word, 20, 2);
        const auto block = static_cast<std::size_t>(bits(word, 24, 3) % kExplicitBlocks);
        const std::size_t by_mm = block + kExplicitBlocks;
        const unsigned quota = bits(word, 28, 3);
        switch (kind) {
            case 0:
            case 1:
            case 2:
                make_set(token, quota, bits(word, 40, 2) != 0, bits(word, 42, 3) == 0);
                break;
            case 3:
                if (s != kModelNone) {
                    RC_ASSERT(number(core_.set_free(ctx_, core_set(s))) == model_.set_free(s));
                }
                break;
            case 4:
                if (s != kModelNone) {
                    core_.free_all_in_set(ctx_, core_set(s));
                    model_.free_all(s);
                }
                break;
            case 5:
                if (s != kModelNone) {
                    RC_ASSERT(number(core_.adjust_set(ctx_, core_set(s), quota)) ==
                              model_.adjust(s, quota));
                }
                break;
            case 26:
                RC_ASSERT(number(core_.register_notifier(ctx_, core_set(s), *blocks_[block])) ==
                          model_.register_block(s, static_cast<int>(block)));
                break;
            case 27:
                core_.unregister_notifier(ctx_, core_set(s), *blocks_[block]);
                model_.unregister_block(s, static_cast<int>(block));
                break;
            case 28:
            case 29:
                RC_ASSERT(number(core_.register_notifier_mm(ctx_, token, *blocks_[by_mm])) ==
                          model_.register_mm(token, static_cast<int>(by_mm)));
                break;
            case 30:
                core_.unregister_notifier_mm(ctx_, token, *blocks_[by_mm]);
                model_.unregister_mm(token, static_cast<int>(by_mm));
                break;
            default:
                if (bits(word, 40, 1) != 0) {
                    const unsigned n = bits(word, 28, 2) + 1;
                    RC_ASSERT(number(core_.reserve_capacity(ctx_, n).error()) == model_.reserve(n));
                } else {
                    RC_ASSERT(number(core_.cancel_capacity(ctx_, quota).error()) ==
                              model_.cancel(quota));
                }
        }
    }

    void make_set(unsigned token, unsigned quota, bool mm, bool is_private) {
        const SetType type = mm ? SetType::Mm : SetType::None;
        const auto made = is_private ? core_.set_alloc_private(ctx_, token, type, "set")
                                     : core_.set_alloc(ctx_, token, quota, type, "set");
        const int expected =
            is_private ? model_.set_alloc_private(token, mm) : model_.set_alloc(token, quota, mm);
        RC_ASSERT(number(made.error()) == expected);
        if (made.ok()) {
            sets_.push_back(*made);
        }
    }

    void compare() {
        RC_ASSERT(core_.available() == model_.available);
        const std::size_t first = sets_.size() - std::min(sets_.size(), kRecentSets);
        for (std::size_t i = 0; i < sets_.size(); ++i) {
            const ModelSet& expected = model_.sets[i];
            const IoasidSet& set = *sets_[i];
            RC_ASSERT(set.registered() == expected.alive);
            RC_ASSERT(set.live() == expected.ids.size());
            if (expected.alive && i >= first) {
                compare_set(static_cast<int>(i), set, expected);
            }
        }
        for (int id = 0; id < kIds; ++id) {
            const int owner = model_.owner_of(id);
            const auto view = core_.view(Ioasid{static_cast<std::uint32_t>(id)});
            RC_ASSERT(view.has_value() == (owner != kModelNone));
            if (view) {
                RC_ASSERT(view->set == sets_[static_cast<std::size_t>(owner)]);
                compare_id(*view, model_.sets[static_cast<std::size_t>(owner)].ids.at(id));
            }
        }
    }

    void compare_set(int s, const IoasidSet& set, const ModelSet& expected) {
        RC_ASSERT(set.marked() == expected.marked);
        RC_ASSERT(static_cast<int>(set.number()) == expected.number);
        if (!set.is_private()) {
            RC_ASSERT(set.quota() == std::int64_t{expected.quota});
        }
        for (int spid = 0; spid < kSpids; ++spid) {
            const Ioasid id = core_.find_by_spid(ctx_, sets_[static_cast<std::size_t>(s)],
                                                 Spid{static_cast<std::uint32_t>(spid)}, false);
            RC_ASSERT(model_id(id) == model_.by_spid(s, spid));
        }
        if (!set.is_private()) {
            return;
        }
        for (const auto& [id, entry] : expected.ids) {
            const auto view = core_.view(Ioasid{static_cast<std::uint32_t>(id)}, &set);
            RC_ASSERT(view.has_value());
            compare_id(*view, entry);
        }
    }

    void compare_id(const IoasidView& view, const ModelId& expected) {
        RC_ASSERT(view.refs == static_cast<std::uint32_t>(expected.refs));
        RC_ASSERT(view.refs >= 1U);
        RC_ASSERT((view.state == IoasidState::FreePending) == expected.pending);
        RC_ASSERT((view.state == IoasidState::Active) == (!expected.pending && expected.refs > 1));
        RC_ASSERT((view.spid == kNoSpid ? kModelNone : static_cast<int>(view.spid.value())) ==
                  expected.spid);
        RC_ASSERT(model_data(view.data) == expected.data);
        RC_ASSERT(view.listed);
    }

    LockMonitor monitor_;
    ImmediateContext ctx_{monitor_};
    trace::Recorder recorder_{no_time};
    Probes probes_;
    IoasidCore core_;
    IoasidModel model_;
    trace::Name me_;
    Lines calls_;
    std::vector<std::unique_ptr<LoggingBlock>> blocks_;
    std::vector<IoasidSet*> sets_;
    char data_[4] = {};
};

}  // namespace

TEST_CASE("random ioasid: the number table agrees with a sorted set") {
    configure("max_success=400");
    CHECK(rc::check("lowest free number, insertion, removal", [] {
        IdTable table;
        std::set<std::uint32_t> model;
        for (const Word word : *words()) {
            // Dense, around a chunk boundary, around the end of 20 bits, and beyond.
            const std::uint32_t base[] = {0, 250, 0xFFFF0, 0xFFFFFFF0};
            const std::uint32_t min = base[bits(word, 0, 2)] + bits(word, 2, 4);
            const std::uint32_t max = bits(word, 6, 1) != 0 ? min + bits(word, 7, 3) : min + 700;
            std::optional<std::uint32_t> expected;
            for (std::uint64_t id = min; id <= std::max(max, min) && !expected; ++id) {
                if (model.count(static_cast<std::uint32_t>(id)) == 0 && max >= min) {
                    expected = static_cast<std::uint32_t>(id);
                }
            }
            RC_ASSERT(table.lowest_free(min, max) == expected);
            if (expected && bits(word, 10, 2) != 0) {
                table.insert(*expected);
                model.insert(*expected);
            } else if (!model.empty()) {
                auto at = model.lower_bound(min);
                at = at == model.end() ? model.begin() : at;
                table.erase(*table.find(*at));
                model.erase(at);
            }
            RC_ASSERT(table.size() == model.size());
        }
        std::vector<std::uint32_t> walked;
        table.for_each([&](const IoasidEntry& entry) { walked.push_back(entry.id); });
        RC_ASSERT(walked == std::vector<std::uint32_t>(model.begin(), model.end()));
    }));
}

TEST_CASE("random ioasid: the core agrees with a reference model after every operation") {
    configure("max_success=4400");
    std::uint64_t operations = 0;
    CHECK(rc::check("results, calls and state", [&] {
        Pair pair;
        for (const Word word : *words()) {
            pair.step(word);
            ++operations;
        }
    }));
    CHECK(operations >= 1'000'000);
}

TEST_CASE("random ioasid: the comparison with the model finds each defect of the core") {
    using namespace ioasid_probes;
    for (const Defect* defect :
         {&kReversedPriority, &kSpidLookupGlobal, &kMissingPut, &kDoublePut, &kUnbindTwice,
          &kQuotaNotChecked, &kForeignFreeAllowed, &kSpidConflictAccepted, &kFreeNotifiedTwice,
          &kPendingGetAllowed, &kEarlyReuse, &kPendingBlockForgotten, &kQuotaNotReturned,
          &kFreeAllSkipsLast, &kUnregisterIgnored, &kRangeIgnored}) {
        INFO(std::string(defect->name()));
        RandomStream stream(1, "ioasid", defect->name());
        Pair pair(defect);
        bool found = false;
        for (int i = 0; i < 100'000 && !found; ++i) {
            try {
                pair.step(stream.below(Word{1} << 48U));
            } catch (const rc::detail::CaseResult&) {
                found = true;
            } catch (const ModelBug&) {
                found = true;
            }
        }
        CHECK(found);
    }
}
