// Events of devices in the hands of processes: fault objects of /dev/iommu, with page requests on
// their way to a process and its answers; functions that are stopped; mapped registers.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct IopfQueued {
    static constexpr EventName kName{"iopf.queued", Category::Software,
                                     "A complete group stands in the fault object of the page "
                                     "table that the process allocated; waiting: so many do."};
    Name queue;
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    std::uint32_t pages = 0;
    std::uint64_t waiting = 0;
    IOASIM_FIELDS(queue, device, pasid, group, pages, waiting)
};
struct IopfRead {
    static constexpr EventName kName{"iopf.read", Category::Software,
                                     "A process reads a fault object: whole groups as records, "
                                     "each group under a cookie."};
    Name queue;
    std::uint32_t groups = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cookie = 0;  // of the last one
    Errno result = Errno::Ok;
    IOASIM_FIELDS(queue, groups, bytes, cookie, result)
};
struct IopfWritten {
    static constexpr EventName kName{"iopf.written", Category::Software,
                                     "A process answers a group through the fault object; EINVAL: "
                                     "no such cookie, or a code that it may not give."};
    Name queue;
    std::uint64_t cookie = 0;
    std::uint32_t code = 0;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(queue, cookie, code, result)
};

struct IopfStorm {
    static constexpr EventName kName{"iopf.storm", Category::Software,
                                     "A function asked for too many pages within the window, and "
                                     "is stopped; or it was reset and may ask again."};
    Name device;
    std::uint64_t requests = 0;
    bool stopped = false;
    IOASIM_FIELDS(device, requests, stopped)
};

struct VfioRegisters {
    static constexpr EventName kName{"vfio.registers", Category::Software,
                                     "Registers of a device were mapped into a process that has "
                                     "its file, or taken away from it."};
    Name device;
    Name process;
    bool mapped = false;
    IOASIM_FIELDS(device, process, mapped)
};

}  // namespace ioasim::trace
