// Ways to break an accelerator that show only when translation requests or page-request credits
// are short, or descriptors are aborted while they ask.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::dsa {

inline const Defect kCreditWaiterForgotten{
    "dsa.credit_waiter_forgotten",
    "of several page requests that wait for credits one answer lets the first go and drops one"};
inline const Defect kJoinedForgotten{
    "dsa.joined_forgotten",
    "of three and more descriptors that wait for another's translation the last is forgotten"};
inline const Defect kAbortStrandsJoined{
    "dsa.abort_strands_joined",
    "who waits for the translation that another descriptor is about to ask for waits on when that "
    "one is aborted"};
inline const Defect kAbortedAsksOn{
    "dsa.aborted_asks_on",
    "a descriptor that is aborted while its translation is under way asks for the page still"};

}  // namespace ioasim::dsa
