#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/html.hpp"

namespace ioasim::tools::report {
namespace {

constexpr double kLabels = 150;
constexpr double kPlot = 720;
constexpr double kRow = 18;
constexpr double kTop = 40;  // numbers of the marks, and the axis

const char* state_class(const std::string& state) {
    return state == "ACTIVE" ? "k-active" : state == "FREE_PENDING" ? "k-pending" : "k-idle";
}

class LifePicture {
public:
    explicit LifePicture(const Life& life)
        : life_(life),
          span_(static_cast<double>(std::max<std::uint64_t>(1, life.end - life.begin))) {}

    std::string text() {
        label("state");
        for (const Life::Span& state : life_.states) {
            bar(state, state_class(state.name), state.name);
        }
        top_ += kRow;
        // A holder that comes again stays in its row.
        for (std::size_t i = 0; i < life_.holders.size(); ++i) {
            const std::string& holder = life_.holders[i].name;
            const auto same = [&holder](const Life::Span& s) { return s.name == holder; };
            const auto first = life_.holders.begin();
            if (std::any_of(first, first + static_cast<std::ptrdiff_t>(i), same)) {
                continue;
            }
            label(holder);
            for (const Life::Span& span : life_.holders) {
                if (same(span)) {
                    bar(span, "k-work",
                        span.most > 1 ? fmt::format("{} at a time", span.most) : "");
                }
            }
            top_ += kRow;
        }
        return frame(axis() + body_ + marks());
    }

private:
    double x(std::uint64_t ps) const {
        return kLabels + static_cast<double>(ps - life_.begin) / span_ * kPlot;
    }
    void label(const std::string& text) {
        body_ += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
                             kLabels - 8, top_ + 12, escape(text));
    }
    void bar(const Life::Span& span, const char* css, const std::string& text) {
        const double left = x(span.begin);
        const double width = std::max(1.5, x(span.end) - left);
        body_ += fmt::format(
            "<g><title>{}: {} to {}{}</title><rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" "
            "width=\"{:.1f}\" height=\"{}\"/></g>\n",
            escape(span.name), time_text(span.begin), time_text(span.end),
            span.open ? ", not ended" : "", css, left, top_, width, kRow - 4);
        const double needed = 7.5 * static_cast<double>(text.size());
        if (!text.empty() && needed < width) {
            // Dark or light enough on every colour that a bar can have: a plate of background.
            body_ += fmt::format(
                "<rect class=\"plate\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" "
                "rx=\"2\"/><text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                left + 3, top_ + 1.5, needed, kRow - 7, left + 6, top_ + 11, escape(text));
        }
    }
    std::string axis() const {
        std::string out;
        for (const std::uint64_t time : axis_times(life_.begin, life_.end, 6)) {
            out += fmt::format(
                "<path class=\"g\" d=\"M{0:.1f} {1}V{2:.1f}\"/><text class=\"m\" "
                "x=\"{0:.1f}\" y=\"12\" text-anchor=\"middle\">{3}</text>\n",
                x(time), 16, top_, axis_label(time));
        }
        return out;
    }
    // Numbered as in the list beside the picture; the ones that lie close stand one above another.
    std::string marks() const {
        std::string out;
        std::array<double, 2> used{-1e9, -1e9};
        for (std::size_t i = 0; i < life_.marks.size(); ++i) {
            const double at = x(life_.marks[i].time);
            const std::size_t row = at - used[0] < 15 ? 1 : 0;
            const bool room = at - used[row] >= 15;
            used[row] = room ? at : used[row];
            out +=
                fmt::format("<g><title>{}: {}</title><path class=\"l\" d=\"M{:.1f} {}V{:.1f}\"/>",
                            i + 1, escape(life_.marks[i].text), at, kTop - 4, top_);
            if (room) {
                out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                                   at, row == 0 ? kTop - 6 : kTop - 16, i + 1);
            }
            out += "</g>\n";
        }
        return out;
    }
    std::string frame(const std::string& body) const {
        return fmt::format(
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                   "viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"States and holders of {2} "
                   "over time; the list tells the marks\">\n",
                   kLabels + kPlot + 30, top_ + 6, escape(life_.name())) +
               body + "</svg>\n";
    }

