// A story as text for a terminal, and as JSON.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/questions/causes.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kTimeWidth = 14;
constexpr std::size_t kWidest = 22;  // of a name in the column of who did it

std::size_t width_of_names(const Story& story) {
    std::size_t width = 4;
    for (const Moment& m : story.moments) {
        width = std::max(width, m.who.size());
    }
    return std::min(width, kWidest);
}

std::string moments_text(const Story& story) {
    const std::size_t width = width_of_names(story);
    std::string out;
    std::string why;
    for (const Moment& m : story.moments) {
        std::string took;
        if (m.took && *m.took != TimePs{}) {
            took = fmt::format(" [{}]", story_span(*m.took));
        }
        out += fmt::format("{:>{}}  {}{:<{}}  {}{}\n", story_time(m.time), kTimeWidth,
                           m.alarm ? "!" : " ", m.who, width, m.text, took);
        // Said once for all that follows from it.
        if (!m.why.empty() && m.why != why) {
            out += fmt::format("{:>{}}   {:<{}}    {}\n", "", kTimeWidth, "", width, m.why);
        }
        why = m.why.empty() ? why : m.why;
    }
    return out;
}

std::string holdings_text(const Story& story) {
    if (story.holdings.empty()) {
        return {};
    }
    std::size_t width = 10;
    for (const Holding& h : story.holdings) {
        width = std::max(width, h.holder.size());
    }
    std::string out = fmt::format("\n{:<{}}  {:>14}  {:>14}  {:>14}\n", story.holdings_title,
                                  width + 2, "from", "to", "held for");
    for (const Holding& h : story.holdings) {
        out += fmt::format("{} {:<{}}  {:>14}  {:>14}  {:>14}\n", h.to ? " " : "!", h.holder, width,
                           story_time(h.from), h.to ? story_time(*h.to) : "the end",
                           h.to ? story_span(*h.to - h.from) : "");
        if (!h.taken.empty()) {
            out += "      taken " + h.taken + "\n";
        }
        if (!h.dropped.empty()) {
            out += "      dropped " + h.dropped + "\n";
        }
    }
    return out;
}

nlohmann::ordered_json moment_json(const Moment& m) {
    nlohmann::ordered_json out{
        {"time_ps", m.time.ps()}, {"seq", m.seq}, {"who", m.who}, {"text", m.text}};
    if (!m.why.empty()) {
        out["why"] = m.why;
    }
    if (m.took) {
        out["took_ps"] = m.took->ps();
    }
    if (m.alarm) {
        out["alarm"] = true;
    }
    return out;
}

}  // namespace

std::string story_text(const Story& story) {
    std::string out = story.title + "\n";
    for (const std::string& answer : story.answers) {
        out += "  " + answer + "\n";
    }
    out += "\n" + moments_text(story) + holdings_text(story);
    if (!story.durations.empty()) {
        out += "\nhow long\n";
        std::size_t width = 0;
        for (const Duration& d : story.durations) {
            width = std::max(width, d.what.size());
        }
        for (const Duration& d : story.durations) {
            out += fmt::format("  {:<{}}  {:>14}\n", d.what, width, story_span(d.time));
        }
    }
    return out;
}

std::string story_json(const Story& story) {
    using nlohmann::ordered_json;
    ordered_json out{{"title", story.title}, {"answers", story.answers}};
    out["moments"] = ordered_json::array();
    for (const Moment& m : story.moments) {
        out["moments"].push_back(moment_json(m));
    }
    out["held"] = ordered_json::array();
    for (const Holding& h : story.holdings) {
        ordered_json row{{"holder", h.holder}, {"from_ps", h.from.ps()}};
        row["to_ps"] = h.to ? ordered_json(h.to->ps()) : ordered_json();
        row["taken"] = h.taken;
        row["dropped"] = h.dropped;
        out["held"].push_back(std::move(row));
    }
    out["durations"] = ordered_json::array();
    for (const Duration& d : story.durations) {
        out["durations"].push_back({{"what", d.what}, {"time_ps", d.time.ps()}});
    }
    for (const StateChange& s : story.states) {
        out["states"].push_back(
            {{"time_ps", s.time.ps()}, {"from", s.from}, {"to", s.to}, {"why", s.why}});
    }
    return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace ioasim::traces
