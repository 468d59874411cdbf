// A strict VCD reader: the rules that make every waveform tool accept a file, each broken rule with
// its own code and line. Stops at the first error.
//
// Accepted: $date $version $comment $timescale $scope module $var wire|reg $upscope
// $enddefinitions, each on one line with single spaces; then #0, one complete $dumpvars block, and
// per strictly later time the changes, and as last line a time stamp behind the last change.
// Everything ASCII, every line ended by one newline. Left out on purpose: real, string and event
// variables, $dumpoff.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ioasim::traces {

enum class VcdError : std::uint8_t {
    None,
    Unreadable,  // the file cannot be opened or read
    Empty,
    NotAscii,   // other encodings, carriage returns, control characters
    Truncated,  // the last line has no end
    BadSpacing,
    UnknownDirective,
    MisplacedDirective,  // declarations behind $enddefinitions, a second $timescale …
    MissingEnd,          // a directive without $end on its line
    MissingTimescale,
    BadTimescale,
    MissingEndDefinitions,
    BadScope,  // $upscope without $scope, or a scope left open
    BadVar,    // malformed $var
    BadName,
    ZeroSize,
    RangeMismatch,  // [N-1:0] does not say the size
    DuplicateId,
    DuplicateName,
    UndeclaredId,
    VectorTooWide,
    ScalarForVector,
    BadBit,
    BadTime,
    TimeBackwards,
    ChangeBeforeTime,
    MissingDumpvars,
    IncompleteDumpvars,
    NoFinalTime,
};
// "time-backwards", …
std::string_view vcd_error_name(VcdError error);

struct VcdVar {
    std::string name;  // "ioasim.dsa0.wq0.occupancy"
    std::string id;
    unsigned width = 0;
};

// What a file says, in order. Values are bit strings of the full width ("0", "1", "x", "z").
class VcdVisitor {
public:
    virtual ~VcdVisitor() = default;
    virtual void on_var(std::size_t /*index*/, const VcdVar&) {}
    virtual void on_time(std::uint64_t /*time*/) {}
    // `initial`: from the $dumpvars block.
    virtual void on_change(std::size_t /*index*/, std::string_view /*bits*/, bool /*initial*/) {}
};

struct VcdStatus {
    VcdError error = VcdError::None;
    std::size_t line = 0;
    std::string text;  // for people
    std::vector<VcdVar> vars;
    std::uint64_t timescale_ps = 0;
    std::uint64_t end = 0;      // last time stamp
    std::uint64_t changes = 0;  // behind $dumpvars
    bool ok() const { return error == VcdError::None; }
};

VcdStatus read_vcd(std::string_view content, VcdVisitor& visitor);
VcdStatus read_vcd(std::string_view content);
VcdStatus read_vcd_file(const std::string& path, VcdVisitor& visitor);

}  // namespace ioasim::traces
