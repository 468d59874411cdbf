#include "tools/cli/campaign/swarm.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/random.hpp"
#include "core/base/timing_profile.hpp"

namespace ioasim::tools {
namespace {

using platform::ParamOverride;

// Sizes and policies that software need not know. Several values of one line belong together.
struct Choice {
    const char* component;
    std::vector<const char*> paths;
    std::vector<std::vector<std::uint64_t>> values;
};

const std::vector<Choice>& choices() {
    // Entries and ways of a cache: none, one, tiny, wide.
    const std::vector<std::vector<std::uint64_t>> cache{{0, 0}, {1, 1}, {4, 2}, {64, 64}};
    static const std::vector<Choice> all{
        {"iommu", {"iotlb.entries", "iotlb.ways"}, cache},
        {"iommu", {"context_cache.entries", "context_cache.ways"}, cache},
        {"iommu", {"pasid_cache.entries", "pasid_cache.ways"}, cache},
        {"iommu", {"first_stage_cache.entries", "first_stage_cache.ways"}, cache},
        {"iommu", {"second_stage_cache.entries", "second_stage_cache.ways"}, cache},
        {"iommu", {"caches.replacement"}, {{0}, {1}, {2}}},
        {"iommu", {"caches.coarseness"}, {{0}, {1}, {2}}},
        {"iommu", {"caches.self_eviction"}, {{1'000}, {100'000}}},
        {"iommu", {"invalidation.prefetch"}, {{0}, {1}, {8}}},
        {"iommu", {"invalidation.pending_waits"}, {{1}, {4}}},
        {"iommu", {"invalidation.itags"}, {{1}, {2}}},
        {"iommu", {"page_request.writes"}, {{1}, {16}}},
        {"device", {"engine_depth"}, {{1}, {2}, {16}}},
        {"device", {"read_buffers"}, {{4}, {16}}},
        {"device", {"max_read_request"}, {{128}, {4096}}},
        {"device", {"ats.requests"}, {{1}, {4}}},
        {"device", {"ats.ahead"}, {{0}, {3}}},
        {"device", {"page_request.capacity"}, {{1}, {8}}},
        {"pcie", {"iommu.credits"}, {{1}, {4}}},
        {"kernel", {"iommu.queue_size"}, {{0}, {4}}},
        {"kernel", {"iopf.queue_size"}, {{0}, {3}}},
        {"kernel", {"iopf.workers"}, {{1}, {8}}},
        {"kernel", {"user.window"}, {{1}, {4}}},
    };
    return all;
}

bool says(const std::string& path, const char* word) {
    return path.find(word) != std::string::npos;
}

// When software or hardware gives up: a slow machine is no dead one.
bool gives_up(const ParamInfo& info) {
    return says(info.path, "timeout") || says(info.path, "quarantine");
}

class Draw {
public:
    Draw(scenario::Scenario& scenario, std::uint64_t seed)
        : scenario_(scenario), stream_(seed, scenario.full_name(), "swarm") {}

    std::vector<std::string> run() {
        // How much is different: a little, much, nothing but the schedule.
        const std::uint64_t in_eight = stream_.below(5);
        for (const Choice& choice : choices()) {
            const std::size_t pick = stream_.below(choice.values.size());
            if (stream_.chance(in_eight, 8)) {
                want(choice.component, choice.paths, choice.values[pick]);
            }
        }
        draw_times(stream_.below(5));
        take_wanted();
        draw_processors();
        constexpr std::uint64_t kSlowest = 32;
        scenario_.limit = TimePs{scenario_.limit.ps() * kSlowest};
        return std::move(changed_);
    }

private:
    using Overrides = std::vector<ParamOverride>;

    bool set_by_scenario(const std::string& path) const {
        const Overrides& params = scenario_.config.params;
        return std::any_of(params.begin(), params.end(),
                           [&](const ParamOverride& one) { return one.path == path; });
    }

    void want(const std::string& component, const std::vector<const char*>& paths,
              const std::vector<std::uint64_t>& values) {
        Overrides together;
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const ParamInfo* const info = platform::find_param(component, paths[i]);
            SIM_CHECK(info != nullptr && info->allows(values[i]), "no {}.{} = {}", component,
                      paths[i], values[i]);
            if (set_by_scenario(paths[i])) {
                return;
            }
            together.push_back({component, paths[i], values[i]});
        }
        wanted_.push_back(std::move(together));
    }

    // A machine that cannot be is not drawn. Nearly always all is well together; only when it is
    // not, the choices are tried one after the other.
    void take_wanted() {
        const std::size_t before = scenario_.config.params.size();
        for (const Overrides& together : wanted_) {
            add(together);
        }
        if (!platform::check(scenario_.config).empty()) {
            scenario_.config.params.resize(before);
            for (const Overrides& together : wanted_) {
                add(together);
                if (!platform::check(scenario_.config).empty()) {
                    scenario_.config.params.resize(scenario_.config.params.size() -
                                                   together.size());
                }
            }
        }
        const Overrides& params = scenario_.config.params;
        for (std::size_t i = before; i < params.size(); ++i) {
            const ParamInfo* const info = platform::find_param(params[i].component, params[i].path);
            changed_.push_back(fmt::format("{}.{}={}", params[i].component, params[i].path,
                                           param_text(*info, params[i].value)));
        }
    }

    void add(const Overrides& together) {
        Overrides& params = scenario_.config.params;
        params.insert(params.end(), together.begin(), together.end());
    }

    void draw_times(std::uint64_t in_eight) {
        for (const ParamTableBase* table : platform::param_tables()) {
            for (const ParamInfo& info : table->params()) {
                if (info.unit != Unit::Time) {
                    continue;
                }
                constexpr std::uint64_t kMostDoublings = 3;
                const std::uint64_t doublings = stream_.below(kMostDoublings) + 1;
                // Who looks more often learns nothing more, but costs host time.
                const bool slower = stream_.chance(1, 2) || says(info.path, "poll");
                std::uint64_t value =
                    slower ? info.initial << doublings : info.initial >> doublings;
                if (gives_up(info)) {
                    value = info.initial << (kMostDoublings + 1);
                } else if (!stream_.chance(in_eight, 8)) {
                    continue;
                }
                value = std::clamp(value, info.low, info.high);
                if (value != info.initial && info.allows(value)) {
                    want(table->owner(), {info.path.c_str()}, {value});
                }
            }
        }
    }

    // Not so few that drivers give up because nobody gets a processor.
    void draw_processors() {
        constexpr std::uint64_t kMost = 8;
        constexpr std::uint64_t kLeastPart = 4;
        const std::uint64_t least = std::max<std::uint64_t>(1, scenario_.config.cpus / kLeastPart);
        const std::uint64_t cpus = stream_.between(least, std::max(kMost, least));
        if (stream_.chance(1, 2)) {
            return;
        }
        const std::uint64_t before = scenario_.config.cpus;
        scenario_.config.cpus = cpus;
        if (platform::check(scenario_.config).empty()) {
            changed_.push_back(fmt::format("platform.cpus={}", cpus));
        } else {
            scenario_.config.cpus = before;
        }
    }

    scenario::Scenario& scenario_;
    RandomStream stream_;
    std::vector<Overrides> wanted_;  // each one is taken as a whole
    std::vector<std::string> changed_;
};

}  // namespace

std::vector<std::string> draw_machine(scenario::Scenario& scenario, std::uint64_t seed) {
    return Draw(scenario, seed).run();
}

}  // namespace ioasim::tools
