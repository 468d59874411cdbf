#include "traces/jsonl_reader.hpp"

#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/base/result.hpp"
#include "core/trace/catalogue.hpp"
#include "traces/fields.hpp"
#include "traces/look_around.hpp"

namespace ioasim::traces {

using nlohmann::json;
using trace::FieldType;

namespace {

bool parse_hex(std::string_view text, std::uint64_t& out) {
    if (text.size() < 3 || text.substr(0, 2) != "0x") {
        return false;
    }
    const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), out, 16);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse_rid(std::string_view text, std::uint64_t& out) {
    unsigned bus = 0;
    unsigned device = 0;
    unsigned function = 0;
    if (text.size() != 7 || text[2] != ':' || text[5] != '.') {
        return false;
    }
    const auto number = [&text](std::size_t at, std::size_t count, unsigned& value) {
        const char* first = text.data() + at;
        const auto [end, error] = std::from_chars(first, first + count, value, 16);
        return error == std::errc{} && end == first + count;
    };
    if (!number(0, 2, bus) || !number(3, 2, device) || !number(6, 1, function) || device > 31 ||
        function > 7) {
        return false;
    }
    out = (bus << 8U) | (device << 3U) | function;
    return true;
}

std::optional<std::uint64_t> unpack_text(trace::Recorder& recorder, const trace::FieldInfo& field,
                                         const std::string& text) {
    std::uint64_t value = 0;
    switch (field.type) {
        case FieldType::Hex:
            return parse_hex(text, value) ? std::optional(value) : std::nullopt;
        case FieldType::Rid:
            return parse_rid(text, value) ? std::optional(value) : std::nullopt;
        case FieldType::Error: {
            Errno error = Errno::Ok;
            return parse_errno(text, error) ? std::optional(static_cast<std::uint64_t>(error))
                                            : std::nullopt;
        }
        case FieldType::Text:
            return recorder.name(text).value();
        case FieldType::Enum:
            for (std::size_t i = 0; i < field.label_count; ++i) {
                if (text == field.labels[i]) {
                    return i;
                }
            }
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

std::optional<std::uint64_t> unpack(trace::Recorder& recorder, const trace::FieldInfo& field,
                                    const json& value) {
    if (value.is_string()) {
        return unpack_text(recorder, field, value.get_ref<const std::string&>());
    }
    if (value.is_boolean()) {
        return field.type == FieldType::Bool
                   ? std::optional<std::uint64_t>(value.get<bool>() ? 1 : 0)
                   : std::nullopt;
    }
    if (value.is_null()) {
        return field.type == FieldType::Id ? std::optional<std::uint64_t>(kNoId) : std::nullopt;
    }
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        const bool fits = field.type == FieldType::Count || field.type == FieldType::Time ||
                          field.type == FieldType::Enum ||
                          (field.type == FieldType::Id && number < kNoId);
        return fits ? std::optional(number) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

struct JsonlReader::Parse {
    static bool header(JsonlReader& reader, const json& line, JsonlHeader& header) {
        const auto text = [&line](const char* key, std::string& out) {
            const auto found = line.find(key);
            if (found == line.end() || !found->is_string()) {
                return false;
            }
            out = found->get<std::string>();
            return true;
        };
        if (!line.is_object() || !text("schema", header.schema)) {
            return reader.fail("no trace header: the first line must hold \"schema\"");
        }
        if (header.schema != kJsonlSchema) {
            return reader.fail(
                fmt::format("schema \"{}\" is not \"{}\"", header.schema, kJsonlSchema));
        }
        const auto seed = line.find("seed");
        if (!text("version", header.version) || !text("config", header.config) ||
            seed == line.end() || !seed->is_number_unsigned()) {
            return reader.fail("the header needs \"version\", \"config\" and \"seed\"");
        }
        header.seed = seed->get<std::uint64_t>();
        const auto only = line.find("only");
        return only == line.end() || part(*only, reader.only_) ||
               reader.fail("\"only\" in the header has other than scope, from_ps, to_ps and last");
    }

    static bool part(const json& only, TraceSelection& out) {
        if (!only.is_object()) {
            return false;
        }
        for (const auto& [key, value] : only.items()) {
            if (key == "scope" && value.is_array()) {
                for (const json& glob : value) {
                    if (!glob.is_string()) {
                        return false;
                    }
                    out.scopes.push_back(glob.get<std::string>());
                }
            } else if (key == "from_ps" && value.is_number_unsigned()) {
                out.from = TimePs{value.get<std::uint64_t>()};
            } else if (key == "to_ps" && value.is_number_unsigned()) {
                out.to = TimePs{value.get<std::uint64_t>()};
            } else if (key == "last" && value.is_number_unsigned()) {
                out.last = value.get<std::uint64_t>();
            } else {
                return false;
            }
        }
        return true;
    }

    static bool number(const json& line, const char* key, std::uint64_t& out) {
        const auto found = line.find(key);
        if (found == line.end() || !found->is_number_unsigned()) {
            return false;
        }
        out = found->get<std::uint64_t>();
        return true;
    }

    static bool event(JsonlReader& reader, const json& line, trace::EventRecord& record) {
        std::uint64_t seq = 0;
        std::uint64_t time = 0;
        if (!line.is_object() || !number(line, "seq", seq) || !number(line, "time_ps", time)) {
            return reader.fail("an event needs \"seq\" and \"time_ps\"");
        }
        if (reader.any_ && seq <= reader.last_seq_) {
            return reader.fail(fmt::format("seq {} does not follow {}", seq, reader.last_seq_));
        }
        if (time < reader.last_time_) {
            return reader.fail(fmt::format("time {} ps is before {} ps", time, reader.last_time_));
        }
        // The last time there is stands for "never": nothing comes behind it, not even an end.
        if (TimePs{time} == TimePs::max()) {
            return reader.fail(fmt::format("time {} ps is none that an event can have", time));
        }
        const auto name = line.find("event");
        const auto source = line.find("source");
        if (name == line.end() || !name->is_string() || source == line.end() ||
            !source->is_string()) {
            return reader.fail("an event needs \"event\" and \"source\"");
        }
        record.info = trace::find_event(name->get_ref<const std::string&>());
        if (record.info == nullptr) {
            return reader.fail(
                fmt::format("unknown event \"{}\"", name->get_ref<const std::string&>()));
        }
        record.seq = seq;
        record.time = TimePs{time};
        record.source = reader.recorder_.source(source->get_ref<const std::string&>());
        reader.any_ = true;
        reader.last_seq_ = seq;
        reader.last_time_ = time;
        return fields(reader, line, record);
    }

    static bool fields(JsonlReader& reader, const json& line, trace::EventRecord& record) {
        const auto& wanted = record.info->fields;
        record.values = {};
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const auto found = line.find(wanted[i].name);
            if (found == line.end()) {
                return reader.fail(
                    fmt::format("{} has no field \"{}\"", record.info->name, wanted[i].name));
            }
            const auto value = unpack(reader.recorder_, wanted[i], *found);
            if (!value) {
                return reader.fail(fmt::format("{}: bad value {} of field \"{}\"",
                                               record.info->name, found->dump(), wanted[i].name));
            }
            record.values[i] = *value;
        }
        if (line.size() != wanted.size() + 4) {
            return reader.fail(
                fmt::format("{} has fields that the catalogue does not know", record.info->name));
        }
        return true;
    }
};

bool JsonlReader::fail(std::string text) {
    error_ = {std::max<std::size_t>(line_, 1), std::move(text)};
    return false;
}

bool JsonlReader::read_line(std::string& text) {
    look_around();
    if (error_ || !std::getline(in_, text)) {
        return false;
    }
    ++line_;
    if (in_.eof()) {
        return fail("the last line is cut off");
    }
    return true;
}

bool JsonlReader::read_header(JsonlHeader& header) {
    std::string text;
    if (!read_line(text)) {
        return error_ ? false : fail("the trace is empty");
    }
    const json line = json::parse(text, nullptr, false);
    return line.is_discarded() ? fail("not a JSON line") : Parse::header(*this, line, header);
}

bool JsonlReader::next(trace::EventRecord& record) {
    std::string text;
    if (!read_line(text)) {
        return false;
    }
    const json line = json::parse(text, nullptr, false);
    return line.is_discarded() ? fail("not a JSON line") : Parse::event(*this, line, record);
}

JsonlError replay_jsonl(std::istream& in, trace::Recorder& recorder, trace::Listener& listener,
                        JsonlHeader* header, TraceSelection* only) {
    JsonlReader reader(in, recorder);
    JsonlHeader unused;
    if (!reader.read_header(header != nullptr ? *header : unused)) {
        return reader.error();
    }
    if (only != nullptr) {
        *only = reader.only();
    }
    trace::EventRecord record;
    TimePs end;
    while (reader.next(record)) {
        end = record.time;
        listener.on_event(record);
    }
    if (!reader.error()) {
        listener.on_end(end);
    }
    return reader.error();
}

}  // namespace ioasim::traces
