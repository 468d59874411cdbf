#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/random.hpp"
#include "models/platform/liveness.hpp"
#include "scenarios/language/reading.hpp"
#include "scenarios/language/schema.hpp"

namespace ioasim::scenario {
namespace {

// "devices[0].workqueues[1].size" -> "/platform/devices/0/workqueues/1/size"
std::string config_pointer(const std::string& where) {
    std::string pointer;
    std::string part;
    const auto flush = [&pointer, &part] {
        if (!part.empty()) {
            pointer += "/" + part;
            part.clear();
        }
    };
    for (const char c : where) {
        if (c == '.' || c == '[' || c == ']') {
            flush();
        } else {
            part += c;
        }
    }
    flush();
    const std::string first = pointer.substr(1, pointer.find('/', 1) - 1);
    if (first == "ioasid_profile" || first == "ioasid_capacity") {
        return "/platform/ioasid/" + first.substr(7);
    }
    const bool inside = first == "cpus" || first == "iommus" || first == "devices" ||
                        first == "ioasid" || first == "params";
    return inside ? "/platform" + pointer : pointer;
}

void check_proof(Reading& reading, Scenario& scenario, const Node& proof,
                 const std::string& pointer) {
    const Node* defect = proof.get("defect");
    const Node* fails = proof.get("fails");
    if (defect == nullptr || fails == nullptr) {
        return;
    }
    const Vocabulary& words = reading.vocabulary;
    const bool good_defect = reading.known(*defect, pointer_join(pointer, "defect"),
                                           "seeded defect", words.defects, Code::UnknownDefect);
    std::vector<std::string> outcomes{"expectation"};
    outcomes.insert(outcomes.end(), words.checkers.begin(), words.checkers.end());
    outcomes.insert(outcomes.end(), words.findings.begin(), words.findings.end());
    const bool good_fails = reading.known(*fails, pointer_join(pointer, "fails"),
                                          "checker or finding", outcomes, Code::UnknownFinding);
    if (good_defect && good_fails) {
        scenario.proofs.push_back({defect->text, fails->text});
    }
}

void check_proofs(Reading& reading, Scenario& scenario) {
    const Node* proof = reading.root.get("proof");
    if (proof == nullptr) {
        return;
    }
    if (!proof->is(Node::Kind::Array)) {
        check_proof(reading, scenario, *proof, "/proof");
        return;
    }
    for (std::size_t i = 0; i < proof->items.size(); ++i) {
        check_proof(reading, scenario, proof->items[i], pointer_join("/proof", i));
    }
}

void check_covers(Reading& reading, Scenario& scenario) {
    std::size_t index = 0;
    for (const Node& item : items_of(reading.root.get("covers"))) {
        const std::string pointer = pointer_join("/covers", index++);
        const std::string row = text_of(&item);
        if (std::find(scenario.covers.begin(), scenario.covers.end(), row) !=
            scenario.covers.end()) {
            reading.report(Code::NameTaken, item.place, pointer,
                           fmt::format("row {} is listed twice", quoted(row)));
        }
        scenario.covers.push_back(row);
    }
}

void warn_if_nothing_expected(Reading& reading) {
    const Node* expect = reading.root.get("expect");
    if (items_of(expect).empty()) {
        const Node* name = reading.root.get("name");
        const Node* at = expect != nullptr ? expect : name;
        reading.report(Code::CannotFail, at != nullptr ? at->place : reading.root.place, "/expect",
                       "nothing is expected of this scenario",
                       "only hangs, failing steps and findings of checkers can fail it", true);
    }
}

// Steps of other profiles are no steps: a run in which nobody does anything passes too easily.
void warn_if_nothing_done(Reading& reading, const platform::PlatformConfig& config) {
    const bool done = std::any_of(
        config.programs.begin(), config.programs.end(), [](const platform::ProgramConfig& program) {
            return std::any_of(program.steps.begin(), program.steps.end(), [](const auto& step) {
                return step.kind != platform::StepKind::Absent;
            });
        });
    if (!done) {
        const Node* programs = reading.root.get("programs");
        reading.report(Code::CannotFail, programs != nullptr ? programs->place : reading.root.place,
                       "/programs",
                       fmt::format("no program has a step in profile {}", config.ioasid_profile),
                       "what nobody does cannot go wrong", true);
    }
}

// The document is read again later: what was put in is text from then on.
void keep_dollars(Node& node) {
    for (Node& item : node.items) {
        keep_dollars(item);
    }
    for (Member& member : node.members) {
        keep_dollars(member.value);
    }
    if (node.is(Node::Kind::String)) {
        for (std::size_t at = node.text.find('$'); at != std::string::npos;
             at = node.text.find('$', at + 2)) {
            node.text.insert(at, 1, '$');
        }
    }
}

class Loader {
public:
    Loader(const std::string& path, const Vocabulary& vocabulary, const LoadOptions& options,
           Loaded& out)
        : path_(path), vocabulary_(vocabulary), options_(options), out_(out) {}

