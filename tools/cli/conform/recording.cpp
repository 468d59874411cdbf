#include "tools/cli/conform/recording.hpp"

#include <sys/stat.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>

#include <fmt/format.h>
#include <zlib.h>
#include <nlohmann/json.hpp>

#include "core/base/check.hpp"

namespace ioasim::tools {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 20U;  // of text: a recording has a few MiB
constexpr int kMaxDepth = 64;

// Text out of compressed data: one member after another, and nothing else behind them.
class Gunzip {
public:
    Gunzip() {
        constexpr int kGzipWindow = 15 + 16;  // zlib's way to say "with a gzip header"
        SIM_CHECK(inflateInit2(&stream_, kGzipWindow) == Z_OK, "no memory for zlib");
    }
    ~Gunzip() { inflateEnd(&stream_); }
    Gunzip(const Gunzip&) = delete;
    Gunzip& operator=(const Gunzip&) = delete;

    // Appends to `text`, up to some bytes more than kMaxBytes.
    void run(std::string& data, std::string& text) {
        stream_.next_in = reinterpret_cast<Bytef*>(data.data());
        stream_.avail_in = static_cast<uInt>(data.size());
        std::array<char, 65536> block{};
        while (text.size() <= kMaxBytes) {
            stream_.next_out = reinterpret_cast<Bytef*>(block.data());
            stream_.avail_out = static_cast<uInt>(block.size());
            const int code = inflate(&stream_, Z_NO_FLUSH);
            text.append(block.data(), block.size() - stream_.avail_out);
            if (code == Z_STREAM_END) {
                if (stream_.avail_in == 0) {
                    return;
                }
                if (!is_gzip(stream_.next_in, stream_.avail_in)) {
                    throw RecordingError(Code::DamagedData,
                                         fmt::format("the data is damaged: {} bytes follow the "
                                                     "compressed data",
                                                     stream_.avail_in));
                }
                inflateReset(&stream_);
            } else if (code == Z_BUF_ERROR) {
                throw RecordingError(Code::Truncated, "the compressed data is cut off");
            } else if (code != Z_OK) {
                throw RecordingError(Code::DamagedData,
                                     fmt::format("the data is damaged: {}",
                                                 stream_.msg == nullptr ? "no gzip" : stream_.msg));
            }
        }
    }

    static bool is_gzip(const void* data, std::size_t size) {
        return size >= 2 && std::memcmp(data, "\x1f\x8b", 2) == 0;
    }

private:
    z_stream stream_{};
};

std::string read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw RecordingError(Code::CannotOpen,
                             std::string("cannot be opened: ") + std::strerror(errno));
    }
    std::string data;
    std::array<char, 65536> block{};
    while (data.size() <= kMaxBytes && file) {
        file.read(block.data(), static_cast<std::streamsize>(block.size()));
        data.append(block.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (file.bad()) {
        throw RecordingError(Code::DamagedData,
                             std::string("cannot be read: ") + std::strerror(errno));
    }
    return data;
}

void must_be_file(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
        throw RecordingError(Code::CannotOpen,
                             std::string("cannot be opened: ") + std::strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        throw RecordingError(Code::NotAFile,
                             S_ISDIR(info.st_mode) ? "is a folder" : "is not a regular file");
    }
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t end = text.find('\n', start);
        const std::size_t stop = end == std::string::npos ? text.size() : end;
        lines.push_back(text.substr(start, stop - start));
        start = stop + 1;
    }
    return lines;
}

// Printing a value recurses, so a line may not be nested without end.
void limit_depth(const std::string& line) {
    int depth = 0;
    bool inside = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (inside) {
            i += c == '\\' ? 1 : 0;
            inside = c != '"';
        } else if (c == '"') {
            inside = true;
        } else if (c == '[' || c == '{') {
            if (++depth > kMaxDepth) {
                throw RecordingError(Code::TooDeep,
                                     fmt::format("more than {} levels of nesting", kMaxDepth));
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
}

std::string shown(const json& value) {
    const std::string text = value.dump();
    return text.size() <= 60 ? text : text.substr(0, 60) + "...";
}

[[noreturn]] void wrong_type(const char* key, const char* wanted, const json& value) {
    throw RecordingError(Code::WrongType,
                         fmt::format("\"{}\" must be {}, not {}", key, wanted, shown(value)));
}

// The library's words without its own number and place:
// "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error ... - reason".
std::string reason_of(const json::exception& error) {
    std::string text = error.what();
    for (const char* end : {"] ", ": ", " - "}) {
        const std::size_t at = text.find(end);
        text = at == std::string::npos ? text : text.substr(at + std::strlen(end));
    }
    return text;
}

// Any integer that a recording can hold.
std::int64_t integer_of(const json& object, const char* key) {
    const json& value = value_of(object, key);
    if (value.is_number_float()) {
        throw RecordingError(Code::NotInteger,
                             fmt::format("\"{}\" must be an integer, not {}", key, shown(value)));
    }
    if (!value.is_number_integer()) {
        wrong_type(key, "an integer", value);
    }
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        throw RecordingError(Code::OutOfRange,
                             fmt::format("\"{}\" is out of range: {}", key, shown(value)));
    }
    return value.get<std::int64_t>();
}

[[noreturn]] void out_of_range(const char* key, std::int64_t value, std::int64_t lowest,
                               std::int64_t highest) {
    throw RecordingError(Code::OutOfRange, fmt::format("\"{}\" is {}, and must be {} to {}", key,
                                                       value, lowest, highest));
}

}  // namespace

