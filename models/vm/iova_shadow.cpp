#include "models/vm/iova_shadow.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "models/vm/vm_probes.hpp"

namespace ioasim::vm {
namespace {

constexpr std::uint64_t kEverything = ~std::uint64_t{0};

unsigned levels_of(std::uint8_t aw) {
    return 2U + aw;
}

}  // namespace

std::set<std::uint32_t> IovaShadow::on(const std::string& function) const {
    std::set<std::uint32_t> found;
    for (const auto& [gpasid, space] : spaces_) {
        if (space.functions.count(function) != 0) {
            found.insert(gpasid);
        }
    }
    return found;
}

bool IovaShadow::apply(ExecContext& ctx, const std::string& function, std::uint32_t gpasid,
                       std::optional<Ioasid> id, const vtd::PasidEntry& entry) {
    const bool wanted =
        entry.present && entry.pgtt == vtd::TranslationType::SecondStage && id.has_value();
    if (!wanted && spaces_.count(gpasid) == 0) {
        return false;
    }
    LockGuard guard{ctx, lock_};
    const auto known = spaces_.find(gpasid);
    if (known != spaces_.end() && known->second.functions.count(function) != 0) {
        const Space& space = known->second;
        if (wanted && space.id == *id && space.did == entry.did &&
            space.root == entry.second_stage.value()) {
            return true;
        }
        detach(ctx, function, gpasid);
    }
    if (wanted) {
        attach(ctx, function, gpasid, *id, entry);
    }
    return wanted;
}

void IovaShadow::attach(ExecContext& ctx, const std::string& function, std::uint32_t gpasid,
                        Ioasid id, const vtd::PasidEntry& entry) {
    // As with a first stage, the guest is not told of a refusal: it shows in the host's event.
    if (host_.bind_iova(ctx, function, id, Spid{gpasid}) != Errno::Ok) {
        return;
    }
    Space& space = spaces_[gpasid];
    space.id = id;
    space.did = entry.did;
    space.root = entry.second_stage.value();
    space.levels = levels_of(entry.aw);
    space.functions.insert(function);
    sync_space(ctx, gpasid, 0, kEverything);
}

void IovaShadow::detach(ExecContext& ctx, const std::string& function, std::uint32_t gpasid) {
    const auto found = spaces_.find(gpasid);
    found->second.functions.erase(function);
    if (found->second.functions.empty()) {
        spaces_.erase(found);  // the host's table goes with its last binding
    }
    static_cast<void>(host_.unbind_gpasid(ctx, function, Spid{gpasid}));
}

void IovaShadow::sync(ExecContext& ctx, std::optional<DomainId> did, std::uint64_t first,
                      std::uint64_t last) {
    if (spaces_.empty() || probes_.has(kShadowNotSynced)) {
        return;
    }
    LockGuard guard{ctx, lock_};
    std::vector<std::uint32_t> concerned;
    for (const auto& [gpasid, space] : spaces_) {
        if (!did || space.did == *did) {
            concerned.push_back(gpasid);
        }
    }
    for (const std::uint32_t gpasid : concerned) {
        sync_space(ctx, gpasid, first, last);
    }
}

void IovaShadow::sync_space(ExecContext& ctx, std::uint32_t gpasid, std::uint64_t first,
                            std::uint64_t last) {
    Space& space = spaces_.at(gpasid);
    Leaves there;
    walk(ctx, space.root, space.levels, 0, first, last, there);
    Leaves gone;
    const auto end = space.shadowed.upper_bound(last);
    for (auto it = space.shadowed.lower_bound(first & ~(kPageSize - 1)); it != end; ++it) {
        const auto now = there.find(it->first);
        if (now == there.end() || !(now->second == it->second)) {
            gone.insert(*it);
        }
    }
    Leaves fresh;
    for (const auto& [iova, leaf] : there) {
        if (space.shadowed.count(iova) == 0 || gone.count(iova) != 0) {
            fresh.emplace(iova, leaf);
        }
    }
    if (!probes_.has(kShadowKeepsUnmapped)) {
        unmap(ctx, gpasid, space, gone);
    }
    map(ctx, gpasid, space, fresh);
}

void IovaShadow::walk(ExecContext& ctx, std::uint64_t table, unsigned level, std::uint64_t base,
                      std::uint64_t first, std::uint64_t last, Leaves& found) const {
    const std::uint64_t span = vtd::level_page_bytes(level);
    const std::uint64_t low = first <= base ? 0 : (first - base) / span;
    const std::uint64_t high =
        std::min<std::uint64_t>((last - base) / span, vtd::kEntriesPerTable - 1);
    std::array<std::uint64_t, vtd::kEntriesPerTable> entries{};
    const std::uint64_t bytes = (high - low + 1) * vtd::kPageTableEntryBytes;
    const Gpa from{table + low * vtd::kPageTableEntryBytes};
    if (!memory_.read(ctx, from, entries.data(), bytes)) {
        return;
    }
    for (std::uint64_t i = low; i <= high; ++i) {
        const std::uint64_t entry = entries.at(i - low);
        const bool read = (entry & vtd::ss::kRead) != 0;
        const bool write = (entry & vtd::ss::kWrite) != 0;
        const std::uint64_t address = base + i * span;
        const std::uint64_t to = entry & vtd::kPageTableAddress;
        if ((!read && !write) || (level > 1 && (entry & vtd::ss::kPageSize) != 0)) {
            continue;
        }
        if (level > 1) {
            walk(ctx, to, level - 1, address, std::max(first, address), last, found);
        } else {
            found[address] = {to, read, write};
        }
    }
}

// Runs of pages one after the other go together.
void IovaShadow::unmap(ExecContext& ctx, std::uint32_t gpasid, Space& space, const Leaves& gone) {
    for (auto it = gone.begin(); it != gone.end();) {
        const std::uint64_t first = it->first;
        std::uint64_t next = first;
        while (it != gone.end() && it->first == next) {
            space.shadowed.erase(next);
            next += kPageSize;
            ++it;
        }
        static_cast<void>(host_.unmap_iova(ctx, Spid{gpasid}, first, next - first));
    }
}

void IovaShadow::map(ExecContext& ctx, std::uint32_t gpasid, Space& space, const Leaves& fresh) {
    for (auto it = fresh.begin(); it != fresh.end();) {
        const auto [first, leaf] = *it;
        std::vector<Gpa> pages;
        while (it != fresh.end() && it->first == first + pages.size() * kPageSize &&
               it->second.read == leaf.read && it->second.write == leaf.write) {
            pages.push_back(Gpa{it->second.page});
            ++it;
        }
        // Pages outside of the VM's memory stay unmapped: the guest's DMA faults there.
        if (host_.map_iova(ctx, Spid{gpasid}, first, pages, leaf.read, leaf.write) == Errno::Ok) {
            for (std::size_t i = 0; i < pages.size(); ++i) {
                space.shadowed[first + i * kPageSize] = {pages[i].value(), leaf.read, leaf.write};
            }
        }
    }
}

}  // namespace ioasim::vm
