// Registers of a remapping unit: offsets and fields (VT-d specification 5.10, chapter 11).
//
// One 4-KiB page of registers: fault records at FRO*16 (220h unless told otherwise), the IOTLB
// registers at IRO*16 (F0h), the virtual command registers at E00h. Left out: protected memory
// bounds, MTRRs, performance monitoring, enhanced commands, resource director.
#pragma once

#include <cstdint>

#include "core/base/bits.hpp"
#include "core/base/types.hpp"

namespace ioasim::vtd {

// A bit field [high:low] of a 64-bit quantity.
struct Field {
    unsigned high;
    unsigned low;
    constexpr std::uint64_t get(std::uint64_t value) const { return get_bits(value, high, low); }
    constexpr std::uint64_t set(std::uint64_t value, std::uint64_t field) const {
        return set_bits(value, high, low, field);
    }
    constexpr std::uint64_t make(std::uint64_t field) const {
        return set_bits(0, high, low, field);
    }
    constexpr std::uint64_t mask() const { return bit_mask(high, low); }
};

constexpr std::uint64_t kRegisterBytes = 4096;
// Where PC chipsets put the first unit's registers; further units follow at kRegisterBytes each.
constexpr std::uint64_t kDefaultRegisterBase = 0xFED9'0000;

namespace reg {
constexpr std::uint32_t kVer = 0x000;      // 32
constexpr std::uint32_t kCap = 0x008;      // 64
constexpr std::uint32_t kEcap = 0x010;     // 64
constexpr std::uint32_t kGcmd = 0x018;     // 32, write only
constexpr std::uint32_t kGsts = 0x01C;     // 32, read only
constexpr std::uint32_t kRtaddr = 0x020;   // 64
constexpr std::uint32_t kCcmd = 0x028;     // 64
constexpr std::uint32_t kFsts = 0x034;     // 32
constexpr std::uint32_t kFectl = 0x038;    // 32
constexpr std::uint32_t kFedata = 0x03C;   // 32
constexpr std::uint32_t kFeaddr = 0x040;   // 32
constexpr std::uint32_t kFeuaddr = 0x044;  // 32
constexpr std::uint32_t kPmen = 0x064;     // 32
constexpr std::uint32_t kIqh = 0x080;      // 64, read only
constexpr std::uint32_t kIqt = 0x088;      // 64
constexpr std::uint32_t kIqa = 0x090;      // 64
constexpr std::uint32_t kIcs = 0x09C;      // 32
constexpr std::uint32_t kIectl = 0x0A0;    // 32
constexpr std::uint32_t kIedata = 0x0A4;   // 32
constexpr std::uint32_t kIeaddr = 0x0A8;   // 32
constexpr std::uint32_t kIeuaddr = 0x0AC;  // 32
constexpr std::uint32_t kIqercd = 0x0B0;   // 64, read only
constexpr std::uint32_t kIrta = 0x0B8;     // 64
constexpr std::uint32_t kPqh = 0x0C0;      // 64
constexpr std::uint32_t kPqt = 0x0C8;      // 64, read only to software while the unit owns it
constexpr std::uint32_t kPqa = 0x0D0;      // 64
constexpr std::uint32_t kPrs = 0x0DC;      // 32
constexpr std::uint32_t kPectl = 0x0E0;    // 32
constexpr std::uint32_t kPedata = 0x0E4;   // 32
constexpr std::uint32_t kPeaddr = 0x0E8;   // 32
constexpr std::uint32_t kPeuaddr = 0x0EC;  // 32
constexpr std::uint32_t kIva = 0x0F0;      // 64
constexpr std::uint32_t kIotlb = 0x0F8;    // 64
constexpr std::uint32_t kFrcd = 0x220;     // 128 bits each
constexpr std::uint32_t kVcmd = 0xE00;     // 64; operand B at E08h
constexpr std::uint32_t kVcmdEo = 0xE08;   // 64
constexpr std::uint32_t kVcrsp = 0xE10;    // 64
constexpr std::uint32_t kVccap = 0xE30;    // 64
}  // namespace reg

// CAP (11.4.2).
namespace cap {
constexpr Field kNd{2, 0};  // domain ids have 4 + 2 * ND bits
constexpr Field kRwbf{4, 4};
constexpr Field kPlmr{5, 5};
constexpr Field kPhmr{6, 6};
constexpr Field kCm{7, 7};
constexpr Field kSagaw{12, 8};  // bit 1: 3 levels, bit 2: 4 levels, bit 3: 5 levels
constexpr Field kMgaw{21, 16};  // input width - 1
constexpr Field kZlr{22, 22};
constexpr Field kFro{33, 24};    // * 16
constexpr Field kSslps{37, 34};  // bit 0: 2 MiB, bit 1: 1 GiB
constexpr Field kPsi{39, 39};
constexpr Field kNfr{47, 40};  // number - 1
constexpr Field kMamv{53, 48};
constexpr Field kDwd{54, 54};
constexpr Field kDrd{55, 55};
constexpr Field kFs1gp{56, 56};
constexpr Field kPi{59, 59};
constexpr Field kFs5lp{60, 60};
constexpr Field kEcmds{61, 61};
constexpr Field kEsirtps{62, 62};
constexpr Field kEsrtps{63, 63};
}  // namespace cap

// ECAP (11.4.3).
namespace ecap {
constexpr Field kC{0, 0};
constexpr Field kQi{1, 1};
constexpr Field kDt{2, 2};
constexpr Field kIr{3, 3};
constexpr Field kEim{4, 4};
constexpr Field kPt{6, 6};
constexpr Field kSc{7, 7};
constexpr Field kIro{17, 8};  // * 16
constexpr Field kMhmv{23, 20};
constexpr Field kMts{25, 25};
constexpr Field kNest{26, 26};
constexpr Field kPrs{29, 29};
constexpr Field kErs{30, 30};
constexpr Field kSrs{31, 31};
constexpr Field kNwfs{33, 33};
constexpr Field kEafs{34, 34};
constexpr Field kPss{39, 35};  // PASID width - 1
constexpr Field kPasid{40, 40};
constexpr Field kDit{41, 41};
constexpr Field kPds{42, 42};
constexpr Field kSmts{43, 43};
constexpr Field kVcs{44, 44};
constexpr Field kSsads{45, 45};
constexpr Field kSsts{46, 46};
constexpr Field kFsts{47, 47};
constexpr Field kSmpwcs{48, 48};
constexpr Field kRps{49, 49};
constexpr Field kTdxcs{50, 50};
constexpr Field kPms{51, 51};
constexpr Field kAdms{52, 52};
constexpr Field kRprivs{53, 53};
constexpr Field kHpts{55, 55};
constexpr Field kPtrs{56, 56};
constexpr Field kSsirws{57, 57};
constexpr Field kSms{58, 58};
constexpr Field kHpt1g{59, 59};
constexpr Field kRdts{60, 60};
constexpr Field kEimer{61, 61};
constexpr Field kIrreq{62, 62};
}  // namespace ecap

// GCMD and GSTS use the same bits (11.4.4).
namespace gcmd {
constexpr std::uint32_t kTe = 1U << 31U;
constexpr std::uint32_t kSrtp = 1U << 30U;
constexpr std::uint32_t kWbf = 1U << 27U;
constexpr std::uint32_t kQie = 1U << 26U;
constexpr std::uint32_t kIre = 1U << 25U;
constexpr std::uint32_t kSirtp = 1U << 24U;
constexpr std::uint32_t kCfi = 1U << 23U;
constexpr std::uint32_t kOneShot = kSrtp | kWbf | kSirtp;
// Software forms the next command from GSTS without the one-shot bits.
constexpr std::uint32_t kStickyMask = 0x96FF'FFFF;
}  // namespace gcmd

// RTADDR (11.4.5).
enum class TableMode : std::uint8_t { Legacy = 0, Scalable = 1, Reserved = 2, AbortDma = 3 };
namespace rtaddr {
constexpr Field kSsirwe{7, 7};
constexpr Field kTtm{11, 10};
constexpr std::uint64_t kAddress = bit_mask(63, 12);
constexpr std::uint64_t make(Hpa root, TableMode mode) {
    return (root.value() & kAddress) | kTtm.make(static_cast<std::uint64_t>(mode));
}
constexpr TableMode mode_of(std::uint64_t value) {
    return static_cast<TableMode>(kTtm.get(value));
}
}  // namespace rtaddr

// CCMD, IOTLB and IVA: register-based invalidation (11.4.6, 11.4.8.1).
namespace ccmd {
constexpr Field kDid{15, 0};
constexpr Field kSid{31, 16};
constexpr Field kFm{33, 32};
constexpr Field kCaig{60, 59};  // what was done; 0: an error
constexpr Field kCirg{62, 61};  // what is asked: 1 global, 2 domain, 3 device
constexpr Field kIcc{63, 63};   // command; 0 when done
}  // namespace ccmd
namespace iotlb {
constexpr Field kDid{47, 32};
constexpr Field kDw{48, 48};
constexpr Field kDr{49, 49};
constexpr Field kIaig{58, 57};  // what was done; 0: an error
constexpr Field kIirg{61, 60};  // what is asked: 1 global, 2 domain, 3 pages of a domain
constexpr Field kIvt{63, 63};   // command; 0 when done
constexpr Field kAm{5, 0};      // IVA: 2^AM pages
constexpr Field kIh{6, 6};      // IVA
}  // namespace iotlb

// IRTA (11.4.10).
namespace irta {
constexpr Field kSize{3, 0};    // 2^(S + 1) entries
constexpr Field kEime{11, 11};  // x2APIC ids
}  // namespace irta

// FSTS (11.4.7.1).
namespace fsts {
constexpr std::uint32_t kPfo = 1U << 0U;
constexpr std::uint32_t kPpf = 1U << 1U;
constexpr std::uint32_t kIqe = 1U << 4U;
constexpr std::uint32_t kIce = 1U << 5U;
constexpr std::uint32_t kIte = 1U << 6U;
constexpr Field kFri{15, 8};
}  // namespace fsts

// FECTL, IECTL and PECTL are alike (11.4.7.2).
namespace event_control {
constexpr std::uint32_t kMasked = 1U << 31U;
constexpr std::uint32_t kPending = 1U << 30U;
}  // namespace event_control

// IQH, IQT, IQA, ICS, IQERCD (11.4.8).
namespace iq {
constexpr std::uint64_t kOffsetMask = bit_mask(18, 4);
constexpr std::uint64_t kWide = 1U << 11U;  // IQA.DW: 256-bit descriptors
constexpr Field kSize{2, 0};                // IQA.QS: the queue has 4 KiB << QS bytes
constexpr std::uint32_t kIwc = 1U << 0U;    // ICS
constexpr Field kErrorInfo{3, 0};           // IQERCD.IQEI
constexpr Field kIteSource{47, 32};         // IQERCD.ITESID
constexpr Field kIceSource{63, 48};         // IQERCD.ICESID
constexpr std::uint64_t make_iqa(Hpa base, bool wide, unsigned size) {
    return (base.value() & bit_mask(63, 12)) | (wide ? kWide : 0) | kSize.make(size);
}
constexpr std::uint64_t bytes(std::uint64_t iqa) {
    return kPageSize << kSize.get(iqa);
}
}  // namespace iq

enum class QueueError : std::uint8_t {
    None = 0,
    BadTail = 1,
    Fetch = 2,
    BadType = 3,
    Reserved = 4,
    BadWidth = 5,
    TailAlignment = 6,
    BadTableMode = 7,
};

// PQH, PQT, PQA, PRS (11.4.9).
namespace pq {
constexpr std::uint64_t kOffsetMask = bit_mask(18, 5);
constexpr Field kSize{2, 0};              // 2^(PQS + 7) descriptors of 32 bytes
constexpr std::uint32_t kPpr = 1U << 0U;  // PRS: page request waits
constexpr std::uint32_t kPro = 1U << 1U;  // PRS: overflow
constexpr std::uint64_t make_pqa(Hpa base, unsigned size) {
    return (base.value() & bit_mask(63, 12)) | kSize.make(size);
}
constexpr std::uint64_t bytes(std::uint64_t pqa) {
    return kPageSize << kSize.get(pqa);
}
}  // namespace pq

// Virtual command registers (11.4.45 to 11.4.48); hardware has none, virtual units do.
namespace vcmd {
constexpr Field kCommand{7, 0};
constexpr Field kOperandPasid{35, 16};  // of command free
constexpr std::uint64_t kAllocate = 1;
constexpr std::uint64_t kFree = 2;
constexpr Field kInProgress{0, 0};     // VCRSP.IP
constexpr Field kStatus{7, 1};         // VCRSP.SC
constexpr Field kResultPasid{35, 16};  // VCRSP, of command allocate
constexpr std::uint64_t kStatusSuccess = 0;
constexpr std::uint64_t kStatusUndefined = 1;
constexpr std::uint64_t kStatusNoPasid = 16;      // none available, or not one to free
constexpr std::uint64_t kCapNull = 1U << 0U;      // VCCAP.NS
constexpr std::uint64_t kCapAllocate = 1U << 1U;  // VCCAP.PAS
constexpr std::uint64_t kCapFree = 1U << 2U;      // VCCAP.FPS
}  // namespace vcmd

// A fault recording register (11.4.7.8), 128 bits.
enum class FaultType : std::uint8_t { Write, PageRequest, Read, Atomic };

struct FaultRecord {
    std::uint64_t address = 0;  // page of the request; bits 11:0 are not recorded
    Rid source;
    bool has_pasid = false;  // PP; the three below mean nothing without it
    Pasid pasid;
    bool execute = false;
    bool privileged = false;
    std::uint8_t reason = 0;
    std::uint8_t at = 0;
    FaultType type = FaultType::Write;
    bool valid = false;  // F
};

struct FaultQwords {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

namespace frcd {  // fields of the high quadword
constexpr Field kSid{15, 0};
constexpr Field kT2{28, 28};
constexpr Field kPriv{29, 29};
constexpr Field kExe{30, 30};
constexpr Field kPp{31, 31};
constexpr Field kReason{39, 32};
constexpr Field kPasid{59, 40};
constexpr Field kAt{61, 60};
constexpr Field kT1{62, 62};
constexpr Field kF{63, 63};
}  // namespace frcd

constexpr FaultQwords encode(const FaultRecord& r) {
    const auto type = static_cast<std::uint64_t>(r.type);
    FaultQwords q;
    q.low = r.address & bit_mask(63, 12);
    q.high = frcd::kSid.make(r.source.value()) | frcd::kT2.make(type & 1U) |
             frcd::kT1.make(type >> 1U) | frcd::kPp.make(r.has_pasid ? 1 : 0) |
             frcd::kReason.make(r.reason) | frcd::kAt.make(r.at) | frcd::kF.make(r.valid ? 1 : 0);
    if (r.has_pasid) {
        q.high |= frcd::kPasid.make(r.pasid.value()) | frcd::kExe.make(r.execute ? 1 : 0) |
                  frcd::kPriv.make(r.privileged ? 1 : 0);
    }
    return q;
}

constexpr FaultRecord decode_fault(const FaultQwords& q) {
    FaultRecord r;
    r.address = q.low & bit_mask(63, 12);
    r.source = Rid{static_cast<std::uint16_t>(frcd::kSid.get(q.high))};
    r.has_pasid = frcd::kPp.get(q.high) != 0;
    r.pasid = Pasid{static_cast<std::uint32_t>(frcd::kPasid.get(q.high))};
    r.execute = frcd::kExe.get(q.high) != 0;
    r.privileged = frcd::kPriv.get(q.high) != 0;
    r.reason = static_cast<std::uint8_t>(frcd::kReason.get(q.high));
    r.at = static_cast<std::uint8_t>(frcd::kAt.get(q.high));
    r.type = static_cast<FaultType>((frcd::kT1.get(q.high) << 1U) | frcd::kT2.get(q.high));
    r.valid = frcd::kF.get(q.high) != 0;
    return r;
}

}  // namespace ioasim::vtd
