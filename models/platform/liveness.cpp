#include "models/platform/liveness.hpp"

#include <algorithm>
#include <string_view>

#include "core/base/check.hpp"
#include "models/platform/platform.hpp"

namespace ioasim::platform {
namespace {

// After such a time somebody gives up; with `times`, a pause that is made so often at most.
struct GiveUp {
    const char* owner;
    const char* time;
    const char* times = nullptr;
};

// A device TLB's time-out is none of them: it ends a wait of the unit, and the driver's own wait
// for the unit ends before.
constexpr GiveUp kGiveUps[] = {
    {"kernel", "iommu.timeout"},
    {"kernel", "iommu.prq_timeout"},
    {"kernel", "idxd.timeout"},
    {"kernel", "pci.flr_wait"},
    {"kernel", "pci.reset_timeout"},
    {"kernel", "kvm.kick_timeout"},
    {"kernel", "work.timeout"},
    {"kernel", "user.timeout"},
    {"kernel", "user.backoff_limit", "user.enqcmd_retries"},
    {"vm", "kill_timeout"},
    {"pcie", "port.completion_timeout"},
    {"device", "completion_timeout"},
    {"device", "tag_quarantine"},
    {"device", "page_request.retry", "page_request.retries"},
    {"requester", "completion_timeout"},
    {"requester", "tag_quarantine"},
};

// Devices of two kinds have parameters of the same names; what else has them is of one kind.
bool is_one_of(const PlatformConfig& config, const std::string& component, const char* owner) {
    const auto& tables = param_tables();
    const auto device =
        std::find_if(config.devices.begin(), config.devices.end(),
                     [&component](const DeviceConfig& d) { return d.name == component; });
    if (device != config.devices.end()) {
        return std::string_view(owner) ==
               (device->kind == DeviceKind::Requester ? "requester" : "device");
    }
    return std::none_of(tables.begin(), tables.end(), [&component](const ParamTableBase* table) {
        return table->owner() == component;
    });
}

// The largest value that a parameter has in any component of its kind.
std::uint64_t largest(const PlatformConfig& config, const char* owner, const char* path) {
    const ParamInfo* const info = find_param(owner, path);
    SIM_CHECK(info != nullptr, "no parameter {}.{}", owner, path);
    std::uint64_t of_kind = info->initial;
    std::uint64_t of_one = 0;
    for (const ParamOverride& one : config.params) {
        if (one.path == path && one.component == owner) {
            of_kind = one.value;
        } else if (one.path == path && is_one_of(config, one.component, owner)) {
            of_one = std::max(of_one, one.value);
        }
    }
    return std::max(of_kind, of_one);
}

// The language has no longer times.
constexpr TimePs kDay{24 * 3600 * 1'000'000'000'000ULL};

TimePs often(TimePs time, std::uint64_t n) {
    return n != 0 && time.ps() > kDay.ps() / n ? kDay : time * n;
}

TimePs held_up(const InjectionConfig& injection) {
    const auto by = injection.numbers.find("by");
    return TimePs{by == injection.numbers.end() ? 0 : by->second};
}

}  // namespace

const InjectionConfig* endless_injection(const PlatformConfig& config) {
    const auto& all = config.injections;
    const auto found = std::find_if(all.begin(), all.end(),
                                    [](const InjectionConfig& one) { return one.count == 0; });
    return found == all.end() ? nullptr : &*found;
}

LivenessBound liveness_bound(const PlatformConfig& config) {
    SIM_CHECK(config.heal, "nothing says when faults end");
    LivenessBound bound;
    bound.work = config.heal->work;
    for (const GiveUp& one : kGiveUps) {
        const std::uint64_t times =
            one.times == nullptr ? 1 : largest(config, one.owner, one.times);
        bound.give_up += often(TimePs{largest(config, one.owner, one.time)}, times);
    }
    for (const InjectionConfig& injection : config.injections) {
        bound.effects += injection.count;
        bound.delays = std::min(bound.delays + often(held_up(injection), injection.count), kDay);
    }
    bound.total = often(bound.work, 2 + bound.effects) + often(bound.give_up, 1 + bound.effects) +
                  bound.delays;
    return bound;
}

}  // namespace ioasim::platform
