#include "tools/cli/inject/inject_cli.hpp"

#include <memory>
#include <vector>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "models/platform/injections.hpp"
#include "scenarios/language/diagnostics.hpp"
#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/terminal.hpp"

namespace ioasim::tools {
namespace {

using platform::InjectKind;
using platform::InjectParam;
using platform::InjectTarget;
using platform::InjectValue;
using platform::InjectWay;

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

std::string bound(const InjectParam& param, std::uint64_t value) {
    return param.value == InjectValue::Time ? format_time(TimePs{value}) : fmt::format("{}", value);
}

std::string range_of(const InjectParam& param) {
    if (param.value == InjectValue::Text) {
        return "text";
    }
    const char* const unit = param.value == InjectValue::Time      ? "time"
                             : param.value == InjectValue::Size    ? "size"
                             : param.value == InjectValue::Address ? "address"
                                                                   : "number";
    return param.high == kNoLimit ? fmt::format("{} from {}", unit, bound(param, param.low))
                                  : fmt::format("{} {} to {}", unit, bound(param, param.low),
                                                bound(param, param.high));
}

// `"delay": "2us", ` of what must be given, with an example of each.
std::string needed_keys(const InjectKind& kind) {
    std::string text;
    for (const InjectParam& param : kind.params) {
        if (*param.initial == '\0') {
            const bool number = param.value == InjectValue::Number;
            text += fmt::format(", \"{}\": {}", param.key,
                                param.value == InjectValue::Text      ? "\"...\""
                                : number                              ? "5"
                                : param.value == InjectValue::Address ? "\"0x100000\""
                                                                      : "\"...\"");
        }
    }
    return text;
}

const char* example_target(InjectTarget target) {
    switch (target) {
        case InjectTarget::Function:
        case InjectTarget::Accelerator:
        case InjectTarget::Slot:
            return "dsa0";
        case InjectTarget::Unit:
            return "iommu0";
        case InjectTarget::Machine:
            return "vm1";
        case InjectTarget::VirtualDevice:
            return "vdev0";
        case InjectTarget::Process:
            return "host/app";
        case InjectTarget::Block:
            return "kvm/vm1";
        case InjectTarget::Anywhere:
            break;
    }
    return nullptr;
}

std::string examples(const InjectKind& kind) {
    const char* const target = example_target(kind.target);
    const std::string name =
        target == nullptr ? std::string(kind.name) : fmt::format("{}.{}", target, kind.word());
    const std::string keys = needed_keys(kind);
    std::string text = fmt::format("  {{\"at\": \"12us\", \"fault\": \"{}\"{}}}\n", name, keys);
    if (kind.way == InjectWay::Site) {
        text += fmt::format("  {{\"fault\": \"{}\", \"nth\": 3{}}}\n", kind.name, keys);
        text +=
            fmt::format("  {{\"fault\": \"{}\", \"chance\": \"1/1000\", \"stream\": \"s\"{}}}\n",
                        kind.name, keys);
    } else {
        text += fmt::format(
            "  {{\"when\": {{\"event\": \"dsa.complete\", \"nth\": 5}}, \"fault\": \"{}\"{}}}\n",
            name, keys);
    }
    return text;
}

std::vector<std::string> kind_names() {
    std::vector<std::string> names;
    for (const InjectKind& kind : platform::inject_kinds()) {
        names.emplace_back(kind.name);
    }
    return names;
}

int explain(const std::string& name) {
    const std::string entry = inject_entry(name);
    if (entry.empty()) {
        print_err(
            scenario::render_plain(scenario::Code::UnknownFault,
                                   fmt::format("there is no injection {}", ioasim::quoted(name)),
                                   suggest(name, kind_names())));
        return kUsage;
    }
    print_out(entry);
    return kPass;
}

}  // namespace

std::string inject_list() {
    std::string out;
    for (const InjectKind& kind : platform::inject_kinds()) {
        out += fmt::format("{:<36} {}\n", kind.name, kind.effect);
    }
    return out;
}

std::string inject_entry(const std::string& name) {
    const InjectKind* const kind = platform::find_inject_kind(name);
    if (kind == nullptr) {
        return {};
    }
    std::string out = fmt::format("injection {}\n\n  what happens   {}\n  who notices    {}\n",
                                  kind->name, kind->effect, kind->noticed);
    const bool site = kind->way == InjectWay::Site;
    if (kind->target != InjectTarget::Anywhere) {
        out += fmt::format("  befalls        {}{}\n", platform::target_text(kind->target),
                           site ? "; by the whole name any of them" : "");
    }
    out += fmt::format(
        "  starts         {}\n",
        site ? "at its n-th call or by chance, from the start, a time or an event on"
             : "at a time, at the n-th event of a pattern, or by chance at such events");
    for (const InjectParam& param : kind->params) {
        out += fmt::format("  {:<14} {} ({}{})\n", param.key, param.doc, range_of(param),
                           *param.initial == '\0' ? std::string("; must be given")
                                                  : fmt::format("; {}", param.initial));
    }
    if (kind->way == InjectWay::Steps) {
        out += fmt::format("  runs on        {}\n  steps          {}\n", kind->on, kind->steps);
    }
    out += fmt::format("  source         {}\n  shown by       scenarios/{}\n\n{}", kind->source,
                       kind->scenario, examples(*kind));
    return out;
}

void add_inject(CLI::App& app, std::function<int()>& verb) {
    CLI::App& inject =
        *app.add_subcommand("inject", "faults that a scenario can bring in from outside");
    inject.require_subcommand(1);
    inject.footer(R"(Examples:
  ioasim inject list                        one line a kind
  ioasim inject explain dsa.submission_retry)");
    CLI::App& list = *inject.add_subcommand("list", "every kind, one line each");
    list.footer(R"(Examples:
  ioasim inject list | grep '^pcie')");
    list.callback([&verb] {
        verb = [] {
            print_out(inject_list());
            return static_cast<int>(kPass);
        };
    });
    CLI::App& about = *inject.add_subcommand("explain", "what happens, to whom, who notices");
    const auto name = std::make_shared<std::string>();
    about.add_option("KIND", *name, "a kind, as `ioasim inject list` names it")->required();
    about.footer(R"(Examples:
  ioasim inject explain vm.kill             its parameters, and the scenario that shows it

In a scenario: {"inject": [{"at": "12us", "fault": "vm1.kill"}]})");
    about.callback([&verb, name] { verb = [name] { return explain(*name); }; });
}

}  // namespace ioasim::tools
