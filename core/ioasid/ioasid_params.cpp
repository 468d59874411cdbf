#include "core/ioasid/ioasid_params.hpp"

namespace ioasim {

namespace {

constexpr const char* kMeasured =
    "measured: posted V4 code run in user space, 2.x GHz server core, uncontended";
constexpr const char* kChoice = "modelling choice: no publication";

}  // namespace

const ParamTable<IoasidParams>& IoasidParams::table() {
    using P = IoasidParams;
    static const ParamTable<P> table = [] {
        ParamTable<P> t{"ioasid"};
        t.time("alloc", &P::alloc, 0_ps, 1_ms, 80_ns, "ioasid_alloc without search and handlers",
               kMeasured);
        t.time("free", &P::free, 0_ps, 1_ms, 40_ns, "ioasid_free or reclaim, without handlers",
               kMeasured);
        t.time("reference", &P::reference, 0_ps, 1_ms, 10_ns,
               "get, put, attach or detach, without search and handlers", kMeasured);
        t.time("find", &P::find, 0_ps, 1_ms, 3_ns, "lock-free look-up without search", kMeasured);
        t.time("search.level", &P::search_level, 0_ps, 1_ms, 2_ns,
               "one level of the 64-way tree over all IDs of an allocator", kMeasured);
        t.time("search.set_level", &P::set_level, 0_ps, 1_ms, 2_ns,
               "one level of the 64-way tree over the IDs of a set", kMeasured);
        t.time("search.spid_scan", &P::spid_scan, 0_ps, 1_ms, TimePs{6400},
               "find_by_spid and the uniqueness test of attach_spid, for each ID of the set",
               kMeasured);
        t.time("set.change", &P::set_change, 0_ps, 1_ms, 200_ns,
               "set_alloc, set_free and the capacity calls", kChoice);
        t.time("set.scan", &P::set_scan, 0_ps, 1_ms, 5_ns, "find_mm_set, for each set", kChoice);
        t.time("notifier.registration", &P::registration, 0_ps, 1_ms, 100_ns,
               "registering or unregistering a notification block or an allocator", kChoice);
        t.time("notifier.call", &P::handler_call, 0_ps, 1_ms, 50_ns,
               "calling one notification block, without what the block itself does", kChoice);
        t.time("workqueue.queue", &P::queue_work, 0_ps, 1_ms, 100_ns,
               "putting an item into the ordered workqueue", kChoice);
        t.time("workqueue.dispatch", &P::work_dispatch, 0_ps, 1_ms, TimePs{2'500'000},
               "workqueue hand-off: the worker takes the next item",
               "assumed from context switch and wake-up figures of lmbench (lat_ctx, lat_pipe)");
        t.time("grace_period", &P::grace_period, 0_ps, TimePs{1'000'000'000'000},
               TimePs{10'000'000}, "waiting until lock-free readers are gone",
               "modelling choice: an expedited grace period");
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
