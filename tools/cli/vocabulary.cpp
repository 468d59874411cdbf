#include "tools/cli/vocabulary.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/defects.hpp"
#include "core/base/timing_profile.hpp"
#include "models/platform/platform.hpp"
#include "traces/checkers.hpp"
#include "traces/explain.hpp"
#include "traces/state_view.hpp"

namespace ioasim::tools {
namespace {

scenario::Vocabulary make_vocabulary() {
    scenario::Vocabulary v;
    v.tables = platform::param_tables();
    for (const Declaration* defect : Declaration::all(Declaration::Kind::Defect)) {
        v.defects.emplace_back(defect->name());
    }
    v.checkers = traces::CheckerSet::all_names();
    for (const traces::Explanation& finding : traces::explanations()) {
        v.findings.emplace_back(finding.code);
    }
    // "references.leak" is told by the checker "references".
    v.checker_of = [](const std::string& code) { return code.substr(0, code.find('.')); };
    v.check_state_path = traces::StateView::check_path;
    v.check_platform = platform::check;
    return v;
}

std::string escaped(const std::string& path) {
    std::string out;
    for (const char c : path) {
        out += c == '.' ? std::string("\\.") : std::string(1, c);
    }
    return out;
}

std::string parameter_schema(const ParamInfo& info) {
    std::string type;
    switch (info.unit) {
        case Unit::Count:
            type = fmt::format(R"("type": "integer", "minimum": {}, "maximum": {})", info.low,
                               info.high);
            break;
        case Unit::Flag:
            type = R"("type": "boolean")";
            break;
        case Unit::Choice:
            for (const std::string& choice : info.choices) {
                type += (type.empty() ? "" : ", ") + scenario::json_quote(choice);
            }
            type = "\"enum\": [" + type + "]";
            break;
        default:
            type = R"("type": "string")";
            break;
    }
    const std::string text =
        fmt::format("{}; default {}, {}. Source: {}", info.meaning, param_text(info, info.initial),
                    param_range(info), info.source);
    return fmt::format(R"({{{}, "description": {}}})", type, scenario::json_quote(text));
}

}  // namespace

const scenario::Vocabulary& program_vocabulary() {
    static const scenario::Vocabulary vocabulary = make_vocabulary();
    return vocabulary;
}

std::vector<scenario::SchemaParameter> schema_parameters() {
    std::vector<scenario::SchemaParameter> out;
    for (const ParamTableBase* table : program_vocabulary().tables) {
        for (const ParamInfo& info : table->params()) {
            // Any component may carry it: names of instances are the scenario's own.
            out.push_back(
                {fmt::format("^[A-Za-z0-9_-]+\\.{}$", escaped(info.path)), parameter_schema(info)});
        }
    }
    return out;
}

}  // namespace ioasim::tools
