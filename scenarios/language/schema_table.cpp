// The one list of what can be written in a scenario.
#include "core/base/timing_profile.hpp"
#include "core/ioasid/switch_table.hpp"
#include "models/platform/core_call.hpp"
#include "models/platform/device_commands.hpp"
#include "scenarios/language/schema.hpp"
#include "scenarios/language/schema_types.hpp"

namespace ioasim::scenario {
namespace {

using namespace types;
using Kind = Type::Kind;

constexpr std::uint64_t kMs = 1'000'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::uint64_t kDay = 24 * 3600 * kSecond;

constexpr const char* kComponentChars = "_-";
constexpr std::uint64_t kLastPasid = 0xFFFFF;
constexpr std::uint64_t kLastId = 0xFFFFFFFF;  // an ioasid_t; INVALID_IOASID itself

const Type& component_name(const char* what) {
    return name(what, kComponentChars);
}

const Type& pasid_range() {
    static const Type& t =
        object("a range", {{"min", &integer(0, kLastPasid), true, "lowest value, inclusive", ""},
                           {"max", &integer(0, kLastPasid), true, "highest value, inclusive", ""}});
    return t;
}

// Kernel code may ask for numbers beyond a PASID's 20 bits.
const Type& id_range() {
    static const Type& t =
        object("a range", {{"min", &integer(0, kLastId), true, "lowest value, inclusive", ""},
                           {"max", &integer(0, kLastId), true, "highest value, inclusive", ""}});
    return t;
}

const Type& profile_type() {
    static const Type& t = choice({"spec", "v4", "dcp", "mainline"});
    return t;
}

const Type& platform_type() {
    const Type& iommu = object(
        "an IOMMU",
        {{"name", &component_name("the name of an IOMMU"), true, "its name", ""},
         {"node", &integer(0, 1), false, "the socket that it and its devices belong to", "0"},
         {"host", &text("the name of a host", 1), false,
          "whose kernel owns it and the devices behind it", "\"host\""}});
    const Type& host =
        object("a host", {{"name", &component_name("the name of a host"), true, "its name", ""}});
    const Type& workqueue =
        object("a workqueue",
               {{"name", &component_name("the name of a workqueue"), true, "its name", ""},
                {"mode", &choice({"shared", "dedicated"}), false,
                 "shared takes ENQCMD with a PASID each, dedicated MOVDIR64B", "\"shared\""},
                {"size", &integer(1, 128), false, "entries", "16"},
                {"threshold", &integer(1, 128), false,
                 "shared: entries that ENQCMD may fill (default: all)", ""},
                {"priority", &integer(1, 15), false, "weight against other workqueues of its group",
                 "10"}});
    const Type& device = object(
        "a device",
        {{"name", &component_name("the name of a device"), true, "its name", ""},
         {"iommu", &text("the name of an IOMMU", 1), true, "the IOMMU it sits behind", ""},
         {"rid", &text("a requester id (\"00:01.0\")", 1), false,
          "requester id (default: in order of listing)", ""},
         {"ats", &boolean(), false, "it has a TLB of its own (ATS), page requests too", "false"},
         {"grouped", &boolean(), false, "the kernel has an IOMMU group for it", "true"},
         {"hotplug", &boolean(), false, "it is in a slot, from which it can be pulled", "false"},
         {"engines", &integer(1, 8), false, "engines", "1"},
         {"kind", &choice({"dsa", "requester"}), false,
          "an accelerator, or a function that bare programs drive as they like", "\"dsa\""},
         {"workqueues", &list(workqueue, 1, 8), false, "dsa: its workqueues", ""},
         {"group", &component_name("the name of a group"), false,
          "IOMMU group: functions that the fabric does not keep apart (default: its name)", ""},
         {"address_bits", &integer(12, 64), false,
          "bits of an address that the bus above it passes on", "64"},
         {"firmware", &firmware_type(), false, "what firmware says of it", "{}"}});
    const Type& ioasid =
        object("the IOASID core",
               {{"profile", &profile_type(), false, "which documented variant of the IOASID core",
                 "\"spec\""},
                {"switches", &map(scalar()), false,
                 "single differences between the variants, away from the profile's: name and "
                 "value; `ioasim explain switches` lists them",
                 "{}"},
                {"capacity", &integer(1, 0x100000), false, "IDs in the host's pool", "1048576"}});
    return object(
        "a platform",
        {{"cpus", &integer(1, 256), false, "host CPUs", "4"},
         {"hosts", &list(host, 0, 3), false,
          "hosts beside \"host\": each a kernel with its own IOASID core, units, devices and an "
          "equal part of memory",
          "[]"},
         {"iommus", &list(iommu, 0, 16), false, "VT-d units", "[]"},
         {"devices", &list(device, 0, 64), false, "accelerators", "[]"},
         {"ioasid", &ioasid, false, "the host's IOASID core", ""},
         {"timing", &choice(timing_profile_names()), false,
          "the machine whose latencies and rates the models have; `ioasim explain profile NAME`",
          "\"spr\""},
         {"params", &map(any("a value with its unit")), false,
          "parameters of models: \"COMPONENT.PATH\": value; COMPONENT is an instance (\"iommu0\") "
          "or a kind (\"iommu\"); `ioasim params` lists them",
          "{}"}});
}

const Type& vm_type() {
    const Type& mdev =
        object("a virtual device", {{"name", &component_name("the name of a virtual device"), true,
                                     "as its guest calls it", ""},
                                    {"workqueue", &text("a workqueue (\"dsa0/wq0\")", 1), true,
                                     "the workqueue that it has: a dedicated one is its own", ""},
                                    {"aux", &boolean(), false,
                                     "the machine's memory is an auxiliary domain of the parent, "
                                     "with a default PASID for queues without one",
                                     "false"}});
    return object(
        "a virtual machine",
        {{"name", &component_name("the name of a virtual machine"), true, "its name", ""},
         {"vcpus", &integer(1, 64), false, "virtual CPUs", "1"},
         {"quota", &integer(1, 0x100000), false, "IDs that its IOASID set may hold", "1000"},
         {"memory", &size(1ULL << 20U, 1ULL << 40U), false, "guest memory", "\"4MiB\""},
         {"functions", &list(component_name("the name of a device"), 0, 16), false,
          "requesters that it has for itself, beside the accelerators that all share", "[]"},
         {"gpasids", &pasid_range(), false, "guest PASIDs (SPIDs) that its VMM hands out",
          R"({"min": 1, "max": 1048575})"},
         {"pasids", &pasid_range(), false, "host IDs that its VMM asks for",
          R"({"min": 1, "max": 1048575})"},
         {"host", &text("the name of a host", 1), false, "the host that it starts on", "\"host\""},
         {"mdevs", &list(mdev), false,
          "virtual devices, each a workqueue of an accelerator (default: all accelerators as whole "
          "functions, with the host's configuration)",
          "[]"}});
}

const Type& wanted_error() {
    Type& t = make(Kind::Errno, "an error number (\"ENOSPC\", \"0\") or \"any\"");
    t.choices = {"any"};
    return t;
}

// A variable of the program, or a number.
const Type& id_type() {
    static const Type& t =
        either("a variable (\"A\") or a number", {&name("a variable", "_"), &integer(0, kLastId)});
    return t;
}

// Arguments and subject of a call, from the table of calls.
const Type& argument_type(const platform::CallArgSpec& spec) {
    using V = platform::CallValue;
    const std::vector<std::string> names(spec.choices.begin(), spec.choices.end());
    switch (spec.value) {
        case V::Number:
            return integer(0, kLastId);
        case V::Flag:
            return boolean();
        case V::Name:
            return text("a name", 1);
        case V::Choice:
            return choice(names);
        case V::Id:
            return id_type();
        case V::NumberOrName:
            return either("a number or a name", {&choice(names), &integer(0, kLastId)});
    }
    return scalar();
}

const Type& subject_type(platform::CallSubject subject) {
    using S = platform::CallSubject;
    switch (subject) {
        case S::NewId:
            return name("a variable", "_");
        case S::Id:
            return id_type();
        case S::Number:
            return integer(0, kLastId);
        case S::NewSet:
        case S::Lock:
        case S::Name:
            return name("a name", "_-");
        case S::True:
            return boolean();
        default:
            return text("a name", 1);
    }
}

std::vector<Case> call_cases() {
    std::vector<Case> cases;
    for (const platform::CallSpec& call : platform::call_specs()) {
        Case one{call.key, &subject_type(call.subject), call.doc, {}};
        for (const auto* args : {&call.required, &call.optional}) {
            for (const platform::CallArg arg : *args) {
                const platform::CallArgSpec& spec = platform::arg_spec(arg);
                one.options.push_back(
                    {spec.key, &argument_type(spec), args == &call.required, spec.doc, ""});
            }
        }
        cases.push_back(std::move(one));
    }
    return cases;
}

const Type& one_or_more() {
    static const Type& t =
        either("a value or a list of values", {&scalar(), &list(scalar(), 1, 1000)});
    return t;
}

// Of a step: told from parameters, before the run.
const Type& condition_type() {
    static const Type& t = object(
        "a condition", {{"value", &scalar(), true, "a parameter (\"${END}\")", ""},
                        {"is", &one_or_more(), true, "what it must be, or one of these", ""}});
    return t;
}

template <class T>
void append(std::vector<T>& list, std::vector<T> more) {
    list.insert(list.end(), more.begin(), more.end());
}

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const platform::NamedCode& command : platform::kDeviceCommands) {
        names.emplace_back(command.name);
    }
    return names;
}