    void run() {
        Node document;
        if (read_with_bases(path_, out_.sources, out_.diagnostics, document)) {
            run(std::move(document));
        }
    }

    void run(Node document) {
        if (!document.is(Node::Kind::Object)) {
            validate(document, scenario_type(), "", out_.diagnostics);
            return;
        }
        assign_all(document);
        // The shape of what makes the cells comes first; the rest is checked cell by cell.
        Diagnostics composition;
        for (const auto& [key, type] :
             {std::pair<const char*, const Type*>{"params", &params_type()},
              std::pair<const char*, const Type*>{"matrix", &matrix_type()}}) {
            if (const Node* node = document.get(key)) {
                validate(*node, *type, std::string("/") + key, composition);
            }
        }
        const bool composed = !composition.has_errors();
        for (const Diagnostic& d : composition.sorted()) {
            out_.diagnostics.add(d);
        }
        std::vector<Cell> cells(1);
        if (composed) {
            cells = matrix_cells(document, pinned_, out_.diagnostics);
        }
        for (const Cell& cell : cells) {
            one_cell(document, cell, composed);
        }
        if (out_.diagnostics.has_errors()) {
            out_.cells.clear();
        }
    }

private:
    bool is_component(const Node& document, const std::string& name) const {
        return !tables_of(document, vocabulary_, name).empty();
    }

    IsComponent component_test() const {
        return [this](const Node& document, const std::string& name) {
            return is_component(document, name);
        };
    }

    void assign_all(Node& document) {
        const Node* matrix = document.get("matrix");
        const Node* over = matrix == nullptr ? nullptr : matrix->get("over");
        for (const std::string& argument : options_.sets) {
            Assignment assignment;
            if (!parse_assignment(argument, out_.sources, out_.diagnostics, assignment)) {
                continue;
            }
            fixed_.insert(assignment.path);
            if (over != nullptr && over->get(assignment.path) != nullptr) {
                pinned_.push_back(assignment);  // an axis: the cell does it
            } else {
                assign(document, assignment, component_test(), out_.diagnostics);
            }
        }
    }

    void one_cell(const Node& base, const Cell& cell, bool composed) {
        Node document = base;
        for (std::size_t i = 0; i < cell.axes.size(); ++i) {
            assign(document, {cell.axes[i].first, cell.places[i], cell.axes[i].second},
                   component_test(), out_.diagnostics);
        }
        for (const Assignment& value : cell.set) {
            if (fixed_.count(value.path) == 0) {  // the command line has the last word
                assign(document, value, component_test(), out_.diagnostics);
            }
        }
        if (!cell.expect.empty()) {
            Member* expect = document.find("expect");
            Node& list =
                expect != nullptr ? expect->value : document.set("expect", Node::array(base.place));
            list.items.insert(list.items.end(), cell.expect.begin(), cell.expect.end());
        }
        if (composed) {
            const std::map<std::string, Node> values = param_values(document, out_.diagnostics);
            document.erase("params");
            document.erase("matrix");
            substitute(document, values, "", out_.diagnostics);
        } else {
            // What a broken parameter stands for cannot be judged: such values are passed over.
            Diagnostics unheard;
            param_values(document, out_.diagnostics);
            document.erase("params");
            document.erase("matrix");
            substitute(document, {}, "", unheard);
        }
        validate(document, scenario_type(), "", out_.diagnostics);
        Reading reading(document, vocabulary_, out_.sources, out_.diagnostics);
        Scenario scenario = read(reading, cell.id());
        if (!out_.diagnostics.has_errors()) {
            check_platform(reading, scenario);
        }
        if (!out_.diagnostics.has_errors()) {
            warn_if_nothing_done(reading, scenario.config);
        }
        finish_document(document, scenario);
        scenario.document = std::move(document);
        out_.cells.push_back(std::move(scenario));
    }

