// A scenario as the runner needs it: everything named, typed and checked. `load` makes the cells of
// a file, or says everything that is wrong with it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/trace/event.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {

// One condition on a field of an event.
struct FieldTest {
    std::size_t field = 0;
    trace::FieldType type = trace::FieldType::Count;
    // Any of these; numbers for everything but Text.
    struct Range {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
    };
    std::vector<Range> ranges;
    std::vector<std::string> texts;  // Text; a '*' at the end stands for anything
};

struct Pattern {
    const trace::EventInfo* event = nullptr;
    std::vector<FieldTest> tests;
    std::string text;  // "ioasid.unbind where set=vm1"
};

struct Expectation {
    enum class Kind : std::uint8_t {
        Count,
        Never,
        Order,
        Final,
        Finding,
        Ends,
        Step,
        Bytes,
        Latency,
        Invariants
    };
    Kind kind = Kind::Count;
    bool always = false;
    std::string why;
    std::string where;  // "file:line:col"
    std::string text;   // as written, on one line

    std::vector<Pattern> patterns;          // Count, Never: 1; Order: all; Latency: from, to
    std::optional<std::uint64_t> at_least;  // Count, Finding; Latency in ps
    std::optional<std::uint64_t> at_most;
    std::string name;               // Final: path; Finding: code; Ends: reason; Bytes,
                                    // Step: program
    std::uint64_t step = 0;         // Step, Bytes
    std::optional<std::string> is;  // Final
    std::optional<std::string> is_not;
    std::optional<Errno> error;  // Step
    std::optional<std::uint64_t> value;
    std::string buffer;  // Bytes
    std::string other;   // Bytes: "source", "zero" or hexadecimal
    bool equal = true;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;    // 0: to the end
    std::size_t match_from = 0;  // Latency: field indices; npos: none
    std::size_t match_to = 0;
    bool matched = false;
};

struct Proof {
    std::string defect;
    std::string fails;
};

// What order a run leaves open, and a schedule that one was recorded with.
struct Schedule {
    std::optional<TimePs> window;  // SimulationOptions::window
    TimePs stall;                  // SimulationOptions::stall
    std::vector<Deviation> choices;
    std::vector<std::string> places;  // of the choices: "file:line:col"
};

struct Scenario {
    std::string file;
    std::string name;
    std::string purpose;
    std::string cell;  // "" or "n=2,ioasid.profile=v4"
    std::vector<std::string> covers;
    std::vector<Proof> proofs;
    platform::PlatformConfig config;
    std::vector<Expectation> expectations;
    std::uint64_t seed = 1;
    std::uint64_t number = 0;  // of the run: 0 takes the fixed order of what is left open
    TimePs limit;
    Schedule schedule;
    std::string campaign;
    // On another machine than the one it was written for: only what holds on any is judged.
    bool disturbed = false;
    // The document that this is, runnable and free of bases, parameters and matrix.
    Node document;

    std::string full_name() const { return cell.empty() ? name : name + " [" + cell + "]"; }
};

// The words that a scenario may use; what exists depends on the models linked in.
struct Vocabulary {
    std::vector<const ParamTableBase*> tables;
    std::vector<std::string> defects;
    std::vector<std::string> checkers;  // names of checkers
    std::vector<std::string> findings;  // codes of findings
    // The checker that reports a finding; empty for an unknown code.
    std::function<std::string(const std::string& code)> checker_of;
    // What is wrong with a path into the final state; empty: nothing.
    std::function<std::string(const std::string& path)> check_state_path;
    std::function<std::vector<platform::ConfigProblem>(const platform::PlatformConfig&)>
        check_platform;
};

struct LoadOptions {
    std::vector<std::string> sets;     // PATH=VALUE
    std::vector<std::string> defects;  // switched on beside those of the file
};

struct Loaded {
    std::vector<Scenario> cells;  // empty when there are errors
    SourceSet sources;
    Diagnostics diagnostics;
};

Loaded load(const std::string& path, const Vocabulary& vocabulary, const LoadOptions& options);

// The same for a document that was made from another text, which `sources` holds: its values have
// their places there.
Loaded load_tree(const std::string& path, SourceSet sources, Node document,
                 const Vocabulary& vocabulary, const LoadOptions& options);

// Members of platform.params for the schema.
struct SchemaParameter;

// The hash that names a configuration: 16 hexadecimal digits.
std::string config_hash(const Node& document);

}  // namespace ioasim::scenario
