// The core and the reference model side by side: every operation goes to both, and results, calls
// of notification blocks, deferred work and the whole state must agree after it.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "core/ioasid/ioasid.hpp"
#include "tests/random/ioasid_model.hpp"
#include "tests/random/random_words.hpp"
#include "tests/unit/ioasid_harness.hpp"

namespace ioasim::test {

inline ModelVersion model_version(Profile profile) {
    return profile == Profile::V4    ? ModelVersion::V4
           : profile == Profile::Dcp ? ModelVersion::Production
                                     : ModelVersion::Document;
}

// Hears everything and does nothing: the core then takes its steps one by one.
class Deaf final : public trace::Listener {
public:
    void on_event(const trace::EventRecord&) override {}
};

class Pair {
public:
    static constexpr int kIds = 24;
    static constexpr int kSpids = 6;
    static constexpr std::size_t kRecentSets = 6;
    static constexpr int kExplicitBlocks = 3;  // the others register by mm

    explicit Pair(Profile profile, bool listened = false, const Defect* defect = nullptr)
        : posted_(profile != Profile::Spec),
          listened_(listened),
          core_("host", IoasidParams::zero_time(), Switches::preset(profile), recorder_, probes_),
          model_(model_version(profile), capacity(),
                 {{"cpu", 3, false, false},
                  {"iommu", 2, false, true},
                  {"device", 1, true, false},
                  {"kvm", 3, true, true},
                  {"vdcm", 1, false, true},
                  {"last", 0, false, true, kIds}}),
          me_(core_.holder("me")) {
        if (defect != nullptr) {
            probes_.enable(*defect);
        }
        if (listened) {
            recorder_.source("test");
            recorder_.add_listener(deaf_, trace::kAllCategories);
        }
        core_.install_capacity(ctx_, capacity());
        for (const ModelBlock& block : model_.blocks) {
            blocks_.push_back(std::make_unique<LoggingBlock>(
                calls_, block.name, block.priority,
                [this, block](ExecContext& ctx, const NotifierPayload& p) {
                    if (block.puts_on_free && p.event == IoasidNotification::Free &&
                        core_.put_locked(ctx, p.set, p.id, me_) && block.takes_below > 0) {
                        core_.alloc(ctx, p.set, Ioasid{0}, Ioasid{kIds - 1}, nullptr);
                    }
                    return block.stops ? NotifyResult::Stop : NotifyResult::Ok;
                }));
        }
        for (int i = 0; i < 4; ++i) {
            work_.push_back(std::make_unique<Work>(calls_, i));
        }
    }

    void step(Word word) {
        calls_.clear();
        model_.calls.clear();
        const unsigned kind = bits(word, 0, 5);
        if (kind >= 6 && kind < 26) {
            id_step(kind, word);
        } else {
            set_step(kind, word);
        }
        RC_ASSERT(calls_ == model_.calls);
        compare();
        if (listened_) {
            recorder_.flush();
        }
    }

private:
    class Work final : public WorkItem {
    public:
        Work(Lines& calls, int number)
            : WorkItem(kNoIoasid), name_("work " + std::to_string(number)), calls_(calls) {}
        const std::string& name() const override { return name_; }
        void run(ExecContext&) override { calls_.push_back(name()); }

    private:
        std::string name_;
        Lines& calls_;
    };

