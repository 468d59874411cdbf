#include "scenarios/language/read_steps.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/step_places.hpp"

namespace ioasim::scenario {
namespace {

using platform::CallArg;
using platform::CallArgSpec;
using platform::CallSpec;
using platform::CallSubject;
using platform::CallValue;
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
    {"spend", StepKind::Spend},
    {"exit", StepKind::Exit},
    {"kill", StepKind::Kill},
    {"hang", StepKind::Hang},
    {"unplug", StepKind::Unplug},
    {"migrate", StepKind::Migrate},
    {"open", StepKind::Open},
    {"close", StepKind::Close},
    {"mmap", StepKind::Mmap},
    {"munmap", StepKind::Munmap},
    {"fork", StepKind::Fork},
    {"thread", StepKind::Thread},
    {"exec", StepKind::Exec},
    {"mdev", StepKind::Mdev},
    {"device_command", StepKind::Command},
    {"queue_pasid", StepKind::QueuePasid},
    {"panic", StepKind::Panic},
    {"vm_reset", StepKind::VmReset},
};

class StepReader {
public:
    StepReader(Reading& reading, const StepWords& words, StepPlace place, const ProcessNames& known)
        : r_(reading),
          words_(words),
          place_(place),
          variables_(known.variables),
          mappings_(known.mappings),
          every_mapping_(known.mappings) {
        if (kernel()) {
            variables_.insert(words.globals.begin(), words.globals.end());
        }
        if (place == StepPlace::Script) {
            variables_.insert("event");
        }
    }

    std::vector<Step> read(const Node* list, const std::string& pointer) {
        std::vector<Step> steps;
        bool exited = false;
        std::size_t index = 0;
        for (const Node& item : items_of(list)) {
            const std::string at = pointer_join(pointer, index++);
            if (exited) {
                r_.report(Code::BadOrder, item.place, at, "a step after \"exit\"");
                break;
            }
            Step step;
            step.where = r_.where(item.place);
            if (one(item, at, step)) {
                exited = step.kind == StepKind::Exit;
                steps.push_back(std::move(step));
            }
        }
        return steps;
    }

    ProcessNames names() const { return {variables_, every_mapping_}; }

private:
    bool kernel() const { return place_ == StepPlace::KernelThread || place_ == StepPlace::Script; }

    StepKind kind_of(platform::StepFamily family) const {
        switch (family) {
            case platform::StepFamily::Process:
            case platform::StepFamily::Guest:
            case platform::StepFamily::User:
                return StepKind::User;
            case platform::StepFamily::Machine:
            case platform::StepFamily::Registers:
                return place_ == StepPlace::Bare ? StepKind::Bare : StepKind::Machine;
            case platform::StepFamily::Bare:
                break;
        }
        return StepKind::Bare;
    }

