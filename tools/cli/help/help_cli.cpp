#include "tools/cli/help/help_cli.hpp"

#include <algorithm>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "core/base/words.hpp"
#include "core/sim/kernel_version.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/help/build_info.hpp"
#include "tools/cli/help/doctor.hpp"
#include "tools/cli/help/verb_tree.hpp"
#include "tools/cli/options.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/version.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::tools {
namespace {

using scenario::Code;

struct ManOptions {
    std::vector<std::string> verbs;
    std::string out;
};

int write_pages(const std::vector<ManualPage>& pages, const std::string& folder) {
    std::string problem = make_folders(folder);
    for (const ManualPage& page : pages) {
        problem = problem.empty() ? traces::replace_file(folder + "/" + page.name + ".1", page.text)
                                  : problem;
    }
    if (!problem.empty()) {
        print_err(scenario::render_plain(Code::CannotWrite, problem, ""));
        return kInternal;
    }
    print_out(fmt::format("{} in {}/\n", plural(pages.size(), "page"), folder));
    return kPass;
}

int man_command(const CLI::App& app, const ManOptions& options) {
    const std::vector<ManualPage> pages = manual_pages(app);
    if (!options.out.empty()) {
        return write_pages(pages, options.out);
    }
    std::string name = app.get_name();
    for (const std::string& verb : options.verbs) {
        name += "-" + verb;
    }
    std::vector<std::string> names;
    for (const ManualPage& page : pages) {
        if (page.name == name) {
            print_out(page.text);
            return kPass;
        }
        names.push_back(page.name);
    }
    print_err(scenario::render_plain(Code::Usage,
                                     fmt::format("there is no page {}", ioasim::quoted(name)),
                                     suggest(name, names)));
    return kUsage;
}

void add_man(CLI::App& app, std::function<int()>& verb) {
    const auto options = std::make_shared<ManOptions>();
    CLI::App& man = *app.add_subcommand("man", "pages of the manual");
    man.add_option("VERB", options->verbs, "of this verb (default: of ioasim)");
    man.add_option("--out", options->out, "write all of them into this folder")
        ->type_name("FOLDER")
        ->check(not_empty());
    man.footer(R"(Examples:
  ioasim man campaign run | man -l -        one page
  ioasim man --out man1                     all of them: ioasim.1, ioasim-run.1, ...

The same texts as --help.)");
    man.callback(
        [&app, options, &verb] { verb = [&app, options] { return man_command(app, *options); }; });
}

void add_completion(CLI::App& app, std::function<int()>& verb) {
    const auto shell = std::make_shared<std::string>();
    CLI::App& completion = *app.add_subcommand("completion", "completions for a shell");
    completion.add_option("SHELL", *shell, "whose script is printed")
        ->required()
        ->check(CLI::IsMember(shell_names()));
    completion.footer(R"(Examples:
  source <(ioasim completion bash)
  ioasim completion zsh > ~/.zfunc/_ioasim         with fpath=(~/.zfunc $fpath) before compinit
  ioasim completion fish > ~/.config/fish/completions/ioasim.fish

Verbs, options, scenario files, defects, parameters, words of explain: the script asks the
program.)");
    completion.callback([shell, &verb] {
        verb = [shell] {
            print_out(completion_script(*shell));
            return kPass;
        };
    });
}

void add_doctor(CLI::App& app, std::function<int()>& verb) {
    const auto format = std::make_shared<std::string>("text");
    CLI::App& doctor = *app.add_subcommand("doctor", "what this host has, and what is missing");
    format_option(doctor, *format);
    doctor.footer(R"(Examples:
  ioasim doctor
  ioasim doctor --format json

Exit code 1 when something is broken that every run needs; a missing program only costs its
feature.)");
    doctor.callback(
        [format, &verb] { verb = [format] { return doctor_command(*format == "json"); }; });
}

}  // namespace

std::string version_text() {
    const BuildInfo& info = build_info();
    return fmt::format(
        "ioasim {}\n"
        "  source    {}\n"
        "  compiler  {}, {}\n"
        "  kernel    SystemC {}\n"
        "  options   {}\n"
        "  libraries {}\n",
        kVersion, info.source, info.compiler, info.type, sim::kernel_version().running,
        info.options, info.libraries);
}

void add_help_verbs(CLI::App& app, std::function<int()>& verb) {
    add_doctor(app, verb);
    add_man(app, verb);
    add_completion(app, verb);
}

bool completed_words(const CLI::App& app, int argc, const char* const* argv) {
    constexpr int kFirstWord = 3;
    if (argc < kFirstWord || std::string_view(argv[1]) != "completion" ||
        std::string_view(argv[2]) != "words") {
        return false;
    }
    std::string text;
    for (const Completion& one : complete(app, {argv + kFirstWord, argv + argc})) {
        // Meanings may have several lines.
        text += one.text + "\t" + one.meaning.substr(0, one.meaning.find('\n')) + "\n";
    }
    print_out(text);
    return true;
}

}  // namespace ioasim::tools
