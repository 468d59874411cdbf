#include "models/platform/core_clock.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "models/platform/bench_params.hpp"
#include "models/platform/param_resolve.hpp"
#include "models/platform/platform.hpp"

namespace ioasim::platform {
namespace {

// What a core does without leaving it, and software.
const std::vector<std::pair<std::string, std::string>>& clocked() {
    static const std::vector<std::pair<std::string, std::string>> paths{
        {"cpu", "load"},
        {"cpu", "block"},
        {"cpu", "movdir64b.issue"},
        {"cpu", "timestamp"},
        {"cpu", "poll.turn"},
        {"cpu", "umwait.wake"},
        {"kernel", "entry.syscall"},
        {"kernel", "entry.exception"},
        {"scheduler", "wake_latency"},
        {"scheduler", "context_switch"},
        {"vm", "entry"},
        {"vm", "exit"},
        {"vm", "handle.kernel"},
        {"vm", "handle.user"},
        {"software", "dma_api.map"},
        {"software", "dma_api.unmap"},
        {"software", "crc.line"},
        {"software", "compare.line"},
        {"software", "fault.exception"},
        {"software", "fault.page_cache"},
        {"software", "fault.anonymous"},
        {"software", "pipe.byte"},
        {"software", "nested.exit"},
        {"software", "nested.resume"},
    };
    return paths;
}

std::uint64_t value_of(const PlatformConfig& config, const std::string& owner,
                       const std::string& path, std::uint64_t initial) {
    std::uint64_t value = initial;
    for (const ParamOverride& one : config.params) {
        if (one.component == owner && one.path == path) {
            value = one.value;
        }
    }
    return value;
}

}  // namespace

std::vector<ParamOverride> at_core_clock(const PlatformConfig& config, std::uint64_t mhz) {
    const std::uint64_t base = resolve(bench_param_table(), config, "software").core_clock;
    std::vector<ParamOverride> changed;
    for (const auto& [owner, path] : clocked()) {
        const ParamInfo* const info = find_param(owner, path);
        SIM_CHECK(info != nullptr, "no parameter {}.{}", owner, path);
        const std::uint64_t scaled =
            (value_of(config, owner, path, info->initial) * base + mhz / 2) / mhz;
        changed.push_back({owner, path, std::clamp(scaled, info->low, info->high)});
    }
    return changed;
}

}  // namespace ioasim::platform
