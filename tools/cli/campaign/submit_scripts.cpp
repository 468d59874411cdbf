#include <algorithm>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/base/words.hpp"
#include "tools/cli/campaign/submit.hpp"
#include "tools/cli/run_command.hpp"

namespace ioasim::tools {
namespace {

// What engines differ in.
struct Engine {
    const char* name;
    const char* command;    // that takes jobs
    const char* directive;  // how a line for the engine begins in a script
    const char* index;      // the number of a shard, from 1
    bool keeps_output;      // of each job, in a file of its own
    std::vector<std::string> (*shard_directives)(const SubmitOptions&, const std::string& logs);
    std::vector<std::string> (*collect_directives)(const std::string& logs);
    std::string (*submit)(const SubmitOptions&, const std::string& scripts);
};

std::uint64_t jobs_of(const SubmitOptions& options) {
    return std::max<std::uint64_t>(1, options.campaign.jobs);
}

std::uint64_t shards_of(const SubmitOptions& options) {
    return options.campaign.shards;
}

// Text inside double quotes of a directive.
std::string in_quotes(const std::string& text) {
    return "\"" + text + "\"";
}

// --- Slurm --------------------------------------------------------------------------------------

// --requeue: the shards of a node that failed are carried out on another one.
std::vector<std::string> slurm_shard(const SubmitOptions& options, const std::string& logs) {
    return {"--job-name=ioasim",
            fmt::format("--array=1-{}", shards_of(options)),
            fmt::format("--cpus-per-task={}", jobs_of(options)),
            "--output=" + in_quotes(logs + "/shard-%a.log"),
            "--open-mode=append",
            "--requeue"};
}

std::vector<std::string> slurm_collect(const std::string& logs) {
    return {"--job-name=ioasim-collect", "--output=" + in_quotes(logs + "/collect.log"),
            "--open-mode=append", "--requeue"};
}

std::string slurm_submit(const SubmitOptions& options, const std::string& scripts) {
    std::string text = fmt::format(
        "shards=$(sbatch --parsable {})\n"
        "shards=${{shards%%;*}} # without the name of the cluster\n",
        shell_word(scripts + "/shard.sh"));
    const std::string collect = shell_word(scripts + "/collect.sh");
    const std::string behind = "sbatch --parsable --dependency=\"afterany:$shards\" ";
    if (options.wait) {
        return text + "echo \"shards: job $shards\"\n" + behind + "--wait " + collect +
               " >/dev/null || code=$?\n";
    }
    return text + "collector=$(" + behind + collect + ")\n" +
           "echo \"shards: job $shards, collector: job ${collector%%;*}\"\n";
}

// --- GNU parallel -------------------------------------------------------------------------------

std::vector<std::string> no_shard_directives(const SubmitOptions&, const std::string&) {
    return {};
}

std::vector<std::string> no_collect_directives(const std::string&) {
    return {};
}

// Its exit code is the number of shards that failed: the collector knows better. A shard that is
// tried again finds what it had done.
std::string parallel_submit(const SubmitOptions& options, const std::string& scripts) {
    std::string flags;
    for (const std::string& option : options.engine_options) {
        // An option may have its value behind a blank; nothing else of it is for the shell.
        for (std::size_t at = 0; at < option.size();) {
            const std::size_t end = std::min(option.find(' ', at), option.size());
            flags += end == at ? "" : " " + shell_word(option.substr(at, end - at));
            at = end + 1;
        }
    }
    constexpr std::uint64_t kAll = 100;
    return fmt::format(
        "seq {} | parallel --jobs {}% --retries 3 --joblog {}{} sh {} '{{}}' ||\n"
        "    echo \"$? of {} shards failed\"\n"
        "sh {} || code=$?\n",
        shards_of(options), std::max<std::uint64_t>(1, kAll / jobs_of(options)),
        shell_word(scripts + "/joblog"), flags, shell_word(scripts + "/shard.sh"),
        shards_of(options), shell_word(scripts + "/collect.sh"));
}

// --- LSF ----------------------------------------------------------------------------------------

// -r: carried out again when its host fails.
std::vector<std::string> lsf_shard(const SubmitOptions& options, const std::string& logs) {
    return {fmt::format("-J \"ioasim[1-{}]\"", shards_of(options)),
            fmt::format("-n {}", jobs_of(options)), "-R \"span[hosts=1]\"",
            "-o " + in_quotes(logs + "/shard-%I.log"), "-r"};
}

std::vector<std::string> lsf_collect(const std::string& logs) {
    return {"-J ioasim-collect", "-o " + in_quotes(logs + "/collect.log"), "-r"};
}

std::string lsf_submit(const SubmitOptions& options, const std::string& scripts) {
    return fmt::format(
        "shards=$(bsub <{} | sed -n 's/^Job <\\([0-9]*\\)>.*/\\1/p')\n"
        "[ -n \"$shards\" ]\n"
        "echo \"shards: job $shards\"\n"
        "bsub{} -w \"ended($shards)\" <{}{}\n",
        shell_word(scripts + "/shard.sh"), options.wait ? " -K" : "",
        shell_word(scripts + "/collect.sh"), options.wait ? " || code=$?" : "");
}

// --- Grid Engine --------------------------------------------------------------------------------

// -r y: carried out again when its host fails.
std::vector<std::string> sge_shard(const SubmitOptions& options, const std::string& logs) {
    return {"-N ioasim", fmt::format("-t 1-{}", shards_of(options)),      "-S /bin/sh",
            "-j y",      "-o " + in_quotes(logs + "/shard-$TASK_ID.log"), "-r y"};
}

std::vector<std::string> sge_collect(const std::string& logs) {
    return {"-N ioasim-collect", "-S /bin/sh", "-j y", "-o " + in_quotes(logs + "/collect.log"),
            "-r y"};
}

std::string sge_submit(const SubmitOptions& options, const std::string& scripts) {
    return fmt::format(
        "shards=$(qsub -terse {})\n"
        "shards=${{shards%%.*}} # without the range\n"
        "echo \"shards: job $shards\"\n"
        "qsub{} -hold_jid \"$shards\" {}{}\n",
        shell_word(scripts + "/shard.sh"), options.wait ? " -sync y" : "",
        shell_word(scripts + "/collect.sh"), options.wait ? " || code=$?" : "");
}

const std::vector<Engine>& engines() {
    static const std::vector<Engine> all{
        {"slurm", "sbatch", "#SBATCH", "${SLURM_ARRAY_TASK_ID:?}", true, slurm_shard, slurm_collect,
         slurm_submit},
        {"parallel", "parallel", "", "${1:?}", false, no_shard_directives, no_collect_directives,
         parallel_submit},
        {"lsf", "bsub", "#BSUB", "${LSB_JOBINDEX:?}", true, lsf_shard, lsf_collect, lsf_submit},
        {"sge", "qsub", "#$", "${SGE_TASK_ID:?}", true, sge_shard, sge_collect, sge_submit},
    };
    return all;
}

const Engine& engine_of(const std::string& name) {
    for (const Engine& engine : engines()) {
        if (name == engine.name) {
            return engine;
        }
    }
    SIM_CHECK(false, "no engine is called {}", name);
    return engines().front();
}

// --- scripts ------------------------------------------------------------------------------------

std::string head(const Engine& engine, std::vector<std::string> directives,
                 const std::vector<std::string>& more, const char* purpose) {
    std::string text = "#!/bin/sh\n";
    if (*engine.directive != '\0') {
        directives.insert(directives.end(), more.begin(), more.end());
        for (const std::string& directive : directives) {
            text += fmt::format("{} {}\n", engine.directive, directive);
        }
    }
    return text + fmt::format("# {} Made by `ioasim campaign submit`.\n", purpose);
}

// The options of `campaign run` that are not the default.
std::string campaign_arguments(const CampaignOptions& o) {
    const CampaignOptions defaults;
    std::string text;
    for (const std::string& file : o.files) {
        text += " " + shell_word(file);
    }
    text += fmt::format(" --runs {} --seed {}", o.runs, o.seed);
    if (o.seconds != defaults.seconds) {
        text += fmt::format(" --time {}s", o.seconds);
    }
    if (o.run_seconds != defaults.run_seconds) {
        text += fmt::format(" --run-timeout {}", o.run_seconds);
    }
    if (o.run_memory != defaults.run_memory) {
        text += fmt::format(" --run-memory {}B", o.run_memory);
    }
    for (const std::string& set : o.sets) {
        text += " --set " + shell_word(set);
    }
    for (const std::string& defect : o.defects) {
        text += " --defect " + shell_word(defect);
    }
    return text;
}

}  // namespace

const std::vector<std::string>& engine_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const Engine& engine : engines()) {
            all.emplace_back(engine.name);
        }
        return all;
    }();
    return names;
}

