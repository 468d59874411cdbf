// Options that several verbs have. The name of a value (type_name) is what the help shows and what
// shells complete it by: DEFECT, FILE, FOLDER, PATH=VALUE.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "core/base/words.hpp"

namespace ioasim::tools {

// A whole number in decimal, kept as it stands: nothing wraps around, nothing is octal.
template <class Target>
CLI::Option* number_option(CLI::App& app, const std::string& name, Target& target,
                           const std::string& doc, std::uint64_t low = 0,
                           std::uint64_t high = ~std::uint64_t{0}) {
    return app
        .add_option_function<std::string>(
            name,
            [name, low, high, &target](const std::string& text) {
                std::uint64_t value = 0;
                const char* end = text.data() + text.size();
                const auto parsed = std::from_chars(text.data(), end, value);
                if (parsed.ec != std::errc() || parsed.ptr != end || value < low || value > high) {
                    throw CLI::ValidationError(name,
                                               fmt::format("{} is no whole number from {} to {}",
                                                           ioasim::quoted(text), low, high));
                }
                target = static_cast<std::decay_t<decltype(target)>>(value);
            },
            doc)
        ->type_name("N");
}

inline CLI::Validator not_empty() {
    return CLI::Validator(
        [](const std::string& text) { return text.empty() ? "it is empty" : std::string(); }, "");
}

inline void format_option(CLI::App& app, std::string& format) {
    app.add_option("--format", format, "text for people, json for programs")
        ->check(CLI::IsMember({"text", "json"}));
}

inline void report_option(CLI::App& app, std::vector<std::string>& reports) {
    app.add_option("--report", reports,
                   "json=FILE, junit=FILE, ktap=FILE or github=FILE; several, and FILE - is "
                   "standard output")
        ->allow_extra_args(false)
        ->take_all();
}

inline void set_option(CLI::App& app, std::vector<std::string>& sets) {
    app.add_option("--set", sets,
                   "change the scenario (run.limit=20ms, vms[vm1].quota=5), a parameter "
                   "of it, or of a model (iommu0.iotlb.entries=8)")
        ->type_name("PATH=VALUE")
        ->allow_extra_args(false)
        ->take_all();
}

inline void defect_option(CLI::App& app, std::vector<std::string>& defects) {
    app.add_option("--defect", defects, "switch a seeded defect on (ioasim explain defects)")
        ->type_name("DEFECT")
        ->allow_extra_args(false)
        ->take_all();
}

}  // namespace ioasim::tools
