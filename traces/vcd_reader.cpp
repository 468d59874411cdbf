#include "traces/vcd_reader.hpp"

#include <array>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <unordered_map>

#include <fmt/format.h>

namespace ioasim::traces {
namespace {

using Words = std::vector<std::string_view>;

// Thrown inside the reader only; read_vcd turns it into a status.
struct Broken {
    VcdError error;
    std::string text;
};

[[noreturn]] void broken(VcdError error, std::string text) {
    throw Broken{error, std::move(text)};
}

bool parse_number(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, 10);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

bool is_bit(char c) {
    return c == '0' || c == '1' || c == 'x' || c == 'X' || c == 'z' || c == 'Z';
}

bool is_name(std::string_view text) {
    for (const char c : text) {
        const bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '$';
        if (!fine) {
            return false;
        }
    }
    return !text.empty();
}

Words split(std::string_view line) {
    Words words;
    std::size_t at = 0;
    while (at <= line.size()) {
        const std::size_t end = std::min(line.find(' ', at), line.size());
        if (end == at) {
            broken(VcdError::BadSpacing, "words must be parted by single spaces");
        }
        words.push_back(line.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

class Reader {
public:
    Reader(std::string_view content, VcdVisitor& visitor, VcdStatus& status)
        : content_(content), visitor_(visitor), status_(status) {}

    void read() {
        if (content_.empty()) {
            broken(VcdError::Empty, "the file is empty");
        }
        check_encoding();
        std::size_t at = 0;
        while (at < content_.size()) {
            const std::size_t end = content_.find('\n', at);
            ++status_.line;
            if (end == std::string_view::npos) {
                broken(VcdError::Truncated, "the last line is cut off");
            }
            const std::string_view line = content_.substr(at, end - at);
            if (line.empty()) {
                broken(VcdError::BadSpacing, "empty line");
            }
            in_header_ ? header_line(line) : body_line(line);
            at = end + 1;
        }
        finish();
    }

private:
    void check_encoding() {
        std::size_t line = 1;
        for (const char c : content_) {
            if (c == '\n') {
                ++line;
            } else if (c < ' ' || c > '~') {
                status_.line = line;
                broken(VcdError::NotAscii, fmt::format("byte 0x{:02x} is not printable ASCII",
                                                       static_cast<unsigned char>(c)));
            }
        }
    }

    void header_line(std::string_view line) {
        if (line[0] != '$') {
            broken(line[0] == '#' ? VcdError::MissingEndDefinitions : VcdError::ChangeBeforeTime,
                   "values before $enddefinitions");
        }
        const Words words = split(line);
        const std::string_view directive = words[0];
        if (directive == "$dumpvars") {
            broken(VcdError::MissingEndDefinitions, "$dumpvars before $enddefinitions");
        }
        static const std::set<std::string_view> kKnown{"$date",      "$version",       "$comment",
                                                       "$timescale", "$scope",         "$upscope",
                                                       "$var",       "$enddefinitions"};
        if (kKnown.count(directive) == 0) {
            broken(VcdError::UnknownDirective, fmt::format("unknown directive {}", directive));
        }
        if (words.back() != "$end") {
            broken(VcdError::MissingEnd, fmt::format("{} without $end on its line", directive));
        }
        if (directive == "$timescale") {
            timescale(words);
        } else if (directive == "$scope") {
            scope(words);
        } else if (directive == "$upscope") {
            if (scopes_.empty() || words.size() != 2) {
                broken(VcdError::BadScope, "$upscope without $scope");
            }
            scopes_.pop_back();
        } else if (directive == "$var") {
            var(words);
        } else if (directive == "$enddefinitions") {
            end_definitions(words);
        }
    }

    void timescale(const Words& words) {
        if (status_.timescale_ps != 0) {
            broken(VcdError::MisplacedDirective, "a second $timescale");
        }
        std::string text;
        for (std::size_t i = 1; i + 1 < words.size(); ++i) {
            text += words[i];
        }
        static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kUnits{
            {{"ps", 1},
             {"ns", 1000},
             {"us", 1000'000},
             {"ms", 1000'000'000},
             {"s", 1000'000'000'000}}};
        const std::size_t digits = text.find_first_not_of("0123456789");
        std::uint64_t number = 0;
        if (digits != std::string::npos &&
            parse_number(std::string_view(text).substr(0, digits), number) &&
            (number == 1 || number == 10 || number == 100)) {
            for (const auto& [unit, ps] : kUnits) {
                if (text.substr(digits) == unit) {
                    status_.timescale_ps = number * ps;
                    return;
                }
            }
        }
        broken(VcdError::BadTimescale, fmt::format("timescale \"{}\"", text));
    }

    void scope(const Words& words) {
        if (words.size() != 4 || words[1] != "module") {
            broken(VcdError::BadScope, "a scope reads: $scope module NAME $end");
        }
        if (!is_name(words[2])) {
            broken(VcdError::BadName, fmt::format("scope name \"{}\"", words[2]));
        }
        scopes_.emplace_back(words[2]);
    }

    void var(const Words& words) {
        if (words.size() != 6 && words.size() != 7) {
            broken(VcdError::BadVar, "a variable reads: $var wire N id name [N-1:0] $end");
        }
        std::uint64_t width = 0;
        if ((words[1] != "wire" && words[1] != "reg") || !parse_number(words[2], width)) {
            broken(VcdError::BadVar,
                   fmt::format("variable of type {} and size {}", words[1], words[2]));
        }
        if (width == 0) {
            broken(VcdError::ZeroSize, fmt::format("variable {} has no bits", words[4]));
        }
        if (width > 65536) {
            broken(VcdError::BadVar, fmt::format("variable {} has {} bits", words[4], width));
        }
        if (!is_name(words[4])) {
            broken(VcdError::BadName, fmt::format("variable name \"{}\"", words[4]));
        }
        const std::string range = fmt::format("[{}:0]", width - 1);
        if ((words.size() == 7 && words[5] != range) || (words.size() == 6 && width != 1)) {
            broken(VcdError::RangeMismatch, fmt::format("{} bits need {}", width, range));
        }
        VcdVar var;
        for (const std::string& part : scopes_) {
            var.name += part + ".";
        }
        var.name += words[4];
        var.id = words[3];
        var.width = static_cast<unsigned>(width);
        if (!names_.insert(var.name).second) {
            broken(VcdError::DuplicateName, fmt::format("{} is declared twice", var.name));
        }
        if (!index_.emplace(var.id, status_.vars.size()).second) {
            broken(VcdError::DuplicateId, fmt::format("id {} is declared twice", var.id));
        }
        visitor_.on_var(status_.vars.size(), var);
        status_.vars.push_back(std::move(var));
    }

    void end_definitions(const Words& words) {
        if (words.size() != 2) {
            broken(VcdError::MissingEnd, "$enddefinitions reads: $enddefinitions $end");
        }
        if (!scopes_.empty()) {
            broken(VcdError::BadScope, fmt::format("scope {} is left open", scopes_.back()));
        }
        if (status_.timescale_ps == 0) {
            broken(VcdError::MissingTimescale, "no $timescale");
        }
        in_header_ = false;
        dumped_.assign(status_.vars.size(), false);
    }

    void body_line(std::string_view line) {
        if (line[0] == '#') {
            time(line);
        } else if (line[0] == '$') {
            body_directive(line);
        } else {
            change(line);
        }
    }

    void time(std::string_view line) {
        std::uint64_t time = 0;
        if (!parse_number(line.substr(1), time)) {
            broken(VcdError::BadTime, fmt::format("time stamp \"{}\"", line));
        }
        if (in_dump_) {
            broken(VcdError::IncompleteDumpvars, "a time stamp inside $dumpvars");
        }
        if (!have_time_) {
            if (time != 0) {
                broken(VcdError::BadTime, "the first time stamp must be #0");
            }
        } else {
            if (!have_dump_) {
                broken(VcdError::MissingDumpvars, "no $dumpvars at #0");
            }
            if (time <= status_.end) {
                broken(VcdError::TimeBackwards,
                       fmt::format("time {} does not follow {}", time, status_.end));
            }
        }
        have_time_ = true;
        change_since_time_ = false;
        status_.end = time;
        visitor_.on_time(time);
    }

    void body_directive(std::string_view line) {
        if (line == "$dumpvars") {
            if (have_dump_ || in_dump_) {
                broken(VcdError::MisplacedDirective, "a second $dumpvars");
            }
            if (!have_time_) {
                broken(VcdError::ChangeBeforeTime, "$dumpvars before #0");
            }
            in_dump_ = true;
        } else if (line == "$end" && in_dump_) {
            for (std::size_t i = 0; i < dumped_.size(); ++i) {
                if (!dumped_[i]) {
                    broken(VcdError::IncompleteDumpvars,
                           fmt::format("{} has no initial value", status_.vars[i].name));
                }
            }
            in_dump_ = false;
            have_dump_ = true;
        } else {
            const std::string_view word = line.substr(0, line.find(' '));
            static const std::set<std::string_view> kHeader{
                "$date", "$version",        "$timescale", "$scope", "$upscope",
                "$var",  "$enddefinitions", "$comment",   "$end"};
            broken(kHeader.count(word) != 0 ? VcdError::MisplacedDirective
                                            : VcdError::UnknownDirective,
                   fmt::format("{} in the body", word));
        }
    }

    void change(std::string_view line) {
        if (!have_time_) {
            broken(VcdError::ChangeBeforeTime, "a value before the first time stamp");
        }
        if (!have_dump_ && !in_dump_) {
            broken(VcdError::MissingDumpvars, "a value before $dumpvars");
        }
        const bool vector = line[0] == 'b' || line[0] == 'B';
        std::string_view bits;
        std::string_view id;
        if (vector) {
            const Words words = split(line);
            if (words.size() != 2) {
                broken(VcdError::BadSpacing, "a vector value reads: bBITS id");
            }
            bits = words[0].substr(1);
            id = words[1];
        } else {
            bits = line.substr(0, 1);
            id = line.substr(1);
        }
        for (const char c : bits) {
            if (!is_bit(c)) {
                broken(VcdError::BadBit, fmt::format("'{}' is no bit", c));
            }
        }
        if (bits.empty()) {
            broken(VcdError::BadBit, "a vector without bits");
        }
        apply(bits, id, vector);
    }

    void apply(std::string_view bits, std::string_view id, bool vector) {
        const auto found = index_.find(std::string(id));
        if (found == index_.end()) {
            broken(VcdError::UndeclaredId, fmt::format("id \"{}\" was never declared", id));
        }
        const VcdVar& var = status_.vars[found->second];
        if (!vector && var.width != 1) {
            broken(VcdError::ScalarForVector, fmt::format("{} has {} bits", var.name, var.width));
        }
        if (bits.size() > var.width) {
            broken(VcdError::VectorTooWide,
                   fmt::format("{} bits for {} of {}", bits.size(), var.name, var.width));
        }
        // The standard extends by the leftmost bit, except that 1 extends with 0.
        const char fill = bits[0] == '1' ? '0' : bits[0];
        value_.assign(var.width - bits.size(), fill);
        value_.append(bits);
        if (in_dump_) {
            dumped_[found->second] = true;
        } else {
            ++status_.changes;
            change_since_time_ = true;
        }
        visitor_.on_change(found->second, value_, in_dump_);
    }

    void finish() {
        if (in_header_) {
            broken(VcdError::MissingEndDefinitions, "the header has no $enddefinitions");
        }
        if (in_dump_) {
            broken(VcdError::IncompleteDumpvars, "$dumpvars has no $end");
        }
        if (!have_dump_) {
            broken(VcdError::MissingDumpvars, "no $dumpvars");
        }
        if (change_since_time_) {
            broken(VcdError::NoFinalTime, "no time stamp behind the last change");
        }
    }

    std::string_view content_;
    VcdVisitor& visitor_;
    VcdStatus& status_;
    std::vector<std::string> scopes_;
    std::set<std::string> names_;
    std::unordered_map<std::string, std::size_t> index_;
    std::vector<bool> dumped_;
    std::string value_;
    bool in_header_ = true;
    bool in_dump_ = false;
    bool have_dump_ = false;
    bool have_time_ = false;
    bool change_since_time_ = false;
};

}  // namespace

std::string_view vcd_error_name(VcdError error) {
    switch (error) {
        case VcdError::None:
            return "none";
        case VcdError::Unreadable:
            return "unreadable";
        case VcdError::Empty:
            return "empty";
        case VcdError::NotAscii:
            return "not-ascii";
        case VcdError::Truncated:
            return "truncated";
        case VcdError::BadSpacing:
            return "bad-spacing";
        case VcdError::UnknownDirective:
            return "unknown-directive";
        case VcdError::MisplacedDirective:
            return "misplaced-directive";
        case VcdError::MissingEnd:
            return "missing-end";
        case VcdError::MissingTimescale:
            return "missing-timescale";
        case VcdError::BadTimescale:
            return "bad-timescale";
        case VcdError::MissingEndDefinitions:
            return "missing-enddefinitions";
        case VcdError::BadScope:
            return "bad-scope";
        case VcdError::BadVar:
            return "bad-var";
        case VcdError::BadName:
            return "bad-name";
        case VcdError::ZeroSize:
            return "zero-size";
        case VcdError::RangeMismatch:
            return "range-mismatch";
        case VcdError::DuplicateId:
            return "duplicate-id";
        case VcdError::DuplicateName:
            return "duplicate-name";
        case VcdError::UndeclaredId:
            return "undeclared-id";
        case VcdError::VectorTooWide:
            return "vector-too-wide";
        case VcdError::ScalarForVector:
            return "scalar-for-vector";
        case VcdError::BadBit:
            return "bad-bit";
        case VcdError::BadTime:
            return "bad-time";
        case VcdError::TimeBackwards:
            return "time-backwards";
        case VcdError::ChangeBeforeTime:
            return "change-before-time";
        case VcdError::MissingDumpvars:
            return "missing-dumpvars";
        case VcdError::IncompleteDumpvars:
            return "incomplete-dumpvars";
        case VcdError::NoFinalTime:
            return "no-final-time";
    }
    return "unknown";
}

VcdStatus read_vcd(std::string_view content, VcdVisitor& visitor) {
    VcdStatus status;
    try {
        Reader(content, visitor, status).read();
    } catch (const Broken& problem) {
        status.error = problem.error;
        status.text = problem.text;
    }
    return status;
}

VcdStatus read_vcd(std::string_view content) {
    VcdVisitor nobody;
    return read_vcd(content, nobody);
}

VcdStatus read_vcd_file(const std::string& path, VcdVisitor& visitor) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream content;
    if (in) {
        content << in.rdbuf();
    }
    if (!in || content.fail()) {
        // An empty file makes the stream operator fail too.
        if (in.is_open() && content.str().empty() && !in.bad()) {
            return read_vcd("", visitor);
        }
        VcdStatus status;
        status.error = VcdError::Unreadable;
        status.text = "cannot read " + path;
        return status;
    }
    return read_vcd(content.str(), visitor);
}

}  // namespace ioasim::traces
