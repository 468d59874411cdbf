#include "tools/cli/report/report.hpp"

#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/report/gather.hpp"
#include "tools/cli/report/pages.hpp"
#include "tools/cli/run_process.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/byte_sink.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

namespace fs = std::filesystem;
using report::Assets;
using report::Page;
using scenario::Code;

int refuse(Code code, const std::string& text, const std::string& help = {}) {
    print_err(scenario::render_plain(code, text, help));
    return kUsage;
}

// A folder that is gone when this is.
class Scratch {
public:
    Scratch() {
        std::string name = (fs::temp_directory_path() / "ioasim-report-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) {
            path_ = name;
        }
    }
    ~Scratch() {
        std::error_code ignored;
        if (!path_.empty()) {
            fs::remove_all(path_, ignored);
        }
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Where tools/build/report_assets.sh leaves them, or an installation has them.
std::string usual_assets() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (error) {
        return {};
    }
    const fs::path prefix = program.parent_path().parent_path();
    for (const fs::path& folder : {program.parent_path() / "report", prefix / "report",
                                   prefix / "share" / "ioasim" / "report"}) {
        if (fs::exists(folder / "report.js", error)) {
            return folder.string();
        }
    }
    return {};
}

// Empty: they are there, or nobody asked for them.
std::string load_assets(const std::string& wanted, Assets& assets) {
    const std::string folder = wanted.empty() ? usual_assets() : wanted;
    if (folder.empty() || folder == "none") {
        return {};
    }
    bool script = false;
    bool style = false;
    bool hash = false;
    assets.script = report::file_content(folder + "/report.js", script);
    assets.style = report::file_content(folder + "/report.css", style);
    assets.hash = report::file_content(folder + "/report.hash", hash);
    while (!assets.hash.empty() && assets.hash.back() == '\n') {
        assets.hash.pop_back();
    }
    const bool whole = script && style && hash && assets.hash.rfind("sha256-", 0) == 0;
    assets = whole ? assets : Assets{};
    return whole ? std::string()
                 : fmt::format("--assets {}: report.js, report.css and report.hash are not there",
                               folder);
}

// What a scenario says it covers.
std::vector<std::string> rows_of(const std::string& file) {
    const scenario::Loaded loaded =
        scenario::load(file, program_vocabulary(), scenario::LoadOptions{});
    return loaded.cells.empty() ? std::vector<std::string>() : loaded.cells.front().covers;
}

class ReportCommand {
public:
    explicit ReportCommand(const ReportOptions& options) : options_(options) {}

    int run() {
        const bool scenario = file_extension(options_.input) == ".json";
        const RunOptions& of_run = options_.run;
        if (!scenario &&
            (of_run.seed || of_run.run != 0 || !of_run.sets.empty() || !of_run.defects.empty())) {
            return refuse(
                Code::Usage,
                fmt::format("{} is no scenario: its run is over", ioasim::quoted(options_.input)),
                "--seed, --run, --set and --defect are for scenarios (.json)");
        }
        std::error_code no_folder;
        if (!options_.trace.empty() && !fs::is_directory(options_.input, no_folder)) {
            return refuse(
                Code::Usage,
                fmt::format("--trace {}: {} is no folder of results, whose trace it could "
                            "stand for",
                            options_.trace, ioasim::quoted(options_.input)));
        }
        const std::string problem = load_assets(options_.assets, assets_);
        if (!problem.empty()) {
            return refuse(Code::Usage, problem, "tools/build/report_assets.sh builds them");
        }
        std::error_code error;
        if (fs::is_directory(options_.input, error)) {
            return of_folder(options_.input);
        }
        const std::string extension = file_extension(options_.input);
        const traces::TraceFormatInfo* const format = traces::trace_format_of(options_.input);
        if (format != nullptr && format->holds == traces::TraceFormatInfo::Holds::Events) {
            return of_files({"", "", options_.input}, options_.input + ".html");
        }
        if (extension == ".json") {
            return of_scenario();
        }
        return refuse(Code::Usage,
                      fmt::format("{} is no folder of results, trace or scenario",
                                  ioasim::quoted(options_.input)),
                      "`ioasim run FILE --out FOLDER` makes such a folder");
    }

private:
    int of_folder(const std::string& folder) {
        report::RunFiles files = report::files_of_folder(folder);
        if (!options_.trace.empty()) {
            files.trace = options_.trace;
        }
        const std::string out = folder + "/report.html";
        if (!files.result.empty() || !files.trace.empty()) {
            return of_files(files, out);
        }
        report::CampaignModel campaign;
        campaign.folder = folder;
        for (auto& [key, record] : read_records(folder, campaign.damaged)) {
            campaign.records.push_back(std::move(record));
        }
        if (campaign.records.empty()) {
            return refuse(Code::Usage,
                          fmt::format("{} holds no results: neither run.json nor those of a "
                                      "campaign",
                                      ioasim::quoted(folder)),
                          "`ioasim run` and `ioasim campaign run` make such folders");
        }
        for (const RunRecord& record : campaign.records) {
            if (campaign.covers.count(record.file) == 0 && path_exists(record.file)) {
                campaign.covers[record.file] = rows_of(record.file);
            }
        }
        const std::string path = output(out);
        return may_write(path) ? write(path, report::campaign_page(campaign)) : kUsage;
    }

