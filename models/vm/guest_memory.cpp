#include "models/vm/guest_memory.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace ioasim::vm {

void GuestMemory::clear() {
    pages_.clear();
    portals_.clear();
    kept_.clear();
}

GpaTarget GuestMemory::find(Gpa address) const {
    const std::uint64_t page = address.value() / kPageSize;
    if (page < pages_.size()) {
        return {GpaKind::Ram, pages_[page] + address.page_offset()};
    }
    if (address.page() == kVirtualIommuBase) {
        return {GpaKind::VirtualIommu, Hpa{}};
    }
    const auto portal = portals_.find(address.page().value());
    if (portal != portals_.end()) {
        return {GpaKind::Portal, portal->second.target + address.page_offset(), 0, 0,
                portal->second.revocable};
    }
    const auto kept = kept_.find(address.page().value());
    if (kept != kept_.end()) {
        return {GpaKind::KeptPortal, Hpa{}, kept->second.device, kept->second.queue};
    }
    for (const TrappedRange& range : trapped_) {
        const std::uint64_t offset = address.value() - range.base.value();
        if (address.value() >= range.base.value() && offset < range.bytes) {
            return {range.kind, Hpa{}, range.device, offset};
        }
    }
    return {};
}

bool GuestMemory::read(ExecContext& ctx, Gpa address, void* out, std::size_t bytes) const {
    auto* to = static_cast<std::uint8_t*>(out);
    while (bytes > 0) {
        const GpaTarget target = find(address);
        if (target.kind != GpaKind::Ram) {
            return false;
        }
        const std::size_t chunk = std::min<std::size_t>(bytes, kPageSize - address.page_offset());
        const UserAccess own(ctx);  // the VMM's
        ctx.read_bytes(target.hpa.value(), to, chunk);
        to += chunk;
        address = address + chunk;
        bytes -= chunk;
    }
    return true;
}

bool GuestMemory::store(ExecContext& ctx, Gpa address, std::uint64_t value, unsigned size) const {
    const GpaTarget target = find(address);
    if (target.kind != GpaKind::Ram) {
        return false;
    }
    ctx.store(target.hpa.value(), value, size);
    return true;
}

}  // namespace ioasim::vm
