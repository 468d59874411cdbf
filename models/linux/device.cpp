#include "models/linux/device.hpp"

#include <algorithm>
#include <utility>

#include "models/linux/corner_probes.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/hot_plug_probes.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/lock_unless.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {
namespace {

// So many looks are the patience of a broken driver.
constexpr std::uint64_t kPatience = 64;

// What a read gives that nobody answers; reserved bits of CMDSTS are set in it.
constexpr std::uint64_t kAllOnes = 0xFFFF'FFFF;
constexpr std::uint64_t kNoVendor = 0xFFFF;

}  // namespace

namespace reg = dsa::reg;

Device::Device(Kernel& kernel, DeviceSetup setup)
    : kernel_(kernel),
      setup_(std::move(setup)),
      command_pause_(kernel.name() + "/" + setup_.name + "/command"),
      command_lock_(SimLock::Kind::Mutex, kernel.name() + "/" + setup_.name + "/command_lock",
                    kernel.name() + "/idxd_command_lock") {
    SIM_CHECK(setup_.iommu != nullptr, "{} is behind no IOMMU", setup_.name);
    if (setup_.grouped) {
        group_ = std::make_unique<IommuGroup>(kernel, *this);
    }
    for (const QueueSetup& queue : setup_.queues) {
        queue_locks_.push_back(std::make_unique<SimLock>(
            SimLock::Kind::Mutex, kernel.name() + "/" + setup_.name + "/" + queue.name + "/wq_lock",
            kernel.name() + "/idxd_wq_lock"));
    }
}

Device::~Device() = default;

std::uint32_t Device::max_pasids() const {
    const std::uint32_t unit = setup_.iommu->max_pasids();
    return std::min(unit, 1U << pasid_bits_);
}

Result<std::uint32_t> Device::queue(const std::string& name) const {
    for (std::size_t i = 0; i < setup_.queues.size(); ++i) {
        if (setup_.queues[i].name == name) {
            return static_cast<std::uint32_t>(i);
        }
    }
    return Errno::Enodev;
}

std::uint64_t Device::portal(std::uint32_t queue, dsa::Portal page) const {
    return setup_.portals + dsa::portal_offset(queue, page);
}

std::uint64_t Device::read(ExecContext& ctx, std::uint64_t offset, unsigned size) {
    return ctx.mmio_read(setup_.registers + offset, size);
}

void Device::write(ExecContext& ctx, std::uint64_t offset, std::uint64_t value, unsigned size) {
    ctx.mmio_write(setup_.registers + offset, value, size);
}

Errno Device::run(ExecContext& ctx, dsa::Command code, std::uint32_t operand,
                  dsa::CommandError& status, std::uint32_t& result) {
    const LockUnless guard{ctx, command_lock_, kernel_.probes(), kCommandUnlocked};
    Frame frame{ctx, "idxd_command"};
    status = dsa::CommandError::HardwareError;
    if (disconnected_) {
        return Errno::Enodev;
    }
    // The device ignores what is written while it executes: a command that was given up ends first.
    dsa::CommandStatus answer;
    if (given_up_ && !kernel_.probes().has(kCommandOverCommand)) {
        const Errno error = wait_for_command(ctx, false, answer);
        if (error != Errno::Ok) {
            return error;
        }
    }
    write(ctx, reg::kCmd, dsa::encode_command(code, operand), 4);
    const bool impatient =
        code == dsa::Command::DrainPasid && kernel_.probes().has(kImpatientDrain);
    const Errno error = wait_for_command(ctx, impatient, answer);
    if (error != Errno::Ok) {
        return error;
    }
    status = answer.error;
    result = answer.result;
    return status == dsa::CommandError::None ? Errno::Ok : Errno::Eio;
}

Errno Device::wait_for_command(ExecContext& ctx, bool impatient, dsa::CommandStatus& answer) {
    const TimePs deadline = ctx.now() + kernel_.params().idxd_timeout;
    for (std::uint64_t looks = 1;; ++looks) {
        const std::uint64_t value = read(ctx, reg::kCmdsts, 4);
        if (value == kAllOnes && !kernel_.probes().has(kAllOnesBelieved)) {
            return Errno::Enodev;
        }
        answer = dsa::decode_cmdsts(static_cast<std::uint32_t>(value));
        given_up_ = answer.active && ctx.now() >= deadline;
        if (!answer.active) {
            return Errno::Ok;
        }
        if (given_up_) {
            return Errno::Etimedout;
        }
        if (looks == kPatience && impatient) {
            answer = dsa::CommandStatus{};
            return Errno::Ok;
        }
        if (looks < kernel_.params().idxd_busy_looks || ctx.atomic()) {
            ctx.spend(kernel_.params().idxd_poll);
        } else {
            ctx.wait_until(command_pause_, ctx.now() + kernel_.params().idxd_poll);
        }
    }
}

