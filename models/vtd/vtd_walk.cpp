#include "models/vtd/vtd_walk.hpp"

#include <array>
#include <cstring>

#include "core/base/check.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::vtd {
namespace {

// From this major version on a request for execute permission fails before the tables (RTA.5).
constexpr unsigned kEarlyExecuteCheck = 8;

template <std::size_t n>
std::array<std::uint64_t, n> quadwords(const std::uint8_t* data, std::size_t size) {
    std::array<std::uint64_t, n> q{};
    SIM_CHECK(size == sizeof q, "a walk read returned {} bytes instead of {}", size, sizeof q);
    std::memcpy(q.data(), data, sizeof q);
    return q;
}

}  // namespace

Walk::Walk(const Capabilities& caps, TranslationCaches& caches, std::uint64_t root,
           const WalkRequest& request)
    : caps_(caps),
      caches_(caches),
      root_(root),
      request_(request),
      generation_(caches.generation()),
      legacy_(rtaddr::mode_of(root) == TableMode::Legacy),
      privileged_(request.privileged),
      pasid_(request.pasid.value_or(Pasid{})) {}

WalkAction Walk::fault(FaultReason reason) {
    reason_ = reason;
    return {};
}

WalkAction Walk::read(WalkTable table, Hpa address, std::uint64_t size) {
    stage_ = table;
    WalkAction action;
    action.kind = WalkAction::Kind::Read;
    action.table = table;
    action.address = address;
    action.size = static_cast<std::uint32_t>(size);
    action.snooped = caps_.coherent;
    return action;
}

FaultReason Walk::check_mode() const {
    switch (rtaddr::mode_of(root_)) {
        case TableMode::Scalable:
            if (!caps_.scalable) {
                return FaultReason::TableModeInvalid;
            }
            break;
        case TableMode::Legacy:
            if (request_.access == Access::PageRequest) {
                return FaultReason::PageRequestInLegacyMode;
            }
            if (request_.pasid) {
                return FaultReason::PasidInLegacyMode;
            }
            return rtaddr::kSsirwe.get(root_) != 0 ? FaultReason::TableModeInvalid
                                                   : FaultReason::None;
        case TableMode::AbortDma:
            return caps_.abort_dma ? FaultReason::AbortDmaMode : FaultReason::TableModeInvalid;
        default:
            return FaultReason::TableModeInvalid;
    }
    // A page request names its PASID and its wish; neither is checked before its entry.
    if (request_.access == Access::PageRequest) {
        return FaultReason::None;
    }
    if (request_.execute && caps_.major() >= kEarlyExecuteCheck) {
        return FaultReason::ExecuteRequested;
    }
    const bool wide = request_.pasid && (request_.pasid->value() >> caps_.pasid_bits) != 0;
    return wide ? FaultReason::PasidTooWide : FaultReason::None;
}

WalkAction Walk::start() {
    const FaultReason reason = check_mode();
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    // An entry that was read in the other table mode and never invalidated is of no use.
    const CachedContext* const cached = caches_.find_context(request_.rid);
    if (cached != nullptr && cached->legacy.has_value() == legacy_) {
        return legacy_ ? use_legacy_context(*cached->legacy) : use_context(cached->entry);
    }
    const Hpa root{root_ & rtaddr::kAddress};
    return read(WalkTable::Root, root_entry_address(root, request_.rid), kRootEntryBytes);
}

FaultReason Walk::access_error() const {
    switch (stage_) {
        case WalkTable::Root:
            return legacy_ ? FaultReason::LegacyRootAccess : FaultReason::RootAccess;
        case WalkTable::Context:
            return legacy_ ? FaultReason::LegacyContextAccess : FaultReason::ContextAccess;
        case WalkTable::Directory:
            return FaultReason::DirectoryAccess;
        default:
            return FaultReason::PasidEntryAccess;
    }
}

WalkAction Walk::on_read(const std::uint8_t* data, std::size_t size, bool ok) {
    if (pages_) {
        return pages(pages_->on_read(ok ? quadwords<1>(data, size)[0] : 0, ok));
    }
    if (!ok) {
        return fault(access_error());
    }
    switch (stage_) {
        case WalkTable::Root:
            return on_root(quadwords<2>(data, size));
        case WalkTable::Context:
            return legacy_ ? on_legacy_context(quadwords<2>(data, size))
                           : on_context(quadwords<4>(data, size));
        case WalkTable::Directory:
            return on_directory(quadwords<1>(data, size)[0]);
        default:
            return on_pasid_entry(quadwords<8>(data, size));
    }
}

WalkAction Walk::on_update(std::uint64_t found, bool ok) {
    SIM_CHECK(pages_.has_value(), "only page-table entries are updated");
    return pages(pages_->on_update(found, ok));
}

WalkAction Walk::on_root(const RootQwords& q) {
    const FaultReason reason =
        legacy_ ? check_legacy_root(caps_, q) : check_root(caps_, q, request_.rid);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    const RootEntry root = decode_root(q);
    if (legacy_) {
        return read(WalkTable::Context,
                    legacy_context_entry_address(root.lower_table, request_.rid),
                    kLegacyContextEntryBytes);
    }
    const Hpa table = uses_upper_table(request_.rid) ? root.upper_table : root.lower_table;
    return read(WalkTable::Context, context_entry_address(table, request_.rid), kContextEntryBytes);
}

