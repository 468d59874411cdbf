// What an engine refuses before it moves anything: the rules of a descriptor that need no memory.
// Plain C++. DSA Architecture Specification: descriptor checks, flags, operation-specific fields.
#pragma once

#include <cstdint>
#include <optional>

#include "models/dsa/registers.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// The record with which the descriptor is refused, or none. Looks at the descriptor alone.
std::optional<CompletionRecord> refuse(const Work& work, const Registers& registers,
                                       const DeviceShared& shared);
// True when an error can be told in a completion record.
bool has_record_address(const Descriptor& descriptor);

// What an operation does with memory.
struct OpTraits {
    bool reads_source = false;
    bool reads_second = false;  // destination field is a second source
    bool writes = false;        // destination field
    bool blocks = false;        // data in blocks with protection information
};
OpTraits traits_of(Opcode op);
// Bytes that the operation takes from its source, or goes through.
std::uint32_t stream_bytes(const Descriptor& descriptor);
bool overlap(std::uint64_t a, std::uint64_t a_bytes, std::uint64_t b, std::uint64_t b_bytes);

}  // namespace ioasim::dsa