bool Device::present(ExecContext& ctx) const {
    const std::uint64_t base = setup_.configuration;
    return base == 0 || ctx.mmio_read(base + pcie::config::kVendor, 2) != kNoVendor;
}

bool Device::executes(ExecContext& ctx) {
    if (disconnected_) {
        return false;
    }
    const LockGuard guard{ctx, command_lock_};
    return dsa::decode_cmdsts(static_cast<std::uint32_t>(read(ctx, reg::kCmdsts, 4))).active;
}

Errno Device::drain_pasid(ExecContext& ctx, Pasid pasid) {
    if (!configured_here()) {
        return Errno::Eopnotsupp;
    }
    return command(ctx, dsa::Command::DrainPasid, pasid.value());
}

// A virtual function comes up as a real one without firmware: nothing of it is on. PASIDs before
// ATS, which locks their control.
void Device::enable_function(ExecContext& ctx) {
    namespace config = pcie::config;
    const std::uint64_t base = setup_.configuration;
    if (base == 0) {
        return;
    }
    ctx.mmio_write(base + config::kCommand, config::kMemorySpace | config::kBusMaster, 2);
    if (max_pasids() != 0) {
        ctx.mmio_write(base + config::kPasidCtl, config::kPasidEnable, 2);
        ctx.mmio_write(base + config::kPriCtl, config::kPriEnable, 2);
        ctx.mmio_write(base + config::kAtsCtl, config::kAtsEnable, 2);
    }
}

Errno Device::bring_up(ExecContext& ctx) {
    if (!configured_here()) {
        return Errno::Ok;
    }
    Frame frame{ctx, "idxd_probe"};
    if (kernel_.is_guest()) {
        enable_function(ctx);
    }
    Errno error = command(ctx, dsa::Command::ResetDevice, 0);
    if (error != Errno::Ok) {
        return error;
    }
    const dsa::WqCapabilities wqcap = dsa::decode_wqcap(read(ctx, reg::kWqcap, 8));
    const std::uint32_t engines = dsa::engines_of_engcap(read(ctx, reg::kEngcap, 8));
    if (setup_.queues.size() > wqcap.workqueues || setup_.engines > engines) {
        return Errno::Einval;
    }
    const dsa::TableOffsets offsets = dsa::decode_offsets(read(ctx, reg::kOffsets, 8));
    queue_config_ = offsets.wqcfg;
    group_config_ = offsets.grpcfg;
    vector_permissions_ = offsets.msix_perm;
    message_storage_ = offsets.ims;
    size_code_ = wqcap.config_size_code;
    configurable_ =
        !kernel_.is_guest() || dsa::decode_gencap(read(ctx, reg::kGencap, 8)).configurable;
    if (configurable_) {
        configure_group(ctx);
    }
    for (std::uint32_t i = 0; i < setup_.queues.size(); ++i) {
        configurable_ ? configure_queue(ctx, i) : write_queue_pasid(ctx, i, queue_config(ctx, i));
    }
    if (configurable_ && stored_messages_ != 0) {
        // User descriptors may ask for interrupts: whose, the entries of storage tell.
        write(ctx, reg::kGencfg, 1U << dsa::kGencfgUserInterrupts, 4);
    }
    error = command(ctx, dsa::Command::EnableDevice, 0);
    if (max_pasids() == 0) {
        return error;  // shared queues need PASIDs, and a dedicated one gets its own when opened
    }
    return error == Errno::Ok ? enable_queues(ctx) : error;
}

// A dedicated queue of a virtual device has nothing to work under before it is opened.
Errno Device::enable_queues(ExecContext& ctx) {
    Errno error = Errno::Ok;
    for (std::uint32_t i = 0; i < setup_.queues.size() && error == Errno::Ok; ++i) {
        if (configurable_ || setup_.queues[i].shared) {
            error = command(ctx, dsa::Command::EnableWq, i);
        }
    }
    return error;
}

std::optional<std::uint32_t> Device::take_message_entry() {
    for (std::uint32_t entry = 0; entry < stored_messages_; ++entry) {
        if (messages_taken_.insert(entry).second) {
            return entry;
        }
    }
    return std::nullopt;
}

void Device::write_message_entry(ExecContext& ctx, std::uint32_t entry, std::uint64_t field,
                                 std::uint32_t value) {
    write(ctx, dsa::ims_address(message_storage_, entry, field), value, 4);
}

