#include "traces/chrome_writer.hpp"

#include <iterator>

#include "core/base/result.hpp"
#include "traces/event_text.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint64_t kPsOfUs = 1'000'000;

void append(fmt::memory_buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

void append_us(fmt::memory_buffer& out, std::uint64_t ps) {
    fmt::format_to(std::back_inserter(out), "{}.{:06}", ps / kPsOfUs, ps % kPsOfUs);
}

}  // namespace

void ChromeWriter::finish_line(std::string& out) {
    out.append(any_ ? ",\n" : "");
    any_ = true;
    out.append(line_.data(), line_.size());
    line_.clear();
}

void ChromeWriter::put_start() {
    out_.append("[\n");
    append(line_, R"({"ph":"M","name":"ioasim","pid":0,"tid":0,"ts":0,"args":{"version":)");
    append_json_string(line_, header_.version);
    append(line_, ",\"config\":");
    append_json_string(line_, header_.config);
    fmt::format_to(std::back_inserter(line_), ",\"seed\":{}}}}}", header_.seed);
    finish_line(out_);
}

void ChromeWriter::put_finish() {
    out_.append("\n]\n");
}

void ChromeWriter::put_track(TrackId id, const Track& track) {
    if (groups_.size() <= id) {
        groups_.resize(id + 1);
        begins_.resize(id + 1);
        names_.resize(id + 1);
    }
    const bool group = track.kind == Kind::Group;
    groups_[id] = group ? id : track.parent;
    names_[id] = track.name;
    if (track.kind == Kind::Counter) {
        return;  // told by its values
    }
    fmt::format_to(std::back_inserter(line_),
                   R"({{"ph":"M","name":"{}","pid":{},"tid":{},"ts":0,"args":{{"name":)",
                   group ? "process_name" : "thread_name", groups_[id], group ? 0 : id);
    append_json_string(line_, track.name);
    append(line_, "}}");
    finish_line(out_);
    fmt::format_to(
        std::back_inserter(line_),
        R"({{"ph":"M","name":"{}","pid":{},"tid":{},"ts":0,"args":{{"sort_index":{}}}}})",
        group ? "process_sort_index" : "thread_sort_index", groups_[id], group ? 0 : id, id);
    finish_line(out_);
}

void ChromeWriter::start(char phase, TrackId id, TimePs time) {
    fmt::format_to(std::back_inserter(line_), R"({{"ph":"{}","pid":{},"tid":{},"ts":)", phase,
                   groups_[id], id);
    append_us(line_, time.ps());
}

void ChromeWriter::put_name(std::string_view name, const trace::EventRecord& record) {
    append(line_, ",\"name\":");
    append_json_string(line_, name);
    append(line_, ",\"cat\":\"");
    append(line_, trace::category_name(record.info->category));
    append(line_, "\"");
}

void ChromeWriter::put_fields(const trace::EventRecord& record) {
    append(line_, ",\"args\":{");
    bool first = true;
    tell_fields(record,
                [&](std::string_view name, const trace::FieldInfo& field, std::uint64_t value) {
                    append(line_, first ? "" : ",");
                    first = false;
                    append_json_string(line_, name);
                    append(line_, ":");
                    switch (field.type) {
                        case trace::FieldType::Count:
                        case trace::FieldType::Time:
                        case trace::FieldType::Id:
                            fmt::format_to(std::back_inserter(line_), "{}", value);
                            break;
                        case trace::FieldType::Bool:
                            append(line_, value != 0 ? "true" : "false");
                            break;
                        default:
                            append_json_string(line_, format_value(recorder_, field, value));
                    }
                });
    append(line_, "}");
}

void ChromeWriter::put_plain(char phase, TrackId id, TimePs time, std::string_view name,
                             const trace::EventRecord& record) {
    start(phase, id, time);
    append(line_, phase == 'i' ? ",\"s\":\"t\"" : "");
    put_name(name, record);
    put_fields(record);
    append(line_, "}");
}

// A flow binds to the slice that encloses its point.
void ChromeWriter::put_flows(TrackId id, TimePs time, const TrackFlows& flows, std::string& out) {
    for (const TrackFlows::One& flow : flows) {
        std::uint8_t& begun = flows_begun_[flow.id];
        start(begun == 0 ? 's' : flow.ends ? 'f' : 't', id, time);
        fmt::format_to(std::back_inserter(line_),
                       R"(,"id":"0x{:x}","name":"flow","cat":"flow"{}}})", flow.id,
                       begun != 0 && flow.ends ? R"(,"bp":"e")" : "");
        finish_line(out);
        begun = 1;
        if (flow.ends) {
            flows_begun_.erase(flow.id);
        }
    }
}

void ChromeWriter::release_begins(TrackId id, TimePs now) {
    std::vector<Begin>& begins = begins_[id];
    if (begins.empty() || begins.front().time == now) {
        return;
    }
    for (const Begin& begin : begins) {
        append(line_, begin.line);
        finish_line(due_);
        put_flows(id, begin.time, begin.flows, due_);
    }
    begins.clear();
}

void ChromeWriter::put_begin(TrackId id, const Slice& slice) {
    release_begins(id, slice.begin);
    put_plain('B', id, slice.begin, slice.name, slice.record);
    begins_[id].push_back({slice.begin, {line_.data(), line_.size()}, slice.flows});
    constexpr std::size_t kSeparators = 8;
    constexpr std::size_t kFlow = 160;
    begin_bytes_ = line_.size() + kSeparators + slice.flows.count * kFlow;
    line_.clear();
}

void ChromeWriter::put_end(TrackId id, const Slice& slice, TimePs end,
                           const trace::EventRecord* record, const TrackFlows& flows) {
    if (end == slice.begin) {
        // It is the last of those held back: what began behind it has ended already.
        begins_[id].pop_back();
        put_plain('i', id, end, slice.name, slice.record);
        finish_line(out_);
    } else {
        release_begins(id, end);
        put_flows(id, end, flows, out_);  // while the slice is open
        put_plain('E', id, end, slice.name, slice.record);
        finish_line(out_);
    }
    if (record != nullptr && record->info != slice.record.info) {
        put_plain('i', id, end, record->info->name, *record);
        finish_line(out_);
    }
}

void ChromeWriter::put_instant(TrackId id, const Slice& slice) {
    put_plain('i', id, slice.begin, slice.name, slice.record);
    finish_line(out_);
}

void ChromeWriter::put_counter(TrackId id, TimePs time, std::uint64_t value) {
    start('C', id, time);
    append(line_, ",\"name\":");
    append_json_string(line_, names_[id]);
    fmt::format_to(std::back_inserter(line_), ",\"args\":{{\"value\":{}}}}}", value);
    finish_line(out_);
}

}  // namespace ioasim::traces
