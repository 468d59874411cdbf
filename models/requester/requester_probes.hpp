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
