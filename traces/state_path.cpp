#include "traces/state_path.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ioasim::traces {
namespace {

bool is_name_char(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '/';
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replace, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

// Reads "(a,b)"; `at` stands on the parenthesis and ends behind it.
bool parse_arguments(const std::string& path, std::size_t& at, PathPart& part, std::string& error) {
    const std::size_t close = path.find(')', at);
    if (close == std::string::npos) {
        error = fmt::format("the parenthesis at position {} is not closed", at + 1);
        return false;
    }
    part.has_arguments = true;
    std::size_t start = at + 1;
    while (start <= close) {
        const std::size_t end = std::min(path.find(',', start), close);
        std::string argument = path.substr(start, end - start);
        const std::size_t first = argument.find_first_not_of(' ');
        if (first == std::string::npos) {
            error = fmt::format("an argument is missing at position {}", start + 1);
            return false;
        }
        part.arguments.push_back(
            argument.substr(first, argument.find_last_not_of(' ') - first + 1));
        start = end + 1;
    }
    at = close + 1;
    return true;
}

}  // namespace

bool parse_path(const std::string& path, std::vector<PathPart>& parts, std::string& error) {
    std::size_t at = 0;
    while (true) {
        PathPart part;
        const std::size_t start = at;
        while (at < path.size() && is_name_char(path[at])) {
            ++at;
        }
        part.name = path.substr(start, at - start);
        if (part.name.empty()) {
            error = fmt::format("a name is missing at position {}", at + 1);
            return false;
        }
        if (at < path.size() && path[at] == '(' && !parse_arguments(path, at, part, error)) {
            return false;
        }
        parts.push_back(std::move(part));
        if (at == path.size()) {
            return true;
        }
        if (path[at] != '.') {
            error = fmt::format("'{}' at position {} is not expected", path[at], at + 1);
            return false;
        }
        ++at;
    }
}

std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& from) {
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const std::string& candidate : from) {
        const std::size_t distance = edit_distance(wanted, candidate);
        if (distance <= std::max<std::size_t>(2, wanted.size() / 3)) {
            ranked.emplace_back(distance, candidate);
        }
    }
    std::sort(ranked.begin(), ranked.end());
    std::vector<std::string> names;
    for (const auto& [distance, candidate] : ranked) {
        if (names.size() < 3) {
            names.push_back(candidate);
        }
    }
    return names;
}

}  // namespace ioasim::traces
