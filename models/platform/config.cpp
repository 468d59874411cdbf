#include "models/platform/config.hpp"

#include <algorithm>

namespace ioasim::platform {
namespace {

template <class Config, class Steps>
std::map<std::string, Steps*> lists_of(Config& config) {
    std::map<std::string, Steps*> lists;
    for (auto& program : config.programs) {
        lists.emplace(program.on + "/" + program.process, &program.steps);
    }
    for (auto& block : config.kernel.blocks) {
        for (auto& [event, steps] : block.on) {
            lists.emplace(block.name + "/" + event, &steps);
        }
    }
    for (auto& work : config.kernel.works) {
        lists.emplace(work.name, &work.steps);
    }
    return lists;
}

}  // namespace

Rid rid_of(const DeviceConfig& device, std::size_t index) {
    // Bus 0 holds the host; devices sit one to a device number from 00:01.0 on.
    return device.rid.value_or(Rid{static_cast<std::uint16_t>((index + 1) << 3U)});
}

bool PlatformConfig::without_kernel() const {
    return !programs.empty() && std::all_of(programs.begin(), programs.end(),
                                            [](const ProgramConfig& p) { return p.on == kBare; });
}

std::vector<std::string> host_names(const PlatformConfig& config) {
    std::vector<std::string> names{"host"};
    names.insert(names.end(), config.hosts.begin(), config.hosts.end());
    return names;
}

const std::string& host_of(const PlatformConfig& config, const DeviceConfig& device) {
    const auto unit =
        std::find_if(config.iommus.begin(), config.iommus.end(),
                     [&device](const IommuConfig& i) { return i.name == device.iommu; });
    return unit == config.iommus.end() ? config.iommus.front().host : unit->host;
}

std::map<std::string, const std::vector<Step>*> step_lists(const PlatformConfig& config) {
    return lists_of<const PlatformConfig, const std::vector<Step>>(config);
}

std::map<std::string, std::vector<Step>*> step_lists(PlatformConfig& config) {
    return lists_of<PlatformConfig, std::vector<Step>>(config);
}

}  // namespace ioasim::platform
