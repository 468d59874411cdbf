// The checks of formats: each broken file is refused, with the reason.
#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tests/support/event_script.hpp"
#include "tests/support/temp_dir.hpp"
#include "traces/perfetto_layout.hpp"
#include "traces/proto.hpp"
#include "traces/trace_check.hpp"
#include "traces/trace_file.hpp"
#include "traces/trace_format.hpp"

using namespace ioasim;
namespace proto = traces::proto;
namespace pf = traces::perfetto;

namespace {

std::string problem_of(const std::string& name, const std::string& content) {
    const test::TempDir dir;
    std::ofstream(dir.file(name), std::ios::binary) << content;
    const traces::CheckResult result = traces::check_trace(dir.file(name));
    return (result.line == 0 ? "" : std::to_string(result.line) + ": ") + result.problem;
}

bool says(const std::string& problem, const std::string& text) {
    CAPTURE(problem);
    CAPTURE(text);
    const bool found = problem.find(text) != std::string::npos;
    CHECK(found);
    return found;
}

// A trace of chrome with these lines behind the names of group 1 and track 2.
std::string chrome(const std::string& lines) {
    return R"([
{"ph":"M","name":"process_name","pid":1,"tid":0,"ts":0,"args":{"name":"g"}},
{"ph":"M","name":"thread_name","pid":1,"tid":2,"ts":0,"args":{"name":"t"}},
)" + lines +
           "\n]\n";
}
std::string line(const std::string& phase, const std::string& ts, const std::string& name = "n") {
    return R"({"ph":")" + phase + R"(","pid":1,"tid":2,"ts":)" + ts + R"(,"name":")" + name +
           R"(","args":{}})";
}
std::string slice(const std::string& begin, const std::string& end, const std::string& name = "n") {
    return line("B", begin, name) + ",\n" + line("E", end, name);
}
std::string flow(const std::string& phase) {
    return R"({"ph":")" + phase + R"(","pid":1,"tid":2,"ts":1.000000,"id":"0x1","name":"flow"})";
}

struct Packets {
    std::string bytes;
    bool first = true;

    void add(const std::string& body, bool event, std::uint64_t time = 0) {
        std::string packet;
        proto::put_number(packet, pf::packet::kSequenceId, 1);
        proto::put_number(packet, pf::packet::kSequenceFlags,
                          first ? pf::kStateCleared | pf::kNeedsState : pf::kNeedsState);
        first = false;
        if (event) {
            proto::put_number(packet, pf::packet::kTimestamp, time);
        }
        proto::put_bytes(packet, event ? pf::packet::kTrackEvent : pf::packet::kTrackDescriptor,
                         body);
        proto::put_bytes(bytes, pf::kTracePacket, packet);
    }
    void track(std::uint64_t uuid, std::uint64_t parent = 0) {
        std::string body;
        proto::put_number(body, pf::track::kUuid, uuid);
        proto::put_bytes(body, pf::track::kName, "t");
        if (parent != 0) {
            proto::put_number(body, pf::track::kParent, parent);
        }
        add(body, false);
    }
    void end(std::uint64_t uuid, std::uint64_t time) {
        std::string body;
        proto::put_number(body, pf::event::kType, pf::event::End);
        proto::put_number(body, pf::event::kTrack, uuid);
        add(body, true, time);
    }
};

}  // namespace

