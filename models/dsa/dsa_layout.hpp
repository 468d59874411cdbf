// Registers, portals and commands of a Data Streaming Accelerator as software sees them: BAR0 is
// the register file, BAR2 the portals. Intel DSA Architecture Specification (registers by their
// names there), Linux drivers/dma/idxd/registers.h. Descriptors: dsa_descriptor_layout.hpp; tables
// of interrupt messages: dsa_message_layout.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/bits.hpp"
#include "core/base/types.hpp"
#include "models/dsa/dsa_descriptor_layout.hpp"
#include "models/dsa/dsa_message_layout.hpp"

namespace ioasim::dsa {

// A table or block of registers holds this offset.
constexpr bool inside(std::uint64_t offset, std::uint64_t base, std::uint64_t bytes) {
    return offset >= base && offset < base + bytes;
}

// --- BAR0: register offsets ---
constexpr std::uint64_t kBar0Bytes = 0x10000;
namespace reg {
constexpr std::uint64_t kVersion = 0x00;    // 4 bytes; major in [15:8]
constexpr std::uint64_t kGencap = 0x10;     // 8
constexpr std::uint64_t kWqcap = 0x20;      // 8
constexpr std::uint64_t kGrpcap = 0x30;     // 8
constexpr std::uint64_t kEngcap = 0x38;     // 8
constexpr std::uint64_t kOpcap = 0x40;      // 32: bit N = opcode N
constexpr std::uint64_t kOffsets = 0x60;    // 16: five 16-bit table offsets in units of 0x100
constexpr std::uint64_t kGencfg = 0x80;     // 4
constexpr std::uint64_t kGenctrl = 0x88;    // 4
constexpr std::uint64_t kGensts = 0x90;     // 4
constexpr std::uint64_t kIntcause = 0x98;   // 4, write 1 to clear
constexpr std::uint64_t kCmd = 0xA0;        // 4
constexpr std::uint64_t kCmdsts = 0xA8;     // 4
constexpr std::uint64_t kCmdcap = 0xB0;     // 4
constexpr std::uint64_t kSwerr = 0xC0;      // 32
constexpr std::uint64_t kEvlcfg = 0xE0;     // 16
constexpr std::uint64_t kEvlstatus = 0xF0;  // 8
// Where this device has its tables; drivers read OFFSETS.
constexpr std::uint64_t kGrpcfgTable = 0x1000;
constexpr std::uint64_t kMsixTable = 0x2000;  // PCI MSI-X capability: table in BAR0
constexpr std::uint64_t kMsixPba = 0x3000;
constexpr std::uint64_t kMsixPerm = 0x3800;
constexpr std::uint64_t kWqcfgTable = 0x4000;
constexpr std::uint64_t kPerfmon = 0x6000;
constexpr std::uint64_t kImsTable = 0x8000;
}  // namespace reg

constexpr std::uint32_t kVersion1 = 0x100;
constexpr std::uint32_t kVersion2 = 0x200;  // with an event log
constexpr std::uint32_t kMaxWorkqueues = 128;
constexpr std::uint32_t kMaxGroups = 64;
constexpr std::uint32_t kMaxEngines = 64;
constexpr std::uint32_t kMaxVectors = 128;
constexpr std::uint32_t kMaxImsUnits = 8;  // what BAR0 has room for behind kImsTable

// --- capabilities ---
struct GeneralCapabilities {
    bool block_on_fault = false;
    bool overlapping_copy = false;
    bool cache_control = true;  // of memory operations
    bool command_capabilities = true;
    bool destination_readback = true;
    bool drain_readback = true;
    unsigned event_log = 0;  // 0 none, 1 supported
    unsigned max_transfer_shift = 31;
    unsigned max_batch_shift = 0;
    unsigned message_storage = 0;  // entries, in units of 256
    bool configurable = true;
};
constexpr std::uint32_t kImsUnit = 256;
constexpr std::uint64_t encode(const GeneralCapabilities& c) {
    std::uint64_t v = 0;
    v = set_bit(v, 0, c.block_on_fault);
    v = set_bit(v, 1, c.overlapping_copy);
    v = set_bit(v, 2, c.cache_control);
    v = set_bit(v, 4, c.command_capabilities);
    v = set_bit(v, 8, c.destination_readback);
    v = set_bit(v, 9, c.drain_readback);
    v = set_bits(v, 14, 13, c.event_log);
    v = set_bits(v, 20, 16, c.max_transfer_shift);
    v = set_bits(v, 24, 21, c.max_batch_shift);
    v = set_bits(v, 30, 25, c.message_storage);
    return set_bit(v, 31, c.configurable);
}
constexpr GeneralCapabilities decode_gencap(std::uint64_t v) {
    GeneralCapabilities c;
    c.block_on_fault = get_bit(v, 0);
    c.overlapping_copy = get_bit(v, 1);
    c.cache_control = get_bit(v, 2);
    c.command_capabilities = get_bit(v, 4);
    c.destination_readback = get_bit(v, 8);
    c.drain_readback = get_bit(v, 9);
    c.event_log = static_cast<unsigned>(get_bits(v, 14, 13));
    c.max_transfer_shift = static_cast<unsigned>(get_bits(v, 20, 16));
    c.max_batch_shift = static_cast<unsigned>(get_bits(v, 24, 21));
    c.message_storage = static_cast<unsigned>(get_bits(v, 30, 25));
    c.configurable = get_bit(v, 31);
    return c;
}

struct WqCapabilities {
    std::uint32_t total_entries = 0;
    std::uint32_t workqueues = 0;
    unsigned config_size_code = 0;  // WQCFG stride = 1 << (5 + code)
    bool shared = true;
    bool dedicated = true;
    bool priority = true;
    bool occupancy = true;  // WQCFG shows how many entries are in use
    bool ats_control = false;
    bool occupancy_interrupt = false;
    bool operations = false;  // WQCFG says which operations a workqueue takes
    bool prs_control = false;
};
constexpr std::uint64_t encode(const WqCapabilities& c) {
    std::uint64_t v = 0;
    v = set_bits(v, 15, 0, c.total_entries);
    v = set_bits(v, 23, 16, c.workqueues);
    v = set_bits(v, 27, 24, c.config_size_code);
    v = set_bit(v, 48, c.shared);
    v = set_bit(v, 49, c.dedicated);
    v = set_bit(v, 50, c.ats_control);
    v = set_bit(v, 51, c.priority);
    v = set_bit(v, 52, c.occupancy);
    v = set_bit(v, 53, c.occupancy_interrupt);
    v = set_bit(v, 54, c.operations);
    return set_bit(v, 55, c.prs_control);
}
constexpr WqCapabilities decode_wqcap(std::uint64_t v) {
    return {static_cast<std::uint32_t>(get_bits(v, 15, 0)),
            static_cast<std::uint32_t>(get_bits(v, 23, 16)),
            static_cast<unsigned>(get_bits(v, 27, 24)),
            get_bit(v, 48),
            get_bit(v, 49),
            get_bit(v, 51),
            get_bit(v, 52),
            get_bit(v, 50),
            get_bit(v, 53),
            get_bit(v, 54),
            get_bit(v, 55)};
}

struct GroupCapabilities {
    std::uint32_t groups = 0;
    std::uint32_t read_buffers = 0;
    bool buffer_control = false;  // groups reserve and limit read buffers
};
constexpr std::uint64_t encode(const GroupCapabilities& c) {
    const std::uint64_t v = set_bits(set_bits(0, 7, 0, c.groups), 15, 8, c.read_buffers);
    return set_bit(v, 16, c.buffer_control);
}
constexpr GroupCapabilities decode_grpcap(std::uint64_t v) {
    return {static_cast<std::uint32_t>(get_bits(v, 7, 0)),
            static_cast<std::uint32_t>(get_bits(v, 15, 8)), get_bit(v, 16)};
}
constexpr std::uint32_t engines_of_engcap(std::uint64_t v) {
    return static_cast<std::uint32_t>(get_bits(v, 7, 0));
}

// OFFSETS: byte offsets of the tables in BAR0.
struct TableOffsets {
    std::uint64_t grpcfg = 0;
    std::uint64_t wqcfg = 0;
    std::uint64_t msix_perm = 0;
    std::uint64_t ims = 0;
};
// The fifth value, in the second quadword.
constexpr std::uint64_t encode_perfmon_offset(std::uint64_t offset) {
    return offset >> 8U;
}
constexpr std::uint64_t decode_perfmon_offset(std::uint64_t high) {
    return get_bits(high, 15, 0) << 8U;
}
constexpr std::uint64_t encode(const TableOffsets& o) {  // low quadword
    const std::uint64_t v = set_bits(set_bits(0, 15, 0, o.grpcfg >> 8U), 31, 16, o.wqcfg >> 8U);
    return set_bits(set_bits(v, 47, 32, o.msix_perm >> 8U), 63, 48, o.ims >> 8U);
}
constexpr TableOffsets decode_offsets(std::uint64_t low) {
    return {get_bits(low, 15, 0) << 8U, get_bits(low, 31, 16) << 8U, get_bits(low, 47, 32) << 8U,
            get_bits(low, 63, 48) << 8U};
}

// --- control and status ---
enum class DeviceState : std::uint8_t { Disabled = 0, Enabled = 1, Draining = 2, Halt = 3 };
constexpr DeviceState state_of_gensts(std::uint32_t v) {
    return static_cast<DeviceState>(get_bits(v, 1, 0));
}
// What brings a halted device back (GENSTS bits 3:2).
enum class ResetType : std::uint8_t { Software = 0, FunctionLevel = 1, Warm = 2, Cold = 3 };
constexpr ResetType reset_of_gensts(std::uint32_t v) {
    return static_cast<ResetType>(get_bits(v, 3, 2));
}
constexpr unsigned kGencfgUserInterrupts = 12;  // bit: user-mode descriptors may ask for interrupts
constexpr unsigned kGencfgEventLog = 13;        // bit: errors go to the event log
constexpr unsigned kGenctrlSwErrorInterrupt = 0;
constexpr unsigned kGenctrlHaltInterrupt = 1;
constexpr unsigned kGenctrlLogInterrupt = 2;
constexpr std::uint32_t kIntcauseSwError = 1U << 0U;
constexpr std::uint32_t kIntcauseCommandDone = 1U << 1U;
constexpr std::uint32_t kIntcauseOccupancy = 1U << 2U;
constexpr std::uint32_t kIntcausePerfmon = 1U << 3U;
constexpr std::uint32_t kIntcauseHalt = 1U << 4U;
constexpr std::uint32_t kIntcauseEventLog = 1U << 5U;

// --- commands ---
enum class Command : std::uint8_t {
    EnableDevice = 1,
    DisableDevice = 2,
    DrainAll = 3,
    AbortAll = 4,
    ResetDevice = 5,
    EnableWq = 6,   // operand: index of the workqueue
    DisableWq = 7,  // operand of the four: [15:0] mask, [19:16] which block of 16 workqueues
    DrainWq = 8,
    AbortWq = 9,
    ResetWq = 10,
    DrainPasid = 11,  // operand: PASID
    AbortPasid = 12,
    RequestInterruptHandle = 13,
    ReleaseInterruptHandle = 14,
};
constexpr std::uint32_t encode_command(Command command, std::uint32_t operand,
                                       bool interrupt = false) {
    return static_cast<std::uint32_t>(
        set_bit(set_bits(set_bits(0, 19, 0, operand), 24, 20, static_cast<unsigned>(command)), 31,
                interrupt));
}
// Enable WQ takes an index, the other workqueue commands take a mask.
constexpr std::uint32_t wq_mask_operand(std::uint32_t wq) {
    return (1U << (wq % 16U)) | ((wq / 16U) << 16U);
}

enum class CommandError : std::uint8_t {
    None = 0x00,
    UnknownCommand = 0x01,
    BadWqIndex = 0x02,
    HardwareError = 0x03,
    DeviceHalted = 0x05,
    DeviceAlreadyEnabled = 0x10,
    DeviceConfiguration = 0x11,
    BusMasterOff = 0x12,
    PageRequestAllocation = 0x13,
    WqSizeSum = 0x14,
    GroupHalfEmpty = 0x15,  // workqueues without engines, or engines without workqueues
    GroupWqs = 0x16,        // one in two groups, active in none, inactive in one, or none such
    GroupEngines = 0x17,    // one in two groups, or none such
    GroupReadBuffers = 0x18,
    EventLog = 0x19,
    Pasid = 0x1B,  // of the event log
    WqDeviceNotEnabled = 0x20,
    WqAlreadyEnabled = 0x21,
    WqSize = 0x22,
    WqPriority = 0x23,
    WqMode = 0x24,
    WqBlockOnFault = 0x25,
    WqPasidEnable = 0x26,
    WqMaxBatch = 0x27,
    WqMaxTransfer = 0x28,
    WqPrivileged = 0x2A,
    WqOccupancyHandle = 0x2B,
    WqOperations = 0x2D,
    WqPrsDisable = 0x2E,
    DeviceNotEnabled = 0x31,
    WqNotEnabled = 0x32,
    BadInterruptIndex = 0x41,
    NoInterruptHandle = 0x42,
};

struct CommandStatus {
    bool active = false;
    CommandError error = CommandError::None;
    std::uint32_t result = 0;
};
constexpr std::uint32_t encode(const CommandStatus& s) {
    return static_cast<std::uint32_t>(
        set_bit(set_bits(set_bits(0, 7, 0, static_cast<unsigned>(s.error)), 23, 8, s.result), 31,
                s.active));
}
constexpr CommandStatus decode_cmdsts(std::uint32_t v) {
    return {get_bit(v, 31), static_cast<CommandError>(get_bits(v, 7, 0)),
            static_cast<std::uint32_t>(get_bits(v, 23, 8))};
}

// --- software error: one latched error, four quadwords ---
struct SoftwareError {
    bool valid = false;
    bool overflow = false;
    bool descriptor_valid = false;
    bool wq_valid = false;
    bool batch = false;  // of an entry of a batch
    bool write = false;
    bool privileged = false;
    std::uint8_t error = 0;
    std::uint8_t wq = 0;
    std::uint8_t opcode = 0;
    std::uint32_t pasid = 0;
    std::uint16_t batch_index = 0;
    std::uint32_t invalid_flags = 0;
    std::uint64_t address = 0;
};
constexpr std::uint8_t kSwErrorConfiguration = 0x51;  // PCI configuration changed while enabled
constexpr std::uint8_t kSwErrorCommandActive = 0x52;
constexpr std::uint8_t kSwErrorQueueFull = 0x53;  // a dedicated queue had no room
// Told in SWERR whether there is an event log or not.
constexpr bool latched_only(std::uint8_t error) {
    return error == kSwErrorConfiguration || error == kSwErrorQueueFull;
}
constexpr std::uint64_t kSwerrValid = 1U << 0U;
constexpr std::uint64_t kSwerrOverflow = 1U << 1U;
constexpr std::array<std::uint64_t, 4> encode(const SoftwareError& e) {
    std::uint64_t q0 = 0;
    q0 = set_bit(q0, 0, e.valid);
    q0 = set_bit(q0, 1, e.overflow);
    q0 = set_bit(q0, 2, e.descriptor_valid);
    q0 = set_bit(q0, 3, e.wq_valid);
    q0 = set_bit(q0, 4, e.batch);
    q0 = set_bit(q0, 5, e.write);
    q0 = set_bit(q0, 6, e.privileged);
    q0 = set_bits(q0, 15, 8, e.error);
    q0 = set_bits(q0, 23, 16, e.wq);
    q0 = set_bits(q0, 39, 32, e.opcode);
    q0 = set_bits(q0, 59, 40, e.pasid);
    const std::uint64_t q1 = set_bits(set_bits(0, 15, 0, e.batch_index), 63, 32, e.invalid_flags);
    return {q0, q1, e.address, 0};
}
constexpr SoftwareError decode_swerr(const std::array<std::uint64_t, 4>& q) {
    SoftwareError e;
    e.valid = get_bit(q[0], 0);
    e.overflow = get_bit(q[0], 1);
    e.descriptor_valid = get_bit(q[0], 2);
    e.wq_valid = get_bit(q[0], 3);
    e.batch = get_bit(q[0], 4);
    e.write = get_bit(q[0], 5);
    e.privileged = get_bit(q[0], 6);
    e.error = static_cast<std::uint8_t>(get_bits(q[0], 15, 8));
    e.wq = static_cast<std::uint8_t>(get_bits(q[0], 23, 16));
    e.opcode = static_cast<std::uint8_t>(get_bits(q[0], 39, 32));
    e.pasid = static_cast<std::uint32_t>(get_bits(q[0], 59, 40));
    e.batch_index = static_cast<std::uint16_t>(get_bits(q[1], 15, 0));
    e.invalid_flags = static_cast<std::uint32_t>(get_bits(q[1], 63, 32));
    e.address = q[2];
    return e;
}

// --- event log: a ring of 64-byte entries in memory, hardware writes at the tail ---
struct EventLogConfig {
    bool pasid_enable = false;
    bool privileged = false;
    std::uint64_t base = 0;     // 4-KiB aligned
    std::uint32_t entries = 0;  // 64 to 65535
    std::uint32_t pasid = 0;
};
constexpr std::array<std::uint64_t, 2> encode(const EventLogConfig& c) {
    std::uint64_t q0 = c.base & bit_mask(63, 12);
    q0 = set_bit(set_bit(q0, 0, c.pasid_enable), 1, c.privileged);
    return {q0, set_bits(set_bits(0, 15, 0, c.entries), 35, 16, c.pasid)};
}
constexpr EventLogConfig decode_evlcfg(const std::array<std::uint64_t, 2>& q) {
    return {get_bit(q[0], 0), get_bit(q[0], 1), q[0] & bit_mask(63, 12),
            static_cast<std::uint32_t>(get_bits(q[1], 15, 0)),
            static_cast<std::uint32_t>(get_bits(q[1], 35, 16))};
}
constexpr std::uint32_t kMinLogEntries = 64;
constexpr std::uint64_t kLogEntryBytes = 64;
constexpr unsigned kEvlstatusPending = 62;  // write 1 to clear; head in 15:0, tail in 47:32

// --- performance monitoring: offsets from the start of its block ---
namespace perf {
constexpr std::uint64_t kCapabilities = 0x00;  // 8
constexpr std::uint64_t kReset = 0x10;         // 4
constexpr std::uint64_t kFreeze = 0x20;        // 4: bit N, counter N
constexpr std::uint64_t kOverflow = 0x30;      // 8: bit N, counter N; write 1 to clear
constexpr std::uint64_t kBytes = 0x400;
enum class Category : std::uint8_t { Workqueue = 0, Engine = 1, Translation = 2, Operation = 3 };
constexpr std::uint64_t event_capability(Category category) {  // EVNTCAP: events that are counted
    return 0x80 + 8 * static_cast<std::uint64_t>(category);
}
constexpr std::uint64_t counter_config(std::size_t counter) {
    return 0x100 + 8 * counter;
}
constexpr std::uint64_t counter_data(std::size_t counter) {
    return 0x200 + 8 * counter;
}
constexpr unsigned kResetConfig = 0;  // bits of kReset
constexpr unsigned kResetCounters = 1;
// CNTRCFG: category in 11:8, events in 59:32.
constexpr unsigned kEnable = 0;
constexpr unsigned kInterrupt = 1;  // on overflow
constexpr unsigned kFreezeOnOverflow = 2;
constexpr std::uint64_t kConfigMask = 0x0FFF'FFFF'0000'0F07;
constexpr unsigned kCounterWidth = 32;
constexpr std::size_t kMaxCounters = 32;
constexpr std::uint32_t kDeviceTlbHit = 0x100;  // of category Translation

struct Capabilities {
    std::uint32_t counters = 0;
};
constexpr std::uint64_t encode(const Capabilities& c) {
    std::uint64_t v = set_bits(set_bits(0, 5, 0, c.counters), 15, 8, kCounterWidth);
    v = set_bits(v, 19, 16, 4);    // categories
    v = set_bits(v, 35, 20, 0x4);  // the one that has events
    v = set_bit(v, 53, true);      // counters can be written
    v = set_bit(v, 54, true);      // and frozen
    return set_bit(v, 55, true);   // interrupt on overflow
}
}  // namespace perf

// --- GRPCFG: 64 bytes a group ---
constexpr std::uint64_t kGrpcfgBytes = 64;
constexpr std::uint64_t kGrpcfgWqBitmap = 0;  // four quadwords
constexpr std::uint32_t kGroupWqBits = 256;
constexpr std::uint64_t kBuffersOfEngine = 4;      // read buffers, at least
constexpr std::uint64_t kGrpcfgEngineBitmap = 32;  // one quadword
constexpr std::uint64_t kGrpcfgFlags = 40;         // 8 bytes
// Of the flags: the limits of read buffers and bandwidth, and what nothing is defined for where
// progress has no limit.
constexpr std::uint64_t kGroupLimits = bit_mask(7, 7) | bit_mask(47, 40);
constexpr std::uint64_t kGroupReserved =
    bit_mask(6, 6) | bit_mask(19, 16) | bit_mask(39, 28) | bit_mask(63, 48);
struct GroupBuffers {
    std::uint32_t reserved = 0;
    std::uint32_t allowed = 0;
};
constexpr std::uint64_t encode(const GroupBuffers& b) {
    return set_bits(set_bits(0, 15, 8, b.reserved), 27, 20, b.allowed);
}
constexpr GroupBuffers buffers_of_flags(std::uint64_t flags) {
    return {static_cast<std::uint32_t>(get_bits(flags, 15, 8)),
            static_cast<std::uint32_t>(get_bits(flags, 27, 20))};
}
constexpr std::uint64_t grpcfg_address(std::uint64_t table, std::uint32_t group) {
    return table + group * kGrpcfgBytes;
}

// --- WQCFG: 64 bytes a workqueue, written in dwords ---
constexpr unsigned kWqcfgSizeCode = 1;  // of this device; drivers read WQCAP
constexpr std::uint64_t kWqcfgBytes = 32U << kWqcfgSizeCode;
// Opcodes that the architecture defines, up to version 2: bits of others read 0 in WQCFG.
constexpr std::uint64_t kDefinedOperations = 0x0000'00FB'00BF'07FF;
constexpr std::uint64_t kWqcfgSizeDword = 0;
constexpr std::uint64_t kWqcfgThresholdDword = 1;
constexpr std::uint64_t kWqcfgPasidDword = 2;       // mode, priority, PASID, priv
constexpr std::uint64_t kWqcfgOccupancyDword = 5;   // limit, interrupt enable
constexpr std::uint64_t kWqcfgStateDword = 6;       // occupancy, state: read only but for bit 16
constexpr unsigned kWqcfgOccupancyGenerated = 16;   // of it: write 1 to clear
constexpr std::uint64_t kWqcfgOperationsDword = 8;  // eight dwords: bit N, opcode N is allowed
enum class WqState : std::uint8_t { Disabled = 0, Enabled = 1, Busy = 2 };

struct WqConfig {
    std::uint32_t size = 0;
    std::uint32_t threshold = 0;  // shared workqueues: what limited portals may fill
    bool dedicated = false;
    bool block_on_fault = false;
    bool ats_disable = false;
    bool prs_disable = false;
    unsigned priority = 0;  // 1..15
    std::uint32_t pasid = 0;
    bool pasid_enable = false;
    bool privileged = false;
    unsigned max_transfer_shift = 0;
    unsigned max_batch_shift = 0;
    std::uint32_t occupancy_handle = 0;
    bool occupancy_ims = false;  // the handle is one of interrupt message storage
    std::uint32_t occupancy_limit = 0;
    bool occupancy_interrupt = false;   // while occupancy is at the limit or below
    bool occupancy_reached = false;     // it came, and none comes until this is cleared
    std::uint32_t occupancy = 0;        // read only
    WqState state = WqState::Disabled;  // read only
    std::array<std::uint64_t, 4> operations{~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0},
                                            ~std::uint64_t{0}};
};
using WqcfgDwords = std::array<std::uint32_t, 16>;

