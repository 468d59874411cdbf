#include <doctest/doctest.h>

#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "scenarios/language/judge.hpp"
#include "tests/unit/language_support.hpp"

using namespace ioasim;
using namespace ioasim::scenario;
using namespace ioasim::scenario::test;

namespace {

TimePs g_now;

// A run that is nothing but its events.
class Played {
public:
    explicit Played(const std::string& expect, const std::string& more = "")
        : recorder_([] { return g_now; }) {
        g_now = TimePs{0};
        Loaded loaded = load_text(scenario_text(
            R"("vms": [{"name": "vm1"}], "programs": [{"on": "vm1/vcpu0", "process": "app", "steps":
               [{"alloc": "A"}, {"free": "A", "error": "EBUSY"}]}], "expect": [)" +
            expect + "]" + more));
        CHECK_MESSAGE(!loaded.diagnostics.has_errors(),
                      render(loaded.diagnostics, loaded.sources, false));
        REQUIRE(loaded.cells.size() == 1);
        scenario_ = loaded.cells[0];
        judge_ = std::make_unique<Judge>(scenario_, recorder_);
        recorder_.add_listener(*judge_, judge_->categories());
        end_.reason = "idle";
        end_.checkers = 1;
    }

    Played& at(std::uint64_t ns) {
        g_now = TimePs{ns * 1000};
        return *this;
    }
    Played& put(std::uint32_t id, std::uint32_t refs, const char* set = "vm1") {
        recorder_.emit(recorder_.source("x"),
                       trace::IoasidPut{recorder_.name("host"), recorder_.name(set), Ioasid{id},
                                        refs, recorder_.name("kvm/vm1")});
        return *this;
    }
    Played& free(std::uint32_t id) {
        recorder_.emit(
            recorder_.source("x"),
            trace::IoasidFree{recorder_.name("host"), recorder_.name("vm1"), Ioasid{id}, Spid{1}});
        return *this;
    }
    Played& reclaim(std::uint32_t id) {
        recorder_.emit(
            recorder_.source("x"),
            trace::IoasidReclaim{recorder_.name("host"), recorder_.name("vm1"), Ioasid{id}, 0});
        return *this;
    }
    Played& finding(const char* code) {
        recorder_.emit(
            recorder_.source("x"),
            trace::RunFinding{recorder_.name(code), recorder_.name("201"), recorder_.name("text")});
        return *this;
    }
    Played& step(std::uint32_t index, Errno result, std::uint64_t value = 0) {
        trace::StepResult event;
        event.program = recorder_.name("vm1/vcpu0/app");
        event.index = index;
        event.result = result;
        event.value = value;
        recorder_.emit(recorder_.source("x"), event);
        return *this;
    }
    RunEnd& end() { return end_; }
    Verdict verdict() {
        recorder_.finish(g_now);
        end_.time = g_now;
        return judge_->finish(end_);
    }
    bool passes() { return verdict().failures.empty(); }

private:
    trace::Recorder recorder_;
    Scenario scenario_;
    std::unique_ptr<Judge> judge_;
    RunEnd end_;
};

const std::string kPut = R"({"event": "ioasid.put", "where": {"set": "vm1"}, "count": 2})";

}  // namespace

TEST_CASE("judge: an event is counted where its fields match") {
    CHECK(Played(kPut).put(1, 1).put(1, 0).put(9, 0, "vm2").passes());
    CHECK_FALSE(Played(kPut).put(1, 1).passes());
    CHECK_FALSE(Played(kPut).put(1, 2).put(1, 1).put(1, 0).passes());
    CHECK(Played(R"({"event": "ioasid.put", "at_most": 1})").put(1, 0).passes());
    CHECK_FALSE(Played(R"({"event": "ioasid.put"})").passes());
}

TEST_CASE("judge: a step about a variable that was never set says so") {
    const auto seen = [](Played& played) { return played.verdict().failures.back().seen.at(0); };
    const std::string ends = R"({"ends": "idle"})";
    CHECK(
        seen(Played(ends).step(0, Errno::Enospc).step(1, Errno::Enoent)) ==
        "it ended with -ENOENT at 0 ps (event 1): A was never allocated: the step that does it did "
        "not succeed before");
    CHECK(seen(Played(ends).step(0, Errno::Ok).step(1, Errno::Enoent)) ==
          "it ended with -ENOENT at 0 ps (event 1)");
}