const Type& make_step_type() {
    Type& step = make(Kind::Cases, "a step");
    step.definition = "step";
    const Type& device = text("the name of a device", 1);
    const Type& set = text("the name of a set", 1);
    const Type& variable = name("a variable", "_");
    const Type& completions = choice({"completions"});
    const Type& queue = text("a workqueue (\"dsa0/wq0\")", 1);
    Type& submit = make(Kind::Object, "a submission");
    submit.fields = {{"to", &queue, true, "device and workqueue", ""},
                     {"pasid", &id_type(), true, "the address space of the descriptors", ""},
                     {"op", &choice({"memmove", "noop"}), false, "operation", "\"memmove\""},
                     {"size", &size(1, 1ULL << 31U), false, "bytes of one descriptor", "\"4KiB\""},
                     {"count", &integer(1, 10'000'000), false, "descriptors", "1"},
                     {"pattern", &integer(0, 255), false, "first byte of the source data", "0"},
                     {"wait", &boolean(), false,
                      "wait for all completion records before the next step", "true"}};
    append(submit.fields, submission_mappings());
    step.cases = {
        {"alloc",
         &variable,
         "get an ID into this variable",
         {{"range", &id_range(), false, "lowest and highest ID wanted", ""},
          {"set", &set, false, "the set to allocate from (kernel threads)", ""},
          {"data", &integer(0, kLastId), false, "private data (kernel threads)", ""},
          {"count", &integer(1, kLastPasid + 1), false,
           "so many IDs: the variable stands for all of them, in kernel code for the first", "1"}}},
        {"free",
         &id_type(),
         "give the ID back",
         {{"set", &set, false, "the set named in the call (default: the program's own)", ""}}},
        {"bind",
         &id_type(),
         "bind the process's address space to a device under this ID; on the host the kernel "
         "chooses "
         "the ID and the variable receives it",
         {{"device", &device, true, "the device", ""}}},
        {"unbind", &id_type(), "undo bind", {{"device", &device, true, "the device", ""}}},
        {"submit", &submit, "hand descriptors to a workqueue", {}},
        {"open",
         &queue,
         "open a workqueue; a dedicated one is set to the PASID, of which a reference is kept",
         {{"pasid", &id_type(), true, "the address space, bound to the device", ""}}},
        {"close", &queue, "close it; a dedicated one is cleared, then the reference dropped", {}},
        {"wait",
         &completions,
         "until every descriptor submitted so far has its completion record",
         {{"timeout", &time(1, 1000 * kSecond), false, "give up after this time (-ETIMEDOUT)",
           ""}}},
        {"sleep", &time(1, 1000 * kSecond), "let this time pass", {}},
        {"spend", &time(1, 1000 * kSecond), "keep the CPU busy for this time", {}},
        {"exit",
         &boolean(),
         "the process ends here (true)",
         {{"close_files", &boolean(), false, "first it closes what it has open (host)", "true"}}},
        {"kill", &text("a virtual machine or a program", 1), "kill its VMM, or this process", {}},
        {"hang",
         &text("a virtual machine", 1),
         "its VMM hangs: vCPUs leave the guest and no thread of it goes on, until it is killed",
         {}},
        {"unplug",
         &device,
         "VMM: take an assigned device away from the running virtual machine",
         {}},
        {"migrate",
         &text("the name of a host", 1),
         "VMM: move the running virtual machine to another host",
         {{"range", &id_range(), false, "host IDs that its VMM asks for there", ""}}},
        {"mdev",
         &choice({"reset", "pause", "drain", "resume", "await_request", "remove"}),
         "VMM: resets a virtual device; stops, drains and continues it as a migration does; waits "
         "for "
         "the request to close it; host: removes it, which makes that request",
         {{"device", &device, true, "the virtual device", ""}}},
        {"device_command",
         &choice(command_names()),
         "guest: a command to a virtual device through its registers; the value is its status",
         {{"device", &device, true, "the virtual device", ""},
          {"operand", &integer(0, kLastPasid), false, "index, mask or PASID", "0"}}},
        {"panic", &boolean(), "guest: its kernel stops where it is; nothing is closed", {}},
        {"vm_reset",
         &boolean(),
         "VMM: resets the machine: vCPUs stop, devices are reset, every PASID is unbound and freed",
         {}},
        {"queue_pasid",
         &queue,
         "guest: writes the PASID into the WQCFG of a disabled queue of a virtual device",
         {{"pasid", &id_type(), false, "the guest PASID (default: none)", ""}}}};
    append(step.cases, call_cases());
    append(step.cases, mapping_cases());
    append(step.cases, bare_cases());
    step.fields = {{"error", &wanted_error(), false,
                    "the error number this step must end with (default: it must succeed); "
                    "\"any\": whatever comes, expectations judge it",
                    ""},
                   {"profiles", &list(profile_type(), 1, 4), false,
                    "the step is there in these profiles of the IOASID core only", ""},
                   {"when",
                    &either("a condition or a list of them",
                            {&condition_type(), &list(condition_type(), 1, 8)}),
                    false, "the step is there only where this holds (all of them)", ""}};
    return step;
}

