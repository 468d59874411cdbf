// The emulated configuration space and BAR0 of a virtual device. Accesses of 8 bytes come as two of
// 4, as VFIO's region code makes them; anything else but 4 is refused: reads give 0, writes go
// nowhere.
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vdcm_probes.hpp"
#include "models/linux/virtual_device.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

namespace reg = dsa::reg;
namespace config = pcie::config;

// WQCFG as a guest may write it: mode, PASID and what is above it. Size and priority are the
// host's.
constexpr std::uint32_t kWritableWqcfg = 0xFFFF'FF01;
constexpr std::uint32_t kPasidWidth = 20;
constexpr std::uint32_t kCommands = 0x1FFE;  // 1 to 12
constexpr std::uint32_t kHandleCommands = 0x6000;

std::uint32_t half(std::uint64_t value, std::uint64_t offset) {
    return static_cast<std::uint32_t>(value >> (offset % 8 * 8));
}

}  // namespace

// --- configuration space ------------------------------------------------------------------------

std::uint64_t VirtualDevice::read_config(std::uint32_t offset, unsigned size) const {
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - 8 * size);
    switch (offset) {
        case config::kCommand:
            return state_.command & mask;
        case config::kPasidCap:
            return (kPasidWidth << config::kPasidWidthShift) & mask;
        case config::kPasidCtl:
            return state_.pasid_control & mask;
        case config::kAtsCtl:
            return state_.ats_control & mask;
        case config::kPriCtl:
            return state_.pri_control & mask;
        default:
            return 0;
    }
}

void VirtualDevice::write_config(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
                                 unsigned) {
    LockGuard guard{ctx, lock_};
    const auto word = static_cast<std::uint16_t>(value);
    switch (offset) {
        case config::kCommand:
            state_.command = word;
            break;
        case config::kPasidCtl:
            state_.pasid_control = word;
            break;
        case config::kAtsCtl:
            state_.ats_control = word;
            break;
        case config::kPriCtl:
            state_.pri_control = word;
            break;
        default:
            break;
    }
}

// --- BAR0 ---------------------------------------------------------------------------------------

std::uint64_t VirtualDevice::read_register(std::uint64_t offset, unsigned size) const {
    if (!open_) {
        return ~std::uint64_t{0} >> (64 - 8 * size);  // it was taken away
    }
    if (size == 8 && offset % 8 == 0) {
        return read4(offset) | std::uint64_t{read4(offset + 4)} << 32U;
    }
    return size == 4 && offset % 4 == 0 ? read4(offset) : 0;
}

std::uint32_t VirtualDevice::read4(std::uint64_t offset) const {
    const VirtualQueueState& queue = state_.queues.front();
    if (offset >= reg::kWqcfgTable && offset < reg::kWqcfgTable + dsa::kWqcfgBytes) {
        return wqcfg_dword(offset);
    }
    if (offset >= reg::kSwerr && offset < reg::kSwerr + 32) {
        return half(dsa::encode(state_.error).at((offset - reg::kSwerr) / 8), offset);
    }
    if (VirtualVectors::has_register(offset) && vectors_.offered()) {
        return vectors_.read(offset);
    }
    dsa::GeneralCapabilities gencap = dsa::decode_gencap(gencap_);
    gencap.message_storage = 0;
    gencap.configurable = false;
    gencap.event_log = 0;
    dsa::WqCapabilities wqcap;
    wqcap.total_entries = queue.config.size;
    wqcap.workqueues = 1;
    wqcap.config_size_code = dsa::kWqcfgSizeCode;
    wqcap.shared = queue.shared;
    wqcap.dedicated = !queue.shared;
    wqcap.priority = false;
    wqcap.occupancy = false;
    const std::uint64_t engines = setup_.parent->setup().engines;
    const dsa::TableOffsets tables{reg::kGrpcfgTable, reg::kWqcfgTable, reg::kMsixPerm};
    switch (offset / 8 * 8) {
        case reg::kVersion:
            return half(dsa::kVersion1, offset);
        case reg::kGencap:
            return half(dsa::encode(gencap), offset);
        case reg::kWqcap:
            return half(dsa::encode(wqcap), offset);
        case reg::kGrpcap:
            return half(dsa::encode(dsa::GroupCapabilities{1, 0, false}), offset);
        case reg::kEngcap:
            return half(engines, offset);
        case reg::kOffsets:
            return half(dsa::encode(tables), offset);
        case reg::kGrpcfgTable:
            return half(1, offset);  // the queue
        case reg::kGrpcfgTable + dsa::kGrpcfgEngineBitmap:
            return half(bit_mask(static_cast<unsigned>(engines) - 1, 0), offset);
        case reg::kGencfg:
            return half(state_.gencfg, offset);
        case reg::kGenctrl:
            return half(state_.genctrl, offset);
        case reg::kGensts:
            return half(static_cast<std::uint64_t>(state_.state), offset);
        case reg::kIntcause:
            return half(state_.intcause, offset);
        case reg::kCmdsts:
            return half(dsa::encode(state_.status), offset);
        case reg::kCmdcap:
            return half(kCommands | (vectors_.offered() ? kHandleCommands : 0), offset);
        default:
            return 0;
    }
}

