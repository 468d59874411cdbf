// What a report makes of events: lanes, lives of IDs, kinds of faults.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/event_script.hpp"
#include "tools/cli/report/lives.hpp"
#include "tools/cli/report/timeline.hpp"

using namespace ioasim;
using tools::report::Kind;
using tools::report::Lane;
using tools::report::Life;
using tools::report::Lives;
using tools::report::RunModel;
using tools::report::Slice;
using tools::report::Timeline;

namespace {

struct Fold {
    Fold() : timeline(s.recorder), lives(s.recorder) {
        s.recorder.add_listener(timeline, trace::kAllCategories);
        s.recorder.add_listener(lives, lives.categories());
    }
    const RunModel& model() {
        s.finish();
        timeline.give(made, 1000);
        lives.give(made);
        return made;
    }
    const Lane* lane(const std::string& name) const {
        for (const Lane& lane : made.lanes) {
            if (lane.name() == name) {
                return &lane;
            }
        }
        return nullptr;
    }
    std::string text(const Slice& slice) const { return made.texts.at(slice.text); }

    test::EventScript s;
    Timeline timeline;
    Lives lives;
    RunModel made;
};

}  // namespace

TEST_CASE("report: the states of an ID are slices, one after another") {
    Fold f;
    f.s.step = 10_ns;
    f.s.alloc("vm1", 201);            // state at 10 ns
    f.s.get("vm1", 201, 2, "iommu");  // state at 30 ns
    f.s.free("vm1", 201, 1);          // call, put, state at 60 ns
    f.s.put("vm1", 201, 0, "iommu");
    f.s.reclaim("vm1", 201);  // state at 90 ns
    f.model();
    const Lane* lane = f.lane("host 201 (vm1)");
    REQUIRE(lane != nullptr);
    REQUIRE(lane->slices().size() == 3);
    CHECK(f.text(lane->slices()[0]) == "IDLE");
    CHECK(lane->slices()[0].begin == 10'000);
    CHECK(lane->slices()[1].kind == Kind::Active);
    CHECK(lane->slices()[1].begin == 30'000);
    CHECK(lane->slices()[2].kind == Kind::Pending);
    CHECK(lane->slices()[2].end == 90'000);
}

TEST_CASE("report: a life has its holders, with counts, and its marks in order") {
    Fold f;
    f.s.step = 10_ns;
    f.s.alloc("vm1", 201);
    f.s.entry_set(201);
    f.s.get("vm1", 201, 2, "iommu");
    f.s.get("vm1", 201, 3, "iommu");
    f.s.bind("vm1", 201, 101);
    f.s.put("vm1", 201, 2, "iommu");
    f.s.put("vm1", 201, 1, "stranger");  // held nothing
    f.s.put("vm1", 201, 1, "iommu");
    f.s.free("vm1", 201, 0);
    f.s.alloc("vm2", 202);
    const RunModel& model = f.model();
    REQUIRE(model.lives.size() == 2);
    const Life& life = model.lives[0];
    CHECK(life.reclaimed);
    REQUIRE(life.holders.size() == 2);
    CHECK(life.holders[0].name == "owner");
    CHECK(life.holders[1].name == "iommu");
    CHECK(life.holders[1].most == 2);
    CHECK(life.holders[1].end > life.holders[1].begin);
    std::string marks;
    for (const Life::Mark& mark : life.marks) {
        marks += mark.text + ";";
    }
    CHECK(marks == "alloc;PASID entry set;BIND;KVM translates;ioasid_free;reclaim;");
    CHECK_FALSE(model.lives[1].reclaimed);
    CHECK(model.lives[1].end == model.end);
    CHECK(model.lives[1].holders[0].open);
}

TEST_CASE("report: a descriptor waits, is worked on, and may fail") {
    Fold f;
    f.s.step = 10_ns;
    f.s.enqueue(1, 201);
    f.s.enqueue(2, 201, 2);
    f.s.dispatch(1, 201, 1);
    f.s.dispatch(2, 201);
    f.s.complete(2, 201, "record", 3);
    f.s.complete(1, 201);
    f.s.enqueue(0, 202, 4, false);
    const RunModel& model = f.model();
    const Lane* waiting = f.lane("dsa0.wq0 waiting");
    const Lane* engine = f.lane("dsa0.engine0");
    REQUIRE(waiting != nullptr);
    REQUIRE(engine != nullptr);
    CHECK(waiting->slices()[0].end == 20'000);
    CHECK(waiting->slices()[1].number == 2);
    REQUIRE(engine->slices().size() == 2);
    CHECK(engine->slices()[0].kind == Kind::Work);
    CHECK(engine->slices()[0].end == 50'000);
    CHECK(engine->slices()[1].kind == Kind::Bad);
    CHECK(f.text(engine->slices()[1]).rfind("status 0x03", 0) == 0);
    CHECK(f.lane("dsa0.wq0 retries") != nullptr);
    REQUIRE_FALSE(model.series.empty());
    CHECK(model.series[0].highest() == 4);
    CHECK(model.latencies.size() == 1);
    CHECK(model.latencies[0].latency.count() == 2);
}

TEST_CASE("report: waits of the invalidation queue end in their order") {
    Fold f;
    f.s.step = 10_ns;
    const trace::VtdInvWait wait{f.s.iommu(), false, false};
    f.s.emit(wait, "iommu0");
    f.s.emit(wait, "iommu0");
    f.s.wait_done();
    f.s.wait_done();
    f.s.wait_done();  // of none that was seen
    f.model();
    const Lane* lane = f.lane("iommu0 waits");
    REQUIRE(lane != nullptr);
    REQUIRE(lane->slices().size() == 2);
    CHECK(lane->slices()[0].end == 20'000);
    CHECK(lane->slices()[1].end == 30'000);
}

TEST_CASE("report: what has not ended lasts until the end of the trace") {
    Fold f;
    f.s.step = 10_ns;
    f.s.emit(trace::LockAcquire{f.s.name("host/a"), f.s.name("task"), 0_ps});
    f.s.emit(trace::SchedRun{3, f.s.name("task")});
    const RunModel& model = f.model();
    for (const char* name : {"host/a", "cpu3"}) {
        const Lane* lane = f.lane(name);
        REQUIRE(lane != nullptr);
        CHECK(lane->slices()[0].end == model.end);
    }
}

TEST_CASE("report: faults that differ in time only are one kind") {
    Fold f;
    f.s.step = 10_ns;
    for (const bool suppressed : {false, true, true}) {
        f.s.emit(trace::VtdFault{f.s.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000}, trace::Hex{0x59},
                                 true, !suppressed, suppressed, 1},
                 "iommu0");
    }
    f.s.emit(trace::VtdFault{f.s.iommu(), Rid{0x10}, Pasid{202}, Iova{0x1000}, trace::Hex{0x59},
                             true, true, false, 1},
             "iommu0");
    const RunModel& model = f.model();
    REQUIRE(model.faults.size() == 2);
    CHECK(model.faults[0].count == 3);
    CHECK(model.faults[0].suppressed == 2);
    CHECK(model.faults[0].first == 0);
    CHECK(model.faults[0].last == 20'000);
    CHECK(model.faults[0].what == "0x59 the PASID entry is not present");
}

TEST_CASE("report: lanes are bounded in number, and what has none is counted") {
    Fold f;
    for (int i = 0; i < 100; ++i) {
        f.s.emit(trace::ProcessStart{f.s.name("process " + std::to_string(i))});
    }
    const RunModel& model = f.model();
    CHECK(model.lanes.size() == 64);
    CHECK(model.lanes_left_out.at("Programs") == 36);
}
