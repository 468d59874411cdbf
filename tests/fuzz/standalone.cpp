// fuzz_tests [TARGET] [--runs N] [--seed S] [FILE...]: each parser reads its corpus as it stands,
// then N damaged inputs, in a process of its own. An input that ends the process is kept and named.
// With FILEs only these are read. The last line is the count.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "core/base/random.hpp"
#include "tests/fuzz/mutate.hpp"
#include "tests/fuzz/targets.hpp"

// libsystemc holds a main of its own that asks for this; ours is the one that runs.
extern "C" int sc_main(int, char**) {
    return 0;
}

namespace {

namespace fs = std::filesystem;
using ioasim::RandomStream;
using ioasim::fuzz::Target;

constexpr std::uint64_t kRuns = 300;
constexpr unsigned kInputSeconds = 20;
constexpr rlim_t kMemory = rlim_t{2} << 30U;
// Longer recordings are cut to a window of whole lines: damage should hit something.
constexpr std::size_t kLongest = 24000;

struct Options {
    std::string target;
    std::uint64_t runs = kRuns;
    std::uint64_t seed = 1;
    std::vector<std::string> files;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--runs" && i + 1 < argc) {
            options.runs = std::strtoull(argv[++i], nullptr, 10);
        } else if (arg == "--seed" && i + 1 < argc) {
            options.seed = std::strtoull(argv[++i], nullptr, 10);
        } else if (ioasim::fuzz::find_target(arg) != nullptr) {
            options.target = arg;
        } else {
            options.files.push_back(arg);
        }
    }
    return options;
}

std::string contents(const fs::path& path) {
    const auto close = [](gzFile file) { gzclose(file); };
    const std::unique_ptr<gzFile_s, decltype(close)> file(gzopen(path.c_str(), "rb"), close);
    std::string text;
    char buffer[1 << 16];
    int got = 0;
    while (file && (got = gzread(file.get(), buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

// The header line stays; of the rest, whole lines from the first or from a place that is drawn.
std::string window(const std::string& text, RandomStream& random) {
    const std::size_t header = text.find('\n');
    if (text.size() <= kLongest || header == std::string::npos) {
        return text;
    }
    const std::size_t drawn =
        header + (random.chance(1, 2) ? 0 : random.below(text.size() - header));
    const std::size_t begin = std::min(text.find('\n', drawn), text.size());
    std::string lines = text.substr(begin, kLongest);
    lines.resize(lines.rfind('\n') == std::string::npos ? 0 : lines.rfind('\n') + 1);
    return text.substr(0, header) + lines;
}

void collect(const fs::path& folder, const std::string& ending, std::vector<fs::path>& into) {
    if (!fs::is_directory(folder)) {
        return;
    }
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        const bool ends = name.size() >= ending.size() &&
                          name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
        if (entry.is_regular_file() && ends) {
            into.push_back(entry.path());
        }
    }
}

std::vector<fs::path> inputs_of(const Target& target, bool corpus_only) {
    std::vector<fs::path> inputs;
    const fs::path top = IOASIM_SOURCE_DIR;
    collect(top / "tests/fuzz/corpus" / target.name, "", inputs);
    if (!corpus_only) {
        for (const char* folder : target.folders) {
            collect(top / folder, target.ending, inputs);
        }
    }
    std::sort(inputs.begin(), inputs.end());
    return inputs;
}

// Only the last input is on disk: the one that is being read when the process ends.
bool try_input(const Target& target, const std::string& text, const fs::path& keep) {
    std::ofstream(keep, std::ios::binary | std::ios::trunc) << text;
    alarm(kInputSeconds);
    const bool accepted = target.run(text);
    alarm(0);
    return accepted;
}

void run_all(const Target& target, const Options& options, const fs::path& keep) {
    for (const std::string& file : options.files) {
        try_input(target, contents(file), keep);
    }
    if (!options.files.empty()) {
        return;
    }
    for (const fs::path& path : inputs_of(target, true)) {
        try_input(target, contents(path), keep);
    }
    const std::vector<fs::path> seeds = inputs_of(target, false);
    RandomStream random(options.seed, target.name, "fuzz");
    std::uint64_t accepted = 0;
    const bool lines = std::string_view(target.ending).rfind(".jsonl", 0) == 0;
    for (std::uint64_t i = 0; i < options.runs && !seeds.empty(); ++i) {
        const std::string seed = contents(seeds[random.below(seeds.size())]);
        const std::string input =
            ioasim::fuzz::damaged(lines ? window(seed, random) : seed, random);
        accepted += try_input(target, input, keep) ? 1 : 0;
    }
    // Neither none nor all: what is behind the syntax was reached, and damage does damage.
    fmt::print("note: {}: {} of {} damaged inputs were accepted\n", target.name, accepted,
               options.runs);
}

bool holds(const Target& target, const Options& options) {
    const fs::path keep =
        fs::temp_directory_path() / fmt::format("fuzz-{}-{}", target.name, getpid());
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
#ifndef __SANITIZE_ADDRESS__
        const rlimit memory{kMemory, kMemory};
        setrlimit(RLIMIT_AS, &memory);
#endif
        run_all(target, options, keep);
        std::fflush(nullptr);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        fs::remove(keep);
        return true;
    }
    fmt::print("FAILED: {}: {} {}\n  input: {}\n  again: fuzz_tests {} {}\n", target.name,
               WIFSIGNALED(status) ? "signal" : "exit",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), keep.string(),
               target.name, keep.string());
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    int passed = 0;
    int failed = 0;
    for (const Target& target : ioasim::fuzz::targets()) {
        if (options.target.empty() || options.target == target.name) {
            (holds(target, options) ? passed : failed) += 1;
        }
    }
    fmt::print("{} passed, {} failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
