// The builder: the one place that knows all models. It turns a PlatformConfig into modules,
// kernels, virtual machines, bindings and tasks of one Simulation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/timing_profile.hpp"
#include "core/sim/simulation.hpp"
#include "models/platform/config.hpp"

namespace ioasim::platform {

// The parameter tables of every kind of component, for schema, validation and `--set`.
const std::vector<const ParamTableBase*>& param_tables();
// A parameter of a kind of component, or of what the software of experiments costs ("software");
// null: there is none.
const ParamInfo* find_param(std::string_view component, std::string_view path);
// What they become on the machine of a timing profile.
std::vector<ParamOverride> timing_overrides(const TimingProfile& profile);

// Problems that need knowledge of the models ("an SPID step under profile mainline"); empty: fine.
// `where` names the part of the configuration ("devices[0].workqueues[1].size").
struct ConfigProblem {
    std::string where;
    std::string text;
};
std::vector<ConfigProblem> check(const PlatformConfig& config);

// Software that is code instead of steps: it runs alone on a machine without a kernel.
struct BareWorld;
using BareSoftware = std::function<void(ExecContext&, BareWorld&)>;

class Platform {
public:
    Platform(sim::Simulation& sim, const PlatformConfig& config, BareSoftware software = {});
    ~Platform();
    Platform(const Platform&) = delete;
    Platform& operator=(const Platform&) = delete;

    // Bytes of a buffer as they were when its program ended: `step` is the position of the submit
    // step, `buffer` "source" or "destination". Fills `out`; an empty `out` grows to the buffer's
    // end. False when there is no such buffer, or it is shorter.
    bool read_buffer(const std::string& program, std::size_t step, const std::string& buffer,
                     std::uint64_t offset, std::vector<std::uint8_t>& out) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ioasim::platform
