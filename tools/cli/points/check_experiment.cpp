// What the fields of an experiment must be together, and how much one may ask for: each message
// names the field that is wrong, or the experiment where it is missing.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "models/platform/experiment_patterns.hpp"
#include "models/platform/nic_patterns.hpp"
#include "tools/cli/points/point.hpp"

namespace ioasim::tools {
namespace {

using namespace platform;  // NOLINT: the whole file is about its types
using scenario::Code;
using scenario::Diagnostics;
using scenario::Node;

// The sizes of a Sapphire Rapids accelerator, and of the machine around it.
constexpr std::uint64_t kEntries = 128;
constexpr std::size_t kGroups = 4;
constexpr std::uint64_t kEngines = 8;
constexpr std::size_t kDevices = 16;
constexpr std::uint64_t kLargestTransfer = std::uint64_t{1} << 31U;
constexpr std::uint64_t kLargestBatch = 1024;
constexpr std::uint64_t kMemory = std::uint64_t{128} << 30U;
// What is carried out to the last may move so much, and do so many things: an hour of host time.
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 30U;
constexpr std::uint64_t kMostOperations = 50'000'000;
constexpr std::uint64_t kMostPages = std::uint64_t{1} << 22U;
constexpr std::uint64_t kAtLeast = 40;  // repetitions that no convergence saves

// Products that may be huge.
std::uint64_t times(std::uint64_t a, std::uint64_t b) {
    return a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a
               ? std::numeric_limits<std::uint64_t>::max()
               : a * b;
}
template <class... Rest>
std::uint64_t times(std::uint64_t a, std::uint64_t b, Rest... rest) {
    return times(times(a, b), rest...);
}

class Check {
public:
    Check(const Node& node, const Experiment& e, Diagnostics& diagnostics)
        : node_(node), e_(e), diagnostics_(diagnostics) {}

    void run() {
        for (const char* const field :
             {"queue_depth", "burst", "outstanding", "batch_size", "iterations", "devices",
              "groups", "engines", "submitters", "buffer_count", "submissions", "pages",
              "read_bytes", "block_bytes", "outstanding_walks", "cpu_ghz"}) {
            const Node* const found = node_.get(field);
            if (found != nullptr && found->is(Node::Kind::Number) && is_zero(found->text)) {
                say(Code::OutOfRange, field, fmt::format("\"{}\" is at least 1", field));
            }
        }
        if (e_.topology == Topology::DiscreteNic) {
            adapter();
        } else if (e_.topology == Topology::Software) {
            software();
        } else {
            accelerator();
        }
    }

private:
    static bool is_zero(const std::string& text) {
        return text.find_first_of("123456789") == std::string::npos;
    }
    void say(Code code, const char* field, std::string text) {
        const Node* const found = node_.get(field);
        diagnostics_.add(
            {code, found == nullptr ? node_.place : found->place, std::move(text), "", "", false});
    }
    void limit(const char* field, std::uint64_t value, std::uint64_t most, const char* what) {
        if (value > most) {
            say(Code::OutOfRange, field, fmt::format("{}: at most {}", what, most));
        }
    }
    bool is(const char* pattern) const { return e_.pattern == pattern; }

    // --- accelerators ---

    void machine(const std::vector<DeviceShape>& shapes) {
        limit(e_.config.empty() ? "devices" : "config", shapes.size(), kDevices,
              "accelerators of a machine");
        if (shapes.empty()) {
            say(Code::OutOfRange, "config", "the machine has no accelerator");
        }
        for (const DeviceShape& device : shapes) {
            shape(device);
        }
    }

    void accelerator() {
        const std::vector<DeviceShape> shapes = device_shapes(e_);
        machine(shapes);
        if (!is("shared") && !is("trace") && e_.config.empty() && e_.executor != Executor::Cpu) {
            submission("submit", e_.queue, e_.submit);
        }
        if (is("shared")) {
            clients(shapes);
        } else if (is("trace")) {
            steps(shapes);
        } else if (is("page_list")) {
            page_list(shapes.size());
        } else {
            operations();
        }
    }

