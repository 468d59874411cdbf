// Ways to break a program that submits to a workqueue on purpose.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::os {

inline const Defect kCreditsIgnored{
    "submit.credits_ignored",
    "a program has as many descriptors under way in a dedicated queue as it has records, not as "
    "the queue has entries"};
inline const Defect kCreditsByTime{
    "submit.credits_by_time",
    "a program counts a descriptor as done when an interval of polling is over, without a record"};
inline const Defect kActivationForgotten{
    "linux.activation_forgotten",
    "the handler of #GP loads IA32_PASID and does not remember that it did: whatever faults for "
    "another reason faults for ever"};
inline const Defect kActivationOfMm{
    "linux.activation_of_mm",
    "the handler of #GP keeps its flag with the address space: the second thread's first ENQCMD is "
    "taken for a real fault"};
inline const Defect kRecordNotCleared{
    "submit.record_not_cleared",
    "a completion record is used again with the status of its last descriptor in it, and taken for "
    "the new one's"};

inline const Defect kListedFirst{
    "submit.listed_first",
    "a program waits for the record of a submission that the queue never took"};

}  // namespace ioasim::os
