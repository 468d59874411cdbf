#include <doctest/doctest.h>

#include "core/base/units.hpp"
#include "tests/unit/language_support.hpp"

using namespace ioasim;
using namespace ioasim::scenario;
using namespace ioasim::scenario::test;
using Strings = std::vector<std::string>;

TEST_CASE("scenario text: every value and key knows its line and column") {
    const Parsed p = parse("{\n  \"a\": [1, // one\n        \"zw\xC3\xB6lf\", true]}");
    REQUIRE(p.good);
    const Node* list = p.node.get("a");
    REQUIRE(list != nullptr);
    CHECK(p.sources.describe(p.node.find("a")->place) == "t.json:2:3");
    CHECK(p.sources.describe(list->items[0].place) == "t.json:2:9");
    CHECK(p.sources.describe(list->items[1].place) == "t.json:3:9");
    // Columns count characters, not bytes.
    CHECK(p.sources.describe(list->items[2].place) == "t.json:3:18");
}

TEST_CASE("scenario text: mistakes with a clear meaning are all told and reading goes on") {
    const Parsed p =
        parse("{\"a\": 1,\n \"a\": 2,\n b: 'x',\n \"c\": [1, 2,],\n \"d\": 0x10 \"e\": 1,}");
    CHECK(p.good);
    CHECK(told_line(p.diagnostics, p.sources) ==
          "E0111 2:2, E0107 3:2, E0107 3:5, E0108 4:12, E0113 5:7, E0107 5:10, E0108 5:18");
    CHECK(p.node.get("e")->text == "1");
    CHECK(p.node.get("a")->text == "1");
}

TEST_CASE("scenario text: what cannot be read ends with one message at its place") {
    const auto only = [](const std::string& text) {
        const Parsed p = parse(text);
        CHECK_FALSE(p.good);
        const Strings all = told(p.diagnostics, p.sources);
        return all.size() == 1 ? all[0] : "several";
    };
    CHECK(only("{\"a\": [1, 2") == "E0110 1:11");
    CHECK(only("{\"a\": \"x") == "E0110 1:8");
    CHECK(only("{\"a\" 1}") == "E0107 1:6");
    CHECK(only("{\"a\": 1} x") == "E0115 1:10");
    CHECK(only("{\"a\": \"x\ny\"}") == "E0112 1:7");
    CHECK(only("{\"a\": \"\\q\"}") == "E0112 1:8");
    CHECK(only("{\"a\": \"\\ud800\"}") == "E0112 1:8");
    CHECK(only("/* c */ {}") == "E0114 1:1");
    CHECK(only("# c\n{}") == "E0114 1:1");
    CHECK(only("{,}") == "E0107 1:2");
    CHECK(only("[,]") == "E0107 1:2");
}

