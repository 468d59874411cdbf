// Registers of the test requester: a PCIe function that does what software tells it, one operation
// at a time. A modelling choice: no such device is on sale. BAR0 holds one page of registers and
// eight pages of data; registers are 32 bits wide unless said otherwise; accesses are aligned, of 4
// or 8 bytes.
//
//   ADDRESS, LENGTH, PASID, REQUEST, REQUESTER   what the next operation does
//   GO                                           any write starts it; ignored while one runs
//   STATUS, MOVED, FAILED, NUMBER                how it went
//   STOP                                         no more requests with the PASID that PASID names
//   MISBEHAVE, ANSWER_DELAY                      rules that the function breaks from here on
//   TRAFFIC_*                                    many blocks, many under way, counted and timed
#pragma once

#include <cstdint>

namespace ioasim::requester {

constexpr std::uint64_t kBar0Bytes = 0x1'0000;
constexpr std::uint32_t kMaxLength = 0x8000;
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
constexpr std::uint32_t kNumber = 0x034;            // operations started since power on, read only
constexpr std::uint32_t kFailed = 0x038;            // 64: address of the first part that failed
constexpr std::uint32_t kInterruptAddress = 0x040;  // 64
constexpr std::uint32_t kInterruptData = 0x048;
constexpr std::uint32_t kInterruptControl = 0x04C;    // bit 0: one when an operation ends
constexpr std::uint32_t kMessageHeader = 0x050;       // 64: header bytes 8 to 15, to be sent
constexpr std::uint32_t kMessageSend = 0x058;         // write only: a Message leaves
constexpr std::uint32_t kMessageCount = 0x05C;        // received and not dropped, read only
constexpr std::uint32_t kMessageHead = 0x060;         // the oldest one, see message::, read only
constexpr std::uint32_t kMessageDrop = 0x064;         // write only: drops the oldest
constexpr std::uint32_t kMessageBody = 0x068;         // 64: of the oldest one, read only
constexpr std::uint32_t kMisbehave = 0x070;           // see misbehave::
constexpr std::uint32_t kAnswerDelay = 0x074;         // ns that invalidations are answered late
constexpr std::uint32_t kStop = 0x078;                // write only, see Stop
constexpr std::uint32_t kTranslations = 0x07C;        // in the device TLB, read only
constexpr std::uint32_t kPagesOutstanding = 0x080;    // page requests without a response, read only
constexpr std::uint32_t kTrafficBase = 0x100;         // 64: of the window that blocks lie in
constexpr std::uint32_t kTrafficWindow = 0x108;       // 64: its bytes
constexpr std::uint32_t kTrafficSeed = 0x110;         // 64: of random places
constexpr std::uint32_t kTrafficBlock = 0x118;        // bytes of a block, 1..kMaxLength
constexpr std::uint32_t kTrafficCount = 0x11C;        // blocks that are counted
constexpr std::uint32_t kTrafficIgnored = 0x120;      // blocks before them
constexpr std::uint32_t kTrafficOutstanding = 0x124;  // blocks under way; 0: as many as it can
constexpr std::uint32_t kTrafficControl = 0x128;      // see traffic::
constexpr std::uint32_t kTrafficListed = 0x12C;       // addresses of 64 bits in DATA, order "list"
constexpr std::uint32_t kTrafficGo = 0x130;           // write only; PASID and REQUEST count too
constexpr std::uint32_t kTrafficStatus = 0x134;       // as STATUS, read only, like all that follow
constexpr std::uint32_t kTrafficEnded = 0x138;        // blocks
constexpr std::uint32_t kTrafficFailed = 0x13C;       // requests
constexpr std::uint32_t kTrafficElapsed = 0x140;      // 64: ps, counted blocks
constexpr std::uint32_t kTrafficSum = 0x148;          // 64: ps, of their latencies
constexpr std::uint32_t kTrafficShortest = 0x150;     // 64: ps
constexpr std::uint32_t kTrafficLongest = 0x158;      // 64: ps
constexpr std::uint32_t kTrafficJournaled = 0x160;    // entries of JOURNAL that mean something
constexpr std::uint32_t kRegisters = 0x164 / 4;
constexpr std::uint32_t kData = 0x1000;     // kMaxLength bytes: written or read by requests
constexpr std::uint32_t kJournal = 0x9000;  // latencies of counted blocks in ps, read only
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
// The function chooses the address type as its configuration lets it: through its device TLB when
// ATS is enabled; a PASID only when that is enabled. Without this bit requests go as told.
constexpr std::uint32_t kAutomatic = 1U << 14U;
constexpr std::uint32_t kRelaxedOrdering = 1U << 15U;
constexpr std::uint32_t kIdOrdering = 1U << 16U;
constexpr std::uint32_t kToCache = 1U << 17U;   // writes: asked to end up in the cache
constexpr std::uint32_t kToMemory = 1U << 18U;  // or in memory
}  // namespace request

