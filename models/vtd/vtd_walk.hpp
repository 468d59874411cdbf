// A whole walk: root entry, context entry, PASID directory, PASID entry, page tables (VT-d
// specification 3.4, 7.1.3). Like the page walk it is a state machine without time.
//
// Structure entries come from the caches when they are there; what was read and found valid is
// offered for filling. In legacy mode the context entry leads to the page tables. A translated
// request ends after its context entry, a page request after its PASID entry.
#pragma once

#include <optional>

#include "models/vtd/vtd_caches.hpp"
#include "models/vtd/vtd_page_walk.hpp"
#include "models/vtd/vtd_structures.hpp"

namespace ioasim::vtd {

struct WalkRequest {
    Rid rid;
    std::optional<Pasid> pasid;
    Access access = Access::Untranslated;
    std::uint64_t address = 0;
    bool write = false;
    bool zero_length = false;
    bool privileged = false;
    bool execute = false;
    bool no_write = false;  // of a translation request
};

class Walk {
public:
    // `root` is RTADDR as latched by the last set-root-table-pointer command.
    Walk(const Capabilities& caps, TranslationCaches& caches, std::uint64_t root,
         const WalkRequest& request);

    const WalkRequest& request() const { return request_; }
    std::uint64_t generation() const { return generation_; }

    WalkAction start();
    WalkAction on_read(const std::uint8_t* data, std::size_t size, bool ok);
    WalkAction on_update(std::uint64_t found, bool ok);

    // Once done. A page walk's own reason, or the structures'.
    FaultReason reason() const { return reason_; }
    bool fpd() const { return fpd_; }
    const Translation& translation() const { return pages_ ? pages_->translation() : direct_; }
    // Entries that were read from memory and may be cached.
    const std::optional<CachedContext>& new_context() const { return new_context_; }
    const std::optional<CachedPasidEntry>& new_pasid_entry() const { return new_pasid_; }
    Pasid effective_pasid() const { return pasid_; }
    // Of a page request, which ends here: its page tables are nobody's business.
    const PasidEntry& pasid_entry() const { return entry_; }
    bool lost_fill() const { return pages_ && pages_->lost_fill(); }

private:
    WalkAction fault(FaultReason reason);
    WalkAction read(WalkTable table, Hpa address, std::uint64_t size);
    FaultReason check_mode() const;
    FaultReason access_error() const;
    WalkAction on_root(const RootQwords& q);
    WalkAction on_context(const ContextQwords& q);
    WalkAction use_context(const ContextEntry& entry);
    WalkAction on_legacy_context(const LegacyContextQwords& q);
    WalkAction use_legacy_context(const LegacyContextEntry& entry);
    WalkAction use_translated(DomainId did);
    WalkAction on_directory(std::uint64_t q);
    WalkAction on_pasid_entry(const PasidQwords& q);
    WalkAction use_pasid_entry(const PasidEntry& entry);
    WalkAction start_pages(const PasidEntry& entry, bool privileged);
    WalkAction pages(WalkAction action);

    const Capabilities& caps_;
    TranslationCaches& caches_;
    std::uint64_t root_;
    WalkRequest request_;
    std::uint64_t generation_;
    bool legacy_ = false;
    bool privileged_ = false;  // of the request, or RID_PRIV
    WalkTable stage_ = WalkTable::Root;
    FaultReason reason_ = FaultReason::None;
    bool fpd_ = false;
    bool fpd_of_directory_ = false;
    Pasid pasid_;
    std::optional<CachedContext> new_context_;
    std::optional<CachedPasidEntry> new_pasid_;
    PasidEntry entry_;
    std::optional<PageWalk> pages_;
    Translation direct_;  // of a translated request
};

}  // namespace ioasim::vtd
