#include "models/linux/virtual_vectors.hpp"

#include <utility>

#include "core/trace/vdev_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/vdcm_probes.hpp"

namespace ioasim::os {
namespace {

namespace reg = dsa::reg;

constexpr std::uint64_t kTableBytes = VirtualVectors::kVectors * dsa::kMsixEntryBytes;
constexpr std::uint64_t kPermBytes = VirtualVectors::kVectors * dsa::kMsixPermBytes;

}  // namespace

VirtualVectors::VirtualVectors(Kernel& kernel, Device& parent, const std::string& vm,
                               const std::string& device, trace::Name holder)
    : kernel_(kernel),
      parent_(parent),
      vm_(vm),
      device_(device),
      holder_(holder),
      handled_(vm + "/" + device + "/vector handled") {}

bool VirtualVectors::offered() const {
    return parent_.stored_messages() != 0;
}

// --- the guest's registers ----------------------------------------------------------------------

bool VirtualVectors::has_register(std::uint64_t offset) {
    return dsa::inside(offset, reg::kMsixTable, kTableBytes) ||
           dsa::inside(offset, reg::kMsixPerm, kPermBytes);
}

std::uint32_t VirtualVectors::read(std::uint64_t offset) const {
    if (dsa::inside(offset, reg::kMsixPerm, kPermBytes)) {
        return offset % dsa::kMsixPermBytes == 0
                   ? messages_.at((offset - reg::kMsixPerm) / dsa::kMsixPermBytes).permission
                   : 0;
    }
    const Message& m = messages_.at((offset - reg::kMsixTable) / dsa::kMsixEntryBytes);
    const std::uint64_t field = offset % dsa::kMsixEntryBytes;
    return field != dsa::kMsixControl ? m.field(field) : m.masked ? dsa::kMsixMasked : 0;
}

bool VirtualVectors::write(ExecContext& ctx, std::uint64_t offset, std::uint32_t value) {
    if (dsa::inside(offset, reg::kMsixPerm, kPermBytes)) {
        if (offset % dsa::kMsixPermBytes != 0) {
            return true;
        }
        const std::uint64_t index = (offset - reg::kMsixPerm) / dsa::kMsixPermBytes;
        messages_.at(index).permission = value;
        return index != kStored || messages_.at(kStored).masked;
    }
    const std::uint64_t index = (offset - reg::kMsixTable) / dsa::kMsixEntryBytes;
    Message& m = messages_.at(index);
    if (const std::uint64_t field = offset % dsa::kMsixEntryBytes; field != dsa::kMsixControl) {
        m.set_field(field, value);
        return true;
    }
    m.masked = (value & dsa::kMsixMasked) != 0;
    if (index != kStored || (m.masked && !entry_)) {
        return true;
    }
    if (!entry_) {
        return false;
    }
    write_control(ctx, m.masked);
    return true;
}

std::uint32_t VirtualVectors::gpasid() const {
    const std::uint32_t permission = messages_.at(kStored).permission;
    return get_bit(permission, dsa::kMsixPermPasidEnable)
               ? static_cast<std::uint32_t>(get_bits(permission, 31, 12))
               : 0;
}

// --- the entry ----------------------------------------------------------------------------------

void VirtualVectors::write_entry(ExecContext& ctx, std::uint64_t field, std::uint32_t value) {
    parent_.write_message_entry(ctx, *entry_, field, value);
}

void VirtualVectors::write_control(ExecContext& ctx, bool masked) {
    const std::uint32_t pasid =
        kernel_.probes().has(kVectorRawGuestPasid) ? gpasid() : whose_.id.value();
    write_entry(ctx, dsa::kImsControl, dsa::encode_ims_control(masked, pasid));
}

// The PASID is there before the entry lets anybody ask for its message.
void VirtualVectors::set(ExecContext& ctx, const HostPasid& whose) {
    clear(ctx);
    entry_ = parent_.take_message_entry();
    whose_ = whose;
    if (!entry_) {
        if (whose_.held) {
            kernel_.ioasid().put(ctx, nullptr, whose_.id, holder_);
        }
        return;
    }
    start_handler();
    write_entry(ctx, dsa::kMsixAddressLow, line_->address());
    write_entry(ctx, dsa::kMsixAddressHigh, 0);
    write_entry(ctx, dsa::kMsixData, line_->vector());
    write_control(ctx, messages_.at(kStored).masked);
    tell(ctx, true);
}

void VirtualVectors::clear(ExecContext& ctx) {
    if (!entry_) {
        return;
    }
    if (!kernel_.probes().has(kVectorEntryLeft)) {
        write_entry(ctx, dsa::kImsControl, dsa::encode_ims_control(true, std::nullopt));
        write_entry(ctx, dsa::kMsixAddressLow, 0);
        write_entry(ctx, dsa::kMsixData, 0);
        // Register writes are posted: behind this answer the entry names the ID no more.
        static_cast<void>(parent_.bar0(ctx, reg::kGensts, 4));
    }
    synchronize(ctx);
    tell(ctx, false);
    if (std::exchange(whose_.held, false)) {
        kernel_.ioasid().put(ctx, nullptr, whose_.id, holder_);
    }
    parent_.give_message_entry(*entry_);
    entry_.reset();
}

void VirtualVectors::reset(ExecContext& ctx) {
    clear(ctx);
    messages_ = {};
}

void VirtualVectors::tell(ExecContext& ctx, bool on) {
    kernel_.emit(ctx, trace::VdevVector{kernel_.intern(vm_), kernel_.intern(device_), kStored,
                                        *entry_, on, whose_.spid, whose_.id});
}

// --- the host's handler -------------------------------------------------------------------------

void VirtualVectors::start_handler() {
    if (line_ != nullptr) {
        return;
    }
    const std::string name = kernel_.name() + "/irq/" + vm_ + "-" + device_;
    line_ = &kernel_.interrupts().request(name);
    kernel_.scheduler().spawn_service(name, kernel_.task_port(),
                                      [this](ExecContext& task) { handle(task); });
}

// eventfd_signal to the VM's irqfd.
void VirtualVectors::handle(ExecContext& task) {
    while (line_->wait(task)) {
        handling_ = true;
        task.spend(kernel_.params().interrupt);
        const Message& m = messages_.at(kStored);
        if (entry_ && raise_ && !m.masked) {
            raise_(task, m.address, m.data);
        }
        handling_ = false;
        task.wake_all(handled_);
    }
}

// free_irq: the handler has run for what came before.
void VirtualVectors::synchronize(ExecContext& ctx) {
    const TimePs deadline = ctx.now() + kernel_.params().idxd_timeout;
    while ((handling_ || line_->pending()) && ctx.now() < deadline) {
        ctx.wait_until(handled_, deadline);
    }
}

}  // namespace ioasim::os
