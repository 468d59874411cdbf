// Translation structures in memory: root, legacy and scalable context, PASID directory, PASID
// entry, first and second stage page tables (VT-d specification 9.1 to 9.8). Encoders write exactly
// the named fields and leave reserved bits 0. Left out: host permission tables.
#pragma once

#include <array>
#include <cstdint>

#include "models/vtd/vtd_register_layout.hpp"

namespace ioasim::vtd {

constexpr std::uint64_t kTableAddress = bit_mask(63, 12);
constexpr std::uint64_t kPageTableAddress = bit_mask(51, 12);

// --- root table: 256 entries of 16 bytes, by bus (9.1, 9.2) -------------------------------------
constexpr std::uint64_t kRootEntryBytes = 16;

struct RootEntry {
    bool lower_present = false;  // devices 0..15
    bool upper_present = false;  // devices 16..31
    Hpa lower_table;
    Hpa upper_table;
};
using RootQwords = std::array<std::uint64_t, 2>;

constexpr RootQwords encode(const RootEntry& e) {
    return {(e.lower_table.value() & kTableAddress) | (e.lower_present ? 1U : 0U),
            (e.upper_table.value() & kTableAddress) | (e.upper_present ? 1U : 0U)};
}
constexpr RootEntry decode_root(const RootQwords& q) {
    return {get_bit(q[0], 0), get_bit(q[1], 0), Hpa{q[0] & kTableAddress},
            Hpa{q[1] & kTableAddress}};
}
constexpr bool uses_upper_table(Rid rid) {
    return (rid.value() & 0x80U) != 0;
}
constexpr Hpa root_entry_address(Hpa root_table, Rid rid) {
    return root_table + (rid.value() >> 8U) * kRootEntryBytes;
}

// --- scalable-mode context entry: 32 bytes, by device and function (9.4) ------------------------
constexpr std::uint64_t kContextEntryBytes = 32;

struct ContextEntry {
    bool present = false;
    bool fpd = false;       // fault processing disable; means something even if not present
    bool dte = false;       // device TLB enable
    bool paside = false;    // requests with PASID allowed
    bool pre = false;       // page requests allowed
    bool eptr = false;      // translated requests with PASID allowed
    std::uint8_t pdts = 0;  // the directory has 2^(PDTS + 7) entries
    Hpa directory;
    std::uint32_t rid_pasid = 0;
    bool rid_priv = false;
};
using ContextQwords = std::array<std::uint64_t, 4>;

namespace context {  // quadword 0 unless said otherwise
constexpr Field kP{0, 0};
constexpr Field kFpd{1, 1};
constexpr Field kDte{2, 2};
constexpr Field kPaside{3, 3};
constexpr Field kPre{4, 4};
constexpr Field kHpte{5, 5};
constexpr Field kEptr{6, 6};
constexpr Field kPdts{11, 9};
constexpr Field kRidPasid{19, 0};  // quadword 1
constexpr Field kRidPriv{20, 20};  // quadword 1
}  // namespace context

constexpr ContextQwords encode(const ContextEntry& e) {
    return {context::kP.make(e.present ? 1 : 0) | context::kFpd.make(e.fpd ? 1 : 0) |
                context::kDte.make(e.dte ? 1 : 0) | context::kPaside.make(e.paside ? 1 : 0) |
                context::kPre.make(e.pre ? 1 : 0) | context::kEptr.make(e.eptr ? 1 : 0) |
                context::kPdts.make(e.pdts) | (e.directory.value() & kTableAddress),
            context::kRidPasid.make(e.rid_pasid) | context::kRidPriv.make(e.rid_priv ? 1 : 0), 0,
            0};
}
constexpr ContextEntry decode_context(const ContextQwords& q) {
    ContextEntry e;
    e.present = context::kP.get(q[0]) != 0;
    e.fpd = context::kFpd.get(q[0]) != 0;
    e.dte = context::kDte.get(q[0]) != 0;
    e.paside = context::kPaside.get(q[0]) != 0;
    e.pre = context::kPre.get(q[0]) != 0;
    e.eptr = context::kEptr.get(q[0]) != 0;
    e.pdts = static_cast<std::uint8_t>(context::kPdts.get(q[0]));
    e.directory = Hpa{q[0] & kTableAddress};
    e.rid_pasid = static_cast<std::uint32_t>(context::kRidPasid.get(q[1]));
    e.rid_priv = context::kRidPriv.get(q[1]) != 0;
    return e;
}
constexpr Hpa context_entry_address(Hpa context_table, Rid rid) {
    return context_table + (rid.value() & 0x7FU) * kContextEntryBytes;
}
// Directory entries for a PDTS value, and the largest PASID that they cover.
constexpr std::uint32_t directory_entries(std::uint8_t pdts) {
    return 1U << (pdts + 7U);
}
constexpr std::uint32_t max_pasid(std::uint8_t pdts) {
    return (1U << (pdts + 13U)) - 1U;
}

// --- legacy context entry: 16 bytes, by device and function (9.3) -------------------------------
constexpr std::uint64_t kLegacyContextEntryBytes = 16;

enum class LegacyType : std::uint8_t {  // TT
    SecondStage = 0,                    // translation and translated requests are blocked
    WithDeviceTlb = 1,
    PassThrough = 2,
    Reserved = 3,
};

struct LegacyContextEntry {
    bool present = false;
    bool fpd = false;  // means something even if not present
    LegacyType type = LegacyType::SecondStage;
    Hpa second_stage;  // SSPTPTR
    std::uint8_t aw = 0;
    DomainId did;
};
using LegacyContextQwords = std::array<std::uint64_t, 2>;

namespace legacy_context {
constexpr Field kP{0, 0};  // quadword 0
constexpr Field kFpd{1, 1};
constexpr Field kTt{3, 2};
constexpr Field kAw{2, 0};  // quadword 1
constexpr Field kDid{23, 8};
}  // namespace legacy_context

constexpr LegacyContextQwords encode(const LegacyContextEntry& e) {
    namespace f = legacy_context;
    return {f::kP.make(e.present ? 1 : 0) | f::kFpd.make(e.fpd ? 1 : 0) |
                f::kTt.make(static_cast<std::uint64_t>(e.type)) |
                (e.second_stage.value() & kTableAddress),
            f::kAw.make(e.aw) | f::kDid.make(e.did.value())};
}
constexpr LegacyContextEntry decode_legacy_context(const LegacyContextQwords& q) {
    namespace f = legacy_context;
    LegacyContextEntry e;
    e.present = f::kP.get(q[0]) != 0;
    e.fpd = f::kFpd.get(q[0]) != 0;
    e.type = static_cast<LegacyType>(f::kTt.get(q[0]));
    e.second_stage = Hpa{q[0] & kTableAddress};
    e.aw = static_cast<std::uint8_t>(f::kAw.get(q[1]));
    e.did = DomainId{static_cast<std::uint16_t>(f::kDid.get(q[1]))};
    return e;
}
constexpr Hpa legacy_context_entry_address(Hpa context_table, Rid rid) {
    return context_table + (rid.value() & 0xFFU) * kLegacyContextEntryBytes;
}

// --- PASID directory: 8 bytes, by PASID[19:6] (9.5) ---------------------------------------------
constexpr std::uint64_t kDirectoryEntryBytes = 8;

struct DirectoryEntry {
    bool present = false;
    bool fpd = false;
    Hpa table;
};
constexpr std::uint64_t encode(const DirectoryEntry& e) {
    return (e.table.value() & kTableAddress) | (e.fpd ? 2U : 0U) | (e.present ? 1U : 0U);
}
constexpr DirectoryEntry decode_directory(std::uint64_t q) {
    return {get_bit(q, 0), get_bit(q, 1), Hpa{q & kTableAddress}};
}
constexpr Hpa directory_entry_address(Hpa directory, Pasid pasid) {
    return directory + (pasid.value() >> 6U) * kDirectoryEntryBytes;
}

// --- PASID table entry: 64 bytes, by PASID[5:0] (9.6) -------------------------------------------
constexpr std::uint64_t kPasidEntryBytes = 64;
constexpr std::uint32_t kPasidsPerTable = 64;

enum class TranslationType : std::uint8_t {  // PGTT
    None = 0,
    FirstStage = 1,
    SecondStage = 2,
    Nested = 3,
    PassThrough = 4,
};
constexpr std::uint8_t kAddressWidth39 = 1;  // AW: 3 levels
constexpr std::uint8_t kAddressWidth48 = 2;  // 4 levels
constexpr std::uint8_t kAddressWidth57 = 3;  // 5 levels

struct PasidEntry {
    bool present = false;
    bool fpd = false;
    std::uint8_t aw = 0;
    TranslationType pgtt = TranslationType::None;
    bool ssade = false;  // second-stage accessed and dirty (SLADE in older revisions)
    Hpa second_stage;    // SSPTPTR (SLPTPTR)
    DomainId did;
    bool pwsnp = false;  // page walks snoop
    bool pgsnp = false;  // pages are accessed snooped
    bool cd = false;
    bool emte = false;
    std::uint32_t pat = 0;
    bool sre = false;       // supervisor requests allowed
    std::uint8_t fspm = 0;  // first-stage paging mode (FLPM): 0 4 levels, 1 5 levels
    bool wpe = false;
    bool eafe = false;
    std::uint64_t first_stage = 0;  // FSPTPTR (FLPTPTR): HPA, or GPA when nested
};
using PasidQwords = std::array<std::uint64_t, 8>;

namespace pasid_entry {
constexpr Field kP{0, 0};  // quadword 0
constexpr Field kFpd{1, 1};
constexpr Field kAw{4, 2};
constexpr Field kPgtt{8, 6};
constexpr Field kSsade{9, 9};
constexpr Field kDid{15, 0};  // quadword 1
constexpr Field kPwsnp{23, 23};
constexpr Field kPgsnp{24, 24};
constexpr Field kCd{25, 25};
constexpr Field kEmte{26, 26};
constexpr Field kPat{63, 32};
constexpr Field kSre{0, 0};  // quadword 2
constexpr Field kFspm{3, 2};
constexpr Field kWpe{4, 4};
constexpr Field kEafe{7, 7};
}  // namespace pasid_entry

constexpr PasidQwords encode(const PasidEntry& e) {
    namespace f = pasid_entry;
    return {f::kP.make(e.present ? 1 : 0) | f::kFpd.make(e.fpd ? 1 : 0) | f::kAw.make(e.aw) |
                f::kPgtt.make(static_cast<std::uint64_t>(e.pgtt)) |
                f::kSsade.make(e.ssade ? 1 : 0) | (e.second_stage.value() & kTableAddress),
            f::kDid.make(e.did.value()) | f::kPwsnp.make(e.pwsnp ? 1 : 0) |
                f::kPgsnp.make(e.pgsnp ? 1 : 0) | f::kCd.make(e.cd ? 1 : 0) |
                f::kEmte.make(e.emte ? 1 : 0) | f::kPat.make(e.pat),
            f::kSre.make(e.sre ? 1 : 0) | f::kFspm.make(e.fspm) | f::kWpe.make(e.wpe ? 1 : 0) |
                f::kEafe.make(e.eafe ? 1 : 0) | (e.first_stage & kTableAddress),
            0,
            0,
            0,
            0,
            0};
}
constexpr PasidEntry decode_pasid_entry(const PasidQwords& q) {
    namespace f = pasid_entry;
    PasidEntry e;
    e.present = f::kP.get(q[0]) != 0;
    e.fpd = f::kFpd.get(q[0]) != 0;
    e.aw = static_cast<std::uint8_t>(f::kAw.get(q[0]));
    e.pgtt = static_cast<TranslationType>(f::kPgtt.get(q[0]));
    e.ssade = f::kSsade.get(q[0]) != 0;
    e.second_stage = Hpa{q[0] & kTableAddress};
    e.did = DomainId{static_cast<std::uint16_t>(f::kDid.get(q[1]))};
    e.pwsnp = f::kPwsnp.get(q[1]) != 0;
    e.pgsnp = f::kPgsnp.get(q[1]) != 0;
    e.cd = f::kCd.get(q[1]) != 0;
    e.emte = f::kEmte.get(q[1]) != 0;
    e.pat = static_cast<std::uint32_t>(f::kPat.get(q[1]));
    e.sre = f::kSre.get(q[2]) != 0;
    e.fspm = static_cast<std::uint8_t>(f::kFspm.get(q[2]));
    e.wpe = f::kWpe.get(q[2]) != 0;
    e.eafe = f::kEafe.get(q[2]) != 0;
    e.first_stage = q[2] & kTableAddress;
    return e;
}
constexpr Hpa pasid_entry_address(Hpa table, Pasid pasid) {
    return table + (pasid.value() & 0x3FU) * kPasidEntryBytes;
}

// --- page tables: 512 entries of 8 bytes a level; level 1 is the table of 4-KiB leaves ----------
constexpr std::uint64_t kPageTableEntryBytes = 8;
constexpr unsigned kEntriesPerTable = 512;

constexpr unsigned level_shift(unsigned level) {
    return 12 + 9 * (level - 1);
}
constexpr std::uint64_t level_page_bytes(unsigned level) {
    return std::uint64_t{1} << level_shift(level);
}
constexpr std::uint64_t page_table_offset(std::uint64_t address, unsigned level) {
    return ((address >> level_shift(level)) & 0x1FFU) * kPageTableEntryBytes;
}

// First stage, x86-64 format (9.7).
namespace fs {
constexpr std::uint64_t kPresent = 1U << 0U;
constexpr std::uint64_t kWrite = 1U << 1U;
constexpr std::uint64_t kUser = 1U << 2U;
constexpr std::uint64_t kAccessed = 1U << 5U;
constexpr std::uint64_t kDirty = 1U << 6U;
constexpr std::uint64_t kPageSize = 1U << 7U;
constexpr std::uint64_t kExtendedAccessed = 1U << 10U;
// A leaf of any level: add kPageSize above level 1. An entry that points to a table carries all
// permissions and leaves the decision to the leaf.
constexpr std::uint64_t leaf(std::uint64_t page, bool write, bool user, unsigned level = 1) {
    return (page & kPageTableAddress) | kPresent | (write ? kWrite : 0) | (user ? kUser : 0) |
           (level > 1 ? kPageSize : 0);
}
constexpr std::uint64_t table(std::uint64_t next) {
    return (next & kPageTableAddress) | kPresent | kWrite | kUser;
}
}  // namespace fs

// Second stage (9.8).
namespace ss {
constexpr std::uint64_t kRead = 1U << 0U;
constexpr std::uint64_t kWrite = 1U << 1U;
constexpr std::uint64_t kPageSize = 1U << 7U;
constexpr std::uint64_t kAccessed = 1U << 8U;
constexpr std::uint64_t kDirty = 1U << 9U;
constexpr std::uint64_t kSnoop = 1U << 11U;
constexpr std::uint64_t kIoRead = std::uint64_t{1} << 61U;   // IR: with RTADDR.SSIRWE, else ignored
constexpr std::uint64_t kIoWrite = std::uint64_t{1} << 62U;  // IW: with SSIRWE, else reserved
constexpr std::uint64_t leaf(Hpa page, bool read, bool write, unsigned level = 1) {
    return (page.value() & kPageTableAddress) | (read ? kRead : 0) | (write ? kWrite : 0) |
           (level > 1 ? kPageSize : 0);
}
constexpr std::uint64_t table(Hpa next) {
    return (next.value() & kPageTableAddress) | kRead | kWrite;
}
}  // namespace ss

}  // namespace ioasim::vtd
