#include "scenarios/language/diagnostics.hpp"

#include <algorithm>
#include <cctype>
#include <tuple>

#include <fmt/format.h>

namespace ioasim::scenario {
namespace {

constexpr std::size_t kSnippetWidth = 96;
// Comparing each message with all others must stay cheap for a file that is nothing but mistakes.
constexpr std::size_t kMaxKept = 1000;

bool continues_code_point(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continues_code_point(c); }));
}

// The part of a long line around the caret, with the caret's column in it.
struct Snippet {
    std::string text;
    std::size_t column = 0;  // code points before the caret
    std::size_t marked = 1;  // code points to underline
};

Snippet cut_snippet(const std::string& line, std::size_t column, std::size_t marked) {
    // Work on code points so that a cut never splits one.
    const std::size_t points = code_points(line);
    std::size_t first = 0;
    if (points > kSnippetWidth && column > kSnippetWidth / 2) {
        first = std::min(column - kSnippetWidth / 2, points - kSnippetWidth / 2);
    }
    const std::size_t last = std::min(points, first + kSnippetWidth);
    Snippet snippet;
    snippet.text = first > 0 ? "..." : "";
    snippet.column = column - first + (first > 0 ? 3 : 0);
    std::size_t seen = 0;  // code points that began
    for (std::size_t i = 0; i < line.size() && seen <= last; ++i) {
        seen += continues_code_point(line[i]) ? 0 : 1;
        if (seen > first && seen <= last) {
            const auto byte = static_cast<unsigned char>(line[i]);
            snippet.text += byte < 0x20 || byte == 0x7F ? ' ' : line[i];
        }
    }
    if (last < points) {
        snippet.text += "...";
    }
    const std::size_t room = last > column ? last - column : 1;
    snippet.marked = std::max<std::size_t>(1, std::min(marked, room));
    return snippet;
}

struct Colours {
    const char* bold;
    const char* red;
    const char* yellow;
    const char* cyan;
    const char* off;
};
constexpr Colours kPlain{"", "", "", "", ""};
constexpr Colours kAnsi{"\033[1m", "\033[1;31m", "\033[1;33m", "\033[36m", "\033[0m"};

void render_one(const Diagnostic& d, const SourceSet& sources, const Colours& c, std::string& out) {
    const std::string where = sources.describe(d.place);
    out += fmt::format("{}{}:{} {}{}[{}]{}: {}\n", c.bold, where.empty() ? "ioasim" : where, c.off,
                       d.warning ? c.yellow : c.red, d.warning ? "warning" : "error",
                       code_name(d.code), c.off, d.text);
    if (d.place.file != 0 && d.place.length != 0) {
        const SourceSet::LineColumn at = sources.locate(d.place);
        const std::string& text = sources.text(d.place.file);
        const std::size_t marked =
            code_points(std::string_view(text).substr(d.place.offset, d.place.length));
        const Snippet snippet =
            cut_snippet(sources.line_text(d.place.file, at.line), at.column - 1, marked);
        const std::string number = fmt::format("{:>5}", at.line);
        out += fmt::format("{} | {}\n", number, snippet.text);
        out += fmt::format("{} | {}{}^{}{}\n", std::string(number.size(), ' '),
                           std::string(snippet.column, ' '), c.red,
                           std::string(snippet.marked - 1, '~'), c.off);
    }
    if (!d.help.empty()) {
        out += fmt::format("  {}help:{} {}\n", c.cyan, c.off, d.help);
    }
    if (!d.pointer.empty()) {
        out += fmt::format("  at: {}\n", d.pointer);
    }
}

}  // namespace

std::uint32_t SourceSet::add(std::string name, std::string text) {
    File file{std::move(name), std::move(text), {0}, {}};
    std::uint32_t points = 0;
    for (std::size_t i = 0; i < file.text.size(); ++i) {
        if (i % kMarkBytes == 0) {
            file.marks.push_back(points);
        }
        points += continues_code_point(file.text[i]) ? 0 : 1;
        if (file.text[i] == '\n') {
            file.line_starts.push_back(static_cast<std::uint32_t>(i + 1));
        }
    }
    files_.push_back(std::move(file));
    return static_cast<std::uint32_t>(files_.size() - 1);
}

SourceSet::LineColumn SourceSet::locate(const Place& place) const {
    const File& file = files_[place.file];
    const auto after =
        std::upper_bound(file.line_starts.begin(), file.line_starts.end(), place.offset);
    const auto line = static_cast<std::uint32_t>(after - file.line_starts.begin());
    const std::uint32_t start = file.line_starts[line - 1];
    return {line, points_before(file, place.offset) - points_before(file, start) + 1};
}

std::uint32_t SourceSet::points_before(const File& file, std::size_t offset) {
    if (offset == 0) {
        return 0;
    }
    const std::size_t at = std::min(offset, file.text.size());
    const std::size_t mark = (at - 1) / kMarkBytes;
    const std::size_t from = mark * kMarkBytes;
    return file.marks[mark] + static_cast<std::uint32_t>(
                                  code_points(std::string_view(file.text).substr(from, at - from)));
}

std::string SourceSet::line_text(std::uint32_t file, std::uint32_t line) const {
    const File& f = files_[file];
    const std::uint32_t start = f.line_starts[line - 1];
    const std::size_t end = std::min(f.text.find('\n', start), f.text.size());
    return f.text.substr(start, end - start);
}

std::string SourceSet::describe(const Place& place) const {
    if (place.file == 0 || place.length == 0) {
        return files_[place.file].name;
    }
    const LineColumn at = locate(place);
    return fmt::format("{}:{}:{}", files_[place.file].name, at.line, at.column);
}

void Diagnostics::add(Diagnostic diagnostic) {
    for (const Diagnostic& known : all_) {
        if (known.code == diagnostic.code && known.place.file == diagnostic.place.file &&
            known.place.offset == diagnostic.place.offset && known.text == diagnostic.text) {
            return;
        }
    }
    errors_ += diagnostic.warning ? 0 : 1;
    if (all_.size() >= kMaxKept) {
        return;
    }
    all_.push_back(std::move(diagnostic));
}

std::vector<Diagnostic> Diagnostics::sorted() const {
    std::vector<Diagnostic> result = all_;
    std::stable_sort(result.begin(), result.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.place.file, a.place.offset) < std::tie(b.place.file, b.place.offset);
    });
    return result;
}

std::string render(const Diagnostics& diagnostics, const SourceSet& sources, bool colour,
                   std::size_t limit) {
    const Colours& c = colour ? kAnsi : kPlain;
    std::string out;
    std::size_t shown = 0;
    std::string first_code;
    const std::vector<Diagnostic> all = diagnostics.sorted();
    for (const Diagnostic& d : all) {
        if (shown == limit) {
            out += "... and more messages\n";
            break;
        }
        if (first_code.empty() && !d.warning) {
            first_code = code_name(d.code);
        }
        render_one(d, sources, c, out);
        ++shown;
    }
    if (diagnostics.has_errors()) {
        out +=
            fmt::format("{} error{}; `ioasim explain {}` tells more\n", diagnostics.error_count(),
                        diagnostics.error_count() == 1 ? "" : "s", first_code);
    }
    return out;
}

std::string render_plain(Code code, std::string_view text, std::string_view help) {
    std::string out = fmt::format("ioasim: error[{}]: {}\n", code_name(code), text);
    if (!help.empty()) {
        out += fmt::format("  help: {}\n", help);
    }
    return out;
}

}  // namespace ioasim::scenario
