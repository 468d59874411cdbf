// From the tree to the platform's configuration, and every reference between its parts.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "scenarios/language/reading.hpp"
#include "scenarios/language/units.hpp"

namespace ioasim::scenario {
namespace {

using platform::Step;
using platform::StepKind;

struct StepName {
    const char* key;
    StepKind kind;
};
constexpr StepName kSteps[] = {
    {"alloc", StepKind::Alloc},
    {"free", StepKind::Free},
    {"bind", StepKind::Bind},
    {"unbind", StepKind::Unbind},
    {"submit", StepKind::Submit},
    {"wait", StepKind::Wait},
    {"sleep", StepKind::Sleep},
    {"exit", StepKind::Exit},
    {"attach_spid", StepKind::AttachSpid},
    {"detach_spid", StepKind::DetachSpid},
    {"get", StepKind::Get},
    {"put", StepKind::Put},
    {"find", StepKind::Find},
    {"kill", StepKind::Kill},
};

class ConfigReader {
public:
    explicit ConfigReader(Reading& reading) : r_(reading) {}

    platform::PlatformConfig read() {
        const Node* platform = r_.root.get("platform");
        if (platform != nullptr) {
            config_.cpus = integer_of(platform->get("cpus"), config_.cpus);
            if (const Node* ioasid = platform->get("ioasid")) {
                config_.ioasid_profile = text_of(ioasid->get("profile"), config_.ioasid_profile);
                config_.ioasid_capacity =
                    integer_of(ioasid->get("capacity"), config_.ioasid_capacity);
            }
            iommus(platform->get("iommus"));
            devices(platform->get("devices"));
        }
        vms();
        names();
        read_model_params(r_, config_);
        programs();
        defects();
        inject();
        return std::move(config_);
    }

private:
    void iommus(const Node* list) {
        for (const Node& item : items_of(list)) {
            config_.iommus.push_back({text_of(item.get("name"))});
        }
        iommu_names_ = item_names(list);
    }

    void devices(const Node* list) {
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string pointer = pointer_join("/platform/devices", index++);
            platform::DeviceConfig device;
            device.name = text_of(item.get("name"));
            device.iommu = text_of(item.get("iommu"));
            device.ats = boolean_value(item.get("ats"), false);
            device.engines = static_cast<std::uint32_t>(integer_of(item.get("engines"), 1));
            if (const Node* iommu = item.get("iommu")) {
                r_.known(*iommu, pointer + "/iommu", "IOMMU", iommu_names_, Code::UnknownComponent);
            }
            rid(item.get("rid"), pointer + "/rid", device);
            std::size_t number = 0;
            for (const Node& wq : items_of(item.get("workqueues"))) {
                workqueue(wq, pointer_join(pointer + "/workqueues", number++), device);
            }
            unique(item.get("workqueues"), pointer + "/workqueues", "workqueue");
            config_.devices.push_back(std::move(device));
        }
        device_names_ = item_names(list);
    }

    void rid(const Node* node, const std::string& pointer, platform::DeviceConfig& device) {
        if (node == nullptr || !node->is(Node::Kind::String)) {
            return;
        }
        std::uint64_t value = 0;
        if (!parse_rid_text(node->text, value) || value == 0) {
            r_.report(Code::BadFieldValue, node->place, pointer,
                      fmt::format("{} is no requester id", quoted(node->text)),
                      "bus:device.function in hexadecimal, as in \"00:01.0\"");
            return;
        }
        device.rid = Rid{static_cast<std::uint16_t>(value)};
    }

