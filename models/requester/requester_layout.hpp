// Registers of the test requester: a PCIe function that does what software tells it, one operation
// at a time. A modelling choice: no such device is on sale. BAR0 holds one page of registers and
// one page of data; registers are 32 bits wide unless said otherwise; accesses are aligned, of 4 or
// 8 bytes.
//
//   ADDRESS, LENGTH, PASID, REQUEST, REQUESTER   what the next operation does
//   GO                                           any write starts it; ignored while one runs
//   STATUS, MOVED, FAILED, NUMBER                how it went
#pragma once

#include <cstdint>

namespace ioasim::requester {

constexpr std::uint64_t kBar0Bytes = 0x1'0000;
constexpr std::uint32_t kMaxLength = 4096;
constexpr std::uint32_t kIdentity = 0x5251'0001;

namespace reg {
constexpr std::uint32_t kId = 0x000;                // kIdentity, read only
constexpr std::uint32_t kAddress = 0x010;           // 64
constexpr std::uint32_t kLength = 0x018;            // bytes, 1..kMaxLength
constexpr std::uint32_t kPasid = 0x01C;             // [19:0], valid in bit 31
constexpr std::uint32_t kRequest = 0x020;           // see request::
constexpr std::uint32_t kRequester = 0x024;         // [15:0] sent instead of its own id, if bit 31
constexpr std::uint32_t kGo = 0x028;                // write only
constexpr std::uint32_t kStatus = 0x02C;            // see status::, read only
constexpr std::uint32_t kMoved = 0x030;             // bytes sent or received, read only
constexpr std::uint32_t kNumber = 0x034;            // operations started since reset, read only
constexpr std::uint32_t kFailed = 0x038;            // 64: address of the first part that failed
constexpr std::uint32_t kInterruptAddress = 0x040;  // 64
constexpr std::uint32_t kInterruptData = 0x048;
constexpr std::uint32_t kInterruptControl = 0x04C;  // bit 0: one when an operation ends
constexpr std::uint32_t kMessageHeader = 0x050;     // 64: header bytes 8 to 15, to be sent
constexpr std::uint32_t kMessageSend = 0x058;       // write only: a Message leaves
constexpr std::uint32_t kMessageCount = 0x05C;      // received and not dropped, read only
constexpr std::uint32_t kMessageHead = 0x060;       // the oldest one, see message::, read only
constexpr std::uint32_t kMessageDrop = 0x064;       // write only: drops the oldest
constexpr std::uint32_t kMessageBody = 0x068;       // 64: of the oldest one, read only
constexpr std::uint32_t kData = 0x1000;             // kMaxLength bytes: written or read by requests
}  // namespace reg

constexpr std::uint32_t kValid = 1U << 31U;  // PASID, REQUESTER
constexpr std::uint32_t kPasidMask = 0xFFFFF;

// REQUEST
namespace request {
constexpr std::uint32_t kOperation = 0xF;  // [3:0]
constexpr std::uint32_t kPrivileged = 1U << 8U;
constexpr std::uint32_t kExecute = 1U << 9U;
constexpr std::uint32_t kNoSnoop = 1U << 10U;
constexpr std::uint32_t kPoisoned = 1U << 11U;  // a write whose data is known to be wrong
constexpr std::uint32_t kAtShift = 12;  // [13:12]: address type as in the header of the request
constexpr std::uint32_t kAtMask = 0x3;
constexpr std::uint32_t kRelaxedOrdering = 1U << 14U;
constexpr std::uint32_t kIdOrdering = 1U << 15U;
}  // namespace request

enum class Operation : std::uint8_t {
    Read = 0,   // memory into the data page
    Write = 1,  // the data page into memory
};

// Messages of a device TLB and of page requests; MESSAGE_SEND and MESSAGE_HEAD [3:0].
enum class Message : std::uint8_t {
    None = 0,
    InvalidateRequest = 1,     // received
    InvalidateCompletion = 2,  // sent
    PageRequest = 4,           // sent, with PASID as PASID says
    PageGroupResponse = 5,     // received
};
// MESSAGE_HEAD
namespace message {
constexpr std::uint32_t kKind = 0xF;
constexpr std::uint32_t kHasPasid = 1U << 4U;
constexpr std::uint32_t kItagShift = 5;    // [9:5]
constexpr std::uint32_t kPasidShift = 12;  // [31:12]
}  // namespace message

// STATUS: [1:0] state, [7:4] outcome of the operation that ended last.
enum class State : std::uint8_t { Idle = 0, Busy = 1, Done = 2 };
enum class Outcome : std::uint8_t {
    Ok = 0,                  // every part; of posted writes: sent
    UnsupportedRequest = 1,  // completion status of the first part that failed
    CompleterAbort = 2,
    Timeout = 3,   // no completion in time
    Refused = 4,   // the registers ask for what the function does not do
    Poisoned = 5,  // data came that is known to be wrong; it is dropped
};
constexpr const char* outcome_name(Outcome outcome) {
    switch (outcome) {
        case Outcome::Ok:
            return "ok";
        case Outcome::UnsupportedRequest:
            return "ur";
        case Outcome::CompleterAbort:
            return "ca";
        case Outcome::Timeout:
            return "timeout";
        case Outcome::Refused:
            return "refused";
        case Outcome::Poisoned:
            return "poisoned";
    }
    return "?";
}
constexpr std::uint32_t kOutcomeShift = 4;
constexpr std::uint32_t make_status(State state, Outcome outcome) {
    return static_cast<std::uint32_t>(state) | static_cast<std::uint32_t>(outcome) << kOutcomeShift;
}
constexpr State state_of(std::uint64_t status) {
    return static_cast<State>(status & 3U);
}
constexpr Outcome outcome_of(std::uint64_t status) {
    return static_cast<Outcome>((status >> kOutcomeShift) & 0xFU);
}

}  // namespace ioasim::requester
