#include "models/vm/pasid_shadow.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace ioasim::vm {

// Tables hold guest physical addresses here; the layout functions work on any address space.
namespace {

// The entry of requests without PASID (RID_PASID of a context entry, 0 as Linux has it).
constexpr std::uint32_t kWithoutPasid = 0;

Gpa gpa(Hpa table) {
    return Gpa{table.value()};
}
Hpa raw(Gpa table) {
    return Hpa{table.value()};
}

}  // namespace

Gpa PasidShadow::directory(ExecContext& ctx, const VirtualFunction& function,
                           std::uint32_t& entries) const {
    entries = 0;
    if (root_ == Gpa{}) {
        return Gpa{};
    }
    vtd::RootQwords root{};
    if (!memory_.read(ctx, gpa(vtd::root_entry_address(raw(root_), function.rid)), root.data(),
                      sizeof(root))) {
        return Gpa{};
    }
    const vtd::RootEntry root_entry = vtd::decode_root(root);
    const bool upper = vtd::uses_upper_table(function.rid);
    if (!(upper ? root_entry.upper_present : root_entry.lower_present)) {
        return Gpa{};
    }
    vtd::ContextQwords words{};
    const Hpa table = upper ? root_entry.upper_table : root_entry.lower_table;
    if (!memory_.read(ctx, gpa(vtd::context_entry_address(table, function.rid)), words.data(),
                      sizeof(words))) {
        return Gpa{};
    }
    const vtd::ContextEntry context = vtd::decode_context(words);
    if (!context.present || !context.paside) {
        return Gpa{};
    }
    entries = vtd::directory_entries(context.pdts);
    return gpa(context.directory);
}

vtd::PasidEntry PasidShadow::read_entry(ExecContext& ctx, Gpa table, std::uint32_t gpasid) const {
    vtd::PasidQwords words{};
    if (!memory_.read(ctx, gpa(vtd::pasid_entry_address(raw(table), Pasid{gpasid})), words.data(),
                      sizeof(words))) {
        return {};
    }
    return vtd::decode_pasid_entry(words);
}

Errno PasidShadow::sync_function(ExecContext& ctx, std::size_t function, std::uint32_t gpasid) {
    std::uint32_t entries = 0;
    const Gpa base = directory(ctx, functions_[function], entries);
    vtd::PasidEntry entry;
    std::uint64_t slot = 0;
    if ((gpasid >> 6U) < entries &&
        memory_.read(ctx, gpa(vtd::directory_entry_address(raw(base), Pasid{gpasid})), &slot,
                     sizeof(slot))) {
        const vtd::DirectoryEntry table = vtd::decode_directory(slot);
        if (table.present) {
            entry = read_entry(ctx, gpa(table.table), gpasid);
        }
    }
    return apply(ctx, function, gpasid, entry);
}

void PasidShadow::sync(ExecContext& ctx, std::uint32_t gpasid) {
    for (std::size_t function = 0; function < functions_.size(); ++function) {
        static_cast<void>(sync_function(ctx, function, gpasid));
    }
}

Errno PasidShadow::sync_all(ExecContext& ctx) {
    Errno result = Errno::Ok;
    for (std::size_t function = 0; function < functions_.size(); ++function) {
        std::set<std::uint32_t> candidates = iovas_.on(functions_[function].name);
        for (const auto& [key, bound] : bound_) {
            if (function_of(key) == function) {
                candidates.insert(gpasid_of(key));
            }
        }
        std::uint32_t entries = 0;
        const Gpa base = directory(ctx, functions_[function], entries);
        std::array<std::uint64_t, vtd::kEntriesPerTable> slots{};
        for (std::uint32_t first = 0; first < entries; first += vtd::kEntriesPerTable) {
            const std::uint32_t count = std::min(entries - first, vtd::kEntriesPerTable);
            if (!memory_.read(ctx, base + first * vtd::kDirectoryEntryBytes, slots.data(),
                              count * sizeof(std::uint64_t))) {
                break;
            }
            for (std::uint32_t i = 0; i < count; ++i) {
                const vtd::DirectoryEntry table = vtd::decode_directory(slots.at(i));
                for (std::uint32_t p = 0; table.present && p < vtd::kPasidsPerTable; ++p) {
                    const std::uint32_t gpasid = ((first + i) << 6U) + p;
                    if (read_entry(ctx, gpa(table.table), gpasid).present) {
                        candidates.insert(gpasid);
                    }
                }
            }
        }
        for (const std::uint32_t gpasid : candidates) {
            const Errno error = sync_function(ctx, function, gpasid);
            result = result == Errno::Ok ? error : result;
        }
    }
    return result;
}

