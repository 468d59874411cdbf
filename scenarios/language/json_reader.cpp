#include <set>

#include <fmt/format.h>

#include "scenarios/language/json_tree.hpp"

namespace ioasim::scenario {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || c == '-';
}

void append_utf8(std::uint32_t point, std::string& out) {
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xC0U | (point >> 6U));
        out += static_cast<char>(0x80U | (point & 0x3FU));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xE0U | (point >> 12U));
        out += static_cast<char>(0x80U | ((point >> 6U) & 0x3FU));
        out += static_cast<char>(0x80U | (point & 0x3FU));
    } else {
        out += static_cast<char>(0xF0U | (point >> 18U));
        out += static_cast<char>(0x80U | ((point >> 12U) & 0x3FU));
        out += static_cast<char>(0x80U | ((point >> 6U) & 0x3FU));
        out += static_cast<char>(0x80U | (point & 0x3FU));
    }
}

class Parser {
public:
    // Reads `text` from `begin` on; offsets count from the start of `text`.
    Parser(std::uint32_t file, std::string_view text, std::size_t begin, const SourceSet& sources,
           Diagnostics& diagnostics)
        : file_(file), text_(text), sources_(sources), diagnostics_(diagnostics), at_(begin) {}

    bool document(Node& out) {
        if (!value(out, 0)) {
            return false;
        }
        if (!skip_space()) {
            return false;
        }
        if (at_ < text_.size()) {
            return fail(Code::TextAfterEnd, at_, 1, "text after the end of the document",
                        "a scenario file holds one object; is there a bracket too many before?");
        }
        return true;
    }

private:
    bool fail(Code code, std::size_t offset, std::size_t length, std::string text,
              std::string help = {}) {
        // At the end of the text there is nothing to underline: point at the last character.
        if (offset >= text_.size() && !text_.empty()) {
            offset = text_.size() - 1;
            while (offset > 0 && is_space(text_[offset])) {
                --offset;
            }
            length = 1;
        }
        diagnostics_.add(
            {code, place(offset, length), std::move(text), std::move(help), {}, false});
        return false;
    }
    Place place(std::size_t offset, std::size_t length) const {
        return {file_, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(length)};
    }
    std::string line_of(std::size_t offset) const {
        const auto at = sources_.locate(place(offset, 1));
        return fmt::format("{}:{}", at.line, at.column);
    }
    // The character that cannot stand here.
    std::string here() const {
        const auto byte = static_cast<unsigned char>(text_[at_]);
        if (byte >= 0x80) {
            return "a character outside of ASCII";
        }
        return byte < 0x20 || byte == 0x7F ? fmt::format("the control character {:#04x}", byte)
                                           : fmt::format("'{}'", text_[at_]);
    }
    bool ended() const { return at_ >= text_.size(); }
    bool truncated(const char* inside, std::size_t opened) {
        return fail(
            Code::Truncated, text_.size(), 1,
            fmt::format("the file ends inside the {} that begins at {}", inside, line_of(opened)),
            "is the file complete? a closing bracket or quote is missing");
    }

