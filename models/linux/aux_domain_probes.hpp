// Ways to break auxiliary domains on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kAuxEntryLeft{
    "aux.entry_left",
    "the last detach of an auxiliary domain leaves its PASID entry on the parent"};
inline const Defect kAuxWrongParent{
    "aux.wrong_parent",
    "the detach of an auxiliary domain clears the entry of the parent that was attached last"};
inline const Defect kAuxUsersNotCounted{
    "aux.users_not_counted",
    "virtual devices of one parent that share an auxiliary domain are not counted: the first one "
    "that goes detaches it for all"};
inline const Defect kAuxPasidKept{"aux.pasid_kept",
                                  "the default PASID of an auxiliary domain is not given back"};
inline const Defect kAuxDefaultForeign{
    "aux.default_foreign",
    "a guest's queue without a PASID is set to the PASID of the first guest bind instead of the "
    "default one"};

}  // namespace ioasim::os