    Scenario read(Reading& reading, const std::string& cell) {
        Scenario s;
        s.file = path_;
        s.cell = cell;
        s.name = text_of(reading.root.get("name"));
        s.purpose = text_of(reading.root.get("purpose"));
        s.campaign = text_of(reading.root.get("campaign"), "seeds");
        const Node* run = reading.root.get("run");
        constexpr std::uint64_t kDefaultLimit = 10'000'000'000;  // 10 ms
        s.seed = integer_of(run == nullptr ? nullptr : run->get("seed"), 1);
        s.number = integer_of(run == nullptr ? nullptr : run->get("number"), 0);
        s.limit = time_of(run == nullptr ? nullptr : run->get("limit"), TimePs{kDefaultLimit});
        s.schedule = read_schedule(reading);
        check_covers(reading, s);
        check_proofs(reading, s);
        s.config = read_config(reading);
        for (const std::string& defect : options_.defects) {
            if (std::find(s.config.defects.begin(), s.config.defects.end(), defect) ==
                s.config.defects.end()) {
                s.config.defects.push_back(defect);
            }
        }
        read_heal(reading, run, s);
        s.expectations = read_expectations(reading, s.config);
        take_over_steps(s);
        warn_if_nothing_expected(reading);
        return s;
    }

    // Faults that end, and the time that everything has from then on.
    static void read_heal(Reading& reading, const Node* run, Scenario& s) {
        const Node* const heal = run == nullptr ? nullptr : run->get("heal");
        if (heal == nullptr || !heal->is(Node::Kind::Object)) {
            return;
        }
        for (const platform::InjectionConfig& injection : s.config.injections) {
            if (injection.count == 0) {
                reading.report(
                    Code::BadTrigger, heal->place, "/run/heal",
                    fmt::format("{} may come without limit, and then nothing bounds what "
                                "it costs",
                                injection.fault.kind->name),
                    "\"count\": so often at most");
            }
        }
        s.config.heal = platform::HealConfig{time_of(heal->get("at"), TimePs{}),
                                             time_of(heal->get("work"), TimePs{})};
        s.limit = s.config.heal->at + platform::liveness_bound(s.config).total;
    }

    // An expectation about a step is the result that the step must have; one about bytes, that its
    // buffers are kept.
    static void take_over_steps(Scenario& s) {
        const std::map<std::string, std::vector<platform::Step>*> lists =
            platform::step_lists(s.config);
        for (const Expectation& e : s.expectations) {
            const auto steps = lists.find(e.name);
            if (steps == lists.end() || e.step >= steps->second->size()) {
                continue;
            }
            platform::Step& step = (*steps->second)[e.step];
            if (e.kind == Expectation::Kind::Step && e.error) {
                step.error = e.error;
            }
            step.looked_at = step.looked_at || e.kind == Expectation::Kind::Bytes;
        }
    }

    void check_platform(Reading& reading, const Scenario& scenario) {
        for (const platform::ConfigProblem& problem : vocabulary_.check_platform(scenario.config)) {
            const std::string pointer = config_pointer(problem.where);
            const Node& node = pointer_lookup(reading.root, pointer);
            reading.report(Code::Platform, node.place, pointer, problem.text);
        }
    }

    // What was switched on from outside becomes part of the document, so that it repeats this run.
    void finish_document(Node& document, const Scenario& scenario) const {
        document.erase("$schema");
        keep_dollars(document);
        if (!scenario.config.defects.empty()) {
            Node list = Node::array();
            for (const std::string& defect : scenario.config.defects) {
                list.items.push_back(Node::string(defect));
            }
            document.set("defects", std::move(list));
        }
    }

    const std::string& path_;
    const Vocabulary& vocabulary_;
    const LoadOptions& options_;
    Loaded& out_;
    std::vector<Assignment> pinned_;
    std::set<std::string> fixed_;  // paths that the command line gave
};

}  // namespace

Loaded load(const std::string& path, const Vocabulary& vocabulary, const LoadOptions& options) {
    Loaded out;
    Loader(path, vocabulary, options, out).run();
    if (out.diagnostics.has_errors()) {
        out.cells.clear();
    }
    return out;
}

Loaded load_tree(const std::string& path, SourceSet sources, Node document,
                 const Vocabulary& vocabulary, const LoadOptions& options) {
    Loaded out;
    out.sources = std::move(sources);
    Loader(path, vocabulary, options, out).run(std::move(document));
    if (out.diagnostics.has_errors()) {
        out.cells.clear();
    }
    return out;
}

std::string config_hash(const Node& document) {
    return fmt::format("{:016x}", stable_hash(to_json(document, 0)));
}

}  // namespace ioasim::scenario
