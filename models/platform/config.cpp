#include "models/platform/config.hpp"

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

std::map<std::string, const std::vector<Step>*> step_lists(const PlatformConfig& config) {
    return lists_of<const PlatformConfig, const std::vector<Step>>(config);
}

std::map<std::string, std::vector<Step>*> step_lists(PlatformConfig& config) {
    return lists_of<PlatformConfig, std::vector<Step>>(config);
}

}  // namespace ioasim::platform