enum class Operation : std::uint8_t {
    Read = 0,   // memory into the data page
    Write = 1,  // the data page into memory
};

// JOURNAL: 32 bits each, the newest over the oldest.
constexpr std::uint32_t kJournalEntries = (kBar0Bytes - reg::kJournal) / 4;

// TRAFFIC_CONTROL
namespace traffic {
constexpr std::uint32_t kWrite = 1U << 0U;
constexpr std::uint32_t kEngine = 1U << 1U;  // through the DMA engine, else as a command
constexpr std::uint32_t kOrderShift = 2;     // [3:2]
enum class Order : std::uint8_t { Sequential = 0, Random = 1, List = 2 };
}  // namespace traffic

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

// MISBEHAVE
namespace misbehave {
constexpr std::uint32_t kAtsNotEnabled = 1U << 0U;    // device TLB in use though ATS is off
constexpr std::uint32_t kPasidNotEnabled = 1U << 1U;  // PASIDs though they are off
constexpr std::uint32_t kNoBusMaster = 1U << 2U;      // requests though bus mastering is off
constexpr std::uint32_t kKeepsEntries = 1U << 3U;     // invalidations are answered, not obeyed
constexpr std::uint32_t kSilent = 1U << 4U;           // obeyed, not answered
constexpr std::uint32_t kWrongItag = 1U << 5U;        // answered with the next ITag
constexpr std::uint32_t kNoAllocation = 1U << 6U;     // page requests as many as it likes
constexpr std::uint32_t kCrossesPages = 1U << 7U;     // requests run over a 4-KiB border
constexpr std::uint32_t kOddTranslation = 1U << 8U;   // translation requests of three dwords
}  // namespace misbehave

// STOP: the operation under way with the PASID that PASID names ends with the requests that left;
// STATUS tells when no page request of it waits for a response, or a stop marker has told so.
enum class Stop : std::uint8_t { None = 0, WaitForResponses = 1, SendMarker = 2 };

// STATUS: [1:0] state, [7:4] outcome of the operation that ended last, [8] a STOP is under way.
enum class State : std::uint8_t { Idle = 0, Busy = 1, Done = 2 };
enum class Outcome : std::uint8_t {
    Ok = 0,                  // every part; of posted writes: sent
    UnsupportedRequest = 1,  // completion status of the first part that failed
    CompleterAbort = 2,
    Timeout = 3,        // no completion in time
    Refused = 4,        // the registers ask for what the function does not do
    NoTranslation = 5,  // no translation with the permission, and nobody to ask for the page
    PageInvalid = 6,    // the page was asked for: Invalid Request
    PageFailure = 7,    // the page was asked for: Response Failure
    Stopped = 8,        // by STOP
    Poisoned = 9,       // data came that is known to be wrong; it is dropped
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
        case Outcome::NoTranslation:
            return "no_translation";
        case Outcome::PageInvalid:
            return "page_invalid";
        case Outcome::PageFailure:
            return "page_failure";
        case Outcome::Stopped:
            return "stopped";
        case Outcome::Poisoned:
            return "poisoned";
    }
    return "?";
}
constexpr std::uint32_t kOutcomeShift = 4;
constexpr std::uint32_t kStopping = 1U << 8U;
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