const Type& step_type() {
    static const Type& t = make_step_type();
    return t;
}

const Type& program_type() {
    return object(
        "a program",
        {{"on", &text("\"host\", \"host/kernel\", \"VM/vcpuN\", \"VM/vmm\" or \"bare\"", 1), true,
          "where it runs: \"host\", \"host/kernel\" (a thread of the host's kernel), "
          "\"vm1/vcpu0\", \"vm1/vmm\", \"bare\" (a CPU without a kernel)",
          ""},
         {"process", &component_name("the name of a process"), true,
          "its process; the program's full name is ON/PROCESS", ""},
         {"parent", &component_name("the name of a process"), false,
          "host: the process that forks this one, a program before it; default: none", ""},
         {"mm", &component_name("the name of an address space"), false,
          "kernel thread: the address space that it acts for (default: none)", ""},
         {"start", &time(0, 1000 * kSecond), false, "when it starts", "\"0ps\""},
         {"settle", &boolean(), false,
          "bare program: each step ends when the hardware has nothing left to do", "false"},
         {"go_on", &boolean(), false, "bare program: a step that fails does not end it", "false"},
         {"steps", &list(step_type(), 1), true, "what it does, one after the other", ""}});
}

// {"event": NAME, "where": {...}} or just NAME.
const Type& pattern_type() {
    const Type& event = text("the name of an event", 1);
    static const Type& t = either(
        "an event (its name, or an object with \"event\" and \"where\")",
        {&event,
         &object("an event",
                 {{"event", &event, true, "name, as in `ioasim trace catalogue`", ""},
                  {"where", &map(any("a value of this field")), false,
                   "fields and their values; text may end in '*'; {\"min\": n, \"max\": m}; a list "
                   "means any of them",
                   "{}"}})});
    return t;
}

