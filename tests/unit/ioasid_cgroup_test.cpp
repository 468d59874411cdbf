// The ioasids controller and /dev/ioasid.
#include <doctest/doctest.h>

#include "core/ioasid/cgroup.hpp"
#include "core/ioasid/dev_ioasid.hpp"
#include "tests/unit/ioasid_harness.hpp"

using namespace ioasim;
using namespace ioasim::test;

namespace {

class OneTask final : public CgroupTasks {
public:
    CgroupTask current(ExecContext&) override { return task; }
    bool has_users(SetToken mm) const override { return mm != without_users; }
    CgroupTask task;
    SetToken without_users = 0;
};

struct Groups {
    explicit Groups(Profile profile = Profile::Spec) : h(profile), control(h.core, tasks) {
        h.core.install_capacity(h.ctx, 1000);
    }
    IoasidsGroup& group(const std::string& limit, IoasidsGroup* parent = nullptr) {
        IoasidsGroup& made = control.create(parent == nullptr ? control.root() : *parent,
                                            "g" + std::to_string(++count));
        CHECK(control.write_max(h.ctx, made, limit) == Errno::Ok);
        return made;
    }
    void run_as(SetToken mm, IoasidsGroup* in) { tasks.task = {mm, in}; }
    IoasidHarness h;
    OneTask tasks;
    IoasidsController control;
    int count = 0;
};

}  // namespace

TEST_CASE("ioasids: a new group may hold nothing until max is written") {
    Groups g;
    IoasidsGroup& group = g.control.create(g.control.root(), "vm1");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    CHECK_FALSE(is_valid(g.h.alloc(set)));
    CHECK(*g.control.read_max(group) == "0");
    CHECK(g.control.write_max(g.h.ctx, group, "2\n") == Errno::Ok);
    CHECK(is_valid(g.h.alloc(set)));
    CHECK(is_valid(g.h.alloc(set)));
    CHECK_FALSE(is_valid(g.h.alloc(set)));
    CHECK(*g.control.read_current(group) == "2");
    CHECK(g.control.read_max(g.control.root()).error() == Errno::Enoent);
}

TEST_CASE("ioasids: denials are counted, in posted code the file always shows 0") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        Groups g(profile);
        IoasidsGroup& group = g.group("1");
        IoasidSet* set = g.h.mm_set(1);
        g.run_as(1, &group);
        g.h.alloc(set);
        g.h.alloc(set);
        CHECK(*g.control.read_events(group) == (profile == Profile::Spec ? "max 1" : "max 0"));
    }
}

TEST_CASE("ioasids: a limit reserves from the pool, a lower one gives back") {
    Groups g;
    IoasidsGroup& group = g.group("600");
    CHECK(g.h.core.available() == 400);
    IoasidsGroup& other = g.control.create(g.control.root(), "x");
    CHECK(g.control.write_max(g.h.ctx, other, "401") == Errno::Enospc);
    CHECK(g.control.write_max(g.h.ctx, group, "100") == Errno::Ok);
    CHECK(g.h.core.available() == 900);
    CHECK(g.control.write_max(g.h.ctx, group, "100") == Errno::Einval);
    CHECK(g.control.write_max(g.h.ctx, group, "-1") == Errno::Einval);
    CHECK(g.control.write_max(g.h.ctx, group, "12x") == Errno::Einval);
    CHECK(g.control.write_max(g.h.ctx, group, "") == Errno::Einval);
}

TEST_CASE("ioasids: max takes what is left; posted code forgets the old limit") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        Groups g(profile);
        IoasidsGroup& group = g.group("5");
        CHECK(g.control.write_max(g.h.ctx, group, "max") == Errno::Ok);
        CHECK(group.limit() == (profile == Profile::Spec ? 1000 : 995));
        CHECK(g.h.core.available() == 0);
    }
}

TEST_CASE("ioasids: every ancestor is charged, and one that is full refuses for all") {
    Groups g;
    IoasidsGroup& parent = g.group("1");
    IoasidsGroup& child = g.group("10", &parent);
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &child);
    const Ioasid id = g.h.alloc(set);
    CHECK(parent.current() == 1);
    CHECK(child.current() == 1);
    CHECK_FALSE(is_valid(g.h.alloc(set)));
    CHECK(parent.current() == 1);
    CHECK(child.current() == 1);
    CHECK(child.events() == 1);
    g.h.core.free(g.h.ctx, set, id);
    CHECK(parent.current() == 0);
    CHECK(child.current() == 0);
}

