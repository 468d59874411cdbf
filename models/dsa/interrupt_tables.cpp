#include "models/dsa/interrupt_tables.hpp"

#include <utility>

#include "core/base/check.hpp"
#include "core/trace/dsa_events.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {
namespace {

// Requested handles are no indexes, so that a stale or invented one is noticed.
constexpr std::uint32_t kFirstHandle = 0x100;
// MSIX_PERM and the control word of storage.
constexpr auto kPermission = static_cast<std::uint32_t>(
    bit_mask(31, 12) | 1U << kMsixPermPasidEnable | 1U << kMsixPermIgnore);
constexpr std::uint32_t kIgnore = 1U << kMsixPermIgnore;

static_assert(kImsEntryBytes == kMsixEntryBytes && kImsControl == kMsixControl);
// And the PASID in 31:12 of both.
static_assert(kImsPasidEnable == kMsixPermPasidEnable && kImsIgnore == kMsixPermIgnore);

}  // namespace

InterruptTables::InterruptTables(const DeviceShared& shared)
    : shared_(shared),
      vectors_(shared.params.msix_vectors),
      storage_(shared.params.message_storage * kImsUnit, stored_at_reset()),
      handles_(shared.params.interrupt_handles) {}

InterruptTables::Message InterruptTables::stored_at_reset() {
    Message message;
    message.address = kImsResetAddress;
    return message;
}

void InterruptTables::reset() {
    handles_.assign(handles_.size(), std::nullopt);
    for (Message& vector : vectors_) {
        vector.permission = 0;
        vector.pending = false;
    }
    for (std::uint32_t i = 0; i < storage_.size(); ++i) {
        const bool told = storage_[i].permission != 0 || !storage_[i].masked;
        storage_[i] = stored_at_reset();
        if (told) {
            shared_.emit(trace::DsaStoredMessage{shared_.names.device, i, traced_pasid({}), true});
        }
    }
}

void InterruptTables::function_reset() {
    reset();
    vectors_.assign(vectors_.size(), Message{});
}

// --- registers ----------------------------------------------------------------------------------

std::uint32_t InterruptTables::read_field(const Table& table, bool stored, std::uint64_t offset) {
    const Message& m = table[offset / kMsixEntryBytes];
    const std::uint64_t field = offset % kMsixEntryBytes;
    if (field != kMsixControl) {
        return m.field(field);
    }
    return (m.masked ? kMsixMasked : 0) |
           (stored ? m.permission | (m.pending ? 1U << kImsPending : 0) : 0);
}

std::uint32_t InterruptTables::read(std::uint64_t offset) const {
    if (inside(offset, reg::kMsixTable, vectors_.size() * kMsixEntryBytes)) {
        return read_field(vectors_, false, offset - reg::kMsixTable);
    }
    if (inside(offset, reg::kImsTable, storage_.size() * kImsEntryBytes)) {
        return read_field(storage_, true, offset - reg::kImsTable);
    }
    if (inside(offset, reg::kMsixPba, (vectors_.size() + 31) / 32 * 4)) {
        std::uint32_t bits = 0;
        const std::size_t first = (offset - reg::kMsixPba) * 8;
        for (std::size_t i = first; i < vectors_.size() && i < first + 32; ++i) {
            bits |= (vectors_[i].pending ? 1U : 0U) << (i - first);
        }
        return bits;
    }
    if (inside(offset, reg::kMsixPerm, vectors_.size() * kMsixPermBytes) && offset % 8 == 0) {
        return vectors_[(offset - reg::kMsixPerm) / kMsixPermBytes].permission;
    }
    return 0;
}

void InterruptTables::write(TimePs now, std::uint64_t offset, std::uint32_t value) {
    if (inside(offset, reg::kMsixPerm, vectors_.size() * kMsixPermBytes)) {
        if (offset % 8 == 0) {
            vectors_[(offset - reg::kMsixPerm) / kMsixPermBytes].permission = value & kPermission;
        }
    } else if (inside(offset, reg::kMsixTable, vectors_.size() * kMsixEntryBytes)) {
        write_field(now, false, offset - reg::kMsixTable, value);
    } else if (inside(offset, reg::kImsTable, storage_.size() * kImsEntryBytes)) {
        write_field(now, true, offset - reg::kImsTable, value);
    }
}

void InterruptTables::write_field(TimePs now, bool stored, std::uint64_t offset,
                                  std::uint32_t value) {
    const auto index = static_cast<std::uint32_t>(offset / kMsixEntryBytes);
    const std::uint64_t field = offset % kMsixEntryBytes;
    if (field == kMsixControl) {
        write_control(now, stored, index, value);
    } else if (!stored) {
        vectors_[index].set_field(field, value);
    } else if (field == kMsixData) {
        storage_[index].set_field(field, value);
    } else if (const auto kept = ims_address_field(field, value)) {
        storage_[index].set_field(field, *kept);
    }
}

