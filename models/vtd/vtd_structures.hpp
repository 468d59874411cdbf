// Checks of root, context, PASID directory and PASID entries: present, reserved bits, legal values
// (VT-d specification 9.1 to 9.6, 7.1.3). Reserved checks follow the unit's capabilities. Pure
// functions; None means that the entry may be used.
#pragma once

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

// What kind of request asks.
enum class Access : std::uint8_t {
    Untranslated,
    TranslationRequest,
    Translated,
    PageRequest,
};

FaultReason check_root(const Capabilities& caps, const RootQwords& q, Rid rid);
FaultReason check_legacy_root(const Capabilities& caps, const RootQwords& q);

FaultReason check_legacy_context(const Capabilities& caps, const LegacyContextQwords& q);
FaultReason check_legacy_context_use(const LegacyContextEntry& entry, Access access);
// The same translation in the form of a PASID entry.
PasidEntry pasid_entry_of(const Capabilities& caps, const LegacyContextEntry& entry);

// `pasid` is empty for requests without PASID.
FaultReason check_context(const Capabilities& caps, const ContextQwords& q);
FaultReason check_context_use(const ContextEntry& entry, Access access, bool has_pasid,
                              Pasid pasid);

FaultReason check_directory(const Capabilities& caps, std::uint64_t q);

FaultReason check_pasid_entry(const Capabilities& caps, const PasidQwords& q);
// SPT.5 and SPT.6: what the request wants and the entry does not give.
FaultReason check_pasid_use(const PasidEntry& entry, bool privileged, bool execute);

}  // namespace ioasim::vtd
