#include "core/sim/kernel_version.hpp"

#include <systemc>

namespace ioasim::sim {
namespace {

std::string without_vendor(const std::string& release) {
    return release.substr(0, release.find_first_of("_- "));
}

#define IOASIM_TEXT_OF(x) #x
#define IOASIM_TEXT(x) IOASIM_TEXT_OF(x)

}  // namespace

KernelVersion kernel_version() {
    KernelVersion version;
    version.built = without_vendor(IOASIM_TEXT(SC_VERSION_MAJOR) "." IOASIM_TEXT(
        SC_VERSION_MINOR) "." IOASIM_TEXT(SC_VERSION_PATCH));
    version.running = without_vendor(sc_core::sc_release());
    version.symbol = IOASIM_TEXT(SC_API_VERSION_STRING);
    return version;
}

}  // namespace ioasim::sim
