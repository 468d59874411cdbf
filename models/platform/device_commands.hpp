// Administrative commands of an accelerator by the names that scenarios give them.
#pragma once

#include <array>
#include <cstdint>

namespace ioasim::platform {

struct NamedCode {
    const char* name;
    std::uint8_t code;
};

inline constexpr std::array<NamedCode, 14> kDeviceCommands{{
    {"enable_device", 1},
    {"disable_device", 2},
    {"drain_all", 3},
    {"abort_all", 4},
    {"reset_device", 5},
    {"enable_wq", 6},
    {"disable_wq", 7},
    {"drain_wq", 8},
    {"abort_wq", 9},
    {"reset_wq", 10},
    {"drain_pasid", 11},
    {"abort_pasid", 12},
    {"request_handle", 13},
    {"release_handle", 14},
}};

}  // namespace ioasim::platform