    // The document's pool comes back; the posted code's leaks away.
    unsigned capacity() const { return posted_ ? 1000 : 24; }
    static int number(Errno error) { return static_cast<int>(error); }
    static Ioasid id_of(Word word) { return Ioasid{bits(word, 8, 5) % kIds}; }
    static int model_id(Ioasid id) {
        return is_valid(id) ? static_cast<int>(id.value()) : kModelNone;
    }
    void* data_of(Word word) { return &data_[bits(word, 30, 2)]; }
    int model_data(const void* data) const {
        return data == nullptr
                   ? 0
                   : static_cast<int>(static_cast<const char*>(data) - data_.data()) + 1;
    }
    static ModelAnswer model_answer(NotifyResult result) {
        return result == NotifyResult::Done ? ModelAnswer::Nobody
               : stops_chain(result)        ? ModelAnswer::Stop
                                            : ModelAnswer::Content;
    }
    static Spid spid_of(Word word) {
        const unsigned spid = bits(word, 24, 3);
        return spid < kSpids ? Spid{spid} : kNoSpid;
    }
    static int model_spid(Spid spid) {
        return spid == kNoSpid ? kModelNone : static_cast<int>(spid.value());
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
    const ModelSet& model_set(int s) const { return model_.sets[static_cast<std::size_t>(s)]; }

    // --- operations on IDs --------------------------------------------------------------------
    void id_step(unsigned kind, Word word) {
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
                alloc(s, word);
                break;
            case 11:
            case 12:
                core_.free(ctx_, set, id);
                model_.free(s, m);
                break;
            case 13:
            case 14:
                RC_ASSERT(number(core_.get(ctx_, set, id, me_)) == model_.get(s, m));
                break;
            case 15:
            case 16:
            case 17:
                RC_ASSERT(core_.put(ctx_, set, id, me_) == model_.put(s, m));
                break;
            case 18:
            case 19:
                RC_ASSERT(number(core_.attach_spid(ctx_, set, id, spid_of(word))) ==
                          model_.attach_spid(s, m, model_spid(spid_of(word))));
                break;
            case 20:
                core_.detach_spid(ctx_, id);
                model_.detach_spid(m);
                break;
            case 21:
                find_by_spid(s, word);
                break;
            case 22:
                find(s, id, bits(word, 24, 2));
                break;
            case 23: {
                void* data = data_of(word);
                RC_ASSERT(number(core_.attach_data(ctx_, set, id, data)) ==
                          model_.attach_data(s, m, model_data(data)));
                break;
            }
            case 24:
                core_.detach_data(ctx_, id);
                model_.detach_data(m);
                break;
            default:
                RC_ASSERT(number(core_.get_if_owned(ctx_, bits(word, 20, 2), id, me_)) ==
                          model_.get_if_owned(bits(word, 20, 2), m));
        }
    }

    void alloc(int s, Word word) {
        const Ioasid min = id_of(word);
        const Ioasid max{bits(word, 24, 5) % kIds};
        void* data = bits(word, 32, 1) != 0 ? data_of(word) : nullptr;
        const Ioasid id = core_.alloc(ctx_, core_set(s), min, max, data);
        RC_ASSERT(model_id(id) == (s == kModelNone ? kModelNone
                                                   : model_.alloc(s, model_id(min), model_id(max),
                                                                  model_data(data))));
    }
    void find_by_spid(int s, Word word) {
        if (s == kModelNone) {
            return;
        }
        const Spid spid = spid_of(word);
        const bool get = bits(word, 27, 1) != 0;
        const Ioasid found = core_.find_by_spid(ctx_, core_set(s), spid, get, me_);
        RC_ASSERT(model_id(found) == model_.find_by_spid(s, model_spid(spid), get));
    }
    // With a getter that refuses, one that accepts, or none.
    void find(int s, Ioasid id, unsigned how) {
        const DataGetter getter = [&](void*) { return how != 0; };
        const auto found = core_.find(ctx_, core_set(s), id, how <= 1 ? &getter : nullptr);
        const auto expected = model_.find(s, model_id(id));
        RC_ASSERT(number(found.error()) == expected.first);
        if (found.ok()) {
            RC_ASSERT(model_data(*found) == (how == 0 ? 0 : expected.second));
        }
        const auto owner = core_.find_set(ctx_, id);
        const int expected_owner = model_.owner_of(model_id(id));
        RC_ASSERT(owner.ok() == (expected_owner != kModelNone));
        RC_ASSERT((!owner.ok() || *owner == core_set(expected_owner)));
    }

