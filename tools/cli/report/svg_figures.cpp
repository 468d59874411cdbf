#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/html.hpp"

namespace ioasim::tools::report {
namespace {

constexpr double kWidth = 600;
constexpr double kHeight = 180;
constexpr double kLeft = 40;
constexpr double kBottom = 20;

struct Frame {
    std::uint64_t begin;  // of the time
    std::uint64_t end;
    std::uint64_t most;  // of the values
    double x(std::uint64_t ps) const {
        return kLeft + static_cast<double>(ps - begin) /
                           static_cast<double>(std::max<std::uint64_t>(1, end - begin)) *
                           (kWidth - kLeft - 15);
    }
    double y(std::uint64_t value) const {
        return kHeight - kBottom -
               static_cast<double>(value) / static_cast<double>(std::max<std::uint64_t>(1, most)) *
                   (kHeight - kBottom - 12);
    }
};

std::string step_path(const Series& series, const Frame& frame) {
    std::string path = fmt::format("M{:.1f} {:.1f}", frame.x(frame.begin), frame.y(0));
    for (const Series::Point& point : series.points()) {
        path += fmt::format("H{:.1f}V{:.1f}", frame.x(point.time), frame.y(point.high));
        if (point.last != point.high) {
            path += fmt::format("V{:.1f}", frame.y(point.last));
        }
    }
    return path + fmt::format("H{:.1f}", frame.x(frame.end));
}

std::string grid(const Frame& frame) {
    std::string out;
    for (const std::uint64_t time : axis_times(frame.begin, frame.end, 5)) {
        out += fmt::format(
            "<path class=\"g\" d=\"M{0:.1f} 8V{1}\"/><text class=\"m\" x=\"{0:.1f}\" "
            "y=\"{2}\" text-anchor=\"middle\">{3}</text>\n",
            frame.x(time), kHeight - kBottom, kHeight - 6, axis_label(time));
    }
    for (const std::uint64_t value : {std::uint64_t{0}, frame.most}) {
        out += fmt::format(
            "<path class=\"g\" d=\"M{0} {1:.1f}H{2}\"/><text class=\"m\" x=\"{3}\" "
            "y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
            kLeft, frame.y(value), kWidth - 15, kLeft - 5, frame.y(value) + 4, value);
    }
    return out;
}

// A histogram over the logarithm of time: 8 columns for each factor of ten.
struct Columns {
    static constexpr double kPerDecade = 8;
    long first = 0;
    std::vector<std::uint64_t> counts;

    static long column(std::uint64_t ps) {
        return std::lround(std::floor(
            std::log10(static_cast<double>(std::max<std::uint64_t>(1, ps))) * kPerDecade));
    }
    static std::uint64_t lower(long column) {
        return static_cast<std::uint64_t>(
            std::llround(std::pow(10.0, static_cast<double>(column) / kPerDecade)));
    }
};

Columns columns_of(const traces::Latency& latency) {
    Columns out;
    out.first = Columns::column(latency.min().ps());
    const long last = Columns::column(latency.max().ps());
    out.counts.resize(static_cast<std::size_t>(last - out.first + 1));
    for (const auto& [value, times] : latency.counts()) {
        const long at = std::clamp(Columns::column(value), out.first, last);
        out.counts[static_cast<std::size_t>(at - out.first)] += times;
    }
    return out;
}

}  // namespace

std::string series_svg(const std::vector<const Series*>& series, const std::string& title,
                       std::uint64_t begin, std::uint64_t end) {
    Frame frame{begin, end, 1};
    for (const Series* one : series) {
        frame.most = std::max(frame.most, one->highest());
    }
    std::string lines;
    std::string legend = "<ul class=\"legend\">\n";
    for (std::size_t i = 0; i < std::min(series.size(), kSeriesShown); ++i) {
        lines +=
            fmt::format("<path class=\"line s{}\" d=\"{}\"/>\n", i, step_path(*series[i], frame));
        legend += fmt::format(
            "<li><svg width=\"16\" height=\"10\" aria-hidden=\"true\"><path "
            "class=\"line s{}\" d=\"M0 5H16\"/></svg>{} (at most {})</li>\n",
            i, escape(series[i]->name()), series[i]->highest());
    }
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
               "viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2} over time\">\n",
               kWidth, kHeight, title) +
           grid(frame) + lines + "</svg>\n" + legend + "</ul>\n";
}

std::string histogram_svg(const traces::Latency& latency, const std::string& title) {
    constexpr double kBarWidth = 300;
    constexpr double kBarHeight = 90;
    const Columns columns = columns_of(latency);
    const std::uint64_t most = *std::max_element(columns.counts.begin(), columns.counts.end());
    const double width = std::min(40.0, kBarWidth / static_cast<double>(columns.counts.size()));
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"320\" height=\"118\" viewBox=\"0 0 320 "
        "118\" role=\"img\" aria-label=\"{}: how often each latency occurred, from {} to {}\">\n",
        escape(title), time_text(latency.min().ps()), time_text(latency.max().ps()));
    for (std::size_t i = 0; i < columns.counts.size(); ++i) {
        if (columns.counts[i] == 0) {
            continue;
        }
        const double height = std::max(
            2.0, static_cast<double>(columns.counts[i]) / static_cast<double>(most) * kBarHeight);
        const long column = columns.first + static_cast<long>(i);
        out += fmt::format(
            "<g><title>{} from {} to {}</title><rect class=\"bar\" x=\"{:.1f}\" "
            "y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/></g>\n",
            plural(columns.counts[i], "time"), time_text(Columns::lower(column)),
            time_text(Columns::lower(column + 1)), 10 + static_cast<double>(i) * width, 98 - height,
            std::max(1.0, width - 1.5), height);
    }
    const double right = 10 + width * static_cast<double>(columns.counts.size());
    out += "<path class=\"l\" d=\"M10 98.5H310\"/>\n";
    if (latency.min() == latency.max()) {
        return out + fmt::format("<text class=\"m\" x=\"10\" y=\"113\">{}</text></svg>\n",
                                 time_text(latency.min().ps()));
    }
    return out + fmt::format(
                     "<text class=\"m\" x=\"10\" y=\"113\">{}</text><text class=\"m\" "
                     "x=\"{:.1f}\" y=\"113\" text-anchor=\"end\">{}</text></svg>\n",
                     time_text(latency.min().ps()), std::max(right, 150.0),
                     time_text(latency.max().ps()));
}

std::string share_svg(std::uint64_t part, std::uint64_t whole, const char* css_class) {
    const double width = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
    return fmt::format(
        "<svg width=\"120\" height=\"10\" aria-hidden=\"true\"><path class=\"l\" "
        "d=\"M0 5H120\"/><rect class=\"{}\" width=\"{:.1f}\" height=\"10\"/></svg>",
        css_class, part == 0 ? 0 : std::max(2.0, width * 120));
}

}  // namespace ioasim::tools::report