// An entry of storage that changes hands keeps nothing of the one who had it.
void InterruptTables::write_control(TimePs now, bool stored, std::uint32_t index,
                                    std::uint32_t value) {
    Message& m = stored ? storage_[index] : vectors_[index];
    m.masked = get_bit(value, kImsMasked);
    if (stored) {
        const std::uint32_t permission = value & kPermission;
        m.pending = m.pending && ((m.permission ^ permission) & ~kIgnore) == 0;
        m.permission = permission;
        std::optional<Pasid> pasid;
        if (get_bit(permission, kImsPasidEnable)) {
            pasid = Pasid{static_cast<std::uint32_t>(get_bits(permission, 31, 12))};
        }
        shared_.emit(
            trace::DsaStoredMessage{shared_.names.device, index, traced_pasid(pasid), m.masked});
    }
    if (!m.masked && m.pending) {
        send(now, stored, index, 0);
    }
}

// --- messages -----------------------------------------------------------------------------------

void InterruptTables::send(TimePs now, bool stored, std::uint32_t index, std::uint64_t descriptor) {
    Message& m = stored ? storage_.at(index) : vectors_.at(index);
    // Without bus mastering a function sends nothing, messages neither.
    m.pending = m.masked || !shared_.function.view().bus_master;
    shared_.emit(trace::DsaInterrupt{shared_.names.device, index, descriptor, m.pending, stored});
    if (m.pending) {
        shared_.probes.hit(kInterruptPended);
        return;
    }
    pcie::Tlp tlp;
    // That its address makes it an interrupt is for the remapping unit to see (PCI Express 6.1.4).
    tlp.kind = pcie::TlpKind::MemWrite;
    tlp.requester = shared_.config.rid;
    tlp.address = m.address;
    tlp.length = 4;
    for (unsigned i = 0; i < 4; ++i) {
        tlp.data.push_back(static_cast<std::uint8_t>(m.data >> (8 * i)));
    }
    shared_.fabric.send(now, std::move(tlp));
}

void InterruptTables::fire(TimePs now, std::uint32_t vector) {
    send(now, false, vector, 0);
}

void InterruptTables::fire(TimePs now, const InterruptHandle& handle, std::uint64_t descriptor) {
    const auto index = entry_of(handle);
    const bool ignored = index && descriptor != 0 &&
                         (table(handle.stored)[*index].permission & kIgnore) != 0 &&
                         !shared_.probes.has(kIgnoreFires);
    if (index && !ignored) {
        send(now, handle.stored, *index, descriptor);
    }
}

bool InterruptTables::valid(const InterruptHandle& handle,
                            const std::optional<Pasid>& pasid) const {
    const auto index = entry_of(handle);
    if (!index) {
        return false;
    }
    const std::uint32_t permission = table(handle.stored)[*index].permission;
    if (handle.stored && shared_.probes.has(kStoredPasidIgnored)) {
        return true;
    }
    const bool wants_pasid = get_bit(permission, kMsixPermPasidEnable);
    return wants_pasid == pasid.has_value() &&
           (!wants_pasid || get_bits(permission, 31, 12) == pasid->value());
}

// --- handles ------------------------------------------------------------------------------------

bool InterruptTables::exists(const InterruptHandle& entry) const {
    return entry.number < table(entry.stored).size();
}

std::optional<std::uint32_t> InterruptTables::entry_of(const InterruptHandle& handle) const {
    if (handles_.empty()) {
        return exists(handle) ? std::optional<std::uint32_t>(handle.number) : std::nullopt;
    }
    return requested(handle)
               ? std::optional<std::uint32_t>(handles_[handle.number - kFirstHandle]->number)
               : std::nullopt;
}

std::optional<std::uint32_t> InterruptTables::free_handle() const {
    for (std::size_t i = 0; i < handles_.size(); ++i) {
        if (!handles_[i]) {
            return static_cast<std::uint32_t>(kFirstHandle + i);
        }
    }
    return std::nullopt;
}

std::uint32_t InterruptTables::request(const InterruptHandle& entry) {
    const auto handle = free_handle();
    SIM_CHECK(handle.has_value(), "no interrupt handle is left");
    handles_[*handle - kFirstHandle] = entry;
    return *handle;
}

bool InterruptTables::requested(const InterruptHandle& handle) const {
    const std::uint32_t index = handle.number - kFirstHandle;
    return index < handles_.size() && handles_[index].has_value() &&
           handles_[index]->stored == handle.stored;
}

void InterruptTables::release(const InterruptHandle& handle) {
    if (requested(handle) && !shared_.probes.has(kStaleHandleFires)) {
        handles_[handle.number - kFirstHandle].reset();
    }
}

}  // namespace ioasim::dsa