TEST_CASE("trace check: Chrome traces that break a rule") {
    CHECK(problem_of("t.json", chrome(slice("1.000000", "2.000000"))) == "");
    // No end: the format allows it, and the process may have been killed in a slice.
    CHECK(problem_of("t.json", "[\n") == "");
    const std::string open = chrome(line("B", "1.0"));
    CHECK(problem_of("t.json", open.substr(0, open.size() - 3)) == "");
    says(problem_of("t.json", open), "a slice has no end");
    says(problem_of("t.json", ""), "empty");
    says(problem_of("t.json", "{}\n"), "1: a trace is an array");
    says(problem_of("t.json", chrome("{\"ph\":\"B\"")), "4: not a JSON object");
    says(problem_of("t.json", chrome(R"({"ph":"B","pid":1,"tid":2,"name":"n"})")), "needs ts");
    says(problem_of("t.json", chrome(slice("1", "1") + ",")), "comma stands before the end");
    says(problem_of("t.json", chrome(slice("1", "1") + "\n" + slice("1", "1"))),
         "comma is missing");
    says(problem_of("t.json", chrome(line("B", "1e3"))), "needs ts");
    says(problem_of("t.json", chrome(line("B", "-1"))), "needs ts");
    says(problem_of("t.json", chrome(R"({"ph":"B","pid":1,"tid":9,"ts":1,"name":"n"})")),
         "no name yet");
    says(problem_of("t.json", chrome(line("X", "1"))), "none that we write");
    const std::string two = line("B", "1", "a") + ",\n" + line("B", "2", "b") + ",\n";
    says(problem_of("t.json", chrome(two + line("E", "3", "a"))), "6: \"a\" ends where \"b\" is");
    says(problem_of("t.json", chrome(line("E", "3", "a"))), "ends where nothing is open");
    says(problem_of("t.json", chrome(slice("3", "2"))), "the time is before");
    CHECK(problem_of("t.json", chrome(slice("1.0", "2.0") + ",\n" + slice("2.0", "2.1"))) == "");
    says(problem_of("t.json", chrome(flow("t"))), "has not begun");
    says(problem_of("t.json", chrome(flow("s") + ",\n" + flow("s"))), "goes on already");
    CHECK(problem_of("t.json", chrome(flow("s") + ",\n" + flow("f") + ",\n" + flow("s"))) == "");
    says(problem_of("t.json", chrome(slice("1", "1")) + "x\n"), "follows the end");
}

TEST_CASE("trace check: Perfetto traces that break a rule") {
    Packets good;
    good.track(1);
    good.track(2, 1);
    CHECK(problem_of("t.pftrace", good.bytes) == "");
    says(problem_of("t.pftrace", ""), "empty");
    says(problem_of("t.pftrace", good.bytes.substr(0, good.bytes.size() - 1)), "cut off");
    says(problem_of("t.pftrace", "text, no protobuf\n"), "packet 1:");
    Packets twice = good;
    twice.track(2);
    says(problem_of("t.pftrace", twice.bytes), "packet 3: track 2");
    Packets orphan;
    orphan.track(2, 7);
    says(problem_of("t.pftrace", orphan.bytes), "below a track that was not told");
    Packets unbegun = good;
    unbegun.end(2, 5);
    says(problem_of("t.pftrace", unbegun.bytes), "ends that has not begun");
    Packets nowhere = good;
    nowhere.end(9, 5);
    says(problem_of("t.pftrace", nowhere.bytes), "which was not told");
    Packets unknown = good;
    std::string body;
    proto::put_number(body, 99, 1);
    unknown.add(body, true);
    says(problem_of("t.pftrace", unknown.bytes), "unknown field 99");
    Packets unnamed = good;
    body.clear();
    proto::put_number(body, pf::event::kType, pf::event::Begin);
    proto::put_number(body, pf::event::kTrack, 2);
    proto::put_number(body, pf::event::kName, 1);
    unnamed.add(body, true);
    says(problem_of("t.pftrace", unnamed.bytes), "text 1 was not told");
}

TEST_CASE("trace check: events and their compression") {
    const std::string header =
        R"({"schema":"ioasim-trace/1","version":"0.1.0","config":"9f3c","seed":7})"
        "\n";
    CHECK(problem_of("t.jsonl", header) == "");
    says(problem_of("t.jsonl", header + "{}\n"), "2: an event needs");
    says(problem_of("t.jsonl.gz", "\x1f\x8b"), "cut off");
    says(problem_of("t.jsonl.gz", std::string("\x1f\x8b\x08\x00", 4) + std::string(30, 'x')),
         "damaged");
    says(problem_of("t.txt", "x"), "a trace ends in");
}

TEST_CASE("trace check: FST that is cut off or something else") {
    if (!traces::trace_format_problem(traces::TraceFormat::Fst).empty()) {
        return;
    }
    says(problem_of("t.fst", ""), "no FST file");
    says(problem_of("t.fst", "$version x $end\n"), "no FST file");
    const test::TempDir dir;
    test::EventScript s;
    traces::TraceContext context;
    context.topology.queues = {{"dsa0", "wq0", 16}};
    const auto file = traces::open_trace(s.recorder, dir.file("t.fst"), context);
    s.recorder.add_listener(*file, file->categories());
    s.enqueue(1, 201, 1);
    s.finish();
    const std::string whole = test::TempDir::read(dir.file("t.fst"));
    CHECK(problem_of("t.fst", whole) == "");
    says(problem_of("t.fst", whole.substr(0, whole.size() / 2)), "");
    CHECK(problem_of("t.fst", whole.substr(0, whole.size() / 2)) != "");
}
