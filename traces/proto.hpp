// The wire format of protocol buffers: as much of it as writing and checking a trace takes.
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ioasim::traces::proto {

enum class Wire : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

inline void put_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80U) {
        out.push_back(static_cast<char>(value | 0x80U));
        value >>= 7U;
    }
    out.push_back(static_cast<char>(value));
}
inline void put_tag(std::string& out, std::uint32_t field, Wire wire) {
    put_varint(out, (std::uint64_t{field} << 3U) | static_cast<std::uint64_t>(wire));
}
inline void put_number(std::string& out, std::uint32_t field, std::uint64_t value) {
    put_tag(out, field, Wire::Varint);
    put_varint(out, value);
}
inline void put_fixed64(std::string& out, std::uint32_t field, std::uint64_t value) {
    put_tag(out, field, Wire::Fixed64);
    for (int i = 0; i < 8; ++i) {
        out.push_back(static_cast<char>(value >> (8 * i)));
    }
}
inline void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
    put_tag(out, field, Wire::Bytes);
    put_varint(out, bytes.size());
    out.append(bytes);
}

// A field of a message as it is read.
struct Field {
    std::uint32_t number = 0;
    Wire wire = Wire::Varint;
    std::uint64_t value = 0;  // of a number
    std::string_view bytes;   // of a string or message
};

// Takes the next field off `message`; false: it is over, or (`good` is false) damaged.
inline bool next_field(std::string_view& message, Field& field, bool& good) {
    good = true;
    if (message.empty()) {
        return false;
    }
    const auto varint = [&message](std::uint64_t& value) {
        value = 0;
        for (unsigned shift = 0; shift < 64 && !message.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(message.front());
            message.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7FU} << shift;
            if ((byte & 0x80U) == 0) {
                return true;
            }
        }
        return false;
    };
    const auto fixed = [&](std::size_t count) {
        if (message.size() < count) {
            return false;
        }
        field.value = 0;
        for (std::size_t i = count; i-- > 0;) {
            field.value = (field.value << 8U) | static_cast<unsigned char>(message[i]);
        }
        message.remove_prefix(count);
        return true;
    };
    std::uint64_t tag = 0;
    good = varint(tag) && (tag >> 3U) != 0 && (tag >> 3U) < (1U << 29U);
    if (!good) {
        return false;
    }
    field.number = static_cast<std::uint32_t>(tag >> 3U);
    field.wire = static_cast<Wire>(tag & 7U);
    switch (field.wire) {
        case Wire::Varint:
            good = varint(field.value);
            break;
        case Wire::Fixed64:
            good = fixed(8);
            break;
        case Wire::Fixed32:
            good = fixed(4);
            break;
        case Wire::Bytes:
            good = varint(field.value) && field.value <= message.size();
            if (good) {
                field.bytes = message.substr(0, field.value);
                message.remove_prefix(field.value);
            }
            break;
        default:
            good = false;
    }
    return good;
}

}  // namespace ioasim::traces::proto