WalkAction Walk::on_context(const ContextQwords& q) {
    const ContextEntry entry = decode_context(q);
    fpd_ = entry.fpd;  // counts even when the entry is not present
    const FaultReason reason = check_context(caps_, q);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    new_context_ = CachedContext{entry, std::nullopt};
    return use_context(entry);
}

WalkAction Walk::on_legacy_context(const LegacyContextQwords& q) {
    LegacyContextEntry entry = decode_legacy_context(q);
    fpd_ = entry.fpd;  // counts even when the entry is not present
    const FaultReason reason = check_legacy_context(caps_, q);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    // Bits beyond the width of domain ids are ignored.
    const std::uint64_t width_mask = bit_mask(caps_.domain_bits - 1, 0);
    entry.did = DomainId{static_cast<std::uint16_t>(entry.did.value() & width_mask)};
    new_context_ = CachedContext{{}, entry};
    return use_legacy_context(entry);
}

WalkAction Walk::use_legacy_context(const LegacyContextEntry& entry) {
    fpd_ = entry.fpd;
    const FaultReason reason = check_legacy_context_use(entry, request_.access);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    if (request_.access == Access::Translated) {
        return use_translated(entry.did);
    }
    return start_pages(pasid_entry_of(caps_, entry), false);
}

// Without host permission tables a translated address is taken as it is, within limits.
WalkAction Walk::use_translated(DomainId did) {
    if ((request_.address & caps_.above_host_width()) != 0) {
        return fault(legacy_ ? FaultReason::LegacyAddressTooWide : FaultReason::AboveHostWidth);
    }
    if (pcie::is_interrupt_address(request_.address)) {
        return fault(legacy_ ? FaultReason::LegacyOutputIsInterrupt
                             : FaultReason::OutputIsInterrupt);
    }
    direct_.page = Hpa{request_.address & ~(kPageSize - 1)};
    direct_.read = direct_.write = direct_.dirty = true;
    direct_.type = TranslationType::PassThrough;
    direct_.did = did;
    direct_.pasid = pasid_;
    return {};
}

WalkAction Walk::use_context(const ContextEntry& entry) {
    fpd_ = entry.fpd;
    const FaultReason reason =
        check_context_use(entry, request_.access, request_.pasid.has_value(), pasid_);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    if (request_.access == Access::Translated) {
        return use_translated(DomainId{});
    }
    if (!request_.pasid) {
        pasid_ = Pasid{entry.rid_pasid};
        privileged_ = entry.rid_priv;
    }
    if (const CachedPasidEntry* const cached = caches_.find_pasid(request_.rid, pasid_)) {
        fpd_ = fpd_ || cached->fpd;
        return use_pasid_entry(cached->entry);
    }
    return read(WalkTable::Directory, directory_entry_address(entry.directory, pasid_),
                kDirectoryEntryBytes);
}

WalkAction Walk::on_directory(std::uint64_t q) {
    const DirectoryEntry entry = decode_directory(q);
    fpd_of_directory_ = entry.fpd;
    fpd_ = fpd_ || entry.fpd;
    const FaultReason reason = check_directory(caps_, q);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    return read(WalkTable::PasidEntry, pasid_entry_address(entry.table, pasid_), kPasidEntryBytes);
}

WalkAction Walk::on_pasid_entry(const PasidQwords& q) {
    const PasidEntry entry = decode_pasid_entry(q);
    fpd_ = fpd_ || entry.fpd;
    const FaultReason reason = check_pasid_entry(caps_, q);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    new_pasid_ = CachedPasidEntry{entry, entry.fpd || fpd_of_directory_};
    return use_pasid_entry(entry);
}

WalkAction Walk::use_pasid_entry(const PasidEntry& entry) {
    if (request_.access == Access::PageRequest) {
        entry_ = entry;
        return {};
    }
    const FaultReason reason = check_pasid_use(entry, privileged_, request_.execute);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    return start_pages(entry, privileged_);
}

WalkAction Walk::start_pages(const PasidEntry& entry, bool privileged) {
    PageAccess access;
    access.address = request_.address;
    access.write = request_.write;
    access.zero_length = request_.zero_length;
    access.privileged = privileged;
    access.translation = request_.access == Access::TranslationRequest;
    access.no_write = request_.no_write && caps_.no_write_flag;
    access.io_permissions = rtaddr::kSsirwe.get(root_) != 0;
    pages_.emplace(caps_, entry, pasid_, access, WalkCaches{&caches_.structures(), generation_},
                   &caches_.probes());
    return pages(pages_->start());
}

WalkAction Walk::pages(WalkAction action) {
    if (action.kind != WalkAction::Kind::Done) {
        return action;
    }
    reason_ = pages_->reason();
    if (reason_ == FaultReason::None && !caches_.probes().has(kInterruptRangeReached) &&
        pcie::is_interrupt_address(pages_->translation().at(request_.address).value())) {
        reason_ = FaultReason::OutputIsInterrupt;
    }
    if (legacy_ && !caches_.probes().has(kLegacyCodesOfScalable)) {
        reason_ = legacy_reason(reason_, request_.write);
    }
    return action;
}

}  // namespace ioasim::vtd