TEST_CASE("ioasids: a pending ID stays charged until its reclaim, whoever drops it") {
    Groups g;
    IoasidsGroup& group = g.group("5");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    const Ioasid id = g.h.alloc(set);
    g.h.get(set, id);
    g.h.core.free(g.h.ctx, set, id);
    CHECK(group.current() == 1);
    g.run_as(0, nullptr);  // the worker
    g.h.put(set, id);
    CHECK(group.current() == 0);
}

TEST_CASE("ioasids: posted code uncharges the running task's group, the charged one leaks") {
    Groups g(Profile::V4);
    IoasidsGroup& group = g.group("5");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    g.h.alloc(set);
    const Ioasid id = g.h.alloc(set);
    g.run_as(0, nullptr);
    g.h.core.free(g.h.ctx, set, id);
    CHECK(group.current() == 2);
    IoasidsGroup& stranger = g.group("5");
    g.run_as(2, &stranger);
    g.h.core.free(g.h.ctx, set, Ioasid{1});
    CHECK(stranger.current() == -1);
}

TEST_CASE("ioasids: posted code skips the uncharge when the mm has no users left") {
    Groups g(Profile::V4);
    IoasidsGroup& group = g.group("5");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    const Ioasid id = g.h.alloc(set);
    g.tasks.without_users = 1;
    // Whoever drops the last reference: the set's mm counts.
    IoasidsGroup& stranger = g.group("5");
    g.run_as(2, &stranger);
    g.h.core.free(g.h.ctx, set, id);
    CHECK(group.current() == 1);
    CHECK(stranger.current() == 0);
}

TEST_CASE("ioasids: a charge is returned when the quota refuses, in posted code it leaks") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        Groups g(profile);
        IoasidsGroup& group = g.group("10");
        IoasidSet* set = g.h.mm_set(1, 3);
        g.run_as(1, &group);
        for (int i = 0; i < 5; ++i) {
            g.h.alloc(set);
        }
        CHECK(set->live() == 3);
        CHECK(group.current() == (profile == Profile::Spec ? 3 : 5));
    }
}

TEST_CASE("ioasids: a foreign process is refused, a kernel context counts as root in spec") {
    Groups g;
    IoasidsGroup& group = g.group("10");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(2, &group);
    CHECK_FALSE(is_valid(g.h.alloc(set)));
    g.run_as(0, nullptr);
    const Ioasid drivers = g.h.alloc(set);
    CHECK(is_valid(drivers));
    CHECK(group.current() == 0);
    // What a driver allocated does not take the process out of its group.
    g.run_as(1, &group);
    const Ioasid own = g.h.alloc(set);
    CHECK(group.current() == 1);
    g.h.core.free(g.h.ctx, set, drivers);
    CHECK(group.current() == 1);
    g.h.core.free(g.h.ctx, set, own);
    CHECK(group.current() == 0);
    Groups v4(Profile::V4);
    IoasidSet* other = v4.h.mm_set(1);
    v4.run_as(0, nullptr);
    CHECK_FALSE(is_valid(v4.h.alloc(other)));
}

TEST_CASE("ioasids: sets that are not of an mm are never charged") {
    Groups g;
    IoasidsGroup& group = g.control.create(g.control.root(), "empty");
    g.run_as(1, &group);
    IoasidSet* untyped = *g.h.core.set_alloc(g.h.ctx, 0, 5, SetType::None, "host");
    CHECK(is_valid(g.h.alloc(untyped)));
}

TEST_CASE("ioasids: charges move with their process, even above the limit, and back") {
    Groups g;
    IoasidsGroup& from = g.group("10");
    IoasidsGroup& to = g.group("1");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &from);
    const Ioasid id = g.h.alloc(set);
    g.h.alloc(set);
    g.h.alloc(set);
    const std::vector<MovingTask> threads{{1, true, &from}, {1, false, &from}};
    CHECK(g.control.can_attach(g.h.ctx, to, threads) == Errno::Ok);
    CHECK(from.current() == 0);
    CHECK(to.current() == 3);
    g.control.cancel_attach(g.h.ctx, to, threads);
    CHECK(from.current() == 3);
    CHECK(to.current() == 0);
    g.control.can_attach(g.h.ctx, to, threads);
    g.run_as(1, &to);
    CHECK_FALSE(is_valid(g.h.alloc(set)));
    g.h.core.free(g.h.ctx, set, id);
    CHECK(to.current() == 2);
}

