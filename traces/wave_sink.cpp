#include "traces/wave_sink.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"
#include "traces/fst_writer.hpp"
#include "traces/trace_format.hpp"
#include "traces/vcd_writer.hpp"

namespace ioasim::traces {
namespace {

constexpr unsigned kStateWidth = 2;
constexpr unsigned kRefsWidth = 16;
constexpr unsigned kPasidWidth = 20;
constexpr unsigned kOwnerWidth = 16;
constexpr const char* kRoot = "ioasim";
constexpr std::size_t kMarkers = 26;  // A to Z
constexpr std::uint64_t kFrames = 3;  // of 200 pixels, in the window that the save file asks for

unsigned bits_for(std::uint64_t highest) {
    unsigned bits = 1;
    while (bits < 64 && (highest >> bits) != 0) {
        ++bits;
    }
    return bits;
}

std::vector<std::string> scope_of(std::string_view component) {
    std::vector<std::string> path{kRoot};
    std::size_t at = 0;
    while (at <= component.size()) {
        const std::size_t end = std::min(component.find('/', at), component.size());
        path.emplace_back(component.substr(at, end - at));
        at = end + 1;
    }
    return path;
}

// Ten characters, whatever the number: the name of a slot can be overwritten in place.
std::string free_slot_name(std::size_t slot) {
    return fmt::format("slot{:06}", slot);
}
std::string id_name(std::uint32_t ioasid) {
    return ioasid < 10'000'000 ? fmt::format("id_{:07}", ioasid) : fmt::format("h_{:08x}", ioasid);
}

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}
std::unique_ptr<WaveWriter> writer_for(const std::string& path, const WaveOptions& options) {
    const TraceFormatInfo* format = trace_format_of(path);
    if (format != nullptr && format->format == TraceFormat::Fst) {
        return make_fst_writer(path, options.comment);
    }
    return std::make_unique<VcdWriter>(path, options.block_bytes, options.comment);
}

}  // namespace

struct WaveSink::Slot {
    std::uint32_t state = 0;  // signal numbers
    std::uint32_t refs = 0;
};

struct WaveSink::KernelSlots {
    std::string name;
    std::vector<Slot> slots;
    std::size_t used = 0;
};

// Declares everything of the topology.
struct WaveSink::Layout {
    WaveSink& sink;
    WaveWriter& writer;

    void kernel(const WaveTopology::Kernel& kernel) {
        std::vector<std::string> scope = scope_of(kernel.name);
        scope.emplace_back("ioasid");
        KernelSlots slots{kernel.name, {}, 0};
        for (std::size_t i = 0; i < kernel.slots; ++i) {
            const std::string name = free_slot_name(i);
            Slot slot;
            slot.state = writer.declare(scope, name + "_state", kStateWidth, /*spare=*/true);
            slot.refs = writer.declare(scope, name + "_refs", kRefsWidth, /*spare=*/true);
            slots.slots.push_back(slot);
        }
        sink.kernel_index_[sink.recorder_.name(kernel.name).value()] =
            static_cast<std::uint32_t>(sink.kernels_.size());
        sink.kernels_.push_back(std::move(slots));
    }
    void queue(const WaveTopology::Queue& queue) {
        std::vector<std::string> scope = scope_of(queue.device);
        scope.push_back(queue.name);
        const std::uint64_t key = pair_key(sink.recorder_.name(queue.device).value(),
                                           sink.recorder_.name(queue.name).value());
        sink.queue_signals_[key] =
            writer.declare(scope, "occupancy", bits_for(std::max(queue.size, 1U)));
    }
    void iommu(const WaveTopology::Iommu& iommu) {
        const std::vector<std::string> scope = scope_of(iommu.name);
        const unsigned width = bits_for(std::max(iommu.prq_entries, 2U) - 1);
        sink.prq_signals_[sink.recorder_.name(iommu.name).value()] =
            writer.declare(scope, "prq_head", width);
        writer.declare(scope, "prq_tail", width);
    }
    void cpu(const std::string& cpu) {
        const std::vector<std::string> scope = scope_of(cpu);
        sink.cpu_signals_[sink.recorder_.name(cpu).value()] =
            writer.declare(scope, "pasid", kPasidWidth);
        writer.declare(scope, "pasid_valid", 1);
    }
    void lock(const std::string& lock) {
        sink.lock_signals_[sink.recorder_.name(lock).value()] =
            writer.declare(scope_of(lock), "owner", kOwnerWidth);
    }
};

