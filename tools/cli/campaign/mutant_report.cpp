#include "tools/cli/campaign/mutant_report.hpp"

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/run_result.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

std::string summary_of(const MutantReport& report) {
    const MutantSums sums = sums_of(report.rows);
    const std::string line =
        fmt::format("{}: {} caught at the default seeds, {} by exploration, {} missed; {}",
                    plural(sums.all, "mutant"), sums.at_default, sums.explored, sums.missed(),
                    plural(report.runs, "run"));
    return report.known_before == 0 ? line
                                    : line + fmt::format(", {} known before", report.known_before);
}

std::string how(const MutantReport& report, std::size_t i) {
    const MutantRow& row = report.rows[i];
    return row.caught() ? fmt::format("{} in {}{}", row.code, row.place(),
                                      row.run == 0 ? "" : fmt::format(", run {}", row.run))
                        : report.missed[i];
}

std::string listed(const char* head, const std::vector<std::string>& lines) {
    std::string out = lines.empty() ? std::string() : std::string(head) + "\n";
    for (const std::string& line : lines) {
        out += "  " + line + "\n";
    }
    return out;
}

}  // namespace

std::string mutants_text(const MutantReport& report, bool explored) {
    std::string out = fmt::format("{:<44} {:>5} {}\n", "mutant", "runs", "caught by");
    for (std::size_t i = 0; i < report.rows.size(); ++i) {
        const MutantRow& row = report.rows[i];
        if (!explored || !row.by_default()) {
            out += fmt::format("{:<44} {:>5} {}\n", row.mutant, row.runs, how(report, i));
        }
    }
    out += fmt::format("\n{:<12} {:>8} {:>10} {:>9} {:>7} {:>10}\n", "model", "mutants",
                       "at default", "explored", "missed", "most runs");
    std::vector<std::string> models = models_of(report.rows);
    models.emplace_back();
    for (const std::string& model : models) {
        const MutantSums sums = sums_of(report.rows, model);
        out +=
            fmt::format("{:<12} {:>8} {:>10} {:>9} {:>7} {:>10}\n", model.empty() ? "all" : model,
                        sums.all, sums.at_default, sums.explored, sums.missed(), sums.most);
    }
    out += listed("fail without a mutant, so that they tell nothing:", report.broken);
    out += listed("not as the table says:", report.moved);
    out += listed("not in the table:", report.absent);
    out += listed("in the table, but no mutants:", report.unknown);
    return out + summary_of(report) + "\n";
}

std::string mutants_json(const MutantReport& report, int exit_code) {
    Node list = Node::array();
    for (std::size_t i = 0; i < report.rows.size(); ++i) {
        const MutantRow& row = report.rows[i];
        Node item = Node::object();
        item.set("mutant", Node::string(row.mutant));
        item.set("model", Node::string(row.model()));
        item.set("caught", Node::boolean_of(row.caught()));
        item.set("runs", Node::number(row.runs));
        item.set("at_default", Node::boolean_of(row.by_default()));
        item.set("code", Node::string(row.code));
        item.set("scenario", Node::string(row.place()));
        item.set("run", Node::number(row.run));
        item.set("reproduce", Node::string(report.reproduce[i]));
        list.items.push_back(std::move(item));
    }
    Node node = Node::object();
    node.set("seed", Node::number(report.seed));
    node.set("mutants", std::move(list));
    node.set("runs", Node::number(report.runs));
    node.set("known_before", Node::number(report.known_before));
    node.set("not_as_the_table", list_of(report.moved));
    node.set("not_in_the_table", list_of(report.absent));
    node.set("no_mutants", list_of(report.unknown));
    node.set("milliseconds", Node::number(report.milliseconds));
    node.set("exit_code", Node::number(static_cast<std::uint64_t>(exit_code)));
    node.set("summary", Node::string(summary_of(report)));
    return to_json(node, 0) + "\n";
}

}  // namespace ioasim::tools
