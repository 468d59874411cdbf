// Custom allocators beside a model of them: groups by functions, the active one, heads that leave,
// orphans, providers that answer anything.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "core/ioasid/ioasid.hpp"
#include "tests/random/ioasid_pair.hpp"

namespace ioasim::test {

// Written from the contract, sharing no code with the core.
class ProviderModel {
public:
    static constexpr int kNone = -1;
    struct Provider {
        std::string name;
        int functions;
    };

    ProviderModel(bool posted, unsigned quota, std::vector<Provider> providers)
        : posted_(posted), quota_(quota), providers_(std::move(providers)) {}

    int enroll(int p) {
        if (groups.empty() && !default_ids_.empty()) {
            return 11;
        }
        Group* group = group_of(p);
        if (group == nullptr) {
            groups.push_back({functions(p), p, {p}, {}});
            active = active == kNone ? 0 : active;
            return 0;
        }
        const bool member = contains(group->members, p);
        if (group->head == p || (member && !posted_)) {
            return 17;
        }
        group->members.push_back(p);
        return 0;
    }
    void leave(int p) {
        Group* group = group_of(p);
        if (group == nullptr) {
            return;
        }
        const bool member = contains(group->members, p);
        if (group->members.size() == 1 && (member || posted_)) {
            remove(static_cast<int>(group - groups.data()));
        } else if (member) {
            auto& members = group->members;
            members.erase(std::find(members.begin(), members.end(), p));
            if (group->head == p && !posted_) {
                group->head = members.front();
            }
        }
    }
    // What the posted code survives.
    bool may_enroll(int p) {
        Group* group = group_of(p);
        return !posted_ || group == nullptr || !contains(group->members, p);
    }

    // `answer` is what a provider would return.
    int alloc(int set, int min, int max, int answer) {
        if (live[index(set)] >= quota_) {
            return kNone;
        }
        if (active == kNone) {
            answer = min;
            while (answer <= max && default_ids_.count(answer) != 0) {
                ++answer;
            }
            return answer <= max ? store(set, answer) : kNone;
        }
        told("alloc");
        if (answer == kNone) {
            return kNone;
        }
        if (!posted_ && (answer < min || answer > max)) {
            told("free " + std::to_string(answer));
            return kNone;
        }
        if (ids().count(answer) == 0) {
            return store(set, answer);
        }
        if (posted_) {
            told("free " + std::to_string(answer));
            return answer;  // somebody else's
        }
        return kNone;
    }
    void free(int set, int id) {
        const auto found = ids().find(id);
        if (found == ids().end() || found->second.set != set || found->second.pending) {
            return;
        }
        found->second.pending = true;
        put(id);
    }
    int get(int id) {
        const auto found = ids().find(id);
        if (found == ids().end()) {
            return 22;
        }
        if (found->second.pending) {
            return 16;
        }
        ++found->second.refs;
        return 0;
    }
    bool put(int id) {
        const auto found = ids().find(id);
        if (found == ids().end() || --found->second.refs != 0) {
            return false;
        }
        if (active != kNone) {
            told("free " + std::to_string(id));
        }
        const int set = found->second.set;
        --live[index(set)];
        arrays[index(set)].erase(id);
        ids().erase(found);
        return true;
    }

    struct Id {
        int set;
        int refs = 1;
        bool pending = false;
    };
    std::map<int, Id>& ids() { return active == kNone ? default_ids_ : group(active).ids; }

    struct Group {
        int functions;
        int head;
        std::vector<int> members;
        std::map<int, Id> ids;
    };
    std::vector<Group> groups;
    int active = kNone;
    std::array<unsigned, 2> live{};
    std::array<std::set<int>, 2> arrays;  // a place a number: a new ID takes it from an orphan
    std::vector<std::string> calls;

private:
    static std::size_t index(int i) { return static_cast<std::size_t>(i); }
    static bool contains(const std::vector<int>& all, int p) {
        return std::find(all.begin(), all.end(), p) != all.end();
    }
    Group& group(int g) { return groups[index(g)]; }
    int functions(int p) const { return providers_[index(p)].functions; }
    Group* group_of(int p) {
        for (Group& each : groups) {
            if (each.functions == functions(p)) {
                return &each;
            }
        }
        return nullptr;
    }
    void remove(int g) {
        groups.erase(groups.begin() + g);
        if (active == g) {
            active = groups.empty() ? kNone : 0;
        } else if (active > g) {
            --active;
        }
    }
    int store(int set, int id) {
        ids()[id] = {set};
        ++live[index(set)];
        arrays[index(set)].insert(id);
        return id;
    }
    void told(const std::string& what) {
        calls.push_back(providers_[index(group(active).head)].name + " " + what);
    }

    bool posted_;
    unsigned quota_;
    std::vector<Provider> providers_;
    std::map<int, Id> default_ids_;
};

class ProviderPair {
public:
    static constexpr unsigned kIds = 16;
    static constexpr unsigned kQuota = 12;

