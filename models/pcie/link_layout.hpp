// What a physical link makes of a transaction, as the specification says it: rates of generations
// and widths, what a TLP weighs on the wire, which credits it takes (PCI Express base specification
// 6.0: 4.2 for encodings and FLITs, 2.2.1 headers, 2.6.1 flow control, 3.6.2 framing).
//
// Left out: bandwidth of acknowledgements and credit updates (DLLPs), skip ordered sets, lanes in
// training, the place of a TLP inside its FLIT. A completion that is longer than the largest
// payload is carried as one message and weighs as many TLPs as it needs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/pcie/pcie_layout.hpp"

namespace ioasim::pcie {

// --- rate ---------------------------------------------------------------------------------------
constexpr unsigned kNoPhysicalLink = 0;  // a generation: an endpoint inside the root complex
constexpr unsigned kLastGeneration = 6;
constexpr unsigned kFlitGeneration = 6;
constexpr unsigned kWidestLink = 16;

// What a generation makes of its bits: 8b/10b, 128b/130b, and 236 of the 256 bytes of a FLIT (the
// rest is for the data link layer, CRC and FEC).
struct Encoding {
    std::uint64_t megatransfers = 0;  // a second and lane
    std::uint64_t payload = 1;
    std::uint64_t total = 1;
};
constexpr Encoding encoding_of(std::uint64_t generation) {
    switch (generation) {
        case 1:
            return {2'500, 8, 10};
        case 2:
            return {5'000, 8, 10};
        case 3:
            return {8'000, 128, 130};
        case 4:
            return {16'000, 128, 130};
        case 5:
            return {32'000, 128, 130};
        default:
            return {64'000, 236, 256};
    }
}
// Bytes of TLPs a microsecond, framing included.
constexpr std::uint64_t link_rate(std::uint64_t generation, std::uint64_t width) {
    const Encoding e = encoding_of(generation);
    return e.megatransfers * width * e.payload / (e.total * 8);
}

// --- weight -------------------------------------------------------------------------------------
constexpr std::uint64_t kDword = 4;
// Start, sequence number, LCRC and end around each TLP (2.5 and 5 GT/s: 1 + 2 + 4 + 1 bytes; from
// 8 GT/s on: a token of 4 and the LCRC). A FLIT has none of them for a single TLP.
constexpr std::uint64_t kFramingBytes = 8;
constexpr std::uint64_t framing_bytes(std::uint64_t generation) {
    return generation >= kFlitGeneration ? 0 : kFramingBytes;
}

constexpr bool is_message(TlpKind kind) {
    return kind == TlpKind::InvalidateRequest || kind == TlpKind::InvalidateCompletion ||
           kind == TlpKind::PageRequest || kind == TlpKind::PageGroupResponse;
}
// Three dwords for completions and for addresses below 4 GiB, where four are not allowed (2.2.4.1).
constexpr std::uint64_t header_bytes(TlpKind kind, std::uint64_t address) {
    const bool short_header =
        kind == TlpKind::Completion || (!is_message(kind) && (address >> 32U) == 0);
    return (short_header ? 3 : 4) * kDword;
}
// Whole dwords; byte enables say which bytes count.
constexpr std::uint64_t payload_bytes(std::uint64_t address, std::uint64_t bytes) {
    return bytes == 0 ? 0 : (address % kDword + bytes + kDword - 1) / kDword * kDword;
}
// Into how many TLPs a completion is cut: at multiples of the largest payload.
inline std::uint64_t parts_of(const Tlp& tlp, std::uint64_t max_payload) {
    if (tlp.kind != TlpKind::Completion || tlp.data.empty() || max_payload == 0) {
        return 1;
    }
    return (tlp.address % max_payload + tlp.data.size() + max_payload - 1) / max_payload;
}
inline std::uint64_t link_bytes(const Tlp& tlp, std::uint64_t generation,
                                std::uint64_t max_payload) {
    const std::uint64_t each = header_bytes(tlp.kind, tlp.address) + framing_bytes(generation) +
                               (tlp.pasid ? kPasidPrefixBytes : 0);
    return parts_of(tlp, max_payload) * each + payload_bytes(tlp.address, tlp.data.size());
}

// --- flow control (2.6.1) -----------------------------------------------------------------------
enum class CreditClass : std::uint8_t { Posted, NonPosted, Completion };
constexpr std::size_t kCreditClasses = 3;
constexpr std::uint64_t kCreditBytes = 16;  // of one data credit
constexpr const char* credit_class_name(CreditClass c) {
    switch (c) {
        case CreditClass::Posted:
            return "posted";
        case CreditClass::NonPosted:
            return "non_posted";
        case CreditClass::Completion:
            return "completion";
    }
    return "?";
}
constexpr CreditClass credit_class(TlpKind kind) {
    if (kind == TlpKind::Completion) {
        return CreditClass::Completion;
    }
    return is_posted(kind) ? CreditClass::Posted : CreditClass::NonPosted;
}

// What a transaction takes of its class.
struct CreditCost {
    CreditClass of = CreditClass::Posted;
    std::uint64_t headers = 1;
    std::uint64_t data = 0;
};
inline CreditCost credit_cost(const Tlp& tlp, std::uint64_t max_payload) {
    const std::uint64_t bytes = payload_bytes(tlp.address, tlp.data.size());
    return {credit_class(tlp.kind), parts_of(tlp, max_payload),
            (bytes + kCreditBytes - 1) / kCreditBytes};
}

// --- order (2.4.1, table 2-42) ------------------------------------------------------------------
// Identity-based ordering: transactions of different functions, or of one function for different
// PASIDs, have nothing to do with each other.
inline bool unrelated(const Tlp& later, const Tlp& earlier) {
    const Rid who = later.kind == TlpKind::Completion ? later.completer : later.requester;
    return later.id_ordering && (who != earlier.requester ||
                                 (later.pasid && earlier.pasid && *later.pasid != *earlier.pasid));
}
// May `later` leave before `earlier`, which waits for credits? Posted transactions pass whatever is
// not posted; nothing passes a posted one but by relaxed or identity-based ordering; requests that
// are not posted and completions keep their own order, which the table leaves open.
inline bool may_pass(const Tlp& later, const Tlp& earlier) {
    const CreditClass mine = credit_class(later.kind);
    const CreditClass other = credit_class(earlier.kind);
    if (other != CreditClass::Posted) {
        return mine != other;
    }
    const bool plain_read = mine == CreditClass::NonPosted && later.data.empty();
    return (later.relaxed_ordering && !plain_read) || unrelated(later, earlier);
}

}  // namespace ioasim::pcie
