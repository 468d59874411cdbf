#include "traces/trace_convert.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"
#include "traces/fst_writer.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/replacement.hpp"
#include "traces/trace_file.hpp"
#include "traces/trace_format.hpp"
#include "traces/trace_input.hpp"
#include "traces/trace_part.hpp"
#include "traces/typed_listener.hpp"
#include "traces/vcd_reader.hpp"
#include "traces/vcd_writer.hpp"

namespace ioasim::traces {
namespace {

using Holds = TraceFormatInfo::Holds;

// The components that events speak of: what a waveform of them can show.
class TopologyOfEvents final : public TypedListener<TopologyOfEvents> {
public:
    explicit TopologyOfEvents(const trace::Recorder& recorder) : recorder_(recorder) {
        on<trace::IoasidAlloc, &TopologyOfEvents::on_alloc>();
        on<trace::DsaWqState, &TopologyOfEvents::on_wq>();
        on<trace::DsaEnqueue, &TopologyOfEvents::on_enqueue>();
        on<trace::VtdPrq, &TopologyOfEvents::on_prq>();
        on<trace::CpuPasid, &TopologyOfEvents::on_pasid>();
        on<trace::LockAcquire, &TopologyOfEvents::on_lock>();
    }
    WaveTopology take() const {
        WaveTopology all;
        for (const auto& [kernel, ids] : kernels_) {
            all.kernels.push_back({kernel, static_cast<std::uint32_t>(ids.size())});
        }
        for (const auto& [queue, size] : queues_) {
            all.queues.push_back({queue.first, queue.second, size});
        }
        for (const auto& [iommu, entries] : iommus_) {
            all.iommus.push_back({iommu, entries});
        }
        all.cpus.assign(cpus_.begin(), cpus_.end());
        all.locks.assign(locks_.begin(), locks_.end());
        return all;
    }

private:
    const std::string& text(trace::Name name) const { return recorder_.names().text(name); }
    void on_alloc(const trace::EventRecord& record) {
        kernels_[text(IOASIM_NAME(record, IoasidAlloc, kernel))].insert(
            IOASIM_FIELD(record, IoasidAlloc, ioasid));
    }
    void on_wq(const trace::EventRecord& record) {
        widen(text(IOASIM_NAME(record, DsaWqState, device)),
              text(IOASIM_NAME(record, DsaWqState, wq)), IOASIM_U32(record, DsaWqState, size));
    }
    void on_enqueue(const trace::EventRecord& record) {
        widen(text(IOASIM_NAME(record, DsaEnqueue, device)),
              text(IOASIM_NAME(record, DsaEnqueue, wq)), IOASIM_U32(record, DsaEnqueue, occupancy));
    }
    void widen(const std::string& device, const std::string& wq, std::uint32_t size) {
        std::uint32_t& known = queues_[{device, wq}];
        known = std::max(known, size);
    }
    void on_prq(const trace::EventRecord& record) {
        std::uint32_t& known = iommus_[text(IOASIM_NAME(record, VtdPrq, iommu))];
        known = std::max(
            {known, IOASIM_U32(record, VtdPrq, head) + 1, IOASIM_U32(record, VtdPrq, tail) + 1});
    }
    void on_pasid(const trace::EventRecord& record) {
        cpus_.insert(text(IOASIM_NAME(record, CpuPasid, cpu)));
    }
    void on_lock(const trace::EventRecord& record) {
        locks_.insert(text(IOASIM_NAME(record, LockAcquire, lock)));
    }

