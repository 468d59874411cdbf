#include "traces/jsonl_sink.hpp"

#include <iterator>

#include <fmt/compile.h>

#include "core/base/result.hpp"
#include "traces/event_text.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {
namespace {

void append(fmt::memory_buffer& out, std::string_view text) {
    out.append(text.data(), text.data() + text.size());
}

}  // namespace

void append_json_string(fmt::memory_buffer& out, std::string_view text) {
    out.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20) {
            fmt::format_to(std::back_inserter(out), FMT_COMPILE("\\u{:04x}"), byte);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

JsonlSink::JsonlSink(const trace::Recorder& recorder, ByteSink& out, const JsonlHeader& header,
                     std::uint64_t limit)
    : recorder_(recorder), out_(out), limit_(limit) {
    append(line_, "{\"schema\":");
    append_json_string(line_, header.schema);
    append(line_, ",\"version\":");
    append_json_string(line_, header.version);
    append(line_, ",\"config\":");
    append_json_string(line_, header.config);
    fmt::format_to(std::back_inserter(line_), FMT_COMPILE(",\"seed\":{}}}\n"), header.seed);
    out_.write({line_.data(), line_.size()});
}

void append_json_value(fmt::memory_buffer& out, const trace::Recorder& recorder,
                       const trace::FieldInfo& field, std::uint64_t value) {
    const auto at = std::back_inserter(out);
    switch (field.type) {
        case trace::FieldType::Count:
        case trace::FieldType::Time:
            fmt::format_to(at, FMT_COMPILE("{}"), value);
            return;
        case trace::FieldType::Id:
            if (value == kNoId) {
                append(out, "null");
            } else {
                fmt::format_to(at, FMT_COMPILE("{}"), value);
            }
            return;
        case trace::FieldType::Hex:
            fmt::format_to(at, FMT_COMPILE("\"0x{:x}\""), value);
            return;
        case trace::FieldType::Rid:
            fmt::format_to(at, FMT_COMPILE("\"{:02x}:{:02x}.{:x}\""), (value >> 8U) & 0xFFU,
                           (value >> 3U) & 0x1FU, value & 7U);
            return;
        case trace::FieldType::Bool:
            append(out, value != 0 ? "true" : "false");
            return;
        case trace::FieldType::Error:
            append_json_string(out, errno_name(static_cast<Errno>(value)));
            return;
        case trace::FieldType::Text:
            append_json_string(out, recorder.names().text(as_name(value)));
            return;
        case trace::FieldType::Enum:
            if (value < field.label_count) {
                append_json_string(out, field.labels[value]);
            } else {
                fmt::format_to(at, FMT_COMPILE("{}"), value);
            }
            return;
    }
}

void append_json_event(fmt::memory_buffer& out, const trace::Recorder& recorder,
                       const trace::EventRecord& record) {
    fmt::format_to(std::back_inserter(out),
                   FMT_COMPILE("{{\"seq\":{},\"time_ps\":{},\"event\":\"{}\",\"source\":"),
                   record.seq, record.time.ps(), record.info->name);
    append_json_string(out, recorder.source_name(record.source));
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        const trace::FieldInfo& field = record.info->fields[i];
        append(out, ",\"");
        append(out, field.name);
        append(out, "\":");
        append_json_value(out, recorder, field, record.values[i]);
    }
    append(out, "}\n");
}

void JsonlSink::on_event(const trace::EventRecord& record) {
    if (full_at_) {
        return;
    }
    line_.clear();
    append_json_event(line_, recorder_, record);
    if (!out_.fits(line_.size(), limit_)) {
        full_at_ = record.time;
        return;
    }
    out_.write({line_.data(), line_.size()});
    ++lines_;
}

void JsonlSink::on_end(TimePs) {
    out_.flush();
}

}  // namespace ioasim::traces
