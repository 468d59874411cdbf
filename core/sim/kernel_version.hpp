// The simulation kernel that a program was built with, and the one that it runs with.
#pragma once

#include <string>

namespace ioasim::sim {

struct KernelVersion {
    std::string built;    // "2.3.4": of the headers
    std::string running;  // of the library
    // The symbol that both must have: it holds version and language level, so that a program does
    // not start with a library that was built for another (sc_ver.h, SystemC 2.3.4).
    std::string symbol;

    bool same() const { return built == running; }
};

KernelVersion kernel_version();

}  // namespace ioasim::sim