std::uint32_t VirtualDevice::wqcfg_dword(std::uint64_t offset) const {
    const VirtualQueueState& queue = state_.queues.front();
    dsa::WqConfig seen = queue.config;
    seen.state = queue.enabled ? dsa::WqState::Enabled : dsa::WqState::Disabled;
    return dsa::encode(seen).at((offset - reg::kWqcfgTable) / 4);
}

void VirtualDevice::write_register(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                                   std::uint64_t value, unsigned size) {
    if (size == 8 && offset % 8 == 0) {
        write4(ctx, task, offset, static_cast<std::uint32_t>(value));
        write4(ctx, task, offset + 4, static_cast<std::uint32_t>(value >> 32U));
    } else if (size == 4 && offset % 4 == 0) {
        write4(ctx, task, offset, static_cast<std::uint32_t>(value));
    }
}

void VirtualDevice::write4(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                           std::uint32_t value) {
    if (!open_) {
        return;
    }
    if (VirtualVectors::has_register(offset) && vectors_.offered()) {
        write_vector(ctx, task, offset, value);
        return;
    }
    switch (offset) {
        case reg::kCmd:
            command(ctx, task, value);
            break;
        case reg::kGencfg:
            if (state_.state == dsa::DeviceState::Disabled) {
                state_.gencfg = value;
            }
            break;
        case reg::kGenctrl:
            state_.genctrl = value;
            break;
        case reg::kIntcause:
            state_.intcause &= ~value;
            break;
        case reg::kSwerr:
            state_.error.valid = state_.error.valid && (value & dsa::kSwerrValid) == 0;
            state_.error.overflow = state_.error.overflow && (value & dsa::kSwerrOverflow) == 0;
            break;
        case reg::kWqcfgTable + dsa::kWqcfgPasidDword * 4:
            write_wqcfg(offset, value);
            break;
        default:
            break;  // read only, or nothing there
    }
}

// A guest PASID that stands for nothing, or a parent that forgets its entries in a reset: the entry
// stays clear, and no handle is given.
void VirtualDevice::write_vector(ExecContext& ctx, CallingTask task, std::uint64_t offset,
                                 std::uint32_t value) {
    LockGuard guard{ctx, lock_};
    if (vectors_.write(ctx, offset, value) || parent_resets()) {
        return;
    }
    const HostPasid whose =
        host_pasid(ctx, task, vectors_.gpasid(), !kernel_.probes().has(kVectorUnreferenced));
    if (is_valid(whose.id)) {
        vectors_.set(ctx, whose);
    }
}

void VirtualDevice::write_wqcfg(std::uint64_t offset, std::uint32_t value) {
    VirtualQueueState& queue = state_.queues.front();
    if (queue.enabled) {
        return;
    }
    dsa::WqcfgDwords dwords = dsa::encode(queue.config);
    std::uint32_t& dword = dwords.at((offset - reg::kWqcfgTable) / 4);
    dword = (dword & ~kWritableWqcfg) | (value & kWritableWqcfg);
    queue.config = dsa::decode_wqcfg(dwords);
}

}  // namespace ioasim::os
