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

inline IdTable& IoasidCore::table_for(const IoasidSet* set) {
    return set != nullptr && set->own_ids_ != nullptr ? *set->own_ids_ : *active_table_;
}

inline const IdTable& IoasidCore::table_for(const IoasidSet* set) const {
    return set != nullptr && set->own_ids_ != nullptr ? *set->own_ids_ : *active_table_;
}

}  // namespace ioasim
