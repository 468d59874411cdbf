// Strong ids of the field. A PASID, an IOASID and an SPID are all 20-bit numbers, and mixing them
// up is the bug this program is about: the compiler keeps them apart.
#pragma once

#include <cstdint>
#include <functional>

namespace ioasim {

template <class Tag, class Rep>
class StrongId {
public:
    using rep = Rep;
    constexpr StrongId() = default;
    constexpr explicit StrongId(Rep value) : value_(value) {}
    constexpr Rep value() const { return value_; }

    friend constexpr bool operator==(StrongId a, StrongId b) { return a.value_ == b.value_; }
    friend constexpr bool operator!=(StrongId a, StrongId b) { return a.value_ != b.value_; }
    friend constexpr bool operator<(StrongId a, StrongId b) { return a.value_ < b.value_; }
    friend constexpr bool operator<=(StrongId a, StrongId b) { return a.value_ <= b.value_; }
    friend constexpr bool operator>(StrongId a, StrongId b) { return a.value_ > b.value_; }
    friend constexpr bool operator>=(StrongId a, StrongId b) { return a.value_ >= b.value_; }

private:
    Rep value_ = 0;
};

// Addresses can be moved by a byte count.
template <class Tag>
class Address : public StrongId<Tag, std::uint64_t> {
public:
    using StrongId<Tag, std::uint64_t>::StrongId;
    friend constexpr Address operator+(Address a, std::uint64_t bytes) {
        return Address{a.value() + bytes};
    }
    constexpr std::uint64_t page_offset() const { return this->value() & 0xFFF; }
    constexpr Address page() const { return Address{this->value() & ~std::uint64_t{0xFFF}}; }
};

using Pasid = StrongId<struct PasidTag, std::uint32_t>;    // 20 bits, as hardware sees it
using Ioasid = StrongId<struct IoasidTag, std::uint32_t>;  // an ID of the IOASID core
using Spid = StrongId<struct SpidTag, std::uint32_t>;      // set-private ID (guest PASID)
using Rid = StrongId<struct RidTag, std::uint16_t>;        // bus[15:8] device[7:3] function[2:0]
using DomainId = StrongId<struct DomainIdTag, std::uint16_t>;
using Iova = Address<struct IovaTag>;  // what a device puts into a request
using Gva = Address<struct GvaTag>;
using Gpa = Address<struct GpaTag>;
using Hpa = Address<struct HpaTag>;
using Hva = Address<struct HvaTag>;

constexpr std::uint32_t kInvalidIoasid = 0xFFFF'FFFF;  // ioasid.md: INVALID_IOASID, also no SPID
constexpr std::uint64_t kPageSize = 4096;

// Who emits an event: a module, a task, a kernel. Registered with the Recorder by name.
using SourceId = StrongId<struct SourceTag, std::uint32_t>;

}  // namespace ioasim

template <class Tag, class Rep>
struct std::hash<ioasim::StrongId<Tag, Rep>> {
    std::size_t operator()(ioasim::StrongId<Tag, Rep> id) const noexcept {
        return std::hash<Rep>{}(id.value());
    }
};
