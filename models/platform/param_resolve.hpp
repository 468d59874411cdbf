// From overrides to parameter structs: defaults, then what the configuration says of the kind of
// component, then what it says of the instance.
#pragma once

#include <string>

#include "core/base/check.hpp"
#include "core/base/params.hpp"
#include "core/ioasid/switches.hpp"
#include "core/sim/dispatcher.hpp"
#include "models/platform/config.hpp"

namespace ioasim::platform {

// The dispatcher's costs as a table (owner "scheduler").
const ParamTable<sim::DispatcherParams>& scheduler_param_table();

// The profile's preset with the single switches that the configuration gives.
Switches switches_of(const PlatformConfig& config);

template <class P>
P resolve(const ParamTable<P>& table, const PlatformConfig& config, const std::string& instance) {
    P params = table.defaults();
    for (const std::string& component : {table.owner(), instance}) {
        for (const ParamOverride& override_ : config.params) {
            if (override_.component == component && table.find(override_.path) != nullptr) {
                SIM_CHECK(table.set(params, override_.path, override_.value),
                          "parameter {}.{} = {} is out of range", component, override_.path,
                          override_.value);
            }
        }
        if (table.owner() == instance) {
            break;  // one instance, named as its kind
        }
    }
    return params;
}

}  // namespace ioasim::platform
