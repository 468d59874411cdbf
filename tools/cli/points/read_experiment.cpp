// An experiment object, field by field. One table names the fields; whatever it does not name is
// refused, so that no field of a file is left unheeded.
#include <charconv>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "core/base/units.hpp"
#include "models/platform/experiment_patterns.hpp"
#include "tools/cli/points/point.hpp"

namespace ioasim::tools {
namespace {

using namespace platform;  // NOLINT: the whole file is about its types
using scenario::Code;
using scenario::Diagnostics;
using scenario::Node;

template <class T>
struct Field {
    std::string name;
    std::function<void(const Node&, T&, Diagnostics&)> read;
};
template <class T>
using Fields = std::vector<Field<T>>;

void complain(Diagnostics& diagnostics, Code code, const Node& node, std::string text,
              std::string help = {}) {
    diagnostics.add({code, node.place, std::move(text), std::move(help), "", false});
}

std::uint64_t integer(const Node& node, Diagnostics& diagnostics, const std::string& name,
                      std::uint64_t most) {
    bool out_of_range = false;
    const auto result = parse_integer_text(node.text, out_of_range);
    if (!node.is(Node::Kind::Number) || !result.ok()) {
        complain(diagnostics, node.is(Node::Kind::Number) ? Code::NotInteger : Code::WrongType,
                 node, fmt::format("\"{}\" takes an integer", name));
        return 0;
    }
    if (result.value > most) {
        complain(diagnostics, Code::OutOfRange, node,
                 fmt::format("\"{}\" is at most {}", name, most));
        return 0;
    }
    return result.value;
}

constexpr std::uint64_t kMost64 = ~std::uint64_t{0};
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40U;

template <class T, class N>
Field<T> number(const char* name, N T::*member, std::uint64_t most = 0) {
    const std::uint64_t limit = most != 0 ? most : sizeof(N) == 4 ? 0xFFFF'FFFFU : kMost64;
    return {name, [=](const Node& node, T& out, Diagnostics& d) {
                out.*member = static_cast<N>(integer(node, d, name, limit));
            }};
}
template <class T>
Field<T> flag(const char* name, bool T::*member) {
    return {name, [=](const Node& node, T& out, Diagnostics& d) {
                if (!node.is(Node::Kind::Boolean)) {
                    complain(d, Code::WrongType, node,
                             fmt::format("\"{}\" takes true or false", name));
                }
                out.*member = node.boolean;
            }};
}
template <class T>
Field<T> text(const char* name, std::string T::*member) {
    return {name, [=](const Node& node, T& out, Diagnostics& d) {
                if (!node.is(Node::Kind::String)) {
                    complain(d, Code::WrongType, node, fmt::format("\"{}\" takes a string", name));
                }
                out.*member = node.text;
            }};
}

template <class E>
using Choices = std::vector<std::pair<const char*, E>>;

template <class E>
E chosen(const Node& node, Diagnostics& d, const std::string& name, const Choices<E>& choices) {
    std::vector<std::string> names;
    for (const auto& [word, value] : choices) {
        if (node.is(Node::Kind::String) && node.text == word) {
            return value;
        }
        names.emplace_back(word);
    }
    complain(d, Code::NotAChoice, node, fmt::format("\"{}\" cannot be {}", name, quoted(node.text)),
             suggest(node.text, names));
    return choices.front().second;
}
template <class T, class E>
Field<T> choice(const char* name, E T::*member, Choices<E> choices) {
    return {name, [=](const Node& node, T& out, Diagnostics& d) {
                out.*member = chosen(node, d, name, choices);
            }};
}

template <class T>
void read_fields(const Node& node, const Fields<T>& fields, const char* what, T& out,
                 Diagnostics& diagnostics) {
    if (!node.is(Node::Kind::Object)) {
        complain(diagnostics, Code::WrongType, node, fmt::format("{} is an object", what));
        return;
    }
    for (const scenario::Member& member : node.members) {
        bool known = false;
        std::vector<std::string> names;
        for (const Field<T>& field : fields) {
            names.push_back(field.name);
            if (field.name == member.key) {
                known = true;
                field.read(member.value, out, diagnostics);
            }
        }
        if (!known) {
            diagnostics.add({Code::UnknownKey, member.place,
                             fmt::format("{} has no field {}", what, quoted(member.key)),
                             suggest(member.key, names), "", false});
        }
    }
}

template <class T>
std::vector<T> read_list(const Node& node, const char* what, Diagnostics& d,
                         const std::function<T(const Node&)>& one) {
    std::vector<T> out;
    if (!node.is(Node::Kind::Array)) {
        complain(d, Code::WrongType, node, fmt::format("{} is a list", what));
        return out;
    }
    for (const Node& item : node.items) {
        out.push_back(one(item));
    }
    return out;
}

// --- values ---

const Choices<BenchOp> kOps{{"noop", BenchOp::Noop},
                            {"memmove", BenchOp::Memmove},
                            {"crc_gen", BenchOp::CrcGen},
                            {"compare", BenchOp::Compare},
                            {"dualcast", BenchOp::Dualcast}};
const Choices<SubmitBy> kSubmits{{"movdir64b", SubmitBy::Movdir64b},
                                 {"enqcmd", SubmitBy::Enqcmd},
                                 {"enqcmds", SubmitBy::Enqcmds}};
const Choices<Executor> kExecutors{
    {"dsa", Executor::Dsa}, {"cpu", Executor::Cpu}, {"mixed", Executor::Mixed}};

QueueShape read_queue(const Node& node, Diagnostics& diagnostics) {
    static const Fields<QueueShape> fields{
        choice<QueueShape, bool>("mode", &QueueShape::shared,
                                 {{"dedicated", false}, {"shared", true}}),
        number("size", &QueueShape::size, 1024), number("threshold", &QueueShape::threshold, 1024)};
    QueueShape queue;
    read_fields(node, fields, "a workqueue", queue, diagnostics);
    return queue;
}

GroupShape read_group(const Node& node, Diagnostics& diagnostics) {
    static const Fields<GroupShape> fields{
        number("engines", &GroupShape::engines, 64),
        {"wqs", [](const Node& list, GroupShape& out, Diagnostics& d) {
             out.queues = read_list<QueueShape>(
                 list, "\"wqs\"", d, [&](const Node& item) { return read_queue(item, d); });
         }}};
    GroupShape group;
    read_fields(node, fields, "a group", group, diagnostics);
    return group;
}

std::vector<GroupShape> read_groups(const Node& node, Diagnostics& d) {
    return read_list<GroupShape>(node, "\"groups\"", d,
                                 [&](const Node& item) { return read_group(item, d); });
}

// {"devices": [{"groups": […]}]}, or the groups of one device.
std::vector<DeviceShape> read_config(const Node& node, Diagnostics& diagnostics) {
    static const Fields<DeviceShape> device_fields{
        {"groups", [](const Node& list, DeviceShape& out, Diagnostics& d) {
             out.groups = read_groups(list, d);
         }}};
    static const Fields<std::vector<DeviceShape>> fields{
        {"devices",
         [](const Node& list, std::vector<DeviceShape>& out, Diagnostics& d) {
             out = read_list<DeviceShape>(list, "\"devices\"", d, [&](const Node& item) {
                 DeviceShape device;
                 read_fields(item, device_fields, "a device", device, d);
                 return device;
             });
         }},
        {"groups", [](const Node& list, std::vector<DeviceShape>& out, Diagnostics& d) {
             out = {DeviceShape{read_groups(list, d)}};
         }}};
    std::vector<DeviceShape> devices;
    read_fields(node, fields, "\"config\"", devices, diagnostics);
    return devices;
}

ClientShape read_client(const Node& node, Diagnostics& diagnostics) {
    static const Fields<ClientShape> fields{
        number("device", &ClientShape::device),
        number("group", &ClientShape::group),
        number("wq", &ClientShape::queue),
        choice<ClientShape, std::string>("pattern", &ClientShape::pattern,
                                         {{"window", "window"},
                                          {"burst", "burst"},
                                          {"single", "single"},
                                          {"batch", "batch"},
                                          {"batch_pipeline", "batch_pipeline"}}),
        choice("op", &ClientShape::op, kOps),
        number("size_bytes", &ClientShape::size_bytes, kMostBytes),
        number("queue_depth", &ClientShape::queue_depth, 65536),
        number("batch_size", &ClientShape::batch_size, 1024),
        number("burst", &ClientShape::burst, 65536),
        number("outstanding", &ClientShape::outstanding, 65536),
        {"submit", [](const Node& at, ClientShape& out,
                      Diagnostics& d) { out.submit = chosen(at, d, "submit", kSubmits); }},
        flag("measured", &ClientShape::measured)};
    ClientShape client;
    read_fields(node, fields, "a client", client, diagnostics);
    return client;
}

TraceShape read_step(const Node& node, Diagnostics& diagnostics);

// [group, queue in group]
void read_place(const Node& node, TraceShape& out, Diagnostics& d) {
    if (!node.is(Node::Kind::Array) || node.items.size() != 2) {
        complain(d, Code::WrongType, node, "\"wq\" of a trace is [group, queue in group]");
        return;
    }
    out.group = static_cast<std::uint32_t>(integer(node.items[0], d, "group", 64));
    out.queue = static_cast<std::uint32_t>(integer(node.items[1], d, "queue", 64));
}

const Fields<TraceShape>& step_fields() {
    static const Fields<TraceShape> fields{
        choice("op", &TraceShape::op,
               [] {
                   Choices<BenchOp> ops = kOps;
                   ops.emplace_back("batch", BenchOp::Batch);
                   return ops;
               }()),
        number("size_bytes", &TraceShape::size_bytes, kMostBytes),
        text("src", &TraceShape::source),
        text("src2", &TraceShape::source2),
        text("dst", &TraceShape::destination),
        text("dst2", &TraceShape::destination2),
        text("comp", &TraceShape::completion),
        text("list", &TraceShape::list),
        {"members",
         [](const Node& list, TraceShape& out, Diagnostics& d) {
             out.members = read_list<TraceShape>(
                 list, "\"members\"", d, [&](const Node& item) { return read_step(item, d); });
         }},
        number("client", &TraceShape::client, 1024),
        number("device", &TraceShape::device, 64),
        {"wq", [](const Node& node, TraceShape& out, Diagnostics& d) { read_place(node, out, d); }},
        {"submit", [](const Node& node, TraceShape& out,
                      Diagnostics& d) { out.submit = chosen(node, d, "submit", kSubmits); }},
        flag("counted", &TraceShape::counted)};
    return fields;
}

TraceShape read_step(const Node& node, Diagnostics& diagnostics) {
    TraceShape step;
    read_fields(node, step_fields(), "a step of a trace", step, diagnostics);
    return step;
}

SequenceShape read_sequence(const Node& node, Diagnostics& diagnostics) {
    static const Fields<SequenceShape> fields{
        {"order",
         [](const Node& order, SequenceShape&, Diagnostics& d) {
             chosen<int>(order, d, "order", {{"x_ascending", 0}});
         }},
        flag("keep_state", &SequenceShape::keep_state),
        number("start_size_bytes", &SequenceShape::start_size_bytes),
        number("step_factor", &SequenceShape::step_factor, 1024),
        flag("cpu_compare_after_each", &SequenceShape::cpu_compare_after_each)};
    SequenceShape sequence;
    read_fields(node, fields, "\"sequence\"", sequence, diagnostics);
    return sequence;
}

PageListPart read_part(const Node& node, Diagnostics& diagnostics) {
    static const Fields<PageListPart> fields{
        number("count", &PageListPart::count, kMostBytes),
        number("size_bytes", &PageListPart::size_bytes, kMostBytes),
        number("split", &PageListPart::split, 64)};
    PageListPart part;
    read_fields(node, fields, "a part of a page list", part, diagnostics);
    return part;
}

// "1.76", "3.2": in thousandths.
std::uint64_t milli(const Node& node, Diagnostics& d, const char* name) {
    double value = 0;
    const char* const end = node.text.data() + node.text.size();
    if (!node.is(Node::Kind::Number) || std::from_chars(node.text.data(), end, value).ptr != end ||
        !std::isfinite(value) || value < 0 || value > 1e6) {
        complain(d, Code::WrongType, node, fmt::format("\"{}\" takes a number", name));
        return 0;
    }
    return static_cast<std::uint64_t>(value * 1000 + 0.5);
}

using X = Experiment;

Fields<X> hardware_fields() {
    return {
        choice("topology", &X::topology,
               Choices<Topology>{{"integrated-dsa", Topology::IntegratedDsa},
                                 {"discrete-nic", Topology::DiscreteNic},
                                 {"software", Topology::Software}}),
        choice("executor", &X::executor, kExecutors),
        {"pattern",
         [](const Node& node, X& out, Diagnostics& d) {
             Choices<std::string> names;
             for (const std::string& name : pattern_names()) {
                 names.emplace_back(name.c_str(), name);
             }
             out.pattern = chosen(node, d, "pattern", names);
         }},
        choice("op", &X::op, kOps),
        number("size_bytes", &X::size_bytes, std::uint64_t{1} << 40U),
        number("devices", &X::devices, 32),
        number("groups", &X::groups, 4),
        number("engines", &X::engines, 64),
        {"wq", [](const Node& node, X& out, Diagnostics& d) { out.queue = read_queue(node, d); }},
        {"config",
         [](const Node& node, X& out, Diagnostics& d) { out.config = read_config(node, d); }},
        {"clients",
         [](const Node& list, X& out, Diagnostics& d) {
             out.clients = read_list<ClientShape>(
                 list, "\"clients\"", d, [&](const Node& item) { return read_client(item, d); });
         }},
        {"trace", [](const Node& list, X& out, Diagnostics& d) {
             out.trace = read_list<TraceShape>(
                 list, "\"trace\"", d, [&](const Node& item) { return read_step(item, d); });
         }}};
}

Fields<X> software_fields() {
    return {number("submitters", &X::submitters, 64),
            choice("submit", &X::submit, kSubmits),
            choice("portal", &X::portal,
                   Choices<PortalUse>{{"same_line", PortalUse::SameLine},
                                      {"rotate", PortalUse::Rotate}}),
            choice("fence", &X::fence,
                   Choices<FenceUse>{{"none", FenceUse::None}, {"sfence", FenceUse::Sfence}}),
            choice("driver", &X::driver,
                   Choices<DriverKind>{{"user", DriverKind::User},
                                       {"kernel_direct", DriverKind::KernelDirect},
                                       {"kernel_dma_api", DriverKind::KernelDmaApi},
                                       {"kernel_sleep_poll", DriverKind::KernelSleepPoll}}),
            choice("poll", &X::poll,
                   Choices<PollBy>{{"busy", PollBy::Busy},
                                   {"umwait", PollBy::Umwait},
                                   {"sleep_poll", PollBy::SleepPoll}}),
            flag("vm", &X::vm),
            choice("translation", &X::translation,
                   Choices<TranslationBy>{{"svm", TranslationBy::Svm},
                                          {"iova", TranslationBy::Iova},
                                          {"physical", TranslationBy::Physical}}),
            {"page_size",
             [](const Node& node, X& out, Diagnostics& d) {
                 out.page_size = integer(node, d, "page_size", kMost64);
                 if (out.page_size != 4096 && out.page_size != 2097152) {
                     complain(d, Code::NotAChoice, node, "\"page_size\" is 4096 or 2097152");
                     out.page_size = 4096;
                 }
             }},
            choice("buffers", &X::buffers,
                   Choices<BufferState>{{"warm", BufferState::Warm},
                                        {"flushed", BufferState::Flushed},
                                        {"dram", BufferState::Dram},
                                        {"device_warm", BufferState::DeviceWarm},
                                        {"natural", BufferState::Natural},
                                        {"none", BufferState::None}}),
            choice("buffer_layout", &X::layout,
                   Choices<BufferLayout>{{"same", BufferLayout::Same},
                                         {"per_slot", BufferLayout::PerSlot},
                                         {"page", BufferLayout::Page},
                                         {"fresh", BufferLayout::Fresh}}),
            number("buffer_count", &X::buffer_count, 65536),
            choice("dest", &X::destination,
                   Choices<DestinationTo>{{"llc", DestinationTo::Llc},
                                          {"memory", DestinationTo::Memory},
                                          {"none", DestinationTo::None}}),
            choice("numa", &X::numa,
                   Choices<NumaUse>{{"local", NumaUse::Local}, {"dst_remote", NumaUse::DstRemote}}),
            choice("devtlb", &X::devtlb,
                   Choices<DevTlbUse>{{"natural", DevTlbUse::Natural},
                                      {"hit", DevTlbUse::Hit},
                                      {"miss", DevTlbUse::Miss}}),
            choice("rebuild", &X::rebuild,
                   Choices<RebuildWhen>{{"timed", RebuildWhen::Timed},
                                        {"untimed", RebuildWhen::Untimed}})};
}

void read_outstanding(const Node& node, X& out, Diagnostics& d) {
    if (node.is(Node::Kind::String)) {
        chosen<int>(node, d, "outstanding", {{"max", 0}});
        out.outstanding_max = true;
        return;
    }
    out.outstanding = static_cast<std::uint32_t>(integer(node, d, "outstanding", 65536));
}

Fields<X> clock_fields() {
    return {
        number("queue_depth", &X::queue_depth, 65536),
        number("burst", &X::burst, 65536),
        number("batch_size", &X::batch_size, 32768),
        {"outstanding",
         [](const Node& node, X& out, Diagnostics& d) { read_outstanding(node, out, d); }},
        choice("wait", &X::wait, Choices<WaitFor>{{"all", WaitFor::All}, {"last", WaitFor::Last}}),
        number("warmup", &X::warmup),
        number("iterations", &X::iterations),
        choice("clock_start", &X::clock_start,
               Choices<ClockStart>{{"after_fill", ClockStart::AfterFill},
                                   {"before_first", ClockStart::BeforeFirst}}),
        choice("span", &X::span,
               Choices<SpanOf>{
                   {"total", SpanOf::Total}, {"submit", SpanOf::Submit}, {"wait", SpanOf::Wait}}),
        choice("stat", &X::stat,
               Choices<StatOf>{{"median", StatOf::Median},
                               {"mean", StatOf::Mean},
                               {"p50", StatOf::P50},
                               {"single", StatOf::Single}}),
        choice("normalize", &X::normalize,
               Choices<NormalizeBy>{{"none", NormalizeBy::None},
                                    {"per_descriptor", NormalizeBy::PerDescriptor}}),
        {"sequence",
         [](const Node& node, X& out, Diagnostics& d) { out.sequence = read_sequence(node, d); }},
        number("repeat", &X::repeat),
        choice<X, std::string>("count", &X::count, {{"devtlb_hits", "devtlb_hits"}}),
        {"cpu_ghz",
         [](const Node& node, X& out, Diagnostics& d) { out.cpu_mhz = milli(node, d, "cpu_ghz"); }},
        number("ddio_bytes", &X::ddio_bytes),
        {"huge", [](const Node& node, X& out, Diagnostics& d) { out.huge = read_part(node, d); }},
        {"small", [](const Node& node, X& out, Diagnostics& d) { out.small = read_part(node, d); }},
        {"small_executor", [](const Node& node, X& out, Diagnostics& d) {
             out.small_executor = chosen(node, d, "small_executor", kExecutors);
         }}};
}

// "pcie_gen3_x8": generations 1 to 6, widths of the specification.
void read_link(const Node& node, X& out, Diagnostics& d) {
    Choices<std::string> links;
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (int generation = 1; generation <= 6; ++generation) {
            for (const int width : {1, 2, 4, 8, 16}) {
                all.push_back(fmt::format("pcie_gen{}_x{}", generation, width));
            }
        }
        return all;
    }();
    for (const std::string& name : names) {
        links.emplace_back(name.c_str(), name);
    }
    out.link = chosen(node, d, "link", links);
}

Fields<X> other_fields() {
    return {
        {"link", [](const Node& node, X& out, Diagnostics& d) { read_link(node, out, d); }},
        choice("path", &X::path,
               Choices<DmaPath>{{"direct", DmaPath::Direct}, {"dma_engine", DmaPath::DmaEngine}}),
        number("read_bytes", &X::read_bytes, 4096),
        number("window_bytes", &X::window_bytes, std::uint64_t{1} << 40U),
        flag("random", &X::random),
        flag("iommu", &X::iommu),
        choice("direction", &X::direction,
               Choices<DmaDirection>{{"read", DmaDirection::Read}, {"write", DmaDirection::Write}}),
        number("block_bytes", &X::block_bytes, std::uint64_t{1} << 30U),
        {"walk_reads_per_block",
         [](const Node& node, X& out, Diagnostics& d) {
             out.walk_reads_milli = milli(node, d, "walk_reads_per_block");
         }},
        number("outstanding_walks", &X::outstanding_walks, 64),
        number("pages", &X::pages),
        {"targets",
         [](const Node& list, X& out, Diagnostics& d) {
             out.targets = read_list<std::string>(list, "\"targets\"", d, [&](const Node& item) {
                 return chosen<std::string>(item, d, "targets",
                                            {{"iotlb", "iotlb"}, {"devtlb", "devtlb"}});
             });
         }},
        number("submissions", &X::submissions, 1024),
        choice<X, std::string>(
            "device", &X::device,
            {{"integrated-dsa", "integrated-dsa"}, {"discrete-nic", "discrete-nic"}}),
        flag("block_on_fault", &X::block_on_fault),
        choice("backing", &X::backing,
               Choices<FaultBacking>{{"memory", FaultBacking::Memory},
                                     {"storage", FaultBacking::Storage}}),
        text("level", &X::level),
        text("handler", &X::handler),
        text("primitive", &X::primitive)};
}

const Fields<X>& experiment_fields() {
    static const Fields<X> all = [] {
        Fields<X> fields;
        for (const Fields<X>& part :
             {hardware_fields(), software_fields(), clock_fields(), other_fields()}) {
            fields.insert(fields.end(), part.begin(), part.end());
        }
        return fields;
    }();
    return all;
}

}  // namespace

const std::vector<std::string>& experiment_field_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const Field<X>& field : experiment_fields()) {
            all.push_back(field.name);
        }
        return all;
    }();
    return names;
}

Experiment read_experiment(const Node& node, Diagnostics& diagnostics) {
    Experiment experiment;
    const std::size_t before = diagnostics.error_count();
    read_fields(node, experiment_fields(), "an experiment", experiment, diagnostics);
    if (node.is(Node::Kind::Object) && node.get("pattern") == nullptr) {
        complain(diagnostics, Code::MissingKey, node, "the experiment has no \"pattern\"");
    }
    if (node.get("submit") == nullptr) {
        experiment.submit = submit_to(experiment.queue.shared);
    }
    if (diagnostics.error_count() == before) {
        check_experiment(node, experiment, diagnostics);
    }
    return experiment;
}

}  // namespace ioasim::tools
