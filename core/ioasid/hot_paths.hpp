// The few functions that every call of the core goes through, kept inlinable. Included by the .cpp
// files of the core only.
#pragma once

#include "core/ioasid/core_lock.hpp"
#include "core/ioasid/id_table.hpp"
#include "core/ioasid/ioasid.hpp"

namespace ioasim {

// An ID of the active allocator or, if `set` is private, of that set's own namespace.
[[gnu::always_inline]] inline IoasidEntry* IoasidCore::lookup(const IoasidSet* set, Ioasid id) {
    IoasidEntry* entry = active_table_->find(id.value());
    if (set == nullptr || (entry != nullptr && entry->set == set)) {
        return entry;
    }
    return lookup_private(set, id, entry);
}

// For calls that look in the common namespace, unless a private set is named.
[[gnu::always_inline]] inline IoasidEntry* IoasidCore::lookup_named(const IoasidSet* set,
                                                                    Ioasid id) {
    return lookup(set != nullptr && set->is_private() ? set : nullptr, id);
}

// As lookup() for most IDs, in fewer instructions: null also where that would look further, and for
// an ID of another set.
[[gnu::always_inline]] inline IoasidEntry* IoasidCore::lookup_dense(const IoasidSet* set,
                                                                    Ioasid id) {
    IoasidEntry* entry = active_table_->find_dense(id.value());
    return entry != nullptr && (set == nullptr || entry->set == set) ? entry : nullptr;
}

inline IdTable& IoasidCore::table_for(const IoasidSet* set) {
    return set != nullptr && set->own_ids_ != nullptr ? *set->own_ids_ : *active_table_;
}

inline const IdTable& IoasidCore::table_for(const IoasidSet* set) const {
    return set != nullptr && set->own_ids_ != nullptr ? *set->own_ids_ : *active_table_;
}

// An event for the set's chain alone would be told or would reach somebody.
inline bool IoasidCore::heard(const IoasidSet* set) const {
    return told() || (set != nullptr && !set->chain_.empty());
}

}  // namespace ioasim
