// The strict VCD reader: one broken text for each rule, each found with its own code and line.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/temp_dir.hpp"
#include "traces/vcd_reader.hpp"

using namespace ioasim::traces;

namespace {

const std::string kGood =
    "$version ioasim $end\n"             // 1
    "$timescale 1ps $end\n"              // 2
    "$scope module top $end\n"           // 3
    "$var wire 1 ! valid $end\n"         // 4
    "$var wire 4 \" count [3:0] $end\n"  // 5
    "$upscope $end\n"                    // 6
    "$enddefinitions $end\n"             // 7
    "#0\n"                               // 8
    "$dumpvars\n"                        // 9
    "0!\n"                               // 10
    "b0000 \"\n"                         // 11
    "$end\n"                             // 12
    "#10\n"                              // 13
    "1!\n"                               // 14
    "b101 \"\n"                          // 15
    "#20\n";                             // 16

// The good text with one piece replaced.
std::string with(const std::string& from, const std::string& to) {
    std::string text = kGood;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

struct Broken {
    VcdError error;
    std::size_t line;
    std::string text;
};

struct Recorded : VcdVisitor {
    std::vector<std::string> seen;
    void on_time(std::uint64_t time) override { seen.push_back("#" + std::to_string(time)); }
    void on_change(std::size_t index, std::string_view bits, bool initial) override {
        seen.push_back((initial ? "i" : "") + std::to_string(index) + "=" + std::string(bits));
    }
};

}  // namespace

TEST_CASE("vcd reader: a good file is read with full-width values") {
    Recorded recorded;
    const VcdStatus status = read_vcd(kGood, recorded);
    CAPTURE(status.text);
    REQUIRE(status.ok());
    CHECK(status.timescale_ps == 1);
    CHECK(status.end == 20);
    CHECK(status.changes == 2);
    REQUIRE(status.vars.size() == 2);
    CHECK(status.vars[1].name == "top.count");
    CHECK(status.vars[1].width == 4);
    CHECK(recorded.seen ==
          std::vector<std::string>{"#0", "i0=0", "i1=0000", "#10", "0=1", "1=0101", "#20"});
}

TEST_CASE("vcd reader: each broken rule has its code and line") {
    const std::vector<Broken> table{
        {VcdError::Empty, 0, ""},
        {VcdError::NotAscii, 4, with("valid", "v\xC3\xA4lid")},
        {VcdError::NotAscii, 1, with("ioasim $end\n", "ioasim $end\r\n")},
        {VcdError::NotAscii, 1, "\xFF\xFE$\0v\0"},
        {VcdError::Truncated, 16, kGood.substr(0, kGood.size() - 1)},
        {VcdError::Truncated, 4, kGood.substr(0, kGood.find("valid"))},
        {VcdError::MissingEndDefinitions, 6, kGood.substr(0, kGood.find("$enddef"))},
        {VcdError::BadSpacing, 4, with("1 ! valid", "1  ! valid")},
        {VcdError::BadSpacing, 15, with("b101 \"", "b101 \" ")},
        {VcdError::BadSpacing, 8, with("#0\n", "\n#0\n")},
        {VcdError::UnknownDirective, 3, with("$scope", "$skope")},
        {VcdError::UnknownDirective, 14, with("1!\n", "$dumpall\n1!\n")},
        {VcdError::MisplacedDirective, 14, with("1!\n", "$var wire 1 # late $end\n1!\n")},
        {VcdError::MisplacedDirective, 3, with("$scope", "$timescale 1ns $end\n$scope")},
        {VcdError::MisplacedDirective, 14, with("1!\n", "$dumpvars\n1!\n$end\n")},
        {VcdError::MissingEnd, 4, with("valid $end", "valid")},
        {VcdError::MissingTimescale, 6, with("$timescale 1ps $end\n", "")},
        {VcdError::BadTimescale, 2, with("1ps", "1 fortnight")},
        {VcdError::BadTimescale, 2, with("1ps", "2ps")},
        {VcdError::MissingEndDefinitions, 7, with("$enddefinitions $end\n", "")},
        {VcdError::BadScope, 3, with("$scope module top $end\n", "$upscope $end\n")},
        {VcdError::BadScope, 6, with("$upscope $end\n", "")},
        {VcdError::BadVar, 4, with("wire 1 !", "string 1 !")},
        {VcdError::BadVar, 4, with("wire 1 !", "wire one !")},
        {VcdError::BadName, 4, with("valid", "va:lid")},
        {VcdError::BadName, 3, with("top", "to.p")},
        {VcdError::ZeroSize, 4, with("wire 1 !", "wire 0 !")},
        {VcdError::RangeMismatch, 5, with("[3:0]", "[4:0]")},
        {VcdError::RangeMismatch, 5, with(" [3:0]", "")},
        {VcdError::DuplicateId, 5, with("4 \" count", "4 ! count")},
        {VcdError::DuplicateName, 5, with("$var wire 4 \" count [3:0]", "$var wire 1 \" valid")},
        {VcdError::UndeclaredId, 14, with("\n1!\n", "\n1?\n")},
        {VcdError::VectorTooWide, 15, with("b101 ", "b00101 ")},
        {VcdError::ScalarForVector, 14, with("\n1!\n", "\n1\"\n")},
        {VcdError::BadBit, 15, with("b101 ", "b102 ")},
        {VcdError::BadBit, 15, with("b101 ", "b0b101 ")},
        {VcdError::BadBit, 14, with("\n1!\n", "\n2!\n")},
        {VcdError::BadTime, 13, with("#10", "#1x")},
        {VcdError::BadTime, 13, with("#10", "#-1")},
        {VcdError::BadTime, 8, with("#0\n", "#1\n")},
        {VcdError::TimeBackwards, 16, with("#20", "#9")},
        {VcdError::TimeBackwards, 16, with("#20", "#10")},
        {VcdError::ChangeBeforeTime, 8, with("#0\n", "1!\n#0\n")},
        {VcdError::ChangeBeforeTime, 8, with("#0\n$dumpvars", "$dumpvars")},
        {VcdError::MissingDumpvars, 9, with("$dumpvars\n0!\nb0000 \"\n$end\n", "")},
        {VcdError::MissingDumpvars, 9, with("$dumpvars\n", "")},
        {VcdError::IncompleteDumpvars, 11, with("b0000 \"\n", "")},
        {VcdError::IncompleteDumpvars, 12, with("$end\n#10", "#10")},
        {VcdError::NoFinalTime, 15, with("#20\n", "")},
    };
    for (const Broken& broken : table) {
        const VcdStatus status = read_vcd(broken.text);
        CAPTURE(broken.text);
        CAPTURE(status.text);
        CAPTURE(vcd_error_name(status.error));
        CHECK(vcd_error_name(status.error) == vcd_error_name(broken.error));
        CHECK(status.line == broken.line);
    }
}

TEST_CASE("vcd reader: every code has a name of its own") {
    std::vector<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(VcdError::NoFinalTime); ++i) {
        names.push_back(vcd_error_name(static_cast<VcdError>(i)));
    }
    std::sort(names.begin(), names.end());
    CHECK(std::unique(names.begin(), names.end()) == names.end());
}

TEST_CASE("vcd reader: short vectors extend by the standard's rule") {
    Recorded recorded;
    REQUIRE(read_vcd(with("b101 \"", "bx1 \""), recorded).ok());
    CHECK(recorded.seen[5] == "1=xxx1");
}

TEST_CASE("vcd reader: a file that is not there, an empty one") {
    ioasim::test::TempDir dir;
    VcdVisitor nobody;
    CHECK(read_vcd_file(dir.file("none.vcd"), nobody).error == VcdError::Unreadable);
    std::ofstream(dir.file("empty.vcd")).flush();
    CHECK(read_vcd_file(dir.file("empty.vcd"), nobody).error == VcdError::Empty);
}