    // --- operations on sets, blocks, the pool and the queue ------------------------------------
    void set_step(unsigned kind, Word word) {
        const int s = set_of(word);
        const unsigned token = bits(word, 20, 2);
        const auto block = static_cast<std::size_t>(bits(word, 24, 3) % kExplicitBlocks);
        const std::size_t by_mm = block + kExplicitBlocks;
        switch (kind) {
            case 0:
            case 1:
            case 2:
                make_set(word);
                break;
            case 26:
                // What the posted code does to a set that is gone is undefined.
                if (!posted_ || s == kModelNone || model_set(s).alive) {
                    RC_ASSERT(number(core_.register_notifier(ctx_, core_set(s), *blocks_[block])) ==
                              model_.register_block(s, static_cast<int>(block)));
                }
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
            case 31:
                switch (bits(word, 40, 2)) {
                    case 0:
                        pool_step(word);
                        break;
                    case 1:
                        work_step(word);
                        break;
                    case 2:
                        notify(word);
                        break;
                    default:
                        find_mm(token);
                }
                break;
            default:
                if (s != kModelNone) {
                    whole_set_step(kind, s, bits(word, 28, 3));
                }
        }
    }

    void whole_set_step(unsigned kind, int s, unsigned quota) {
        if (kind == 3) {
            RC_ASSERT(number(core_.set_free(ctx_, core_set(s))) == model_.set_free(s));
        } else if (kind == 4) {
            core_.free_all_in_set(ctx_, core_set(s));
            model_.free_all(s);
        } else {
            RC_ASSERT(number(core_.adjust_set(ctx_, core_set(s), quota)) ==
                      model_.adjust(s, quota));
        }
    }

    void make_set(Word word) {
        const unsigned token = bits(word, 20, 2);
        const std::array<int, 4> illegal{0, 3, 4, -1};
        const unsigned choice = bits(word, 40, 3);
        const int type = choice == 7   ? illegal[bits(word, 43, 2)]
                         : choice == 0 ? kModelUntyped
                                       : kModelMm;
        // All that is left, rarely where it never comes back.
        const unsigned quota =
            bits(word, 28, 3) == 0 && posted_ && bits(word, 31, 3) != 0 ? 1 : bits(word, 28, 3);
        const bool is_private = bits(word, 45, 3) == 0;
        const auto core_type = static_cast<SetType>(type);
        const auto made = is_private ? core_.set_alloc_private(ctx_, token, core_type, "set")
                                     : core_.set_alloc(ctx_, token, quota, core_type, "set");
        const int expected = is_private ? model_.set_alloc_private(token, type)
                                        : model_.set_alloc(token, quota, type);
        RC_ASSERT(number(made.error()) == expected);
        if (made.ok()) {
            sets_.push_back(*made);
        }
    }

    void notify(Word word) {
        const unsigned scopes = bits(word, 42, 3) % 5;
        const auto event = static_cast<IoasidNotification>(bits(word, 24, 2) + 1);
        const auto result = core_.notify(ctx_, id_of(word), event, scopes);
        const std::string name = trace::kIoasidNotificationLabels[static_cast<int>(event)];
        const auto expected = model_.notify_explicitly(model_id(id_of(word)), name, scopes);
        RC_ASSERT(number(result.error()) == expected.first);
        RC_ASSERT((!result.ok() || model_answer(*result) == expected.second));
    }
    void find_mm(unsigned token) {
        const IoasidSet* found = core_.find_mm_set(ctx_, token);
        RC_ASSERT(found == core_set(model_.find_mm(token)));
    }

    static void agree(const Result<std::uint32_t>& got, std::pair<int, unsigned> expected) {
        RC_ASSERT(number(got.error()) == expected.first);
        RC_ASSERT((!got.ok() || *got == expected.second));
    }
    void pool_step(Word word) {
        const unsigned n = bits(word, 28, 2) + 1;
        if (bits(word, 42, 1) != 0) {
            const unsigned take = bits(word, 31, 4) == 0 ? 0 : n;
            agree(core_.reserve_capacity(ctx_, take), model_.reserve(take));
        } else {
            const unsigned give = bits(word, 31, 3) == 0 ? 0 - n : n;
            agree(core_.cancel_capacity(ctx_, give), model_.cancel(give));
        }
    }

