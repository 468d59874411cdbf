#include "tools/cli/outputs.hpp"

#include <fmt/format.h>

#include <sys/stat.h>

#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/terminal.hpp"

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

Outputs::Outputs(const std::vector<std::string>& inputs, bool force) : force_(force) {
    for (const std::string& input : inputs) {
        owners_.emplace(file_identity(input), "the scenario");
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
            owner->second == "the scenario"
                ? fmt::format("{} {} would overwrite the scenario", option, path)
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

std::vector<std::string> waveform_files(const std::string& path) {
    const std::string stem = path.substr(0, path.size() - file_extension(path).size());
    return {path, stem + ".gtkw", stem + ".ioasid_state.filter", stem + ".lock_owner.filter"};
}

}  // namespace ioasim::tools
