#include "tools/cli/report_text.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace ioasim::tools {
namespace {

constexpr char kEscape = '\033';
constexpr char kBell = '\a';
constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Where an escape sequence ends (ECMA-48, 5.3 to 5.6): after a CSI its final byte, after an OSC,
// DCS or the like the bell or ESC \, else one byte.
std::size_t after_escape(const std::string& text, std::size_t at) {
    ++at;
    if (at == text.size()) {
        return at;
    }
    const char kind = text[at++];
    if (kind == '[') {
        while (at < text.size() && (text[at] < '@' || text[at] > '~')) {
            ++at;
        }
        return std::min(at + 1, text.size());
    }
    if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
        while (at < text.size() && text[at] != kBell && text[at] != kEscape) {
            ++at;
        }
        const bool string_end = at + 1 < text.size() && text[at] == kEscape && text[at + 1] == '\\';
        return std::min(at + (string_end ? 2 : 1), text.size());
    }
    return at;
}

// The length of the character at `at`, 0: it is none (RFC 3629), or one that XML has no place for.
std::size_t character(const std::string& text, std::size_t at) {
    const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t lead = byte(at);
    const std::size_t size = lead < 0x80    ? 1
                             : lead < 0xC2  ? 0
                             : lead < 0xE0  ? 2
                             : lead < 0xF0  ? 3
                             : lead <= 0xF4 ? 4
                                            : 0;
    if (size == 0 || at + size > text.size()) {
        return 0;
    }
    std::uint32_t value = size == 1 ? lead : lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(at + i) & 0xC0U) != 0x80) {
            return 0;
        }
        value = value << 6U | (byte(at + i) & 0x3FU);
    }
    const bool too_long = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    const bool no_character = value == 0xFFFE || value == 0xFFFF || value > 0x10FFFF;
    return too_long || surrogate || no_character ? 0 : size;
}

}  // namespace

std::string clean_text(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == kEscape) {
            at = after_escape(text, at);
            continue;
        }
        const std::size_t size = character(text, at);
        const auto byte = static_cast<std::uint8_t>(c);
        const bool control =
            (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F ||
            (size == 2 && byte == 0xC2 && static_cast<std::uint8_t>(text[at + 1]) < 0xA0);
        if (size == 0) {
            out += kReplacement;
        } else if (!control) {
            out.append(text, at, size);
        }
        at += std::max<std::size_t>(size, 1);
    }
    return out;
}

std::string clean_line(const std::string& text) {
    std::string out = clean_text(text);
    std::replace(out.begin(), out.end(), '\n', ' ');
    return out;
}

std::string class_name(const std::string& file) {
    std::string out = file.substr(0, file.rfind(".json"));
    while (out.rfind("./", 0) == 0) {
        out = out.substr(2);
    }
    std::replace(out.begin(), out.end(), '/', '.');
    return out;
}

std::string case_name(const RunResult& r) {
    return fmt::format("{} seed {}{}", r.full_name(), r.seed,
                       r.run != 0 ? fmt::format(" run {}", r.run) : "");
}

std::vector<std::string> problem_lines(const RunResult& r) {
    std::vector<std::string> lines{r.reproduce};
    for (const scenario::Failure& f : r.failures) {
        lines.push_back(f.where + (f.where.empty() ? "" : ": ") + f.text);
        for (const std::string& line : f.seen) {
            lines.push_back("  " + line);
        }
    }
    for (const std::string& lost : r.not_written) {
        lines.push_back("not written: " + lost);
    }
    if (!r.error.empty()) {
        lines.push_back(r.error);
    }
    lines.push_back(last_line(r));
    return lines;
}

}  // namespace ioasim::tools