TEST_CASE("ioasids: a cancelled move of another task leaves the mm's charges where they were") {
    Groups g;
    IoasidsGroup& home = g.group("10");
    IoasidsGroup& other = g.group("10");
    IoasidsGroup& to = g.group("10");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &home);
    g.h.alloc(set);
    g.h.alloc(set);
    const std::vector<MovingTask> helper{{1, true, &other}};
    g.control.can_attach(g.h.ctx, to, helper);
    g.control.cancel_attach(g.h.ctx, to, helper);
    CHECK(home.current() == 2);
    CHECK(other.current() == 0);
    CHECK(to.current() == 0);
}

TEST_CASE("ioasids: a group's limit that somebody else gave back already is a hazard") {
    Groups g;
    IoasidsGroup& group = g.group("10");
    CHECK(g.h.core.cancel_capacity(g.h.ctx, 10).ok());
    CHECK(g.control.remove(g.h.ctx, group) == Errno::Ok);
    CHECK(g.h.told({"ioasid.hazard kind=capacity_cancelled_twice"}).size() == 1);
    CHECK(g.h.core.available() == 1000);
}

TEST_CASE("ioasids: posted code cancels a migration by one unit a thread") {
    Groups g(Profile::V4);
    IoasidsGroup& from = g.group("10");
    IoasidsGroup& to = g.group("10");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &from);
    for (int i = 0; i < 5; ++i) {
        g.h.alloc(set);
    }
    const std::vector<MovingTask> threads{{1, true, &from}, {1, false, &from}};
    g.control.can_attach(g.h.ctx, to, threads);
    g.control.cancel_attach(g.h.ctx, to, threads);
    CHECK(from.current() == 2);
    CHECK(to.current() == 3);
}

TEST_CASE("ioasids: a removed group returns its limit, in posted code not") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        Groups g(profile);
        IoasidsGroup& parent = g.group("100");
        IoasidsGroup& child = g.group("50", &parent);
        CHECK(g.control.remove(g.h.ctx, parent) == Errno::Ebusy);
        CHECK(g.control.remove(g.h.ctx, child) == Errno::Ok);
        CHECK(g.h.core.available() == (profile == Profile::Spec ? 900 : 850));
        CHECK(g.control.remove(g.h.ctx, g.control.root()) == Errno::Einval);
    }
}

TEST_CASE("ioasids: each charge and uncharge is told") {
    Groups g;
    IoasidsGroup& group = g.group("1");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    g.h.told({});
    const Ioasid id = g.h.alloc(set);
    g.h.alloc(set);
    g.h.core.free(g.h.ctx, set, id);
    CHECK(g.h.told({"ioasid.charge"}) ==
          Lines{"ioasid.charge group=/g1 charge=1 result=0 current=1",
                "ioasid.charge group=/g1 charge=1 result=-EAGAIN current=1",
                "ioasid.charge group=/g1 charge=0 result=0 current=0"});
}

TEST_CASE("ioasids: the defect charges above the limit") {
    Groups g;
    g.h.probes.enable(ioasid_probes::kChargeNotChecked);
    IoasidsGroup& group = g.group("1");
    IoasidSet* set = g.h.mm_set(1);
    g.run_as(1, &group);
    g.h.alloc(set);
    CHECK(is_valid(g.h.alloc(set)));
    CHECK(group.current() == 2);
}

// --- /dev/ioasid ------------------------------------------------------------------------------

namespace {

constexpr std::uint32_t kVersion = 100;
constexpr std::uint32_t kInfo = 101;
constexpr std::uint32_t kAlloc = 102;
constexpr std::uint32_t kFree = 103;

DevIoasidArgs range(std::uint32_t min, std::uint32_t max) {
    DevIoasidArgs args;
    args.argsz = DevIoasidArgs::kAllocSize;
    args.min = min;
    args.max = max;
    return args;
}

}  // namespace

TEST_CASE("dev ioasid: open once a process, allocate, free, close reclaims all") {
    IoasidHarness h;
    IoasidDevice device(h.core);
    IoasidFile* file = *device.open(h.ctx, 7, "vm1");
    CHECK(file->set()->quota() == 1000);
    CHECK(device.open(h.ctx, 7, "vm1").error() == Errno::Ebusy);
    DevIoasidArgs args = range(201, 300);
    CHECK(*device.ioctl(h.ctx, *file, 7, kAlloc, &args) == 201);
    CHECK(*device.ioctl(h.ctx, *file, 7, kAlloc, &args) == 202);
    DevIoasidArgs give;
    give.id = 201;
    CHECK(device.ioctl(h.ctx, *file, 7, kFree, &give).ok());
    CHECK_FALSE(h.core.view(Ioasid{201}).has_value());
    IoasidSet* set = file->set();
    device.release(h.ctx, *file);
    CHECK(set->live() == 0);
    CHECK_FALSE(set->registered());
    CHECK(device.open(h.ctx, 7, "vm1").ok());
}

