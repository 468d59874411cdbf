// Injections: which fault, what starts it, and for those that are steps of a program, the program.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "core/base/words.hpp"
#include "scenarios/language/compose.hpp"
#include "scenarios/language/read_steps.hpp"

namespace ioasim::scenario {
namespace {

using platform::InjectParam;
using platform::InjectValue;
using platform::InjectWay;

// Programs of injections that may run at once: each has a thread from the start.
constexpr std::uint64_t kMostPrograms = 64;

void place_all(Node& node, const Place& place) {
    node.place = place;
    for (Node& item : node.items) {
        place_all(item, place);
    }
    for (Member& member : node.members) {
        member.place = place;
        place_all(member.value, place);
    }
}

bool read_chance(const std::string& text, std::uint64_t& of, std::uint64_t& in) {
    const std::size_t slash = text.find('/');
    const auto digits = [](std::string_view word, std::uint64_t& value) {
        const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
        return parsed.ec == std::errc() && parsed.ptr == word.data() + word.size();
    };
    const std::string_view all = text;
    return slash != std::string::npos && digits(all.substr(0, slash), of) &&
           digits(all.substr(slash + 1), in) && of >= 1 && of <= in;
}

class InjectReader {
public:
    InjectReader(Reading& reading, const StepWords& words, const platform::PlatformConfig& config)
        : r_(reading), words_(words), config_(config) {}

    std::vector<platform::InjectionConfig> read() {
        std::vector<platform::InjectionConfig> all;
        std::size_t index = 0;
        for (const Node& item : items_of(r_.root.get("inject"))) {
            const std::string pointer = pointer_join("/inject", index);
            platform::InjectionConfig injection;
            if (item.is(Node::Kind::Object) && one(item, pointer, index, injection)) {
                all.push_back(std::move(injection));
            }
            ++index;
        }
        return all;
    }

private:
    bool one(const Node& item, const std::string& pointer, std::size_t index,
             platform::InjectionConfig& injection) {
        const Node* const fault = item.get("fault");
        if (fault == nullptr || !fault->is(Node::Kind::String) || fault->text.empty()) {
            return false;  // told already
        }
        const platform::InjectMeaning meaning = platform::read_fault(fault->text, config_);
        if (meaning.fault.kind == nullptr) {
            r_.report(Code::UnknownFault, fault->place, pointer_join(pointer, "fault"),
                      meaning.problem,
                      meaning.choices.empty() ? "`ioasim inject list` shows all kinds"
                                              : suggest(fault->text, meaning.choices));
            return false;
        }
        injection.fault = meaning.fault;
        const bool started = trigger(item, pointer, injection);
        std::map<std::string, Node> values;
        return parameters(item, pointer, injection, values) && started &&
               program(item, pointer, index, values, injection);
    }

    bool wrong(const Node& node, const std::string& pointer, const std::string& text,
               const std::string& help) {
        r_.report(Code::BadTrigger, node.place, pointer, text, help);
        return false;
    }

    bool trigger(const Node& item, const std::string& pointer, platform::InjectionConfig& out) {
        const bool site = out.fault.kind->way == InjectWay::Site;
        const Node* const at = item.get("at");
        const Node* const when = item.get("when");
        const Node* const nth = item.get("nth");
        const Node* const chance = item.get("chance");
        bool good = true;
        if (at != nullptr && when != nullptr) {
            good = wrong(*when, pointer + "/when", "an injection starts at a time or by an event",
                         "either \"at\" or \"when\"");
        }
        if (!site && at == nullptr && when == nullptr) {
            good = wrong(item, pointer, fmt::format("nothing starts {}", out.fault.kind->name),
                         "\"at\": a time, or \"when\": an event");
        }
        if (nth != nullptr && (!site || chance != nullptr)) {
            good = wrong(*nth, pointer + "/nth",
                         site ? "the n-th call or each by chance, not both"
                              : fmt::format("{} has no calls to count", out.fault.kind->name),
                         site ? "either \"nth\" or \"chance\"" : "\"nth\" inside \"when\"");
        }
        if (chance != nullptr && !site && when == nullptr) {
            good = wrong(*chance, pointer + "/chance", "a time has no chance to be drawn",
                         "with \"when\": each such event draws");
        }
        const Node* const count = item.get("count");
        if (!site && at != nullptr && integer_of(count, 1) > 1) {
            good = wrong(*count, pointer + "/count", "a time comes once",
                         "with \"when\": so many such events; else an item for each time");
        }
        if (const Node* stream = item.get("stream"); stream != nullptr && chance == nullptr) {
            good = wrong(*stream, pointer + "/stream", "nothing is drawn from this stream",
                         "it belongs to \"chance\"");
        }
        if (at != nullptr) {
            out.at = time_of(at, TimePs{});
            out.trigger = "at " + format_time(*out.at);
        }
        out.nth_call = integer_of(nth, 1);
        out.count = integer_of(count, chance != nullptr && site ? 0 : 1);
        out.stream = text_of(item.get("stream"), "inject");
        if (chance != nullptr && chance->is(Node::Kind::String)) {
            out.certain = false;
            if (!read_chance(chance->text, out.chance_of, out.chance_in)) {
                good = wrong(*chance, pointer + "/chance",
                             fmt::format("{} is no chance", quoted(chance->text)),
                             "so many of so many: \"1/1000\"");
            }
        }
        good = (when == nullptr || event(*when, pointer + "/when", out)) && good;
        if (chance != nullptr) {
            out.trigger += (out.trigger.empty() ? "" : ", ") + ("chance " + text_of(chance));
        } else if (site) {
            out.trigger += fmt::format("{}call {}", out.trigger.empty() ? "" : ", ", out.nth_call);
        }
        return good;
    }

