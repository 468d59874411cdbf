// Which I/O virtual addresses a device must not or cannot use, and what is left for a user.
//
// ReservedRegions is the list that Linux's iommu_insert_resv_region builds and sysfs shows: sorted
// by start, then type; a new region is merged with those of its own type that it overlaps or
// touches, others stay as they are, also where they overlap. IovaRanges is the list that VFIO
// type1 derives from it: the aperture of the IOMMU minus what is reserved. Ranges are inclusive,
// because the last address is 2^64 - 1. Plain data, no time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ioasim::os {

constexpr std::uint64_t kLastIova = ~std::uint64_t{0};

// In the order of Linux's enum iommu_resv_type, which decides among equal starts.
enum class RegionType : std::uint8_t {
    Direct,           // firmware needs it mapped one to one, always
    DirectRelaxable,  // only until an operating system's driver takes the device
    Reserved,
    Msi,          // writes are interrupts: FEE00000h to FEEFFFFFh on x86
    SoftwareMsi,  // software chooses where a doorbell is mapped
};
// As sysfs writes it: both kinds of MSI windows are "msi".
const char* region_word(RegionType type);
// "direct", "direct-relaxable", "reserved", "msi", "software-msi"; false for another word.
bool parse_region_type(const std::string& word, RegionType& out);
// Whether a user of the device may have a mapping there.
constexpr bool is_usable(RegionType type) {
    return type == RegionType::DirectRelaxable;
}

struct ReservedRegion {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    RegionType type = RegionType::Reserved;

    bool operator==(const ReservedRegion& o) const {
        return first == o.first && last == o.last && type == o.type;
    }
};

class ReservedRegions {
public:
    // How an end is compared with the start behind it. Before Linux 5.10 the end was incremented,
    // which is 0 for a region that reaches the last address: such regions never merged.
    enum class Touch : std::uint8_t { Exact, IncrementsEnd };

    void insert(const ReservedRegion& region, Touch touch = Touch::Exact);
    const std::vector<ReservedRegion>& list() const { return list_; }
    // "0xfee00000-0xfeefffff msi, 0x40000000000-0xffffffffffffffff reserved"; "" when empty.
    std::string text() const;

private:
    std::vector<ReservedRegion> list_;
};

struct IovaRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;

    bool overlaps(const IovaRange& o) const { return first <= o.last && o.first <= last; }
    bool contains(const IovaRange& o) const { return first <= o.first && o.last <= last; }
    bool operator==(const IovaRange& o) const { return first == o.first && last == o.last; }
};

class IovaRanges {
public:
    IovaRanges() = default;
    explicit IovaRanges(const IovaRange& all) : list_{all} {}

    bool empty() const { return list_.empty(); }
    const std::vector<IovaRange>& list() const { return list_; }
    // From the lowest to the highest address, holes included.
    IovaRange span() const { return {list_.front().first, list_.back().last}; }
    bool contains(const IovaRange& wanted) const;
    // What lies outside goes.
    void clip(const IovaRange& to);
    // What lies inside goes; a range around it becomes two.
    void exclude(const IovaRange& hole);
    // "0x0-0xfedfffff, 0xfef00000-0xffffffffffff"; "" when empty.
    std::string text() const;
    bool operator==(const IovaRanges& o) const { return list_ == o.list_; }

private:
    std::vector<IovaRange> list_;  // by address, disjoint
};

}  // namespace ioasim::os
