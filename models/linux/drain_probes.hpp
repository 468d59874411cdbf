// Ways to end a PASID's work in a device on purpose badly.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kFailedDrainIgnored{
    "idxd.failed_drain_ignored",
    "a PASID goes back to the pool although a device did not finish what it has of it"};
inline const Defect kCommandOverCommand{
    "idxd.command_over_command",
    "a command is written to a device that executes one which was given up, and the end of that "
    "one is taken for its own"};
inline const Defect kNotLookedAgain{
    "idxd.not_looked_again",
    "a PASID that a device did not finish in time stays in use for good, whatever the device does"};
inline const Defect kLateFinishAssumed{
    "idxd.late_finish_assumed",
    "a PASID that a device did not finish in time goes back to the pool at the next look"};
inline const Defect kQueueTimeOut{"linux.queue_time_out",
                                  "who waits for queued work gives up after the time-out of one "
                                  "item, however many are before it"};
inline const Defect kUnflushedFreed{
    "sva.unflushed_freed", "a PASID goes back to the pool although its invalidations did not end"};
inline const Defect kEarlyFlushForgotten{
    "sva.early_flush_forgotten",
    "a PASID whose entry went before its detach (exit_mm, a reset) goes back to the pool although "
    "its invalidations did not end"};
inline const Defect kNoDrainBehindFree{
    "sva.no_drain_behind_free",
    "a PASID that is freed in use goes back to the pool without a drain behind its cleared entry"};
inline const Defect kResetKeepsNumbers{
    "idxd.reset_keeps_numbers",
    "a number that waits for a device which did not finish goes on waiting behind its reset"};
inline const Defect kQueueKeptForGood{"idxd.queue_kept_for_good",
                                      "the PASID of a dedicated queue that did not stop stays in "
                                      "use, whatever becomes of the device"};
inline const Defect kUnplugUndrained{
    "vfio.unplug_undrained",
    "a device is taken from a VM before it has finished what it has of PASIDs that are bound to "
    "others, too"};

}  // namespace ioasim::os
