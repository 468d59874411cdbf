// The main of every test program: each case runs in a process of its own, several at a time, so
// that no case depends on what another left behind (a kernel can be elaborated once a process).
//
//   unit_tests [FILTER] [--jobs N]   cases whose name holds FILTER
//   unit_tests -tc=... -s ...        options of doctest: one process, as doctest does it
//
// A passing case shows only its lines that begin with "note: "; a failing one prints all it said.
// The last line is the count.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

// libsystemc holds a main of its own that asks for this; ours is the one that runs.
extern "C" int sc_main(int, char**) {
    return 0;
}

namespace {

// A case that takes longer hangs.
constexpr unsigned kCaseSeconds = 120;

struct Options {
    std::string filter;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    bool plain = false;  // doctest's own options were given
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--jobs" && i + 1 < argc) {
            options.jobs = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
        } else if (!arg.empty() && arg[0] == '-') {
            options.plain = true;
        } else {
            options.filter = arg;
        }
    }
    return options;
}

// A comma separates filters for doctest, so one inside a filter is escaped.
std::string pattern_of(const std::string& filter) {
    std::string pattern = "*";
    for (const char c : filter) {
        pattern += c == ',' ? "\\," : std::string(1, c);
    }
    return filter.empty() ? "*" : pattern + "*";
}

// A context that looks at the filtered cases with these further options.
doctest::Context context_of(const Options& options, std::vector<std::string> args) {
    args.insert(args.begin(), "tests");
    args.emplace_back("--no-colors");
    args.emplace_back("--test-case=" + pattern_of(options.filter));
    std::vector<const char*> argv;
    for (const std::string& arg : args) {
        argv.push_back(arg.c_str());
    }
    return doctest::Context(static_cast<int>(argv.size()), argv.data());
}

std::vector<std::string> case_names(const Options& options) {
    std::ostringstream out;
    doctest::Context context = context_of(options, {"--list-test-cases"});
    context.setCout(&out);
    context.run();
    std::vector<std::string> names;
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("[doctest]", 0) != 0 && line.rfind("====", 0) != 0 && !line.empty()) {
            names.push_back(line);
        }
    }
    return names;
}

// Runs case `number` (from 1) of the filtered list; never returns.
[[noreturn]] void run_case(const Options& options, int number, std::FILE* output) {
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    alarm(kCaseSeconds);
    const int result = context_of(options, {"--no-intro", fmt::format("--first={}", number),
                                            fmt::format("--last={}", number)})
                           .run();
    std::fflush(nullptr);
    std::exit(result);
}

std::string text_of(std::FILE* file) {
    std::string text;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
        text += static_cast<char>(c);
    }
    return text;
}

std::string notes_of(const std::string& text) {
    std::string notes;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        notes += line.rfind("note: ", 0) == 0 ? line + "\n" : "";
    }
    return notes;
}

int run_isolated(const Options& options) {
    const std::vector<std::string> names = case_names(options);
    struct Running {
        std::size_t index;
        std::FILE* output;
    };
    std::map<pid_t, Running> running;
    std::size_t started = 0;
    std::size_t failed = 0;
    while (started < names.size() || !running.empty()) {
        if (started < names.size() && running.size() < options.jobs) {
            std::FILE* output = std::tmpfile();
            std::fflush(nullptr);
            const pid_t child = output != nullptr ? fork() : -1;
            if (child == 0) {
                run_case(options, static_cast<int>(started) + 1, output);
            }
            if (child < 0) {
                std::perror("cannot start a test case");
                return 3;
            }
            running[child] = {started++, output};
            continue;
        }
        int status = 0;
        const pid_t child = wait(&status);
        const auto done = running.find(child);
        if (done == running.end()) {
            continue;
        }
        if (status == 0) {
            fmt::print("{}", notes_of(text_of(done->second.output)));
        } else {
            ++failed;
            const std::string how = WIFSIGNALED(status)
                                        ? fmt::format("signal {}", WTERMSIG(status))
                                        : fmt::format("exit {}", WEXITSTATUS(status));
            fmt::print("FAILED ({}): {}\n{}\n", how, names[done->second.index],
                       text_of(done->second.output));
        }
        std::fclose(done->second.output);
        running.erase(done);
    }
    fmt::print("{} passed, {} failed\n", names.size() - failed, failed);
    return failed == 0 && !names.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    if (options.plain) {
        return doctest::Context(argc, argv).run();
    }
    return run_isolated(options);
}