void read_lines(const std::string& path, RecordedLines& into) {
    must_be_file(path);
    std::string data = read_bytes(path);
    const auto take = [&into](const std::string& text) {
        into.last_is_whole = text.empty() || text.back() == '\n';
        into.lines = split(text);
        if (text.size() > kMaxBytes) {
            throw RecordingError(Code::TooLarge,
                                 fmt::format("more than {} MiB of text", kMaxBytes >> 20U));
        }
    };
    if (Gunzip::is_gzip(data.data(), data.size())) {
        std::string text;
        try {
            Gunzip().run(data, text);
        } catch (const RecordingError&) {
            take(text);
            throw;
        }
        take(text);
    } else {
        take(data);
    }
    if (into.lines.empty()) {
        throw RecordingError(Code::EmptyFile, "the file is empty");
    }
}

json parse_line(const std::string& line, std::size_t& column) {
    limit_depth(line);
    json value;
    try {
        value = json::parse(line);
    } catch (const json::parse_error& error) {
        column = error.byte;
        const std::string reason = reason_of(error);
        const std::size_t bytes = reason.find("; last read");  // may be no text at all
        if (reason.find("UTF-8") != std::string::npos) {
            throw RecordingError(Code::NotText, reason.substr(0, bytes));
        }
        throw RecordingError(Code::Syntax, reason);
    } catch (const json::exception& error) {
        throw RecordingError(Code::BadNumber, reason_of(error));
    }
    if (!value.is_object()) {
        throw RecordingError(Code::WrongType, "a line must be an object, not " + shown(value));
    }
    return value;
}

const json& value_of(const json& object, const char* key) {
    if (!object.is_object()) {
        throw RecordingError(Code::WrongType, fmt::format("an object with \"{}\" is wanted, not {}",
                                                          key, shown(object)));
    }
    const auto found = object.find(key);
    if (found == object.end()) {
        throw RecordingError(Code::MissingKey, fmt::format("the key \"{}\" is missing", key));
    }
    return *found;
}

std::uint32_t u32_of(const json& object, const char* key) {
    const std::int64_t value = integer_of(object, key);
    constexpr std::int64_t kLowest = std::numeric_limits<std::int32_t>::min();
    constexpr std::int64_t kHighest = std::numeric_limits<std::uint32_t>::max();
    if (value < kLowest || value > kHighest) {
        out_of_range(key, value, kLowest, kHighest);
    }
    return static_cast<std::uint32_t>(value);
}

std::uint64_t u64_of(const json& object, const char* key, std::uint64_t highest) {
    const std::int64_t value = integer_of(object, key);
    if (value < 0 || static_cast<std::uint64_t>(value) > highest) {
        out_of_range(key, value, 0, static_cast<std::int64_t>(highest));
    }
    return static_cast<std::uint64_t>(value);
}

int int_of(const json& object, const char* key) {
    const std::int64_t value = integer_of(object, key);
    constexpr std::int64_t kLowest = std::numeric_limits<int>::min();
    constexpr std::int64_t kHighest = std::numeric_limits<int>::max();
    if (value < kLowest || value > kHighest) {
        out_of_range(key, value, kLowest, kHighest);
    }
    return static_cast<int>(value);
}

bool bool_of(const json& object, const char* key) {
    const json& value = value_of(object, key);
    if (!value.is_boolean()) {
        wrong_type(key, "true or false", value);
    }
    return value.get<bool>();
}

std::string text_of(const json& object, const char* key) {
    const json& value = value_of(object, key);
    if (!value.is_string()) {
        wrong_type(key, "a string", value);
    }
    return value.get<std::string>();
}

json array_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) {
        return json::array();
    }
    if (!found->is_array()) {
        wrong_type(key, "an array", *found);
    }
    return *found;
}

void refuse_choice(const std::string& what, const std::string& value,
                   const std::vector<std::string>& choices) {
    const std::string near = nearest(value, choices);
    throw RecordingError(Code::NotAChoice,
                         fmt::format("unknown {} \"{}\"{}", what, value.substr(0, 60),
                                     near.empty() ? "" : fmt::format("; is it \"{}\"?", near)));
}

}  // namespace ioasim::tools
