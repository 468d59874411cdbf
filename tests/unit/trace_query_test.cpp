// Questions to a trace: which events a filter takes, how rows look, where two traces part.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include <zlib.h>

#include "tests/support/event_script.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/questions/diff.hpp"
#include "traces/questions/event_log.hpp"
#include "traces/questions/query.hpp"
#include "traces/questions/trace_source.hpp"

using namespace ioasim;
using test::EventScript;
using traces::FilterWords;
using traces::QueryOptions;
using traces::RowFormat;

namespace {

// A script that is asked while it is told.
struct Asked : EventScript {
    explicit Asked(const QueryOptions& options) : query(recorder, out) {
        error = query.begin(options);
        recorder.add_listener(query, trace::kAllCategories);
    }
    std::string answer() {
        recorder.finish(time());
        return out.text();
    }
    void life() {
        at(1000_ns);
        alloc("vm1", 201);
        get("vm1", 201, 2, "iommu");
        alloc("vm1", 202, 2);
        get("vm1", 202, 2, "kvm/vm1");
        put("vm1", 201, 1, "iommu");
    }
    traces::StringSink out;
    traces::Query query;
    traces::QuestionError error;
};

QueryOptions count_of(FilterWords words) {
    QueryOptions options;
    options.filter = std::move(words);
    options.count = true;
    return options;
}

std::string counted(FilterWords words) {
    Asked asked(count_of(std::move(words)));
    REQUIRE_MESSAGE(!asked.error, asked.error.text);
    asked.life();
    return asked.answer();
}

struct Logged : EventScript {
    Logged() : follower(recorder, log.recorder(), log) {
        recorder.add_listener(follower, trace::kAllCategories);
    }
    traces::EventLog log;
    traces::Follower follower;
};

traces::Diff diff_of(Logged& a, Logged& b, const traces::DiffOptions& options = {}) {
    traces::Diff out;
    const traces::QuestionError error =
        diff_traces({"a", &a.log, {}}, {"b", &b.log, {}}, options, out);
    CHECK_MESSAGE(!error, error.text);
    return out;
}

}  // namespace

TEST_CASE("glob: a star is any text, a question mark one character") {
    CHECK(traces::glob_match("ioasid.*", "ioasid.put"));
    CHECK(traces::glob_match("*put", "ioasid.put"));
    CHECK(traces::glob_match("i*.p?t", "ioasid.put"));
    CHECK_FALSE(traces::glob_match("ioasid", "ioasid.put"));
    CHECK_FALSE(traces::glob_match("*pu", "ioasid.put"));
    CHECK(traces::glob_match("", ""));
}

TEST_CASE("query: each condition takes what it says, and all must hold") {
    CHECK(counted({}) == "9\n");
    CHECK(counted({{"ioasid.get"}, {}, {}, {}, {}, {}}) == "2\n");
    CHECK(counted({{"ioasid.get", "*.put"}, {}, {}, {}, {}, {}}) == "3\n");
    CHECK(counted({{}, {}, {"holder=kvm/*"}, {}, {}, {}}) == "1\n");
    CHECK(counted({{"ioasid.?et"}, {}, {"holder!=kvm/*"}, {}, {}, {}}) == "1\n");
    CHECK(counted({{}, {}, {"refs>1"}, {}, {}, {}}) == "2\n");
    CHECK(counted({{}, {}, {"refs<2"}, {}, {}, {}}) == "1\n");
    CHECK(counted({{}, {}, {"to=ACTIVE"}, {}, {}, {}}) == "2\n");
    CHECK(counted({{}, {}, {}, {"202"}, {}, {}}) == "4\n");
    CHECK(counted({{}, {}, {}, {"0xca", "201"}, {}, {}}) == "9\n");
    CHECK(counted({{}, {"host/*"}, {}, {}, {}, {}}) == "9\n");
    CHECK(counted({{}, {"vm1/*"}, {}, {}, {}, {}}) == "0\n");
    // Both ends of the window belong to it: events are 1 ns apart.
    CHECK(counted({{}, {}, {}, {}, 1'001'000, 1'003'000}) == "3\n");
}

TEST_CASE("query: what no event has is an error with what was meant") {
    const auto problem = [](FilterWords words) { return Asked(count_of(std::move(words))).error; };
    CHECK(problem({{"ioasid.ptu"}, {}, {}, {}, {}, {}}).help == "did you mean \"ioasid.put\"?");
    CHECK(problem({{"ioasid.put"}, {}, {"holdr=x"}, {}, {}, {}}).help ==
          "did you mean \"holder\"?");
    CHECK(problem({{}, {}, {"holder"}, {}, {}, {}}));
    CHECK(problem({{}, {}, {"refs>many"}, {}, {}, {}}));
    CHECK(problem({{}, {}, {}, {"vm1"}, {}, {}}));
    CHECK(problem({{}, {}, {}, {}, 2, 1}));
    CHECK_FALSE(problem({{"ioasid.*"}, {}, {"took>2us"}, {}, {}, {}}));
}