    const Life& life_;
    double span_;
    double top_ = kTop;
    std::string body_;
};

// The states in the order in which an ID goes through them; it begins and ends free.
constexpr std::array<const char*, 5> kNodes{"FREE", "IDLE", "ACTIVE", "FREE_PENDING", "FREE"};
constexpr double kStep = 175;
constexpr double kMiddle = 62;

std::size_t node_of(const std::string& state) {
    const auto* found = std::find(kNodes.begin() + 1, kNodes.end(), state);
    return static_cast<std::size_t>(found - kNodes.begin());
}

struct Edge {
    std::size_t from;
    std::size_t to;
    std::uint64_t first;  // picoseconds
    unsigned times;
};

std::vector<Edge> edges_of(const Life& life) {
    std::vector<Edge> edges;
    const auto go = [&edges](std::size_t from, std::size_t to, std::uint64_t time) {
        for (Edge& edge : edges) {
            if (edge.from == from && edge.to == to) {
                ++edge.times;
                return;
            }
        }
        edges.push_back({from, to, time, 1});
    };
    std::size_t at = 0;
    for (const Life::Span& state : life.states) {
        const std::size_t next = node_of(state.name);
        go(at, next, state.begin);
        at = next;
    }
    if (life.reclaimed) {
        go(at, kNodes.size() - 1, life.end);
    }
    return edges;
}

double node_x(std::size_t node) {
    return 50 + static_cast<double>(node) * kStep;
}

// Neighbours are joined by a line, others by an arc: forward above, backward below.
std::string edge_svg(const Edge& edge) {
    const bool back = edge.to < edge.from;
    const bool next = edge.to == edge.from + 1;
    const double side = back ? -1 : 1;
    const double from = node_x(edge.from) + (next ? 52 : 20) * side;
    const double to = node_x(edge.to) - (next ? 55 : 20) * side;
    const double y = next ? kMiddle : back ? kMiddle + 14 : kMiddle - 14;
    const double bend = next ? 0 : back ? 30 : -30;
    const double middle = (from + to) / 2;
    std::string out = fmt::format(
        "<path class=\"edge\" d=\"M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}\" "
        "marker-end=\"url(#arrow)\"/>",
        from, y, middle, y + 2 * bend, to, y);
    return out + fmt::format(
                     "<text class=\"m\" x=\"{:.1f}\" y=\"{:.1f}\" "
                     "text-anchor=\"middle\">{}{}</text>\n",
                     middle, next ? y - 6 : y + bend + (back ? 10 : -4), time_text(edge.first),
                     edge.times > 1 ? fmt::format(", {} times", edge.times) : "");
}

}  // namespace

std::string life_svg(const Life& life) {
    return LifePicture(life).text();
}

std::string state_graph_svg(const Life& life) {
    std::array<bool, kNodes.size()> seen{true};
    std::string edges;
    for (const Edge& edge : edges_of(life)) {
        seen[edge.to] = true;
        edges += edge_svg(edge);
    }
    std::string nodes;
    for (std::size_t i = 0; i < kNodes.size(); ++i) {
        nodes += fmt::format(
            "<rect class=\"node{}\" x=\"{:.1f}\" y=\"{}\" width=\"100\" height=\"26\" rx=\"13\"/>"
            "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            seen[i] ? " seen" : "", node_x(i) - 50, kMiddle - 13, node_x(i), kMiddle + 4,
            kNodes[i]);
    }
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"128\" "
               "viewBox=\"-5 0 810 128\" role=\"img\" aria-label=\"States that {} went "
               "through\">\n",
               escape(life.name())) +
           nodes + edges + "</svg>\n";
}

}  // namespace ioasim::tools::report
