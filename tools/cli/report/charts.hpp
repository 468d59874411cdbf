// The pictures of the page as SVG, each with a title for those who do not see it. What a picture
// shows also stands in a table or list beside it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/cli/report/model.hpp"

namespace ioasim::tools::report {

// Moments that the page links to: each gets a mark in the picture of the run.
class Moments {
public:
    // HTML of a link that reads as the time.
    std::string link(std::uint64_t ps, std::uint64_t seq);
    const std::map<std::uint64_t, std::uint64_t>& all() const { return all_; }  // seq -> ps

private:
    static constexpr std::size_t kMost = 2000;
    std::map<std::uint64_t, std::uint64_t> all_;
};

// Times for an axis: about so many, at round values.
std::vector<std::uint64_t> axis_times(std::uint64_t begin, std::uint64_t end, std::size_t about);
// "1.5 us", no more digits than the distance of two ticks needs.
std::string axis_label(std::uint64_t ps);

// The lanes of a run over time.
std::string timeline_svg(const RunModel& model, const Moments& moments);
// What the colours mean.
std::string kinds_legend();
// States, holders and marks of one life.
std::string life_svg(const Life& life);
// The states that it went through, as a graph.
std::string state_graph_svg(const Life& life);
// Series of one chart as steps; at most 8 of them.
std::string series_svg(const std::vector<const Series*>& series, const std::string& title,
                       std::uint64_t begin, std::uint64_t end);
std::string histogram_svg(const traces::Latency& latency, const std::string& title);
// A bar as wide as its share.
std::string share_svg(std::uint64_t part, std::uint64_t whole, const char* css_class);

constexpr std::size_t kSeriesShown = 8;

}  // namespace ioasim::tools::report