TEST_CASE("dev ioasid: every malformed call has its error") {
    IoasidHarness h;
    IoasidDevice device(h.core);
    IoasidFile* file = *device.open(h.ctx, 7, "vm1");
    const auto call = [&](std::uint32_t number, DevIoasidArgs* args) {
        return device.ioctl(h.ctx, *file, 7, number, args).error();
    };
    CHECK(*device.ioctl(h.ctx, *file, 7, kVersion, nullptr) == 0);
    DevIoasidArgs info;
    info.argsz = DevIoasidArgs::kInfoSize;
    CHECK(call(kInfo, &info) == Errno::Ok);
    CHECK(info.bits == 31);
    info.flags = 1;
    CHECK(call(kInfo, &info) == Errno::Einval);
    info = DevIoasidArgs{};
    CHECK(call(kInfo, &info) == Errno::Einval);
    CHECK(call(kInfo, nullptr) == Errno::Efault);
    DevIoasidArgs args = range(5, 4);
    CHECK(call(kAlloc, &args) == Errno::Einval);
    args = range(1, 0x80000000);
    CHECK(call(kAlloc, &args) == Errno::Einval);
    args = range(1, 5);
    args.argsz = 15;
    CHECK(call(kAlloc, &args) == Errno::Einval);
    DevIoasidArgs give;
    give.id = -1;
    CHECK(call(kFree, &give) == Errno::Einval);
    give.id = 99;
    CHECK(call(kFree, &give) == Errno::Ok);  // unknown: nobody says so
    CHECK(call(104, &give) == Errno::Einval);
}

TEST_CASE("dev ioasid: another process holding the descriptor has no rights in spec") {
    for (const Profile profile : {Profile::Spec, Profile::V4}) {
        IoasidHarness h(profile);
        IoasidDevice device(h.core);
        IoasidFile* file = *device.open(h.ctx, 7, "vm1");
        DevIoasidArgs args = range(1, 9);
        const Errno error = device.ioctl(h.ctx, *file, 8, kAlloc, &args).error();
        CHECK(error == (profile == Profile::Spec ? Errno::Eperm : Errno::Ok));
    }
}

TEST_CASE("dev ioasid: in posted code the first process takes the whole pool") {
    IoasidHarness h(Profile::Dcp);
    IoasidDevice device(h.core);
    CHECK((*device.open(h.ctx, 7, "vm1"))->set()->quota() == 0x100000);
    CHECK(h.core.available() == 0);
    CHECK(device.open(h.ctx, 8, "vm2").error() == Errno::Enospc);
}

TEST_CASE("dev ioasid: another holder keeps the set alive after close") {
    IoasidHarness h;
    IoasidDevice device(h.core);
    IoasidFile* file = *device.open(h.ctx, 7, "vm1");
    IoasidSet* set = file->set();
    device.hold(h.ctx, *file);
    device.release(h.ctx, *file);
    CHECK(set->registered());
    device.release(h.ctx, *file);
    CHECK_FALSE(set->registered());
}

TEST_CASE("dev ioasid: an ID in use outlives the close, and its set with it") {
    IoasidHarness h;
    IoasidDevice device(h.core);
    IoasidFile* file = *device.open(h.ctx, 7, "vm1");
    IoasidSet* set = file->set();
    DevIoasidArgs args = range(1, 9);
    const Ioasid id{*device.ioctl(h.ctx, *file, 7, kAlloc, &args)};
    h.get(set, id);
    device.release(h.ctx, *file);
    CHECK(set->registered());
    CHECK(h.core.view(id)->state == IoasidState::FreePending);
    h.put(set, id);
    CHECK_FALSE(set->registered());
}

TEST_CASE("dev ioasid: V4 loses its set with the last ID while the file is open") {
    IoasidHarness h(Profile::V4);
    IoasidDevice device(h.core);
    IoasidFile* file = *device.open(h.ctx, 7, "vm1");
    DevIoasidArgs args = range(1, 9);
    DevIoasidArgs give;
    give.id = *device.ioctl(h.ctx, *file, 7, kAlloc, &args);
    CHECK(device.ioctl(h.ctx, *file, 7, kFree, &give).ok());
    CHECK(device.ioctl(h.ctx, *file, 7, kAlloc, &args).error() == Errno::Einval);
    CHECK(h.told({"ioasid.hazard kind=destroyed_set"}).size() == 1);
}
