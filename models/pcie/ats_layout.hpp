// Messages of address translation services and page requests, bit for bit (PCIe base specification
// 6.0, 10.2 to 10.4; VT-d specification 4 and 7.8 to 7.10).
//
// Where the fields travel in a Tlp: header bytes 8 to 15 of a message are `address` (byte 8 in bits
// 63:56), the ITag of an invalidate request is the header's `tag`, bodies and completion entries
// are `data`, quadwords of least significant byte first. `requester` names the function that sends
// or, for what the unit sends, that receives; PASID, privilege and execution are the prefix's. Left
// out: byte enables, the extended ATS fields (CXL source), relaxed ordering of page responses.
#pragma once

#include <cstring>

#include "core/base/bits.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::pcie {

constexpr std::uint64_t kAtsPageBits = 12;
constexpr std::uint64_t kAtsAddress = bit_mask(63, 12);

// --- sizes coded into addresses (10.2.3.2) ------------------------------------------------------
// S set: the lowest zero bit from bit 12 on gives the size, 8 KiB for bit 12. All ones: everything.
struct AtsRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // inclusive
};
// `page_bits`: 12 for 4 KiB, 21 for 2 MiB, 30 for 1 GiB; up to 64 for everything.
constexpr std::uint64_t code_ats_size(std::uint64_t address, unsigned page_bits) {
    const std::uint64_t low = page_bits >= 64 ? ~std::uint64_t{0} : bit_mask(page_bits - 1, 0);
    const std::uint64_t ones = page_bits > kAtsPageBits + 1 ? (low >> 1U) & kAtsAddress : 0;
    return (address & ~low) | ones;
}
constexpr unsigned ats_size_bits(std::uint64_t coded, bool size_bit) {
    if (!size_bit) {
        return kAtsPageBits;
    }
    unsigned bit = kAtsPageBits;
    while (bit < 64 && get_bit(coded, bit)) {
        ++bit;
    }
    return bit >= 63 ? 64 : bit + 1;
}
constexpr AtsRange ats_range(std::uint64_t coded, bool size_bit) {
    const unsigned bits = ats_size_bits(coded, size_bit);
    const std::uint64_t low = bits >= 64 ? ~std::uint64_t{0} : bit_mask(bits - 1, 0);
    return {coded & ~low, coded | low};
}

inline std::uint64_t load_quadword(const std::vector<std::uint8_t>& data, std::size_t index = 0) {
    std::uint64_t value = 0;
    if (data.size() >= (index + 1) * sizeof value) {
        std::memcpy(&value, data.data() + index * sizeof value, sizeof value);
    }
    return value;
}
inline void append_quadword(std::vector<std::uint8_t>& data, std::uint64_t value) {
    const std::size_t at = data.size();
    data.resize(at + sizeof value);
    std::memcpy(data.data() + at, &value, sizeof value);
}

// --- translation request (10.2.2): a read with AT = 01 ------------------------------------------
// Bit 0 of the address is NW; 8 bytes of length ask for one translation.
constexpr std::uint64_t kNoWriteFlag = 1;
constexpr std::uint32_t kAtsEntryBytes = 8;

constexpr std::uint64_t translation_address(const Tlp& tlp) {
    return tlp.address & kAtsAddress;
}
constexpr bool no_write_flag(const Tlp& tlp) {
    return (tlp.address & kNoWriteFlag) != 0;
}
inline Tlp translation_request(Rid requester, std::optional<Pasid> pasid, std::uint64_t address,
                               std::uint32_t entries = 1, bool no_write = false) {
    Tlp tlp;
    tlp.kind = TlpKind::AtsRequest;
    tlp.at = AddressType::TranslationRequest;
    tlp.requester = requester;
    tlp.pasid = pasid;
    tlp.address = (address & kAtsAddress) | (no_write ? kNoWriteFlag : 0);
    tlp.length = entries * kAtsEntryBytes;
    return tlp;
}

// --- translation completion (10.2.3): entries of 8 bytes ----------------------------------------
struct TranslationEntry {
    std::uint64_t address = 0;  // of the page; bits below its size are 0
    unsigned page_bits = kAtsPageBits;
    bool no_snoop_cleared = false;  // N: accesses must not set no-snoop
    bool global = false;
    bool privileged = false;
    bool execute = false;
    bool untranslated_only = false;  // U
    bool write = false;
    bool read = false;

    bool operator==(const TranslationEntry& o) const {
        return address == o.address && page_bits == o.page_bits &&
               no_snoop_cleared == o.no_snoop_cleared && global == o.global &&
               privileged == o.privileged && execute == o.execute &&
               untranslated_only == o.untranslated_only && write == o.write && read == o.read;
    }
};
constexpr std::uint64_t encode(const TranslationEntry& e) {
    std::uint64_t q = code_ats_size(e.address, e.page_bits) & kAtsAddress;
    q = set_bit(q, 11, e.page_bits > kAtsPageBits);
    q = set_bit(q, 10, e.no_snoop_cleared);
    q = set_bit(q, 5, e.global);
    q = set_bit(q, 4, e.privileged);
    q = set_bit(q, 3, e.execute);
    q = set_bit(q, 2, e.untranslated_only);
    q = set_bit(q, 1, e.write);
    return set_bit(q, 0, e.read);
}
constexpr TranslationEntry decode_translation(std::uint64_t q) {
    TranslationEntry e;
    const bool size_bit = get_bit(q, 11);
    e.page_bits = ats_size_bits(q, size_bit);
    e.address = ats_range(q & kAtsAddress, size_bit).first;
    e.no_snoop_cleared = get_bit(q, 10);
    e.global = get_bit(q, 5);
    e.privileged = get_bit(q, 4);
    e.execute = get_bit(q, 3);
    e.untranslated_only = get_bit(q, 2);
    e.write = get_bit(q, 1);
    e.read = get_bit(q, 0);
    return e;
}

