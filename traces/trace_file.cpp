#include "traces/trace_file.hpp"

#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "traces/chrome_writer.hpp"
#include "traces/gzip_file.hpp"
#include "traces/perfetto_writer.hpp"
#include "traces/trace_format.hpp"
#include "traces/trace_part.hpp"
#include "traces/trace_scope.hpp"
#include "traces/track_model.hpp"

namespace ioasim::traces {
namespace {

std::string counted(std::uint64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

class EventFile final : public TraceFile {
public:
    EventFile(trace::Recorder& recorder, std::unique_ptr<ByteSink> out, const JsonlHeader& header,
              const TraceSelection& only, const TraceSelection& selection, bool hidden)
        : out_(marked(std::move(out), narrowed(only, selection))),
          sink_(recorder, *out_, header, selection.limit),
          hidden_(hidden) {}

    std::uint32_t categories() const override { return trace::kAllCategories; }
    void show_from(TimePs) override { hidden_ = false; }
    void on_event(const trace::EventRecord& record) override {
        if (!hidden_) {
            sink_.on_event(record);
        }
    }
    void on_end(TimePs end) override { sink_.on_end(end); }
    void close() override { out_->close(); }
    const std::string& error() const override { return out_->error(); }
    std::uint64_t bytes() const override { return out_->size(); }
    std::string content() const override { return counted(sink_.lines(), "event"); }
    std::optional<TimePs> full_at() const override { return sink_.full_at(); }

private:
    std::unique_ptr<ByteSink> out_;
    JsonlSink sink_;
    bool hidden_;
};

class WaveFile final : public TraceFile {
public:
    WaveFile(trace::Recorder& recorder, const std::string& path, const WaveTopology& topology,
             const WaveOptions& options)
        : path_(path), sink_(recorder, path, topology, options) {}

    std::uint32_t categories() const override { return sink_.categories(); }
    void show_from(TimePs now) override { sink_.show_from(now); }
    void on_event(const trace::EventRecord& record) override { sink_.on_event(record); }
    void on_end(TimePs end) override { sink_.on_end(end); }
    void close() override {}
    const std::string& error() const override { return sink_.error(); }
    std::uint64_t bytes() const override { return sink_.bytes(); }
    std::string content() const override {
        std::string text = fmt::format("{} of {}", counted(sink_.changes(), "change"),
                                       counted(sink_.signals(), "signal"));
        if (sink_.ids_not_shown() != 0) {
            text += fmt::format(", {} IDs are not shown", sink_.ids_not_shown());
        }
        return text + fmt::format("; open with: gtkwave {}.gtkw", wave_stem(path_));
    }
    std::optional<TimePs> full_at() const override { return sink_.full_at(); }

private:
    std::string path_;
    WaveSink sink_;
};

class TrackFile final : public TraceFile {
public:
    TrackFile(trace::Recorder& recorder, std::unique_ptr<TrackWriter> writer)
        : writer_(std::move(writer)), model_(recorder, *writer_) {}

    std::uint32_t categories() const override { return trace::kAllCategories; }
    void show_from(TimePs now) override { writer_->show_from(now); }
    void on_event(const trace::EventRecord& record) override { model_.on_event(record); }
    void on_end(TimePs end) override { writer_->finish(end); }
    void close() override {}
    const std::string& error() const override { return writer_->error(); }
    std::uint64_t bytes() const override { return writer_->bytes(); }
    std::string content() const override {
        return fmt::format("{} on {}", counted(writer_->items(), "item"),
                           counted(writer_->tracks_shown(), "track"));
    }
    std::optional<TimePs> full_at() const override { return writer_->full_at(); }

private:
    std::unique_ptr<TrackWriter> writer_;
    TrackModel model_;
};

// Window and scope of a file. Waveforms have their scope in their signals already.
class SelectedFile final : public TraceFile {
public:
    SelectedFile(const trace::Recorder& recorder, std::unique_ptr<TraceFile> file,
                 const TraceSelection& selection, bool filter)
        : file_(std::move(file)),
          selection_(selection),
          scope_(recorder, selection.scopes),
          filter_(filter && !selection.scopes.empty()) {}

    std::uint32_t categories() const override {
        // All files of a run agree on which events are the last.
        return selection_.last != 0 ? trace::kAllCategories : file_->categories();
    }
    void show_from(TimePs) override {}

    void on_event(const trace::EventRecord& record) override {
        if (record.time > selection_.to || (filter_ && !scope_.takes(record))) {
            return;
        }
        if (selection_.last != 0) {
            kept_.push_back(record);
            if (kept_.size() > selection_.last) {
                file_->on_event(kept_.front());
                kept_.pop_front();
            }
            return;
        }
        open(record.time);
        file_->on_event(record);
    }

    void on_end(TimePs end) override {
        if (!kept_.empty()) {
            const TimePs first = std::max(kept_.front().time, selection_.from);
            while (!kept_.empty() && kept_.front().time < first) {
                file_->on_event(kept_.front());
                kept_.pop_front();
            }
            file_->show_from(first);
            for (const trace::EventRecord& record : kept_) {
                file_->on_event(record);
            }
            kept_.clear();
        } else {
            open(end);
        }
        file_->on_end(std::min(end, selection_.to));
    }

    void close() override { file_->close(); }
    const std::string& error() const override { return file_->error(); }
    std::uint64_t bytes() const override { return file_->bytes(); }
    std::string content() const override { return file_->content(); }
    std::optional<TimePs> full_at() const override { return file_->full_at(); }

private:
    // The window opens when the first event in it, or behind it, is seen.
    void open(TimePs now) {
        if (!open_ && now >= selection_.from) {
            open_ = true;
            file_->show_from(selection_.from);
        }
    }

    std::unique_ptr<TraceFile> file_;
    TraceSelection selection_;
    TraceScope scope_;
    bool filter_;
    bool open_ = false;
    std::deque<trace::EventRecord> kept_;
};

template <class List, class Keep>
void keep_only(List& list, Keep keep) {
    list.erase(
        std::remove_if(list.begin(), list.end(), [&](const auto& item) { return !keep(item); }),
        list.end());
}

// The signals that a scope takes: by component, or by the event that drives them.
WaveTopology in_scope(const TraceScope& scope, WaveTopology all) {
    keep_only(all.kernels, [&](const WaveTopology::Kernel& kernel) {
        return scope.takes_component(kernel.name + "/ioasid") || scope.takes_event("ioasid.state");
    });
    keep_only(all.queues, [&](const WaveTopology::Queue& queue) {
        return scope.takes_component(queue.device + "/" + queue.name) ||
               scope.takes_event("dsa.enqueue");
    });
    keep_only(all.iommus, [&](const WaveTopology::Iommu& iommu) {
        return scope.takes_component(iommu.name) || scope.takes_event("vtd.prq");
    });
    keep_only(all.cpus, [&](const std::string& cpu) {
        return scope.takes_component(cpu) || scope.takes_event("cpu.pasid");
    });
    keep_only(all.locks, [&](const std::string& lock) {
        return scope.takes_component(lock) || scope.takes_event("lock.acquire");
    });
    return all;
}

std::unique_ptr<TraceFile> open_plain(trace::Recorder& recorder, const std::string& path,
                                      TraceFormat format, const TraceContext& context,
                                      const TraceSelection& selection) {
    const bool hidden = selection.from != TimePs{} || selection.last != 0;
    switch (format) {
        case TraceFormat::Jsonl:
            return std::make_unique<EventFile>(recorder, std::make_unique<OutputFile>(path),
                                               context.header, context.only, selection, hidden);
        case TraceFormat::JsonlGz:
            return std::make_unique<EventFile>(recorder, std::make_unique<GzipFile>(path),
                                               context.header, context.only, selection, hidden);
        case TraceFormat::Vcd:
        case TraceFormat::Fst: {
            WaveOptions options;
            options.comment =
                fmt::format("seed {} configuration {}", context.header.seed, context.header.config);
            options.hidden = hidden;
            options.limit = selection.limit;
            const WaveTopology topology =
                selection.scopes.empty()
                    ? context.topology
                    : in_scope(TraceScope(recorder, selection.scopes), context.topology);
            return std::make_unique<WaveFile>(recorder, path, topology, options);
        }
        case TraceFormat::Perfetto:
        case TraceFormat::Chrome: {
            std::unique_ptr<TrackWriter> writer;
            if (format == TraceFormat::Perfetto) {
                writer = std::make_unique<PerfettoWriter>(recorder, path);
            } else {
                writer = std::make_unique<ChromeWriter>(recorder, path, context.header);
            }
            writer->set_limit(selection.limit);
            if (hidden) {
                writer->hide();
            }
            return std::make_unique<TrackFile>(recorder, std::move(writer));
        }
    }
    return nullptr;
}

}  // namespace

std::unique_ptr<TraceFile> open_trace(trace::Recorder& recorder, const std::string& path,
                                      const TraceContext& context,
                                      const TraceSelection& selection) {
    const TraceFormatInfo* info = trace_format_of(path);
    SIM_CHECK(info != nullptr, "{} is no name of a trace", path);
    std::unique_ptr<TraceFile> file = open_plain(recorder, path, info->format, context, selection);
    if (selection.everything()) {
        return file;
    }
    const bool filter = info->holds != TraceFormatInfo::Holds::Signals;
    return std::make_unique<SelectedFile>(recorder, std::move(file), selection, filter);
}

std::string readable_size(std::uint64_t bytes) {
    static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    std::uint64_t tenths = bytes * 10;
    while (tenths >= 10 * 1024 && unit + 1 < std::size(kUnits)) {
        tenths /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} bytes", bytes)
                     : fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit]);
}

std::string trace_line(const std::string& path, const TraceFile& file,
                       const TraceSelection& selection) {
    std::string line = fmt::format("{}: {}, {}", path, readable_size(file.bytes()), file.content());
    if (!selection.scopes.empty()) {
        line += "; only";
        for (const std::string& scope : selection.scopes) {
            line += " " + scope;
        }
        if (file.content().compare(0, 2, "0 ") == 0) {
            line += ", and nothing of this run is named so";
        }
    }
    if (selection.to != TimePs::max()) {
        line += fmt::format("; {} to {}", format_time(selection.from), format_time(selection.to));
    } else if (selection.from != TimePs{}) {
        line += fmt::format("; from {} on", format_time(selection.from));
    }
    if (selection.last != 0) {
        line += fmt::format("; the last {} events", selection.last);
    }
    if (const std::optional<TimePs> full = file.full_at()) {
        line += fmt::format("; ends at {}: more would be larger than {}", format_time(*full),
                            readable_size(selection.limit));
    }
    return line;
}

}  // namespace ioasim::traces
