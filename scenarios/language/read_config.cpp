// From the tree to the platform's configuration, and every reference between its parts.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/base/timing_profile.hpp"
#include "core/base/units.hpp"
#include "core/ioasid/switch_table.hpp"
#include "models/platform/platform.hpp"
#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {
namespace {

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
                switches(ioasid->get("switches"));
            }
            config_.hosts = item_names(platform->get("hosts"));
            iommus(platform->get("iommus"));
            devices(platform->get("devices"));
        }
        vms();
        names();
        timing(platform == nullptr ? nullptr : platform->get("timing"));
        read_model_params(r_, config_);
        words();
        programs();
        config_.kernel = read_kernel_code(r_, words_);
        defects();
        config_.injections = read_injections(r_, words_, config_);
        if (const Node* run = r_.root.get("run")) {
            config_.stop_at_hazard = text_of(run->get("on_hazard")) == "stop";
        }
        return std::move(config_);
    }

private:
    // The defaults of the parameter tables are the first profile; what the scenario says comes on
    // top.
    void timing(const Node* name) {
        const TimingProfile* const profile = find_timing_profile(text_of(name));
        if (profile != nullptr && profile != &timing_profiles().front()) {
            config_.params = platform::timing_overrides(*profile);
        }
    }

    std::string host(const Node& item, const std::string& pointer) {
        const Node* const node = item.get("host");
        if (node == nullptr) {
            return "host";
        }
        r_.known(*node, pointer + "/host", "host", platform::host_names(config_),
                 Code::UnknownComponent);
        return text_of(node);
    }

    void iommus(const Node* list) {
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            config_.iommus.push_back({text_of(item.get("name")),
                                      static_cast<std::uint32_t>(integer_of(item.get("node"), 0)),
                                      host(item, pointer_join("/platform/iommus", index++))});
        }
        iommu_names_ = item_names(list);
    }

    void devices(const Node* list) {
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string pointer = pointer_join("/platform/devices", index++);
            platform::DeviceConfig device;
            device.name = text_of(item.get("name"));
            if (text_of(item.get("kind")) == "requester") {
                device.kind = platform::DeviceKind::Requester;
                requester(item, pointer);
            } else if (item.get("workqueues") == nullptr) {
                r_.report(Code::MissingKey, item.place, pointer,
                          "a device needs the key \"workqueues\"", "its workqueues");
            }
            device.iommu = text_of(item.get("iommu"));
            device.ats = boolean_value(item.get("ats"), false);
            device.grouped = boolean_value(item.get("grouped"), true);
            device.hotplug = boolean_value(item.get("hotplug"), false);
            device.engines = static_cast<std::uint32_t>(integer_of(item.get("engines"), 1));
            if (const Node* iommu = item.get("iommu")) {
                r_.known(*iommu, pointer + "/iommu", "IOMMU", iommu_names_, Code::UnknownComponent);
            }
            rid(item.get("rid"), pointer + "/rid", device);
            addresses(item, pointer, device);
            std::size_t number = 0;
            for (const Node& wq : items_of(item.get("workqueues"))) {
                workqueue(wq, pointer_join(pointer + "/workqueues", number++), device);
            }
            unique(item.get("workqueues"), pointer + "/workqueues", "workqueue");
            config_.devices.push_back(std::move(device));
        }
        device_names_ = item_names(list);
    }

    // Which addresses reach the IOMMU, and what firmware says of that.
    void addresses(const Node& item, const std::string& pointer, platform::DeviceConfig& device) {
        device.group = text_of(item.get("group"));
        device.address_bits =
            static_cast<std::uint32_t>(integer_of(item.get("address_bits"), device.address_bits));
        const Node* const firmware = item.get("firmware");
        if (firmware == nullptr) {
            return;
        }
        device.firmware.address_bits = static_cast<std::uint32_t>(
            integer_of(firmware->get("address_bits"), device.firmware.address_bits));
        std::size_t index = 0;
        for (const Node& region : items_of(firmware->get("regions"))) {
            const std::string at = pointer_join(pointer + "/firmware/regions", index++);
            const std::uint64_t first = quantity_of(region.get("first"), 0);
            const std::uint64_t last = quantity_of(region.get("last"), 0);
            if (first > last || first % kPageSize != 0 || (last + 1) % kPageSize != 0) {
                r_.report(Code::OutOfRange, region.place, at,
                          "a region is whole pages: \"first\" begins one, \"last\" ends one");
            }
            device.firmware.regions.push_back({first, last, text_of(region.get("type"))});
        }
    }

    // A test requester has none of what makes an accelerator.
    void requester(const Node& item, const std::string& pointer) {
        for (const char* key : {"workqueues", "engines"}) {
            if (const Node* node = item.get(key)) {
                r_.report(Code::UnknownKey, node->place, pointer_join(pointer, key),
                          fmt::format("a requester has no {}", quoted(key)));
            }
        }
    }

    void rid(const Node* node, const std::string& pointer, platform::DeviceConfig& device) {
        if (node == nullptr || !node->is(Node::Kind::String)) {
            return;
        }
        std::uint64_t value = 0;
        if (!parse_rid_text(node->text, value)) {
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

    void switches(const Node* node) {
        if (node == nullptr) {
            return;
        }
        std::vector<std::string> names;
        for (const SwitchInfo& info : switch_table()) {
            names.emplace_back(info.name);
        }
        for (const Member& member : node->members) {
            const std::string pointer = pointer_join("/platform/ioasid/switches", member.key);
            const SwitchInfo* info = find_switch(member.key);
            if (info == nullptr) {
                r_.report(Code::UnknownParameter, member.place, pointer,
                          fmt::format("the IOASID core has no switch {}", quoted(member.key)),
                          suggest(member.key, names));
                continue;
            }
            const std::string value = member.value.is(Node::Kind::Boolean)
                                          ? member.value.boolean ? "on" : "off"
                                          : member.value.text;
            Switches probe;
            if (!set_switch(probe, member.key, value)) {
                const std::vector<std::string> values(info->values.begin(), info->values.end());
                r_.report(Code::NotAChoice, member.value.place, pointer,
                          fmt::format("switch {} has no value {}", member.key, quoted(value)),
                          fmt::format("one of {}", quoted_list(values)));
                continue;
            }
            config_.ioasid_switches.emplace_back(member.key, value);
        }
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
            vm.gpasids = read_range(r_, item.get("gpasids"), pointer + "/gpasids");
            vm.pasids = read_range(r_, item.get("pasids"), pointer + "/pasids");
            for (const char* const key : {"gpasids", "pasids"}) {
                const platform::PasidRange& range = key[0] == 'g' ? vm.gpasids : vm.pasids;
                if (item.get(key) != nullptr && range.min == 0) {
                    r_.report(Code::OutOfRange, item.get(key)->place, pointer_join(pointer, key),
                              "PASID 0 is the one of requests without a PASID: nobody gets it",
                              "numbers from 1");
                }
            }
            vm.host = host(item, pointer);
            functions(item, pointer, vm);
            mdevs(item.get("mdevs"), pointer + "/mdevs", vm);
            config_.vms.push_back(std::move(vm));
        }
    }

    // A function belongs to one VM alone, and is none of the accelerators, which all have.
    void functions(const Node& item, const std::string& pointer, platform::VmConfig& vm) {
        std::size_t index = 0;
        for (const Node& name : items_of(item.get("functions"))) {
            const std::string at = pointer_join(pointer + "/functions", index++);
            if (!name.is(Node::Kind::String) ||
                !r_.known(name, at, "device", device_names_, Code::UnknownComponent)) {
                continue;
            }
            const auto device =
                std::find_if(config_.devices.begin(), config_.devices.end(),
                             [&name](const auto& each) { return each.name == name.text; });
            if (device->kind != platform::DeviceKind::Requester) {
                r_.report(
                    Code::NotAChoice, name.place, at,
                    fmt::format("{} is an accelerator, which all VMs share", quoted(name.text)),
                    "a device of the kind \"requester\"");
            }
            const auto [owner, fresh] = function_owners_.emplace(name.text, vm.name);
            if (!fresh) {
                r_.report(Code::NameTaken, name.place, at,
                          fmt::format("{} is assigned to {} already", quoted(name.text),
                                      quoted(owner->second)));
            }
            vm.functions.push_back(name.text);
        }
    }

    void mdevs(const Node* list, const std::string& pointer, platform::VmConfig& vm) {
        std::vector<std::string> queues;
        for (const platform::DeviceConfig& device : config_.devices) {
            for (const platform::WorkqueueConfig& wq : device.workqueues) {
                queues.push_back(device.name + "/" + wq.name);
            }
        }
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string at = pointer_join(pointer, index++);
            const Node* queue = item.get("workqueue");
            if (queue == nullptr ||
                !r_.known(*queue, at + "/workqueue", "workqueue", queues, Code::UnknownComponent)) {
                continue;
            }
            const std::string place = text_of(queue);
            const std::size_t slash = place.find('/');
            vm.mdevs.push_back({text_of(item.get("name")), place.substr(0, slash),
                                place.substr(slash + 1), boolean_value(item.get("aux"), false)});
        }
        unique(list, pointer, "virtual device");
    }

    // A name may be used once among all components: `--set dsa0.x=…` must mean one thing.
    void names() {
        std::map<std::string, std::string> taken{{"host", "the host"}};
        for (const ParamTableBase* table : r_.vocabulary.tables) {
            taken.emplace(table->owner(), "a kind of component");
        }
        const Node* platform = r_.root.get("platform");
        if (platform != nullptr) {
            claim(platform->get("hosts"), "/platform/hosts", "a host", taken);
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

    // --- programs ---

    void programs() {
        std::set<std::string> seen;
        std::map<std::string, ProcessNames> known;  // by full names
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("programs"))) {
            const std::string pointer = pointer_join("/programs", index++);
            platform::ProgramConfig program;
            program.on = text_of(item.get("on"));
            program.process = text_of(item.get("process"));
            program.start = time_of(item.get("start"), TimePs{});
            program.mm = text_of(item.get("mm"));
            placed_on(item.get("on"), pointer + "/on");
            const StepPlace place = place_of(program.on);
            bare_options(item, pointer, place, program);
            if (const Node* mm = item.get("mm");
                mm != nullptr && place != StepPlace::KernelThread) {
                r_.report(Code::UnknownKey, mm->place, pointer + "/mm",
                          "only a kernel thread acts for another address space");
            }
            const Node* process = item.get("process");
            if (process != nullptr && !seen.insert(program.on + "/" + program.process).second) {
                r_.report(
                    Code::NameTaken, process->place, pointer + "/process",
                    fmt::format("a second program {}", quoted(program.on + "/" + program.process)));
            }
            ProcessNames& names = known[program.on + "/" + program.process];
            if (const Node* parent = item.get("parent")) {
                program.parent = program.on + "/" + text_of(parent);
                if (knows_parent(r_, *parent, pointer + "/parent", place, program,
                                 config_.programs)) {
                    names = known[program.parent];
                } else {
                    program.parent.clear();
                }
            }
            program.steps =
                read_steps(r_, words_, item.get("steps"), pointer + "/steps", place, &names);
            for (platform::Step& step : program.steps) {
                if (step.kind == platform::StepKind::Fork ||
                    step.kind == platform::StepKind::Thread) {
                    step.target = program.on + "/" + step.target;
                }
            }
            config_.programs.push_back(std::move(program));
        }
        bare_alone();
        check_forks(r_, config_.programs);
    }

    void bare_alone() {
        std::size_t index = 0;
        for (const platform::ProgramConfig& program : config_.programs) {
            if (program.on == platform::kBare && !config_.without_kernel() &&
                !drives_requesters(program)) {
                const Node& item = items_of(r_.root.get("programs"))[index];
                r_.report(Code::Platform, item.get("on")->place,
                          pointer_join(pointer_join("/programs", index), "on"),
                          "a bare program owns the machine: beside a kernel it can only drive test "
                          "requesters");
                return;
            }
            ++index;
        }
    }

    // Registers, configuration space and DMA of test requesters, and nothing else.
    bool drives_requesters(const platform::ProgramConfig& program) const {
        const auto of_requester = [this](const platform::Step& step) {
            if (step.kind != platform::StepKind::Bare) {
                return true;  // sleep, spend, exit
            }
            const std::vector<std::string>& names = words_.requesters;
            const std::string of = step.bare.name("of");
            switch (step.bare.kind) {
                case platform::BareKind::Dma:
                case platform::BareKind::DmaWait:
                    return true;
                case platform::BareKind::MmioWrite:
                case platform::BareKind::MmioRead:
                case platform::BareKind::MmioPoll:
                case platform::BareKind::ConfigWrite:
                case platform::BareKind::ConfigRead:
                case platform::BareKind::ConfigPoll:
                    return std::find(names.begin(), names.end(), of) != names.end();
                default:
                    return false;
            }
        };
        return std::all_of(program.steps.begin(), program.steps.end(), of_requester);
    }

    void bare_options(const Node& item, const std::string& pointer, StepPlace place,
                      platform::ProgramConfig& program) {
        program.settle = boolean_value(item.get("settle"), false);
        program.go_on = boolean_value(item.get("go_on"), false);
        for (const char* key : {"settle", "go_on"}) {
            if (const Node* node = item.get(key); node != nullptr && place != StepPlace::Bare) {
                r_.report(Code::UnknownKey, node->place, pointer_join(pointer, key),
                          fmt::format("only a bare program has {}", quoted(key)));
            }
        }
    }

    void placed_on(const Node* on, const std::string& pointer) {
        if (on == nullptr || !on->is(Node::Kind::String) || is_host(on->text) ||
            on->text == "host/kernel" || on->text == platform::kBare) {
            return;
        }
        const std::size_t slash = on->text.find('/');
        const std::string vm = on->text.substr(0, slash);
        const std::string part = slash == std::string::npos ? "" : on->text.substr(slash + 1);
        const auto found = std::find_if(config_.vms.begin(), config_.vms.end(),
                                        [&vm](const auto& v) { return v.name == vm; });
        if (found == config_.vms.end()) {
            std::vector<std::string> places = platform::host_names(config_);
            places.insert(places.end(), {"host/kernel", platform::kBare});
            for (const platform::VmConfig& v : config_.vms) {
                places.push_back(v.name + "/vcpu0");
                places.push_back(v.name + "/vmm");
            }
            r_.report(Code::UnknownComponent, on->place, pointer,
                      fmt::format("programs run on \"host\", \"host/kernel\", \"VM/vcpuN\", "
                                  "\"VM/vmm\" or \"bare\"; there is no {}",
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

    bool is_host(const std::string& name) const {
        const std::vector<std::string> hosts = platform::host_names(config_);
        return std::find(hosts.begin(), hosts.end(), name) != hosts.end();
    }

    StepPlace place_of(const std::string& on) const {
        if (is_host(on)) {
            return StepPlace::HostProcess;
        }
        if (on == "host/kernel") {
            return StepPlace::KernelThread;
        }
        if (on == platform::kBare) {
            return StepPlace::Bare;
        }
        const std::size_t slash = on.find('/');
        return slash != std::string::npos && on.substr(slash) == "/vmm" ? StepPlace::Vmm
                                                                        : StepPlace::Vcpu;
    }

    void words() {
        words_.profile = config_.ioasid_profile;
        words_.vms = item_names(r_.root.get("vms"));
        words_.hosts = platform::host_names(config_);
        words_.devices = device_names_;
        words_.iommus = iommu_names_;
        for (std::size_t i = 0; i < config_.devices.size(); ++i) {
            const platform::DeviceConfig& device = config_.devices[i];
            words_.functions[device.name] = platform::rid_of(device, i);
            words_.groups.push_back(device.group.empty() ? device.name : device.group);
            if (device.kind == platform::DeviceKind::Requester) {
                words_.requesters.push_back(device.name);
            } else {
                words_.accelerators.push_back(device.name);
            }
            for (const platform::WorkqueueConfig& wq : device.workqueues) {
                words_.workqueues.push_back(device.name + "/" + wq.name);
            }
        }
        for (const platform::VmConfig& vm : config_.vms) {
            for (const platform::MdevConfig& mdev : vm.mdevs) {
                words_.devices.push_back(mdev.name);
                words_.workqueues.push_back(mdev.name + "/" + mdev.workqueue);
            }
        }
        words_.sets = words_.vms;
        words_.sets.emplace_back("host");
        words_.sets.emplace_back("host/sva");  // of all processes, where that is so
        // A process's set bears its name.
        for (const Node& program : items_of(r_.root.get("programs"))) {
            if (text_of(program.get("on")) == "host") {
                words_.sets.push_back("host/" + text_of(program.get("process")));
            }
        }
        collect_kernel_names(r_.root, words_);
        read_kernel_names(r_, words_);
        if (const Node* kernel = r_.root.get("kernel")) {
            unique(kernel->get("blocks"), "/kernel/blocks", "block");
            unique(kernel->get("works"), "/kernel/works", "work");
            unique(kernel->get("allocators"), "/kernel/allocators", "allocator");
            unique(kernel->get("locks"), "/kernel/locks", "lock");
            for (const Node& lock : items_of(kernel->get("locks"))) {
                if (const Node* name = lock.get("name"); text_of(name) == "allocator") {
                    r_.report(Code::NameTaken, name->place, "/kernel/locks",
                              "the lock \"allocator\" is the core's own");
                }
            }
        }
    }

    Reading& r_;
    platform::PlatformConfig config_;
    std::vector<std::string> iommu_names_;
    std::vector<std::string> device_names_;
    std::map<std::string, std::string> function_owners_;  // function, VM
    StepWords words_;
};

}  // namespace

platform::PlatformConfig read_config(Reading& reading) {
    return ConfigReader(reading).read();
}

}  // namespace ioasim::scenario
