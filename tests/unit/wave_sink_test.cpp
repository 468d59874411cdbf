// The VCD sink: what the file says, that it is whole at any moment, and that a bad disk is a
// status.
#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/event_script.hpp"
#include "tests/support/temp_dir.hpp"
#include "traces/vcd_reader.hpp"
#include "traces/wave_sink.hpp"

using namespace ioasim;
using traces::VcdStatus;
using traces::WaveSink;

namespace {

// The waveform of each signal: "time:value" in decimal, initial value included.
struct Waves : traces::VcdVisitor {
    std::map<std::string, std::vector<std::string>> of;
    std::vector<std::string> names;
    std::uint64_t time = 0;
    void on_var(std::size_t, const traces::VcdVar& var) override { names.push_back(var.name); }
    void on_time(std::uint64_t now) override { time = now; }
    void on_change(std::size_t index, std::string_view bits, bool) override {
        of[names[index]].push_back(std::to_string(time) + ":" +
                                   std::to_string(std::stoull(std::string(bits), nullptr, 2)));
    }
};

traces::WaveTopology topology() {
    traces::WaveTopology t;
    t.kernels = {{"host", 2}, {"vm1", 1}};
    t.queues = {{"dsa0", "wq0", 16}};
    t.iommus = {{"iommu0", 128}};
    t.cpus = {"cpu0", "vm1/vcpu0"};
    t.locks = {"host/ioasid_allocator_lock"};
    return t;
}

struct SinkHarness : test::EventScript {
    explicit SinkHarness(traces::WaveOptions options = {})
        : sink(recorder, dir.file("run.vcd"), topology(), options) {
        recorder.add_listener(sink, sink.categories());
        step = TimePs{};
    }
    VcdStatus read(Waves& waves) { return traces::read_vcd_file(dir.file("run.vcd"), waves); }

    test::TempDir dir;
    WaveSink sink;
};

using Values = std::vector<std::string>;

}  // namespace