    // false: a comment that is none, or not closed.
    bool skip_space() {
        while (!ended()) {
            const char c = text_[at_];
            if (is_space(c)) {
                ++at_;
            } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '/') {
                while (!ended() && text_[at_] != '\n') {
                    ++at_;
                }
            } else if (c == '/' && at_ + 1 < text_.size() && text_[at_ + 1] == '*') {
                return fail(Code::BadComment, at_, 2, "/* */ comments are not part of the language",
                            "use // to the end of the line");
            } else if (c == '#') {
                return fail(Code::BadComment, at_, 1, "# does not begin a comment",
                            "use // to the end of the line");
            } else {
                return true;
            }
        }
        return true;
    }

    bool value(Node& out, std::size_t depth) {
        if (!skip_space()) {
            return false;
        }
        if (ended()) {
            return fail(Code::Truncated, text_.size(), 1, "the file ends where a value is wanted",
                        "is the file complete?");
        }
        if (++values_ > kMaxValues) {
            return fail(Code::TooLarge, at_, 1, fmt::format("more than {} values", kMaxValues),
                        "large systems are described with params and matrix, not by repetition");
        }
        if (depth >= kMaxNesting) {
            return fail(Code::TooDeep, at_, 1,
                        fmt::format("more than {} levels of nesting", kMaxNesting));
        }
        const char c = text_[at_];
        if (c == '{') {
            return object(out, depth);
        }
        if (c == '[') {
            return array(out, depth);
        }
        if (c == '"' || c == '\'') {
            return string(out);
        }
        if (c == '-' || c == '+' || c == '.' || is_digit(c)) {
            return number(out);
        }
        return word(out);
    }

    // After an item: a comma, the end, or a message. `more` tells whether another item follows.
    bool separator(char close, const char* what, std::size_t opened, bool& more) {
        if (!skip_space()) {
            return false;
        }
        if (ended()) {
            return truncated(what, opened);
        }
        if (text_[at_] == close) {
            ++at_;
            more = false;
            return true;
        }
        if (text_[at_] == ',') {
            const std::size_t comma = at_++;
            if (!skip_space()) {
                return false;
            }
            if (!ended() && text_[at_] == close) {
                fail(Code::TrailingComma, comma, 1,
                     "trailing comma: JSON has none after the last "
                     "item",
                     "remove this comma");
                ++at_;
                more = false;
                return true;
            }
            more = true;
            return true;
        }
        const char c = text_[at_];
        if (c == '"' || c == '{' || c == '[' || is_digit(c)) {
            // What follows is clearly the next item.
            std::size_t end = at_;
            while (end > 0 && is_space(text_[end - 1])) {
                --end;
            }
            fail(Code::Syntax, end > 0 ? end - 1 : 0, 1,
                 fmt::format("a comma is missing after this item of the {}", what));
            more = true;
            return ++recovered_ < kMaxRecovered;
        }
        return fail(Code::Syntax, at_, 1,
                    fmt::format("',' or '{}' is wanted here, not {}", close, here()),
                    fmt::format("the {} began at {}", what, line_of(opened)));
    }

    bool object(Node& out, std::size_t depth) {
        const std::size_t opened = at_++;
        out.kind = Node::Kind::Object;
        out.place = place(opened, 1);
        if (!skip_space()) {
            return false;
        }
        if (!ended() && text_[at_] == '}') {
            ++at_;
            return true;
        }
        std::set<std::string> seen;
        bool more = true;
        while (more) {
            Member member;
            if (!key(member, opened)) {
                return false;
            }
            const bool fresh = seen.insert(member.key).second;
            if (!fresh) {
                fail(Code::DuplicateKey, member.place.offset, member.place.length,
                     fmt::format("key {} appears twice in this object", quoted(member.key)),
                     fmt::format("the first one is at {}",
                                 line_of(out.find(member.key)->place.offset)));
            }
            if (!value(member.value, depth + 1)) {
                return false;
            }
            if (fresh) {
                out.members.push_back(std::move(member));
            }
            if (!separator('}', "object", opened, more)) {
                return false;
            }
        }
        return true;
    }

    bool key(Member& member, std::size_t opened) {
        if (!skip_space()) {
            return false;
        }
        if (ended()) {
            return truncated("object", opened);
        }
        const std::size_t start = at_;
        if (text_[at_] == '"' || text_[at_] == '\'') {
            Node text;
            if (!string(text)) {
                return false;
            }
            member.key = text.text;
            member.place = text.place;
        } else {
            while (!ended() && is_word(text_[at_])) {
                ++at_;
            }
            if (at_ == start) {
                return fail(Code::Syntax, at_, 1,
                            fmt::format("a key in double quotes is wanted here, not {}", here()));
            }
            member.key = text_.substr(start, at_ - start);
            member.place = place(start, at_ - start);
            fail(Code::Syntax, start, at_ - start, "keys are written in double quotes",
                 fmt::format("write {}", quoted(member.key)));
        }
        if (!skip_space()) {
            return false;
        }
        if (ended()) {
            return truncated("object", opened);
        }
        if (text_[at_] != ':') {
            return fail(
                Code::Syntax, at_, 1,
                fmt::format("':' is wanted after key {}, not {}", quoted(member.key), here()));
        }
        ++at_;
        return true;
    }

    bool array(Node& out, std::size_t depth) {
        const std::size_t opened = at_++;
        out.kind = Node::Kind::Array;
        out.place = place(opened, 1);
        if (!skip_space()) {
            return false;
        }
        if (!ended() && text_[at_] == ']') {
            ++at_;
            return true;
        }
        bool more = true;
        while (more) {
            out.items.emplace_back();
            if (!value(out.items.back(), depth + 1) || !separator(']', "list", opened, more)) {
                return false;
            }
        }
        return true;
    }

    bool string(Node& out) {
        const std::size_t opened = at_;
        const char quote = text_[at_++];
        out.kind = Node::Kind::String;
        while (true) {
            if (ended()) {
                return truncated("string", opened);
            }
            const char c = text_[at_];
            if (c == quote) {
                ++at_;
                break;
            }
            if (c == '\n' || c == '\r') {
                return fail(Code::BadString, opened, at_ - opened,
                            "this string is not closed on its line",
                            "a closing \" is missing; line breaks are written \\n");
            }
            if (static_cast<unsigned char>(c) < 0x20) {
                return fail(Code::BadString, at_, 1, "a control character inside a string",
                            fmt::format("write \\u{:04x}", static_cast<unsigned char>(c)));
            }
            if (c == '\\') {
                if (!escape(out.text)) {
                    return false;
                }
                continue;
            }
            out.text += c;
            ++at_;
        }
        out.place = place(opened, at_ - opened);
        if (quote == '\'') {
            fail(Code::Syntax, opened, at_ - opened, "strings are written in double quotes",
                 fmt::format("write {}", quoted(out.text)));
        }
        return true;
    }

    bool hex4(std::uint32_t& out) {
        out = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            if (ended()) {
                return false;
            }
            const char c = text_[at_];
            std::uint32_t digit = 0;
            if (is_digit(c)) {
                digit = static_cast<std::uint32_t>(c - '0');
            } else if (c >= 'a' && c <= 'f') {
                digit = static_cast<std::uint32_t>(c - 'a' + 10);
            } else if (c >= 'A' && c <= 'F') {
                digit = static_cast<std::uint32_t>(c - 'A' + 10);
            } else {
                return false;
            }
            out = out * 16 + digit;
        }
        return true;
    }

    bool escape(std::string& out) {
        const std::size_t start = at_++;
        const char c = ended() ? '\0' : text_[at_++];
        static constexpr std::string_view kFrom = "\"\\/bfnrt";
        static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
        const std::size_t known = c == '\0' ? std::string_view::npos : kFrom.find(c);
        if (known != std::string_view::npos) {
            out += kTo[known];
            return true;
        }
        if (c != 'u') {
            return fail(Code::BadString, start, 2, "an escape that JSON does not have",
                        "JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX");
        }
        std::uint32_t point = 0;
        if (!hex4(point)) {
            return fail(Code::BadString, start, 2, "\\u wants four hexadecimal digits");
        }
        if (point >= 0xD800 && point < 0xDC00) {
            std::uint32_t low = 0;
            const bool pair = text_.compare(at_, 2, "\\u") == 0 && (at_ += 2, hex4(low)) &&
                              low >= 0xDC00 && low < 0xE000;
            if (!pair) {
                return fail(Code::BadString, start, 6, "half of a surrogate pair");
            }
            point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
        } else if (point >= 0xDC00 && point < 0xE000) {
            return fail(Code::BadString, start, 6, "half of a surrogate pair");
        }
        append_utf8(point, out);
        return true;
    }

    bool number(Node& out) {
        const std::size_t start = at_;
        while (!ended() && (is_word(text_[at_]) || text_[at_] == '.' || text_[at_] == '+')) {
            ++at_;
        }
        out.kind = Node::Kind::Number;
        out.text = text_.substr(start, at_ - start);
        out.place = place(start, at_ - start);
        if (const char* why = wrong_number(out.text)) {
            fail(Code::BadNumber, start, at_ - start,
                 fmt::format("{} is not a JSON number: {}", quoted(out.text), why));
            out.broken = true;
        }
        return true;
    }

    // nullptr: a number as RFC 8259 has it.
    static const char* wrong_number(std::string_view text) {
        if (text.front() == '+') {
            return "no plus sign in front";
        }
        std::size_t i = text.front() == '-' ? 1 : 0;
        if (text.substr(i, 2) == "0x" || text.substr(i, 2) == "0X") {
            return "hexadecimal is written as a string, where it is allowed (\"0x1000\")";
        }
        const std::size_t digits = i;
        while (i < text.size() && is_digit(text[i])) {
            ++i;
        }
        if (i == digits) {
            return "a digit must come first";
        }
        if (text[digits] == '0' && i > digits + 1) {
            return "no zeros in front";
        }
        if (i < text.size() && text[i] == '.') {
            const std::size_t fraction = ++i;
            while (i < text.size() && is_digit(text[i])) {
                ++i;
            }
            if (i == fraction) {
                return "digits must follow the point";
            }
        }
        if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
            ++i;
            if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
                ++i;
            }
            const std::size_t exponent = i;
            while (i < text.size() && is_digit(text[i])) {
                ++i;
            }
            if (i == exponent) {
                return "digits must follow the exponent";
            }
        }
        return i == text.size() ? nullptr : "values with a unit are strings (\"12us\", \"4KiB\")";
    }

    bool word(Node& out) {
        const std::size_t start = at_;
        while (!ended() && is_word(text_[at_])) {
            ++at_;
        }
        const std::string word{text_.substr(start, at_ - start)};
        out.place = place(start, at_ - start);
        if (word == "true" || word == "false") {
            out.kind = Node::Kind::Boolean;
            out.boolean = word == "true";
            return true;
        }
        if (word == "null") {
            return true;
        }
        if (word.empty()) {
            const char c = text_[at_];
            return fail(Code::Syntax, at_, 1, fmt::format("a value is wanted here, not {}", here()),
                        c == ',' ? "is there a comma too many?" : "");
        }
        const bool nothing = word == "None" || word == "nil" || word == "undefined";
        std::string help =
            nothing ? std::string("JSON writes null") : suggest(word, {"true", "false", "null"});
        if (!nothing && nearest(word, {"true", "false", "null"}).empty()) {
            help = fmt::format("write {} if text is meant", quoted(word));
        }
        fail(Code::Syntax, start, word.size(), fmt::format("{} is no JSON value", quoted(word)),
             help);
        out.broken = true;
        return ++recovered_ < kMaxRecovered;
    }

    static constexpr int kMaxRecovered = 20;
    std::uint32_t file_;
    std::string_view text_;
    const SourceSet& sources_;
    Diagnostics& diagnostics_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;
    int recovered_ = 0;
};

}  // namespace

bool parse_json(std::uint32_t file, const SourceSet& sources, Diagnostics& diagnostics, Node& out) {
    Parser parser(file, sources.text(file), 0, sources, diagnostics);
    return parser.document(out);
}

bool parse_json_part(std::uint32_t file, std::size_t begin, std::size_t end,
                     const SourceSet& sources, Diagnostics& diagnostics, Node& out) {
    const std::string_view text = sources.text(file);
    Parser parser(file, text.substr(0, end), begin, sources, diagnostics);
    return parser.document(out);
}

}  // namespace ioasim::scenario
