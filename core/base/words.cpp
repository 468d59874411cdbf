#include "core/base/words.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>

#include <fmt/format.h>

namespace ioasim {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
}

// Optimal string alignment: insert, delete, replace, swap neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before;
    std::vector<std::size_t> previous(b.size() + 1);
    std::vector<std::size_t> current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        previous[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = std::min(current[j], before[j - 2] + 1);
            }
        }
        before = previous;
        previous = current;
    }
    return previous[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string wanted = lower(word).substr(0, 64);
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        const std::string text = lower(candidate);
        std::size_t distance = edit_distance(wanted, text.substr(0, 80));
        const std::size_t dot = text.rfind('.');
        if (dot != std::string::npos) {
            // "unbind" for "ioasid.unbind": the last part counts, a little less than the whole.
            distance = std::min(distance, edit_distance(wanted, text.substr(dot + 1)) + 1);
        }
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string quoted_list(const std::vector<std::string>& words, std::size_t limit) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i == limit) {
            return out + fmt::format(" and {} more", words.size() - limit);
        }
        const bool last = i + 1 == words.size();
        out += i == 0 ? "" : (last ? " or " : ", ");
        out += quoted(words[i]);
    }
    return out;
}

std::string suggest(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string near = nearest(word, candidates);
    if (!near.empty()) {
        return fmt::format("did you mean {}?", quoted(near));
    }
    return candidates.empty() ? std::string() : "known: " + quoted_list(candidates);
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    std::size_t points = 0;  // code points, not bytes
    for (const char c : text) {
        if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U && ++points > 60) {
            out += "...";
            break;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            out += fmt::format("\\u{:04x}", byte);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string plural(std::uint64_t count, std::string_view word) {
    return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

}  // namespace ioasim
