// What a trace that is only a part of its run can be asked. Events are numbered without gaps from 0
// to the end of the run, so what is missing shows; what was chosen, the header says.
#pragma once

#include <string>

#include "traces/questions/event_log.hpp"
#include "traces/questions/query.hpp"
#include "traces/trace_selection.hpp"

namespace ioasim::traces {

class Part {
public:
    explicit Part(const EventLog& log, const TraceSelection& only = {});

    bool whole() const { return gapless_ && ended_; }
    // Every event up to some time is there: states that follow from them are known.
    bool from_the_beginning() const { return gapless_; }
    // The first line of an answer; empty: the trace is whole.
    std::string note() const;
    // Why nobody can say who held what then; no error: the events can.
    QuestionError unknown_at(TimePs time) const;
    // What has to be said when that time is behind the end of the run.
    std::string behind_end(TimePs time) const;

private:
    TraceSelection only_;
    bool gapless_ = false;
    bool ended_ = false;
    TimePs end_;  // of what is known
};

}  // namespace ioasim::traces