    bool one(const Node& item, const std::string& at, Step& step) {
        const Node* subject = nullptr;
        const char* key = nullptr;
        for (const StepName& candidate : kSteps) {
            if (subject == nullptr && (subject = item.get(candidate.key)) != nullptr) {
                step.kind = candidate.kind;
                key = candidate.key;
            }
        }
        for (const CallSpec& spec : platform::call_specs()) {
            if (subject == nullptr && (subject = item.get(spec.key)) != nullptr) {
                step.kind = StepKind::Call;
                step.call.kind = spec.kind;
                key = spec.key;
            }
        }
        const platform::BareSpec* bare = nullptr;
        for (const platform::BareSpec& spec : platform::bare_specs()) {
            if (subject == nullptr && (subject = item.get(spec.key)) != nullptr) {
                step.kind = kind_of(spec.family);
                bare = &spec;
                key = spec.key;
            }
        }
        if (subject == nullptr) {
            return false;
        }
        if (!exists_in(step.kind, place_) ||
            (bare != nullptr && !exists_in(bare->family, place_))) {
            r_.report(Code::UnknownKey, subject->place, pointer_join(at, key),
                      fmt::format("{} has no step {}", place_text(place_), quoted(key)));
            return false;
        }
        if (bare != nullptr) {
            step.bare = read_bare_step(r_, words_, item, *bare, at, made_);
            own_unit(item, *bare, at);
            for (const platform::BareArgSpec& arg : bare->args) {
                const Node* named = item.get(arg.key);
                if (named != nullptr && arg.value == platform::BareValue::Mapping) {
                    known_mapping(*named, pointer_join(at, arg.key));
                }
            }
            if (const Node* pasid = item.get("pasid");
                pasid != nullptr && bare->family == platform::StepFamily::Guest) {
                static_cast<void>(id(*pasid, pointer_join(at, "pasid")));
            }
            if (step.bare.has("into")) {
                variables_.insert(step.bare.name("into"));
            }
        } else if (step.kind == StepKind::Call) {
            call(item, *subject, pointer_join(at, key), at, step.call);
        } else {
            native(item, *subject, pointer_join(at, key), at, step);
        }
        wanted(item, step);
        if (const Node* profiles = item.get("profiles")) {
            const auto& names = items_of(profiles);
            const bool here = std::any_of(names.begin(), names.end(), [this](const Node& name) {
                return text_of(&name) == words_.profile;
            });
            step.kind = here ? step.kind : StepKind::Absent;
        }
        if (const Node* when = item.get("when")) {
            const bool holds = when->is(Node::Kind::Array)
                                   ? std::all_of(when->items.begin(), when->items.end(), met)
                                   : met(*when);
            step.kind = holds ? step.kind : StepKind::Absent;
        }
        return true;
    }

    // A guest has one IOMMU, the virtual one.
    void own_unit(const Node& item, const platform::BareSpec& spec, const std::string& at) {
        const Node* const of = item.get("of");
        if (of != nullptr && place_ == StepPlace::Vcpu &&
            spec.family == platform::StepFamily::Registers) {
            r_.report(Code::UnknownKey, of->place, pointer_join(at, "of"),
                      "a guest's program reaches the registers of its virtual IOMMU only");
        }
    }

    static bool met(const Node& condition) {
        const Node* value = condition.get("value");
        const Node* wanted = condition.get("is");
        return value != nullptr && wanted != nullptr && is_one_of(*value, *wanted);
    }

    void wanted(const Node& item, Step& step) {
        const Node* node = item.get("error");
        Errno error = Errno::Ok;
        if (node == nullptr) {
            return;
        }
        step.any_result = text_of(node) == "any";
        if (!step.any_result && parse_errno(text_of(node), error)) {
            step.error = error;
        }
    }