    void shape(const DeviceShape& device) {
        const bool own = e_.config.empty();
        std::uint64_t entries = 0;
        std::uint64_t engines = 0;
        std::size_t queues = 0;
        for (const GroupShape& group : device.groups) {
            engines += group.engines;
            queues += group.queues.size();
            for (const QueueShape& queue : group.queues) {
                entries += queue.size;
                if (queue.size == 0 || queue.threshold > queue.size) {
                    say(Code::OutOfRange, own ? "wq" : "config",
                        "a workqueue has at least one entry, and its threshold is not above");
                }
            }
            if (group.engines == 0 || group.queues.empty()) {
                say(Code::OutOfRange, own ? "engines" : "config",
                    "a group has an engine and a workqueue");
            }
        }
        limit(own ? "groups" : "config", device.groups.size(), kGroups, "groups of a device");
        limit(own ? "engines" : "config", engines, kEngines, "engines of a device");
        limit(own ? "wq" : "config", entries, kEntries, "workqueue entries of a device");
        limit("config", queues, 8, "workqueues of a device");
    }

    void transfer(const char* field, BenchOp op, std::uint64_t bytes, std::uint64_t batch) {
        if (op != BenchOp::Noop && bytes == 0) {
            say(Code::OutOfRange, field, "an operation on data has a size");
        }
        limit(field, bytes, kLargestTransfer, "bytes of a descriptor");
        limit("batch_size", batch, kLargestBatch, "members of a batch");
    }

    // Work of one core that nothing ends early, and memory for all operands.
    void work(const char* field, std::uint64_t repetitions, std::uint64_t bytes) {
        limit(field, times(repetitions, bytes), kMostBytes, "bytes that an experiment moves");
        limit("iterations", repetitions, kMostOperations, "operations of an experiment");
    }

    void operations() {
        const std::uint64_t parts = is("split") ? std::max(e_.devices, 1U) : 1;
        const bool batches = !is("single") && !is("split");
        const std::uint64_t members = batches ? e_.batch_size : 1;
        transfer("size_bytes", e_.op, (e_.size_bytes + parts - 1) / parts, members);
        const std::uint64_t bytes = times(e_.size_bytes, members);
        const std::uint64_t slots = is("window")                  ? e_.queue_depth
                                    : is("batch_pipeline")        ? e_.outstanding
                                    : is("single") || is("batch") ? 1
                                                                  : e_.burst;
        if (e_.executor == Executor::Mixed) {
            say(Code::NotAChoice, "executor", "only a page list has work for both");
        }
        const bool exact = is("window") || is("split");
        const std::uint64_t each = is("window") || is("batch_pipeline") ? 1 : slots;
        const std::uint64_t repetitions =
            e_.sequence ? 1
            : exact     ? e_.iterations
                        : std::min(e_.iterations, std::max<std::uint64_t>(kAtLeast, slots));
        work("size_bytes", times(repetitions, each, e_.submitters), bytes);
        const std::uint64_t pairs = std::max({e_.buffer_count, slots, std::uint64_t{1}});
        const bool fresh = e_.layout == BufferLayout::Fresh;
        const std::uint64_t uses = fresh ? times(repetitions + e_.warmup, each, members) : 1;
        limit("size_bytes", times(pairs, 3, e_.submitters, e_.size_bytes), kMemory,
              "bytes of operands");
        limit("iterations", times(uses, 3, e_.submitters, std::max(e_.size_bytes, kPageSize)),
              kMemory, "bytes of fresh pages");
        limit("warmup", e_.warmup, kMostOperations, "untimed repetitions");
    }

    void page_list(std::size_t devices) {
        if (e_.huge.count == 0 && e_.small.count == 0) {
            say(Code::MissingKey, "huge", "a page list has huge or small pages");
        }
        const std::uint64_t huge = e_.huge.size_bytes != 0 ? e_.huge.size_bytes : e_.size_bytes;
        const std::uint64_t small = e_.small.size_bytes != 0 ? e_.small.size_bytes : kPageSize;
        if (e_.huge.count != 0) {
            transfer("huge", e_.op, huge, 1);
        }
        transfer("small", e_.op, small, 1);
        limit("small", e_.small.count, times(kLargestBatch, devices), "small pages of a list");
        limit("huge", times(huge, e_.huge.count, 3), kMemory, "bytes of operands");
        limit("huge", e_.huge.split, kMostOperations, "parts of a page");
        const std::uint64_t bytes =
            std::max(times(huge, e_.huge.count), times(small, e_.small.count));
        work("iterations", e_.iterations, bytes);
    }

