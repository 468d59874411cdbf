// Messages about what a person wrote: a stable code, the place, the source line with a caret, and
// help. All messages of a load are collected and shown together in source order; nothing is printed
// here. `ioasim explain CODE` shows the entry of the code table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/words.hpp"

namespace ioasim::scenario {

enum class Code : std::uint16_t {
    // The file and its JSON text.
    CannotOpen = 101,
    NotAFile = 102,
    EmptyFile = 103,
    TooLarge = 104,
    NotText = 105,
    ByteOrderMark = 106,
    Syntax = 107,
    TrailingComma = 108,
    TooDeep = 109,
    Truncated = 110,
    DuplicateKey = 111,
    BadString = 112,
    BadNumber = 113,
    BadComment = 114,
    TextAfterEnd = 115,
    DamagedData = 116,
    // The shape of the document.
    UnknownKey = 201,
    MissingKey = 202,
    WrongType = 203,
    OneOf = 204,
    ListLength = 206,
    Version = 208,
    // Values.
    OutOfRange = 301,
    NotInteger = 302,
    BadTime = 303,
    BadSize = 304,
    BadBandwidth = 305,
    NotAChoice = 306,
    BadName = 307,
    NameTaken = 308,
    BadErrno = 309,
    MinAboveMax = 310,
    BadFieldValue = 311,
    // Names that must exist.
    UnknownComponent = 401,
    UnknownVariable = 402,
    UnknownDefect = 403,
    UnknownFinding = 404,
    UnknownEvent = 405,
    UnknownField = 406,
    UnknownParameter = 407,
    UnknownStep = 409,
    UnknownFault = 410,
    BadStatePath = 411,
    BadTrigger = 412,
    // Composition.
    BadBase = 501,
    BaseName = 502,
    UnknownParam = 503,
    BadParam = 505,
    BadMatrix = 506,
    BadSetPath = 507,
    BadSet = 508,
    // Meaning.
    CannotFail = 601,
    NoCheckers = 602,
    BadOrder = 603,
    Platform = 701,
    // The command line and its files.
    Usage = 801,
    OutputExists = 802,
    CannotWrite = 803,
};

struct CodeInfo {
    Code code;
    const char* title;
    const char* text;     // what it means and what to do
    const char* example;  // what causes it, and what does not
};

const std::vector<CodeInfo>& code_table();
const CodeInfo* find_code(std::string_view name);  // "E0201" or "0201"
std::string code_name(Code code);                  // "E0201"

// A place in one of the texts of a SourceSet. file 0 means no text: `SourceSet::none`.
struct Place {
    std::uint32_t file = 0;
    std::uint32_t offset = 0;  // bytes
    std::uint32_t length = 0;  // bytes to underline; 0: the file as a whole
};

// Every text that took part in a load: files, and the arguments of `--set`.
class SourceSet {
public:
    SourceSet() { add("", ""); }
    std::uint32_t add(std::string name, std::string text);
    const std::string& name(std::uint32_t file) const { return files_[file].name; }
    const std::string& text(std::uint32_t file) const { return files_[file].text; }

    struct LineColumn {
        std::uint32_t line = 1;
        std::uint32_t column = 1;  // in code points
    };
    LineColumn locate(const Place& place) const;
    std::string line_text(std::uint32_t file, std::uint32_t line) const;
    // "file:line:col", or "file" for a place without offset.
    std::string describe(const Place& place) const;

private:
    struct File {
        std::string name;
        std::string text;
        std::vector<std::uint32_t> line_starts;
        std::vector<std::uint32_t> marks;  // code points before each kMarkBytes bytes
    };
    // A line may be the whole file: its columns are counted from the mark before.
    static constexpr std::size_t kMarkBytes = 1024;
    static std::uint32_t points_before(const File& file, std::size_t offset);
    std::vector<File> files_;
};

struct Diagnostic {
    Code code = Code::Syntax;
    Place place;
    std::string text;
    std::string help;     // one line, or empty
    std::string pointer;  // "/vms/0/quota", or empty
    bool warning = false;
};

class Diagnostics {
public:
    // The same message at the same place counts once: the cells of a matrix share most of a file.
    void add(Diagnostic diagnostic);
    bool has_errors() const { return errors_ != 0; }
    bool empty() const { return all_.empty(); }
    std::size_t error_count() const { return errors_; }
    // In source order.
    std::vector<Diagnostic> sorted() const;

private:
    std::vector<Diagnostic> all_;
    std::size_t errors_ = 0;
};

// Text for a terminal; at most `limit` messages, then how many more there are.
std::string render(const Diagnostics& diagnostics, const SourceSet& sources, bool colour,
                   std::size_t limit = 100);
// One message without a source text, for problems of the command line.
std::string render_plain(Code code, std::string_view text, std::string_view help);

}  // namespace ioasim::scenario
