// Ways to break a unit on purpose, and the rare paths that it reports.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vtd {

inline const Defect kSkipIotlbInvalidation{
    "vtd.skip_iotlb_invalidation", "IOTLB invalidation descriptors complete without any effect"};
inline const Defect kIotlbTagWithoutPasid{
    "vtd.iotlb_tag_without_pasid",
    "IOTLB look-ups compare neither PASID nor domain: another address space's page is used"};
inline const Defect kWaitBeforeDrain{
    "vtd.wait_before_drain",
    "an invalidation wait completes while older requests still use old translations"};
inline const Defect kFpdIgnored{"vtd.fpd_ignored",
                                "faults are recorded although FPD of an entry forbids it"};

inline const Defect kStructureCacheSurvives{
    "vtd.structure_cache_survives",
    "paging-structure caches keep their entries whatever is invalidated"};
inline const Defect kHintInverted{
    "vtd.hint_inverted",
    "the invalidation hint is taken the wrong way round: paging-structure entries stay when tables "
    "changed and go when only leaves did"};
inline const Defect kStaleFillKept{
    "vtd.stale_fill_kept", "a walk that an invalidation overtook fills the caches all the same"};

inline const Mark kStaleFillDropped{
    "vtd.stale_fill_dropped", "a walk ended after an invalidation and was not put into a cache"};
inline const Mark kFaultOverflow{"vtd.fault_overflow",
                                 "a fault found no free fault recording register"};
inline const Mark kFaultSuppressed{"vtd.fault_suppressed", "FPD kept a fault out of the records"};
inline const Mark kWaitDrained{"vtd.wait_drained",
                               "an invalidation wait had to wait for requests in flight"};
inline const Mark kQueueError{"vtd.queue_error", "the invalidation queue stopped with an error"};
inline const Mark kUpdateRace{"vtd.update_race",
                              "an entry changed between a walk's read and its flag update"};
inline const Mark kWalkJoined{"vtd.walk_joined", "a request waited for another's walk of its page"};
inline const Mark kWalkersBusy{"vtd.walkers_busy", "a request waited for a free walker"};
inline const Mark kWriteHeld{"vtd.write_held",
                             "a translated request waited for an older write of its device"};
inline const Mark kCompletionHeld{
    "vtd.completion_held", "an interrupt or read completion waited for older writes to be done"};
inline const Mark kBadRegisterAccess{"vtd.bad_register_access",
                                     "a register access of illegal size or alignment"};

}  // namespace ioasim::vtd