    void clients(const std::vector<DeviceShape>& shapes) {
        bool measured = false;
        std::set<std::vector<std::uint32_t>> taken;
        for (const ClientShape& c : e_.clients) {
            measured = measured || c.measured;
            const bool there = c.device < shapes.size() &&
                               c.group < shapes[c.device].groups.size() &&
                               c.queue < shapes[c.device].groups[c.group].queues.size();
            if (!there) {
                say(Code::UnknownField, "clients",
                    fmt::format("there is no workqueue {} of group {} of device {}", c.queue,
                                c.group, c.device));
                continue;
            }
            const QueueShape& queue = shapes[c.device].groups[c.group].queues[c.queue];
            if (!queue.shared && !taken.insert({c.device, c.group, c.queue}).second) {
                say(Code::OutOfRange, "clients", "a dedicated workqueue belongs to one client");
            }
            if (c.submit) {
                submission("clients", queue, *c.submit);
            }
            transfer("clients", c.op, c.size_bytes, c.batch_size);
            const std::uint64_t depth = std::max({c.queue_depth, c.burst, c.outstanding, 1U});
            limit("clients", times(depth, 3, c.size_bytes), kMemory, "bytes of operands");
            limit("clients", times(1000 + depth, c.size_bytes, c.batch_size), kMostBytes,
                  "bytes that a client moves");
            if (std::min({c.queue_depth, c.burst, c.outstanding, c.batch_size}) == 0) {
                say(Code::OutOfRange, "clients", "depths and sizes of a client are at least 1");
            }
        }
        limit("clients", e_.clients.size(), 64, "clients");
        if (!measured) {
            say(Code::MissingKey, "clients", "no client is measured");
        }
    }

    // Others are answered with a retry for ever, or vanish.
    void submission(const char* field, const QueueShape& queue, SubmitBy by) {
        if (queue.shared == (by == SubmitBy::Movdir64b)) {
            say(Code::NotAChoice, field,
                "a dedicated workqueue takes movdir64b, a shared one enqcmd");
        }
        if (by != SubmitBy::Enqcmds) {
            return;
        }
        if (e_.driver == DriverKind::User) {
            say(Code::NotAChoice, field,
                "enqcmds is an instruction of the kernel: a driver of kind user gets #GP");
        } else if (e_.vm) {
            say(Code::NotAChoice, field,
                "enqcmds of a guest's kernel is not carried out: the descriptor has the host's "
                "PASID, and the instruction ends in an exit");
        }
    }

    void steps(const std::vector<DeviceShape>& shapes) {
        if (e_.trace.empty()) {
            say(Code::MissingKey, "trace", "the trace has no steps");
        }
        limit("trace", times(e_.trace.size(), e_.repeat), 1'000'000, "steps of a trace");
        for (const TraceShape& step : e_.trace) {
            const bool there = step.device < shapes.size() &&
                               step.group < shapes[step.device].groups.size() &&
                               step.queue < shapes[step.device].groups[step.group].queues.size();
            if (!there) {
                say(Code::UnknownField, "trace", "a step submits to a workqueue that is not there");
            } else {
                const QueueShape& queue = shapes[step.device].groups[step.group].queues[step.queue];
                // The experiment's instruction is taken where it fits.
                const bool fits = queue.shared == (e_.submit != SubmitBy::Movdir64b);
                submission("trace", queue,
                           step.submit.value_or(fits ? e_.submit : submit_to(queue.shared)));
            }
            step_of(step);
            for (const TraceShape& member : step.members) {
                step_of(member);
            }
        }
    }

