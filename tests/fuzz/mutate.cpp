#include "tests/fuzz/mutate.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace ioasim::fuzz {
namespace {

// What readers stumble over.
constexpr std::array<std::string_view, 28> kTokens = {"0",
                                                      "-1",
                                                      "1e999",
                                                      "18446744073709551616",
                                                      "9223372036854775807",
                                                      "4294967296",
                                                      "0x",
                                                      "null",
                                                      "true",
                                                      "[]",
                                                      "{}",
                                                      "\"\"",
                                                      "[[[[[[[[",
                                                      "}",
                                                      "${",
                                                      "${n}",
                                                      "\\u0000",
                                                      "\xff\xfe",
                                                      "\xef\xbb\xbf",
                                                      "//",
                                                      "/*",
                                                      "$end",
                                                      "#",
                                                      "\r\n",
                                                      "1.5us",
                                                      "host.ioasid(",
                                                      ",",
                                                      "*"};

using Damage = void (*)(std::string& text, RandomStream& random);

std::size_t place(const std::string& text, RandomStream& random) {
    return static_cast<std::size_t>(random.below(text.size() + 1));
}

// The whole line around a place: [first, second).
std::pair<std::size_t, std::size_t> line_around(const std::string& text, std::size_t at) {
    const std::size_t before = at == 0 ? std::string::npos : text.rfind('\n', at - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::size_t after = text.find('\n', at);
    return {begin, after == std::string::npos ? text.size() : after + 1};
}

void flip_bit(std::string& text, RandomStream& random) {
    if (!text.empty()) {
        const std::size_t at = static_cast<std::size_t>(random.below(text.size()));
        text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
    }
}

void cut_end(std::string& text, RandomStream& random) {
    text.resize(place(text, random));
}

void drop_piece(std::string& text, RandomStream& random) {
    text.erase(place(text, random), static_cast<std::size_t>(random.between(1, 40)));
}

void drop_line(std::string& text, RandomStream& random) {
    const auto [begin, end] = line_around(text, place(text, random));
    text.erase(begin, end - begin);
}

void repeat_line(std::string& text, RandomStream& random) {
    const auto [begin, end] = line_around(text, place(text, random));
    text.insert(begin, text.substr(begin, end - begin));
}

void move_piece(std::string& text, RandomStream& random) {
    const std::size_t from = place(text, random);
    const std::string piece = text.substr(from, static_cast<std::size_t>(random.between(1, 200)));
    text.insert(place(text, random), piece);
}

void put_token(std::string& text, RandomStream& random) {
    text.insert(place(text, random), kTokens[random.below(kTokens.size())]);
}

// The number at or behind a place becomes another one.
void other_number(std::string& text, RandomStream& random) {
    const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    const auto begin = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(place(text, random)),
                                    text.end(), is_digit);
    const auto end = std::find_if_not(begin, text.end(), is_digit);
    constexpr std::size_t kNumbers = 7;  // the first of kTokens
    text.replace(begin, end, kTokens[random.below(kNumbers)]);
}

bool is_scalar_end(char c) {
    return c == ',' || c == ':' || c == '}' || c == ']' || c == '\n' || c == ' ';
}

// The JSON scalar (or key) at or behind a place: [first, second); empty when there is none.
std::pair<std::size_t, std::size_t> scalar_behind(const std::string& text, std::size_t at) {
    while (at < text.size() && (is_scalar_end(text[at]) || text[at] == '{' || text[at] == '[')) {
        ++at;
    }
    std::size_t end = at;
    if (at < text.size() && text[at] == '"') {
        end = text.find('"', at + 1);
        return {at, end == std::string::npos ? text.size() : end + 1};
    }
    while (end < text.size() && !is_scalar_end(text[end])) {
        ++end;
    }
    return {at, end};
}

// Keeps the text well-formed: what is behind the syntax is read too.
void other_scalar(std::string& text, RandomStream& random) {
    const auto [begin, end] = scalar_behind(text, place(text, random));
    const auto [from, to] = scalar_behind(text, place(text, random));
    constexpr std::array<std::string_view, 12> kScalars = {
        "0",          "-1",         "1.5",      "18446744073709551615",
        "4294967296", "1000000000", "null",     "true",
        "\"\"",       "\"1ms\"",    "\"${n}\"", "[]"};
    const std::string other = random.chance(1, 2)
                                  ? text.substr(from, to - from)
                                  : std::string(kScalars[random.below(kScalars.size())]);
    text.replace(begin, end - begin, other);
}

constexpr std::array<Damage, 8> kDamages = {flip_bit,    cut_end,    drop_piece, drop_line,
                                            repeat_line, move_piece, put_token,  other_number};

}  // namespace

std::string damaged(const std::string& input, RandomStream& random) {
    constexpr std::size_t kRoom = 1024;
    const std::size_t longest = 2 * input.size() + kRoom;
    std::string text = input;
    if (random.chance(1, 2)) {
        const std::uint64_t scalars = random.between(1, 2);
        for (std::uint64_t i = 0; i < scalars; ++i) {
            other_scalar(text, random);
        }
        return text;
    }
    const std::uint64_t pieces = random.between(1, 6);
    for (std::uint64_t i = 0; i < pieces; ++i) {
        kDamages[random.below(kDamages.size())](text, random);
    }
    if (text.size() > longest) {
        text.resize(longest);
    }
    return text;
}

}  // namespace ioasim::fuzz
