// A host as a virtual machine sees it: who serves it there, what the devices are called that stand
// behind its virtual functions, and which host IDs its VMM asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/linux/vm_host_if.hpp"

namespace ioasim::vm {

struct VmSite {
    std::string host = "host";
    os::VmHost* vm_host = nullptr;
    std::vector<std::string> devices;
    std::uint32_t pasid_min = 1;
    std::uint32_t pasid_max = 0xFFFFF;
};

}  // namespace ioasim::vm
