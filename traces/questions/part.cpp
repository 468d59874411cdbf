#include "traces/questions/part.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "traces/questions/causes.hpp"
#include "traces/trace_part.hpp"

namespace ioasim::traces {

Part::Part(const EventLog& log, const TraceSelection& only) : only_(only) {
    if (log.empty()) {
        return;
    }
    const std::size_t last = log.size() - 1;
    gapless_ = log.seq(0) == 0 && log.seq(last) == last;
    // What checkers find in the end stands behind the end.
    std::size_t end = last;
    while (end != 0 && log.is<trace::RunFinding>(end)) {
        --end;
    }
    ended_ = log.is<trace::RunEnd>(end);
    end_ = log.time(last);
    if (!ended_ && only_.to != TimePs::max()) {
        end_ = std::max(end_, only_.to);  // nothing more happened in the window
    }
}

std::string Part::note() const {
    if (whole()) {
        return {};
    }
    std::string what = part_text(only_);
    if (what.empty() && !gapless_) {
        what = "not from the beginning, or with gaps";
    }
    if (!ended_ && only_.scopes.empty() && only_.to == TimePs::max()) {
        what += fmt::format("{}it breaks off at {}", what.empty() ? "" : ", ", story_time(end_));
    }
    return fmt::format("the trace is a part of its run ({}): the rest is not known here", what);
}

QuestionError Part::unknown_at(TimePs time) const {
    if (!gapless_) {
        return {fmt::format("who held what at {} is not known: {}", story_time(time), note()),
                "ask a trace of everything from the beginning, or the scenario"};
    }
    if (!ended_ && time > end_) {
        return {fmt::format("the trace ends at {}, before {}", story_time(end_), story_time(time)),
                "ask a trace of the whole run, or the scenario"};
    }
    return {};
}

std::string Part::behind_end(TimePs time) const {
    return ended_ && time > end_
               ? fmt::format("the run ended at {}: what held then\n", story_time(end_))
               : std::string();
}

}  // namespace ioasim::traces
