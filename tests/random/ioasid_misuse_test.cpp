// Random misuse in every profile, custom allocators that answer anything included.
#include <map>
#include <memory>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/random/random_words.hpp"
#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

// --- misuse in every profile --------------------------------------------------------------------

// Answers any number at all, used ones too.
class WildProvider final : public AllocatorOps {
public:
    WildProvider(const char* name, const void* functions)
        : AllocatorOps(name), functions_(functions) {}
    const void* functions() const override { return functions_; }
    Ioasid alloc(ExecContext&, Ioasid, Ioasid) override { return Ioasid{next++ * 7 % 40}; }
    void free(ExecContext&, Ioasid) override {}
    std::uint32_t next = 1;

private:
    const void* functions_;
};

class Misuse {
public:
    explicit Misuse(Profile profile)
        : managed_(profile != Profile::Mainline),
          core_("host", IoasidParams::zero_time(), Switches::preset(profile), recorder_, probes_),
          me_(core_.holder("me")) {
        for (int i = 0; i < 3 && !managed_; ++i) {
            sets_.push_back(core_.declare_set("tag"));
        }
        for (int i = 0; i < 4; ++i) {
            blocks_.push_back(std::make_unique<LoggingBlock>(
                calls_, "b", i, [this, i](ExecContext& ctx, const NotifierPayload& p) {
                    if (i == 2 && p.event == IoasidNotification::Free) {
                        core_.put_locked(ctx, nullptr, p.id, me_);
                    }
                    return i == 3 ? NotifyResult::Bad : NotifyResult::Ok;
                }));
        }
    }

    void step(Word word) {
        calls_.clear();
        IoasidSet* set = sets_.empty() || bits(word, 16, 4) == 15
                             ? nullptr
                             : sets_[bits(word, 16, 4) % sets_.size()];
        const Ioasid id{bits(word, 8, 6)};
        LoggingBlock& block = *blocks_[bits(word, 24, 2)];
        AllocatorOps& ops = providers_[bits(word, 26, 2)];
        switch (bits(word, 0, 5)) {
            case 0:
            case 1:
            case 2: {
                const auto made = core_.set_alloc(ctx_, bits(word, 30, 3), bits(word, 33, 4),
                                                  static_cast<SetType>(bits(word, 37, 2)), "set");
                if (made.ok()) {
                    sets_.push_back(*made);
                }
                break;
            }
            case 3:
                if (set != nullptr) {
                    core_.set_free(ctx_, set);
                }
                break;
            case 4:
                if (set != nullptr) {
                    core_.free_all_in_set(ctx_, set);
                }
                break;
            case 5:
                core_.register_notifier(ctx_, set, block);
                break;
            case 6:
                core_.unregister_notifier(ctx_, set, block);
                break;
            case 7:
                core_.register_notifier_mm(ctx_, bits(word, 30, 3), block);
                break;
            case 8:
                core_.unregister_notifier_mm(ctx_, bits(word, 30, 3), block);
                break;
            case 9:
                core_.register_allocator(ctx_, ops);
                break;
            case 10:
                core_.unregister_allocator(ctx_, ops);
                break;
            case 11:
            case 12:
            case 13:
                core_.find_by_spid(ctx_, set, Spid{bits(word, 30, 3)}, bits(word, 33, 1) != 0, me_);
                break;
            case 14:
            case 15:
            case 16:
                core_.attach_spid(ctx_, set, id, Spid{bits(word, 30, 3)});
                break;
            case 17:
                core_.detach_spid(ctx_, id);
                break;
            case 18:
            case 19:
            case 20:
                core_.free(ctx_, set, id);
                break;
            case 21:
            case 22:
                core_.get(ctx_, set, id, me_);
                break;
            case 23:
            case 24:
                core_.put(ctx_, set, id, me_);
                break;
            default:
                core_.alloc(ctx_, set, id, Ioasid{bits(word, 30, 6)}, this);
                break;
        }
        check();
    }

private:
    // What holds in every profile, however badly it is used.
    void check() {
        std::map<const IoasidSet*, std::size_t> counted;
        for (const IoasidView& view : core_.ids()) {
            RC_ASSERT(view.refs >= 1U);
            if (managed_) {
                RC_ASSERT(view.set != nullptr);
                RC_ASSERT(view.set->registered());
                ++counted[view.set];
            }
        }
        RC_ASSERT(core_.allocator_lock().owner() == nullptr);
        if (!managed_) {
            return;
        }
        for (IoasidSet* set : core_.sets()) {
            // Orphans and IDs of allocators that are not active are counted, but not seen.
            RC_ASSERT(counted[set] <= set->live());
            RC_ASSERT(std::int64_t{set->live()} <= std::max<std::int64_t>(set->quota(), 0));
            std::set<std::uint32_t> spids;
            for (const IoasidView& view : core_.ids_of(*set)) {
                if (view.listed && view.spid != kNoSpid) {
                    RC_ASSERT(spids.insert(view.spid.value()).second);
                    RC_ASSERT(core_.find_by_spid(ctx_, set, view.spid, false) == view.id);
                }
            }
            std::uint32_t last = 0;
            bool first = true;
            core_.set_for_each(ctx_, set, [&](Ioasid id) {
                RC_ASSERT((first || id.value() > last));
                first = false;
                last = id.value();
            });
        }
    }

    bool managed_;
    LockMonitor monitor_;
    ImmediateContext ctx_{monitor_};
    trace::Recorder recorder_{no_time};
    Probes probes_;
    IoasidCore core_;
    trace::Name me_;
    Lines calls_;
    std::vector<std::unique_ptr<LoggingBlock>> blocks_;
    std::vector<IoasidSet*> sets_;
    WildProvider providers_[4] = {
        {"a1", &managed_}, {"a2", &managed_}, {"b1", &core_}, {"c1", &me_}};
};

}  // namespace

TEST_CASE("random ioasid: every profile keeps its invariants under misuse") {
    const RandomRun run("max_success=600");
    std::uint64_t operations = 0;
    CHECK(rc::check("references, live counts, order, SPIDs", [&] {
        const std::vector<Word> ops = *words();
        operations += 4 * ops.size();
        for (const Profile profile :
             {Profile::Spec, Profile::V4, Profile::Dcp, Profile::Mainline}) {
            Misuse misuse(profile);
            for (const Word word : ops) {
                misuse.step(word);
            }
        }
    }));
    run.tell("invariants under misuse, every profile", operations);
}