    void native(const Node& item, const Node& subject, const std::string& pointer,
                const std::string& at, Step& step) {
        switch (step.kind) {
            case StepKind::Bind:
                if (place_ == StepPlace::HostProcess) {
                    // The host's kernel chooses the ID of an address space when it is bound.
                    variables_.insert(text_of(&subject));
                }
                step.id = id(subject, pointer);
                break;
            case StepKind::Alloc:
                step.id = text_of(&subject);
                variables_.insert(step.id);
                break;
            case StepKind::Submit:
                submit(subject, pointer, step);
                return;
            case StepKind::Wait:
                step.duration = time_of(item.get("timeout"), TimePs{});
                return;
            case StepKind::Sleep:
            case StepKind::Spend:
                step.duration = time_of(&subject, TimePs{1});
                return;
            case StepKind::Panic:
            case StepKind::VmReset:
                return;
            case StepKind::Exit:
                if (subject.is(Node::Kind::Boolean) && !subject.boolean) {
                    r_.report(Code::NotAChoice, subject.place, pointer, "\"exit\" is true");
                }
                step.close_files = boolean_value(item.get("close_files"), true);
                return;
            case StepKind::Kill:
                victim(subject, pointer);
                step.target = text_of(&subject);
                return;
            case StepKind::Hang:
                r_.known(subject, pointer, "virtual machine", words_.vms, Code::UnknownComponent);
                step.target = text_of(&subject);
                return;
            case StepKind::Fork:
            case StepKind::Thread:
                step.target = text_of(&subject);
                return;
            case StepKind::Exec:
                mappings_.clear();
                return;
            case StepKind::Mmap:
            case StepKind::Munmap:
                mapping(item, subject, pointer, step);
                return;
            case StepKind::Unplug:
                r_.known(subject, pointer, "device", words_.devices, Code::UnknownComponent);
                step.device = text_of(&subject);
                return;
            case StepKind::Migrate:
                r_.known(subject, pointer, "host", words_.hosts, Code::UnknownComponent);
                step.target = text_of(&subject);
                break;
            case StepKind::Mdev:
            case StepKind::Command:
                step.op = text_of(&subject);
                step.data = integer_of(item.get("operand"), 0);
                if (const Node* device = item.get("device")) {
                    r_.known(*device, at + "/device", "device", words_.devices,
                             Code::UnknownComponent);
                    step.device = text_of(device);
                }
                return;
            case StepKind::Open:
            case StepKind::Close:
            case StepKind::QueuePasid:
                workqueue(subject, pointer, step);
                if (const Node* pasid = item.get("pasid")) {
                    step.id = id(*pasid, at + "/pasid");
                }
                return;
            default:
                step.id = id(subject, pointer);
        }
        if (const Node* range = item.get("range")) {
            step.range = read_range(r_, range, at + "/range", kernel());
            if (!kernel() && step.range->max > 0xFFFFF) {
                r_.report(Code::OutOfRange, range->place, at + "/range",
                          "a PASID has 20 bits: at most 1048575");
            }
            if (step.kind == StepKind::Migrate && step.range->min == 0) {
                r_.report(Code::OutOfRange, range->place, at + "/range",
                          "PASID 0 is the one of requests without a PASID: nobody gets it",
                          "numbers from 1");
            }
        }
        kernel_options(item, at, step);
        if (const Node* device = item.get("device")) {
            r_.known(*device, at + "/device", "device", words_.devices, Code::UnknownComponent);
            step.device = text_of(device);
        }
    }

    void kernel_options(const Node& item, const std::string& at, Step& step) {
        if (const Node* set = item.get("set")) {
            r_.known(*set, at + "/set", "set", words_.sets, Code::UnknownComponent);
            step.set = text_of(set);
            if (step.kind == StepKind::Alloc && !kernel()) {
                r_.report(Code::UnknownKey, set->place, at + "/set",
                          "only a kernel thread names the set that it allocates from");
            }
        } else if (place_ == StepPlace::KernelThread && step.kind == StepKind::Alloc &&
                   words_.profile != "mainline") {
            r_.report(Code::MissingKey, item.place, at, "a kernel thread allocates from a \"set\"");
        }
        step.data = integer_of(item.get("data"), 0);
        step.count = integer_of(item.get("count"), 1);
        if (const Node* node = item.get("data"); node != nullptr && !kernel()) {
            r_.report(Code::UnknownKey, node->place, pointer_join(at, "data"),
                      "only kernel code gives \"data\" to \"alloc\"");
        }
    }

    void submit(const Node& node, const std::string& pointer, Step& step) {
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
            step.id = id(*pasid, pointer + "/pasid");
            if (pasid->is(Node::Kind::Number) && integer_of(pasid, 0) > 0xFFFFF) {
                r_.report(Code::OutOfRange, pasid->place, pointer + "/pasid",
                          "a PASID has 20 bits: at most 1048575");
            }
        }
        step.block_on_fault = boolean_value(node.get("block_on_fault"), false);
        step.credits = boolean_value(node.get("credits"), true);
        if (const Node* source = node.get("source")) {
            known_mapping(*source, pointer + "/source");
            step.source = text_of(source);
        }
        if (const Node* destination = node.get("destination")) {
            known_mapping(*destination, pointer + "/destination");
            step.destination = text_of(destination);
        }
        if (const Node* to = node.get("to")) {
            workqueue(*to, pointer + "/to", step);
        }
    }

