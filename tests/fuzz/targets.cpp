#include "tests/fuzz/targets.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <fmt/format.h>

#include "core/trace/recorder.hpp"
#include "scenarios/language/scenario.hpp"
#include "tools/cli/conform/conform_ioasid.hpp"
#include "tools/cli/conform/vtd_vectors.hpp"
#include "tools/cli/points/point.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/vcd_reader.hpp"

namespace ioasim::fuzz {
namespace {

void demand(bool holds, const char* rule) {
    if (!holds) {
        fmt::print(stderr, "rule broken: {}\n", rule);
        std::abort();
    }
}

// Bytes under a name that can be opened, without touching a disk.
class NamedBytes {
public:
    explicit NamedBytes(std::string_view bytes) : fd_(memfd_create("fuzz", 0)) {
        demand(fd_ >= 0, "memfd_create");
        while (!bytes.empty()) {
            const ssize_t written = write(fd_, bytes.data(), bytes.size());
            demand(written > 0, "write to memory");
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    ~NamedBytes() { close(fd_); }
    NamedBytes(const NamedBytes&) = delete;
    NamedBytes& operator=(const NamedBytes&) = delete;
    std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

private:
    int fd_;
};

// A file that is refused says why, and where.
void demand_told(const scenario::Diagnostics& diagnostics, const scenario::SourceSet& sources) {
    demand(diagnostics.has_errors(), "a refused file has a message");
    for (const scenario::Diagnostic& one : diagnostics.sorted()) {
        demand(!one.text.empty(), "a message has a text");
        demand(scenario::find_code(scenario::code_name(one.code)) != nullptr,
               "a message has a code that `explain` knows");
        demand(!sources.describe(one.place).empty(), "a message has a place");
    }
}

bool run_scenario(std::string_view bytes) {
    const NamedBytes file(bytes);
    const scenario::Vocabulary& words = tools::program_vocabulary();
    const scenario::Loaded loaded = scenario::load(file.path(), words, {});
    if (loaded.cells.empty()) {
        demand_told(loaded.diagnostics, loaded.sources);
        return false;
    }
    // What was understood, written down again, is the same scenario.
    const scenario::Scenario& first = loaded.cells.front();
    const NamedBytes again(scenario::to_json(first.document, 2));
    const scenario::Loaded second = scenario::load(again.path(), words, {});
    demand(second.cells.size() == 1, "a resolved scenario loads as one cell");
    demand(scenario::config_hash(second.cells.front().document) ==
               scenario::config_hash(first.document),
           "a resolved scenario keeps its hash");
    return true;
}

bool run_vtd_vectors(std::string_view bytes) {
    const NamedBytes file(bytes);
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    tools::VtdVectors out;
    if (!tools::read_vtd_vectors(file.path(), sources, diagnostics, out)) {
        demand_told(diagnostics, sources);
        return false;
    }
    return true;
}

bool run_ioasid_vectors(std::string_view bytes) {
    const NamedBytes file(bytes);
    std::ostringstream out;
    std::ostringstream err;
    const int code = tools::run_conform_ioasid({file.path()}, out, err);
    demand(code >= 0 && code <= 2, "conform ends with 0, 1 or 2");
    demand(code != 2 || err.str().find("error[") != std::string::npos,
           "an unreadable recording has a message with a code");
    return code != 2;
}

bool run_points(std::string_view bytes) {
    const NamedBytes file(bytes);
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    tools::PointFile out;
    if (!tools::read_points(file.path(), sources, diagnostics, out)) {
        demand_told(diagnostics, sources);
        return false;
    }
    return true;
}

bool run_vcd(std::string_view bytes) {
    const traces::VcdStatus status = traces::read_vcd(bytes);
    demand(status.ok() || !status.text.empty(), "a refused waveform has a message");
    return status.ok();
}

bool run_jsonl(std::string_view bytes) {
    std::istringstream in{std::string(bytes)};
    trace::Recorder recorder{[] { return TimePs{}; }};
    struct Listener final : trace::Listener {
        void on_event(const trace::EventRecord&) override { ++events; }
        std::uint64_t events = 0;
    } listener;
    const traces::JsonlError error = traces::replay_jsonl(in, recorder, listener);
    demand(!error || !error.text.empty(), "a refused trace has a message");
    return !error;
}

}  // namespace

const std::vector<Target>& targets() {
    static const std::vector<Target> all = {
        {"scenario", run_scenario, {"scenarios"}, ".json"},
        {"vtd_vectors", run_vtd_vectors, {"tests/vectors/vtd"}, ".jsonl"},
        {"ioasid_vectors", run_ioasid_vectors, {"tests/vectors/ioasid"}, ".jsonl.gz"},
        {"points", run_points, {"tests/timing/points"}, ".json"},
        {"vcd", run_vcd, {}, ".vcd"},
        {"jsonl", run_jsonl, {}, ".jsonl"},
    };
    return all;
}

const Target* find_target(std::string_view name) {
    for (const Target& target : targets()) {
        if (name == target.name) {
            return &target;
        }
    }
    return nullptr;
}

}  // namespace ioasim::fuzz
