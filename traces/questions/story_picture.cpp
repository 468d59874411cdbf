// The state diagram of an IOASID with the way that one life took through it.
#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "traces/questions/causes.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kWidth = 72;

// The transitions that there are (ioasid.c: ioasid_state, and the life that the documentation
// tells).
enum Way : std::size_t { Alloc, FirstGet, LastPut, FreeIdle, FreeInUse, Reclaim, kWays };
struct WayInfo {
    const char* from;
    const char* to;
};
constexpr std::array<WayInfo, kWays> kWayInfos = {{{"FREE", "IDLE"},
                                                   {"IDLE", "ACTIVE"},
                                                   {"ACTIVE", "IDLE"},
                                                   {"IDLE", "FREE"},
                                                   {"ACTIVE", "FREE_PENDING"},
                                                   {"FREE_PENDING", "FREE"}}};

std::size_t way_of(const StateChange& change) {
    for (std::size_t way = 0; way < kWays; ++way) {
        if (change.from == kWayInfos[way].from && change.to == kWayInfos[way].to) {
            return way;
        }
    }
    return kWays;
}

// "1", "2,4", "2,4..": the numbers of the changes that went this way, in so many characters.
std::array<std::string, kWays> numbers_of(const Story& story, std::size_t room) {
    std::array<std::string, kWays> out;
    std::array<bool, kWays> full{};
    for (std::size_t i = 0; i < story.states.size(); ++i) {
        const std::size_t way = way_of(story.states[i]);
        if (way == kWays || full[way]) {
            continue;
        }
        const std::string next = (out[way].empty() ? "" : ",") + fmt::format("{}", i + 1);
        if (out[way].size() + next.size() + 2 > room) {
            out[way] += "..";
            full[way] = true;
        } else {
            out[way] += next;
        }
    }
    return out;
}

// A line with the numbers in its middle: '=' where the life went, '.' where not.
std::string edge(const std::string& numbers, std::size_t length) {
    std::string line(length, numbers.empty() ? '.' : '=');
    line.replace((length - numbers.size()) / 2, numbers.size(), numbers);
    return line;
}

std::string times_in_states(const Story& story) {
    std::map<std::string, TimePs> spent;
    for (std::size_t i = 0; i < story.states.size(); ++i) {
        const bool last = i + 1 == story.states.size();
        const TimePs until =
            last ? std::max(story.end, story.states[i].time) : story.states[i + 1].time;
        if (story.states[i].to != "FREE") {
            spent[story.states[i].to] += until - story.states[i].time;
        }
    }
    std::string out;
    for (const auto& [state, time] : spent) {
        out += fmt::format("{}{} for {}", out.empty() ? "" : ", ", state, story_span(time));
    }
    return out;
}

std::string cut(std::string line) {
    line.resize(std::min(line.size(), kWidth));
    return line + "\n";
}

// Words over several lines, all but the first indented.
std::vector<std::string> broken(std::string text, std::size_t width, std::size_t indent) {
    std::vector<std::string> out;
    while (text.size() > width) {
        std::size_t at = text.rfind(' ', width);
        at = at == std::string::npos || at <= indent ? width : at;
        out.push_back(text.substr(0, at));
        const std::size_t rest = text.find_first_not_of(' ', at);
        text = std::string(indent, ' ') + (rest == std::string::npos ? "" : text.substr(rest));
    }
    out.push_back(std::move(text));
    return out;
}
std::string wrapped(std::string text, std::size_t indent) {
    std::string out;
    for (const std::string& line : broken(std::move(text), kWidth, indent)) {
        out += line + "\n";
    }
    return out;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        out += c == '&'   ? std::string("&amp;")
               : c == '<' ? std::string("&lt;")
               : c == '>' ? std::string("&gt;")
               : c == '"' ? std::string("&quot;")
                          : std::string(1, c);
    }
    return out;
}

std::string text_at(int x, int y, const std::string& text, const char* how) {
    return fmt::format("<text x=\"{}\" y=\"{}\" {}>{}</text>\n", x, y, how, escaped(text));
}

}  // namespace