    void victim(const Node& node, const std::string& pointer) {
        std::vector<std::string> names = words_.vms;
        for (const std::string& program : words_.programs) {
            if (program.rfind("host/", 0) == 0 && program.rfind("host/kernel/", 0) != 0) {
                names.push_back(program);
            }
        }
        r_.known(node, pointer, "virtual machine or process", names, Code::UnknownComponent);
    }

    void mapping(const Node& item, const Node& subject, const std::string& pointer, Step& step) {
        step.target = text_of(&subject);
        if (step.kind == StepKind::Munmap) {
            known_mapping(subject, pointer);
            return;
        }
        mappings_.push_back(step.target);
        every_mapping_.push_back(step.target);
        step.size = size_of(item.get("size"), kPageSize);
        step.populate = boolean_value(item.get("populate"), true);
        step.writable = boolean_value(item.get("writable"), true);
        step.on_storage = boolean_value(item.get("on_storage"), false);
    }

    void known_mapping(const Node& node, const std::string& pointer) {
        r_.known(node, pointer, "mapping", mappings_, Code::UnknownComponent);
    }

    // "dsa0/wq0"
    void workqueue(const Node& node, const std::string& pointer, Step& step) {
        if (!node.is(Node::Kind::String)) {
            return;
        }
        const std::size_t slash = node.text.find('/');
        step.device = node.text.substr(0, slash);
        step.workqueue = slash == std::string::npos ? "" : node.text.substr(slash + 1);
        r_.known(node, pointer, "workqueue", words_.workqueues, Code::UnknownComponent);
    }

    void call(const Node& item, const Node& subject, const std::string& pointer,
              const std::string& at, platform::CoreCall& call) {
        const CallSpec& spec = platform::call_spec(call.kind);
        switch (spec.subject) {
            case CallSubject::NewId:
                call.subject = text_of(&subject);
                variables_.insert(call.subject);
                break;
            case CallSubject::Id:
                call.subject = id(subject, pointer);
                break;
            case CallSubject::Number:
                call.number = integer_of(&subject, 0);
                break;
            case CallSubject::True:
                if (subject.is(Node::Kind::Boolean) && !subject.boolean) {
                    r_.report(Code::NotAChoice, subject.place, pointer,
                              fmt::format("\"{}\" is true", spec.key));
                }
                break;
            default:
                call.subject = text_of(&subject);
                known_subject(subject, pointer, spec.subject, call.kind);
        }
        for (const auto* args : {&spec.required, &spec.optional}) {
            for (const CallArg arg : *args) {
                const CallArgSpec& argument = platform::arg_spec(arg);
                if (const Node* value = item.get(argument.key)) {
                    one_argument(*value, pointer_join(at, argument.key), argument, call);
                }
            }
        }
    }

    // "/", or names with one slash before each.
    void group_path(const Node& node, const std::string& pointer) {
        const std::string path = text_of(&node);
        const bool good = path == "/" || (!path.empty() && path.front() == '/' &&
                                          path.back() != '/' && path.find("//") == path.npos);
        if (!good && !node.broken) {
            r_.report(Code::BadName, node.place, pointer,
                      fmt::format("{} is no path of a group", quoted(path)), "\"/vms/vm1\"");
        }
    }

    void known_subject(const Node& node, const std::string& pointer, CallSubject subject,
                       platform::CallKind kind) {
        switch (subject) {
            case CallSubject::Set:
                r_.known(node, pointer, "set", words_.sets, Code::UnknownComponent);
                break;
            case CallSubject::Block:
                r_.known(node, pointer, "block", words_.blocks, Code::UnknownComponent);
                break;
            case CallSubject::Work:
                r_.known(node, pointer, "work", words_.works, Code::UnknownComponent);
                break;
            case CallSubject::Allocator:
                r_.known(node, pointer, "allocator", words_.allocators, Code::UnknownComponent);
                break;
            case CallSubject::Lock:
                r_.known(node, pointer, "lock", words_.locks, Code::UnknownComponent);
                break;
            case CallSubject::Mm:
                if (kind == platform::CallKind::MmExit || kind == platform::CallKind::MmGrab ||
                    kind == platform::CallKind::MmDrop) {
                    r_.known(node, pointer, "address space", words_.mms, Code::UnknownComponent);
                }
                break;
            case CallSubject::Group:
                group_path(node, pointer);
                break;
            case CallSubject::Device:
                r_.known(node, pointer, "device", words_.devices, Code::UnknownComponent);
                break;
            case CallSubject::Site:
                r_.known(node, pointer, "fault site", fault_sites(), Code::UnknownComponent);
                break;
            default:
                break;
        }
    }