// Unmasked last.
void Device::write_vector(ExecContext& ctx, std::uint32_t vector, std::uint32_t address,
                          std::uint32_t data, std::optional<Pasid> pasid) {
    const std::uint64_t entry = reg::kMsixTable + vector * dsa::kMsixEntryBytes;
    write(ctx, vector_permissions_ + vector * dsa::kMsixPermBytes,
          dsa::encode_msix_perm(pasid.has_value(), pasid ? pasid->value() : 0), 4);
    write(ctx, entry + dsa::kMsixAddressLow, address, 4);
    write(ctx, entry + dsa::kMsixAddressHigh, 0, 4);
    write(ctx, entry + dsa::kMsixData, data, 4);
    write(ctx, entry + dsa::kMsixControl, 0, 4);
}

void Device::mask_vector(ExecContext& ctx, std::uint32_t vector) {
    write(ctx, reg::kMsixTable + vector * dsa::kMsixEntryBytes + dsa::kMsixControl,
          dsa::kMsixMasked, 4);
}

void Device::configure_group(ExecContext& ctx) {
    // One group with every queue and every engine.
    const std::uint64_t base = dsa::grpcfg_address(group_config_, 0);
    for (std::uint32_t word = 0; word < 4; ++word) {
        std::uint64_t bitmap = 0;
        for (std::uint32_t i = word * 64; i < setup_.queues.size() && i < (word + 1) * 64; ++i) {
            bitmap = set_bit(bitmap, i % 64);
        }
        if (word == 0 || bitmap != 0) {
            write(ctx, base + dsa::kGrpcfgWqBitmap + word * 8, bitmap, 8);
        }
    }
    write(ctx, base + dsa::kGrpcfgEngineBitmap, bit_mask(setup_.engines - 1, 0), 8);
}

Errno Device::set_queue_pasid(ExecContext& ctx, std::uint32_t index, std::optional<Pasid> pasid) {
    if (configurable_ || queue_enabled(ctx, index)) {
        const Errno disabled = command(ctx, dsa::Command::DisableWq, dsa::wq_mask_operand(index));
        if (disabled != Errno::Ok) {
            return disabled;
        }
    }
    set_queue_config_pasid(ctx, index, pasid);
    if (!pasid && !configurable_) {
        return Errno::Ok;
    }
    return command(ctx, dsa::Command::EnableWq, index);
}

bool Device::queue_enabled(ExecContext& ctx, std::uint32_t index) {
    const auto state = static_cast<std::uint32_t>(
        read(ctx, dsa::wqcfg_address(queue_config_, index, size_code_, dsa::kWqcfgStateDword), 4));
    return get_bits(state, 31, 30) == static_cast<std::uint64_t>(dsa::WqState::Enabled);
}

void Device::set_queue_config_pasid(ExecContext& ctx, std::uint32_t index,
                                    std::optional<Pasid> pasid) {
    dsa::WqConfig config = queue_config(ctx, index);
    config.pasid_enable = pasid.has_value();
    config.pasid = pasid ? pasid->value() : 0;
    write_queue_pasid(ctx, index, config);
}

void Device::write_queue_pasid(ExecContext& ctx, std::uint32_t index, const dsa::WqConfig& config) {
    write(ctx, dsa::wqcfg_address(queue_config_, index, size_code_, dsa::kWqcfgPasidDword),
          dsa::encode(config).at(dsa::kWqcfgPasidDword), 4);
}

dsa::WqConfig Device::queue_config(ExecContext& ctx, std::uint32_t index) {
    const QueueSetup& setup = setup_.queues.at(index);
    const dsa::GeneralCapabilities gencap = dsa::decode_gencap(read(ctx, reg::kGencap, 8));
    stored_messages_ = gencap.message_storage * dsa::kImsUnit;
    dsa::WqConfig config;
    config.size = setup.size;
    config.threshold = setup.shared ? (setup.threshold != 0 ? setup.threshold : setup.size) : 0;
    config.dedicated = !setup.shared;
    config.priority = setup.priority;
    config.pasid_enable = setup.shared;  // a dedicated queue gets its PASID when it is opened
    config.block_on_fault = page_requests_;
    config.max_transfer_shift = gencap.max_transfer_shift;
    config.max_batch_shift = gencap.max_batch_shift;
    return config;
}

void Device::configure_queue(ExecContext& ctx, std::uint32_t index) {
    const dsa::WqConfig config = queue_config(ctx, index);
    const dsa::WqcfgDwords dwords = dsa::encode(config);
    for (std::uint64_t i = 0; i < dsa::kWqcfgStateDword; ++i) {
        write(ctx, dsa::wqcfg_address(queue_config_, index, size_code_, i), dwords.at(i), 4);
    }
}

}  // namespace ioasim::os