const Type& make_expect_type() {
    Type& e = make(Kind::Cases, "an expectation");
    e.definition = "expectation";
    const Type& where = map(any("a value of this field"));
    const Type& count = integer(0);
    const Type& nonzero_time = time(0, 1000 * kSecond);
    const std::vector<Field> counts{
        {"count", &count, false, "exactly so many", ""},
        {"at_least", &count, false, "so many or more (default 1, when no other is given)", ""},
        {"at_most", &count, false, "so many or fewer", ""}};
    std::vector<Field> event_options{{"where", &where, false, "fields and their values", "{}"}};
    event_options.insert(event_options.end(), counts.begin(), counts.end());
    const Type& bytes = object(
        "bytes in memory",
        {{"program", &text("a program (\"vm1/vcpu0/app\")", 1), true, "whose buffer", ""},
         {"step", &integer(0, 1'000'000), true, "position of the submit step, from 0", ""},
         {"buffer", &choice({"source", "destination"}), false, "which buffer", "\"destination\""},
         {"offset", &integer(0), false, "first byte", "0"},
         {"length", &integer(1, 1ULL << 26U), false, "bytes (default: to the end)", ""},
         {"equals", &text("\"source\", \"destination\", \"zero\" or bytes in hexadecimal", 1),
          false, "what they must be: \"source\", \"destination\", \"zero\" or bytes (\"00ff10\")",
          ""},
         {"differs", &text("\"source\", \"destination\", \"zero\" or bytes in hexadecimal", 1),
          false, "what they must not be", ""}});
    const Type& latency =
        object("a latency", {{"from", &pattern_type(), true, "the event that starts the clock", ""},
                             {"to", &pattern_type(), true, "the event that stops it", ""},
                             {"match", &text("the name of a field", 1), false,
                              "field that both must agree on (\"ioasid\", \"descriptor\")", ""},
                             {"min", &nonzero_time, false, "at least", ""},
                             {"max", &nonzero_time, false, "at most", ""}});
    e.cases = {
        {"event", &text("the name of an event", 1), "how often an event happens", event_options},
        {"never", &pattern_type(), "an event that must not happen", {}},
        {"order",
         &list(pattern_type(), 2),
         "events that must all happen, none before its turn; repeats of earlier ones are fine",
         {}},
        {"final",
         &text("a path into the final state (\"host.ioasid(201).state\")", 1),
         "a value in the state after the run",
         {{"is", &scalar(), false, "what it must be", ""},
          {"is_not", &scalar(), false, "what it must not be", ""}}},
        {"finding", &text("the code of a finding", 1),
         "a finding that is wanted; any finding that no expectation names fails the run", counts},
        {"ends",
         &choice({"idle", "limit", "hang", "deadlock", "hazard"}),
         "how the run must end (default: idle)",
         {}},
        {"step",
         &text("a step (\"vm1/vcpu0/app[2]\")", 1),
         "the result of one step",
         {{"errno", &error_number(), false, "error number (\"0\": it succeeds)", ""},
          {"value", &integer(0), false, "what it returned (an ID, a count)", ""}}},
        {"bytes", &bytes, "what memory holds after the run", {}},
        {"latency", &latency, "the time between two events, for every pair", {}},
        {"invariants", &choice({"hold"}), "no checker finds anything but what is wanted", {}}};
    e.fields = {
        {"always", &boolean(), false, "also judged when a campaign disturbs the run", "false"},
        {"why", &text("a sentence", 1), false, "shown when it fails", ""}};
    return e;
}

