// Rare paths of the test requester, and ways to break it.
#pragma once

#include "core/base/defects.hpp"

namespace ioasim::requester {

inline const Defect kIgnoresSizes{"requester.ignores_sizes",
                                  "requests are longer than the link allows"};
inline const Defect kUsesPoison{"requester.uses_poison",
                                "data that is marked as wrong is taken as it is"};
inline const Defect kTimeoutIsSuccess{"requester.timeout_is_success",
                                      "a read that was given up unanswered ends as if it had been "
                                      "answered"};

inline const Defect kUsesStaleCompletion{
    "requester.uses_stale_completion",
    "a translation that an invalidation overtook on its way is cached nevertheless"};
inline const Defect kAnswersEarly{
    "requester.answers_early",
    "an invalidation is answered while reads with the old translation are under way"};
inline const Defect kResetSendsWaiting{
    "requester.reset_sends_waiting",
    "what waits for credits of the link when a reset begins leaves after it"};
inline const Defect kEndsAwaiting{
    "requester.ends_awaiting",
    "an operation that waits for a translation or a page response ends without it"};
inline const Defect kMessageBypassesTables{
    "requester.message_bypasses_tables",
    "an interrupt message is no write: it goes to the processors, whatever its address"};
inline const Defect kKeepsInvalidated{"requester.keeps_invalidated",
                                      "invalidated translations stay in the device TLB"};
inline const Defect kIgnoresPermission{"requester.ignores_permission",
                                       "a write uses a translation that allows reads only"};
inline const Defect kEntriesShareAddress{
    "requester.entries_share_address",
    "every entry of a translation completion is kept with the first one's host address"};
inline const Defect kIgnoresAllocation{
    "requester.ignores_allocation",
    "more page requests are outstanding than software allocated to the function"};
inline const Defect kGroupNeverEnds{"requester.group_never_ends",
                                    "the last request of a page group does not say so"};
inline const Defect kIgnoresResponseCode{"requester.ignores_response_code",
                                         "every response to a page group is taken for Success"};
inline const Defect kIgnoresBusMaster{"requester.ignores_bus_master",
                                      "requests are made while bus mastering is off"};
inline const Defect kMarkerAhead{
    "requester.marker_ahead",
    "the stop marker of a PASID leaves while requests with it are under way"};
inline const Defect kResetKeepsTranslations{
    "requester.reset_keeps_translations", "a function-level reset leaves the device TLB as it is"};
inline const Defect kResetForgetsTags{
    "requester.reset_forgets_tags",
    "a function-level reset frees tags whose completions are still to come"};

inline const Defect kTrafficInOrder{"requester.traffic_in_order",
                                    "traffic at random places takes them one after another"};
inline const Defect kEngineAtOnce{"requester.engine_at_once",
                                  "traffic through the DMA engine leaves as quickly as a command"};
inline const Defect kTrafficOneByOne{"requester.traffic_one_by_one",
                                     "traffic has one block under way at a time"};

inline const Mark kStaleTranslation{"requester.stale_translation",
                                    "an invalidation overtook a translation, which was dropped"};
inline const Mark kInvalidationWaits{"requester.invalidation_waits",
                                     "an invalidation waited for reads under way"};
inline const Mark kAnswersMerged{"requester.answers_merged",
                                 "one completion answered several invalidations"};
inline const Mark kAtsHalted{"requester.ats_halted",
                             "a translation request was unsupported: no more of them"};
inline const Mark kCreditsShort{"requester.credits_short",
                                "the allocation cut a page request group"};
inline const Mark kUnexpectedResponse{"requester.unexpected_response",
                                      "a response to a page group that is not outstanding"};
inline const Mark kDiscardedInReset{"requester.discarded_in_reset",
                                    "something arrived during a function-level reset"};
inline const Mark kSplit{"requester.split", "an operation needed several requests"};
inline const Mark kTimedOut{"requester.timed_out", "a read was given up unanswered"};
inline const Mark kLateCompletion{"requester.late_completion",
                                  "a completion came after its read had been given up"};
inline const Mark kUnexpectedCompletion{"requester.unexpected_completion",
                                        "a completion came that the function did not ask for"};
inline const Mark kMessageLost{"requester.message_lost",
                               "a message found no room, or was of a kind the function lacks"};
inline const Mark kRefused{"requester.refused", "software asked for an illegal operation"};

}  // namespace ioasim::requester
