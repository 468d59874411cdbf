#include "tools/cli/help/verb_tree.hpp"

#include <CLI/CLI.hpp>

namespace ioasim::tools {
namespace {

// In the text of the type, behind what a check adds: "TEXT:{text,json}".
std::string base_type(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    return type.substr(0, type.find(':'));
}

}  // namespace

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
    std::vector<const CLI::App*> verbs;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!verb->get_group().empty()) {
            verbs.push_back(verb);
        }
    }
    return verbs;
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
    std::vector<const CLI::Option*> options;
    for (const CLI::Option* option : app.get_options()) {
        if (option->nonpositional() && !option->get_group().empty()) {
            options.push_back(option);
        }
    }
    return options;
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& app) {
    std::vector<const CLI::Option*> positionals;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_positional()) {
            positionals.push_back(option);
        }
    }
    return positionals;
}

std::vector<std::string> option_names(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) {
        names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        names.push_back("--" + name);
    }
    return names;
}

std::string value_name(const CLI::Option& option) {
    if (option.get_type_size_max() == 0) {
        return {};
    }
    const std::string type = base_type(option);
    // A positional is named by what it is.
    return option.get_positional() && type == "TEXT" ? option.get_name() : type;
}

std::vector<std::string> allowed_values(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const std::size_t open = type.find(":{");
    const std::size_t close = type.rfind('}');
    std::vector<std::string> values;
    if (open == std::string::npos || close == std::string::npos || close < open) {
        return values;
    }
    std::string rest = type.substr(open + 2, close - open - 2);
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        values.push_back(rest.substr(0, comma));
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    return values;
}

bool takes_many(const CLI::Option& option) {
    return option.get_items_expected_max() > 1 ||
           option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
}

}  // namespace ioasim::tools