constexpr WqcfgDwords encode(const WqConfig& c) {
    std::uint64_t d2 = 0;
    d2 = set_bit(d2, 0, c.dedicated);
    d2 = set_bit(d2, 1, c.block_on_fault);
    d2 = set_bit(d2, 2, c.ats_disable);
    d2 = set_bit(d2, 3, c.prs_disable);
    d2 = set_bits(d2, 7, 4, c.priority);
    d2 = set_bits(d2, 27, 8, c.pasid);
    d2 = set_bit(d2, 28, c.pasid_enable);
    d2 = set_bit(d2, 29, c.privileged);
    const std::uint64_t d3 =
        set_bits(set_bits(0, 4, 0, c.max_transfer_shift), 8, 5, c.max_batch_shift);
    const std::uint64_t d6 =
        set_bits(set_bit(set_bits(0, 15, 0, c.occupancy), 16, c.occupancy_reached), 31, 30,
                 static_cast<unsigned>(c.state));
    WqcfgDwords d{};
    d[0] = c.size & 0xFFFFU;
    d[1] = c.threshold & 0xFFFFU;
    d[2] = static_cast<std::uint32_t>(d2);
    d[3] = static_cast<std::uint32_t>(d3);
    d[4] = (c.occupancy_handle & 0xFFFFU) | (c.occupancy_ims ? 1U << 16U : 0U);
    d[5] = (c.occupancy_limit & 0xFFFFU) | (c.occupancy_interrupt ? 1U << 16U : 0U);
    d[6] = static_cast<std::uint32_t>(d6);
    for (std::size_t i = 0; i < c.operations.size(); ++i) {
        d[kWqcfgOperationsDword + 2 * i] = static_cast<std::uint32_t>(c.operations[i]);
        d[kWqcfgOperationsDword + 2 * i + 1] = static_cast<std::uint32_t>(c.operations[i] >> 32U);
    }
    return d;
}
constexpr WqConfig decode_wqcfg(const WqcfgDwords& d) {
    WqConfig c;
    c.size = static_cast<std::uint32_t>(get_bits(d[0], 15, 0));
    c.threshold = static_cast<std::uint32_t>(get_bits(d[1], 15, 0));
    c.dedicated = get_bit(d[2], 0);
    c.block_on_fault = get_bit(d[2], 1);
    c.ats_disable = get_bit(d[2], 2);
    c.prs_disable = get_bit(d[2], 3);
    c.priority = static_cast<unsigned>(get_bits(d[2], 7, 4));
    c.pasid = static_cast<std::uint32_t>(get_bits(d[2], 27, 8));
    c.pasid_enable = get_bit(d[2], 28);
    c.privileged = get_bit(d[2], 29);
    c.max_transfer_shift = static_cast<unsigned>(get_bits(d[3], 4, 0));
    c.max_batch_shift = static_cast<unsigned>(get_bits(d[3], 8, 5));
    c.occupancy_handle = static_cast<std::uint32_t>(get_bits(d[4], 15, 0));
    c.occupancy_ims = get_bit(d[4], 16);
    c.occupancy_limit = static_cast<std::uint32_t>(get_bits(d[5], 15, 0));
    c.occupancy_interrupt = get_bit(d[5], 16);
    c.occupancy = static_cast<std::uint32_t>(get_bits(d[6], 15, 0));
    c.occupancy_reached = get_bit(d[6], 16);
    c.state = static_cast<WqState>(get_bits(d[6], 31, 30));
    for (std::size_t i = 0; i < c.operations.size(); ++i) {
        c.operations[i] = d[kWqcfgOperationsDword + 2 * i] |
                          (std::uint64_t{d[kWqcfgOperationsDword + 2 * i + 1]} << 32U);
    }
    return c;
}
constexpr std::uint64_t wqcfg_address(std::uint64_t table, std::uint32_t wq, unsigned size_code,
                                      std::uint64_t dword) {
    return table + (std::uint64_t{wq} << (5U + size_code)) + dword * 4;
}