    void one_argument(const Node& value, const std::string& pointer, const CallArgSpec& argument,
                      platform::CoreCall& call) {
        switch (argument.value) {
            case CallValue::Flag:
                call.numbers[argument.arg] = boolean_value(&value, false) ? 1 : 0;
                return;
            case CallValue::Number:
                call.numbers[argument.arg] = integer_of(&value, 0);
                return;
            case CallValue::Id:
                call.names[argument.arg] = id(value, pointer);
                return;
            case CallValue::NumberOrName:
                if (value.is(Node::Kind::Number)) {
                    call.numbers[argument.arg] = integer_of(&value, 0);
                    return;
                }
                break;
            default:
                break;
        }
        if (argument.arg == CallArg::Set) {
            r_.known(value, pointer, "set", words_.sets, Code::UnknownComponent);
        }
        const bool by_mm = call.kind == platform::CallKind::RegisterNotifierMm ||
                           call.kind == platform::CallKind::UnregisterNotifierMm ||
                           call.kind == platform::CallKind::DevClose;
        if (argument.arg == CallArg::Mm && by_mm) {
            r_.known(value, pointer, "address space", words_.mms, Code::UnknownComponent);
        }
        if (argument.arg == CallArg::Device) {
            r_.known(value, pointer, "device", words_.devices, Code::UnknownComponent);
        }
        if (argument.arg == CallArg::Process) {
            r_.known(value, pointer, "program", words_.programs, Code::UnknownComponent);
        }
        call.names[argument.arg] = text_of(&value);
    }

    std::string id(const Node& node, const std::string& pointer) {
        if (node.is(Node::Kind::Number)) {
            return std::to_string(integer_of(&node, 0));
        }
        const std::string text = text_of(&node);
        const bool number =
            !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        if (!text.empty() && !number && variables_.count(text) == 0) {
            const std::vector<std::string> known(variables_.begin(), variables_.end());
            r_.report(
                Code::UnknownVariable, node.place, pointer,
                fmt::format("variable {} is not set by {}", quoted(text),
                            kernel() ? "any step of the kernel" : "an earlier step"),
                known.empty() ? "\"alloc\" and \"find\" set variables" : suggest(text, known));
        }
        return text;
    }

    Reading& r_;
    const StepWords& words_;
    StepPlace place_;
    std::set<std::string> variables_;
    MadeNames made_;
    std::vector<std::string> mappings_;       // of a process
    std::vector<std::string> every_mapping_;  // those before an exec too
};

}  // namespace

platform::PasidRange read_range(Reading& reading, const Node* node, const std::string& pointer,
                                bool may_be_empty) {
    platform::PasidRange range;
    if (node == nullptr) {
        return range;
    }
    range.min = static_cast<std::uint32_t>(integer_of(node->get("min"), range.min));
    range.max = static_cast<std::uint32_t>(integer_of(node->get("max"), range.max));
    if (range.min > range.max && !may_be_empty) {
        reading.report(Code::MinAboveMax, node->place, pointer,
                       fmt::format("min {} is larger than max {}", range.min, range.max));
    }
    return range;
}

std::vector<Step> read_steps(Reading& reading, const StepWords& words, const Node* list,
                             const std::string& pointer, StepPlace place, ProcessNames* known) {
    StepReader reader(reading, words, place, known != nullptr ? *known : ProcessNames{});
    std::vector<Step> steps = reader.read(list, pointer);
    if (known != nullptr) {
        *known = reader.names();
    }
    return steps;
}

}  // namespace ioasim::scenario