std::string story_states(const Story& story) {
    constexpr std::size_t kRoom = 11;
    const auto n = numbers_of(story, kRoom);
    const auto side = [&](Way way) { return n[way].empty() ? '.' : '#'; };
    std::string out = cut(story.title) + "\n";
    constexpr std::size_t kAcross = 14;  // between two boxes
    constexpr std::size_t kBelow = 15;
    out += "  +------+     alloc     +------+   first get   +--------+\n";
    out += fmt::format("  |      |{}>|      |{}>|        |\n", edge(n[Alloc], kAcross),
                       edge(n[FirstGet], kAcross));
    out += "  | FREE |               | IDLE |               | ACTIVE |\n";
    out += fmt::format("  |      |<{}|      |<{}|        |\n", edge(n[FreeIdle], kAcross),
                       edge(n[LastPut], kAcross));
    out += "  +------+     free      +------+   last put    +--------+\n";
    out +=
        fmt::format("      ^                                               {}\n", side(FreeInUse));
    out += fmt::format("      {}               +--------------+               {}\n", side(Reclaim),
                       side(FreeInUse));
    out += fmt::format("      {}{}| FREE_PENDING |<{}{}\n", side(Reclaim), edge(n[Reclaim], kBelow),
                       edge(n[FreeInUse], kBelow - 1), side(FreeInUse));
    out += "          last put     +--------------+      free\n\n";
    for (std::size_t i = 0; i < story.states.size(); ++i) {
        const StateChange& s = story.states[i];
        const bool known = way_of(s) != kWays;
        const std::string number = known ? fmt::format("{:>3}", i + 1) : std::string("  !");
        out +=
            wrapped(fmt::format("{}{}{}  {} -> {}{}{}", number, known ? "  " : " ",
                                story_time(s.time), s.from, s.to, known ? "" : ": no way of an ID",
                                s.why.empty() ? "" : ", " + s.why),
                    7);
    }
    const std::string times = times_in_states(story);
    return times.empty() ? out : out + "\n" + wrapped("  " + times, 4);
}

std::string story_svg(const Story& story) {
    constexpr std::size_t kRoom = 20;
    const auto n = numbers_of(story, kRoom);
    constexpr int kLine = 18;
    constexpr int kTop = 300;                        // of the list
    std::vector<std::pair<std::string, bool>> list;  // lines, and whether they are right
    for (std::size_t i = 0; i < story.states.size(); ++i) {
        const StateChange& s = story.states[i];
        const bool known = way_of(s) != kWays;
        const std::string text =
            fmt::format("{}  {}  {} -> {}{}{}", i + 1, story_time(s.time), s.from, s.to,
                        known ? "" : ": no way of an ID", s.why.empty() ? "" : ", " + s.why);
        constexpr std::size_t kLetters = 140;
        for (std::string& line : broken(text, kLetters, 4)) {
            list.emplace_back(std::move(line), known);
        }
    }
    const int height = kTop + kLine * (static_cast<int>(list.size()) + 2);
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{0}\" viewBox=\"0 0 900 "
        "{0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n"
        "<rect width=\"900\" height=\"{0}\" fill=\"#ffffff\"/>\n"
        "<defs><marker id=\"on\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" "
        "orient=\"auto\"><path d=\"M0,0 L9,4 L0,8 z\" fill=\"#1f5fa8\"/></marker>"
        "<marker id=\"off\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" "
        "orient=\"auto\"><path d=\"M0,0 L9,4 L0,8 z\" fill=\"#bbbbbb\"/></marker></defs>\n",
        height);
    out += text_at(30, 32, story.title, "font-size=\"16\" font-weight=\"bold\"");
    const auto arrow = [&](Way way, const std::string& path, int x, int y, const char* word) {
        const bool on = !n[way].empty();
        out += fmt::format(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" "
            "marker-end=\"url(#{})\"/>\n",
            path, on ? "#1f5fa8" : "#bbbbbb", on ? 2 : 1, on ? "on" : "off");
        out += text_at(x, y, on ? n[way] + ": " + word : std::string(word),
                       on ? "text-anchor=\"middle\" fill=\"#1f5fa8\""
                          : "text-anchor=\"middle\" fill=\"#999999\"");
    };
    arrow(Alloc, "M150,88 L348,88", 250, 80, "alloc");
    arrow(FreeIdle, "M350,122 L152,122", 250, 139, "free");
    arrow(FirstGet, "M470,88 L668,88", 570, 80, "first get");
    arrow(LastPut, "M670,122 L472,122", 570, 139, "last put");
    arrow(FreeInUse, "M730,135 L730,230 L492,230", 620, 222, "free");
    arrow(Reclaim, "M330,230 L90,230 L90,137", 220, 222, "last put");
    const auto box = [&](int x, int y, int width, const char* name) {
        const bool visited =
            std::any_of(story.states.begin(), story.states.end(),
                        [name](const StateChange& s) { return s.to == name || s.from == name; });
        out += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"60\" rx=\"8\" fill=\"{}\" "
            "stroke=\"#555555\"/>\n",
            x, y, width, visited ? "#e1ecf8" : "#f4f4f4");
        out += text_at(x + width / 2, y + 35, name, "text-anchor=\"middle\" font-weight=\"bold\"");
    };
    box(30, 75, 120, "FREE");
    box(350, 75, 120, "IDLE");
    box(670, 75, 120, "ACTIVE");
    box(330, 200, 160, "FREE_PENDING");
    int y = kTop;
    for (const auto& [line, known] : list) {
        out += text_at(30, y, line,
                       known ? "font-size=\"11\" xml:space=\"preserve\""
                             : "font-size=\"11\" xml:space=\"preserve\" fill=\"#b00020\"");
        y += kLine;
    }
    out += text_at(30, y + kLine / 2, times_in_states(story), "font-size=\"12\"");
    return out + "</svg>\n";
}

}  // namespace ioasim::traces
