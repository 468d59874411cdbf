// What a campaign keeps of its runs, and the machines that it draws.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tools/cli/campaign/mutant_table.hpp"
#include "tools/cli/campaign/run_record.hpp"
#include "tools/cli/campaign/swarm.hpp"
#include "tools/cli/campaign/tally.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

RunResult failed_run(std::uint64_t run) {
    RunResult result;
    result.file = "x.json";
    result.name = "x";
    result.hash = "0123456789abcdef";
    result.seed = 7;
    result.run = run;
    result.exit_code = kFailed;
    result.reason = "idle";
    result.reproduce = "ioasim run x.json --seed 7 --run " + std::to_string(run);
    result.findings.push_back({"references.leak", "host", "two left", TimePs{5}, 3, false});
    result.findings.push_back({"references.leak", "host", "one left", TimePs{6}, 4, false});
    result.findings.push_back({"order.priority", "host", "wanted", TimePs{7}, 5, true});
    result.failures.push_back({"", "unwanted finding references.leak", "", {"at 5 ps"}, true});
    return result;
}

scenario::Scenario two_vms() {
    const std::string file = std::string(IOASIM_SOURCE_DIR) + "/scenarios/quickstart/two_vms.json";
    return scenario::load(file, program_vocabulary(), {}).cells.at(0);
}

}  // namespace

TEST_CASE("campaign: a run's record comes back from its text") {
    const RunRecord record = record_of(failed_run(3));
    RunRecord again;
    REQUIRE(from_text(to_text(record), again));
    CHECK(to_text(again) == to_text(record));
    CHECK(again.key.path() == "0123456789abcdef/7-3.json");
    CHECK(again.first == "unwanted finding references.leak: at 5 ps");
}

TEST_CASE("campaign: codes are those of unwanted findings, each once") {
    CHECK(record_of(failed_run(3)).codes == std::vector<std::string>{"references.leak"});
}

TEST_CASE("campaign: a failed expectation, a hang and a crash have codes of their own") {
    RunResult result = failed_run(1);
    result.findings.clear();
    result.failures.front().about_finding = false;
    CHECK(record_of(result).codes == std::vector<std::string>{"expectation"});
    result.exit_code = kHang;
    result.reason = "deadlock";
    CHECK(record_of(result).codes == std::vector<std::string>{"deadlock"});
    result.exit_code = kInternal;
    CHECK(record_of(result).codes == std::vector<std::string>{"crash"});
}

TEST_CASE("campaign: text that is no record is none") {
    RunRecord record;
    CHECK_FALSE(from_text("", record));
    CHECK_FALSE(from_text("{}", record));
    CHECK_FALSE(from_text(to_text(record_of(failed_run(1))).substr(0, 40), record));
}

TEST_CASE("campaign: sums do not depend on the order of runs") {
    Tally up;
    Tally down;
    for (std::uint64_t run = 1; run <= 9; ++run) {
        up.add(record_of(failed_run(run)));
        down.add(record_of(failed_run(10 - run)));
    }
    CHECK(up.text() == down.text());
    CHECK(up.text().find("--run 1\n") != std::string::npos);
    CHECK(up.by_code(1) == "references.leak 9");
    CHECK(up.exit_code() == kFailed);
}

TEST_CASE("campaign: a rare path that one run reached was reached") {
    RunResult with = failed_run(1);
    with.marks = {"kvm.kicked"};
    RunRecord again;
    REQUIRE(from_text(to_text(record_of(with)), again));
    CHECK(again.marks == with.marks);
    Tally tally;
    tally.add(record_of(failed_run(2)));
    const auto never = [&tally](const std::string& mark) {
        const std::vector<std::string> all = tally.marks_never_hit();
        return std::count(all.begin(), all.end(), mark);
    };
    CHECK(never("kvm.kicked") == 1);
    tally.add(again);
    CHECK(never("kvm.kicked") == 0);
    CHECK(never("iopf.group_expired") == 1);
    CHECK(tally.marks_text().find("kvm.kicked") == std::string::npos);
}

TEST_CASE("swarm: a machine depends on the seed alone, and seeds differ") {
    std::set<std::string> machines;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        scenario::Scenario a = two_vms();
        scenario::Scenario b = two_vms();
        const auto changes = draw_machine(a, seed);
        CHECK(changes == draw_machine(b, seed));
        std::string all;
        for (const std::string& change : changes) {
            all += change + " ";
        }
        machines.insert(all);
    }
    CHECK(machines.size() >= 45);
}

TEST_CASE("swarm: every machine can be built") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        scenario::Scenario scenario = two_vms();
        draw_machine(scenario, seed);
        CHECK(platform::check(scenario.config).empty());
        for (const platform::ParamOverride& one : scenario.config.params) {
            const ParamInfo* const info = platform::find_param(one.component, one.path);
            CHECK((info == nullptr || info->allows(one.value)));
        }
    }
}

TEST_CASE("swarm: what a scenario sets stays") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        scenario::Scenario scenario = two_vms();
        scenario.config.params.push_back({"iommu0", "iotlb.entries", 16});
        draw_machine(scenario, seed);
        for (const platform::ParamOverride& one : scenario.config.params) {
            CHECK((one.path != "iotlb.entries" || one.value == 16));
        }
    }
}

namespace {

std::vector<MutantRow> three_mutants() {
    return {{"dsa.a", 3, "references.leak", "scenarios/x.json", "n=2,m=a", 0},
            {"dsa.b", 40, "expectation", "scenarios/y.json", "", 17},
            {"kvm.c", 1000, "", "", "", 0}};
}

}  // namespace

TEST_CASE("mutants: a table comes back from its document, whatever stands before it") {
    const std::string document = with_table("# Head\n\ntext\n", three_mutants(), 7);
    CHECK(document.rfind("# Head\n\ntext\n", 0) == 0);
    std::vector<MutantRow> rows;
    std::uint64_t seed = 0;
    std::string problem;
    REQUIRE(read_table(document, rows, seed, problem));
    CHECK(seed == 7);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].place() == "scenarios/x.json [n=2,m=a]");
    CHECK(rows[0].by_default());
    CHECK(rows[1].run == 17);
    CHECK(rows[1].runs == 40);
    CHECK_FALSE(rows[2].caught());
    CHECK(with_table(document, rows, 7) == document);
}

TEST_CASE("mutants: a document without a table, and rows that are none, are told") {
    std::vector<MutantRow> rows;
    std::uint64_t seed = 0;
    std::string problem;
    CHECK_FALSE(read_table("# Head\n", rows, seed, problem));
    CHECK(problem.find(kTableMark) != std::string::npos);
    for (const char* const row :
         {"| `a.b` | a | many | x.y | f.json | run 1 |", "| `a.b` | a | 3 | x.y | f.json | run 0 |",
          "| `a.b` | a | 3 | x.y | | run 1 |", "| `a.b` |"}) {
        const std::string document = with_table("", {}, 1) + row + "\n";
        CHECK_FALSE(read_table(document, rows, seed, problem));
        CHECK(problem.find(row) != std::string::npos);
    }
}

TEST_CASE("mutants: sums count each mutant once, by model and in all") {
    const MutantSums all = sums_of(three_mutants());
    CHECK(all.all == 3);
    CHECK(all.at_default == 1);
    CHECK(all.explored == 1);
    CHECK(all.missed() == 1);
    CHECK(all.most == 40);
    CHECK(sums_of(three_mutants(), "kvm").missed() == 1);
    CHECK(models_of(three_mutants()) == std::vector<std::string>{"dsa", "kvm"});
}

}  // namespace ioasim::tools
