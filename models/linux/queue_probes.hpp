// Ways to break who may use a workqueue and what its users wait for, as drivers and mediated
// devices of its history were broken.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kQueueOfAnybody{
    "idxd.queue_of_anybody",
    "the portal of a dedicated workqueue may be mapped by a process that did not open it"};
inline const Defect kOpenUnbound{
    "idxd.open_unbound",
    "a workqueue is opened under a PASID that the process is not bound to on its device"};
inline const Defect kEnableFailureIgnored{
    "idxd.enable_failure_ignored",
    "an open succeeds although the device did not enable the workqueue"};
inline const Defect kCloseUndrained{
    "idxd.close_undrained", "the close of a shared workqueue does not wait for its user's work"};
inline const Defect kGuestNumberDrained{
    "vdcm.guest_number_drained",
    "what a mediated device drains at UNBIND is the guest PASID, as if it were a host PASID"};
inline const Defect kGuestDrainUnknown{
    "vdcm.guest_drain_unknown",
    "a virtual device that offers Drain PASID answers it as an unknown command"};

}  // namespace ioasim::os
