#include "tools/cli/info_commands.hpp"

#include <map>

#include <fmt/format.h>

#include "core/base/defects.hpp"
#include "core/base/timing_profile.hpp"
#include "core/base/words.hpp"
#include "core/ioasid/switch_table.hpp"
#include "core/trace/catalogue.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "scenarios/language/reading.hpp"
#include "tools/cli/fault_text.hpp"
#include "tools/cli/points/profile.hpp"
#include "tools/cli/reports.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/vocabulary.hpp"
#include "traces/explain.hpp"
#include "traces/state_view.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

std::string field_type(const trace::FieldInfo& field) {
    using trace::FieldType;
    switch (field.type) {
        case FieldType::Count:
            return "number";
        case FieldType::Id:
            return "ID or none";
        case FieldType::Hex:
            return "hexadecimal";
        case FieldType::Rid:
            return "requester id";
        case FieldType::Bool:
            return "boolean";
        case FieldType::Time:
            return "time";
        case FieldType::Error:
            return "error number";
        case FieldType::Text:
            return "text";
        case FieldType::Enum: {
            std::string out;
            for (std::size_t i = 0; i < field.label_count; ++i) {
                out += fmt::format("{}{}", i == 0 ? "" : "|", field.labels[i]);
            }
            return out;
        }
    }
    return {};
}

std::string event_text(const trace::EventInfo& info) {
    std::string out = fmt::format("event {} ({}): {}\n", info.name,
                                  trace::category_name(info.category), info.meaning);
    for (const trace::FieldInfo& field : info.fields) {
        out += fmt::format("  {:<16} {}\n", field.name, field_type(field));
    }
    return out;
}

constexpr const char* kSetSwitches =
    "set one with platform.ioasid.switches.NAME in a scenario, or --set "
    "ioasid.switches.NAME=VALUE\n";

// A switch of the IOASID core: its value in each profile.
std::string switch_values(const SwitchInfo& info) {
    std::string out;
    for (const Profile profile : {Profile::Spec, Profile::V4, Profile::Dcp, Profile::Mainline}) {
        const std::size_t value = info.get(Switches::preset(profile));
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", profile_name(profile),
                           info.values[value]);
    }
    return out;
}

std::string switch_list() {
    std::string out;
    for (const SwitchInfo& info : switch_table()) {
        out += fmt::format("{:<32} {}\n{:<32} {} ({})\n", info.name, switch_values(info), "",
                           info.doc, info.reproduces);
    }
    return out + kSetSwitches;
}

std::string hazard_list() {
    std::string out;
    for (std::size_t i = 0; i < std::size(trace::kIoasidHazardLabels); ++i) {
        out += fmt::format("  {:<26} {}\n", trace::kIoasidHazardLabels[i],
                           trace::kIoasidHazardMeanings[i]);
    }
    return out;
}

std::string hazard_entry(const std::string& word) {
    for (std::size_t i = 0; i < std::size(trace::kIoasidHazardLabels); ++i) {
        if (word == trace::kIoasidHazardLabels[i]) {
            return fmt::format("hazard {}: {}\n  event ioasid.hazard, field \"kind\"\n", word,
                               trace::kIoasidHazardMeanings[i]);
        }
    }
    return {};
}

std::string switch_entry(const SwitchInfo& info) {
    std::vector<std::string> values(info.values.begin(), info.values.end());
    return fmt::format("switch {}: {}\n  values {}; {}\n  reproduces: {}\n  {}", info.name,
                       info.doc, quoted_list(values), switch_values(info), info.reproduces,
                       kSetSwitches);
}

std::string param_entry(const ParamTableBase& table, const ParamInfo& info) {
    return fmt::format("parameter {}.{}: {}\n  default {}, {}\n  source: {}\n", table.owner(),
                       info.path, info.meaning, param_text(info, info.initial), param_range(info),
                       info.source);
}

std::string list_of(const std::string& word) {
    std::string out;
    if (word == "codes") {
        for (const scenario::CodeInfo& info : scenario::code_table()) {
            out += fmt::format("{}  {}\n", code_name(info.code), info.title);
        }
    } else if (word == "defects") {
        for (const Declaration* d : Declaration::all(Declaration::Kind::Defect)) {
            out += fmt::format("{:<44} {}\n", d->name(), d->meaning());
        }
    } else if (word == "checkers" || word == "findings") {
        for (const traces::Explanation& finding : traces::explanations()) {
            out += fmt::format("{:<44} {}\n", finding.code, finding.meaning);
        }
    } else if (word == "state") {
        for (const traces::StateView::Form& form : traces::StateView::forms()) {
            out += fmt::format("{:<44} {}\n", form.path, form.meaning);
        }
    } else if (word == "switches") {
        out = switch_list();
    } else if (word == "hazards") {
        out = hazard_list();
    } else if (word == "fault_sites" || word == "marks") {
        const auto kind = word == "marks" ? Declaration::Kind::Mark : Declaration::Kind::FaultSite;
        for (const Declaration* d : Declaration::all(kind)) {
            out += fmt::format("{:<44} {}\n", d->name(), d->meaning());
        }
    } else if (word == "events") {
        for (const trace::EventInfo* info : trace::catalogue()) {
            out += fmt::format("{:<28} {}\n", info->name, info->meaning);
        }
    }
    return out;
}

