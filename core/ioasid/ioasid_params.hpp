// Times and sizes of the IOASID core.
#pragma once

#include "core/base/params.hpp"

namespace ioasim {

struct IoasidParams {
    TimePs alloc;                 // ioasid_alloc without search and handlers, under the lock
    TimePs free;                  // ioasid_free and reclaim
    TimePs reference;             // get, put, attach, detach
    TimePs find;                  // lock-free look-up
    TimePs search_level;          // one level of the 64-way tree of all IDs
    TimePs set_level;             // one level of the 64-way tree of a set's IDs
    TimePs spid_scan;             // find_by_spid, per ID of the set
    TimePs set_change;            // set_alloc, set_free, capacity calls
    TimePs set_scan;              // find_mm_set, per set
    TimePs registration;          // notifier and allocator registration
    TimePs handler_call;          // calling one notification block
    TimePs queue_work;            // putting an item into the ordered workqueue
    TimePs work_dispatch;         // the worker takes an item
    TimePs grace_period;          // waiting for lock-free readers
    std::uint64_t dev_quota = 0;  // quota of a set made by opening /dev/ioasid

    static const ParamTable<IoasidParams>& table();
    // Zero cost: replays and measurements of the logic alone.
    static IoasidParams zero_time();
};

}  // namespace ioasim