const Type& expect_type() {
    static const Type& t = make_expect_type();
    return t;
}

const Type& param_value() {
    static const Type& t =
        either("a string, an integer, true or false, or an object", {&scalar(), &map(any("any"))});
    return t;
}

const Type& param_type() {
    return object(
        "a parameter",
        {{"type", &choice({"integer", "string", "boolean", "time", "size", "object"}), true,
          "its type; an object may stand for a step", ""},
         {"default", &param_value(), true, "its value unless --set or a matrix says otherwise", ""},
         {"min", &scalar(), false, "smallest value (integer, time, size)", ""},
         {"max", &scalar(), false, "largest value (integer, time, size)", ""},
         {"values", &list(scalar(), 1), false, "the values allowed", ""},
         {"doc", &text(), false, "what it means", ""}});
}

}  // namespace

const Type& params_type() {
    static const Type& t = map(param_type());
    return t;
}

const Type& matrix_type() {
    static const Type& t =
        object("a matrix",
               {{"over", &map(list(scalar(), 1, 1000)), true,
                 "axes: a parameter or a path as for --set, and its values", ""},
                {"exclude", &list(map(one_or_more()), 1), false, "cells to leave out", "[]"},
                {"cells",
                 &list(object("a group of cells",
                              {{"when", &map(one_or_more()), true,
                                "the cells meant: axis and value, or values", ""},
                               {"set", &map(param_value()), false,
                                "values of these cells: parameters or paths as for --set", ""},
                               {"expect", &list(expect_type(), 1), false,
                                "expectations of these cells, beside those of the scenario", ""}}),
                       1),
                 false, "what only some cells are given or expect", "[]"}});
    return t;
}