    // Labels name pages.
    void step_of(const TraceShape& step) {
        limit("trace", step.size_bytes, kPageSize, "bytes of a step");
        const bool data = step.op != BenchOp::Noop && step.op != BenchOp::Batch;
        const bool two = step.op == BenchOp::Memmove || step.op == BenchOp::Dualcast;
        const bool complete = (!data || !step.source.empty()) &&
                              (!two || !step.destination.empty()) &&
                              (step.op != BenchOp::Compare || !step.source2.empty()) &&
                              (step.op != BenchOp::Dualcast || !step.destination2.empty()) &&
                              (!data || step.size_bytes != 0);
        if (!complete) {
            say(Code::MissingKey, "trace", "a step names the pages of its operands and a size");
        }
        const bool batch = step.op == BenchOp::Batch;
        if (batch != !step.members.empty() ||
            (batch && (step.list.empty() || step.members.size() > 64))) {
            say(Code::MissingKey, "trace",
                "a batch has a list and 1 to 64 members, nothing else has");
        }
    }

    // --- adapters ---

    void adapter() {
        limit("window_bytes", e_.window_bytes, std::uint64_t{16} << 30U, "bytes of the window");
        if (is("dma_read") && e_.window_bytes < e_.read_bytes) {
            say(Code::OutOfRange, "window_bytes", "the window holds a read at least");
        }
        if (!is("dma_stream")) {
            return;
        }
        limit("block_bytes", e_.block_bytes, most_block_bytes(), "bytes of a block");
        const std::uint64_t most = most_walk_reads(e_.block_bytes);
        if (e_.iommu && e_.walk_reads_milli > most * 1000) {
            say(Code::OutOfRange, "walk_reads_per_block",
                fmt::format("page-table reads of a block of {} bytes: at most {}", e_.block_bytes,
                            most));
        }
    }

    // --- kernels and hypervisors ---

    void one_of(const char* field, const std::string& value,
                const std::vector<std::string>& known) {
        if (std::find(known.begin(), known.end(), value) == known.end()) {
            const Node* const found = node_.get(field);
            diagnostics_.add({found == nullptr ? Code::MissingKey : Code::NotAChoice,
                              found == nullptr ? node_.place : found->place,
                              fmt::format("\"{}\" is one of {}", field, fmt::join(known, ", ")),
                              suggest(value, known), "", false});
        }
    }

    // The accelerator that kernels and hypervisors have beside them.
    void beside() {
        machine(device_shapes(e_));
        submission("submit", e_.queue, e_.submit);
        if (e_.devtlb == DevTlbUse::Hit) {
            say(Code::NotAChoice, "devtlb", "hits are forced for operations that are timed only");
        }
        if (e_.numa != NumaUse::Local) {
            say(Code::NotAChoice, "numa", "software has its memory on its own node");
        }
        if (is("cpu_page_fault") && e_.translation != TranslationBy::Svm) {
            say(Code::NotAChoice, "translation", "a processor faults in the tables of svm alone");
        }
    }

    void software() {
        limit("iterations", e_.iterations, 1'000'000, "repetitions");
        if (e_.device != "discrete-nic") {
            beside();
        }
        if (is("invalidate")) {
            if (e_.targets.empty()) {
                say(Code::MissingKey, "targets", "an invalidation has targets");
            }
            limit("pages", e_.pages, std::uint64_t{1} << 18U, "pages of an invalidation");
            limit("pages", times(e_.pages, e_.iterations), kMostPages * 4, "pages in all");
        } else if (is("vmexit")) {
            one_of("level", e_.level, {"L1", "L2"});
            one_of("handler", e_.handler, {"L0_kernel", "L0_user", "L1_kernel", "L1_user"});
        } else if (is("primitive")) {
            one_of("primitive", e_.primitive,
                   {"syscall", "file_page_fault", "context_switch", "pipe_1B"});
        }
    }

    const Node& node_;
    const Experiment& e_;
    Diagnostics& diagnostics_;
};

}  // namespace

void check_experiment(const Node& node, const Experiment& experiment, Diagnostics& diagnostics) {
    Check(node, experiment, diagnostics).run();
}

}  // namespace ioasim::tools