TEST_CASE("query: rows in three forms, limits from both ends") {
    QueryOptions options;
    options.filter.events = {"ioasid.get"};
    options.fields = {"time", "ioasid", "holder"};
    const auto rows = [&options] {
        Asked asked(options);
        asked.life();
        return asked.answer();
    };
    CHECK(rows() == "1.002 us  201  iommu\n1.006 us  202  kvm/vm1\n");
    options.format = RowFormat::Csv;
    CHECK(rows() == "time,ioasid,holder\n1.002 us,201,iommu\n1.006 us,202,kvm/vm1\n");
    options.limit = 1;
    CHECK(rows() == "time,ioasid,holder\n1.002 us,201,iommu\n");
    options.last = true;
    options.format = RowFormat::Json;
    CHECK(rows() == R"({"time":"1.006 us","ioasid":202,"holder":"kvm/vm1"})"
                    "\n");
    options.fields.clear();
    CHECK(rows() == R"({"seq":6,"time_ps":1006000,"event":"ioasid.get","source":"host/task",)"
                    R"("kernel":"host","set":"vm1","ioasid":202,"refs":2,"holder":"kvm/vm1"})"
                    "\n");
}

TEST_CASE("query: cells of CSV are quoted where they must be") {
    QueryOptions options;
    options.format = RowFormat::Csv;
    options.fields = {"holder"};
    Asked asked(options);
    asked.get("vm1", 201, 3, "a,\"b\"");
    CHECK(asked.answer() == "holder\n\"a,\"\"b\"\"\"\n");
}

TEST_CASE("query: counts by a field, most first") {
    QueryOptions options = count_of({});
    options.by = "event";
    Asked asked(options);
    asked.life();
    CHECK(asked.answer() ==
          "         4  ioasid.state\n         2  ioasid.alloc\n         2  ioasid.get\n"
          "         1  ioasid.put\n");
}

TEST_CASE("trace file: plain, compressed and in a folder, the same text; damage is told") {
    const std::string folder = "query_test_folder";
    REQUIRE(std::system(("rm -rf " + folder + " && mkdir " + folder).c_str()) == 0);
    const std::string text(100'000, 'x');
    std::ofstream(folder + "/trace.jsonl") << text;
    const auto content = [](const std::string& path) {
        traces::TraceSource file(path);
        CHECK(file.error().empty());
        std::ostringstream out;
        out << file.stream().rdbuf();
        return out.str();
    };
    CHECK(content(folder) == text);
    CHECK(content(folder + "/trace.jsonl") == text);
    REQUIRE(std::system(("gzip " + folder + "/trace.jsonl").c_str()) == 0);
    CHECK(content(folder) == text);
    // Cut in the middle.
    REQUIRE(std::system(("truncate -s 60 " + folder + "/trace.jsonl.gz").c_str()) == 0);
    traces::TraceSource cut(folder);
    std::ostringstream out;
    out << cut.stream().rdbuf();
    CHECK_FALSE(cut.error().empty());
    CHECK_FALSE(traces::TraceSource("no_such_file").error().empty());
    REQUIRE(std::system(("rm -rf " + folder).c_str()) == 0);
}

TEST_CASE("diff: equal traces have no difference, whatever the numbers of their names") {
    Logged a;
    Logged b;
    b.name("a name that the other has not");
    for (Logged* side : {&a, &b}) {
        side->at(1000_ns);
        side->alloc("vm1", 201);
        side->finish();
    }
    CHECK(diff_of(a, b).same());
}

TEST_CASE("diff: the first different field, what stands around it, and what became of it") {
    Logged a;
    Logged b;
    for (Logged* side : {&a, &b}) {
        side->at(1000_ns);
        side->alloc("vm1", 201);
        side->get("vm1", 201, 2, "iommu");
    }
    // The scripts share one clock.
    a.at(2000_ns);
    a.put("vm1", 201, 1, "iommu");
    a.finish();
    b.at(2000_ns);
    b.put("vm1", 201, 1, "kvm");
    b.finish();
    const traces::Diff diff = diff_of(a, b);
    REQUIRE(diff.first);
    CHECK(diff.first->position == 4);
    CHECK(diff.first->fields == std::vector<std::string>{"holder"});
    CHECK(diff.first->before.size() == 3);
    REQUIRE(diff.kinds.size() == 1);
    CHECK(diff.kinds[0].name == "ioasid.put");
    CHECK(diff.kinds[0].a == diff.kinds[0].b);
    REQUIRE(diff.endings.size() == 1);
    CHECK(diff.endings[0].what == "host.ioasid(201)");
    CHECK(diff.endings[0].a == "ACTIVE, held by owner");
    CHECK(diff.endings[0].b == "ACTIVE, held by iommu, owner");
}

TEST_CASE("diff: times can be left out, a trace that ends is a difference") {
    Logged a;
    Logged b;
    Logged c;
    a.at(1000_ns);
    a.alloc("vm1", 201);
    a.finish();
    b.at(2000_ns);
    b.alloc("vm1", 201);
    b.finish();
    c.at(1000_ns);
    c.alloc("vm1", 201);
    c.recorder.finish(c.time());
    traces::DiffOptions options;
    CHECK(diff_of(a, b).first->fields == std::vector<std::string>{"time"});
    options.ignore_times = true;
    CHECK(diff_of(a, b, options).same());
    const traces::Diff shorter = diff_of(a, c, options);
    REQUIRE(shorter.first);
    CHECK(shorter.first->b.empty());
    CHECK(shorter.first->a.size() == 1);
}