    bool event(const Node& when, const std::string& pointer, platform::InjectionConfig& out) {
        const std::optional<Pattern> pattern = read_pattern(r_, when, pointer);
        if (!pattern) {
            return false;
        }
        out.nth = integer_of(when.get("nth"), 1);
        out.trigger = pattern->text + (out.nth == 1 ? "" : fmt::format(", number {}", out.nth));
        out.when = platform::InjectEvent{
            pattern->event,
            [pattern = *pattern](const trace::EventRecord& record, const trace::NameTable& names) {
                return matches(pattern, record, names);
            }};
        return true;
    }

    // --- parameters ---

    bool parameters(const Node& item, const std::string& pointer, platform::InjectionConfig& out,
                    std::map<std::string, Node>& values) {
        const std::vector<InjectParam>& params = out.fault.kind->params;
        bool good = foreign_keys(item, pointer, out);
        for (const InjectParam& param : params) {
            const Node* const given = item.get(param.key);
            if (given == nullptr && *param.initial == '\0') {
                r_.report(
                    Code::MissingKey, item.place, pointer,
                    fmt::format("{} needs the key {}", out.fault.kind->name, quoted(param.key)),
                    param.doc);
                good = false;
                continue;
            }
            const Node initial = initial_of(param, item.place);
            const Node& node = given == nullptr ? initial : *given;
            good = in_range(param, node, pointer_join(pointer, param.key), out) && good;
            values[param.key] = node;
        }
        if (out.fault.kind->way == InjectWay::Site && !params.empty()) {
            out.extent = out.numbers[params.front().key];
        }
        return good;
    }

    bool foreign_keys(const Node& item, const std::string& pointer,
                      const platform::InjectionConfig& out) {
        std::vector<std::string> own;
        for (const InjectParam& param : out.fault.kind->params) {
            own.emplace_back(param.key);
        }
        bool good = true;
        for (const InjectParam& param : platform::inject_params()) {
            const Member* const member = item.find(param.key);
            if (member != nullptr && std::find(own.begin(), own.end(), param.key) == own.end()) {
                r_.report(Code::UnknownKey, member->place, pointer_join(pointer, param.key),
                          fmt::format("{} has no {}", out.fault.kind->name, quoted(param.key)),
                          own.empty() ? "it has no parameters"
                                      : fmt::format("it has {}", quoted_list(own)));
                good = false;
            }
        }
        return good;
    }

    static Node initial_of(const InjectParam& param, const Place& place) {
        const std::string text = param.initial;
        const bool number =
            !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        return number ? Node::number(std::stoull(text), place) : Node::string(text, place);
    }

    bool in_range(const InjectParam& param, const Node& node, const std::string& pointer,
                  platform::InjectionConfig& out) {
        if (param.value == InjectValue::Text) {
            return true;
        }
        const bool text = param.value == InjectValue::Time || param.value == InjectValue::Size;
        if (text != node.is(Node::Kind::String) && param.value != InjectValue::Address) {
            return false;  // told already: the wrong type
        }
        if ((param.value == InjectValue::Time && !parse_time_text(node.text).ok()) ||
            (param.value == InjectValue::Size && !parse_size_text(node.text).ok())) {
            return false;  // as is a time or a size that is none
        }
        const std::uint64_t value = param.value == InjectValue::Time ? time_of(&node, TimePs{}).ps()
                                    : param.value == InjectValue::Size ? size_of(&node, 0)
                                                                       : quantity_of(&node, 0);
        out.numbers[param.key] = value;
        if (value >= param.low && value <= param.high) {
            return true;
        }
        const auto shown = [&param](std::uint64_t v) {
            return param.value == InjectValue::Time ? format_time(TimePs{v}) : fmt::format("{}", v);
        };
        r_.report(Code::OutOfRange, node.place, pointer,
                  fmt::format("{} of {} is {} to {}", quoted(param.key), out.fault.kind->name,
                              shown(param.low), shown(param.high)));
        return false;
    }