TEST_CASE("vcd sink: an ID's slot takes its name and shows state and references") {
    SinkHarness h;
    h.at(5_ns);
    h.alloc("vm1", 201);
    h.at(7_ns);
    h.get("vm1", 201, 2, "iommu");
    h.at(9_ns);
    h.free("vm1", 201, 1);
    h.at(12_ns);
    h.put("vm1", 201, 0, "iommu");
    h.reclaim("vm1", 201);
    h.at(20_ns);
    h.recorder.finish(h.time());
    Waves waves;
    const VcdStatus status = h.read(waves);
    CAPTURE(status.text);
    CAPTURE(status.line);
    REQUIRE(status.ok());
    CHECK(h.sink.error() == "");
    CHECK(waves.of["ioasim.host.ioasid.id_0000201_state"] ==
          Values{"0:0", "5000:1", "7000:2", "9000:3", "12000:0"});
    CHECK(waves.of["ioasim.host.ioasid.id_0000201_refs"] ==
          Values{"0:0", "5000:1", "7000:2", "9000:1", "12000:0"});
    CHECK(waves.of["ioasim.host.ioasid.slot000001_state"] == Values{"0:0"});
    CHECK(status.end == 20'000);
}

TEST_CASE("vcd sink: an ID keeps its slot over its lives, and slots can run out") {
    SinkHarness h;
    for (const std::uint32_t id : {7U, 4'000'000'000U, 9U, 7U, 9U}) {
        h.at(h.time() + 1_ns);
        h.alloc("vm1", id);
        h.at(h.time() + 1_ns);
        h.free("vm1", id, 0);
    }
    h.recorder.finish(h.time() + 1_ns);
    Waves waves;
    REQUIRE(h.read(waves).ok());
    CHECK(waves.of["ioasim.host.ioasid.id_0000007_state"].size() == 5);
    CHECK(waves.of.count("ioasim.host.ioasid.h_ee6b2800_state") == 1);
    CHECK(h.sink.ids_not_shown() == 1);
}

TEST_CASE("vcd sink: queues, page requests, processors and locks") {
    SinkHarness h;
    h.at(1_ns);
    h.enqueue(1, 201, 1);
    h.emit(trace::VtdPrq{h.iommu(), 0, 1});
    h.emit(trace::CpuPasid{h.name("vm1/vcpu0"), Pasid{101}, true});
    h.emit(trace::LockAcquire{h.name("host/ioasid_allocator_lock"), h.name("host/a"), 0_ps});
    h.at(2_ns);
    h.enqueue(2, 201, 2);
    h.dispatch(1, 201, 1);
    h.emit(trace::CpuPasid{h.name("vm1/vcpu0"), Pasid{}, false});
    h.emit(trace::LockRelease{h.name("host/ioasid_allocator_lock"), h.name("host/a")});
    h.emit(trace::LockAcquire{h.name("host/ioasid_allocator_lock"), h.name("host/b"), 0_ps});
    h.at(3_ns);
    h.emit(trace::LockRelease{h.name("host/ioasid_allocator_lock"), h.name("host/b")});
    h.emit(trace::LockAcquire{h.name("a lock of no topology"), h.name("host/b"), 0_ps});
    h.recorder.finish(h.time());
    Waves waves;
    REQUIRE(h.read(waves).ok());
    CHECK(waves.of["ioasim.dsa0.wq0.occupancy"] == Values{"0:0", "1000:1"});  // 2 lasted no time
    CHECK(waves.of["ioasim.iommu0.prq_head"] == Values{"0:0"});
    CHECK(waves.of["ioasim.iommu0.prq_tail"] == Values{"0:0", "1000:1"});
    CHECK(waves.of["ioasim.vm1.vcpu0.pasid"] == Values{"0:0", "1000:101", "2000:0"});
    CHECK(waves.of["ioasim.vm1.vcpu0.pasid_valid"] == Values{"0:0", "1000:1", "2000:0"});
    CHECK(waves.of["ioasim.host.ioasid_allocator_lock.owner"] ==
          Values{"0:0", "1000:1", "2000:2", "3000:0"});
    CHECK(test::TempDir::read(h.dir.file("run.lock_owner.filter")) ==
          "0000 -\n0001 host/a\n0002 host/b\n");
}

TEST_CASE("vcd sink: values of time 0 are initial values") {
    SinkHarness h;
    h.alloc("vm1", 201);
    h.at(1_ns);
    h.get("vm1", 201, 2, "iommu");
    h.recorder.finish(2_ns);
    Waves waves;
    REQUIRE(h.read(waves).ok());
    CHECK(waves.of["ioasim.host.ioasid.id_0000201_refs"] == Values{"0:1", "1000:2"});
}

TEST_CASE("vcd sink: the last change is visible, at the very end too") {
    SinkHarness h;
    h.at(5_ns);
    h.alloc("vm1", 201);
    h.recorder.finish(h.time());
    Waves waves;
    const VcdStatus status = h.read(waves);
    REQUIRE(status.ok());
    CHECK(waves.of["ioasim.host.ioasid.id_0000201_refs"].back() == "5000:1");
    CHECK(status.end == 5'001);
}

TEST_CASE("vcd sink: a run without events is a whole file") {
    SinkHarness h;
    Waves before;
    CHECK(h.read(before).ok());
    h.recorder.finish(0_ps);
    Waves after;
    CHECK(h.read(after).ok());
}

TEST_CASE("vcd sink: a process killed at any moment leaves a whole file") {
    test::TempDir dir;
    const std::string file = dir.file("run.vcd");
    for (const unsigned events : {0U, 1U, 100U, 1000U, 5000U}) {
        const pid_t child = fork();
        if (child == 0) {
            test::EventScript script;
            WaveSink sink(script.recorder, file, topology());
            script.recorder.add_listener(sink, sink.categories());
            for (unsigned i = 0; i < events; ++i) {
                script.alloc("vm1", 200 + i % 2);
                script.free("vm1", 200 + i % 2, 0);
            }
            kill(getpid(), SIGKILL);
        }
        int how = 0;
        REQUIRE(waitpid(child, &how, 0) == child);
        REQUIRE(WIFSIGNALED(how));
        Waves waves;
        const VcdStatus status = traces::read_vcd_file(file, waves);
        CAPTURE(events);
        CAPTURE(status.text);
        CAPTURE(status.line);
        CHECK(status.ok());
        if (events >= 1000) {
            CHECK(status.changes > events);
            CHECK(waves.of.count("ioasim.host.ioasid.id_0000200_state") == 1);
        }
    }
}

TEST_CASE("vcd sink: the save file names signals that exist and filters that lie beside it") {
    SinkHarness h;
    h.at(1_ns);
    h.alloc("vm1", 201);
    h.recorder.finish(2_ns);
    Waves waves;
    const VcdStatus status = h.read(waves);
    REQUIRE(status.ok());
    std::istringstream lines(test::TempDir::read(h.dir.file("run.gtkw")));
    std::size_t signals = 0;
    std::size_t filters = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("+{", 0) == 0) {  // +{alias} signal
            ++signals;
            line.erase(0, line.find("} ") + 2);
            const std::size_t bracket = line.find('[');
            const std::string name = line.substr(0, bracket);
            bool known = false;
            for (const auto& var : status.vars) {
                const std::string range =
                    var.width == 1 ? "" : "[" + std::to_string(var.width - 1) + ":0]";
                known = known || var.name + range == line;
            }
            CAPTURE(line);
            CHECK(known);
        } else if (line.rfind("^1 ", 0) == 0) {
            ++filters;
            CHECK(std::filesystem::exists(h.dir.file(line.substr(3))));
        }
    }
    CHECK(signals == 10);
    CHECK(filters == 2);
    CHECK(test::TempDir::read(h.dir.file("run.ioasid_state.filter")) ==
          "0 FREE\n1 IDLE\n2 ACTIVE\n3 FREE_PENDING\n");
}

TEST_CASE("vcd sink: names that VCD cannot hold are made to fit, one by one") {
    test::TempDir dir;
    test::EventScript script;
    traces::WaveTopology t;
    t.cpus = {"cpu:0", "cpu 0"};
    WaveSink sink(script.recorder, dir.file("run.vcd"), t);
    script.recorder.finish(1_ns);
    Waves waves;
    const VcdStatus status = traces::read_vcd_file(dir.file("run.vcd"), waves);
    CAPTURE(status.text);
    CHECK(status.ok());
    CHECK(waves.of.count("ioasim.cpu_0.pasid") == 1);
    CHECK(waves.of.count("ioasim.cpu_0.pasid_2") == 1);
}

TEST_CASE("vcd sink: a full disk and a folder that is not there are a status") {
    for (const char* path : {"/dev/full", "/nowhere/at/all/run.vcd"}) {
        test::EventScript script;
        traces::WaveOptions options;
        options.save_file = false;
        WaveSink sink(script.recorder, path, topology(), options);
        script.recorder.add_listener(sink, sink.categories());
        for (int i = 0; i < 5000; ++i) {
            script.alloc("vm1", 201);
            script.free("vm1", 201, 0);
        }
        script.recorder.finish(script.time());
        CHECK(sink.error().find(path) == 0);
    }
}

TEST_CASE("vcd sink: a reader that goes away is a status, not a signal") {
    test::TempDir dir;
    const std::string pipe = dir.file("pipe");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    const pid_t child = fork();
    if (child == 0) {
        std::ifstream in(pipe);
        std::string line;
        std::getline(in, line);  // reads a little, then goes
        _exit(0);
    }
    test::EventScript script;
    traces::WaveOptions options;
    options.save_file = false;
    WaveSink sink(script.recorder, pipe, topology(), options);
    script.recorder.add_listener(sink, sink.categories());
    for (int i = 0; i < 50'000; ++i) {
        script.alloc("vm1", 201);
        script.free("vm1", 201, 0);
    }
    script.recorder.finish(script.time());
    int how = 0;
    waitpid(child, &how, 0);
    CHECK(sink.error().find("Broken pipe") != std::string::npos);
}

TEST_CASE("vcd sink: through a pipe the text is as strict, slots keep their numbers") {
    test::TempDir dir;
    const std::string pipe = dir.file("pipe");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    const pid_t child = fork();
    if (child == 0) {
        std::ofstream(dir.file("copy.vcd"), std::ios::binary) << test::TempDir::read(pipe);
        _exit(0);
    }
    test::EventScript script;
    traces::WaveOptions options;
    options.save_file = false;
    {
        WaveSink sink(script.recorder, pipe, topology(), options);
        script.recorder.add_listener(sink, sink.categories());
        script.alloc("vm1", 201);
        script.free("vm1", 201, 0);
        script.recorder.finish(script.time());
        CHECK(sink.error() == "");
    }
    int how = 0;
    waitpid(child, &how, 0);
    Waves waves;
    const VcdStatus status = traces::read_vcd_file(dir.file("copy.vcd"), waves);
    CAPTURE(status.text);
    CHECK(status.ok());
    CHECK(waves.of["ioasim.host.ioasid.slot000000_refs"].size() == 2);
}

TEST_CASE("vcd sink: the same events make the same bytes") {
    std::string first;
    for (int i = 0; i < 2; ++i) {
        SinkHarness h;
        h.step = 3_ns;
        h.alloc("vm1", 201);
        h.get("vm1", 201, 2, "iommu");
        h.free("vm1", 201, 1);
        h.recorder.finish(h.time());
        const std::string text = test::TempDir::read(h.dir.file("run.vcd"));
        CHECK(text.find(h.dir.path().string()) == std::string::npos);
        CHECK((i == 0 || text == first));
        first = text;
    }
}
