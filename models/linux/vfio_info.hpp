// What VFIO_IOMMU_GET_INFO writes into the caller's buffer (include/uapi/linux/vfio.h): struct
// vfio_iommu_type1_info and behind it a chain of capabilities, each with id, version and the offset
// of the next. Kernel and user space share the layout, not the code that reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/linux/reserved_regions.hpp"

namespace ioasim::os {

// struct vfio_iommu_type1_info
constexpr std::uint32_t kVfioInfoArgszMin = 16;  // to the end of iova_pgsizes
constexpr std::uint32_t kVfioInfoBytes = 24;
constexpr std::uint32_t kVfioInfoPageSizes = 1U << 0U;  // flags
constexpr std::uint32_t kVfioInfoCaps = 1U << 1U;
constexpr std::uint16_t kVfioCapIovaRange = 1;
constexpr std::uint16_t kVfioCapDmaAvail = 3;

struct VfioInfo {
    std::uint32_t argsz = 0;  // what the whole answer takes
    std::uint32_t flags = 0;
    std::uint64_t page_sizes = 0;
    std::uint32_t cap_offset = 0;  // 0: no chain came back
    // From the chain.
    std::optional<std::uint16_t> ranges_version;
    std::vector<IovaRange> ranges;
    std::optional<std::uint32_t> dma_available;
};

// The answer to a buffer of `argsz` bytes: as much of it as the kernel writes.
std::vector<std::uint8_t> encode_info(std::uint32_t argsz, std::uint64_t page_sizes,
                                      const IovaRanges& ranges, std::uint16_t ranges_version,
                                      std::uint64_t dma_available);
// As a user program walks it. Unknown capabilities are skipped; false: the chain leads outside.
bool decode_info(const std::vector<std::uint8_t>& bytes, VfioInfo& out);

}  // namespace ioasim::os