const Type& scenario_type() {
    static const Type& t = [&]() -> const Type& {
        const Type& proof =
            object("a proof",
                   {{"defect", &text("the name of a defect", 1), true,
                     "seeded defect of the mechanism this scenario is about", ""},
                    {"fails", &text("a checker, a finding code or \"expectation\"", 1), true,
                     "what must fail with it: a checker, a finding code or \"expectation\"", ""}});
        const Type& choice_made = object(
            "a choice",
            {{"at", &integer(0), true,
              "its number among the choices with more than one candidate, from 0", ""},
             {"what",
              &choice({"lock.waiter", "wake.waiter", "cpu.ready", "link.arrival", "task.hold_up"}),
              true, "the kind of choice that stands there", ""},
             {"pick", &integer(1), false, "the candidate taken; without an entry it is 0", "1"}});
        const Type& heal =
            object("the end of faults", {{"at", &time(1, kDay), true, "no fault from then on", ""},
                                         {"work", &time(1, kDay), true, "without faults", ""}});
        const Type& run = object(
            "a run", {{"seed", &integer(0), false, "seed of every random stream", "1"},
                      {"number", &integer(0), false,
                       "number of the run under the seed: 0 takes the fixed order of all "
                       "that the system leaves open, another one draws it",
                       "0"},
                      {"limit", &time(1, kDay), false, "where simulated time ends", "\"10ms\""},
                      {"heal", &heal, false, "when faults end, and all must, soon", ""},
                      {"window", &time(0, kDay), false,
                       "messages that a module gets by different links within this time "
                       "may come in any order; without it as the links say",
                       ""},
                      {"stall", &time(1, kDay), false,
                       "how long a task is held up where a choice says so", ""},
                      {"choices", &list(choice_made, 0, 4096), false,
                       "a recorded schedule: where it leaves the fixed order", "[]"},
                      {"on_hazard", &choice({"go_on", "stop"}), false,
                       "what real code would not survive: go on as if the right call had "
                       "been made, or end the run there (\"hazard\")",
                       "\"go_on\""}});
        return object(
            "a scenario",
            {{"$schema", &text(), false, "for editors; not read", ""},
             {"version", &integer(1, 1), true, "of the language: 1", ""},
             {"name", &name("the name of a scenario", "_-."), true, "names results", ""},
             {"purpose", &text("a sentence", 1), true, "what it shows", ""},
             {"covers", &list(name("a row (\"D12\")", "")), false, "rows that it proves", "[]"},
             {"proof", &either("a proof, or a list of them", {&proof, &list(proof, 1, 64)}), false,
              "how it would fail: each proof on its own", ""},
             {"extends", &text("a file name", 1), false,
              "a .jsonc file that this one is merged over (RFC 7396)", ""},
             {"params", &params_type(), false, "values used as ${NAME}", "{}"},
             {"matrix", &matrix_type(), false, "several cells from one file", ""},
             {"platform", &platform_type(), false, "the machine", ""},
             {"vms", &list(vm_type(), 0, 4096), false, "virtual machines", "[]"},
             {"programs", &list(program_type(), 0, 65536), false, "what runs", "[]"},
             {"kernel", &types::kernel_code(step_type()), false,
              "blocks, work, allocators and locks that kernel threads use", ""},
             {"inject", &list(injection_type(), 0, 10'000), false, "faults from outside", "[]"},
             {"expect", &list(expect_type()), false, "what must be seen", "[]"},
             {"defects", &list(text("the name of a defect", 1)), false,
              "seeded defects that are switched on", "[]"},
             {"campaign", &choice({"none", "seeds", "swarm"}), false, "what a campaign may vary",
              "\"seeds\""},
             {"run", &run, false, "seed and limit", ""}});
    }();
    return t;
}

}  // namespace ioasim::scenario
