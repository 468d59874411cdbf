#include "tools/cli/outputs.hpp"

#include <algorithm>

#include <sys/stat.h>

#include <fmt/format.h>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/terminal.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

bool complain(Code code, const std::string& text, const std::string& help) {
    print_err(scenario::render_plain(code, text, help));
    return false;
}

// Devices and pipes take what they are given: nothing is lost in them.
bool holds_something(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

}  // namespace

Outputs::Outputs(const std::vector<std::string>& inputs, bool force, const std::string& what)
    : input_(what), force_(force) {
    for (const std::string& input : inputs) {
        owners_.emplace(file_identity(input), input_);
    }
}

bool Outputs::add(const std::string& option, const std::string& path) {
    const std::string identity = file_identity(path);
    if (identity.empty()) {
        return complain(Code::CannotWrite,
                        fmt::format("{} {}: the folder does not exist", option, path),
                        "only --out makes folders");
    }
    const auto [owner, fresh] = owners_.emplace(identity, option);
    if (!fresh) {
        return complain(
            Code::Usage,
            owner->second == input_
                ? fmt::format("{} {} would overwrite {}", option, path, input_)
                : fmt::format("{} {} is written already, by {}", option, path,
                              owner->second == option ? "another " + option : owner->second),
            "give each output a file of its own");
    }
    if (!force_ && holds_something(path)) {
        return complain(Code::OutputExists, fmt::format("{} {} exists", option, path),
                        "--force overwrites it");
    }
    const std::string problem = write_problem(path);
    return problem.empty() ||
           complain(Code::CannotWrite, fmt::format("{} {}: {}", option, path, problem), "");
}

bool good_traces(const std::vector<std::string>& traces) {
    bool good = true;
    std::map<std::string_view, std::string> by_ending;
    for (const std::string& trace : traces) {
        const traces::TraceFormatInfo* format = traces::trace_format_of(trace);
        if (format == nullptr) {
            good = complain(
                Code::Usage,
                fmt::format("--trace {}: traces are written as {}", trace, traces::trace_endings()),
                "the ending of the name chooses the format");
            continue;
        }
        const auto [other, fresh] = by_ending.emplace(format->ending, trace);
        const std::string problem = traces::trace_format_problem(format->format);
        if (!problem.empty()) {
            good = complain(Code::Usage, fmt::format("--trace {}: {}", trace, problem), "");
        } else if (!fresh) {
            good = complain(Code::Usage,
                            fmt::format("--trace {} and {}: a run writes one {}", other->second,
                                        trace, format->name),
                            "copy the file afterwards");
        }
    }
    return good;
}

bool add_trace(Outputs& outputs, const std::string& path, const std::string& option) {
    const std::vector<std::string> files = traces::trace_files(path);
    return std::all_of(files.begin(), files.end(),
                       [&](const std::string& file) { return outputs.add(option, file); });
}

}  // namespace ioasim::tools
