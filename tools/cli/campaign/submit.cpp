#include "tools/cli/campaign/submit.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <iterator>

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/programs.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"
#include "traces/byte_sink.hpp"

extern char** environ;

namespace ioasim::tools {
namespace {

using scenario::Code;

int refuse(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
    return code == Code::CannotWrite ? kInternal : kUsage;
}

std::string file_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What a shard does, without what the engine is told.
std::string work_of(const std::string& shard) {
    const std::size_t at = shard.find("\nexec ");
    return at == std::string::npos ? std::string() : shard.substr(at);
}

SubmitPlaces places_of(const SubmitOptions& options) {
    std::array<char, PATH_MAX> here{};
    SubmitPlaces places;
    places.program = own_path();
    places.here = ::getcwd(here.data(), here.size()) == nullptr ? "." : here.data();
    const std::string out = options.campaign.out.empty()
                                ? fmt::format("out/campaign-{}", options.campaign.seed)
                                : options.campaign.out;
    places.out = out.front() == '/' ? out : places.here + "/" + out;
    while (places.out.size() > 1 && places.out.back() == '/') {
        places.out.pop_back();
    }
    return places;
}

// Runs the script and returns its exit code.
int run_script(const std::string& path) {
    std::string shell = "/bin/sh";
    std::string script = path;
    char* const arguments[] = {shell.data(), script.data(), nullptr};
    pid_t pid = 0;
    if (::posix_spawn(&pid, shell.c_str(), nullptr, nullptr, arguments, environ) != 0) {
        return kInternal;
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string write_scripts(const std::string& folder, const SubmitScripts& scripts) {
    std::string problem = make_folders(folder);
    const std::pair<const char*, const std::string*> files[] = {{"/shard.sh", &scripts.shard},
                                                                {"/collect.sh", &scripts.collect},
                                                                {"/submit.sh", &scripts.submit}};
    for (const auto& [name, text] : files) {
        const std::string path = folder + name;
        problem = problem.empty() ? traces::replace_file(path, *text) : problem;
        if (problem.empty()) {
            ::chmod(path.c_str(), 0755);
        }
    }
    return problem;
}

}  // namespace

int campaign_submit(const SubmitOptions& options) {
    if (const std::string problem = engine_problem(options); !problem.empty()) {
        return refuse(Code::Usage, problem);
    }
    if (options.campaign.shards > options.campaign.runs) {
        return refuse(Code::Usage, fmt::format("{} are too many for {}",
                                               plural(options.campaign.shards, "shard"),
                                               plural(options.campaign.runs, "run")));
    }
    // What one machine refuses is not sent to many.
    if (!campaign_check(options.campaign)) {
        return kUsage;
    }
    const SubmitPlaces places = places_of(options);
    // Directives of engines have no way to write these: a line would end, and the rest of it run.
    for (const std::string* const path : {&places.out, &places.here, &places.program}) {
        const bool plain = std::all_of(path->begin(), path->end(), [](const char c) {
            return static_cast<unsigned char>(c) >= ' ' && c != '"' && c != '\\';
        });
        if (!plain) {
            return refuse(Code::Usage,
                          fmt::format("{}: a job script cannot hold this name", quoted(*path)),
                          "names without quotes, backslashes and line ends can be had");
        }
    }
    const SubmitScripts scripts = submit_scripts(options, places);
    const std::string folder = places.out + "/submit";
    if (options.print) {
        print_out(fmt::format("# {0}/shard.sh\n{1}\n# {0}/collect.sh\n{2}\n# {0}/submit.sh\n{3}",
                              folder, scripts.shard, scripts.collect, scripts.submit));
        return kPass;
    }
    if (const std::string before = file_text(folder + "/shard.sh");
        !before.empty() && work_of(before) != work_of(scripts.shard)) {
        return refuse(Code::Usage,
                      fmt::format("{} has the results of another campaign", quoted(places.out)),
                      "--out names another folder");
    }
    const std::string command = engine_command(options.engine);
    if (program_path(command).empty()) {
        return refuse(Code::Usage,
                      fmt::format("there is no {} on this machine to submit with", command),
                      "--print shows what would be submitted");
    }
    if (const std::string lost = write_scripts(folder, scripts); !lost.empty()) {
        return refuse(Code::CannotWrite, lost, "--out names another folder");
    }
    print_out(
        fmt::format("campaign: {} in {}, scripts and logs in {}/, the sum will be {}/summary.txt\n",
                    plural(options.campaign.runs, "run"), plural(options.campaign.shards, "shard"),
                    folder, places.out));
    return run_script(folder + "/submit.sh");
}

}  // namespace ioasim::tools
