// Traces as files: the format by the ending, what is selected, what a limit leaves, and that what
// one format says another says too.
#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/support/event_script.hpp"
#include "tests/support/temp_dir.hpp"
#include "traces/gzip_file.hpp"
#include "traces/trace_check.hpp"
#include "traces/trace_convert.hpp"
#include "traces/trace_file.hpp"
#include "traces/trace_format.hpp"
#include "traces/trace_input.hpp"
#include "traces/wave_values.hpp"

using namespace ioasim;
using traces::TraceSelection;

namespace {

traces::TraceContext context() {
    traces::TraceContext c;
    c.header = {std::string(traces::kJsonlSchema), "0.1.0", "9f3c", 7};
    c.topology.kernels = {{"host", 4}};
    c.topology.queues = {{"dsa0", "wq0", 16}};
    c.topology.iommus = {{"iommu0", 128}};
    c.topology.cpus = {"cpu0"};
    c.topology.locks = {"host/lock"};
    return c;
}

// A life of ID 201 with descriptors through queue, remapping unit and memory; 1 ns an event.
void tell(test::EventScript& s, std::uint64_t descriptors) {
    s.pool();
    s.vm("vm1", 10, 990);
    s.alloc("vm1", 201);
    s.get("vm1", 201, 2, "iommu");
    s.entry_set(201);
    for (std::uint64_t d = 1; d <= descriptors; ++d) {
        s.emit(trace::LockAcquire{s.name("host/lock"), s.name("host/a"), 0_ps});
        s.enqueue(d, 201, 1);
        s.dispatch(d, 201);
        s.device_access(d, 201, 0x1000 * d);
        s.emit(trace::VtdRequest{s.iommu(), Rid{test::EventScript::kRid}, Pasid{201},
                                 Iova{0x1000 * d}, 64, false, d},
               "iommu0");
        s.emit(trace::VtdTranslated{s.iommu(), Rid{test::EventScript::kRid}, Pasid{201},
                                    Iova{0x1000 * d}, Hpa{0x9000}, false, true, 1_ns, true},
               "iommu0");
        s.memory_access(0x9000, 201, d);
        s.complete(d, 201);
        s.emit(trace::LockRelease{s.name("host/lock"), s.name("host/a")});
    }
    s.entry_clear(201);
    s.free("vm1", 201, 1);
    s.put("vm1", 201, 0, "iommu");
    s.reclaim("vm1", 201);
    s.step = 0_ps;
    s.finish();
}

struct Traced {
    explicit Traced(const std::string& ending, const TraceSelection& selection = {},
                    std::uint64_t descriptors = 20)
        : path(dir.file("t" + ending)),
          file(traces::open_trace(script.recorder, path, context(), selection)) {
        script.recorder.add_listener(*file, file->categories());
        tell(script, descriptors);
        file->close();
    }
    std::string problem() const {
        const traces::CheckResult result = traces::check_trace(path);
        return result.problem + (result.line != 0 ? " " + std::to_string(result.line) : "");
    }
    std::string text() const { return test::TempDir::read(path); }
    std::vector<std::string> lines() const {
        traces::TraceInput input(path);
        std::vector<std::string> all;
        for (std::string line; std::getline(input.stream(), line);) {
            all.push_back(line);
        }
        return all;
    }

    test::TempDir dir;
    test::EventScript script;
    std::string path;
    std::unique_ptr<traces::TraceFile> file;
};

std::vector<std::string> endings() {
    std::vector<std::string> all;
    for (const traces::TraceFormatInfo& info : traces::trace_formats()) {
        if (traces::trace_format_problem(info.format).empty()) {
            all.emplace_back(info.ending);
        }
    }
    return all;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++n;
    }
    return n;
}

std::string value_of(const std::string& path, TimePs at, const std::string& signal) {
    const traces::WaveValues all = traces::wave_values(path, at);
    REQUIRE(all.problem == "");
    for (const auto& [name, value] : all.values) {
        if (name == signal) {
            return value;
        }
    }
    return "absent";
}

}  // namespace

TEST_CASE("trace format: by the ending, and by nothing else") {
    CHECK(traces::trace_format_of("a/b.jsonl.gz")->format == traces::TraceFormat::JsonlGz);
    CHECK(traces::trace_format_of("b.jsonl")->format == traces::TraceFormat::Jsonl);
    CHECK(traces::trace_format_of("x.y.json")->format == traces::TraceFormat::Chrome);
    CHECK(traces::trace_format_of("x.fst")->format == traces::TraceFormat::Fst);
    for (const char* none : {".vcd", "a.gz", "vcd", "a.vcd/b", "a.VCD", ""}) {
        CHECK(traces::trace_format_of(none) == nullptr);
    }
    CHECK(traces::trace_files("a/w.fst").back() == "a/w.fst.lock_owner.filter");
}

TEST_CASE("trace files: each format is good by its own reader, and the same bytes each time") {
    for (const std::string& ending : endings()) {
        CAPTURE(std::string(ending));
        const Traced once(ending);
        const Traced again(ending);
        CHECK(once.file->error() == "");
        CHECK(once.problem() == "");
        CHECK(once.text() == again.text());
        CHECK(once.text().size() == once.file->bytes());
    }
}

