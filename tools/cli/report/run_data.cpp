// Lanes and series as JSON for the page's script: numbers in flat lists, times as differences, so
// that tens of thousands of slices stay small.
#include <fmt/format.h>

#include "scenarios/language/json_tree.hpp"
#include "tools/cli/report/pages.hpp"

namespace ioasim::tools::report {
namespace {

using scenario::json_quote;

template <class List, class Text>
std::string list_of(const List& list, Text text) {
    std::string out = "[";
    for (const auto& item : list) {
        if (out.size() > 1) {
            out += ',';
        }
        out += text(item);
    }
    return out + "]";
}

// Seven numbers a slice: begin after the one before, length, kind, row, text, number (-1: none),
// count.
std::string slices_text(const Lane& lane) {
    std::uint64_t before = 0;
    return list_of(lane.slices(), [&before](const Slice& s) {
        const std::string number =
            s.number == kNoNumber ? std::string("-1") : fmt::format("{}", s.number);
        std::string text =
            fmt::format("{},{},{},{},{},{},{}", s.begin - before, s.end - s.begin,
                        static_cast<unsigned>(s.kind), s.row, s.text, number, s.count);
        before = s.begin;
        return text;
    });
}

std::string lane_text(const Lane& lane) {
    return fmt::format("{{\"group\":{},\"name\":{},\"rows\":{},\"step\":{},\"slices\":{}}}\n",
                       lane.group(), json_quote(lane.name()), lane.rows(), lane.resolution(),
                       slices_text(lane));
}

// Three numbers a point: time after the one before, highest and last value.
std::string series_text(const Series& series) {
    std::uint64_t before = 0;
    const std::string points = list_of(series.points(), [&before](const Series::Point& p) {
        std::string text = fmt::format("{},{},{}", p.time - before, p.high, p.last);
        before = p.time;
        return text;
    });
    return fmt::format("{{\"chart\":{},\"name\":{},\"points\":{}}}\n", json_quote(series.chart()),
                       json_quote(series.name()), points);
}

}  // namespace

std::string run_data(const RunModel& model) {
    std::string groups = "[";
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(Group::kCount); ++i) {
        groups += (i == 0 ? "" : ",") + json_quote(group_name(i));
    }
    std::string kinds = "[";
    for (std::size_t i = 0; i < kKinds; ++i) {
        kinds += (i == 0 ? "" : ",") + json_quote(kind_name(static_cast<Kind>(i)));
    }
    return fmt::format("{{\"begin\":{},\"end\":{},\"groups\":{}],\"kinds\":{}],\n\"texts\":{},\n",
                       model.begin, model.end, groups, kinds,
                       list_of(model.texts.list(),
                               [](const std::string& text) { return json_quote(text); })) +
           fmt::format("\"lanes\":{},\n\"series\":{}}}", list_of(model.lanes, lane_text),
                       list_of(model.series, series_text));
}

}  // namespace ioasim::tools::report