WaveSink::WaveSink(trace::Recorder& recorder, std::string path, const WaveTopology& topology,
                   const WaveOptions& options)
    : recorder_(recorder),
      path_(std::move(path)),
      save_file_(options.save_file),
      writer_(writer_for(path_, options)) {
    Layout layout{*this, *writer_};
    for (const auto& kernel : topology.kernels) {
        layout.kernel(kernel);
    }
    for (const auto& queue : topology.queues) {
        layout.queue(queue);
    }
    for (const auto& iommu : topology.iommus) {
        layout.iommu(iommu);
    }
    for (const auto& cpu : topology.cpus) {
        layout.cpu(cpu);
    }
    for (const auto& lock : topology.locks) {
        layout.lock(lock);
    }
    writer_->set_limit(options.limit);
    if (options.hidden) {
        writer_->hide();
    }
    writer_->begin();
    write_save_file();
    on<trace::IoasidAlloc, &WaveSink::on_alloc>();
    on<trace::IoasidGet, &WaveSink::on_get>();
    on<trace::IoasidPut, &WaveSink::on_put>();
    on<trace::IoasidStateChange, &WaveSink::on_state>();
    on<trace::IoasidReclaim, &WaveSink::on_reclaim>();
    on<trace::DsaEnqueue, &WaveSink::on_enqueue>();
    on<trace::DsaDispatch, &WaveSink::on_dispatch>();
    on<trace::VtdPrq, &WaveSink::on_prq>();
    on<trace::CpuPasid, &WaveSink::on_pasid>();
    on<trace::LockAcquire, &WaveSink::on_acquire>();
    on<trace::LockRelease, &WaveSink::on_release>();
    on<trace::RunFinding, &WaveSink::on_finding>();
}

WaveSink::~WaveSink() = default;

void WaveSink::on_event(const trace::EventRecord& record) {
    writer_->advance(record.time);
    TypedListener::on_event(record);
}

void WaveSink::on_end(TimePs end) {
    writer_->finish(end);
    write_save_file(end);
}

const std::string& WaveSink::error() const {
    return writer_->error().empty() ? save_error_ : writer_->error();
}

void WaveSink::show_from(TimePs now) {
    writer_->advance(now);
    writer_->show_from(now);
}

std::uint64_t WaveSink::changes() const {
    return writer_->changes();
}

std::uint64_t WaveSink::bytes() const {
    return writer_->bytes();
}

std::size_t WaveSink::signals() const {
    return writer_->signals();
}

std::optional<TimePs> WaveSink::full_at() const {
    return writer_->full_at();
}

WaveSink::Slot* WaveSink::slot_of(std::uint64_t kernel, std::uint64_t ioasid, bool make) {
    const std::uint64_t key = pair_key(as_u32(kernel), as_u32(ioasid));
    if (Slot** found = slots_.find(key)) {
        return *found;
    }
    const std::uint32_t* index = kernel_index_.find(kernel);
    if (!make || index == nullptr) {
        return nullptr;
    }
    KernelSlots& slots = kernels_[*index];
    if (slots.used == slots.slots.size()) {
        ++ids_not_shown_;
        slots_[key] = nullptr;  // counted once
        return nullptr;
    }
    Slot& slot = slots.slots[slots.used++];
    slots_[key] = &slot;
    writer_->rename(slot.state, id_name(as_u32(ioasid)) + "_state");
    writer_->rename(slot.refs, id_name(as_u32(ioasid)) + "_refs");
    ++slots_used_;
    // Often at first, then ever more seldom: a killed run has a usable save file all the same.
    if ((slots_used_ & (slots_used_ - 1)) == 0) {
        write_save_file();
    }
    return &slot;
}

void WaveSink::on_alloc(const trace::EventRecord& record) {
    if (Slot* slot = slot_of(IOASIM_FIELD(record, IoasidAlloc, kernel),
                             IOASIM_FIELD(record, IoasidAlloc, ioasid), true)) {
        writer_->set(slot->state, static_cast<std::uint64_t>(trace::IoasidState::Idle));
        writer_->set(slot->refs, 1);
    }
}

void WaveSink::on_get(const trace::EventRecord& record) {
    if (Slot* slot = slot_of(IOASIM_FIELD(record, IoasidGet, kernel),
                             IOASIM_FIELD(record, IoasidGet, ioasid), false)) {
        writer_->set(slot->refs, IOASIM_FIELD(record, IoasidGet, refs));
    }
}

