// Rare paths of the root complex, and ways to break it.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::pcie {

inline const Defect kThirdWaiterLost{
    "pcie.third_waiter_lost",
    "a transaction that finds three others waiting for a credit of the unit is forgotten"};
inline const Defect kCreditDropsSecond{
    "pcie.credit_drops_second",
    "a credit of the unit that comes back while three transactions wait lets the first of them go "
    "and drops the second"};
inline const Defect kPortWaitsForEver{
    "pcie.port_waits_for_ever",
    "a root port does not end the wait for a completion that is lost: the processor stands still"};
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

// Times in picoseconds: what a message that is late is late by.
inline const FaultSite kCompletionLost{"pcie.completion_lost",
                                       "a completion for a device does not reach it"};
inline const FaultSite kCompletionLate{"pcie.completion_late",
                                       "a completion for a device is held up", 20'000'000};
inline const FaultSite kCompletionPoisoned{
    "pcie.completion_poisoned", "the data of a completion for a device is marked as wrong"};
inline const FaultSite kCompletionAbort{"pcie.completion_abort",
                                        "a read of a device is answered with completer abort"};
inline const FaultSite kCompletionDuplicated{"pcie.completion_duplicated",
                                             "a completion reaches its device twice"};
inline const FaultSite kDmwrTimeout{
    "pcie.dmwr_timeout", "the completion of a deferrable write is lost: the root port times out"};
inline const FaultSite kPageRequestLost{"pcie.page_request_lost",
                                        "a page request does not reach its unit"};
inline const FaultSite kPageRequestLate{"pcie.page_request_late", "a page request is held up",
                                        50'000'000};
inline const FaultSite kPageResponseLost{"pcie.page_response_lost",
                                         "a page group response does not reach its device"};
inline const FaultSite kPageResponseLate{"pcie.page_response_late",
                                         "a page group response is held up", 50'000'000};
inline const FaultSite kInvalidationLost{
    "pcie.invalidation_lost", "the completion of a device-TLB invalidation does not arrive"};
inline const FaultSite kInvalidationLate{
    "pcie.invalidation_late", "the completion of a device-TLB invalidation is held up", 5'000'000};
inline const FaultSite kInterruptLost{"pcie.interrupt_lost",
                                      "an interrupt message of a device or unit is lost"};
inline const FaultSite kInterruptLate{"pcie.interrupt_late", "an interrupt message is held up",
                                      20'000'000};
inline const FaultSite kInterruptDuplicated{"pcie.interrupt_duplicated",
                                            "an interrupt message arrives twice"};

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