TEST_CASE("judge: fields match by value, range, list and beginning of a text") {
    const auto passes = [](const std::string& where) {
        return Played(R"({"event": "ioasid.put", "where": {)" + where + "}, \"count\": 1}")
            .put(201, 1)
            .put(202, 3)
            .passes();
    };
    CHECK(passes(R"("ioasid": 201)"));
    CHECK(passes(R"("refs": {"min": 2})"));
    CHECK(passes(R"("refs": {"max": 2})"));
    CHECK_FALSE(passes(R"("ioasid": [201, 202])"));
    CHECK(passes(R"("ioasid": [202, 203])"));
    CHECK_FALSE(passes(R"("holder": "kvm/*")"));
    CHECK_FALSE(passes(R"("holder": "kvm")"));
}

TEST_CASE("judge: a failed count tells what was seen, when, and which came near") {
    const Verdict verdict = Played(kPut).at(5).put(7, 0, "vm2").verdict();
    REQUIRE(verdict.failures.size() == 1);
    const Failure& f = verdict.failures[0];
    REQUIRE(f.seen.size() == 2);
    CHECK(f.seen[0] == "ioasid.put where set=vm1 happened 0 times; wanted: 2 times");
    CHECK(f.seen[1].find("with other fields happened once;") != std::string::npos);
    CHECK(f.seen[1].find("5 ns") != std::string::npos);
    CHECK(f.where.find("t.json:2:") != std::string::npos);
}

TEST_CASE("judge: never is never") {
    CHECK(Played(R"({"never": "ioasid.put"})").passes());
    CHECK(
        Played(R"({"never": {"event": "ioasid.put", "where": {"ioasid": 2}}})").put(1, 0).passes());
    CHECK_FALSE(Played(R"({"never": "ioasid.put"})").put(1, 0).passes());
}

TEST_CASE("judge: order holds when none comes before its turn") {
    const std::string order = R"({"order": ["ioasid.free", "ioasid.put", "ioasid.reclaim"]})";
    CHECK(Played(order).free(1).put(1, 0).reclaim(1).passes());
    CHECK(Played(order).free(1).put(1, 1).free(2).put(1, 0).reclaim(1).passes());
    CHECK_FALSE(Played(order).put(1, 0).free(1).put(1, 0).reclaim(1).passes());
    CHECK_FALSE(Played(order).free(1).reclaim(1).put(1, 0).passes());
    CHECK_FALSE(Played(order).free(1).put(1, 0).passes());
}

TEST_CASE("judge: order with a repeated event wants it again") {
    const std::string order = R"({"order": ["ioasid.put", "ioasid.free", "ioasid.put"]})";
    CHECK(Played(order).put(1, 1).free(1).put(1, 0).passes());
    CHECK_FALSE(Played(order).put(1, 1).put(1, 0).free(1).passes());
}

TEST_CASE("judge: latency is judged for every pair, matched by a field") {
    const std::string latency =
        R"({"latency": {"from": "ioasid.free", "to": "ioasid.reclaim",
                        "match": "ioasid", "max": "10ns"}})";
    CHECK(Played(latency).at(1).free(1).at(5).free(2).at(11).reclaim(1).at(15).reclaim(2).passes());
    CHECK_FALSE(Played(latency).at(1).free(1).at(12).reclaim(1).passes());
    CHECK_FALSE(Played(latency).at(1).free(1).at(5).free(2).at(9).reclaim(2).passes());
    CHECK_FALSE(Played(latency).passes());
    CHECK_FALSE(Played(latency).reclaim(1).passes());
}

TEST_CASE("judge: a lower bound of a latency can be broken too") {
    const std::string latency =
        R"({"latency": {"from": "ioasid.free", "to": "ioasid.reclaim", "min": "4ns"}})";
    CHECK(Played(latency).at(1).free(1).at(5).reclaim(1).passes());
    CHECK_FALSE(Played(latency).at(1).free(1).at(4).reclaim(1).passes());
}

TEST_CASE("judge: a finding that nobody wants fails the run") {
    CHECK_FALSE(Played("").finding("references.leak").passes());
    CHECK(Played(R"({"finding": "references.leak", "count": 1})")
              .finding("references.leak")
              .passes());
    CHECK_FALSE(Played(R"({"finding": "references.leak"})").passes());
    CHECK_FALSE(Played(R"({"finding": "references.leak"})")
                    .finding("references.leak")
                    .finding("isolation.read")
                    .passes());
}

TEST_CASE("judge: invariants hold only when somebody looks") {
    CHECK(Played(R"({"invariants": "hold"})").passes());
    Played blind(R"({"invariants": "hold"})");
    blind.end().checkers = 0;
    CHECK_FALSE(blind.passes());
    CHECK_FALSE(Played(R"({"invariants": "hold"})").finding("isolation.read").passes());
}

TEST_CASE("judge: every step ends as it says") {
    CHECK(Played("").step(0, Errno::Ok).step(1, Errno::Ebusy).passes());
    CHECK_FALSE(Played("").step(0, Errno::Enospc).passes());
    CHECK_FALSE(Played("").step(0, Errno::Ok).step(1, Errno::Ok).passes());
    const std::string value = R"({"step": "vm1/vcpu0/app[0]", "errno": "0", "value": 101})";
    CHECK(Played(value).step(0, Errno::Ok, 101).passes());
    CHECK_FALSE(Played(value).step(0, Errno::Ok, 102).passes());
    CHECK_FALSE(Played(value).passes());
}

TEST_CASE("judge: the run ends by itself unless another end is expected") {
    Played limit("");
    limit.end().reason = "limit";
    CHECK_FALSE(limit.passes());
    Played wanted(R"({"ends": "limit"})");
    wanted.end().reason = "limit";
    CHECK(wanted.passes());
    CHECK_FALSE(Played(R"({"ends": "limit"})").passes());
}

TEST_CASE("judge: a run that was stopped from outside is judged by what it did") {
    Played stopped(kPut);
    stopped.end().reason = "signal";
    stopped.end().complete = false;
    CHECK(stopped.passes());
    Played wrong(kPut);
    wrong.end().complete = false;
    CHECK_FALSE(wrong.step(0, Errno::Enospc).passes());
}

TEST_CASE("judge: the final state is asked by path") {
    const auto passes = [](const std::string& expect, const char* value) {
        Played played(expect);
        played.end().state = [value](const std::string&, std::string& problem) {
            problem = "none";
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
        };
        return played.passes();
    };
    CHECK(passes(R"({"final": "host.ioasid(1).state", "is": "FREE"})", "FREE"));
    CHECK_FALSE(passes(R"({"final": "host.ioasid(1).state", "is": "FREE"})", "IDLE"));
    CHECK_FALSE(passes(R"({"final": "host.ioasid(1).state", "is": "FREE"})", nullptr));
    CHECK(passes(R"({"final": "host.ioasid(1).state", "is_not": "FREE"})", "IDLE"));
    CHECK_FALSE(passes(R"({"final": "host.ioasid(1).state", "is_not": "FREE"})", "FREE"));
    CHECK_FALSE(passes(R"({"final": "host.ioasid(1).state", "is_not": "FREE"})", nullptr));
    CHECK(passes(R"({"final": "x.state", "is": "0x800000c9"})", "0x800000C9"));
}

TEST_CASE("judge: bytes in memory are compared") {
    const auto passes = [](const std::string& rest, std::uint8_t source, std::uint8_t destination) {
        Loaded loaded = load_text(scenario_text(
            R"("platform": {"iommus": [{"name": "i"}], "devices": [{"name": "d", "iommu": "i",
                "workqueues": [{"name": "w"}]}]},
               "programs": [{"on": "host", "process": "app", "steps": [{"bind": "A", "device": "d"},
                {"submit": {"to": "d/w", "pasid": "A", "size": "4B", "count": 2}}]}],
               "expect": [{"bytes": {"program": "host/app", "step": 1, )" +
            rest + "}}]"));
        REQUIRE_MESSAGE(loaded.cells.size() == 1,
                        render(loaded.diagnostics, loaded.sources, false));
        trace::Recorder recorder([] { return g_now; });
        Judge judge(loaded.cells[0], recorder);
        RunEnd end;
        end.reason = "idle";
        end.bytes = [&](const std::string&, std::size_t, const std::string& buffer, std::uint64_t,
                        std::vector<std::uint8_t>& out) {
            CHECK(out.size() <= 8);
            std::fill(out.begin(), out.end(), buffer == "source" ? source : destination);
            return true;
        };
        return judge.finish(end).failures.empty();
    };
    CHECK(passes(R"("equals": "source")", 7, 7));
    CHECK_FALSE(passes(R"("equals": "source")", 7, 8));
    CHECK(passes(R"("differs": "source")", 7, 8));
    CHECK_FALSE(passes(R"("differs": "source")", 7, 7));
    CHECK(passes(R"("equals": "zero")", 7, 0));
    CHECK_FALSE(passes(R"("equals": "zero")", 7, 1));
    CHECK(passes(R"("equals": "0707", "buffer": "source")", 7, 1));
    CHECK_FALSE(passes(R"("equals": "070707070707070707")", 7, 7));
}