void WaveSink::on_put(const trace::EventRecord& record) {
    if (Slot* slot = slot_of(IOASIM_FIELD(record, IoasidPut, kernel),
                             IOASIM_FIELD(record, IoasidPut, ioasid), false)) {
        writer_->set(slot->refs, IOASIM_FIELD(record, IoasidPut, refs));
    }
}

void WaveSink::on_state(const trace::EventRecord& record) {
    if (Slot* slot = slot_of(IOASIM_FIELD(record, IoasidStateChange, kernel),
                             IOASIM_FIELD(record, IoasidStateChange, ioasid), false)) {
        writer_->set(slot->state, IOASIM_FIELD(record, IoasidStateChange, to));
    }
}

void WaveSink::on_reclaim(const trace::EventRecord& record) {
    if (Slot* slot = slot_of(IOASIM_FIELD(record, IoasidReclaim, kernel),
                             IOASIM_FIELD(record, IoasidReclaim, ioasid), false)) {
        writer_->set(slot->state, static_cast<std::uint64_t>(trace::IoasidState::Free));
        writer_->set(slot->refs, 0);
    }
}

void WaveSink::on_enqueue(const trace::EventRecord& record) {
    const std::uint64_t key =
        pair_key(IOASIM_U32(record, DsaEnqueue, device), IOASIM_U32(record, DsaEnqueue, wq));
    if (const std::uint32_t* signal = queue_signals_.find(key)) {
        writer_->set(*signal, IOASIM_FIELD(record, DsaEnqueue, occupancy));
    }
}

void WaveSink::on_dispatch(const trace::EventRecord& record) {
    const std::uint64_t key =
        pair_key(IOASIM_U32(record, DsaDispatch, device), IOASIM_U32(record, DsaDispatch, wq));
    if (const std::uint32_t* signal = queue_signals_.find(key)) {
        writer_->set(*signal, IOASIM_FIELD(record, DsaDispatch, occupancy));
    }
}

void WaveSink::on_prq(const trace::EventRecord& record) {
    if (const std::uint32_t* signal = prq_signals_.find(IOASIM_FIELD(record, VtdPrq, iommu))) {
        writer_->set(*signal, IOASIM_FIELD(record, VtdPrq, head));
        writer_->set(*signal + 1, IOASIM_FIELD(record, VtdPrq, tail));
    }
}

void WaveSink::on_pasid(const trace::EventRecord& record) {
    if (const std::uint32_t* signal = cpu_signals_.find(IOASIM_FIELD(record, CpuPasid, cpu))) {
        const bool valid = IOASIM_FIELD(record, CpuPasid, valid) != 0;
        writer_->set(*signal, valid ? IOASIM_FIELD(record, CpuPasid, pasid) : 0);
        writer_->set(*signal + 1, valid ? 1 : 0);
    }
}

std::uint64_t WaveSink::owner_number(trace::Name owner) {
    std::uint32_t& number = owner_numbers_[owner.value()];
    if (number == 0 && owners_.size() + 1 < (std::size_t{1} << kOwnerWidth)) {
        owners_.push_back(recorder_.names().text(owner));
        number = static_cast<std::uint32_t>(owners_.size());
    }
    // Beyond the width of the signal all further owners share the highest number.
    return number != 0 ? number : (std::uint64_t{1} << kOwnerWidth) - 1;
}

void WaveSink::on_acquire(const trace::EventRecord& record) {
    if (const std::uint32_t* signal = lock_signals_.find(IOASIM_FIELD(record, LockAcquire, lock))) {
        writer_->set(*signal, owner_number(IOASIM_NAME(record, LockAcquire, owner)));
    }
}

void WaveSink::on_release(const trace::EventRecord& record) {
    if (const std::uint32_t* signal = lock_signals_.find(IOASIM_FIELD(record, LockRelease, lock))) {
        writer_->set(*signal, 0);
    }
}

// Its time may lie in the past: the record of a finding that shows only at the end.
void WaveSink::on_finding(const trace::EventRecord& record) {
    const std::string& code = recorder_.names().text(IOASIM_NAME(record, RunFinding, code));
    if (!markers_.empty() && markers_.back().time == record.time) {
        markers_.back().text += " " + code;
    } else if (markers_.size() < kMarkers) {
        markers_.push_back({record.time, code});
    }
}

