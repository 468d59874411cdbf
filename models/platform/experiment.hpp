// One published experiment as data: what software did, on which hardware, and which part of it was
// timed. The fields are those of the format "timing-points/1"; the names of all values are here, so
// that whoever reads a file refuses the others. No JSON here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "models/cpu/submit_if.hpp"

namespace ioasim::platform {

enum class Topology : std::uint8_t { IntegratedDsa, DiscreteNic, Software };
enum class Executor : std::uint8_t { Dsa, Cpu, Mixed };
enum class BenchOp : std::uint8_t { Noop, Memmove, CrcGen, Compare, Dualcast, Batch };
using cpu::SubmitBy;
enum class PortalUse : std::uint8_t { SameLine, Rotate };
enum class FenceUse : std::uint8_t { None, Sfence };
enum class DriverKind : std::uint8_t { User, KernelDirect, KernelDmaApi, KernelSleepPoll };
enum class PollBy : std::uint8_t { Busy, Umwait, SleepPoll };
enum class TranslationBy : std::uint8_t { Svm, Iova, Physical };
enum class BufferState : std::uint8_t { Warm, Flushed, Dram, DeviceWarm, Natural, None };
enum class BufferLayout : std::uint8_t { Same, PerSlot, Page, Fresh };
enum class DestinationTo : std::uint8_t { Llc, Memory, None };
enum class NumaUse : std::uint8_t { Local, DstRemote };
enum class DevTlbUse : std::uint8_t { Natural, Hit, Miss };
enum class RebuildWhen : std::uint8_t { Timed, Untimed };
enum class WaitFor : std::uint8_t { All, Last };
enum class ClockStart : std::uint8_t { AfterFill, BeforeFirst };
enum class SpanOf : std::uint8_t { Total, Submit, Wait };
enum class StatOf : std::uint8_t { Median, Mean, P50, Single };
enum class NormalizeBy : std::uint8_t { None, PerDescriptor };
enum class DmaPath : std::uint8_t { Direct, DmaEngine };
enum class DmaDirection : std::uint8_t { Read, Write };
enum class FaultBacking : std::uint8_t { Memory, Storage };

struct QueueShape {
    bool shared = false;
    std::uint32_t size = 64;
    std::uint32_t threshold = 0;
};
struct GroupShape {
    std::uint32_t engines = 1;
    std::vector<QueueShape> queues;
};
struct DeviceShape {
    std::vector<GroupShape> groups;
};

// What a workqueue of this kind takes, when an experiment does not say.
constexpr SubmitBy submit_to(bool shared) {
    return shared ? SubmitBy::Enqcmd : SubmitBy::Movdir64b;
}

// An actor of `shared`: a core and an address space of its own.
struct ClientShape {
    std::uint32_t device = 0;
    std::uint32_t group = 0;
    std::uint32_t queue = 0;
    std::string pattern = "window";
    BenchOp op = BenchOp::Memmove;
    std::uint64_t size_bytes = 4096;
    std::uint32_t queue_depth = 1;
    std::uint32_t batch_size = 1;
    std::uint32_t burst = 1;
    std::uint32_t outstanding = 1;
    std::optional<SubmitBy> submit;  // none: as the workqueue takes it
    bool measured = false;
};

// A descriptor of `trace`; labels name pages of an address space.
struct TraceShape {
    BenchOp op = BenchOp::Noop;
    std::uint64_t size_bytes = 0;
    std::string source, source2, destination, destination2, completion, list;
    std::vector<TraceShape> members;
    std::uint32_t client = 0;
    std::uint32_t device = 0;
    std::uint32_t group = 0;
    std::uint32_t queue = 0;
    std::optional<SubmitBy> submit;
    bool counted = false;
};

struct SequenceShape {
    std::uint64_t start_size_bytes = 4096;
    std::uint64_t step_factor = 2;
    bool keep_state = true;
    bool cpu_compare_after_each = false;
};

// Of page_list: huge pages, then small ones.
struct PageListPart {
    std::uint64_t count = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t split = 1;
};

struct Experiment {
    Topology topology = Topology::IntegratedDsa;
    Executor executor = Executor::Dsa;
    std::string pattern;
    BenchOp op = BenchOp::Memmove;
    std::uint64_t size_bytes = 0;
    // Hardware.
    std::uint32_t devices = 1;
    std::uint32_t groups = 1;
    std::uint32_t engines = 1;
    QueueShape queue;
    std::vector<DeviceShape> config;
    std::vector<ClientShape> clients;
    std::vector<TraceShape> trace;
    // Software.
    std::uint32_t submitters = 1;
    SubmitBy submit = SubmitBy::Movdir64b;
    PortalUse portal = PortalUse::SameLine;
    FenceUse fence = FenceUse::None;
    DriverKind driver = DriverKind::User;
    PollBy poll = PollBy::Busy;
    bool vm = false;
    TranslationBy translation = TranslationBy::Svm;
    std::uint64_t page_size = 4096;
    BufferState buffers = BufferState::Warm;
    BufferLayout layout = BufferLayout::Same;
    std::uint64_t buffer_count = 1;
    DestinationTo destination = DestinationTo::Llc;
    NumaUse numa = NumaUse::Local;
    DevTlbUse devtlb = DevTlbUse::Natural;
    RebuildWhen rebuild = RebuildWhen::Timed;
    // Shape and clock.
    std::uint32_t queue_depth = 1;
    std::uint32_t burst = 1;
    std::uint32_t batch_size = 1;
    std::uint32_t outstanding = 1;
    bool outstanding_max = false;
    WaitFor wait = WaitFor::All;
    std::uint64_t warmup = 0;
    std::uint64_t iterations = 1;
    ClockStart clock_start = ClockStart::BeforeFirst;
    SpanOf span = SpanOf::Total;
    StatOf stat = StatOf::Mean;
    NormalizeBy normalize = NormalizeBy::None;
    std::optional<SequenceShape> sequence;
    std::uint64_t repeat = 1;
    std::string count;
    std::uint64_t cpu_mhz = 0;                // 0: the profile's
    std::optional<std::uint64_t> ddio_bytes;  // none: as the profile has it
    PageListPart huge;
    PageListPart small;
    std::optional<Executor> small_executor;
    // Discrete functions.
    std::string link;
    DmaPath path = DmaPath::Direct;
    std::uint64_t read_bytes = 64;
    std::uint64_t window_bytes = 0;
    bool random = false;
    bool iommu = true;
    DmaDirection direction = DmaDirection::Read;
    std::uint64_t block_bytes = 4096;
    std::uint64_t walk_reads_milli = 0;  // page-table reads of a block, in thousandths
    std::uint32_t outstanding_walks = 1;
    // Software paths.
    std::uint64_t pages = 1;
    std::vector<std::string> targets;
    std::uint32_t submissions = 1;
    std::string device;
    bool block_on_fault = false;
    FaultBacking backing = FaultBacking::Memory;
    std::string level, handler, primitive;
};

// What one experiment gave.
struct Measurement {
    std::uint64_t operations = 0;
    std::uint64_t bytes = 0;  // payload, once
    TimePs elapsed;
    std::vector<TimePs> samples;  // latencies
    std::uint64_t count = 0;
    std::string problem;  // why there is no result
};

}  // namespace ioasim::platform
