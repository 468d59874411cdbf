// Facts of the PCI Express base specification that several models need: what a transaction weighs
// on a link, which writes are interrupts, who the host is.
#pragma once

#include <cstdint>

#include "models/pcie/pcie_if.hpp"

namespace ioasim::pcie {

// The CPU complex as a requester; no device has this id.
constexpr Rid kHostRid{0};

// Interrupt messages are writes to FEEx_xxxxh (Intel SDM vol. 3, 11.11.1).
constexpr std::uint64_t kInterruptBase = 0xFEE0'0000;
constexpr std::uint64_t kInterruptBytes = 0x10'0000;
constexpr bool is_interrupt_address(std::uint64_t address) {
    return address >= kInterruptBase && address < kInterruptBase + kInterruptBytes;
}

// Header of four dwords, PASID prefix of one, payload (2.2.1, 6.20.1): what a transaction weighs
// between units of the die, which have no physical link. For those see link_layout.hpp.
constexpr std::uint64_t kHeaderBytes = 16;
constexpr std::uint64_t kPasidPrefixBytes = 4;
inline std::uint64_t wire_bytes(const Tlp& tlp) {
    return kHeaderBytes + (tlp.pasid ? kPasidPrefixBytes : 0) + tlp.data.size();
}

constexpr bool is_posted(TlpKind kind) {
    return kind == TlpKind::MemWrite || kind == TlpKind::Interrupt ||
           kind == TlpKind::InvalidateRequest || kind == TlpKind::InvalidateCompletion ||
           kind == TlpKind::PageRequest || kind == TlpKind::PageGroupResponse;
}

// The answer to `request`; the root complex adds the completer.
inline Tlp make_completion(const Tlp& request, CplStatus status) {
    Tlp completion;
    completion.kind = TlpKind::Completion;
    completion.status = status;
    completion.requester = request.requester;
    completion.tag = request.tag;
    completion.address = request.address;
    completion.length = request.length;
    completion.descriptor = request.descriptor;
    return completion;
}

}  // namespace ioasim::pcie
