#include "tools/cli/report/gather.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/trace/run_events.hpp"
#include "scenarios/language/scenario.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/report/html.hpp"
#include "tools/cli/report/lives.hpp"
#include "tools/cli/report/timeline.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/gzip_file.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/trace_format.hpp"
#include "traces/trace_part.hpp"

namespace ioasim::tools::report {
namespace {

constexpr std::size_t kSlicesInAll = 60'000;

// One trace, several listeners.
class Fan final : public trace::Listener {
public:
    Fan(Timeline& timeline, Lives& lives) : timeline_(timeline), lives_(lives) {}
    void on_event(const trace::EventRecord& record) override {
        any_ = true;
        last_ = record.time;
        ended_ = ended_ || record.info == &trace::info_of<trace::RunEnd>();
        timeline_.on_event(record);
        lives_.on_event(record);
    }
    void on_end(TimePs end) override {
        timeline_.on_end(end);
        lives_.on_end(end);
    }
    TimePs last() const { return last_; }
    bool ended() const { return ended_; }
    bool any() const { return any_; }

private:
    Timeline& timeline_;
    Lives& lives_;
    TimePs last_;
    bool ended_ = false;  // the run, not only the trace
    bool any_ = false;
};

// "out/x/trace.jsonl: 77228 events" names a trace.
std::string trace_named_by(const RunResult& result) {
    for (const std::string& line : result.files) {
        const std::string path = line.substr(0, line.find(": "));
        const traces::TraceFormatInfo* const format = traces::trace_format_of(path);
        if (format != nullptr && format->holds == traces::TraceFormatInfo::Holds::Events) {
            return path;
        }
    }
    return {};
}

void take_findings(RunModel& model) {
    for (const scenario::SeenFinding& f : model.result.findings) {
        model.findings.push_back({f.code, f.who, f.text, f.time.ps(), f.seq, f.wanted});
    }
    model.findings_left_out =
        model.result.findings_total -
        std::min<std::uint64_t>(model.result.findings_total, model.findings.size());
}

}  // namespace

std::string file_content(const std::string& path, bool& found) {
    std::ifstream in(path, std::ios::binary);
    found = in.good() && !path.empty();
    return found ? std::string(std::istreambuf_iterator<char>(in), {}) : std::string();
}

RunFiles files_of_folder(const std::string& folder) {
    const auto present = [&folder](const char* name) {
        const std::string path = folder + "/" + name;
        return path_exists(path) ? path : std::string();
    };
    RunFiles files{present("run.json"), present("resolved.json"), present("trace.jsonl")};
    files.trace = files.trace.empty() ? present("trace.jsonl.gz") : files.trace;
    if (files.trace.empty() && !files.result.empty()) {
        bool found = false;
        RunResult result;
        if (from_text(file_content(files.result, found), result)) {
            const std::string named = trace_named_by(result);
            files.trace = path_exists(named) ? named : std::string();
        }
    }
    return files;
}

std::string gather_trace(const std::string& path, RunModel& model) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return fmt::format("{} cannot be read", path);
    }
    traces::GunzipBuffer unpacked(*file.rdbuf());
    const traces::TraceFormatInfo* const format = traces::trace_format_of(path);
    const bool packed = format != nullptr && format->format == traces::TraceFormat::JsonlGz;
    std::istream in(packed ? static_cast<std::streambuf*>(&unpacked) : file.rdbuf());
    trace::Recorder recorder([] { return TimePs{}; });
    Timeline timeline(recorder);
    Lives lives(recorder);
    Fan fan(timeline, lives);
    traces::JsonlHeader header;
    traces::TraceSelection only;
    const traces::JsonlError error = traces::replay_jsonl(in, recorder, fan, &header, &only);
    if (error && !fan.any()) {
        return fmt::format("{}:{}: {}", path, error.line, error.text);
    }
    if (error) {
        model.trace_note =
            fmt::format("The trace breaks off in line {}: {}.", error.line, error.text);
        fan.on_end(fan.last());
    } else if (packed && !unpacked.problem().empty()) {
        model.trace_note = fmt::format("The trace breaks off: {}.", unpacked.problem());
    } else if (!only.everything()) {
        model.trace_note = fmt::format(
            "The trace is a part of its run ({}): what it leaves out is not known here.",
            traces::part_text(only));
    } else if (!fan.ended()) {
        model.trace_note = fmt::format(
            "The trace ends at {}, before the end of its run: what came then is not known here.",
            time_text(fan.last().ps()));
    }
    timeline.give(model, kSlicesInAll);
    lives.give(model);
    model.traced = true;
    model.seed = header.seed;
    return {};
}

void gather_expectations(const std::string& configuration_path, RunModel& model) {
    const scenario::Loaded loaded =
        scenario::load(configuration_path, program_vocabulary(), scenario::LoadOptions{});
    std::map<std::string, const scenario::Failure*> failed;
    for (const scenario::Failure& failure : model.result.failures) {
        failed.emplace(failure.text, &failure);
    }
    std::vector<scenario::Expectation> expected;
    if (loaded.cells.size() == 1) {
        expected = loaded.cells.front().expectations;
    }
    for (const scenario::Expectation& e : expected) {
        const auto found = failed.find(e.text);
        const bool bad = found != failed.end();
        model.expectations.push_back(
            {e.text, e.why, bad, bad ? found->second->seen : std::vector<std::string>()});
        if (bad) {
            failed.erase(found);
        }
    }
    // Failures that no expectation of the file is: how the run ended, and the like.
    for (const scenario::Failure& failure : model.result.failures) {
        const auto found = failed.find(failure.text);
        if (found != failed.end() && found->second == &failure && !failure.about_finding) {
            model.expectations.push_back({failure.text, failure.why, true, failure.seen});
        }
    }
}

std::string gather(const RunFiles& files, RunModel& model) {
    bool found = false;
    if (!files.result.empty()) {
        if (!from_text(file_content(files.result, found), model.result)) {
            return fmt::format("{} is no result of a run", files.result);
        }
        model.judged = true;
    }
    model.configuration = file_content(files.configuration, found);
    if (model.judged) {
        take_findings(model);
        gather_expectations(files.configuration, model);
    }
    model.title = model.judged ? model.result.full_name() : files.trace;
    model.end = model.result.end_ps;
    if (files.trace.empty()) {
        model.trace_note =
            "There is no trace of events in the folder of the run: what happened "
            "when is not known.";
        return model.judged ? std::string() : "there is neither run.json nor trace.jsonl";
    }
    return gather_trace(files.trace, model);
}

}  // namespace ioasim::tools::report
