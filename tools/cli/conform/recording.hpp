// Lines of recordings, read with suspicion: what a line lacks or holds wrongly is told with a code
// of `ioasim explain` and the name of the key.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "scenarios/language/diagnostics.hpp"

namespace ioasim::tools {

using scenario::Code;

// The recording itself is wrong, as opposed to an answer that differs from it.
class RecordingError : public std::runtime_error {
public:
    RecordingError(Code code, const std::string& text) : std::runtime_error(text), code_(code) {}
    Code code() const { return code_; }

private:
    Code code_;
};

// A file as lines, gzip-compressed or plain. What was read before an error is kept: the error
// belongs to the line after it.
struct RecordedLines {
    std::vector<std::string> lines;
    bool last_is_whole = true;  // ends with a line feed
};
void read_lines(const std::string& path, RecordedLines& into);

// One JSON object. `column` is set where the text is no JSON (from 1).
nlohmann::json parse_line(const std::string& line, std::size_t& column);

// --- values of an object ------------------------------------------------------------------------
const nlohmann::json& value_of(const nlohmann::json& object, const char* key);
// Arguments are u32 in C; a recording may show one as a negative int.
std::uint32_t u32_of(const nlohmann::json& object, const char* key);
std::uint64_t u64_of(const nlohmann::json& object, const char* key, std::uint64_t highest);
int int_of(const nlohmann::json& object, const char* key);
bool bool_of(const nlohmann::json& object, const char* key);
std::string text_of(const nlohmann::json& object, const char* key);
// Fails unless the value, if there is one, is an array; an absent one is empty.
nlohmann::json array_of(const nlohmann::json& object, const char* key);

// `what` is none of `choices`; tells the nearest one.
[[noreturn]] void refuse_choice(const std::string& what, const std::string& value,
                                const std::vector<std::string>& choices);

}  // namespace ioasim::tools
