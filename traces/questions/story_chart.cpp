// A story as a sequence chart in ASCII, narrow enough to be quoted in a mail: a column for each
// party that takes part, time at the left, an arrow for each message.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "traces/questions/causes.hpp"
#include "traces/questions/story.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kWidth = 72;
constexpr std::size_t kTimeWidth = 11;
constexpr std::size_t kRoles = static_cast<std::size_t>(Role::kCount);
constexpr std::array<const char*, kRoles> kNames = {"app",    "guest", "VMM",   "host", "KVM",
                                                    "IOASID", "VDCM",  "IOMMU", "",     "memory"};

std::size_t index_of(Role role) {
    return static_cast<std::size_t>(role);
}

std::string ascii(std::string text) {
    for (char& c : text) {
        const bool printable = c >= ' ' && c <= '~';
        c = printable ? c : '?';
    }
    return text;
}

class Chart {
public:
    explicit Chart(const Story& story) : story_(story) {
        for (const Moment& m : story.moments) {
            if (m.from && m.to) {
                used_[index_of(*m.from)] = used_[index_of(*m.to)] = true;
            }
        }
        const auto count = static_cast<std::size_t>(std::count(used_.begin(), used_.end(), true));
        const std::size_t room = kWidth - kTimeWidth;
        constexpr std::size_t kWidest = 14;
        step_ = count == 0 ? room : std::min(kWidest, room / count);
        std::size_t at = kTimeWidth + step_ / 2;
        for (std::size_t role = 0; role < kRoles; ++role) {
            if (used_[role]) {
                column_[role] = at;
                at += step_;
            }
        }
    }

    std::string draw() {
        put_line(ascii(story_.title));
        for (const std::string& answer : story_.answers) {
            wrap("  " + ascii(answer));
        }
        out_ += "\n";
        head();
        for (const Moment& m : story_.moments) {
            if (m.from && m.to) {
                message(m);
            }
        }
        put_line(bars());
        return out_;
    }

private:
    void put_line(std::string line) {
        line.resize(std::min(line.size(), kWidth));
        line.erase(line.find_last_not_of(' ') + 1);
        out_ += line + "\n";
    }
    void wrap(std::string text) {
        while (text.size() > kWidth) {
            std::size_t cut = text.rfind(' ', kWidth);
            cut = cut == std::string::npos || cut < 4 ? kWidth : cut;
            put_line(text.substr(0, cut));
            text = "    " + text.substr(std::min(text.find_first_not_of(' ', cut), text.size()));
        }
        put_line(text);
    }
    std::string bars() const {
        std::string line(kWidth, ' ');
        for (std::size_t role = 0; role < kRoles; ++role) {
            if (used_[role]) {
                line[column_[role]] = '|';
            }
        }
        return line;
    }
    static void write(std::string& line, std::size_t at, const std::string& text) {
        for (std::size_t i = 0; i < text.size() && at + i < kWidth; ++i) {
            line[at + i] = text[i];
        }
    }
    void head() {
        std::string line(kWidth, ' ');
        write(line, 0, "    time us");
        for (std::size_t role = 0; role < kRoles; ++role) {
            if (used_[role]) {
                std::string name =
                    role == index_of(Role::Device) ? ascii(story_.device) : kNames[role];
                if (name.size() >= step_ && role == index_of(Role::Core)) {
                    name = "core";
                }
                name.resize(std::min(name.size(), step_ - 1));
                write(line, column_[role] - name.size() / 2, name);
            }
        }
        put_line(line);
        put_line(bars());
    }

    static std::string time_of(const Moment& m) {
        std::string text = story_time(m.time);
        text.resize(text.size() - 3);  // the unit stands in the head
        return fmt::format("{:>{}}", text, kTimeWidth - 1);
    }

    void message(const Moment& m) {
        const std::string label = ascii(m.label);
        const std::size_t from = column_[index_of(*m.from)];
        const std::size_t to = column_[index_of(*m.to)];
        std::string line = bars();
        write(line, 0, time_of(m));
        if (from == to) {
            line[from] = m.alarm ? '!' : '*';
            beside(line, from, from, label);
            put_line(line);
            return;
        }
        const std::size_t left = std::min(from, to);
        const std::size_t right = std::max(from, to);
        for (std::size_t at = left + 1; at < right; ++at) {
            line[at] = '-';
        }
        line[to > from ? right - 1 : left + 1] = to > from ? '>' : '<';
        const std::size_t room = right - left - 1;
        if (label.size() + 4 <= room) {
            write(line, left + 1 + (room - label.size()) / 2, label);
        } else {
            beside(line, left, right, label);
        }
        put_line(line);
    }
    // Right of what is drawn; left of it where there is more room.
    static void beside(std::string& line, std::size_t left, std::size_t right,
                       const std::string& label) {
        const std::size_t room_left = left > kTimeWidth + 1 ? left - kTimeWidth - 1 : 0;
        const std::size_t room_right = kWidth > right + 2 ? kWidth - right - 2 : 0;
        if (label.size() > room_right && room_left > room_right) {
            const std::string cut = label.substr(0, room_left);
            write(line, left - 1 - cut.size(), cut);
            return;
        }
        write(line, right + 2, label);
        const std::size_t behind = right + 2 + label.size();
        if (behind < kWidth && line[behind] == '|') {
            line[behind] = ' ';
        }
    }

    const Story& story_;
    std::array<bool, kRoles> used_{};
    std::array<std::size_t, kRoles> column_{};
    std::size_t step_ = 1;
    std::string out_;
};

}  // namespace

std::string story_chart(const Story& story) {
    return Chart(story).draw();
}

}  // namespace ioasim::traces
