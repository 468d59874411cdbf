// Ways to break a VMM on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::vm {

inline const Defect kPortalLeftMapped{
    "migration.portal_left_mapped",
    "the portals stay mapped: a submission reaches the source's device behind the drain"};
inline const Defect kQueueDropped{"migration.queue_dropped",
                                  "kept submissions do not travel with the device's state"};
inline const Defect kQueueTwice{"migration.queue_twice",
                                "kept submissions are handed to the device twice"};
inline const Defect kEnabledBeforeBind{
    "migration.enabled_before_bind",
    "the destination lets its devices go on before the guest PASIDs are bound"};
inline const Defect kSpidsKept{"migration.spids_kept",
                               "the source detaches no SPID and unbinds nothing"};
inline const Defect kHostPasidCarried{
    "migration.host_pasid_carried",
    "the destination asks its host for the numbers that the source's host had given"};

}  // namespace ioasim::vm
