// The ioasids controller beside a model of it: groups with limits in a tree, processes that
// allocate, free and move.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "core/ioasid/cgroup.hpp"
#include "tests/random/random_words.hpp"
#include "tests/unit/ioasid_harness.hpp"

namespace ioasim::test {

class GroupPair {
public:
    static constexpr std::size_t kProcesses = 3;
    static constexpr unsigned kQuota = 5;
    static constexpr unsigned kIds = 20;
    static constexpr unsigned kPool = 20;  // for limits

    explicit GroupPair(const Defect* defect = nullptr) : control_(h_.core, tasks_) {
        if (defect != nullptr) {
            h_.probes.enable(*defect);
        }
        h_.core.install_capacity(h_.ctx, kPool + kProcesses * kQuota);
        for (std::size_t p = 0; p < kProcesses; ++p) {
            sets_.push_back(h_.mm_set(p + 1, kQuota));
        }
        // a, b below the root, c below a.
        groups_.push_back(&control_.create(control_.root(), "a"));
        groups_.push_back(&control_.create(control_.root(), "b"));
        groups_.push_back(&control_.create(*groups_[0], "c"));
    }

    void step(Word word) {
        const std::size_t p = bits(word, 8, 4) % kProcesses;
        const unsigned number = bits(word, 12, 5) % kIds + 1;
        const Ioasid id{number};
        tasks_.task = {p + 1, groups_[home_[p]]};
        switch (bits(word, 0, 4)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
                alloc(p);
                break;
            case 5:
                get(number);
                break;
            case 6:
            case 7:
                RC_ASSERT(h_.put(nullptr, id) == put(number));
                break;
            case 8:
            case 9:
                h_.core.free(h_.ctx, sets_[p], id);
                free(p, number);
                break;
            case 10:
                h_.core.free_all_in_set(h_.ctx, sets_[p]);
                for (unsigned n = 1; n <= kIds; ++n) {
                    free(p, n);
                }
                break;
            case 11:
                move(p, bits(word, 17, 4) % groups_.size());
                break;
            default:
                write_max(bits(word, 17, 4) % groups_.size(), bits(word, 21, 3));
        }
        compare();
    }

private:
    struct OneTask final : CgroupTasks {
        CgroupTask current(ExecContext&) override { return task; }
        bool has_users(SetToken) const override { return true; }
        CgroupTask task;
    };
    struct Id {
        std::size_t process = 0;
        unsigned refs = 0;  // 0: free
        bool pending = false;
    };
    // A group and those above it: c is below a.
    static std::vector<std::size_t> upwards(std::size_t group) {
        return group == 2 ? std::vector<std::size_t>{2, 0} : std::vector<std::size_t>{group};
    }

    void alloc(std::size_t p) {
        const Ioasid got = h_.alloc(sets_[p], 1, kIds);
        bool allowed = true;
        for (const std::size_t g : upwards(home_[p])) {
            allowed = allowed && current_[g] + 1 <= limit_[g];
        }
        if (!allowed) {
            ++denied_[home_[p]];
        }
        unsigned expected = 0;
        if (allowed && live_[p] < kQuota) {
            expected = 1;
            while (ids_[expected].refs != 0) {
                ++expected;
            }
            ids_[expected] = {p, 1, false};
            count(p, 1);
        }
        RC_ASSERT(is_valid(got) == (expected != 0));
        RC_ASSERT((expected == 0 || got.value() == expected));
    }
    void count(std::size_t p, int by) {
        live_[p] += static_cast<unsigned>(by);
        for (const std::size_t g : upwards(home_[p])) {
            current_[g] += by;
        }
    }
    void get(unsigned number) {
        const bool got = h_.get(nullptr, Ioasid{number}) == Errno::Ok;
        RC_ASSERT(got == (ids_[number].refs != 0 && !ids_[number].pending));
        ids_[number].refs += got ? 1 : 0;
    }
    bool put(unsigned number) {
        if (ids_[number].refs == 0 || --ids_[number].refs != 0) {
            return false;
        }
        count(ids_[number].process, -1);
        return true;
    }
    void free(std::size_t p, unsigned number) {
        Id& id = ids_[number];
        if (id.refs != 0 && id.process == p && !id.pending) {
            id.pending = !put(number);
        }
    }
    void move(std::size_t p, std::size_t to) {
        control_.can_attach(h_.ctx, *groups_[to], {{p + 1, true, groups_[home_[p]]}});
        for (const std::size_t g : upwards(home_[p])) {
            current_[g] -= static_cast<int>(live_[p]);
        }
        home_[p] = to;
        for (const std::size_t g : upwards(to)) {
            current_[g] += static_cast<int>(live_[p]);
        }
    }
    void write_max(std::size_t g, unsigned value) {
        const int wanted = static_cast<int>(value);
        const Errno error = control_.write_max(h_.ctx, *groups_[g], std::to_string(wanted));
        Errno expected = wanted == limit_[g] ? Errno::Einval : Errno::Ok;
        if (wanted - limit_[g] > pool_) {
            expected = Errno::Enospc;
        }
        RC_ASSERT(error == expected);
        if (error == Errno::Ok) {
            pool_ -= wanted - limit_[g];
            limit_[g] = wanted;
        }
    }

    void compare() {
        for (std::size_t g = 0; g < groups_.size(); ++g) {
            RC_ASSERT(groups_[g]->current() == current_[g]);
            RC_ASSERT(groups_[g]->limit() == static_cast<std::uint32_t>(limit_[g]));
            RC_ASSERT(groups_[g]->events() == denied_[g]);
        }
        for (std::size_t p = 0; p < kProcesses; ++p) {
            RC_ASSERT(sets_[p]->live() == live_[p]);
        }
        RC_ASSERT(h_.core.available() == static_cast<std::uint32_t>(pool_));
        h_.recorder.flush();
        h_.log.lines.clear();
    }

    IoasidHarness h_;
    OneTask tasks_;
    IoasidsController control_;
    std::vector<IoasidsGroup*> groups_;
    std::vector<IoasidSet*> sets_;

    std::array<Id, kIds + 1> ids_{};
    std::array<std::size_t, kProcesses> home_{0, 1, 2};
    std::array<unsigned, kProcesses> live_{};
    std::array<int, 3> current_{};
    std::array<int, 3> limit_{};
    std::array<std::uint64_t, 3> denied_{};
    int pool_ = kPool;
};

}  // namespace ioasim::test