    const trace::Recorder& recorder_;
    std::map<std::string, std::set<std::uint64_t>> kernels_;
    std::map<std::pair<std::string, std::string>, std::uint32_t> queues_;
    std::map<std::string, std::uint32_t> iommus_;
    std::set<std::string> cpus_;
    std::set<std::string> locks_;
};

TimePs no_clock() {
    return {};
}

// What a killed run or a full disk left is used as far as it goes: `note` tells where it ends.
std::string replay(const std::string& path, trace::Recorder& recorder, trace::Listener& listener,
                   TraceContext& context, std::string& note) {
    TraceInput input(path);
    if (!input.problem().empty()) {
        return fmt::format("{}: {}", path, input.problem());
    }
    JsonlReader reader(input.stream(), recorder);
    trace::EventRecord record;
    TimePs end;
    std::uint64_t events = 0;
    bool more = reader.read_header(context.header);
    context.only = reader.only();
    for (; more && reader.next(record); ++events) {
        end = record.time;
        listener.on_event(record);
    }
    std::string problem =
        !input.problem().empty() ? fmt::format("{}: {}", path, input.problem())
        : reader.error() ? fmt::format("{}:{}: {}", path, reader.error().line, reader.error().text)
                         : std::string();
    if (!problem.empty() && events != 0 && (input.cut() || input.stream().eof())) {
        note = fmt::format("{}; used are the {} before, up to {}", problem, plural(events, "event"),
                           format_time(end));
        problem.clear();
    }
    if (problem.empty()) {
        listener.on_end(end);
    }
    return problem;
}

// The end of a conversion: what could be neither read nor written leaves an older file as it was.
ConvertResult ended(Replacement& place, const std::string& unread, const std::string& unwritten,
                    const std::string& line) {
    const std::string problem = place.finish(unread.empty() ? unwritten : unread);
    if (!problem.empty()) {
        return {problem, {}, {}, unread.empty()};
    }
    return {{}, place.told(line), {}, false};
}

ConvertResult from_events(const std::string& from, const std::string& to,
                          const TraceSelection& selection) {
    trace::Recorder recorder(&no_clock);
    TopologyOfEvents seen(recorder);
    TraceContext context;
    std::string note;
    const std::string unreadable = replay(from, recorder, seen, context, note);
    if (!unreadable.empty()) {
        return {unreadable, {}, {}, false};
    }
    const bool signals = trace_format_of(to)->holds == Holds::Signals;
    if (signals &&
        !(context.only.scopes.empty() && context.only.from == TimePs{} && context.only.last == 0)) {
        ConvertResult refused;
        refused.problem = fmt::format(
            "{}: a waveform shows what followed from every event before; this trace has a part of "
            "its run ({})",
            from, part_text(context.only));
        refused.refused = true;
        return refused;
    }
    context.topology = seen.take();
    Replacement place(to);
    const std::unique_ptr<TraceFile> file =
        open_trace(recorder, place.written(), context, selection);
    std::string changed;
    try {
        changed = replay(from, recorder, *file, context, note);
    } catch (...) {
        place.discard();  // asked to stop
        throw;
    }
    file->close();
    ConvertResult result =
        ended(place, changed, file->error(), trace_line(place.written(), *file, selection));
    result.note = note;
    return result;
}

// Feeds a writer of waveforms with what a reader of waveforms says.
class WaveCopy final : public VcdVisitor, public FstVisitor {
public:
    explicit WaveCopy(WaveWriter& writer) : writer_(writer) {}

    void on_var(std::size_t, const VcdVar& var) override { declare(var.name, var.width); }
    void on_signal(std::size_t, const FstSignal& signal) override {
        declare(signal.name, signal.width);
    }
    void on_time(std::uint64_t time) override { time_ = time; }
    void on_change(std::size_t index, std::string_view bits, bool) override { set(index, bits); }
    void on_change(std::size_t index, std::uint64_t time, const std::string& bits) override {
        time_ = time;
        set(index, bits);
    }
    std::string finish(TimePs end) {
        start();
        writer_.finish(end);
        return problem_.empty() ? writer_.error() : problem_;
    }

private:
    void declare(const std::string& name, unsigned width) {
        constexpr unsigned kWidest = 64;
        if (width == 0 || width > kWidest) {
            say(fmt::format("{} is {} bits wide, at most {} can be", name, width, kWidest));
            width = 1;
        }
        std::vector<std::string> path;
        std::size_t at = 0;
        for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', at)) {
            path.push_back(name.substr(at, dot - at));
            at = dot + 1;
        }
        writer_.forget(writer_.declare(path, name.substr(at), width));
        values_.emplace_back();
        known_.push_back(false);
    }
    void start() {
        if (!started_) {
            started_ = true;
            writer_.begin();
            for (std::size_t i = 0; i < values_.size(); ++i) {
                apply(i, values_[i]);
            }
        }
    }
    // Values of time 0 come before the head can be written: what is unknown there is not known yet.
    void set(std::size_t index, std::string_view bits) {
        if (!started_ && time_ == 0) {
            values_[index] = bits;
            return;
        }
        start();
        writer_.advance(TimePs{time_});
        apply(index, bits);
    }
    void apply(std::size_t index, std::string_view bits) {
        const auto signal = static_cast<std::uint32_t>(index);
        if (bits.find_first_not_of("01") != std::string_view::npos) {
            if (known_[index]) {
                say(fmt::format("{} has the value {} at {}", writer_.full_name(signal), bits,
                                time_));
            }
            return;
        }
        if (!bits.empty()) {
            known_[index] = true;
            writer_.set(signal, std::stoull(std::string(bits), nullptr, 2));
        }
    }
    void say(const std::string& problem) { problem_ = problem_.empty() ? problem : problem_; }