// --- BAR2: portals ---
// Four pages a workqueue. Every 64-byte aligned address of a page is the same portal.
enum class Portal : std::uint8_t {
    UnlimitedMsix = 0,
    LimitedMsix = 1,
    UnlimitedIms = 2,
    LimitedIms = 3,
};
constexpr std::uint64_t kPortalBytes = 0x1000;
constexpr std::uint64_t kPortalsOfWqBytes = 4 * kPortalBytes;
constexpr std::uint64_t portal_offset(std::uint32_t wq, Portal portal) {
    return wq * kPortalsOfWqBytes + static_cast<std::uint64_t>(portal) * kPortalBytes;
}
constexpr std::uint64_t bar2_bytes(std::uint32_t workqueues) {
    return workqueues * kPortalsOfWqBytes;
}
constexpr bool limited(Portal portal) {
    return (static_cast<unsigned>(portal) & 1U) != 0;
}
// Handles of descriptors that come here are those of interrupt message storage.
constexpr bool stored_messages(Portal portal) {
    return (static_cast<unsigned>(portal) & 2U) != 0;
}

struct PortalTarget {
    std::uint32_t wq = 0;
    Portal portal = Portal::UnlimitedMsix;
};
// Where a submission at this BAR2 offset goes; none: not 64-byte aligned.
constexpr std::optional<PortalTarget> decode_portal(std::uint64_t offset) {
    if (offset % 64 != 0) {
        return std::nullopt;
    }
    return PortalTarget{static_cast<std::uint32_t>(offset / kPortalsOfWqBytes),
                        static_cast<Portal>((offset / kPortalBytes) % 4)};
}

}  // namespace ioasim::dsa
