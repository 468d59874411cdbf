// Everything that the page about a run tells, gathered from the folder of the run and its trace.
// Bounded: what is left out is counted, and the page says so.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/cli/report/lanes.hpp"
#include "tools/cli/run_result.hpp"
#include "traces/latency.hpp"

namespace ioasim::tools::report {

// One life of an ID, from allocation to reclaim.
struct Life {
    struct Span {
        std::string name;  // a state, or a holder of references
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        std::uint32_t most = 0;  // holders: references at a time
        bool open = true;        // it had not ended when the trace did
    };
    struct Mark {
        std::uint64_t time = 0;
        std::uint64_t seq = 0;
        std::string text;  // "BIND", "ioasid_free", ...
    };
    std::string kernel;
    std::string set;
    std::uint32_t ioasid = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool reclaimed = false;
    std::vector<Span> states;
    std::vector<Span> holders;
    std::vector<Mark> marks;
    std::uint64_t faults = 0;    // of requests with this number as their PASID
    std::uint64_t left_out = 0;  // spans and marks beyond the bound
    std::string name() const;    // "host ioasid 201"
    std::string anchor() const;  // for links: letters, digits, '-'
};

// Faults that differ in time and address only.
struct FaultKind {
    std::string where;  // unit or device
    std::string who;    // requester, PASID
    std::string what;   // reason, in words
    std::string note;   // "206 suppressed"
    std::uint64_t count = 0;
    std::uint64_t first = 0;  // picoseconds
    std::uint64_t last = 0;
    std::uint64_t seq = 0;  // of the first
    std::uint64_t recorded = 0;
    std::uint64_t suppressed = 0;
};

struct Judged {
    std::string text;
    std::string why;
    bool failed = false;
    std::vector<std::string> seen;
};

struct FindingTold {
    std::string code;
    std::string who;
    std::string text;
    std::uint64_t time = 0;
    std::uint64_t seq = 0;
    bool wanted = false;
};

struct NamedLatency {
    std::string group;  // "descriptors", "translations", "steps of programs", ...
    std::string name;
    traces::Latency latency;
};

struct RunModel {
    bool judged = false;  // there was a result; else a trace alone
    RunResult result;
    std::string title;
    std::string configuration;  // JSON text; empty: not at hand
    std::vector<Judged> expectations;
    std::vector<FindingTold> findings;
    std::uint64_t findings_left_out = 0;

    bool traced = false;
    std::string trace_note;  // why there is none, or where it broke off
    std::uint64_t events = 0;
    std::uint64_t begin = 0;  // of what the trace shows, picoseconds
    std::uint64_t end = 0;
    std::uint64_t seed = 0;
    Texts texts;
    std::vector<Lane> lanes;
    std::map<std::string, std::uint64_t> lanes_left_out;  // by group
    std::vector<Series> series;
    std::vector<Life> lives;
    std::uint64_t lives_left_out = 0;
    std::vector<FaultKind> faults;
    std::uint64_t faults_left_out = 0;
    std::vector<NamedLatency> latencies;
};

// Groups of lanes, in the order of the page.
enum class Group : std::uint32_t {
    Alarms,
    Programs,
    Ids,
    Notifications,
    Software,
    Processors,
    Locks,
    Devices,
    Units,
    Links,
    kCount
};
const char* group_name(std::uint32_t group);

}  // namespace ioasim::tools::report