    void workqueue(const Node& node, const std::string& pointer, platform::DeviceConfig& device) {
        platform::WorkqueueConfig wq;
        wq.name = text_of(node.get("name"));
        wq.shared = text_of(node.get("mode"), "shared") == "shared";
        wq.size = static_cast<std::uint32_t>(integer_of(node.get("size"), wq.size));
        wq.threshold = static_cast<std::uint32_t>(integer_of(node.get("threshold"), 0));
        wq.priority = static_cast<std::uint32_t>(integer_of(node.get("priority"), wq.priority));
        if (const Node* threshold = node.get("threshold")) {
            if (!wq.shared) {
                r_.report(Code::UnknownKey, threshold->place, pointer + "/threshold",
                          "a dedicated workqueue has no threshold");
            } else if (wq.threshold > wq.size) {
                r_.report(Code::OutOfRange, threshold->place, pointer + "/threshold",
                          fmt::format("the threshold {} is larger than the workqueue's size {}",
                                      wq.threshold, wq.size));
            }
        }
        device.workqueues.push_back(std::move(wq));
    }

    platform::PasidRange range(const Node* node, const std::string& pointer) {
        platform::PasidRange range;
        if (node == nullptr) {
            return range;
        }
        range.min = static_cast<std::uint32_t>(integer_of(node->get("min"), range.min));
        range.max = static_cast<std::uint32_t>(integer_of(node->get("max"), range.max));
        if (range.min > range.max) {
            r_.report(Code::MinAboveMax, node->place, pointer,
                      fmt::format("min {} is larger than max {}", range.min, range.max));
        }
        return range;
    }

