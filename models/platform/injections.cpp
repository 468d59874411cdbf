#include "models/platform/injections.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "models/platform/config.hpp"
#include "models/platform/inject_catalogue.hpp"

namespace ioasim::platform {

const char* target_text(InjectTarget target) {
    switch (target) {
        case InjectTarget::Anywhere:
            return "nothing";
        case InjectTarget::Function:
            return "a device";
        case InjectTarget::Accelerator:
            return "an accelerator";
        case InjectTarget::Slot:
            return "an accelerator with \"hotplug\"";
        case InjectTarget::Unit:
            return "an IOMMU";
        case InjectTarget::Machine:
            return "a virtual machine";
        case InjectTarget::VirtualDevice:
            return "a virtual device";
        case InjectTarget::Process:
            return "a process of the host";
        case InjectTarget::Block:
            return "a block of the host's kernel that is notified";
    }
    return "?";
}

const std::vector<InjectKind>& inject_kinds() {
    static const std::vector<InjectKind> kinds = [] {
        std::vector<InjectKind> all = hardware_kinds();
        for (auto* part : {&software_kinds, &guest_kinds}) {
            const std::vector<InjectKind> more = (*part)();
            all.insert(all.end(), more.begin(), more.end());
        }
        std::sort(all.begin(), all.end(),
                  [](const InjectKind& a, const InjectKind& b) { return a.name < b.name; });
        return all;
    }();
    return kinds;
}

// A time-out or an error of hardware is no refusal: by then the fault has befallen somebody.
bool found_nobody(const InjectKind& kind, Errno result, std::uint64_t value) {
    switch (result) {
        case Errno::Esrch:
        case Errno::Enodev:
            return true;
        case Errno::Enoent:
        case Errno::Ebusy:
        case Errno::Einval:
        case Errno::Eperm:
        case Errno::Enospc:
        case Errno::Enotsupp:
        case Errno::Eopnotsupp:
            return kind.act.empty();
        default:
            return kind.counted && value == 0;
    }
}

const InjectKind* find_inject_kind(std::string_view name) {
    const std::vector<InjectKind>& kinds = inject_kinds();
    const auto found = std::find_if(kinds.begin(), kinds.end(),
                                    [name](const InjectKind& kind) { return kind.name == name; });
    return found == kinds.end() ? nullptr : &*found;
}

const std::vector<InjectParam>& inject_params() {
    static const std::vector<InjectParam> params = [] {
        std::vector<InjectParam> all;
        for (const InjectKind& kind : inject_kinds()) {
            for (const InjectParam& param : kind.params) {
                const bool known = std::any_of(all.begin(), all.end(), [&](const InjectParam& p) {
                    return std::string_view(p.key) == param.key;
                });
                if (!known) {
                    all.push_back(param);
                }
            }
        }
        return all;
    }();
    return params;
}

// By the names under which they are registered and hold references.
static std::vector<std::string> block_names(const PlatformConfig& config) {
    std::vector<std::string> names;
    for (const BlockConfig& block : config.kernel.blocks) {
        names.push_back(block.name);
    }
    if (!config.devices.empty()) {
        names.emplace_back("iommu");
    }
    for (const VmConfig& vm : config.vms) {
        names.push_back("kvm/" + vm.name);
        for (const DeviceConfig& device : config.devices) {
            if (device.kind == DeviceKind::Dsa && vm.mdevs.empty()) {
                names.push_back("vdcm/" + vm.name + "/" + device.name);
            }
        }
        for (const MdevConfig& mdev : vm.mdevs) {
            names.push_back("vdcm/" + vm.name + "/" + mdev.name);
        }
    }
    return names;
}

std::vector<std::string> inject_targets(InjectTarget target, const PlatformConfig& config) {
    std::vector<std::string> names;
    switch (target) {
        case InjectTarget::Anywhere:
            break;
        case InjectTarget::Function:
        case InjectTarget::Accelerator:
            for (const DeviceConfig& device : config.devices) {
                if (target == InjectTarget::Function || device.kind == DeviceKind::Dsa) {
                    names.push_back(device.name);
                }
            }
            break;
        case InjectTarget::Slot:
            for (const DeviceConfig& device : config.devices) {
                if (device.hotplug) {
                    names.push_back(device.name);
                }
            }
            break;
        case InjectTarget::Unit:
            for (const IommuConfig& iommu : config.iommus) {
                names.push_back(iommu.name);
            }
            break;
        case InjectTarget::Machine:
            for (const VmConfig& vm : config.vms) {
                names.push_back(vm.name);
            }
            break;
        case InjectTarget::VirtualDevice:
            for (const VmConfig& vm : config.vms) {
                for (const MdevConfig& mdev : vm.mdevs) {
                    names.push_back(mdev.name);
                }
            }
            break;
        case InjectTarget::Process:
            for (const ProgramConfig& program : config.programs) {
                if (program.on == "host") {
                    names.push_back(program.on + "/" + program.process);
                }
            }
            break;
        case InjectTarget::Block:
            return block_names(config);
    }
    return names;
}

namespace {

bool holds(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// What could stand there: for a word everybody whom it may befall, for a target the kinds that
// befall it, and all kinds.
std::vector<std::string> near_faults(std::string_view before, std::string_view word,
                                     const PlatformConfig& config) {
    std::vector<std::string> near;
    for (const InjectKind& kind : inject_kinds()) {
        for (const std::string& target : inject_targets(kind.target, config)) {
            if (kind.word() == word || target == before) {
                near.push_back(fmt::format("{}.{}", target, kind.word()));
            }
        }
    }
    for (const InjectKind& kind : inject_kinds()) {
        near.emplace_back(kind.name);
    }
    return near;
}

InjectMeaning of_kind(const InjectKind& kind, const PlatformConfig& config) {
    InjectMeaning meaning;
    const std::vector<std::string> targets = inject_targets(kind.target, config);
    const bool free_choice = kind.way == InjectWay::Site || kind.target == InjectTarget::Anywhere;
    if (free_choice || targets.size() == 1) {
        meaning.fault = {&kind, free_choice ? std::string{} : targets.front()};
        return meaning;
    }
    meaning.problem = fmt::format(
        "{} befalls {}, {}", quoted(kind.name), target_text(kind.target),
        targets.empty() ? "and there is none" : "and there are several: it stands before the dot");
    for (const std::string& target : targets) {
        meaning.choices.push_back(fmt::format("{}.{}", target, kind.word()));
    }
    return meaning;
}

}  // namespace

InjectMeaning read_fault(std::string_view text, const PlatformConfig& config) {
    if (const InjectKind* const kind = find_inject_kind(text)) {
        return of_kind(*kind, config);
    }
    const std::size_t dot = text.find('.');
    const std::string_view before = text.substr(0, dot);
    const std::string_view word = dot == std::string_view::npos ? "" : text.substr(dot + 1);
    for (const InjectKind& kind : inject_kinds()) {
        if (kind.word() == word && holds(inject_targets(kind.target, config), before)) {
            return {{&kind, std::string(before)}, {}, {}};
        }
    }
    return {{},
            fmt::format("there is no injection {}", quoted(text)),
            near_faults(before, word, config)};
}

std::vector<InjectFault> inject_applicable(const PlatformConfig& config) {
    std::vector<InjectFault> faults;
    for (const InjectKind& kind : inject_kinds()) {
        const bool software = kind.way == InjectWay::Steps || kind.target == InjectTarget::Anywhere;
        if (software && kind.way != InjectWay::Memory && config.without_kernel()) {
            continue;  // nobody is there whom it could befall
        }
        const std::vector<std::string> targets = inject_targets(kind.target, config);
        if (kind.target == InjectTarget::Anywhere ||
            (kind.way == InjectWay::Site && !targets.empty())) {
            faults.push_back({&kind, {}});
            continue;
        }
        for (const std::string& target : targets) {
            if (kind.way != InjectWay::Site) {
                faults.push_back({&kind, target});
            }
        }
    }
    return faults;
}

}  // namespace ioasim::platform