    void work_step(Word word) {
        if (bits(word, 42, 2) != 0) {
            const std::size_t item = bits(word, 44, 2);
            const bool fresh = std::find(queued_.begin(), queued_.end(), item) == queued_.end();
            RC_ASSERT(core_.queue_work(ctx_, *work_[item]) == fresh);
            if (fresh) {
                queued_.push_back(item);
            }
        } else {
            core_.run_pending(ctx_);
            for (const std::size_t item : queued_) {
                model_.calls.push_back(work_[item]->name());
            }
            queued_.clear();
        }
    }

    // --- the state ----------------------------------------------------------------------------
    void compare() {
        RC_ASSERT(core_.available() == model_.available);
        RC_ASSERT(core_.allocator_lock().owner() == nullptr);
        compare_chain(core_.global_chain(), model_.global);
        const auto waiting = core_.mm_list();
        RC_ASSERT(waiting.size() == model_.mm_list.size());
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            const ModelMmEntry& expected = model_.mm_list[i];
            RC_ASSERT(waiting[i].token == expected.token);
            RC_ASSERT(waiting[i].active == (expected.set != kModelNone));
            RC_ASSERT((waiting[i].block == nullptr) == (expected.block == kModelNone));
        }
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
                RC_ASSERT(view->set == core_set(owner));
                compare_id(*view, model_set(owner).ids.at(id));
            }
        }
    }

    void compare_chain(const NotifierChain& chain, const std::vector<int>& expected) const {
        if (chain.empty() && expected.empty()) {
            return;
        }
        const auto blocks = chain.blocks();
        RC_ASSERT(blocks.size() == expected.size());
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            RC_ASSERT(blocks[i] == blocks_[static_cast<std::size_t>(expected[i])].get());
        }
    }

    void compare_set(int s, const IoasidSet& set, const ModelSet& expected) {
        RC_ASSERT(set.marked() == expected.marked);
        RC_ASSERT(static_cast<int>(set.number()) == expected.number);
        compare_chain(set.chain(), expected.chain);
        if (!set.is_private()) {
            RC_ASSERT(set.quota() == std::int64_t{expected.quota});
        }
        for (int spid = 0; spid < kSpids; ++spid) {
            const Ioasid id = core_.find_by_spid(ctx_, core_set(s),
                                                 Spid{static_cast<std::uint32_t>(spid)}, false);
            RC_ASSERT(model_id(id) == model_.by_spid(s, spid));
        }
        std::vector<int> walked;
        core_.set_for_each(ctx_, core_set(s), [&](Ioasid id) { walked.push_back(model_id(id)); });
        std::vector<int> listed;
        for (const auto& [id, entry] : expected.ids) {
            if (entry.listed) {
                listed.push_back(id);
            }
        }
        RC_ASSERT(walked == listed);
        if (!set.is_private()) {
            return;
        }
        for (const auto& [id, entry] : expected.ids) {
            const auto view = core_.view(Ioasid{static_cast<std::uint32_t>(id)}, &set);
            RC_ASSERT(view.has_value());
            compare_id(*view, entry);
        }
    }

    void compare_id(const IoasidView& view, const ModelId& expected) const {
        RC_ASSERT(view.refs == static_cast<std::uint32_t>(expected.refs));
        RC_ASSERT(view.refs >= 1U);
        RC_ASSERT((view.state == IoasidState::FreePending) == expected.pending);
        RC_ASSERT((view.state == IoasidState::Active) == (!expected.pending && expected.refs > 1));
        RC_ASSERT(model_spid(view.spid) == expected.spid);
        RC_ASSERT(model_data(view.data) == expected.data);
        RC_ASSERT(view.listed == expected.listed);
    }

    const bool posted_;
    const bool listened_;
    LockMonitor monitor_;
    ImmediateContext ctx_{monitor_};
    trace::Recorder recorder_{no_time};
    Deaf deaf_;
    Probes probes_;
    IoasidCore core_;
    IoasidModel model_;
    trace::Name me_;
    Lines calls_;
    std::vector<std::unique_ptr<LoggingBlock>> blocks_;
    std::vector<std::unique_ptr<Work>> work_;
    std::vector<std::size_t> queued_;  // of work_, in order
    std::vector<IoasidSet*> sets_;
    std::array<char, 4> data_{};
};

}  // namespace ioasim::test
