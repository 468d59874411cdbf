// ioasim trace explain: the life of an ID, a descriptor, a machine or a fault, told in order.
#include <CLI/CLI.hpp>

#include "tools/cli/cli_parts.hpp"
#include "tools/cli/run_result.hpp"
#include "tools/cli/signals.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/trace/filter_options.hpp"
#include "tools/cli/trace/trace_cli.hpp"
#include "tools/cli/trace/trace_input.hpp"
#include "traces/questions/injected.hpp"
#include "traces/questions/part.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::tools {
namespace {

constexpr std::uint64_t kLargest = 0xFFFF'FFFE;

struct Options {
    InputOptions input;
    std::optional<std::uint64_t> ioasid;
    std::optional<std::uint64_t> descriptor;
    std::optional<std::uint64_t> fault;
    std::string vm;
    std::optional<std::uint64_t> at;
    traces::Wanted wanted;
    std::uint64_t life = 0;
    std::string format = "text";
};

using Teller = traces::QuestionError (*)(const traces::Scene&, const traces::Wanted&,
                                         traces::Story&);

Teller teller_of(Options& o) {
    const auto number = [&o](const std::optional<std::uint64_t>& value, Teller teller) {
        o.wanted.number = static_cast<std::uint32_t>(*value);
        return teller;
    };
    return o.ioasid       ? number(o.ioasid, &traces::ioasid_story)
           : o.descriptor ? number(o.descriptor, &traces::descriptor_story)
           : o.fault      ? number(o.fault, &traces::fault_story)
           : o.vm.empty() ? nullptr
                          : &traces::vm_story;
}

std::string shown(const traces::Story& story, const std::string& format) {
    return format == "json"     ? story_json(story)
           : format == "mail"   ? story_chart(story)
           : format == "states" ? story_states(story)
           : format == "svg"    ? story_svg(story)
                                : story_text(story);
}

int about_everything(const Options& o, const traces::Scene& scene, const traces::Part& part) {
    const std::string note = part.whole() ? "" : part.note() + "\n";
    if (!o.at) {
        print_out(note + overview_text(scene));
        return kPass;
    }
    const TimePs time{*o.at};
    if (const traces::QuestionError error = part.unknown_at(time)) {
        return refuse(error);
    }
    print_out(note + part.behind_end(time) + situation_text(scene, time));
    return kPass;
}

// An option without the one that it belongs to says nothing.
traces::QuestionError idle_option(const Options& o) {
    if ((o.life != 0 || !o.wanted.kernel.empty()) && !o.ioasid) {
        return {
            fmt::format("{} is about the life of an IOASID", o.life != 0 ? "--life" : "--kernel"),
            "--ioasid N says of which"};
    }
    if (!o.wanted.device.empty() && !o.descriptor) {
        return {"--device is about the way of a descriptor", "--descriptor N says of which"};
    }
    return {};
}

int trace_explain(Options& o) {
    end_at_signal();
    o.wanted.name = o.vm;
    if (o.life != 0) {
        o.wanted.life = o.life;
    }
    if (const traces::QuestionError error = idle_option(o)) {
        return refuse(error);
    }
    const Teller teller = teller_of(o);
    if (teller == nullptr && o.format != "text") {
        return refuse({fmt::format("--format {} is for the story of one thing", o.format),
                       "--ioasid, --descriptor, --vm or --fault says of which"});
    }
    if ((o.format == "states" || o.format == "svg") && !o.ioasid) {
        return refuse({fmt::format("--format {} shows the states of an IOASID", o.format),
                       "--ioasid N says of which"});
    }
    traces::EventLog log;
    traces::JsonlHeader header;
    traces::TraceSelection only;
    const int code = read_log(o.input, log, header, &only);
    if (code != kPass) {
        return code;
    }
    const traces::Scene scene(log);
    const traces::Part part(log, only);
    const std::string note = part.note();
    if (teller == nullptr) {
        return about_everything(o, scene, part);
    }
    traces::Story story;
    if (traces::QuestionError error = teller(scene, o.wanted, story)) {
        if (!note.empty()) {
            error = {error.text + " in this trace", note};
        }
        return refuse(error);
    }
    tell_injected(scene, story);
    if (!note.empty()) {
        story.answers.insert(story.answers.begin(), note);
        if (o.format == "states" || o.format == "svg") {
            print_err("note: " + note + "\n");
        }
    }
    print_out(shown(story, o.format));
    return kPass;
}

}  // namespace

void add_trace_explain(CLI::App& trace, std::function<int()>& verb) {
    const auto options = std::make_shared<Options>();
    Options& o = *options;
    CLI::App& explain = *trace.add_subcommand(
        "explain", "the life of one thing: what happened, why, who held it, how long it took");
    explain
        .add_option("TRACE", o.input.file,
                    "a trace (.jsonl, .jsonl.gz), the folder of a run's results, or a scenario, "
                    "which is run for it")
        ->required();
    CLI::Option_group& what = *explain.add_option_group("what");
    number_option(what, "--ioasid", o.ioasid, "the life of this IOASID", 0, kLargest);
    number_option(what, "--descriptor", o.descriptor, "the way of this descriptor", 1, kLargest);
    what.add_option("--vm", o.vm, "a virtual machine from beginning to end")
        ->type_name("NAME")
        ->check(not_empty());
    number_option(what, "--fault", o.fault, "the N-th blocked request or page request", 1,
                  kLargest);
    time_option(what, "--at", o.at, "who held what and who waited at this time: 84.2us");
    what.require_option(0, 1);
    explain.add_option("--kernel", o.wanted.kernel, "of an IOASID: whose number (host, vm1)")
        ->type_name("NAME");
    number_option(explain, "--life", o.life, "of an IOASID: which life, from 1 (the last)", 1,
                  kLargest);
    explain.add_option("--device", o.wanted.device, "of a descriptor: whose")->type_name("NAME");
    explain
        .add_option("--format", o.format,
                    "text; json; mail: an ASCII chart of 72 columns for a review; of an IOASID "
                    "also states and svg: its states and the way through them")
        ->check(CLI::IsMember({"text", "json", "mail", "states", "svg"}));
    input_options(explain, o.input);
    explain.footer(R"(Examples:
  ioasim trace explain x.json                       what there is, what failed first
  ioasim trace explain out/two-vms-1 --at 84.2us    who held what when it failed
  ioasim trace explain x.json --ioasid 202          and why
  ioasim trace explain x.json --ioasid 101 --kernel vm1
  ioasim trace explain events.jsonl --descriptor 15 --device dsa0
  ioasim trace explain x.json --vm vm2 --format mail
  ioasim trace explain x.json --ioasid 202 --format svg > life.svg

A `!` marks what failed, and what was never dropped. Under what happened stands why, said once for
all that follows from it.)");
    explain.callback([options, &verb] { verb = [options] { return trace_explain(*options); }; });
}

}  // namespace ioasim::tools
