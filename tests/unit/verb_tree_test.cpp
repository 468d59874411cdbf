// The command line as data: completions, pages of the manual, scripts for batch systems.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/cli/campaign/submit.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/help/verb_tree.hpp"
#include "tools/cli/run_command.hpp"

namespace ioasim::tools {
namespace {

// "ioasim" with a verb of every kind.
struct Tree {
    Tree() {
        CLI::App& run = *app.add_subcommand("run", "simulate -- .so");
        run.add_option("FILE", files, "scenario files")->required();
        number_option(run, "-n,--seed", seed, "of all streams");
        defect_option(run, defects);
        format_option(run, format);
        run.add_flag("--secret", flag, "")->group("");
        run.footer("Examples:\n  .ioasim run\n\nA note.");
        CLI::App& campaign = *app.add_subcommand("campaign", "many runs");
        campaign.add_subcommand("merge", "as one");
        app.require_subcommand(1);
    }
    std::vector<std::string> words(const std::vector<std::string>& typed) const {
        std::vector<std::string> texts;
        for (const Completion& one : complete(app, typed)) {
            texts.push_back(one.text);
        }
        return texts;
    }

    CLI::App app{"ioasim: a test", "ioasim"};
    std::vector<std::string> files;
    std::vector<std::string> defects;
    std::string format;
    std::uint64_t seed = 0;
    bool flag = false;
};

using Words = std::vector<std::string>;

SubmitOptions on(const std::string& engine) {
    SubmitOptions options;
    options.engine = engine;
    options.campaign.files = {"a b.json"};
    options.campaign.shards = 3;
    return options;
}

}  // namespace

TEST_CASE("completion: verbs, and verbs below them") {
    const Tree t;
    CHECK(t.words({""}) == Words{"campaign", "run"});
    CHECK(t.words({"r"}) == Words{"run"});
    CHECK(t.words({"campaign", ""}) == Words{"merge"});
}

TEST_CASE("completion: options of the verb that was typed, hidden ones left out") {
    const Tree t;
    CHECK(t.words({"run", "--"}) == Words{"--defect", "--format", "--help", "--seed"});
    CHECK(t.words({"run", "-n"}) == Words{"-n"});
    CHECK(t.words({"--f"}).empty());
}

TEST_CASE("completion: a value is completed by what it is called") {
    const Tree t;
    CHECK(t.words({"run", "--format", ""}) == Words{"json", "text"});
    CHECK(t.words({"run", "--format=t"}) == Words{"--format=text"});
    CHECK(t.words({"run", "--defect", "vtd.skip_iotlb"}) == Words{"vtd.skip_iotlb_invalidation"});
    CHECK(t.words({"run", "--seed", ""}).empty());
}

TEST_CASE("completion: parameters of a kind of component, and of one that is named") {
    CLI::App app{"ioasim: x", "ioasim"};
    std::vector<std::string> sets;
    set_option(app, sets);
    const auto first = [&app](const std::string& word) { return complete(app, {"--set", word}); };
    REQUIRE(first("iommu.iotlb.entr").size() == 1);
    CHECK(first("iommu.iotlb.entr").front().text == "iommu.iotlb.entries=");
    REQUIRE(first("iommu7.iotlb.entr").size() == 1);
    CHECK(first("iommu7.iotlb.entr").front().text == "iommu7.iotlb.entries=");
    CHECK(first("nothing7.").empty());
}

TEST_CASE("completion: a value is no verb, and options may stand between files") {
    const Tree t;
    const std::string folder = std::string(IOASIM_SOURCE_DIR) + "/scenarios/quickstart/";
    const Words files = t.words({"run", "--seed", "5", "run", folder + "two"});
    CHECK(files == Words{folder + "two_vms.json"});
    CHECK(t.words({"run", std::string(IOASIM_SOURCE_DIR) + "/scenarios/quick"}) == Words{folder});
}

TEST_CASE("manual: a page for each verb, with its options and examples") {
    const Tree t;
    const std::vector<ManualPage> pages = manual_pages(t.app);
    Words names;
    for (const ManualPage& page : pages) {
        names.push_back(page.name);
    }
    CHECK(names == Words{"ioasim", "ioasim-run", "ioasim-campaign", "ioasim-campaign-merge"});
    const std::string& run = pages.at(1).text;
    CHECK(run.find("\\fB\\-n\\fR, \\fB\\-\\-seed\\fR \\fIN\\fR") != std::string::npos);
    CHECK(run.find("one of text, json") != std::string::npos);
    CHECK(run.find("secret") == std::string::npos);
    CHECK(run.find(".SH EXAMPLES\n.nf\n  .ioasim run\n.fi\n.SH NOTES\nA note.") !=
          std::string::npos);
}

TEST_CASE("manual: no text is taken for a request") {
    CLI::App app{"ioasim: x", "ioasim"};
    app.add_flag("--odd", ".so is no request\n'nor \\this");
    const std::string text = manual_pages(app).at(0).text;
    CHECK(text.find("\n\\&.so is no request\n\\&'nor \\ethis") != std::string::npos);
}

TEST_CASE("submit: any text is one word of a shell") {
    CHECK(shell_word("plain/file.json") == "plain/file.json");
    CHECK(shell_word("it's $HOME") == "'it'\\''s $HOME'");
    CHECK(shell_word("") == "''");
}

TEST_CASE("submit: a shard is the same work under every engine") {
    const SubmitPlaces places{"ioasim", "here", "out"};
    for (const std::string& engine : engine_names()) {
        CAPTURE(engine);
        const std::string shard = submit_scripts(on(engine), places).shard;
        const std::size_t work = shard.find("exec ioasim campaign run 'a b.json' --runs 1000");
        CHECK(work != std::string::npos);
        CHECK(shard.find("--shard \"$shard/3\"", work) != std::string::npos);
    }
}

TEST_CASE("submit: Grid Engine gives several cores only with a parallel environment") {
    SubmitOptions options = on("sge");
    CHECK(engine_problem(options).empty());
    options.campaign.jobs = 4;
    CHECK(!engine_problem(options).empty());
    options.engine_options = {"-pe smp 4"};
    CHECK(engine_problem(options).empty());
}

}  // namespace ioasim::tools
