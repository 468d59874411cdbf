// From a path to a text that may be parsed: whatever is no text file of bearable size is refused by
// name, before it is read and without waiting for anybody.
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "scenarios/language/json_words.hpp"

namespace ioasim::scenario {
namespace {

// Offset of the first byte that is not valid UTF-8, or npos.
std::size_t first_bad_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto byte = static_cast<unsigned char>(text[i]);
        std::size_t more = 0;
        if (byte >= 0xC2 && byte <= 0xDF) {
            more = 1;
        } else if (byte >= 0xE0 && byte <= 0xEF) {
            more = 2;
        } else if (byte >= 0xF0 && byte <= 0xF4) {
            more = 3;
        } else if (byte >= 0x80) {
            return i;
        }
        for (std::size_t k = 1; k <= more; ++k) {
            if (i + k >= text.size() ||
                (static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) {
                return i;
            }
        }
        i += more + 1;
    }
    return std::string_view::npos;
}

struct Opened {
    std::string text;
    bool ok = false;
    Code code = Code::CannotOpen;
    std::string problem;
    std::string help;
};

Opened refuse(Code code, std::string problem, std::string help = {}) {
    return {{}, false, code, std::move(problem), std::move(help)};
}

Opened read_text(const std::string& path, const FileWords& words = {}) {
    // O_NONBLOCK: opening a pipe without a writer must not wait.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return refuse(Code::CannotOpen,
                      fmt::format("cannot open {}: {}", quoted(path), std::strerror(errno)));
    }
    struct Closer {
        int fd;
        ~Closer() { ::close(fd); }
    } closer{fd};
    struct stat info {};
    if (::fstat(fd, &info) != 0) {
        return refuse(Code::CannotOpen,
                      fmt::format("cannot look at {}: {}", quoted(path), std::strerror(errno)));
    }
    if (S_ISDIR(info.st_mode)) {
        return refuse(
            Code::NotAFile, fmt::format("{} is a folder, not a file", quoted(path)),
            fmt::format("name the files: {}{}*.json", path, path.back() == '/' ? "" : "/"));
    }
    if (!S_ISREG(info.st_mode)) {
        return refuse(Code::NotAFile, fmt::format("{} is not a regular file", quoted(path)));
    }
    if (static_cast<std::uint64_t>(info.st_size) > kMaxFileBytes) {
        return refuse(Code::TooLarge,
                      fmt::format("{} has {} bytes; the limit for {} is {}", quoted(path),
                                  info.st_size, words.what, kMaxFileBytes),
                      words.when_large);
    }
    Opened opened;
    opened.text.resize(static_cast<std::size_t>(info.st_size));
    std::size_t got = 0;
    while (got < opened.text.size()) {
        const ssize_t n = ::read(fd, opened.text.data() + got, opened.text.size() - got);
        if (n < 0) {
            return refuse(Code::CannotOpen,
                          fmt::format("cannot read {}: {}", quoted(path), std::strerror(errno)));
        }
        if (n == 0) {
            break;
        }
        got += static_cast<std::size_t>(n);
    }
    opened.text.resize(got);
    opened.ok = true;
    return opened;
}

}  // namespace

std::uint32_t read_text_file(const std::string& path, SourceSet& sources,
                             Diagnostics& diagnostics) {
    Opened opened = read_text(path);
    if (!opened.ok) {
        const Place place{sources.add(path, ""), 0, 0};
        diagnostics.add({opened.code, place, opened.problem, opened.help, {}, false});
        return 0;
    }
    return sources.add(path, std::move(opened.text));
}

namespace {

bool read_file(const FileWords& words, const std::string& path, const Place& from,
               SourceSet& sources, Diagnostics& diagnostics, Node& out) {
    Opened opened = read_text(path, words);
    if (!opened.ok) {
        const Place place = from.file != 0 ? from : Place{sources.add(path, ""), 0, 0};
        diagnostics.add({opened.code, place, opened.problem, opened.help, {}, false});
        return false;
    }
    const std::string_view text = opened.text;
    const auto whole_file = [&](Code code, std::string problem, std::string help) {
        const Place place{sources.add(path, ""), 0, 0};
        diagnostics.add({code, place, std::move(problem), std::move(help), {}, false});
        return false;
    };
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return whole_file(
            Code::EmptyFile,
            text.empty() ? "the file is empty" : "the file holds nothing but white space",
            words.when_empty);
    }
    if (text.substr(0, 3) == "\xEF\xBB\xBF") {
        return whole_file(Code::ByteOrderMark, "the file begins with a byte order mark",
                          "save it as UTF-8 without one");
    }
    if (text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF" ||
        text.substr(0, 2) == std::string_view("{\0", 2) ||
        text.substr(0, 2) == std::string_view("\0{", 2)) {
        return whole_file(Code::NotText, "the file is UTF-16", "save it as UTF-8");
    }
    const std::size_t zero = text.find('\0');
    if (zero != std::string_view::npos) {
        return whole_file(Code::NotText,
                          fmt::format("the file is binary: a zero byte at offset {}", zero), "");
    }
    const std::size_t bad = first_bad_utf8(text);
    if (bad != std::string_view::npos) {
        return whole_file(Code::NotText,
                          fmt::format("the file is not UTF-8: byte 0x{:02x} at offset {}",
                                      static_cast<unsigned char>(text[bad]), bad),
                          "save it as UTF-8");
    }
    return parse_json(sources.add(path, std::move(opened.text)), sources, diagnostics, out);
}

}  // namespace

bool read_json_file(const std::string& path, const Place& from, SourceSet& sources,
                    Diagnostics& diagnostics, Node& out) {
    return read_file({}, path, from, sources, diagnostics, out);
}

bool read_json_file_as(const FileWords& words, const std::string& path, SourceSet& sources,
                       Diagnostics& diagnostics, Node& out) {
    return read_file(words, path, {}, sources, diagnostics, out);
}

}  // namespace ioasim::scenario
