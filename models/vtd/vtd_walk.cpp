#include "models/vtd/vtd_walk.hpp"

#include <array>
#include <cstring>

#include "core/base/check.hpp"
#include "models/pcie/pcie_layout.hpp"

namespace ioasim::vtd {
namespace {

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
    return action;
}

WalkAction Walk::start() {
    switch (rtaddr::mode_of(root_)) {
        case TableMode::Scalable:
            break;
        case TableMode::Legacy:
            if (request_.access == Access::PageRequest) {
                return fault(FaultReason::PageRequestInLegacyMode);
            }
            return fault(request_.pasid ? FaultReason::PasidInLegacyMode
                                        : FaultReason::TableModeInvalid);
        default:
            // Abort-DMA mode is not offered (ECAP.ADMS = 0), so its code is invalid too.
            return fault(FaultReason::TableModeInvalid);
    }
    if (request_.pasid && (request_.pasid->value() >> caps_.pasid_bits) != 0) {
        return fault(FaultReason::PasidTooWide);
    }
    if (const ContextEntry* const cached = caches_.find_context(request_.rid)) {
        return use_context(*cached);
    }
    const Hpa root{root_ & rtaddr::kAddress};
    return read(WalkTable::Root, root_entry_address(root, request_.rid), kRootEntryBytes);
}

FaultReason Walk::access_error() const {
    switch (stage_) {
        case WalkTable::Root:
            return FaultReason::RootAccess;
        case WalkTable::Context:
            return FaultReason::ContextAccess;
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
            return on_context(quadwords<4>(data, size));
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
    const FaultReason reason = check_root(caps_, q, request_.rid);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    const RootEntry root = decode_root(q);
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
    new_context_ = entry;
    return use_context(entry);
}

WalkAction Walk::use_context(const ContextEntry& entry) {
    fpd_ = entry.fpd;
    const FaultReason reason =
        check_context_use(entry, request_.access, request_.pasid.has_value(), pasid_);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    if (!request_.pasid) {
        pasid_ = Pasid{entry.rid_pasid};
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
    const FaultReason reason = check_pasid_use(entry, request_.privileged, request_.execute);
    if (reason != FaultReason::None) {
        return fault(reason);
    }
    pages_.emplace(
        caps_, entry, pasid_,
        PageAccess{request_.address, request_.write, request_.zero_length, request_.privileged,
                   request_.access == Access::TranslationRequest, request_.no_write},
        WalkCaches{&caches_.structures(), generation_});
    return pages(pages_->start());
}

WalkAction Walk::pages(WalkAction action) {
    if (action.kind != WalkAction::Kind::Done) {
        return action;
    }
    reason_ = pages_->reason();
    if (reason_ == FaultReason::None &&
        pcie::is_interrupt_address(pages_->translation().at(request_.address).value())) {
        reason_ = FaultReason::OutputIsInterrupt;
    }
    return action;
}

}  // namespace ioasim::vtd
