// Events of shared virtual addressing in a kernel: attach handles, users of address spaces, mmu
// notifiers, I/O page faults.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct IommuAttach {
    static constexpr EventName kName{"iommu.attach", Category::Software,
                                     "A domain is published in the PASID array of a device's "
                                     "group; handle 0: it stands there bare."};
    Name device;
    Pasid pasid;
    Name domain;  // "sva", "nested", "unmanaged"
    Name owner;   // of the address space
    std::uint64_t handle = 0;
    IOASIM_FIELDS(device, pasid, domain, owner, handle)
};
struct IommuDetach {
    static constexpr EventName kName{"iommu.detach", Category::Software,
                                     "A slot of the PASID array is free again, its handle ended."};
    Name device;
    Pasid pasid;
    Name domain;
    Name owner;
    std::uint64_t handle = 0;
    IOASIM_FIELDS(device, pasid, domain, owner, handle)
};
struct IommuHandleGet {
    static constexpr EventName kName{"iommu.handle_get", Category::Software,
                                     "Somebody looked an attach handle up: type asked for, what "
                                     "was found."};
    Name device;
    Pasid pasid;
    Name domain;  // "any", "sva", "nested", "unmanaged"
    Errno result = Errno::Ok;
    std::uint64_t handle = 0;
    IOASIM_FIELDS(device, pasid, domain, result, handle)
};
struct SvaHandle {
    static constexpr EventName kName{"sva.handle", Category::Software,
                                     "Users of an SVA handle after a bind or an unbind."};
    Name process;  // that asked
    Name device;
    Pasid pasid;
    std::uint64_t handle = 0;
    std::uint32_t users = 0;
    IOASIM_FIELDS(process, device, pasid, handle, users)
};
struct SvaDomain {
    static constexpr EventName kName{"sva.domain", Category::Software,
                                     "Devices that an SVA domain is attached to; 0: it is freed."};
    Name process;
    Pasid pasid;
    std::uint32_t users = 0;
    IOASIM_FIELDS(process, pasid, users)
};
struct MmRelease {
    static constexpr EventName kName{"mm.release", Category::Software,
                                     "exit_mmap called the mmu notifiers: PASID entries that it "
                                     "cleared."};
    Name process;
    std::uint32_t entries = 0;
    IOASIM_FIELDS(process, entries)
};
struct MmInvalidate {
    static constexpr EventName kName{"mm.invalidate", Category::Software,
                                     "Mappings went: translations of so many devices are flushed, "
                                     "before the pages are freed."};
    Name process;
    Iova address;
    std::uint64_t bytes = 0;
    std::uint32_t devices = 0;
    IOASIM_FIELDS(process, address, bytes, devices)
};
struct ProcessFork {
    static constexpr EventName kName{"process.fork", Category::Software,
                                     "A process has a child: so many pages are shared read-only "
                                     "until one of them writes, so many (pinned) were copied."};
    Name process;
    Name child;
    std::uint64_t shared = 0;
    std::uint64_t copied = 0;
    IOASIM_FIELDS(process, child, shared, copied)
};
struct ProcessExec {
    static constexpr EventName kName{"process.exec", Category::Software,
                                     "A process goes on with an empty address space, without the "
                                     "PASID of the old one."};
    Name process;
    IOASIM_FIELDS(process)
};
struct MmDrop {
    static constexpr EventName kName{"mm.drop", Category::Software,
                                     "The last reference on an mm_struct went; its PASID may be "
                                     "issued again."};
    Name process;
    IOASIM_FIELDS(process)
};
struct IopfGroup {
    static constexpr EventName kName{"iopf.group", Category::Software,
                                     "A complete page request group goes to its handler."};
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    std::uint32_t pages = 0;
    bool mixed = false;  // the device used one group index for several PASIDs
    IOASIM_FIELDS(device, pasid, group, pages, mixed)
};
struct IopfFault {
    static constexpr EventName kName{"iopf.fault", Category::Software,
                                     "One page of a device's request, handled with the address "
                                     "space: what became of it."};
    Name process;
    Iova address;
    bool write = false;
    Name outcome;  // "present", "minor", "major", "no_mapping", "no_right", "no_memory", "exiting"
    IOASIM_FIELDS(process, address, write, outcome)
};
struct IopfResponse {
    static constexpr EventName kName{"iopf.response", Category::Software,
                                     "The kernel answers a page request group: code and why."};
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    Name code;  // "success", "invalid", "failure"
    Name why;
    IOASIM_FIELDS(device, pasid, group, code, why)
};
struct IopfDropped {
    static constexpr EventName kName{"iopf.dropped", Category::Software,
                                     "Page requests that get no answer from the kernel, and why."};
    Name device;
    std::uint32_t requests = 0;
    Name why;  // "stop_marker", "malformed", "unknown_device", "overflow", "removed", "no_memory"
    IOASIM_FIELDS(device, requests, why)
};
struct IopfDrain {
    static constexpr EventName kName{"iopf.drain", Category::Software,
                                     "No page request of this PASID is left anywhere."};
    Name device;
    Pasid pasid;
    IOASIM_FIELDS(device, pasid)
};

}  // namespace ioasim::trace