// --- routing by id: the destination stands in header bytes 8 and 9 ------------------------------
constexpr std::uint64_t destination_bits(Rid destination) {
    return std::uint64_t{destination.value()} << 48U;
}
constexpr Rid message_destination(const Tlp& tlp) {
    return Rid{static_cast<std::uint16_t>(tlp.address >> 48U)};
}

// --- invalidate request (10.3.1), message code 01h ----------------------------------------------
constexpr unsigned kItagCount = 32;

struct InvalidateBody {
    std::uint64_t address = 0;  // with the size coded into it when size_bit is set
    bool size_bit = false;
    bool global = false;  // whatever PASID; the prefix then says nothing

    AtsRange range() const { return ats_range(address & kAtsAddress, size_bit); }
};
constexpr std::uint64_t encode(const InvalidateBody& b) {
    return (b.address & kAtsAddress) | (b.size_bit ? 1U << 11U : 0U) | (b.global ? 1U : 0U);
}
constexpr InvalidateBody decode_invalidate(std::uint64_t q) {
    return {q & kAtsAddress, get_bit(q, 11), get_bit(q, 0)};
}
inline Tlp invalidate_request(Rid function, std::optional<Pasid> pasid, std::uint32_t itag,
                              const InvalidateBody& body) {
    Tlp tlp;
    tlp.kind = TlpKind::InvalidateRequest;
    tlp.requester = function;
    tlp.pasid = pasid;
    tlp.tag = itag;
    tlp.address = destination_bits(function);
    append_quadword(tlp.data, encode(body));
    tlp.length = static_cast<std::uint32_t>(tlp.data.size());
    return tlp;
}

// --- invalidate completion (10.3.2), message code 02h -------------------------------------------
// CC: so many completions in all answer the request; 0 stands for 8.
struct InvalidateDone {
    Rid unit;  // who sent the request
    std::uint32_t itags = 0;
    unsigned count = 1;  // 1..8
};
constexpr std::uint64_t encode(const InvalidateDone& d) {
    return destination_bits(d.unit) | (std::uint64_t{d.count & 7U} << 32U) | d.itags;
}
constexpr InvalidateDone decode_invalidate_done(std::uint64_t header) {
    const auto code = static_cast<unsigned>(get_bits(header, 34, 32));
    return {Rid{static_cast<std::uint16_t>(header >> 48U)}, static_cast<std::uint32_t>(header),
            code == 0 ? 8U : code};
}
inline Tlp invalidate_completion(Rid function, const InvalidateDone& done) {
    Tlp tlp;
    tlp.kind = TlpKind::InvalidateCompletion;
    tlp.requester = function;
    tlp.address = encode(done);
    return tlp;
}

// --- page request (10.4.1), message code 04h ----------------------------------------------------
constexpr unsigned kPageGroupCount = 512;

struct PageRequestMessage {
    std::uint64_t address = 0;
    std::uint16_t group = 0;  // page request group index, 9 bits
    bool last = false;
    bool write = false;
    bool read = false;
};
constexpr std::uint64_t encode(const PageRequestMessage& m) {
    return (m.address & kAtsAddress) | ((std::uint64_t{m.group} & 0x1FFU) << 3U) |
           (m.last ? 4U : 0U) | (m.write ? 2U : 0U) | (m.read ? 1U : 0U);
}
constexpr PageRequestMessage decode_page_request(std::uint64_t header) {
    return {header & kAtsAddress, static_cast<std::uint16_t>(get_bits(header, 11, 3)),
            get_bit(header, 2), get_bit(header, 1), get_bit(header, 0)};
}
inline Tlp page_request(Rid function, std::optional<Pasid> pasid, const PageRequestMessage& m) {
    Tlp tlp;
    tlp.kind = TlpKind::PageRequest;
    tlp.requester = function;
    tlp.pasid = pasid;
    tlp.address = encode(m);
    return tlp;
}
// Last with neither read nor write, and a PASID (10.4.1.2): the function is done with the PASID.
constexpr bool is_stop_marker(const PageRequestMessage& m, bool has_pasid) {
    return has_pasid && m.last && !m.read && !m.write;
}

// --- page request group response (10.4.2), message code 05h -------------------------------------
struct PageGroupAnswer {
    Rid function;
    std::uint8_t code = 0;  // 0 success, 1 invalid request, 15 response failure
    std::uint16_t group = 0;
};
constexpr std::uint64_t encode(const PageGroupAnswer& a) {
    return destination_bits(a.function) | ((std::uint64_t{a.code} & 0xFU) << 44U) |
           ((std::uint64_t{a.group} & 0x1FFU) << 32U);
}
constexpr PageGroupAnswer decode_page_group_answer(std::uint64_t header) {
    return {Rid{static_cast<std::uint16_t>(header >> 48U)},
            static_cast<std::uint8_t>(get_bits(header, 47, 44)),
            static_cast<std::uint16_t>(get_bits(header, 40, 32))};
}
inline Tlp page_group_response(std::optional<Pasid> pasid, const PageGroupAnswer& a) {
    Tlp tlp;
    tlp.kind = TlpKind::PageGroupResponse;
    tlp.requester = a.function;
    tlp.pasid = pasid;
    tlp.address = encode(a);
    return tlp;
}

}  // namespace ioasim::pcie
