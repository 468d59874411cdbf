#include "tools/cli/conform/conform_ioasid.hpp"

#include <algorithm>
#include <exception>
#include <ostream>

#include <nlohmann/json.hpp>

#include "tools/cli/conform/ioasid_replay.hpp"
#include "tools/cli/conform/line_file.hpp"

namespace ioasim::tools {

using nlohmann::json;

namespace {

constexpr std::size_t kContextLines = 4;
constexpr std::size_t kShownCharacters = 400;

struct Totals {
    std::uint64_t files = 0;
    std::uint64_t operations = 0;
    std::uint64_t mismatches = 0;
    std::uint64_t skipped = 0;
};

// A file that cannot be replayed, with the line.
struct Unreadable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// In mix "big" one entry stands for id..to, all alike.
json expand_ids(const json& ids) {
    json all = json::array();
    for (const json& entry : ids) {
        const auto first = entry.at("id").get<std::uint64_t>();
        const std::uint64_t last = entry.value("to", first);
        json one = entry;
        one.erase("to");
        for (std::uint64_t id = first; id <= last; ++id) {
            one["id"] = id;
            all.push_back(one);
        }
    }
    return all;
}

json expand_snapshot(json op) {
    if (!op.contains("sets")) {
        return op;
    }
    for (json& set : op["sets"]) {
        set["ids"] = expand_ids(set.at("ids"));
    }
    return op;
}

// What is wrong with one operation, or an empty string. Keys of `got` that the recording does not
// have were not recorded for this operation, except those that are left out when empty.
std::string difference(const json& op, const json& got) {
    for (const auto& [key, value] : op.items()) {
        const auto found = got.find(key);
        if (found != got.end() && *found != value) {
            return key + ": recorded " + value.dump() + ", here " + found->dump();
        }
    }
    for (const char* key : {"gone", "prov"}) {
        if (!op.contains(key) && got.contains(key) && !got.at(key).empty()) {
            return std::string(key) + ": recorded none, here " + got.at(key).dump();
        }
    }
    for (const char* key : {"ret", "events", "after", "available", "sets", "ids"}) {
        if (op.contains(key) && !got.contains(key)) {
            return std::string(key) + ": recorded " + op.at(key).dump() + ", here not told";
        }
    }
    return {};
}

std::string shortened(const std::string& text) {
    return text.size() <= kShownCharacters ? text : text.substr(0, kShownCharacters) + " ...";
}

void show_context(std::ostream& out, const std::vector<std::string>& lines, std::size_t at) {
    const std::size_t first = at > kContextLines ? at - kContextLines : 1;
    for (std::size_t i = first; i <= at; ++i) {
        out << (i == at ? "  > " : "    ") << shortened(lines[i]) << '\n';
    }
}

json parse(const std::string& line, std::size_t number) {
    try {
        return json::parse(line);
    } catch (const json::exception& error) {
        throw Unreadable("line " + std::to_string(number + 1) + ": " + error.what());
    }
}

void replay_file(const std::string& path, Totals& totals, std::ostream& out) {
    std::vector<std::string> lines;
    std::string reason;
    if (!read_lines(path, lines, reason)) {
        throw Unreadable(reason);
    }
    if (lines.empty()) {
        throw Unreadable("empty file");
    }
    std::unique_ptr<IoasidReplay> replay;
    try {
        replay = std::make_unique<IoasidReplay>(parse(lines[0], 0));
    } catch (const Unreadable&) {
        throw;
    } catch (const std::exception& error) {
        throw Unreadable(std::string("line 1: ") + error.what());
    }
    std::uint64_t operations = 0;
    std::uint64_t mismatches = 0;
    std::uint64_t skipped = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        if (lines[i].empty()) {
            continue;
        }
        const json op = expand_snapshot(parse(lines[i], i));
        ++operations;
        json got;
        std::string wrong;
        try {
            if (!replay->perform(op, got)) {
                ++skipped;
                out << path << ": line " << i + 1 << ": unknown operation "
                    << shortened(op.at("op").dump()) << ", skipped\n";
                continue;
            }
            wrong = difference(op, got);
        } catch (const json::exception& error) {
            throw Unreadable("line " + std::to_string(i + 1) + ": " + error.what());
        } catch (const std::exception& error) {
            // After an earlier difference the recording may name what does not exist here.
            wrong = error.what();
        }
        if (!wrong.empty() && mismatches++ == 0) {
            out << path << ": line " << i + 1 << ": " << shortened(wrong) << '\n';
            show_context(out, lines, i);
        }
    }
    out << path << ": " << operations << " operations, " << mismatches << " mismatches\n";
    totals.operations += operations;
    totals.mismatches += mismatches;
    totals.skipped += skipped;
}

}  // namespace

int run_conform_ioasid(const std::vector<std::string>& files, std::ostream& out,
                       std::ostream& err) {
    Totals totals;
    bool unreadable = files.empty();
    if (files.empty()) {
        err << "conform ioasid: no files\n";
    }
    for (const std::string& path : files) {
        try {
            replay_file(path, totals, out);
            ++totals.files;
        } catch (const Unreadable& error) {
            err << path << ": error: " << error.what() << '\n';
            unreadable = true;
        }
    }
    out << totals.files << " files, " << totals.operations << " operations, " << totals.mismatches
        << " mismatches, " << totals.skipped << " skipped\n";
    if (unreadable) {
        return 2;
    }
    return totals.mismatches == 0 && totals.skipped == 0 ? 0 : 1;
}

}  // namespace ioasim::tools
