// Profile "discrete-nic". Figures without another source: Neugebauer et al., "Understanding PCIe
// performance for end host networking", SIGCOMM'18, raw data (pcie-bench). Broadwell and Haswell
// hosts share it; what differs between them is the share of devices in the last-level cache (stated
// with each experiment) and the price of a miss in the IOTLB, 289 and 226 ns: the value is between
// them.
#include "models/platform/timing_profile.hpp"

namespace ioasim::platform {

const TimingProfile& discrete_nic_profile() {
    static const TimingProfile profile{
        "discrete-nic",
        "NFP6000 on eight lanes of 8 GT/s, Xeon E5 v3 and v4",
        {
            {"requester", "link.generation", 3, "V60 V65", "the adapter's link"},
            {"requester", "link.width", 8, "V60 V65", "the adapter's link"},
            {"requester", "link.latency", 96'000, "V60.off V61",
             "half of 412.7 ns for 64 bytes in the cache, less the way to memory and what the "
             "bytes take"},
            {"pcie", "device.latency", 96'500, "V60.off V61", "the other half"},
            {"requester", "tags", 64, "", "more than the DMA engine needs; modelling choice"},
            {"requester", "dma_engine.latency", 122'000, "V65",
             "546 ns through the DMA engine against 413 ns as a command"},
            {"requester", "dma_engine.bandwidth", 6400, "",
             "706 and 1133 ns for 512 and 2048 bytes through the DMA engine"},
            {"requester", "dma_engine.outstanding", 36, "V65", "65.6 M/s of 546 ns each"},
            {"memory", "latency", 112'500, "V60.off V64",
             "485.2 ns for 64 bytes in memory against 412.7 ns in the cache"},
            {"memory", "bandwidth", 68'000, "", "four channels of DDR4-2133"},
            {"memory", "llc.bytes", std::uint64_t{25} << 20U, "V60.off", "Xeon E5 v4, 10 cores"},
            {"memory", "llc.device_bytes", 2'621'440, "V60.off", "2 of 20 ways"},
            {"memory", "llc.latency", 37'500, "V60.off V60.on V65",
             "with the two ways to memory below 197 ns for a read of a walk"},
            {"memory", "link.latency", 79'500, "V60.on V61 V64 V65 V67",
             "197 ns a read of a walk (Fast & Safe IO Memory Protection, SOSP'24, fit)"},
            {"iommu", "memory_link.latency", 79'500, "V60.on V61 V64 V65 V67",
             "197 ns a read of a walk (Fast & Safe IO Memory Protection, SOSP'24, fit)"},
            {"iommu", "iotlb.entries", 116, "V60.on V61 V65",
             "no misses at 64 pages, 7 to 10 % at 128, 55 % at 256: 112 to 119 entries"},
            {"iommu", "iotlb.ways", 29, "V60.on V61", "modelling choice: four sets"},
            {"iommu", "iotlb.largest_level", 2, "V64.2m", "no misses in 64 MB with pages of 2 MiB"},
            {"iommu", "iotlb.lookup", 2'700, "V60.on",
             "mean with 64 pages, 415.3 against 412.7 ns"},
            {"iommu", "in_order", 1, "V65",
             "44.7 M/s where one read of ten misses: what hits waits for what misses"},
            {"iommu", "walk.setup", 65'000, "V60.on V61 V64 V65 V67",
             "65 ns a page beside 197 ns a read (Fast & Safe IO Memory Protection, SOSP'24, fit)"},
            {"iommu", "walkers", 5, "V65", "a miss each 52 ns: 5 to 6 at a time"},
            {"iommu", "second_stage_cache.entries", 64, "V60.on V61",
             "one read a miss in 64 MB; modelling choice"},
            {"iommu", "second_stage_cache.ways", 4, "", "modelling choice"},
        }};
    return profile;
}

void apply(const TimingProfile& profile, PlatformConfig& config) {
    for (const ProfileValue& v : profile.values) {
        config.params.push_back({v.component, v.path, v.value});
    }
}

}  // namespace ioasim::platform
