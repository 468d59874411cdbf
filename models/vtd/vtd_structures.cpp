#include "models/vtd/vtd_structures.hpp"

namespace ioasim::vtd {
namespace {

bool root_half_reserved(const Capabilities& caps, std::uint64_t half) {
    const std::uint64_t reserved = bit_mask(11, 1) | (caps.above_host_width() & kTableAddress);
    return get_bit(half, 0) && (half & reserved) != 0;
}

std::uint64_t above_domain_width(const Capabilities& caps) {
    return ~((std::uint64_t{1} << caps.domain_bits) - 1);
}

// Bits that no unit of this model gives a meaning, or that need an absent capability.
PasidQwords pasid_reserved(const Capabilities& caps) {
    namespace f = pasid_entry;
    PasidQwords r{};
    r[0] = bit_mask(5, 5) | bit_mask(11, 10);
    if (!caps.second_stage) {
        r[0] |= f::kAw.mask() | kTableAddress;
    }
    if (!caps.second_stage_ad) {
        r[0] |= f::kSsade.mask();
    }
    r[1] = bit_mask(22, 16) | bit_mask(31, 27) | f::kCd.mask() | f::kEmte.mask() | f::kPat.mask();
    r[1] |= f::kDid.mask() & above_domain_width(caps);
    if (!caps.snooped_walks) {
        r[1] |= f::kPwsnp.mask();
    }
    if (!caps.snoop_control) {
        r[1] |= f::kPgsnp.mask();
    }
    // Bits 134:133 of the entry are ignored.
    r[2] = bit_mask(1, 1) | bit_mask(11, 8);
    if (!caps.extended_accessed) {
        r[2] |= f::kEafe.mask();
    }
    if (!caps.supervisor) {
        r[2] |= f::kSre.mask();
    }
    if (!caps.first_stage) {
        r[2] |= f::kFspm.mask() | f::kWpe.mask() | kTableAddress;
    }
    // The host permission table fields and everything above them.
    r[3] = ~std::uint64_t{0};
    for (std::size_t i = 4; i < r.size(); ++i) {
        r[i] = ~std::uint64_t{0};
    }
    return r;
}

bool uses_second_stage(TranslationType type) {
    return type == TranslationType::SecondStage || type == TranslationType::Nested;
}
bool uses_first_stage(TranslationType type) {
    return type == TranslationType::FirstStage || type == TranslationType::Nested;
}

bool type_supported(const Capabilities& caps, TranslationType type) {
    switch (type) {
        case TranslationType::FirstStage:
            return caps.first_stage;
        case TranslationType::SecondStage:
            return caps.second_stage;
        case TranslationType::Nested:
            return caps.nested;
        case TranslationType::PassThrough:
            return caps.pass_through;
        default:
            return false;
    }
}

}  // namespace

FaultReason check_root(const Capabilities& caps, const RootQwords& q, Rid rid) {
    if (!get_bit(q[uses_upper_table(rid) ? 1 : 0], 0)) {
        return FaultReason::RootNotPresent;
    }
    if (root_half_reserved(caps, q[0]) || root_half_reserved(caps, q[1])) {
        return FaultReason::RootReserved;
    }
    return FaultReason::None;
}

FaultReason check_legacy_root(const Capabilities& caps, const RootQwords& q) {
    if (!get_bit(q[0], 0)) {
        return FaultReason::LegacyRootNotPresent;
    }
    return root_half_reserved(caps, q[0]) || q[1] != 0 ? FaultReason::LegacyRootReserved
                                                       : FaultReason::None;
}

FaultReason check_legacy_context(const Capabilities& caps, const LegacyContextQwords& q) {
    const LegacyContextEntry entry = decode_legacy_context(q);
    if (!entry.present) {
        return FaultReason::LegacyContextNotPresent;
    }
    // Bits 70:67 of the entry are ignored.
    const std::uint64_t reserved0 = bit_mask(11, 4) | (caps.above_host_width() & kTableAddress);
    const std::uint64_t reserved1 = bit_mask(7, 7) | bit_mask(63, 24);
    if ((q[0] & reserved0) != 0 || (q[1] & reserved1) != 0) {
        return FaultReason::LegacyContextReserved;
    }
    bool legal = caps.second_stage_levels(entry.aw) != 0;
    if (entry.type == LegacyType::PassThrough) {
        legal = caps.pass_through && entry.aw == caps.widest_second_stage();
    } else if (entry.type == LegacyType::WithDeviceTlb) {
        legal = legal && caps.device_tlb;
    } else if (entry.type == LegacyType::Reserved) {
        legal = false;
    }
    return legal ? FaultReason::None : FaultReason::LegacyContextInvalid;
}

FaultReason check_legacy_context_use(const LegacyContextEntry& entry, Access access) {
    return access != Access::Untranslated && entry.type != LegacyType::WithDeviceTlb
               ? FaultReason::LegacyTypeBlocks
               : FaultReason::None;
}

PasidEntry pasid_entry_of(const Capabilities& caps, const LegacyContextEntry& entry) {
    PasidEntry e;
    e.present = true;
    e.fpd = entry.fpd;
    e.aw = entry.aw;
    e.pgtt = entry.type == LegacyType::PassThrough ? TranslationType::PassThrough
                                                   : TranslationType::SecondStage;
    e.second_stage = entry.second_stage;
    e.did = entry.did;
    e.pwsnp = caps.coherent;
    return e;
}

// What needs a capability that the unit lacks is reserved.
FaultReason check_context(const Capabilities& caps, const ContextQwords& q) {
    if (context::kP.get(q[0]) == 0) {
        return FaultReason::ContextNotPresent;
    }
    const auto unless = [](bool offered, const Field& field) {
        return offered ? std::uint64_t{0} : field.mask();
    };
    const std::uint64_t reserved0 =
        unless(caps.device_tlb, context::kDte) | unless(caps.pasid, context::kPaside) |
        unless(caps.page_requests, context::kPre) | context::kHpte.mask() |
        unless(caps.translated_with_pasid, context::kEptr) | bit_mask(8, 7) |
        (caps.above_host_width() & kTableAddress);
    const std::uint64_t reserved1 = unless(caps.rid_pasid, context::kRidPasid) |
                                    unless(caps.rid_privilege, context::kRidPriv) |
                                    bit_mask(63, 21);
    if ((q[0] & reserved0) != 0 || (q[1] & reserved1) != 0 || q[2] != 0 || q[3] != 0) {
        return FaultReason::ContextReserved;
    }
    const ContextEntry entry = decode_context(q);
    const bool illegal = (entry.pre && !entry.dte) || (entry.eptr && !entry.paside) ||
                         entry.rid_pasid > max_pasid(entry.pdts);
    return illegal ? FaultReason::ContextInvalid : FaultReason::None;
}

FaultReason check_context_use(const ContextEntry& entry, Access access, bool has_pasid,
                              Pasid pasid) {
    const bool needs_device_tlb =
        access == Access::TranslationRequest || access == Access::Translated;
    if (needs_device_tlb && !entry.dte) {
        return FaultReason::DeviceTlbDisabled;
    }
    if (has_pasid && access != Access::Translated && !entry.paside) {
        return FaultReason::PasidDisabled;
    }
    if (has_pasid && pasid.value() > max_pasid(entry.pdts)) {
        return FaultReason::PasidOutOfDirectory;
    }
    if (access == Access::PageRequest && !entry.pre) {
        return FaultReason::PageRequestDisabled;
    }
    if (has_pasid && pasid.value() == entry.rid_pasid) {
        return FaultReason::PasidIsRidPasid;
    }
    if (has_pasid && access == Access::Translated && !entry.eptr) {
        return FaultReason::TranslatedWithPasid;
    }
    return FaultReason::None;
}

FaultReason check_directory(const Capabilities& caps, std::uint64_t q) {
    const DirectoryEntry entry = decode_directory(q);
    if (!entry.present) {
        return FaultReason::DirectoryNotPresent;
    }
    const std::uint64_t reserved = bit_mask(11, 2) | (caps.above_host_width() & kTableAddress);
    return (q & reserved) != 0 ? FaultReason::DirectoryReserved : FaultReason::None;
}

FaultReason check_pasid_entry(const Capabilities& caps, const PasidQwords& q) {
    const PasidEntry entry = decode_pasid_entry(q);
    if (!entry.present) {
        return FaultReason::PasidEntryNotPresent;
    }
    PasidQwords reserved = pasid_reserved(caps);
    if (uses_second_stage(entry.pgtt)) {
        reserved[0] |= caps.above_host_width() & kTableAddress;
    }
    if (entry.pgtt == TranslationType::FirstStage) {
        reserved[2] |= caps.above_host_width() & kTableAddress;
    }
    for (std::size_t i = 0; i < q.size(); ++i) {
        if ((q[i] & reserved[i]) != 0) {
            return FaultReason::PasidEntryReserved;
        }
    }
    if (caps.caching_mode && entry.did == DomainId{0}) {
        return FaultReason::PasidEntryReserved;
    }
    if (!type_supported(caps, entry.pgtt)) {
        return FaultReason::PasidEntryInvalid;
    }
    if (uses_second_stage(entry.pgtt) && caps.second_stage_levels(entry.aw) == 0) {
        return FaultReason::PasidEntryInvalid;
    }
    if (uses_first_stage(entry.pgtt) &&
        (entry.fspm > 1 || (entry.fspm == 1 && !caps.first_stage_5_levels))) {
        return FaultReason::PasidEntryInvalid;
    }
    if (entry.pgtt == TranslationType::Nested &&
        (entry.first_stage >> caps.second_stage_width(entry.aw)) != 0) {
        return FaultReason::PasidEntryInvalid;
    }
    return FaultReason::None;
}

FaultReason check_pasid_use(const PasidEntry& entry, bool privileged, bool execute) {
    if (execute) {
        return FaultReason::ExecuteDisabled;
    }
    if (privileged && !entry.sre) {
        return FaultReason::SupervisorDisabled;
    }
    return FaultReason::None;
}

}  // namespace ioasim::vtd
