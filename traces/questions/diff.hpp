// Two traces beside each other: the first event in which they differ, with what stands around it,
// and what became different in the end. Sequence numbers do not count: a further listener's
// category shifts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "traces/questions/event_log.hpp"
#include "traces/questions/query.hpp"

namespace ioasim::traces {

struct DiffOptions {
    FilterWords filter;         // what is compared
    bool ignore_times = false;  // what happened in which order, whenever it was
    std::size_t context = 3;    // lines before and after
};

struct DiffSide {
    std::string label;
    std::size_t events = 0;  // that are compared
    std::uint64_t seed = 0;
    std::string config;
    std::vector<std::string> defects;  // seeded ones: they are no difference by themselves
};

struct DiffCount {
    std::string name;
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::optional<TimePs> from;  // events: where those of this name part
};

// How a thing ended on each side: "host.ioasid(202)", "vm2/vmm/vmm[3] find", "vm2", "run".
struct DiffEnding {
    std::string what;
    std::string a;
    std::string b;
};

struct Divergence {
    std::size_t position = 0;         // in the compared events, from 0
    std::vector<std::string> fields;  // what is different in it; empty: another event
    std::vector<std::string> before;  // the same on both sides
    std::vector<std::string> a;       // from the first different one on
    std::vector<std::string> b;
};

struct Diff {
    DiffSide a;
    DiffSide b;
    std::optional<Divergence> first;
    std::vector<DiffCount> kinds;  // names of events that are not the same, the earliest first
    std::vector<DiffCount> findings;
    std::vector<DiffEnding> endings;
    bool same() const { return !first; }
};

struct TraceSide {
    std::string label;
    const EventLog* log = nullptr;
    JsonlHeader header;
};

QuestionError diff_traces(const TraceSide& a, const TraceSide& b, const DiffOptions& options,
                          Diff& out);

std::string diff_text(const Diff& diff);
std::string diff_json(const Diff& diff);

}  // namespace ioasim::traces
