// Typed access to the packed fields of an EventRecord. The position of a field is computed by the
// compiler from the event struct's own list, so a renamed or removed field does not compile here.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "core/trace/event.hpp"

namespace ioasim::traces {

constexpr std::size_t field_index(std::string_view list, std::string_view name) {
    std::size_t index = 0;
    std::size_t at = 0;
    while (at < list.size()) {
        while (at < list.size() && list[at] == ' ') {
            ++at;
        }
        std::size_t end = at;
        while (end < list.size() && list[end] != ',') {
            ++end;
        }
        if (list.substr(at, end - at) == name) {
            return index;
        }
        ++index;
        at = end + 1;
    }
    throw std::logic_error("the event has no such field");
}

constexpr trace::Name as_name(std::uint64_t value) {
    return trace::Name{static_cast<std::uint32_t>(value)};
}
constexpr std::uint32_t as_u32(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}

constexpr std::uint32_t kNoId = 0xFFFF'FFFF;  // an Id field without a value

}  // namespace ioasim::traces

// IOASIM_FIELD(record, IoasidPut, refs): the packed value of that field.
#define IOASIM_FIELD(record, Event, field)                                                       \
    ((record).values[std::integral_constant<std::size_t, ::ioasim::traces::field_index(          \
                                                             ::ioasim::trace::Event::kFieldList, \
                                                             #field)>::value])
#define IOASIM_NAME(record, Event, field) \
    (::ioasim::traces::as_name(IOASIM_FIELD(record, Event, field)))
#define IOASIM_U32(record, Event, field) \
    (::ioasim::traces::as_u32(IOASIM_FIELD(record, Event, field)))
