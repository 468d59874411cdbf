// Ways to break the IOASID core that show only with several callers or much work at once.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::ioasid_probes {

inline const Defect kContendedGetLost{
    "ioasid.contended_get_lost", "get counts nothing while others wait for the allocator lock"};
inline const Defect kContendedPutLost{
    "ioasid.contended_put_lost", "put counts nothing while others wait for the allocator lock"};
inline const Defect kCrowdedGetLost{
    "ioasid.crowded_get_lost", "get counts nothing while two others wait for the allocator lock"};
inline const Defect kCrowdedPutLost{
    "ioasid.crowded_put_lost", "put counts nothing while two others wait for the allocator lock"};
inline const Defect kQueuedBehindLost{
    "ioasid.queued_behind_lost", "work that is queued behind waiting work while one runs is lost"};
inline const Defect kThirdWorkFirst{"ioasid.third_work_first",
                                    "of three and more works that wait the newest runs first"};
inline const Defect kQuotaBeforeLock{"ioasid.quota_before_lock",
                                     "the quota is looked at before the allocator lock is taken"};

}  // namespace ioasim::ioasid_probes