TEST_CASE("trace limit: no file gets larger, and each stays whole") {
    for (const std::string& ending : endings()) {
        for (const std::uint64_t limit : {3'000U, 6'000U, 17'001U}) {
            CAPTURE(std::string(ending));
            CAPTURE(limit);
            TraceSelection selection;
            selection.limit = limit;
            const Traced t(ending, selection, 2000);
            CHECK(t.problem() == "");
            CHECK(t.text().size() <= limit);
            // FST compresses this much into any of them.
            CHECK((t.file->full_at().has_value() || ending == ".fst"));
        }
    }
}

TEST_CASE("trace limit: what was written before it ends where the next event did not fit") {
    TraceSelection selection;
    selection.limit = 3'000;
    const Traced t(".jsonl", selection);
    const std::vector<std::string> whole = Traced(".jsonl").lines();
    const std::vector<std::string> lines = t.lines();
    REQUIRE(lines.size() < whole.size());
    CHECK(std::equal(lines.begin(), lines.end(), whole.begin()));
    CHECK(t.text().size() + whole[lines.size()].size() + 1 > 3'000);
}

TEST_CASE("trace window: events in it only; a waveform shows what held when it opened") {
    TraceSelection selection;
    selection.from = 12_ns;
    selection.to = 20_ns;
    for (const std::string& line : Traced(".jsonl", selection).lines()) {
        const std::size_t at = line.find("\"time_ps\":");
        if (at != std::string::npos) {
            const std::uint64_t time = std::stoull(line.substr(at + 10));
            CHECK(time >= 12'000);
            CHECK(time <= 20'000);
        }
    }
    const Traced whole(".vcd");
    for (const std::string& ending : {std::string(".vcd"), std::string(".fst")}) {
        if (!traces::trace_format_problem(traces::trace_format_of("x" + ending)->format).empty()) {
            continue;
        }
        CAPTURE(std::string(ending));
        const Traced t(ending, selection);
        CHECK(t.problem() == "");
        const std::string id = "ioasim.host.ioasid.id_0000201_refs";
        CHECK(value_of(t.path, 11_ns, id) == "x");
        for (const TimePs at : {12_ns, 15_ns, 20_ns}) {
            for (const char* name :
                 {"ioasim.host.ioasid.id_0000201_refs", "ioasim.host.ioasid.id_0000201_state",
                  "ioasim.dsa0.wq0.occupancy", "ioasim.host.lock.owner"}) {
                CHECK(value_of(t.path, at, name) == value_of(whole.path, at, name));
            }
        }
    }
}

TEST_CASE("trace window: slices that are open when it opens begin there") {
    TraceSelection selection;
    selection.from = 12_ns;
    selection.to = 40_ns;
    const Traced t(".json", selection);
    CHECK(t.problem() == "");
    // The life of 201 began at 3 ns and lasts beyond the window: cut at both sides.
    const std::string text = t.text();
    const std::size_t life = text.find("\"name\":\"201 (vm1)\"");
    REQUIRE(life != std::string::npos);
    const std::string life_text = "\"name\":\"201 (vm1)\"";
    CHECK(text.find(R"("ts":0.012000,)" + life_text) == life - 14);
    CHECK(text.find(R"("ts":0.040000,)" + life_text) != std::string::npos);
    CHECK(Traced(".pftrace", selection).problem() == "");
}

TEST_CASE("trace last: as many events as asked for, the last ones, in every format") {
    TraceSelection selection;
    selection.last = 7;
    const std::vector<std::string> whole = Traced(".jsonl").lines();
    const std::vector<std::string> lines = Traced(".jsonl", selection).lines();
    REQUIRE(lines.size() == 8);  // and the header
    CHECK(std::equal(lines.begin() + 1, lines.end(), whole.end() - 7));
    const Traced wave(".vcd", selection);
    CHECK(wave.problem() == "");
    const Traced all(".vcd");
    const std::string id = "ioasim.host.ioasid.id_0000201_refs";
    const TimePs end = wave.script.time();
    CHECK(value_of(wave.path, end - 5_ns, id) == value_of(all.path, end - 5_ns, id));
    CHECK(value_of(wave.path, end - 10_ns, id) == "x");
    CHECK(Traced(".pftrace", selection).problem() == "");
}

TEST_CASE("trace scope: by event, by component, by what is above a component") {
    const auto events = [](const std::string& scope) {
        TraceSelection selection;
        selection.scopes = {scope};
        return Traced(".jsonl", selection, 3).lines().size() - 1;
    };
    CHECK(events("dsa.complete") == 3);
    CHECK(events("dsa.[ec]*") == 6);
    CHECK(events("wq0") == 9);  // enqueue, dispatch, complete
    CHECK(events("host") == events("hos?"));
    CHECK(events("host/lock") == 6);
    CHECK(events("nothing") == 0);
    TraceSelection selection;
    selection.scopes = {"dsa0"};
    const Traced wave(".vcd", selection);
    CHECK(traces::wave_values(wave.path, 1_ns).values.size() == 1);
    CHECK(value_of(wave.path, 1_us, "ioasim.dsa0.wq0.occupancy") == "0");
}

TEST_CASE("timeline: a descriptor's flow leads through queue, translation, memory, completion") {
    const Traced t(".json", {}, 1);
    CHECK(t.problem() == "");
    std::vector<std::string> flow;
    for (const std::string& line : t.lines()) {
        if (line.find("\"id\":\"0x20000000001\"") != std::string::npos) {
            flow.push_back(line.substr(line.find("\"ph\":") + 6, 1));
        }
    }
    // accepted, dispatched, translated; the end
    CHECK(flow == std::vector<std::string>{"s", "t", "t", "f"});
    CHECK(count(t.text(), "\"name\":\"descriptor 1\"") == 2);
    CHECK(count(t.text(), "\"name\":\"queued\"") == 2);
    CHECK(count(t.text(), "\"name\":\"ACTIVE\"") == 2);
    CHECK(count(t.text(), "\"name\":\"dsa.access\"") == 1);
    CHECK(count(t.text(), "\"name\":\"dsa.complete\"") == 1);
    CHECK(count(t.text(), "\"name\":\"live IDs\"") == 2);  // up and down
}

TEST_CASE("timeline: what overlaps lies on tracks of its own") {
    test::TempDir dir;
    test::EventScript s;
    const std::string path = dir.file("t.json");
    const auto file = traces::open_trace(s.recorder, path, context());
    s.recorder.add_listener(*file, file->categories());
    for (const std::uint64_t d : {1U, 2U, 3U}) {
        s.enqueue(d, 201, 1);
    }
    s.dispatch(1, 201);
    s.complete(1, 201);
    s.enqueue(4, 201, 1);  // takes the track of the first
    for (const std::uint64_t d : {2U, 4U, 3U}) {
        s.complete(d, 201);
    }
    s.finish();
    CHECK(traces::check_trace(path).problem == "");
    CHECK(count(test::TempDir::read(path), R"("name":"thread_name","pid":1)") == 3);
}

TEST_CASE("trace convert: of events, what the run itself would have written") {
    const Traced events(".jsonl.gz");
    for (const char* ending : {".jsonl", ".pftrace", ".json"}) {
        CAPTURE(std::string(ending));
        const std::string made = events.dir.file("made" + std::string(ending));
        CHECK(traces::convert_trace(events.path, made, {}).problem == "");
        CHECK(test::TempDir::read(made) == Traced(ending).text());
    }
    const std::string wave = events.dir.file("made.vcd");
    CHECK(traces::convert_trace(events.path, wave, {}).problem == "");
    CHECK(traces::check_trace(wave).problem == "");
    CHECK(value_of(wave, 20_ns, "ioasim.host.ioasid.id_0000201_refs") == "2");
    CHECK(traces::convert_problem("a.pftrace", "b.jsonl").find("picture") != std::string::npos);
    CHECK(traces::convert_problem("a.vcd", "b.json").find("no events") != std::string::npos);
    CHECK(traces::convert_problem("a.vcd", "b.txt") != "");
}

TEST_CASE("trace convert: waveforms keep their values, the unknown ones too") {
    if (!traces::trace_format_problem(traces::TraceFormat::Fst).empty()) {
        return;
    }
    TraceSelection window;
    window.from = 10_ns;
    for (const TraceSelection& selection : {TraceSelection{}, window}) {
        const Traced wave(".vcd", selection);
        const std::string fst = wave.dir.file("made.fst");
        const std::string back = wave.dir.file("back.vcd");
        CHECK(traces::convert_trace(wave.path, fst, {}).problem == "");
        CHECK(traces::convert_trace(fst, back, {}).problem == "");
        CHECK(traces::check_trace(fst).problem == "");
        CHECK(traces::check_trace(back).problem == "");
        for (const TimePs at : {0_ns, 5_ns, 9_ns, 10_ns, 33_ns, 1_us}) {
            const auto values = traces::wave_values(wave.path, at).values;
            CHECK(values == traces::wave_values(fst, at).values);
            CHECK(values == traces::wave_values(back, at).values);
        }
    }
}

TEST_CASE("gzip: whole blocks of a file that was cut off come back") {
    test::TempDir dir;
    const std::string path = dir.file("x.gz");
    std::string all;
    {
        traces::GzipFile file(path, 1000);
        for (int i = 0; i < 1000; ++i) {
            const std::string line = "line " + std::to_string(i * 7919) + "\n";
            all += line;
            file.write(line);
        }
        file.flush();
        const std::string so_far = test::TempDir::read(path);
        std::istringstream in(so_far);
        traces::GunzipBuffer gunzip(*in.rdbuf());
        const std::string text{std::istreambuf_iterator<char>(&gunzip), {}};
        CHECK(text == all);
        CHECK(gunzip.problem() == "the compressed data is cut off");
    }
    traces::TraceInput whole(path);
    const std::string text{std::istreambuf_iterator<char>(whole.stream()), {}};
    CHECK(text == all);
    CHECK(whole.problem() == "");
}