Errno PasidShadow::apply(ExecContext& ctx, std::size_t function, std::uint32_t gpasid,
                         const vtd::PasidEntry& entry) {
    const Key key = key_of(function, gpasid);
    const auto known = bound_.find(key);
    // Requests without PASID have no number of the VMM's: behind them stands the default one.
    const auto id = gpasid == kWithoutPasid ? std::optional<Ioasid>{Ioasid{}} : pool_.find(gpasid);
    const bool first_stage =
        gpasid != kWithoutPasid && entry.present && entry.pgtt == vtd::TranslationType::FirstStage;
    if (known != bound_.end()) {
        const bool same = first_stage && id && known->second.id == *id &&
                          known->second.page_table == entry.first_stage;
        if (same) {
            return Errno::Ok;
        }
        change_(ctx, function, gpasid, false);
        unbind(ctx, key);
    }
    if (iovas_.apply(ctx, functions_[function].name, gpasid, id, entry)) {
        return Errno::Ok;
    }
    if (!first_stage || !id) {
        return Errno::Ok;  // a number that the VMM did not hand out is not bound to anything
    }
    // The guest gets no answer to an invalidation: a refusal shows in the host's events only.
    const Errno error = host_->bind_gpasid(ctx, functions_[function].name, *id, Spid{gpasid},
                                           Gpa{entry.first_stage});
    if (error == Errno::Ok) {
        bound_[key] = {*id, entry.first_stage};
        change_(ctx, function, gpasid, true);
    }
    return error;
}

void PasidShadow::unbind(ExecContext& ctx, Key key) {
    bound_.erase(key);
    // -ENOENT: the host freed the ID meanwhile and cleaned up itself.
    static_cast<void>(host_->unbind_gpasid(ctx, name_of(key), Spid{gpasid_of(key)}));
}

Errno PasidShadow::drain(ExecContext& ctx) {
    std::vector<Key> keys;
    for (const auto& [key, bound] : bound_) {
        keys.push_back(key);
    }
    for (const Key key : keys) {
        const Errno error = host_->drain_gpasid(ctx, name_of(key), Spid{gpasid_of(key)});
        if (error != Errno::Ok && error != Errno::Enoent) {
            return error;
        }
    }
    return Errno::Ok;
}

void PasidShadow::unbind_all(ExecContext& ctx) {
    moved_.clear();
    while (!bound_.empty()) {
        moved_.push_back(bound_.begin()->first);
        unbind(ctx, bound_.begin()->first);
    }
}

Errno PasidShadow::bind_again(ExecContext& ctx) {
    const Errno refused = sync_all(ctx);
    const bool all = std::all_of(moved_.begin(), moved_.end(),
                                 [this](Key key) { return bound_.count(key) != 0; });
    return all ? Errno::Ok : refused == Errno::Ok ? Errno::Enodev : refused;
}

void PasidShadow::move_to(os::VmHost& host, const std::vector<std::string>& devices) {
    host_ = &host;
    bound_.clear();
    for (std::size_t i = 0; i < functions_.size(); ++i) {
        functions_[i].name = devices.at(i);
    }
}

void PasidShadow::flush(ExecContext& ctx, std::uint32_t gpasid) {
    for (std::size_t function = 0; function < functions_.size(); ++function) {
        if (bound_.count(key_of(function, gpasid)) != 0) {
            static_cast<void>(
                host_->invalidate_gpasid(ctx, functions_[function].name, Spid{gpasid}));
        }
    }
}

void PasidShadow::flush_all(ExecContext& ctx) {
    // The host takes its time, and another vCPU's access may change the book meanwhile.
    std::vector<Key> keys;
    for (const auto& [key, bound] : bound_) {
        keys.push_back(key);
    }
    for (const Key key : keys) {
        static_cast<void>(host_->invalidate_gpasid(ctx, name_of(key), Spid{gpasid_of(key)}));
    }
}

}  // namespace ioasim::vm
