// The JSON Lines trace: exact bytes, and that the reader gives back what the sink was told.
#include <doctest/doctest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/trace/catalogue.hpp"
#include "tests/support/event_script.hpp"
#include "traces/event_text.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/jsonl_sink.hpp"

using namespace ioasim;
using test::EventScript;

namespace {

const std::string kHeader =
    R"({"schema":"ioasim-trace/1","version":"0.1.0","config":"9f3c","seed":7})"
    "\n";
const std::string kPut =
    R"({"seq":0,"time_ps":0,"event":"ioasid.put","source":"host","kernel":"host","set":"vm1",)"
    R"("ioasid":201,"refs":1,"holder":"iommu"})"
    "\n";

struct Written : EventScript {
    Written() : sink(recorder, out, {"ioasim-trace/1", "0.1.0", "9f3c", 7}) {
        recorder.add_listener(sink, trace::kAllCategories);
    }
    traces::StringSink out;
    traces::JsonlSink sink;
};

traces::JsonlError read(const std::string& text, std::vector<std::string>* lines = nullptr) {
    EventScript script;
    std::istringstream in(text);
    traces::JsonlReader reader(in, script.recorder);
    traces::JsonlHeader header;
    if (!reader.read_header(header)) {
        return reader.error();
    }
    trace::EventRecord record;
    while (reader.next(record)) {
        if (lines != nullptr) {
            lines->push_back(traces::format_event(script.recorder, record));
        }
    }
    return reader.error();
}

}  // namespace

TEST_CASE("jsonl: one line an event, in catalogue order, every type in its form") {
    Written w;
    w.at(1'500_ns);
    w.state("vm1", 201, trace::IoasidState::Idle, trace::IoasidState::FreePending);
    w.emit(trace::IoasidFreeCall{w.kernel(), w.name("vm1"), Ioasid{201}, Errno::Ebusy},
           "vm1/\"a\"\n");
    w.emit(trace::IoasidUnbind{w.kernel(), w.name("vm1"), Ioasid{201}, Spid{0xFFFFFFFF}});
    w.memory_access(0xABC000, 201, 5, true);
    w.complete(5, 201, "record", 1, 1'234_ps);
    w.recorder.finish(w.time());
    CHECK(w.out.text() ==
          kHeader + R"({"seq":0,"time_ps":1500000,"event":"ioasid.state","source":"host/task",)"
                    R"("kernel":"host","set":"vm1","ioasid":201,"from":"IDLE","to":"FREE_PENDING"})"
                    "\n"
                    R"({"seq":1,"time_ps":1501000,"event":"ioasid.free_call",)"
                    R"("source":"vm1/\"a\"\u000a","kernel":"host","set":"vm1","ioasid":201,)"
                    R"("result":"-EBUSY"})"
                    "\n"
                    R"({"seq":2,"time_ps":1502000,"event":"ioasid.unbind","source":"host/task",)"
                    R"("kernel":"host","set":"vm1","ioasid":201,"spid":null})"
                    "\n"
                    R"({"seq":3,"time_ps":1503000,"event":"memory.access","source":"memory",)"
                    R"("rid":"00:02.0","pasid":201,"address":"0xabc000","length":64,"write":true,)"
                    R"("descriptor":5,"served":"memory","node":0})"
                    "\n"
                    R"({"seq":4,"time_ps":1504000,"event":"dsa.complete","source":"dsa0",)"
                    R"("device":"dsa0","wq":"wq0","descriptor":5,"pasid":201,"status":1,)"
                    R"("how":"record","bytes":64,"latency":1234})"
                    "\n");
    CHECK(w.sink.lines() == 5);
}

TEST_CASE("jsonl: what is read and written again is the same, byte for byte") {
    Written w;
    w.pool();
    w.vm("vm1", 100, 900);
    w.alloc("vm1", 201);
    w.bind("vm1", 201, 101);
    w.entry_set(201);
    w.fill("iotlb", 201);
    w.emit(trace::CpuEnqcmd{w.name("vm1/vcpu0"), Hpa{1}, Pasid{101}, Pasid{201},
                            trace::EnqcmdOutcome::Exit72, 5_ns, 0});
    w.free("vm1", 201, 0);
    w.finish();
    EventScript again;
    traces::StringSink out;
    std::istringstream in(w.out.text());
    traces::JsonlHeader header;
    traces::JsonlSink sink(again.recorder, out, {"ioasim-trace/1", "0.1.0", "9f3c", 7});
    const traces::JsonlError error = traces::replay_jsonl(in, again.recorder, sink, &header);
    CAPTURE(error.text);
    CHECK_FALSE(error);
    CHECK(header.seed == 7);
    CHECK(header.config == "9f3c");
    CHECK(out.text() == w.out.text());
}

TEST_CASE("jsonl: no event has a field that the line's own keys would hide") {
    for (const trace::EventInfo* info : trace::catalogue()) {
        for (const char* key : {"seq", "time_ps", "event", "source"}) {
            CAPTURE(info->name);
            CHECK(info->field(key) == info->fields.size());
        }
    }
}

TEST_CASE("jsonl reader: a good trace is read") {
    std::vector<std::string> lines;
    CHECK_FALSE(read(kHeader + kPut, &lines));
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] == "0 ps ioasid.put kernel=host set=vm1 ioasid=201 refs=1 holder=iommu [host]");
}

