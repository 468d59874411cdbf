#include "models/vtd/vtd_register_file.hpp"

#include <algorithm>

namespace ioasim::vtd {
namespace {

// Table and queue registers: address bits beyond the host's may be hardwired to 0.
std::uint64_t address_bits(const Capabilities& caps) {
    return bit_mask(caps.hardwired_addresses ? caps.haw - 1 : 63, 12);
}
constexpr std::uint32_t kFaultRecordBytes = 16;

}  // namespace

// Registers that are not listed read as 0 and ignore writes. Those whose bits have effects beyond
// storage (commands, event controls, queue pointers) are handled by the unit and have no writable
// bits here.
RegisterFile::RegisterFile(const Capabilities& caps)
    : records_begin_(caps.fault_offset),
      records_end_(caps.fault_offset + caps.fault_records * kFaultRecordBytes) {
    add(reg::kVer, 4);
    add(reg::kCap, 8);
    add(reg::kEcap, 8);
    add(reg::kGcmd, 4);
    add(reg::kGsts, 4);
    add(reg::kRtaddr, 8,
        address_bits(caps) | rtaddr::kTtm.mask() |
            (caps.second_stage_io_rw ? rtaddr::kSsirwe.mask() : 0));
    add(reg::kCcmd, 8,
        ccmd::kDid.mask() | ccmd::kSid.mask() | ccmd::kFm.mask() | ccmd::kCirg.mask());
    add(reg::kFsts, 4, 0, fsts::kIqe | fsts::kIce | fsts::kIte);
    add_event(caps, true, reg::kFectl);
    add_queue(caps);
    add(reg::kIrta, 8,
        caps.interrupt_cache
            ? address_bits(caps) | irta::kSize.mask() | (caps.x2apic ? irta::kEime.mask() : 0)
            : 0);
    add_page_queue(caps);
    add(caps.iotlb_offset, 8, bit_mask(63, 12) | iotlb::kAm.mask() | iotlb::kIh.mask());
    add(caps.iotlb_offset + 8, 8,
        iotlb::kDid.mask() | iotlb::kDw.mask() | iotlb::kDr.mask() | iotlb::kIirg.mask());
    for (const std::uint32_t offset : {reg::kVcmd, reg::kVcmdEo, reg::kVcrsp, reg::kVccap}) {
        add(offset, 8);
    }
    set(reg::kVer, caps.version);
    set64(reg::kCap, caps.cap());
    set64(reg::kEcap, caps.ecap());
}

// Control, data, address and upper address stand side by side.
void RegisterFile::add_event(const Capabilities& caps, bool present, std::uint32_t control) {
    add(control, 4);
    add(control + 4, 4, present ? 0xFFFF : 0);
    add(control + 8, 4, present ? 0xFFFF'FFFC : 0);
    add(control + 12, 4, present && caps.x2apic ? 0xFFFF'FFFF : 0);
}

void RegisterFile::add_queue(const Capabilities& caps) {
    const bool present = caps.queued_invalidation;
    add(reg::kIqh, 8);
    add(reg::kIqt, 8, present ? iq::kOffsetMask : 0);
    add(reg::kIqa, 8, present ? address_bits(caps) | iq::kWide | iq::kSize.mask() : 0);
    add(reg::kIcs, 4, 0, present ? iq::kIwc : 0);
    add_event(caps, present, reg::kIectl);
    add(reg::kIqercd, 8);
}

void RegisterFile::add_page_queue(const Capabilities& caps) {
    const bool present = caps.page_requests;
    add(reg::kPqh, 8, present ? pq::kOffsetMask : 0);
    add(reg::kPqt, 8, present ? pq::kOffsetMask : 0);
    add(reg::kPqa, 8, present ? address_bits(caps) | pq::kSize.mask() : 0);
    add(reg::kPrs, 4, 0, present ? pq::kPpr | pq::kPro : 0);
    add_event(caps, present, reg::kPectl);
}

const RegisterFile::Rule* RegisterFile::rule_at(std::uint32_t offset) const {
    const auto found = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& r) {
        return offset >= r.offset && offset < r.offset + r.bytes;
    });
    return found == rules_.end() ? nullptr : &*found;
}

bool RegisterFile::legal(std::uint32_t offset, unsigned size) const {
    if (size == 4) {
        return offset % 4 == 0 && offset + 4 <= kRegisterBytes;
    }
    if (size != 8 || offset % 8 != 0 || offset + 8 > kRegisterBytes) {
        return false;
    }
    // Fault records are 64-bit registers too.
    if (offset >= records_begin_ && offset < records_end_) {
        return true;
    }
    const Rule* const rule = rule_at(offset);
    return rule != nullptr && rule->bytes == 8 && rule->offset == offset;
}

void RegisterFile::write(std::uint32_t offset, std::uint32_t value) {
    const Rule* const rule = rule_at(offset);
    if (rule == nullptr) {
        return;
    }
    const unsigned shift = (offset - rule->offset) * 8;
    const auto writable = static_cast<std::uint32_t>(rule->writable >> shift);
    const auto clear = static_cast<std::uint32_t>(rule->clear_on_one >> shift);
    const std::uint32_t old = get(offset);
    set(offset, ((old & ~writable) | (value & writable)) & ~(value & clear));
}

}  // namespace ioasim::vtd