void WaveSink::keep_error(const std::string& error) {
    if (save_error_.empty()) {
        save_error_ = error;
    }
}

// GTKWave compares the keys of a filter with the hexadecimal digits that it shows.
void WaveSink::write_filters(const std::string& stem) {
    std::string states;
    for (unsigned i = 0; i < std::size(trace::kIoasidStateLabels); ++i) {
        states += fmt::format("{:x} {}\n", i, trace::kIoasidStateLabels[i]);
    }
    keep_error(replace_file(stem + ".ioasid_state.filter", states));
    std::string owners = "0000 -\n";
    for (std::size_t i = 0; i < owners_.size(); ++i) {
        owners += fmt::format("{:04x} {}\n", i + 1, owners_[i]);
    }
    keep_error(replace_file(stem + ".lock_owner.filter", owners));
}

std::string WaveSink::save_file_groups(const std::string& name) const {
    std::string view;
    const auto group = [&view](const std::string& title, const std::string& body) {
        if (!body.empty()) {
            view += fmt::format("@800200\n-{0}\n{1}@1000200\n-{0}\n", title, body);
        }
    };
    // GTKWave shows the part behind the last dot only: an alias tells the component too.
    const auto line = [this](std::uint32_t s) {
        return fmt::format("+{{{}}} {}\n", writer_->short_name(s), writer_->full_name(s));
    };
    const auto bit = [&line](std::uint32_t s) { return "@28\n" + line(s); };
    const auto decimal = [&line](std::uint32_t s) { return "@24\n" + line(s); };
    const auto with_texts = [&](std::uint32_t s, const char* kind) {
        return fmt::format("@2022\n^1 {}.{}.filter\n", name, kind) + line(s);
    };
    const auto each = [](const FlatMap<std::uint32_t>& signals, auto&& text) {
        std::vector<std::uint32_t> numbers;
        for (const std::uint64_t key : signals.sorted_keys()) {
            numbers.push_back(*signals.find(key));
        }
        std::sort(numbers.begin(), numbers.end());  // in the order of declaration
        std::string body;
        for (const std::uint32_t number : numbers) {
            body += text(number);
        }
        return body;
    };
    for (const KernelSlots& kernel : kernels_) {
        std::string body;
        for (std::size_t i = 0; i < kernel.used; ++i) {
            body +=
                with_texts(kernel.slots[i].state, "ioasid_state") + decimal(kernel.slots[i].refs);
        }
        group("IOASIDs of " + kernel.name, body);
    }
    group("workqueues", each(queue_signals_, decimal));
    group("page-request queues",
          each(prq_signals_, [&](std::uint32_t s) { return decimal(s) + decimal(s + 1); }));
    group("PASID of processors",
          each(cpu_signals_, [&](std::uint32_t s) { return decimal(s) + bit(s + 1); }));
    group("lock owners",
          each(lock_signals_, [&](std::uint32_t s) { return with_texts(s, "lock_owner"); }));
    return view;
}

// Zoom and cursor, then the times and texts of the markers A to Z. The zoom is the negative binary
// logarithm of the time that a frame stands for.
std::string WaveSink::view_of(TimePs end) const {
    if (end == TimePs{}) {
        return {};
    }
    unsigned bits = 0;
    while (bits < 63 && (end.ps() >> bits) >= kFrames) {
        ++bits;
    }
    std::string view = fmt::format("*-{}.000000 0", bits);
    for (std::size_t i = 0; i < kMarkers; ++i) {
        view += i < markers_.size() ? fmt::format(" {}", markers_[i].time.ps()) : " -1";
    }
    view += "\n";
    for (std::size_t i = 0; i < markers_.size(); ++i) {
        view += fmt::format("[markername] {}{}\n", static_cast<char>('A' + i), markers_[i].text);
    }
    return view;
}

void WaveSink::write_save_file(TimePs end) {
    if (!save_file_) {
        return;
    }
    const std::string stem = wave_stem(path_);
    write_filters(stem);
    keep_error(replace_file(
        stem + ".gtkw",
        fmt::format("[*]\n[*] GTKWave save file of {0}\n[*]\n[dumpfile] \"{0}\"\n[timestart] 0\n"
                    "[size] 1400 900\n[pos] -1 -1\n{1}[sst_width] 220\n[signals_width] 320\n",
                    file_name(path_), view_of(end)) +
            save_file_groups(file_name(stem))));
}

}  // namespace ioasim::traces
