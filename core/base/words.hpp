// What a person wrote, in messages: quoted, or what was probably meant by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ioasim {

// The candidate that was most likely meant, or nothing: small edit distance, other case, or the
// last part of a dotted name.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);
// `did you mean "x"?`, or the list of candidates while it is short enough to read.
std::string suggest(std::string_view word, const std::vector<std::string>& candidates);
// "a, b or c", each in quotes.
std::string quoted_list(const std::vector<std::string>& words, std::size_t limit = 12);
// "1 run", "2 runs".
std::string plural(std::uint64_t count, std::string_view word);
// Text in double quotes, shortened, control characters escaped.
std::string quoted(std::string_view text);

}  // namespace ioasim