std::string finding_entry(const std::string& word) {
    std::string out;
    for (const traces::Explanation& finding : traces::explanations()) {
        if (word == finding.code) {
            return fmt::format("finding {}: {}\n\n  {}\n\n  usual causes: {}\n", finding.code,
                               finding.meaning, finding.why, finding.causes);
        }
        if (program_vocabulary().checker_of(std::string(finding.code)) == word) {
            out +=
                fmt::format("{}  {:<44} {}\n", out.empty() ? fmt::format("checker {}\n", word) : "",
                            finding.code, finding.meaning);
        }
    }
    return out;
}

}  // namespace

std::vector<std::string> known_words() {
    std::vector<std::string> words{"codes", "defects",  "checkers",    "events",
                                   "state", "switches", "fault_sites", "marks"};
    words.emplace_back("hazards");
    words.insert(words.end(), std::begin(trace::kIoasidHazardLabels),
                 std::end(trace::kIoasidHazardLabels));
    for (const auto kind : {Declaration::Kind::FaultSite, Declaration::Kind::Mark}) {
        for (const Declaration* declaration : Declaration::all(kind)) {
            words.emplace_back(declaration->name());
        }
    }
    for (const SwitchInfo& info : switch_table()) {
        words.emplace_back(info.name);
    }
    for (const scenario::CodeInfo& info : scenario::code_table()) {
        words.push_back(code_name(info.code));
    }
    for (const trace::EventInfo* info : trace::catalogue()) {
        words.push_back(info->name);
    }
    const scenario::Vocabulary& v = program_vocabulary();
    for (const auto* list : {&v.defects, &v.findings, &v.checkers}) {
        words.insert(words.end(), list->begin(), list->end());
    }
    for (const ParamTableBase* table : v.tables) {
        for (const ParamInfo& info : table->params()) {
            words.push_back(table->owner() + "." + info.path);
        }
    }
    return words;
}

namespace {

// What was meant by a part of a parameter's name: people leave the kind of component out, or name
// an instance of it.
std::string near_parameter(const std::string& word) {
    std::vector<std::string> names;
    std::map<std::string, std::string> whole;
    for (const ParamTableBase* table : program_vocabulary().tables) {
        for (const ParamInfo& info : table->params()) {
            const std::string name = table->owner() + "." + info.path;
            for (const std::string& form : {name, info.path}) {
                names.push_back(form);
                whole.emplace(form, name);
            }
        }
    }
    std::string near = nearest(word, names);
    const std::size_t dot = word.find('.');
    if (near.empty() && dot != std::string::npos) {
        near = nearest(word.substr(dot + 1), names);
    }
    return near.empty() ? "`ioasim params` lists them all"
                        : fmt::format("did you mean {}?", quoted(whole[near]));
}

}  // namespace

int schema_command(const std::string& of, bool tables) {
    if (of == "report") {
        print_out(report_schema());
        return kPass;
    }
    print_out(tables ? scenario::key_tables() : scenario::json_schema(schema_parameters()));
    return kPass;
}

