// The same targets for libFuzzer, an executable each (IOASIM_FUZZ_TARGET is its name).
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const ioasim::fuzz::Target* const target = ioasim::fuzz::find_target(IOASIM_FUZZ_TARGET);
    target->run({reinterpret_cast<const char*>(data), size});
    return 0;
}

extern "C" int sc_main(int, char**) {
    return 0;
}