    WaveWriter& writer_;
    std::vector<std::string> values_;  // of time 0
    std::vector<bool> known_;          // a value was seen
    std::uint64_t time_ = 0;
    bool started_ = false;
    std::string problem_;
};

ConvertResult from_signals(const std::string& from, TraceFormat format, const std::string& to,
                           TraceFormat wanted, const TraceSelection& selection) {
    Replacement place(to);
    std::unique_ptr<WaveWriter> writer;
    if (wanted == TraceFormat::Fst) {
        writer = make_fst_writer(place.written(), "");
    } else {
        constexpr std::size_t kBlock = 64 * 1024;
        writer = std::make_unique<VcdWriter>(place.written(), kBlock, "");
    }
    writer->set_limit(selection.limit);
    WaveCopy copy(*writer);
    std::string problem;
    std::uint64_t end = 0;
    if (format == TraceFormat::Fst) {
        const FstStatus status = read_fst_file(from, copy);
        problem = status.problem.empty() ? "" : fmt::format("{}: {}", from, status.problem);
        end = status.end;
    } else {
        const VcdStatus status = read_vcd_file(from, copy);
        problem = status.ok() ? "" : fmt::format("{}:{}: {}", from, status.line, status.text);
        end = status.end;
    }
    const std::string copied = copy.finish(TimePs{end});
    std::string line =
        fmt::format("{}: {}, {} changes of {} signals", to, readable_size(writer->bytes()),
                    writer->changes(), writer->signals());
    if (const std::optional<TimePs> full = writer->full_at()) {
        line += fmt::format("; ends at {}: more would be larger than {}", format_time(*full),
                            readable_size(selection.limit));
    }
    return ended(place, problem, copied, line);
}

}  // namespace

std::string convert_problem(const std::string& from, const std::string& to) {
    const TraceFormatInfo* source = trace_format_of(from);
    const TraceFormatInfo* target = trace_format_of(to);
    if (source == nullptr || target == nullptr) {
        return fmt::format("{}: a trace ends in {}", source == nullptr ? from : to,
                           trace_endings());
    }
    for (const TraceFormatInfo* info : {source, target}) {
        const std::string problem = trace_format_problem(info->format);
        if (!problem.empty()) {
            return problem;
        }
    }
    if (source->holds == Holds::Tracks) {
        return fmt::format(
            "{}: a {} is a picture of events for a viewer; convert from .jsonl or "
            ".jsonl.gz",
            from, source->name);
    }
    if (source->holds == Holds::Signals && target->holds != Holds::Signals) {
        return fmt::format("{}: a waveform has no events; convert from .jsonl or .jsonl.gz", from);
    }
    return {};
}

ConvertResult convert_trace(const std::string& from, const std::string& to,
                            const TraceSelection& selection) {
    const TraceFormatInfo* source = trace_format_of(from);
    const TraceFormatInfo* target = trace_format_of(to);
    return source->holds == Holds::Events
               ? from_events(from, to, selection)
               : from_signals(from, source->format, to, target->format, selection);
}

}  // namespace ioasim::traces
