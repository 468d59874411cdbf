#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/html.hpp"

namespace ioasim::tools::report {
namespace {

constexpr double kLabels = 230;  // left of the lanes
constexpr double kPlot = 1030;
constexpr double kRow = 9;
constexpr double kGap = 5;
constexpr double kTop = 24;
constexpr std::size_t kSteps = 1000;  // resolution of the picture

std::string number(double value) {
    std::string out = fmt::format("{:.1f}", value);
    return out.size() > 2 && out.compare(out.size() - 2, 2, ".0") == 0
               ? out.substr(0, out.size() - 2)
               : out;
}

// The slices of one kind as one path: faults are triangles, everything else bars.
class Paths {
public:
    Paths(double begin, double end) : begin_(begin), scale_(kPlot / std::max(1.0, end - begin)) {}

    double x(std::uint64_t ps) const {
        return kLabels + (static_cast<double>(ps) - begin_) * scale_;
    }
    void add(const Slice& slice, double top) {
        std::string& path = paths_[static_cast<std::size_t>(slice.kind)];
        // A step may have begun before the window that the trace shows.
        const double left = std::max(kLabels, x(slice.begin));
        const double width = std::max(1.2, x(slice.end) - left);
        const double y = top + slice.row * kRow;
        if (slice.kind == Kind::Bad && slice.begin == slice.end) {
            path += fmt::format("M{} {}l3 8h-6z", number(left), number(y));
        } else {
            path += fmt::format("M{} {}h{}v{}h-{}z", number(left), number(y), number(width),
                                number(kRow - 1), number(width));
        }
    }
    std::string take() {
        std::string out;
        for (std::size_t kind = 0; kind < kKinds; ++kind) {
            if (!paths_[kind].empty()) {
                out += fmt::format("<path class=\"k-{}\" d=\"{}\"/>\n",
                                   kind_name(static_cast<Kind>(kind)), paths_[kind]);
            }
            paths_[kind].clear();
        }
        return out;
    }

private:
    double begin_;
    double scale_;
    std::array<std::string, kKinds> paths_;
};

std::string shortened(const std::string& text) {
    constexpr std::size_t kMost = 36;
    return text.size() <= kMost ? text : text.substr(0, kMost - 3) + "...";
}

std::string lane_svg(const Lane& lane, Paths& paths, double top) {
    std::vector<Slice> slices = lane.slices();
    merge_slices(slices, 0, kSteps);
    for (const Slice& slice : slices) {
        paths.add(slice, top);
    }
    return fmt::format(
        "<g><title>{}: {}{}</title><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n{}</g>\n",
        escape(lane.name()), plural(lane.total(), "slice"),
        lane.bad() == 0 ? std::string() : fmt::format(", {} bad", lane.bad()), kLabels - 8,
        number(top + kRow - 0.5), escape(shortened(lane.name())), paths.take());
}

std::string axis_svg(const RunModel& model, const Paths& paths, double bottom) {
    std::string out;
    for (const std::uint64_t time : axis_times(model.begin, model.end, 9)) {
        const std::string x = number(paths.x(time));
        out += fmt::format(
            "<path class=\"g\" d=\"M{} {}V{}\"/>"
            "<text class=\"m\" x=\"{}\" y=\"14\" text-anchor=\"middle\">{}</text>\n",
            x, kTop - 4, number(bottom), x, axis_label(time));
    }
    return out;
}

std::string marks_svg(const Moments& moments, const Paths& paths, double bottom) {
    std::string out;
    for (const auto& [seq, ps] : moments.all()) {
        const std::string x = number(paths.x(ps));
        out += fmt::format(
            "<g class=\"at\" id=\"at-{}\"><line x1=\"{}\" y1=\"{}\" x2=\"{}\" "
            "y2=\"{}\"/><title>event {} at {}</title></g>\n",
            seq, x, kTop - 6, x, number(bottom), seq, time_text(ps));
    }
    return out;
}

}  // namespace

std::string Moments::link(std::uint64_t ps, std::uint64_t seq) {
    if (all_.size() < kMost) {
        all_.emplace(seq, ps);
    }
    const bool marked = all_.count(seq) != 0;
    return fmt::format(
        "<a class=\"moment\" href=\"#{}\" data-ps=\"{}\" title=\"event {}: show it in the "
        "picture of the run\">{}</a>",
        marked ? fmt::format("at-{}", seq) : std::string("timeline"), ps, seq, time_text(ps));
}

std::vector<std::uint64_t> axis_times(std::uint64_t begin, std::uint64_t end, std::size_t about) {
    const std::uint64_t span = std::max<std::uint64_t>(1, end - begin);
    std::uint64_t step = 1;
    for (unsigned i = 0; span / step > about; ++i) {
        step = i % 3 == 1 ? step / 2 * 5 : step * 2;  // 1, 2, 5, 10, ...
    }
    std::vector<std::uint64_t> times;
    for (std::uint64_t time = (begin + step - 1) / step * step; time <= end; time += step) {
        times.push_back(time);
    }
    return times;
}

std::string axis_label(std::uint64_t ps) {
    std::string text = time_text(ps);
    const std::size_t dot = text.find('.');
    const std::size_t space = text.find(' ');
    if (ps == 0 || dot == std::string::npos || space == std::string::npos) {
        return ps == 0 ? "0" : text;
    }
    std::size_t end = space;
    while (end > dot && (text[end - 1] == '0' || text[end - 1] == '.')) {
        --end;
    }
    return text.substr(0, std::max(end, dot)) + text.substr(space);
}

std::string timeline_svg(const RunModel& model, const Moments& moments) {
    Paths paths(static_cast<double>(model.begin), static_cast<double>(model.end));
    std::string lanes;
    double top = kTop;
    std::uint32_t group = static_cast<std::uint32_t>(Group::kCount);
    for (const Lane& lane : model.lanes) {
        if (lane.group() != group) {
            group = lane.group();
            top += 8;
            lanes += fmt::format(
                "<text class=\"group\" x=\"4\" y=\"{}\">{}</text>"
                "<path class=\"l\" d=\"M4 {}H{}\"/>\n",
                number(top + 10), group_name(group), number(top + 14), kLabels + kPlot);
            top += 20;
        }
        lanes += lane_svg(lane, paths, top);
        top += lane.rows() * kRow + kGap;
    }
    const double width = kLabels + kPlot + 20;
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
               "viewBox=\"0 0 {0} {1}\" role=\"img\" aria-labelledby=\"timeline-svg-title\">\n"
               "<title id=\"timeline-svg-title\">What happened when: {2} over {3}. The table of "
               "lanes below tells the same.</title>\n",
               width, number(top + 8), plural(model.lanes.size(), "lane"),
               time_text(model.end - model.begin)) +
           axis_svg(model, paths, top) + lanes + marks_svg(moments, paths, top) + "</svg>\n";
}

std::string kinds_legend() {
    std::string out = "<ul class=\"legend\" aria-label=\"Colours\">\n";
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const bool bad = static_cast<Kind>(kind) == Kind::Bad;
        out += fmt::format(
            "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><path "
            "class=\"k-{}\" d=\"{}\"/></svg>{}</li>\n",
            kind_name(static_cast<Kind>(kind)), bad ? "M6 0l6 12h-12z" : "M0 1h12v10h-12z",
            kind_meaning(static_cast<Kind>(kind)));
    }
    return out + "</ul>\n";
}

}  // namespace ioasim::tools::report
