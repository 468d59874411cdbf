// Rare paths of the root complex, and ways to break it.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::pcie {

inline const Defect kThirdWaiterLost{
    "pcie.third_waiter_lost",
    "a transaction that finds three others waiting for a credit of the unit is forgotten"};
inline const Defect kCompletionPassesWrites{
    "pcie.completion_passes_writes",
    "a device's read completion overtakes the DMA writes that the device sent before it"};
inline const Defect kCreditsIgnored{"pcie.credits_ignored",
                                    "a link sends whether the receiver has room or not"};
inline const Defect kOneQueueForAll{
    "pcie.one_queue_for_all",
    "what waits for credits on a link holds everything behind it, whatever its class"};
inline const Defect kLinkIgnoresOrder{
    "pcie.link_ignores_order",
    "on a link that waits for credits, whatever has credits of its own goes first"};
inline const Defect kRateOfOneLane{"pcie.rate_of_one_lane",
                                   "a link has the rate of one lane, however wide it is"};

inline const Defect kBusLimitIgnored{
    "pcie.bus_limit_ignored",
    "a root port passes on addresses that its bus does not have bits for"};

inline const FaultSite kCompletionLost{"pcie.completion_lost",
                                       "a completion for a device does not reach it"};

inline const Mark kUnclaimedAddress{"pcie.unclaimed_address",
                                    "a request hit no device and was answered or dropped"};
inline const Mark kOrphanCompletion{"pcie.orphan_completion",
                                    "a completion for a requester id that no function has"};
inline const Mark kCreditWait{"pcie.credit_wait", "a request waited for a credit of its unit"};

inline const Mark kBeyondTheBus{"pcie.beyond_the_bus",
                                "a root port refused a request beyond its bus's addresses"};

inline const Mark kCreditStall{"pcie.credit_stall",
                               "a class of transactions waited for credits of a link"};
inline const Mark kPassedWaiting{"pcie.passed_waiting",
                                 "a transaction passed one that waited for credits"};

}  // namespace ioasim::pcie