    void vms() {
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("vms"))) {
            const std::string pointer = pointer_join("/vms", index++);
            platform::VmConfig vm;
            vm.name = text_of(item.get("name"));
            vm.vcpus = static_cast<std::uint32_t>(integer_of(item.get("vcpus"), vm.vcpus));
            vm.quota = integer_of(item.get("quota"), vm.quota);
            vm.memory_bytes = size_of(item.get("memory"), vm.memory_bytes);
            if (vm.memory_bytes % kPageSize != 0) {
                r_.report(Code::OutOfRange, item.get("memory")->place, pointer + "/memory",
                          "guest memory comes in pages of 4KiB");
            }
            vm.gpasids = range(item.get("gpasids"), pointer + "/gpasids");
            vm.pasids = range(item.get("pasids"), pointer + "/pasids");
            config_.vms.push_back(std::move(vm));
        }
        vm_names_ = item_names(r_.root.get("vms"));
    }

    // A name may be used once among all components: `--set dsa0.x=…` must mean one thing.
    void names() {
        std::map<std::string, std::string> taken{{"host", "the host"}};
        for (const ParamTableBase* table : r_.vocabulary.tables) {
            taken.emplace(table->owner(), "a kind of component");
        }
        const Node* platform = r_.root.get("platform");
        if (platform != nullptr) {
            claim(platform->get("iommus"), "/platform/iommus", "an IOMMU", taken);
            claim(platform->get("devices"), "/platform/devices", "a device", taken);
        }
        claim(r_.root.get("vms"), "/vms", "a virtual machine", taken);
    }

    void claim(const Node* list, const std::string& pointer, const char* what,
               std::map<std::string, std::string>& taken) {
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string at = pointer_join(pointer, index++) + "/name";
            const Node* name = item.get("name");
            if (name == nullptr || !name->is(Node::Kind::String)) {
                continue;
            }
            const auto [known, fresh] = taken.emplace(name->text, what);
            if (!fresh) {
                r_.report(
                    Code::NameTaken, name->place, at,
                    fmt::format("the name {} is taken by {}", quoted(name->text), known->second));
            }
        }
    }

    void unique(const Node* list, const std::string& pointer, const char* what) {
        std::map<std::string, std::string> taken;
        claim(list, pointer, fmt::format("another {}", what).c_str(), taken);
    }

    void defects() {
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("defects"))) {
            if (r_.known(item, pointer_join("/defects", index++), "seeded defect",
                         r_.vocabulary.defects, Code::UnknownDefect)) {
                config_.defects.push_back(item.text);
            }
        }
    }

    void inject() {
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("inject"))) {
            const Node* fault = item.get("fault");
            const std::string name = text_of(fault);
            r_.report(Code::UnknownFault, fault != nullptr ? fault->place : item.place,
                      pointer_join("/inject", index++),
                      name.empty() ? std::string("an injection needs the key \"fault\"")
                                   : fmt::format("there is no injection {}", quoted(name)),
                      "this version has no kinds of injection; \"inject\" must be []");
        }
    }

    // --- programs ---

    void programs() {
        std::set<std::string> seen;
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("programs"))) {
            const std::string pointer = pointer_join("/programs", index++);
            platform::ProgramConfig program;
            program.on = text_of(item.get("on"));
            program.process = text_of(item.get("process"));
            program.start = time_of(item.get("start"), TimePs{});
            placed_on(item.get("on"), pointer + "/on");
            const Node* process = item.get("process");
            if (process != nullptr && !seen.insert(program.on + "/" + program.process).second) {
                r_.report(
                    Code::NameTaken, process->place, pointer + "/process",
                    fmt::format("a second program {}", quoted(program.on + "/" + program.process)));
            }
            steps(item.get("steps"), pointer + "/steps", program);
            config_.programs.push_back(std::move(program));
        }
    }

    void placed_on(const Node* on, const std::string& pointer) {
        if (on == nullptr || !on->is(Node::Kind::String) || on->text == "host") {
            return;
        }
        const std::size_t slash = on->text.find('/');
        const std::string vm = on->text.substr(0, slash);
        const std::string part = slash == std::string::npos ? "" : on->text.substr(slash + 1);
        const auto found = std::find_if(config_.vms.begin(), config_.vms.end(),
                                        [&vm](const auto& v) { return v.name == vm; });
        if (found == config_.vms.end()) {
            std::vector<std::string> places{"host"};
            for (const platform::VmConfig& v : config_.vms) {
                places.push_back(v.name + "/vcpu0");
                places.push_back(v.name + "/vmm");
            }
            r_.report(Code::UnknownComponent, on->place, pointer,
                      fmt::format("programs run on \"host\", \"VM/vcpuN\" or \"VM/vmm\"; there is "
                                  "no {}",
                                  quoted(on->text)),
                      suggest(on->text, places));
            return;
        }
        if (part == "vmm") {
            return;
        }
        std::uint32_t number = 0;
        const char* digits = part.data() + std::min<std::size_t>(4, part.size());
        const auto parsed = std::from_chars(digits, part.data() + part.size(), number);
        if (part.rfind("vcpu", 0) != 0 || parsed.ec != std::errc() ||
            parsed.ptr != part.data() + part.size() || number >= found->vcpus) {
            r_.report(Code::UnknownComponent, on->place, pointer,
                      part.empty() ? fmt::format("a program runs on a part of {}", quoted(vm))
                                   : fmt::format("{} has no {}", quoted(vm), quoted(part)),
                      found->vcpus == 1
                          ? fmt::format("it has \"{0}/vcpu0\" and \"{0}/vmm\"", vm)
                          : fmt::format("it has \"{0}/vcpu0\" to \"{0}/vcpu{1}\" and \"{0}/vmm\"",
                                        vm, found->vcpus - 1));
        }
    }

    void steps(const Node* list, const std::string& pointer, platform::ProgramConfig& program) {
        std::set<std::string> variables;
        bool exited = false;
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string at = pointer_join(pointer, index++);
            if (exited) {
                r_.report(Code::BadOrder, item.place, at, "a step after \"exit\"");
                return;
            }
            Step step;
            step.where = r_.where(item.place);
            const StepName* name = nullptr;
            for (const StepName& candidate : kSteps) {
                name = name == nullptr && item.get(candidate.key) != nullptr ? &candidate : name;
            }
            if (name == nullptr) {
                continue;
            }
            step.kind = name->kind;
            if (step.kind == StepKind::Bind && program.on == "host") {
                // The host's kernel chooses the ID of an address space when it is bound.
                variables.insert(text_of(item.get(name->key)));
            }
            one_step(item, *item.get(name->key), pointer_join(at, name->key), at, variables, step);
            Errno error = Errno::Ok;
            if (const Node* wanted = item.get("error")) {
                if (parse_errno(text_of(wanted), error)) {
                    step.error = error;
                }
            }
            exited = step.kind == StepKind::Exit;
            program.steps.push_back(std::move(step));
        }
    }

    void one_step(const Node& item, const Node& subject, const std::string& pointer,
                  const std::string& at, std::set<std::string>& variables, Step& step) {
        switch (step.kind) {
            case StepKind::Alloc:
            case StepKind::Find:
                step.id = text_of(&subject);
                variables.insert(step.id);
                break;
            case StepKind::Submit:
                submit(subject, pointer, variables, step);
                return;
            case StepKind::Wait:
                step.duration = time_of(item.get("timeout"), TimePs{});
                return;
            case StepKind::Sleep:
                step.duration = time_of(&subject, TimePs{1});
                return;
            case StepKind::Exit:
                if (subject.is(Node::Kind::Boolean) && !subject.boolean) {
                    r_.report(Code::NotAChoice, subject.place, pointer, "\"exit\" is true");
                }
                return;
            case StepKind::Kill:
                r_.known(subject, pointer, "virtual machine", vm_names_, Code::UnknownComponent);
                step.target = text_of(&subject);
                return;
            default:
                step.id = id(subject, pointer, variables);
        }
        step.spid = static_cast<std::uint32_t>(integer_of(item.get("spid"), 0));
        if (const Node* wanted = item.get("range")) {
            step.range = range(wanted, at + "/range");
        }
        if (const Node* set = item.get("set")) {
            std::vector<std::string> sets = vm_names_;
            sets.emplace_back("host");
            r_.known(*set, at + "/set", "set", sets, Code::UnknownComponent);
            step.set = text_of(set);
        }
        if (const Node* device = item.get("device")) {
            r_.known(*device, at + "/device", "device", device_names_, Code::UnknownComponent);
            step.device = text_of(device);
        }
    }

    void submit(const Node& node, const std::string& pointer, std::set<std::string>& variables,
                Step& step) {
        step.op = text_of(node.get("op"), "memmove");
        step.size = size_of(node.get("size"), step.op == "noop" ? 0 : kPageSize);
        step.count = integer_of(node.get("count"), 1);
        step.pattern = integer_of(node.get("pattern"), 0);
        step.wait = boolean_value(node.get("wait"), true);
        if (const Node* size = node.get("size"); size != nullptr && step.op == "noop") {
            r_.report(Code::UnknownKey, size->place, pointer + "/size",
                      "a noop moves no bytes: it has no size");
        }
        if (const Node* pasid = node.get("pasid")) {
            step.id = id(*pasid, pointer + "/pasid", variables);
        }
        const Node* to = node.get("to");
        if (to == nullptr || !to->is(Node::Kind::String)) {
            return;
        }
        const std::size_t slash = to->text.find('/');
        step.device = to->text.substr(0, slash);
        step.workqueue = slash == std::string::npos ? "" : to->text.substr(slash + 1);
        std::vector<std::string> queues;
        for (const platform::DeviceConfig& device : config_.devices) {
            for (const platform::WorkqueueConfig& wq : device.workqueues) {
                queues.push_back(device.name + "/" + wq.name);
            }
        }
        r_.known(*to, pointer + "/to", "workqueue", queues, Code::UnknownComponent);
    }

    std::string id(const Node& node, const std::string& pointer,
                   const std::set<std::string>& variables) {
        if (node.is(Node::Kind::Number)) {
            return std::to_string(integer_of(&node, 0));
        }
        const std::string text = text_of(&node);
        const bool number =
            !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        if (!text.empty() && !number && variables.count(text) == 0) {
            const std::vector<std::string> known(variables.begin(), variables.end());
            r_.report(
                Code::UnknownVariable, node.place, pointer,
                fmt::format("variable {} is not set by an earlier step", quoted(text)),
                known.empty() ? "\"alloc\" and \"find\" set variables" : suggest(text, known));
        }
        return text;
    }

    Reading& r_;
    platform::PlatformConfig config_;
    std::vector<std::string> iommu_names_;
    std::vector<std::string> device_names_;
    std::vector<std::string> vm_names_;
};

}  // namespace

platform::PlatformConfig read_config(Reading& reading) {
    return ConfigReader(reading).read();
}

}  // namespace ioasim::scenario
