#include "core/ioasid/ioasid_params.hpp"

namespace ioasim {

const ParamTable<IoasidParams>& IoasidParams::table() {
    using P = IoasidParams;
    static const ParamTable<P> table = [] {
        ParamTable<P> t{"ioasid"};
        t.timing("alloc", &P::alloc, "ioasid_alloc without search and handlers");
        t.timing("free", &P::free, "ioasid_free or reclaim, without handlers");
        t.timing("reference", &P::reference,
                 "get, put, attach or detach, without search and handlers");
        t.timing("find", &P::find, "lock-free look-up without search");
        t.timing("search.level", &P::search_level,
                 "one level of the 64-way tree over all IDs of an allocator");
        t.timing("search.set_level", &P::set_level,
                 "one level of the 64-way tree over the IDs of a set");
        t.timing("search.spid_scan", &P::spid_scan,
                 "find_by_spid and the uniqueness test of attach_spid, for each ID of the set");
        t.timing("set.change", &P::set_change, "set_alloc, set_free and the capacity calls");
        t.timing("set.scan", &P::set_scan, "find_mm_set, for each set");
        t.timing("notifier.registration", &P::registration,
                 "registering or unregistering a notification block or an allocator");
        t.timing("notifier.call", &P::handler_call,
                 "calling one notification block, without what the block itself does");
        t.timing("workqueue.queue", &P::queue_work, "putting an item into the ordered workqueue");
        t.timing("workqueue.dispatch", &P::work_dispatch,
                 "workqueue hand-off: the worker takes the next item");
        t.timing("grace_period", &P::grace_period, "waiting until lock-free readers are gone");
        t.count("dev.quota", &P::dev_quota, 0, 0x100000, 1000,
                "quota of the set that an open of /dev/ioasid makes; 0 takes all that is left",
                "VFIO of the same patch series: PASID quota of 1000 for each VM");
        return t;
    }();
    return table;
}

IoasidParams IoasidParams::zero_time() {
    IoasidParams params;
    params.dev_quota = table().defaults().dev_quota;
    return params;
}

}  // namespace ioasim