TEST_CASE("scenario text: ten thousand levels of nesting are refused") {
    CHECK(told(parse(std::string(10'000, '[')).diagnostics,
               parse(std::string(10'000, '[')).sources) == Strings{"E0109 1:65"});
}

TEST_CASE("scenario text: numbers are JSON's, and stay as written") {
    for (const char* good : {"0", "-1", "1.5", "1e999", "-0.5E+10", "18446744073709551616"}) {
        const Parsed p = parse(good);
        CHECK_MESSAGE(p.good, good);
        CHECK(p.node.text == good);
        CHECK(p.diagnostics.empty());
    }
    for (const char* bad : {"+1", "01", ".5", "1.", "1e", "0x1", "--1", "12us", "1_000"}) {
        CHECK_MESSAGE(!parse(bad).diagnostics.empty(), bad);
    }
}

TEST_CASE("scenario text: escapes become characters") {
    CHECK(parse(R"("\u0041\u00fc\ud83d\ude00\n\/")").node.text == "A\xC3\xBC\xF0\x9F\x98\x80\n/");
}

TEST_CASE("scenario text: what is written is read back the same") {
    const std::string text =
        R"({"a": [1, -2.5e3, "x\"\\\n\u0001ö"], "b": {"c": null, "d": true}, "e": []})";
    const Parsed first = parse(text);
    REQUIRE(first.good);
    for (const unsigned indent : {0U, 2U}) {
        const Parsed again = parse(to_json(first.node, indent));
        REQUIRE(again.good);
        CHECK(to_json(again.node, 0) == to_json(first.node, 0));
    }
}

TEST_CASE("scenario files: what is no text file is refused by name") {
    Folder folder;
    const auto code = [](const std::string& path) {
        SourceSet sources;
        Diagnostics diagnostics;
        Node node;
        CHECK_FALSE(read_json_file(path, {}, sources, diagnostics, node));
        return told(diagnostics, sources);
    };
    CHECK(code(folder.path() + "/none.json") == Strings{"E0101"});
    CHECK(code(folder.path()) == Strings{"E0102"});
    CHECK(code("/dev/null") == Strings{"E0102"});
    CHECK(code(folder.write("empty.json", "")) == Strings{"E0103"});
    CHECK(code(folder.write("blank.json", " \n\t")) == Strings{"E0103"});
    CHECK(code(folder.write("large.json", std::string(kMaxFileBytes + 1, ' '))) ==
          Strings{"E0104"});
    CHECK(code(folder.write("utf16.json", std::string("{\0}\0", 4))) == Strings{"E0105"});
    CHECK(code(folder.write("binary.json", std::string("\x7f"
                                                       "ELF\0\0",
                                                       6))) == Strings{"E0105"});
    CHECK(code(folder.write("latin.json", "{\"a\": \"\xFC\"}")) == Strings{"E0105"});
    CHECK(code(folder.write("bom.json", "\xEF\xBB\xBF{}")) == Strings{"E0106"});
}

TEST_CASE("scenario files: many values are refused before they fill the memory") {
    std::string text = "[";
    for (std::size_t i = 0; i < kMaxValues; ++i) {
        text += "0,";
    }
    const Parsed p = parse(text + "0]");
    CHECK_FALSE(p.good);
    CHECK(p.diagnostics.sorted()[0].code == Code::TooLarge);
}

TEST_CASE("units: times are exact picoseconds") {
    CHECK(parse_time_text("12us").value == 12'000'000);
    CHECK(parse_time_text("1.5ns").value == 1500);
    CHECK(parse_time_text("0.001ns").value == 1);
    CHECK(parse_time_text("0ps").value == 0);
    CHECK(parse_time_text("213d").ok() == false);
    CHECK(parse_time_text("0.5h").value == 1'800'000'000'000'000);
    CHECK_FALSE(parse_time_text("0.5ps").ok());
    CHECK_FALSE(parse_time_text("1.0001ns").ok());
    CHECK_FALSE(parse_time_text("18446745s").ok());
    CHECK(parse_time_text("18446744s").ok());
    CHECK_FALSE(parse_time_text("-1us").ok());
    CHECK_FALSE(parse_time_text("").ok());
    CHECK_FALSE(parse_time_text("1e3us").ok());
    CHECK_FALSE(parse_time_text("1.us").ok());
}

TEST_CASE("units: a missing or wrong unit names the units that exist") {
    CHECK(parse_time_text("12").help == R"(write "12ps", "12ns", "12us", "12ms", "12s" or "12h")");
    CHECK(parse_time_text("12 us").help == R"(did you mean "12us"?)");
    CHECK(parse_time_text("12\xC2\xB5s").help == R"(did you mean "12us"?)");
    CHECK(parse_size_text("1TB").help == R"(did you mean "1TiB"?)");
    CHECK(parse_size_text("4KB").help == R"(did you mean "4KiB"?)");
    CHECK(parse_size_text("4").help == R"(write "64B", "4KiB", "2MiB", "1GiB" or "1TiB")");
}

TEST_CASE("units: sizes may have binary fractions that are whole bytes") {
    CHECK(parse_size_text("4KiB").value == 4096);
    CHECK(parse_size_text("1.25KiB").value == 1280);
    CHECK(parse_size_text("0.5KiB").value == 512);
    CHECK(parse_size_text("2TiB").value == 1ULL << 41U);
    CHECK_FALSE(parse_size_text("0.3KiB").ok());
    CHECK_FALSE(parse_size_text("17179869184GiB").ok());
}

TEST_CASE("units: what is written back means the same") {
    for (const std::uint64_t ps : {1ULL, 999ULL, 1000ULL, 1'500'000ULL, 12'000'000'000'000ULL}) {
        CHECK(parse_time_text(time_text(ps)).value == ps);
    }
    for (const std::uint64_t bytes : {1ULL, 1024ULL, 1536ULL, 1ULL << 30U}) {
        CHECK(parse_size_text(size_text(bytes)).value == bytes);
    }
    CHECK(parse_bandwidth_text(bandwidth_text(16'000)).value == 16'000);
}

TEST_CASE("units: requester ids and addresses") {
    std::uint64_t value = 0;
    CHECK(parse_rid_text("00:02.0", value));
    CHECK(value == 0x10);
    CHECK(parse_rid_text("ff:1f.7", value));
    CHECK(value == 0xFFFF);
    CHECK_FALSE(parse_rid_text("00:20.0", value));
    CHECK_FALSE(parse_rid_text("00:01.8", value));
    CHECK_FALSE(parse_rid_text("0x10000", value));
    CHECK(parse_address_text("0x1000", value));
    CHECK(value == 4096);
    CHECK_FALSE(parse_address_text("0x", value));
}

TEST_CASE("suggestions: the nearest name, also by its last part") {
    const Strings names{"ioasid.unbind", "ioasid.bind", "vtd.fault"};
    CHECK(nearest("ioasid.unbnd", names) == "ioasid.unbind");
    CHECK(nearest("unbind", names) == "ioasid.unbind");
    CHECK(nearest("VTD.FAULT", names) == "vtd.fault");
    CHECK(nearest("something else", names).empty());
    CHECK(suggest("x", {"a", "b"}) == "did you mean \"a\"?");
}

TEST_CASE("text: columns count code points, however long the line is") {
    SourceSet sources;
    std::string text = "\n";
    for (int i = 0; i < 1000; ++i) {
        text += "a\xC3\xA4\xE2\x82\xAC";  // three code points, six bytes
    }
    const std::uint32_t file = sources.add("t.json", text + "\nb");
    for (const std::uint32_t i : {0U, 1U, 170U, 171U, 341U, 999U}) {
        const auto at = sources.locate({file, 1 + i * 6, 1});
        CHECK(at.line == 2);
        CHECK(at.column == 1 + i * 3);
    }
    CHECK(sources.locate({file, 1 + 6000 + 1, 1}).line == 3);
    CHECK(sources.locate({file, 1 + 6000 + 1, 1}).column == 1);
}
