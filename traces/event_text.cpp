#include "traces/event_text.hpp"

#include <iterator>

#include <fmt/format.h>

#include "core/base/result.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {

using trace::FieldType;

std::string format_rid(std::uint16_t rid) {
    return fmt::format("{:02x}:{:02x}.{:x}", rid >> 8U, (rid >> 3U) & 0x1FU, rid & 7U);
}

std::string format_value(const trace::Recorder& recorder, const trace::FieldInfo& field,
                         std::uint64_t value) {
    switch (field.type) {
        case FieldType::Count:
            return fmt::format("{}", value);
        case FieldType::Id:
            return value == kNoId ? "none" : fmt::format("{}", value);
        case FieldType::Hex:
            return fmt::format("0x{:x}", value);
        case FieldType::Rid:
            return format_rid(static_cast<std::uint16_t>(value));
        case FieldType::Bool:
            return value != 0 ? "true" : "false";
        case FieldType::Time:
            return format_time(TimePs{value});
        case FieldType::Error:
            return std::string(errno_name(static_cast<Errno>(value)));
        case FieldType::Text:
            return recorder.names().text(as_name(value));
        case FieldType::Enum:
            return value < field.label_count ? field.labels[value] : fmt::format("{}", value);
    }
    return {};
}

std::string format_event(const trace::Recorder& recorder, const trace::EventRecord& record) {
    std::string line = fmt::format("{} {}", format_time(record.time), record.info->name);
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        const trace::FieldInfo& field = record.info->fields[i];
        const std::uint64_t value = record.values[i];
        const bool none = (field.type == FieldType::Id && value == kNoId) ||
                          (field.type == FieldType::Text && value == 0);
        if (!none) {
            fmt::format_to(std::back_inserter(line), " {}={}", field.name,
                           format_value(recorder, field, value));
        }
    }
    fmt::format_to(std::back_inserter(line), " [{}]", recorder.source_name(record.source));
    return line;
}

}  // namespace ioasim::traces
