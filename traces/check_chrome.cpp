// Reads a Chrome trace back: an array, an object a line, so that a file of any size is read in
// little memory.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/base/time.hpp"
#include "traces/trace_check.hpp"

namespace ioasim::traces {
namespace {

using nlohmann::json;

class ChromeCheck {
public:
    CheckResult run(std::istream& in) {
        std::string text;
        bool closed = false;
        while (problem_.empty() && std::getline(in, text)) {
            ++line_;
            if (line_ == 1) {
                say(text == "[", "a trace is an array: the first line is [");
            } else if (text == "]") {
                closed = true;
            } else if (!text.empty()) {
                say(!closed, "something follows the end of the array");
                say(wants_more_ || line_ == 2, "a comma is missing before this line");
                read_line(text);
            }
        }
        say(line_ != 0, "the file is empty");
        say(!closed || !wants_more_, "a comma stands before the end of the array");
        for (const auto& [track, open] : tracks_) {
            say(!closed || open.names.empty(), "a slice has no end");
        }
        if (!problem_.empty()) {
            return {problem_, at_, {}};
        }
        return {{},
                0,
                fmt::format("{} events, {} tracks, {} flows up to {} us{}", events_, tracks_.size(),
                            flows_, last_ / kPsOfUs, closed ? "" : ", without an end")};
    }

private:
    static constexpr std::uint64_t kPsOfUs = 1'000'000;
    struct Track {
        std::vector<std::string> names;  // of open slices
        std::uint64_t last = 0;
    };

    void say(bool good, const std::string& problem) {
        if (!good && problem_.empty()) {
            problem_ = problem;
            at_ = line_;
        }
    }

    void read_line(std::string text) {
        wants_more_ = text.back() == ',';
        if (wants_more_) {
            text.pop_back();
        }
        const json event = json::parse(text, nullptr, false);
        say(event.is_object(), "not a JSON object");
        if (!event.is_object()) {
            return;
        }
        ++events_;
        const std::string phase = event.value("ph", "");
        const bool placed = event.contains("pid") && event["pid"].is_number_unsigned() &&
                            event.contains("tid") && event["tid"].is_number_unsigned();
        say(placed, "an event needs pid and tid");
        say(event.contains("name") && event["name"].is_string(), "an event needs a name");
        std::uint64_t time = 0;
        say(time_of(event, text, "ts", time), "an event needs ts, in microseconds");
        if (!problem_.empty()) {
            return;
        }
        last_ = std::max(last_, time);
        const auto track =
            std::pair(event["pid"].get<std::uint64_t>(), event["tid"].get<std::uint64_t>());
        if (phase == "M") {
            metadata(event, track);
        } else if (phase == "B" || phase == "E") {
            say(named_.count(track) != 0, "the track has no name yet");
            slice(tracks_[track], time, phase == "B", event["name"].get<std::string>());
        } else if (phase == "i") {
            say(event.value("s", "") == "t", "an instant needs a scope");
            say(named_.count(track) != 0, "the track has no name yet");
        } else if (phase == "C") {
            say(event.contains("args") && event["args"].is_object(), "a counter needs args");
        } else if (phase == "s" || phase == "t" || phase == "f") {
            flow(event, phase);
        } else {
            say(false, fmt::format("phase \"{}\" is none that we write", phase));
        }
    }

    // Picoseconds: digits, a point, six digits; read from the text, where nothing is rounded.
    static bool time_of(const json& event, const std::string& text, const std::string& key,
                        std::uint64_t& ps) {
        if (!event.contains(key) || !event[key].is_number()) {
            return false;
        }
        const std::string start = "\"" + key + "\":";
        std::size_t at = text.find(start);
        bool point = false;
        std::size_t decimals = 0;
        ps = 0;
        for (at += start.size(); at < text.size() && text[at] != ',' && text[at] != '}'; ++at) {
            if (text[at] == '.' && !point) {
                point = true;
            } else if (text[at] >= '0' && text[at] <= '9') {
                ps = ps * 10 + static_cast<std::uint64_t>(text[at] - '0');
                decimals += point ? 1 : 0;
            } else {
                return false;
            }
        }
        for (; decimals < 6; ++decimals) {
            ps *= 10;
        }
        return decimals == 6;
    }

    void metadata(const json& event, const std::pair<std::uint64_t, std::uint64_t>& track) {
        say(event.contains("args") && event["args"].is_object(), "metadata needs args");
        const std::string name = event["name"].get<std::string>();
        if (name == "thread_name") {
            say(named_.count({track.first, 0}) != 0, "the track's group has no name yet");
        }
        if (name == "thread_name" || name == "process_name") {
            say(named_.insert(track).second, "the track has a name already");
        }
    }

    void flow(const json& event, const std::string& phase) {
        const std::string id = event.value("id", "");
        say(!id.empty(), "a flow needs an id");
        const bool begun = open_flows_.count(id) != 0;
        say(begun != (phase == "s"),
            begun ? "a flow begins that goes on already" : "a flow goes on that has not begun");
        if (phase == "s") {
            ++flows_;
            open_flows_.insert(id);
        } else if (phase == "f") {
            open_flows_.erase(id);
        }
    }

    // Slices of a track nest: the one that began last ends first.
    void slice(Track& track, std::uint64_t time, bool begins, const std::string& name) {
        say(time >= track.last, "the time is before that of the line before on this track");
        track.last = time;
        if (begins) {
            track.names.push_back(name);
        } else if (track.names.empty() || track.names.back() != name) {
            say(false,
                fmt::format("\"{}\" ends where {} is open", name,
                            track.names.empty() ? "nothing" : "\"" + track.names.back() + "\""));
        } else {
            track.names.pop_back();
        }
    }

    std::string problem_;
    std::size_t at_ = 0;
    std::size_t line_ = 0;
    bool wants_more_ = false;
    std::uint64_t events_ = 0;
    std::uint64_t flows_ = 0;
    std::uint64_t last_ = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> named_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, Track> tracks_;
    std::set<std::string> open_flows_;
};

}  // namespace

CheckResult check_chrome(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return {std::strerror(errno), 0, {}};
    }
    return ChromeCheck().run(file);
}

}  // namespace ioasim::traces
