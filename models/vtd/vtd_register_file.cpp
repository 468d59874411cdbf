#include "models/vtd/vtd_register_file.hpp"

#include <algorithm>
#include <iterator>

namespace ioasim::vtd {
namespace {

struct Rule {
    std::uint32_t offset;
    std::uint64_t writable;
    std::uint64_t clear_on_one;
    unsigned bytes;
};

constexpr std::uint64_t kAddressBits = bit_mask(63, 12);

// Registers that are not listed read as 0 and ignore writes. Those whose bits have effects beyond
// storage (commands, event controls, queue pointers) are handled by the unit and have no writable
// bits here.
constexpr Rule kRules[] = {
    {reg::kVer, 0, 0, 4},
    {reg::kCap, 0, 0, 8},
    {reg::kEcap, 0, 0, 8},
    {reg::kGcmd, 0, 0, 4},
    {reg::kGsts, 0, 0, 4},
    {reg::kRtaddr, kAddressBits | rtaddr::kTtm.mask(), 0, 8},
    {reg::kCcmd, 0, 0, 8},
    {reg::kFsts, 0, fsts::kIqe | fsts::kIce | fsts::kIte, 4},
    {reg::kFectl, 0, 0, 4},
    {reg::kFedata, 0xFFFF, 0, 4},
    {reg::kFeaddr, 0xFFFF'FFFC, 0, 4},
    {reg::kFeuaddr, 0xFFFF'FFFF, 0, 4},
    {reg::kIqh, 0, 0, 8},
    {reg::kIqt, iq::kOffsetMask, 0, 8},
    {reg::kIqa, kAddressBits | iq::kWide | iq::kSize.mask(), 0, 8},
    {reg::kIcs, 0, iq::kIwc, 4},
    {reg::kIectl, 0, 0, 4},
    {reg::kIedata, 0xFFFF, 0, 4},
    {reg::kIeaddr, 0xFFFF'FFFC, 0, 4},
    {reg::kIeuaddr, 0xFFFF'FFFF, 0, 4},
    {reg::kIqercd, 0, 0, 8},
    {reg::kPqh, pq::kOffsetMask, 0, 8},
    {reg::kPqt, pq::kOffsetMask, 0, 8},
    {reg::kPqa, kAddressBits | pq::kSize.mask(), 0, 8},
    {reg::kPrs, 0, pq::kPpr | pq::kPro, 4},
    {reg::kPectl, 0, 0, 4},
    {reg::kPedata, 0xFFFF, 0, 4},
    {reg::kPeaddr, 0xFFFF'FFFC, 0, 4},
    {reg::kPeuaddr, 0xFFFF'FFFF, 0, 4},
    {reg::kIva, 0, 0, 8},
    {reg::kIotlb, 0, 0, 8},
    {reg::kVcmd, 0, 0, 8},
    {reg::kVcmdEo, 0, 0, 8},
    {reg::kVcrsp, 0, 0, 8},
    {reg::kVccap, 0, 0, 8},
};

const Rule* rule_at(std::uint32_t offset) {
    const auto found = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& r) {
        return offset >= r.offset && offset < r.offset + r.bytes;
    });
    return found == std::end(kRules) ? nullptr : found;
}

}  // namespace

RegisterFile::RegisterFile(const Capabilities& caps) {
    set(reg::kVer, caps.version);
    set64(reg::kCap, caps.cap());
    set64(reg::kEcap, caps.ecap());
}

bool RegisterFile::legal(std::uint32_t offset, unsigned size) {
    if (size == 4) {
        return offset % 4 == 0 && offset + 4 <= kRegisterBytes;
    }
    if (size != 8 || offset % 8 != 0 || offset + 8 > kRegisterBytes) {
        return false;
    }
    // Fault records are 64-bit registers too.
    const Rule* const rule = rule_at(offset);
    return rule != nullptr ? rule->bytes == 8 && rule->offset == offset : offset >= reg::kFrcd;
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