    explicit ProviderPair(Profile profile, const Defect* defect = nullptr)
        : core_("host", IoasidParams::zero_time(), Switches::preset(profile), recorder_, probes_),
          model_(profile != Profile::Spec, kQuota,
                 {{"A1", 0}, {"A2", 0}, {"A3", 0}, {"B1", 1}, {"B2", 1}, {"C1", 2}}),
          me_(core_.holder("me")) {
        if (defect != nullptr) {
            probes_.enable(*defect);
        }
        const char* const names[] = {"A1", "A2", "A3", "B1", "B2", "C1"};
        const std::size_t functions[] = {0, 0, 0, 1, 1, 2};
        for (std::size_t i = 0; i < 6; ++i) {
            providers_.push_back(
                std::make_unique<Provider>(*this, names[i], &functions_[functions[i]]));
        }
        for (IoasidSet*& set : sets_) {
            set = core_.set_alloc(ctx_, 0, kQuota, SetType::None, "set").value();
        }
    }

    void step(Word word) {
        calls_.clear();
        model_.calls.clear();
        const int s = static_cast<int>(bits(word, 8, 1));
        IoasidSet* set = sets_[bits(word, 8, 1)];
        const int id = static_cast<int>(bits(word, 9, 4));
        const Ioasid number{bits(word, 9, 4)};
        const unsigned p = bits(word, 13, 4) % 6;
        switch (bits(word, 0, 4)) {
            case 0:
                if (model_.may_enroll(static_cast<int>(p))) {
                    RC_ASSERT(static_cast<int>(core_.register_allocator(ctx_, *providers_[p])) ==
                              model_.enroll(static_cast<int>(p)));
                }
                break;
            case 1:
                core_.unregister_allocator(ctx_, *providers_[p]);
                model_.leave(static_cast<int>(p));
                break;
            case 2:
            case 3:
            case 4:
                core_.free(ctx_, set, number);
                model_.free(s, id);
                break;
            case 5:
            case 6:
                RC_ASSERT(static_cast<int>(core_.get(ctx_, nullptr, number, me_)) ==
                          model_.get(id));
                break;
            case 7:
            case 8:
            case 9:
                RC_ASSERT(core_.put(ctx_, nullptr, number, me_) == model_.put(id));
                break;
            default:
                alloc(s, id, static_cast<int>(bits(word, 17, 4)),
                      static_cast<int>(bits(word, 21, 5)));
        }
        RC_ASSERT(calls_ == model_.calls);
        compare();
    }

private:
    class Provider final : public AllocatorOps {
    public:
        Provider(ProviderPair& pair, const char* name, const void* functions)
            : AllocatorOps(name), pair_(pair), functions_(functions) {}
        const void* functions() const override { return functions_; }
        Ioasid alloc(ExecContext&, Ioasid, Ioasid) override {
            pair_.calls_.push_back(name() + " alloc");
            return pair_.answer_;
        }
        void free(ExecContext&, Ioasid id) override {
            pair_.calls_.push_back(name() + " free " + std::to_string(id.value()));
        }

    private:
        ProviderPair& pair_;
        const void* functions_;
    };

    // A provider answers any number, in the range or not, in use or not, or none.
    void alloc(int s, int min, int max, int answer) {
        const bool none = answer >= static_cast<int>(kIds);
        answer_ = none ? kNoIoasid : Ioasid{static_cast<std::uint32_t>(answer)};
        const Ioasid got = core_.alloc(ctx_, sets_[static_cast<std::size_t>(s)],
                                       Ioasid{static_cast<std::uint32_t>(min)},
                                       Ioasid{static_cast<std::uint32_t>(max)}, nullptr);
        const int expected = model_.alloc(s, min, max, none ? ProviderModel::kNone : answer);
        RC_ASSERT((is_valid(got) ? static_cast<int>(got.value()) : -1) == expected);
    }

    void compare() {
        const auto views = core_.ids();
        RC_ASSERT(views.size() == model_.ids().size());
        auto expected = model_.ids().begin();
        for (const IoasidView& view : views) {
            RC_ASSERT(static_cast<int>(view.id.value()) == expected->first);
            RC_ASSERT((view.set == sets_[static_cast<std::size_t>(expected->second.set)]));
            RC_ASSERT(static_cast<int>(view.refs) == expected->second.refs);
            RC_ASSERT((view.state == IoasidState::FreePending) == expected->second.pending);
            ++expected;
        }
        for (std::size_t s = 0; s < sets_.size(); ++s) {
            RC_ASSERT(sets_[s]->live() == model_.live[s]);
            std::set<int> listed;
            core_.set_for_each(ctx_, sets_[s],
                               [&](Ioasid id) { listed.insert(static_cast<int>(id.value())); });
            RC_ASSERT(listed == model_.arrays[s]);
        }
        const auto groups = core_.allocator_groups();
        RC_ASSERT(groups.size() == model_.groups.size());
        for (std::size_t g = 0; g < groups.size(); ++g) {
            RC_ASSERT(groups[g].active == (model_.active == static_cast<int>(g)));
            RC_ASSERT(groups[g].ids == model_.groups[g].ids.size());
            RC_ASSERT(groups[g].members.size() == model_.groups[g].members.size());
        }
    }

    LockMonitor monitor_;
    ImmediateContext ctx_{monitor_};
    trace::Recorder recorder_{no_time};
    Probes probes_;
    IoasidCore core_;
    ProviderModel model_;
    trace::Name me_;
    std::array<char, 3> functions_{};
    std::vector<std::unique_ptr<Provider>> providers_;
    std::array<IoasidSet*, 2> sets_{};
    std::vector<std::string> calls_;
    Ioasid answer_ = kNoIoasid;
};

}  // namespace ioasim::test