TEST_CASE("jsonl reader: each mistake is told with its line") {
    const auto with = [](std::string from, const std::string& to) {
        std::string text = kPut;
        const std::size_t at = text.find(from);
        REQUIRE(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    struct Case {
        std::string text;
        std::size_t line;
        std::string says;
    };
    const std::vector<Case> table{
        {"", 1, "the trace is empty"},
        {kPut, 1, "no trace header: the first line must hold \"schema\""},
        {R"({"schema":"other/2"})"
         "\n",
         1, "schema \"other/2\" is not \"ioasim-trace/1\""},
        {R"({"schema":"ioasim-trace/1"})"
         "\n",
         1, "the header needs \"version\", \"config\" and \"seed\""},
        {kHeader + "{\n", 2, "not a JSON line"},
        {kHeader + kPut.substr(0, kPut.size() - 1), 2, "the last line is cut off"},
        {kHeader + "[]\n", 2, "an event needs \"seq\" and \"time_ps\""},
        {kHeader + kPut + kPut, 3, "seq 0 does not follow 0"},
        {kHeader + with("\"time_ps\":0", "\"time_ps\":9") + with("\"seq\":0", "\"seq\":1"), 3,
         "time 0 ps is before 9 ps"},
        {kHeader + with("ioasid.put", "ioasid.putt"), 2, "unknown event \"ioasid.putt\""},
        {kHeader + with(",\"source\":\"host\"", ""), 2, "an event needs \"event\" and \"source\""},
        {kHeader + with(",\"refs\":1", ""), 2, "ioasid.put has no field \"refs\""},
        {kHeader + with("\"refs\":1", "\"refs\":1,\"more\":2"), 2,
         "ioasid.put has fields that the catalogue does not know"},
        {kHeader + with("\"refs\":1", "\"refs\":\"1\""), 2,
         "ioasid.put: bad value \"1\" of field \"refs\""},
        {kHeader + with("\"refs\":1", "\"refs\":-1"), 2,
         "ioasid.put: bad value -1 of field \"refs\""},
        {kHeader + with("\"ioasid\":201", "\"ioasid\":true"), 2,
         "ioasid.put: bad value true of field \"ioasid\""},
        {kHeader + with("\"kernel\":\"host\"", "\"kernel\":null"), 2,
         "ioasid.put: bad value null of field \"kernel\""},
    };
    for (const Case& c : table) {
        const traces::JsonlError error = read(c.text);
        CAPTURE(c.text);
        CHECK(error.text == c.says);
        CHECK(error.line == c.line);
    }
}

TEST_CASE("jsonl: a full disk is a status") {
    EventScript script;
    traces::OutputFile out("/dev/full");
    traces::JsonlSink sink(script.recorder, out, {});
    script.recorder.add_listener(sink, trace::kAllCategories);
    for (int i = 0; i < 10'000; ++i) {
        script.alloc("vm1", 201);
    }
    script.recorder.finish(script.time());
    CHECK(sink.error() == "/dev/full: No space left on device");
}
