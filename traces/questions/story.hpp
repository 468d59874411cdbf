// The life of one thing, told in order: what happened, who did it and why, who held it when, how
// long each part took, and what to conclude. Made from a trace, shown as text, JSON or a chart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::traces {

// Columns of a chart, from left to right.
enum class Role : std::uint8_t {
    App,
    Guest,
    Vmm,
    Kernel,
    Kvm,
    Core,
    Vdcm,
    Iommu,
    Device,
    Memory,
    kCount
};

struct Moment {
    TimePs time;
    std::uint64_t seq = 0;
    std::string who;   // the thread or the unit that did it
    std::string text;  // what happened
    std::string why;   // the chain of causes; empty: not known, or obvious
    std::optional<TimePs> took;
    bool alarm = false;  // a finding, a failure
    // In a chart: from one party to another (or the same), with a few words; none: not shown.
    std::optional<Role> from;
    std::optional<Role> to;
    std::string label;
};

// A reference of an ID, or whatever else somebody holds.
struct Holding {
    std::string holder;
    TimePs from;
    std::optional<TimePs> to;  // none: held to the end of the trace
    std::string taken;         // why
    std::string dropped;
};

struct Duration {
    std::string what;
    TimePs time;
};

// A change of an ID's state.
struct StateChange {
    TimePs time;
    std::string from;
    std::string to;
    std::string why;
};

struct Story {
    std::string title;
    std::vector<std::string> answers;  // what a reader wants to know first
    std::vector<Moment> moments;
    std::string holdings_title;
    std::vector<Holding> holdings;
    std::vector<Duration> durations;
    std::vector<StateChange> states;  // of an ID, in order
    TimePs end;                       // of the trace
    std::string device;               // what the device's column is called
};

std::string story_text(const Story& story);
std::string story_json(const Story& story);
// An ASCII sequence chart of at most 72 columns, for a patch review.
std::string story_chart(const Story& story);
// The states of an ID and the way that this life took through them: numbered edges, and when and
// why each was gone. As ASCII, no wider than a chart, and as a picture that stands alone.
std::string story_states(const Story& story);
std::string story_svg(const Story& story);

}  // namespace ioasim::traces
