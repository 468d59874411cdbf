#include "traces/questions/scene.hpp"

#include <algorithm>
#include <iterator>

#include "core/trace/device_events.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/event_text.hpp"

namespace ioasim::traces {
namespace {

bool starts_with(const std::string& text, std::string_view start) {
    return text.compare(0, start.size(), start) == 0;
}

std::string first_part(const std::string& name) {
    return name.substr(0, name.find('/'));
}

}  // namespace

Scene::Scene(const EventLog& log) : log_(log), causes_(log) {
    for (std::size_t i = 0; i < log_.size(); ++i) {
        look(i);
    }
    for (const std::string& vm : vms_) {
        hosts_.erase(vm);
    }
}

void Scene::add_device(const std::string& name) {
    if (std::find(devices_.begin(), devices_.end(), name) == devices_.end()) {
        devices_.push_back(name);
    }
}

void Scene::look(std::size_t i) {
    if (log_.is<trace::DsaEnqueue>(i)) {
        add_device(LOG_TEXT(log_, i, DsaEnqueue, device));
    } else if (log_.is<trace::DsaAccess>(i)) {
        functions_[LOG_FIELD(log_, i, DsaAccess, rid)] = LOG_TEXT(log_, i, DsaAccess, device);
    } else if (log_.is<trace::RequesterStart>(i)) {
        functions_[LOG_FIELD(log_, i, RequesterStart, rid)] =
            LOG_TEXT(log_, i, RequesterStart, device);
        add_device(LOG_TEXT(log_, i, RequesterStart, device));
    } else if (log_.is<trace::VmCreate>(i)) {
        vms_.insert(LOG_TEXT(log_, i, VmCreate, vm));
    } else if (log_.is<trace::IoasidCapacity>(i)) {
        hosts_.insert(LOG_TEXT(log_, i, IoasidCapacity, kernel));
    } else if (log_.is<trace::RunHostUnit>(i)) {
        part_hosts_[LOG_TEXT(log_, i, RunHostUnit, iommu)] = LOG_TEXT(log_, i, RunHostUnit, host);
    } else if (log_.is<trace::RunHostFunction>(i)) {
        const std::string& device = LOG_TEXT(log_, i, RunHostFunction, device);
        part_hosts_[device] = LOG_TEXT(log_, i, RunHostFunction, host);
        functions_[LOG_FIELD(log_, i, RunHostFunction, rid)] = device;
    } else if (log_.is<trace::VmHosted>(i)) {
        served_[LOG_TEXT(log_, i, VmHosted, vm)][i] = LOG_TEXT(log_, i, VmHosted, host);
    } else if (log_.is<trace::VmFunction>(i) && LOG_FIELD(log_, i, VmFunction, own_numbers) != 0) {
        own_numbers_.insert(LOG_FIELD(log_, i, VmFunction, rid));
    } else if (log_.is<trace::VtdInvalidation>(i)) {
        units_.insert(LOG_TEXT(log_, i, VtdInvalidation, iommu));
    } else if (log_.is<trace::VtdRequest>(i)) {
        units_.insert(LOG_TEXT(log_, i, VtdRequest, iommu));
    }
}

std::string Scene::kernel_of(std::size_t event) const {
    const std::string& source = log_.source_text(event);
    const std::string first = first_part(source);
    if (!is_vm(first)) {
        return hosts_.count(first) != 0 ? first : only_host();
    }
    // Inside of it: its vCPUs and its interrupt threads. Its VMM, and what closes the files of its
    // processes, are processes of the host.
    const std::size_t second = source.find('/', first.size() + 1);
    const bool inside = starts_with(source, first + "/irq/") ||
                        (starts_with(source, first + "/vcpu") && second == std::string::npos) ||
                        starts_with(source, first + "/ioasid_wq");
    return inside ? first : host_of_vm(first, event);
}

std::string Scene::only_host() const {
    return hosts_.size() == 1 ? *hosts_.begin() : "host";
}

std::string Scene::host_of_vm(const std::string& vm, std::size_t event) const {
    const auto found = served_.find(vm);
    if (found == served_.end()) {
        return only_host();
    }
    const auto next = found->second.upper_bound(event);
    return next == found->second.begin() ? only_host() : std::prev(next)->second;
}

std::string Scene::host_of(std::size_t event) const {
    if (part_hosts_.empty()) {
        return only_host();
    }
    std::string part = log_.field_text(event, "iommu");
    part = part.empty() ? log_.field_text(event, "device") : part;
    const auto found = part_hosts_.find(part);
    if (found != part_hosts_.end()) {
        return found->second;
    }
    const std::size_t rid = log_.info(event).field("rid");
    if (rid < log_.info(event).fields.size()) {
        const auto owner = part_hosts_.find(device_of(log_.value(event, rid)));
        return owner == part_hosts_.end() ? std::string() : owner->second;
    }
    const std::string kernel = kernel_of(event);  // of a processor
    return is_vm(kernel) ? host_of_vm(kernel, event) : kernel;
}

std::string Scene::machine_of(std::size_t event) const {
    const std::string& source = log_.source_text(event);
    const std::string first = first_part(source);
    if (is_vm(first)) {
        return first;
    }
    const std::size_t slash = source.find('/');
    if (slash == std::string::npos) {
        return {};
    }
    const std::string second = source.substr(slash + 1, source.find('-', slash) - slash - 1);
    return is_vm(second) ? second : std::string();
}

std::string Scene::device_of(std::uint64_t rid) const {
    const auto found = functions_.find(rid);
    return found != functions_.end() ? found->second : format_rid(static_cast<std::uint16_t>(rid));
}

Role Scene::role_of(std::size_t event) const {
    const std::string& source = log_.source_text(event);
    const std::string machine = machine_of(event);
    if (units_.count(source) != 0) {
        return Role::Iommu;
    }
    if (std::find(devices_.begin(), devices_.end(), source) != devices_.end()) {
        return Role::Device;
    }
    if (source == "memory") {
        return Role::Memory;
    }
    if (!machine.empty()) {
        return kernel_of(event) == machine ? Role::Guest : Role::Vmm;
    }
    const std::string rest = source.substr(std::min(source.find('/'), source.size()));
    if (starts_with(rest, "/ioasid_wq")) {
        return Role::Core;
    }
    return starts_with(rest, "/kernel/") || starts_with(rest, "/irq/") || rest == "/boot"
               ? Role::Kernel
               : Role::App;
}

Role Scene::role_of_party(const std::string& name) {
    return name == "iommu"             ? Role::Iommu
           : starts_with(name, "kvm")  ? Role::Kvm
           : starts_with(name, "vdcm") ? Role::Vdcm
           : starts_with(name, "vfio") ? Role::Vmm
                                       : Role::Kernel;
}

Moment Scene::moment(std::size_t event, std::string text) const {
    Moment out;
    out.time = log_.time(event);
    out.seq = log_.seq(event);
    out.who = log_.source_text(event);
    out.text = std::move(text);
    out.why = causes_.because(event);
    return out;
}

}  // namespace ioasim::traces
