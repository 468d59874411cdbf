// Ways to break an accelerator that show only when translation requests or page-request credits
// are short.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::dsa {

inline const Defect kCreditWaiterForgotten{
    "dsa.credit_waiter_forgotten",
    "of several page requests that wait for credits one answer lets the first go and drops one"};
inline const Defect kJoinedForgotten{
    "dsa.joined_forgotten",
    "of three and more descriptors that wait for another's translation the last is forgotten"};

}  // namespace ioasim::dsa
