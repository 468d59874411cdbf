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

void ChromeWriter::finish_line() {
    out_.append(any_ ? ",\n" : "");
    any_ = true;
    out_.append(line_.data(), line_.size());
    line_.clear();
}

void ChromeWriter::put_start() {
    out_.append("[\n");
    append(line_, R"({"ph":"M","name":"ioasim","pid":0,"tid":0,"ts":0,"args":{"version":)");
    append_json_string(line_, header_.version);
    append(line_, ",\"config\":");
    append_json_string(line_, header_.config);
    fmt::format_to(std::back_inserter(line_), ",\"seed\":{}}}}}", header_.seed);
    finish_line();
}

void ChromeWriter::put_finish() {
    out_.append("\n]\n");
}

void ChromeWriter::put_track(TrackId id, const Track& track) {
    if (groups_.size() <= id) {
        groups_.resize(id + 1);
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
    finish_line();
    fmt::format_to(
        std::back_inserter(line_),
        R"({{"ph":"M","name":"{}","pid":{},"tid":{},"ts":0,"args":{{"sort_index":{}}}}})",
        group ? "process_sort_index" : "thread_sort_index", groups_[id], group ? 0 : id, id);
    finish_line();
}

void ChromeWriter::start(char phase, TrackId id, TimePs time) {
    fmt::format_to(std::back_inserter(line_), R"({{"ph":"{}","pid":{},"tid":{},"ts":)", phase,
                   groups_[id], id);
    append_us(line_, time.ps());
}

void ChromeWriter::put_name(const Slice& slice) {
    append(line_, ",\"name\":");
    append_json_string(line_, slice.name);
    append(line_, ",\"cat\":\"");
    append(line_, trace::category_name(slice.record.info->category));
    append(line_, "\"");
}

void ChromeWriter::put_fields(const Slice& slice, const trace::EventRecord* end) {
    append(line_, ",\"args\":{");
    bool first = true;
    const auto tell = [&](std::string_view name, const trace::FieldInfo& field,
                          std::uint64_t value) {
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
    };
    tell_fields(slice.record, tell);
    if (end != nullptr) {
        tell_new_fields(slice.record, *end, tell);
    }
    append(line_, "}");
}

// A flow binds to the slice that encloses its point.
void ChromeWriter::put_flows(TrackId id, TimePs time, const TrackFlows& flows) {
    for (const TrackFlows::One& flow : flows) {
        std::uint8_t& begun = flows_begun_[flow.id];
        start(begun == 0 ? 's' : flow.ends ? 'f' : 't', id, time);
        fmt::format_to(std::back_inserter(line_),
                       R"(,"id":"0x{:x}","name":"flow","cat":"flow"{}}})", flow.id,
                       begun != 0 && flow.ends ? R"(,"bp":"e")" : "");
        finish_line();
        begun = 1;
        if (flow.ends) {
            flows_begun_.erase(flow.id);
        }
    }
}

void ChromeWriter::put_begin(TrackId id, const Slice& slice) {
    put_flows(id, slice.begin, slice.flows);
}

void ChromeWriter::put_end(TrackId id, const Slice& slice, TimePs end,
                           const trace::EventRecord* record, const TrackFlows& flows) {
    start('X', id, slice.begin);
    append(line_, ",\"dur\":");
    append_us(line_, (end - slice.begin).ps());
    put_name(slice);
    put_fields(slice, record);
    append(line_, "}");
    finish_line();
    put_flows(id, end, flows);
}

void ChromeWriter::put_instant(TrackId id, const Slice& slice) {
    // An instant with a flow is a slice without length: flows lead to slices only.
    const bool in_flow = slice.flows.count != 0;
    start(in_flow ? 'X' : 'i', id, slice.begin);
    append(line_, in_flow ? ",\"dur\":0" : ",\"s\":\"t\"");
    put_name(slice);
    put_fields(slice, nullptr);
    append(line_, "}");
    finish_line();
    put_flows(id, slice.begin, slice.flows);
}

void ChromeWriter::put_counter(TrackId id, TimePs time, std::uint64_t value) {
    start('C', id, time);
    append(line_, ",\"name\":");
    append_json_string(line_, names_[id]);
    fmt::format_to(std::back_inserter(line_), ",\"args\":{{\"value\":{}}}}}", value);
    finish_line();
}

}  // namespace ioasim::traces
