#include "traces/trace_scope.hpp"

#include <algorithm>

#include <fnmatch.h>

#include "traces/fields.hpp"

namespace ioasim::traces {

TraceScope::TraceScope(const trace::Recorder& recorder, std::vector<std::string> globs)
    : recorder_(recorder), globs_(std::move(globs)) {}

bool TraceScope::takes_event(std::string_view event) const {
    const std::string text(event);
    return std::any_of(globs_.begin(), globs_.end(), [&](const std::string& glob) {
        return fnmatch(glob.c_str(), text.c_str(), 0) == 0;
    });
}

bool TraceScope::takes_component(std::string_view component) const {
    for (std::string name(component); !name.empty();) {
        if (takes_event(name)) {
            return true;
        }
        const std::size_t above = name.rfind('/');
        name.erase(above == std::string::npos ? 0 : above);
    }
    return false;
}

bool TraceScope::takes_name(trace::Name name) {
    std::uint8_t& known = names_[name.value()];
    if (known == Unknown) {
        known = takes_component(recorder_.names().text(name)) ? In : Out;
    }
    return known == In;
}

bool TraceScope::takes(const trace::EventRecord& record) {
    std::uint8_t& event = events_[reinterpret_cast<std::uintptr_t>(record.info)];
    if (event == Unknown) {
        event = takes_event(record.info->name) ? In : Out;
    }
    if (event == In) {
        return true;
    }
    std::uint8_t& source = sources_[record.source.value()];
    if (source == Unknown) {
        source = takes_component(recorder_.source_name(record.source)) ? In : Out;
    }
    if (source == In) {
        return true;
    }
    for (std::size_t i = 0; i < record.info->fields.size(); ++i) {
        if (record.info->fields[i].type == trace::FieldType::Text &&
            takes_name(as_name(record.values[i]))) {
            return true;
        }
    }
    return false;
}

}  // namespace ioasim::traces
