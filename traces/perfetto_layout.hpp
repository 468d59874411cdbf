// Numbers of the fields of Perfetto's messages (perfetto/protos/perfetto/trace): what the writer
// writes and the check reads.
#pragma once

#include <cstdint>

namespace ioasim::traces::perfetto {

inline constexpr std::uint32_t kTracePacket = 1;

namespace packet {
inline constexpr std::uint32_t kTimestamp = 8;
inline constexpr std::uint32_t kSequenceId = 10;
inline constexpr std::uint32_t kTrackEvent = 11;
inline constexpr std::uint32_t kInternedData = 12;
inline constexpr std::uint32_t kSequenceFlags = 13;
inline constexpr std::uint32_t kTrackDescriptor = 60;
}  // namespace packet

// SequenceFlags
inline constexpr std::uint64_t kStateCleared = 1;
inline constexpr std::uint64_t kNeedsState = 2;

namespace track {
inline constexpr std::uint32_t kUuid = 1;
inline constexpr std::uint32_t kName = 2;
inline constexpr std::uint32_t kParent = 5;
inline constexpr std::uint32_t kCounter = 8;
}  // namespace track

namespace counter {
inline constexpr std::uint32_t kUnit = 3;
inline constexpr std::uint64_t kCount = 2;
}  // namespace counter

namespace event {
inline constexpr std::uint32_t kCategory = 3;  // by number
inline constexpr std::uint32_t kAnnotation = 4;
inline constexpr std::uint32_t kType = 9;
inline constexpr std::uint32_t kName = 10;  // by number
inline constexpr std::uint32_t kTrack = 11;
inline constexpr std::uint32_t kCounterValue = 30;
inline constexpr std::uint32_t kFlow = 47;
inline constexpr std::uint32_t kFlowEnd = 48;
enum Type : std::uint64_t { Begin = 1, End = 2, Instant = 3, Counter = 4 };
}  // namespace event

namespace annotation {
inline constexpr std::uint32_t kName = 1;  // by number
inline constexpr std::uint32_t kBool = 2;
inline constexpr std::uint32_t kUint = 3;
inline constexpr std::uint32_t kPointer = 7;  // shown in hexadecimal
inline constexpr std::uint32_t kText = 17;    // by number
}  // namespace annotation

namespace interned {
inline constexpr std::uint32_t kCategories = 1;
inline constexpr std::uint32_t kNames = 2;
inline constexpr std::uint32_t kAnnotationNames = 3;
inline constexpr std::uint32_t kTexts = 29;
// of each entry
inline constexpr std::uint32_t kId = 1;
inline constexpr std::uint32_t kText = 2;
}  // namespace interned

}  // namespace ioasim::traces::perfetto
