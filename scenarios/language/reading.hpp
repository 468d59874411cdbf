// Reading typed values out of a validated tree. What validation has already refused reads as
// absent, so that one mistake gives one message and everything else is still checked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scenarios/language/scenario.hpp"

namespace ioasim::scenario {

std::string text_of(const Node* node, const std::string& otherwise = {});
std::uint64_t integer_of(const Node* node, std::uint64_t otherwise);
bool boolean_value(const Node* node, bool otherwise);
TimePs time_of(const Node* node, TimePs otherwise);
std::uint64_t size_of(const Node* node, std::uint64_t otherwise);
// 12, "0x1000" or "4KiB".
std::uint64_t quantity_of(const Node* node, std::uint64_t otherwise);
// "00ff10"
std::vector<std::uint8_t> bytes_of(const Node* node);
const std::vector<Node>& items_of(const Node* node);

// The names that a scenario declares, and messages with a place.
class Reading {
public:
    Reading(const Node& document, const Vocabulary& words, SourceSet& sources,
            Diagnostics& diagnostics)
        : root(document), vocabulary(words), sources_(sources), diagnostics_(diagnostics) {}

    void report(Code code, const Place& place, const std::string& pointer, std::string text,
                std::string help = {}, bool warning = false) {
        diagnostics_.add({code, place, std::move(text), std::move(help), pointer, warning});
    }
    std::string where(const Place& place) const { return sources_.describe(place); }
    // Reports a name that is not in the list.
    bool known(const Node& node, const std::string& pointer, const char* what,
               const std::vector<std::string>& names, Code code);

    const Node& root;
    const Vocabulary& vocabulary;

private:
    SourceSet& sources_;
    Diagnostics& diagnostics_;
};

// Names of the items of a list of objects.
std::vector<std::string> item_names(const Node* list);

platform::PlatformConfig read_config(Reading& reading);
Schedule read_schedule(Reading& reading);
std::vector<Expectation> read_expectations(Reading& reading,
                                           const platform::PlatformConfig& config);

// {"event": NAME, "where": {...}} or a name; none: a message was given.
std::optional<Pattern> read_pattern(Reading& reading, const Node& node, const std::string& pointer);
bool matches(const Pattern& pattern, const trace::EventRecord& record,
             const trace::NameTable& names);

// Model parameters: the tables that a component of the document has.
std::vector<const ParamTableBase*> tables_of(const Node& document, const Vocabulary& vocabulary,
                                             const std::string& component);
std::vector<std::string> component_names(const Node& document, const Vocabulary& vocabulary);
void read_model_params(Reading& reading, platform::PlatformConfig& config);

}  // namespace ioasim::scenario
