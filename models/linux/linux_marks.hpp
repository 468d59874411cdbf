// Rare paths of a kernel that report that they were reached.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Mark kQueueContended{"qi.contended",
                                  "an invalidation waited until another one had ended"};
inline const Mark kDescriptorReplaced{"qi.descriptor_replaced",
                                      "a descriptor that the unit refused was replaced by a wait"};
inline const Mark kPartialsDiscarded{
    "iopf.partials_discarded", "an overflow took pages of groups whose last request never came"};
inline const Mark kAnswerOvertaken{"iopf.answer_overtaken",
                                   "a group was to be answered that had its answer already"};
inline const Mark kGroupExpired{"iopf.group_expired", "nobody answered a group in time"};
inline const Mark kFlushWaited{"iopf.flush_waited", "unbind waited for fault work under way"};
inline const Mark kQueueDrained{"prq.drain_waited",
                                "unbind waited for page requests of its PASID in the queue"};
inline const Mark kOverflowCleared{"prq.overflow_cleared",
                                   "an overflow of the page-request queue was cleared"};
inline const Mark kVcpuKicked{"kvm.kicked", "a vCPU was in the guest when a translation went"};
inline const Mark kKickWaited{"kvm.kick_waited", "a kicked vCPU took its time to leave"};
inline const Mark kMissOvertaken{"kvm.miss_overtaken",
                                 "BIND brought a translation while its miss was looked up"};
inline const Mark kMissNotFound{"kvm.miss_not_found",
                                "a guest submitted under a PASID that nobody bound"};
inline const Mark kUnbindOvertaken{"sva.unbind_overtaken",
                                   "a free began while unbind drained the device"};
inline const Mark kHandleShared{"sva.handle_shared", "a device was bound once more"};
inline const Mark kSubmissionRetried{"user.submission_retried",
                                     "ENQCMD found no room and was repeated"};
inline const Mark kWindowFull{"user.window_full",
                              "a program had all its descriptors under way and waited"};
inline const Mark kWorkAwaited{"linux.work_awaited", "a task waited for deferred work"};

}  // namespace ioasim::os
