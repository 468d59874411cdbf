// Events of VFIO containers, of drivers that come and go, and of the bus that limits addresses.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct DriverBound {
    static constexpr EventName kName{
        "driver.bound", Category::Software,
        "A device got a driver (\"vfio\", \"host\") or lost it (\"none\"); dma_bits is the width "
        "of its dma_mask from here on."};
    Name device;
    Name driver;
    std::uint32_t dma_bits = 0;
    IOASIM_FIELDS(device, driver, dma_bits)
};
struct VfioAttach {
    static constexpr EventName kName{
        "vfio.attach", Category::Software,
        "A group was to join the I/O address space of a container: how that ended, and how many "
        "page tables the container has now."};
    Name container;
    Name group;
    Errno error = Errno::Ok;
    std::uint32_t domains = 0;
    IOASIM_FIELDS(container, group, error, domains)
};
struct VfioDetach {
    static constexpr EventName kName{"vfio.detach", Category::Software,
                                     "A group left the I/O address space of a container."};
    Name container;
    Name group;
    std::uint32_t domains = 0;
    IOASIM_FIELDS(container, group, domains)
};
struct VfioMap {
    static constexpr EventName kName{"vfio.map", Category::Software,
                                     "A process asked for a mapping in a container."};
    Name container;
    Iova iova;
    std::uint64_t bytes = 0;
    Errno error = Errno::Ok;
    std::uint64_t pinned = 0;  // pages that the container keeps in memory now
    IOASIM_FIELDS(container, iova, bytes, error, pinned)
};
struct VfioUnmap {
    static constexpr EventName kName{
        "vfio.unmap", Category::Software,
        "A mapping left a container: its pages are unpinned, no translation of it is cached."};
    Name container;
    Iova iova;
    std::uint64_t bytes = 0;
    std::uint64_t pinned = 0;
    IOASIM_FIELDS(container, iova, bytes, pinned)
};
struct VfioRelease {
    static constexpr EventName kName{
        "vfio.release", Category::Software,
        "A container is gone: groups, mappings and IDs that it still had when it was closed."};
    Name container;
    std::uint32_t groups = 0;
    std::uint32_t mappings = 0;
    std::uint32_t ioasids = 0;
    std::uint64_t pinned = 0;  // pages that stay pinned for ever
    IOASIM_FIELDS(container, groups, mappings, ioasids, pinned)
};
struct PcieAddressLimit {
    static constexpr EventName kName{
        "pcie.address_limit", Category::Pcie,
        "A root port does not pass a request on: its address has more bits than the bus. A read is "
        "answered with Unsupported Request, a write dropped."};
    Rid requester;
    Iova address;
    std::uint32_t length = 0;
    bool write = false;
    IOASIM_FIELDS(requester, address, length, write)
};

}  // namespace ioasim::trace