std::string engine_command(const std::string& engine) {
    return engine_of(engine).command;
}

SubmitScripts submit_scripts(const SubmitOptions& options, const SubmitPlaces& places) {
    const Engine& engine = engine_of(options.engine);
    const std::string scripts = places.out + "/submit";
    const std::string program = shell_word(places.program);
    const std::string enter = fmt::format("cd {} || exit 3\n", shell_word(places.here));
    const std::string out = shell_word(places.out);
    SubmitScripts made;
    made.shard = head(engine, engine.shard_directives(options, scripts), options.engine_options,
                      "One shard of a campaign; carried out again it goes on where it was.") +
                 enter + fmt::format("shard={}\n", engine.index) +
                 (engine.keeps_output
                      ? std::string()
                      : fmt::format("exec >>{}/shard-\"$shard\".log 2>&1\n", shell_word(scripts))) +
                 fmt::format(
                     "exec {} campaign run{} \\\n"
                     "    --shard \"$shard/{}\" -j {} --quiet --out {}/shard-\"$shard\"\n",
                     program, campaign_arguments(options.campaign), shards_of(options),
                     jobs_of(options), out);
    made.collect = head(engine, engine.collect_directives(scripts), options.engine_options,
                        "Puts the results of the shards together.") +
                   enter +
                   fmt::format(
                       "{} campaign merge {}/shard-* --runs {} --out {}/all \\\n"
                       "    >{}/summary.txt\n",
                       program, out, options.campaign.runs, out, out);
    made.submit = fmt::format(
        "#!/bin/sh\n"
        "# The shards and, behind all of them, the collector. Made by "
        "`ioasim campaign submit`.\n"
        "set -e\ncode=0\n{}",
        engine.submit(options, scripts));
    // The engine has run everything when it is the one of this machine.
    if (options.wait || options.engine == "parallel") {
        made.submit += fmt::format("cat {}/summary.txt\nexit \"$code\"\n", out);
    }
    return made;
}

std::string engine_problem(const SubmitOptions& options) {
    bool parallel_environment = false;
    for (const std::string& option : options.engine_options) {
        if (option.find('\n') != std::string::npos) {
            return "an option of the engine is one line";
        }
        parallel_environment |= option.compare(0, 4, "-pe ") == 0;
    }
    if (options.engine == "sge" && jobs_of(options) > 1 && !parallel_environment) {
        return "Grid Engine gives more than one core only by a parallel environment of the site: "
               "--option \"-pe NAME CORES\"";
    }
    return {};
}

}  // namespace ioasim::tools
