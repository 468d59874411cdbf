// What a question is asked to: a trace of events, the folder of a run's results, or a scenario,
// which is run for it with every category and without any file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "scenarios/language/scenario.hpp"
#include "traces/jsonl_sink.hpp"
#include "traces/questions/event_log.hpp"
#include "traces/questions/query.hpp"
#include "traces/trace_selection.hpp"

namespace CLI {
class App;
}

namespace ioasim::tools {

struct InputOptions {
    std::string file;
    // Of a scenario.
    std::optional<std::uint64_t> seed;
    std::uint64_t run = 0;
    std::vector<std::string> sets;
    std::vector<std::string> defects;

    std::string label() const;
};

// False: it is a scenario that cannot be run, which stderr has been told. Twice is told once.
bool usable(const InputOptions& input);

// The one run that a scenario file describes; nothing: stderr has been told why not.
std::optional<scenario::Scenario> one_scenario(const InputOptions& input);

// --seed, --run, --set, --defect.
void input_options(CLI::App& app, InputOptions& input);

// Who reads: told the names of the events that follow, gives a listener for them (nullptr: none,
// the reading ends), and says when it has seen enough.
struct InputReader {
    std::function<trace::Listener*(const trace::Recorder&)> begin;
    std::function<bool()> finished = [] { return false; };
    traces::TraceSelection* only = nullptr;  // told what of its run a trace has
};

// Exit code: kPass when all was read; else stderr has been told why not.
int read_input(const InputOptions& input, const InputReader& reader, traces::JsonlHeader& header);
int read_log(const InputOptions& input, traces::EventLog& log, traces::JsonlHeader& header,
             traces::TraceSelection* only = nullptr);

// Tells a question that cannot be answered; the exit code.
int refuse(const traces::QuestionError& error);

}  // namespace ioasim::tools
