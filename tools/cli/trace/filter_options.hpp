// Options that choose events.
#pragma once

#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "core/base/units.hpp"
#include "core/base/words.hpp"
#include "traces/questions/query.hpp"

namespace ioasim::tools {

// A time with its unit: "84.2us".
template <class Target>
CLI::Option* time_option(CLI::App& app, const std::string& name, Target& target,
                         const std::string& doc) {
    return app
        .add_option_function<std::string>(
            name,
            [name, &target](const std::string& text) {
                const UnitResult time = parse_time_text(text);
                if (!time.ok()) {
                    throw CLI::ValidationError(name, time.problem);
                }
                target = time.value;
            },
            doc)
        ->type_name("TIME");
}

inline void several(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                    const std::string& doc, const std::string& type) {
    app.add_option(name, target, doc)->allow_extra_args(false)->take_all()->type_name(type);
}

inline void filter_options(CLI::App& app, traces::FilterWords& words) {
    several(app, "--event", words.events, "only events of this name: ioasid.*", "GLOB");
    several(app, "--source", words.sources, "only those that this part emitted: host/*", "GLOB");
    several(app, "--where", words.where,
            "only where a field is so: set=vm1, refs>1, took>2us, holder!=kvm/*", "FIELD=VALUE");
    several(app, "--id", words.ids, "only where any PASID, IOASID or SPID is this number", "N");
    time_option(app, "--from", words.from, "only from here on: 84.2us");
    time_option(app, "--to", words.to, "only up to here");
}

}  // namespace ioasim::tools