int explain_command(const std::string& word, const std::string& code) {
    if (word == "profile") {
        const TimingProfile* const profile = find_timing_profile(code.empty() ? "spr" : code);
        print_out(profile == nullptr ? "" : profile_table(*profile));
        if (profile == nullptr) {
            print_err(render_plain(scenario::Code::Usage,
                                   fmt::format("there is no timing profile {}", quoted(code)),
                                   suggest(code, timing_profile_names())));
        }
        return profile == nullptr ? kUsage : kPass;
    }
    std::string out = list_of(word);
    if (word == "fault" || !code.empty()) {
        out = word == "fault" ? fault_entry(code) : std::string();
        print_out(out);
        if (out.empty() && word == "fault") {
            print_err(
                render_plain(scenario::Code::Usage,
                             fmt::format("nothing is known about {}", quoted("fault " + code)),
                             "`ioasim explain fault` lists the reasons"));
        } else if (out.empty()) {
            print_err(render_plain(
                scenario::Code::Usage,
                fmt::format("{} stands alone, without {}", quoted(word), quoted(code)),
                "a second word is a reason behind \"fault\", a name behind \"profile\""));
        }
        return out.empty() ? kUsage : kPass;
    }
    if (const scenario::CodeInfo* info = scenario::find_code(word)) {
        out += fmt::format("{}: {}\n\n  {}\n\n  example: {}\n", code_name(info->code), info->title,
                           info->text, info->example);
    }
    if (const trace::EventInfo* info = trace::find_event(word)) {
        out += event_text(*info);
        out += info == &trace::info_of<trace::VtdFault>() ? fault_list() : std::string();
        out += info == &trace::info_of<trace::IoasidHazard>() ? "kinds\n" + hazard_list()
                                                              : std::string();
    }
    if (const Declaration* defect = Declaration::find(Declaration::Kind::Defect, word)) {
        out += fmt::format("seeded defect {}: {}\n", defect->name(), defect->meaning());
    }
    if (const Declaration* mark = Declaration::find(Declaration::Kind::Mark, word)) {
        out +=
            fmt::format("mark {}: {}\n  `ioasim campaign run` tells the ones that no run reached\n",
                        word, mark->meaning());
    }
    if (const Declaration* site = Declaration::find(Declaration::Kind::FaultSite, word)) {
        out += fmt::format(
            "fault site {}: {}\n  a kernel thread lets the next call that comes by "
            "fail: {{\"fail_next\": \"{}\"}}\n",
            site->name(), site->meaning(), site->name());
    }
    out += hazard_entry(word);
    if (const SwitchInfo* info = find_switch(word)) {
        out += switch_entry(*info);
    }
    out += finding_entry(word);
    for (const ParamTableBase* table : program_vocabulary().tables) {
        const std::string owner = table->owner() + ".";
        const ParamInfo* info =
            word.rfind(owner, 0) == 0 ? table->find(word.substr(owner.size())) : nullptr;
        if (info != nullptr) {
            out += param_entry(*table, *info);
        }
    }
    if (out.empty()) {
        print_err(render_plain(scenario::Code::Usage,
                               fmt::format("nothing is known about {}", quoted(word)),
                               suggest(word, known_words())));
        return kUsage;
    }
    print_out(out);
    return kPass;
}

int params_command(const std::string& filter, bool json) {
    std::size_t count = 0;
    std::string out;
    for (const ParamTableBase* table : program_vocabulary().tables) {
        for (const ParamInfo& info : table->params()) {
            const std::string name = table->owner() + "." + info.path;
            if (name.find(filter) == std::string::npos) {
                continue;
            }
            ++count;
            if (!json) {
                out += fmt::format("{:<40} {:>10}  {}\n{:>52}  {}; source: {}\n", name,
                                   param_text(info, info.initial), info.meaning, "",
                                   param_range(info), info.source);
                continue;
            }
            Node node = Node::object();
            node.set("name", Node::string(name));
            node.set("default", Node::string(param_text(info, info.initial)));
            node.set("range", Node::string(param_range(info)));
            node.set("meaning", Node::string(info.meaning));
            node.set("source", Node::string(info.source));
            out += to_json(node, 0) + "\n";
        }
    }
    if (count == 0) {
        print_err(render_plain(scenario::Code::Usage,
                               fmt::format("no parameter has {} in its name", quoted(filter)),
                               near_parameter(filter)));
        return kUsage;
    }
    print_out(out);
    print_out(json ? "" : fmt::format("{} parameter{}\n", count, count == 1 ? "" : "s"));
    return kPass;
}

int catalogue_command(bool json) {
    std::string out;
    for (const trace::EventInfo* info : trace::catalogue()) {
        if (!json) {
            out += event_text(*info) + "\n";
            continue;
        }
        Node node = Node::object();
        node.set("event", Node::string(info->name));
        node.set("category", Node::string(std::string(trace::category_name(info->category))));
        node.set("meaning", Node::string(info->meaning));
        Node fields = Node::array();
        for (const trace::FieldInfo& field : info->fields) {
            Node item = Node::object();
            item.set("name", Node::string(field.name));
            item.set("type", Node::string(field_type(field)));
            fields.items.push_back(std::move(item));
        }
        node.set("fields", std::move(fields));
        out += to_json(node, 0) + "\n";
    }
    print_out(out);
    print_out(json ? "" : fmt::format("{} events\n", trace::catalogue().size()));
    return kPass;
}

}  // namespace ioasim::tools