    int of_files(const report::RunFiles& files, const std::string& usual_out) {
        const std::string path = output(usual_out);
        if (!may_write(path)) {
            return kUsage;
        }
        report::RunModel model;
        const std::string problem = report::gather(files, model);
        if (!problem.empty()) {
            return refuse(Code::Usage, problem);
        }
        if (model.traced && !model.trace_note.empty()) {
            print_err(fmt::format("ioasim: warning: {}: {}\n", files.trace, model.trace_note));
        }
        stop_if_asked();
        return write(path, report::run_page(model));
    }

    // Runs it first, into a folder that nobody sees.
    int of_scenario() {
        bool good = known_defects_or_tell(options_.run.defects);
        const auto cells =
            load_or_tell(options_.input, {options_.run.sets, options_.run.defects}, good);
        if (!good) {
            return kUsage;
        }
        if (cells.size() != 1) {
            return refuse(
                Code::Usage,
                fmt::format("{} is {} runs, a report is about one", options_.input, cells.size()),
                "--set chooses one of each axis");
        }
        const std::string path = output(cells.front().name + ".html");
        const Scratch scratch;
        if (!may_write(path) || scratch.path().empty()) {
            return kUsage;
        }
        Job job = plan(cells.front(), options_.run);
        const std::string trace = scratch.path() + "/trace.jsonl";
        job.traces = {trace};
        RunResult result = run_isolated(job);
        stop_if_asked();
        result.seed = job.options.seed.value_or(job.scenario.seed);
        result.run = job.options.run;
        result.reproduce = reproduce_line(job);
        result.files.clear();
        const report::RunFiles files{scratch.path() + "/run.json",
                                     scratch.path() + "/resolved.json", trace};
        for (const std::string& problem :
             {traces::replace_file(files.result, to_json(to_node(result), 2)),
              traces::replace_file(files.configuration, to_json(job.scenario.document, 2))}) {
            if (!problem.empty()) {
                print_err(scenario::render_plain(Code::CannotWrite, problem, ""));
                return kInternal;
            }
        }
        report::RunModel model;
        const std::string problem = report::gather(files, model);
        if (!problem.empty()) {
            return refuse(Code::Usage, problem);
        }
        print_out(last_line(result) + "\n");
        return write(path, report::run_page(model));
    }

    std::string output(const std::string& usual) const {
        return options_.out.empty() ? usual : options_.out;
    }
    bool may_write(const std::string& path) const {
        Outputs outputs({options_.input}, options_.run.force, "what it is about");
        return outputs.add("-o", path);
    }

    int write(const std::string& path, const Page& page) {
        const std::string text = report::document(page, assets_);
        stop_if_asked();
        const std::string problem = traces::replace_file(path, text);
        if (!problem.empty()) {
            print_err(scenario::render_plain(Code::CannotWrite, problem, ""));
            return kInternal;
        }
        print_out(fmt::format("{}: {} KiB, {}\n", path, (text.size() + 1023) / 1024,
                              assets_.present() ? "with the script that zooms and filters"
                              : options_.assets == "none"
                                  ? "static, as asked"
                                  : "static: the assets for its script were not built"));
        return kPass;
    }

    const ReportOptions& options_;
    Assets assets_;
};

}  // namespace

int report_command(const ReportOptions& options) {
    return ReportCommand(options).run();
}

}  // namespace ioasim::tools