    // --- steps ---

    bool program(const Node& item, const std::string& pointer, std::size_t index,
                 std::map<std::string, Node>& values, platform::InjectionConfig& out) {
        const platform::InjectKind& kind = *out.fault.kind;
        if (kind.way != InjectWay::Steps) {
            return true;
        }
        if (config_.without_kernel()) {
            r_.report(
                Code::Platform, item.place, pointer,
                fmt::format("{} is done by software, and nobody boots a kernel here", kind.name));
            return false;
        }
        if (out.count > kMostPrograms) {
            r_.report(Code::OutOfRange, item.get("count")->place, pointer + "/count",
                      fmt::format("{} happens at most {} times", kind.name, kMostPrograms));
            return false;
        }
        values["target"] = Node::string(out.fault.target, item.place);
        values["vm"] = Node::string(machine_of(out.fault.target), item.place);
        out.program.on = expand(Node::string(std::string(kind.on)), values).text;
        out.program.process = fmt::format("inject{}", index);
        out.program.go_on = true;
        if (!place_exists(out.program.on)) {
            r_.report(Code::UnknownComponent, item.place, pointer,
                      fmt::format("there is no {}", quoted(out.program.on)),
                      "the virtual machine has fewer processors");
            return false;
        }
        Node steps = expand(template_of(kind), values);
        place_all(steps, item.place);
        out.act = act_of(kind, steps);
        out.program.steps = read_steps(r_, words_, &steps, pointer, place_of(out.program.on));
        for (platform::Step& step : out.program.steps) {
            step.any_result = true;  // what comes of it is for the scenario to judge
        }
        return true;
    }

    // Where among the steps that it is made of the act of a kind stands: behind all that the
    // catalogue has before it, each as often as it is repeated.
    static std::size_t act_of(const platform::InjectKind& kind, const Node& steps) {
        std::size_t index = 0;
        for (const Node& item : items_of(&steps)) {
            if (kind.act.empty() || item.get(std::string(kind.act)) != nullptr) {
                break;
            }
            const Node* const repeat = item.get("$repeat");
            index += repeat == nullptr ? 1 : quantity_of(repeat->get("count"), 1);
        }
        return index;
    }

    // The machine itself, or the one whose virtual device it is.
    std::string machine_of(const std::string& target) const {
        for (const platform::VmConfig& vm : config_.vms) {
            for (const platform::MdevConfig& mdev : vm.mdevs) {
                if (mdev.name == target) {
                    return vm.name;
                }
            }
        }
        return target;
    }

    bool place_exists(const std::string& on) const {
        const std::size_t vcpu = on.find("/vcpu");
        return vcpu == std::string::npos ||
               std::any_of(config_.vms.begin(), config_.vms.end(),
                           [&](const platform::VmConfig& vm) {
                               return vm.name == on.substr(0, vcpu) &&
                                      std::stoul(on.substr(vcpu + 5)) < vm.vcpus;
                           });
    }

    static StepPlace place_of(const std::string& on) {
        return on == "host/kernel"                    ? StepPlace::KernelThread
               : on == "host"                         ? StepPlace::HostProcess
               : on.find("/vmm") != std::string::npos ? StepPlace::Vmm
                                                      : StepPlace::Vcpu;
    }

    // The catalogue's text is our own: what is wrong in it is a bug, not a mistake of the reader.
    static Node template_of(const platform::InjectKind& kind) {
        SourceSet sources;
        Diagnostics diagnostics;
        Node steps;
        const std::uint32_t file = sources.add(std::string(kind.name), std::string(kind.steps));
        SIM_CHECK(parse_json(file, sources, diagnostics, steps) && !diagnostics.has_errors(),
                  "the steps of {} are no JSON", kind.name);
        return steps;
    }

    static Node expand(Node node, const std::map<std::string, Node>& values) {
        Diagnostics diagnostics;
        substitute(node, values, "", diagnostics);
        SIM_CHECK(!diagnostics.has_errors(), "a text of the catalogue names what is not there");
        return node;
    }

    Reading& r_;
    const StepWords& words_;
    const platform::PlatformConfig& config_;
};

}  // namespace

std::vector<platform::InjectionConfig> read_injections(Reading& reading, const StepWords& words,
                                                       const platform::PlatformConfig& config) {
    return InjectReader(reading, words, config).read();
}

}  // namespace ioasim::scenario
