// Reports for other programs, of results with everything in them that formats choke on.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/base/random.hpp"
#include "tests/support/lines.hpp"
#include "tools/cli/report_text.hpp"
#include "tools/cli/reports.hpp"

using namespace ioasim;
using namespace ioasim::tools;

namespace {

RunResult failing(const std::string& name, std::size_t failures = 1) {
    RunResult r;
    r.file = "./scenarios/sva/" + name + ".json";
    r.name = name;
    r.exit_code = kFailed;
    r.reason = "idle";
    r.reproduce = "ioasim run scenarios/sva/" + name + ".json --seed 1  # 0123456789abcdef";
    for (std::size_t i = 0; i < failures; ++i) {
        scenario::Failure failure;
        failure.where = fmt::format("scenarios/sva/{}.json:{}:7", name, i + 10);
        failure.text = "expected 1, \033[1mgot\033[0m 100% less\x01";
        failure.seen = {"dsa.complete <&>"};
        r.failures.push_back(failure);
    }
    return r;
}

RunResult passing(const std::string& name) {
    RunResult r = failing(name, 0);
    r.exit_code = kPass;
    return r;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

}  // namespace

TEST_CASE("reports: text is rid of terminals' sequences, controls and what is no character") {
    CHECK(clean_text("a\033[31;1mb\033[0mc\033]0;title\007d\033]8;;x\033\\e\033Mf\033") ==
          "abcdef");
    CHECK(clean_text(std::string("a\0b\x07\x7f\r\tc\n", 9)) == "ab\tc\n");
    CHECK(clean_text("\xC2\x9B"
                     "1m\xC2\xA0") == "1m\xC2\xA0");  // CSI as one character
    CHECK(clean_text("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") ==
          "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    const std::string none = "\xEF\xBF\xBD";
    CHECK(clean_text("a\xFF"
                     "b") == "a" + none + "b");
    CHECK(clean_text("\xC0\xAF") == none + none);             // overlong
    CHECK(clean_text("\xED\xA0\x80") == none + none + none);  // a surrogate
    CHECK(clean_text("\xEF\xBF\xBF") == none + none + none);  // U+FFFF
    CHECK(clean_text("\xE2\x82") == none + none);             // cut off
    CHECK(clean_line("two\nlines") == "two lines");
}

TEST_CASE("reports: whatever bytes there are, what comes out is fit for XML") {
    RandomStream random{1, "test", "bytes"};
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (std::uint64_t i = random.below(40); i > 0; --i) {
            const bool plain = random.chance(1, 2);
            text += static_cast<char>(plain ? random.between(0x1b, 0x7f) : random.below(256));
        }
        const std::string clean = clean_text(text);
        CHECK(clean_text(clean) == clean);
        for (const char c : clean) {
            const auto byte = static_cast<unsigned char>(c);
            CHECK((byte >= 0x20 || c == '\n' || c == '\t'));
            CHECK(byte != 0x7f);
        }
    }
}

TEST_CASE("reports: JUnit has a case a run, and a failure begins with the command") {
    const std::string text = junit_text({passing("good"), failing("bad")});
    CHECK(text.find("tests=\"2\" failures=\"1\" errors=\"0\"") != std::string::npos);
    CHECK(text.find("classname=\"scenarios.sva.bad\" name=\"bad seed 1\"") != std::string::npos);
    CHECK(text.find("type=\"FAIL\">ioasim run scenarios/sva/bad.json --seed 1") !=
          std::string::npos);
    CHECK(text.find("dsa.complete &lt;&amp;&gt;") != std::string::npos);
    CHECK(text.find('\033') == std::string::npos);
    CHECK(text.find('\x01') == std::string::npos);
}

TEST_CASE("reports: KTAP has a plan, a line a run, and the command before what failed") {
    RunResult odd = failing("has # in it");
    const std::vector<std::string> lines = lines_of(ktap_text({passing("good"), odd}));
    REQUIRE(lines.size() > 5);
    CHECK(lines[0] == "KTAP version 1");
    CHECK(lines[1] == "1..2");
    CHECK(lines[2] == "ok 1 scenarios.sva.good.good seed 1");
    CHECK(lines[3] == "# " + odd.reproduce);
    CHECK(lines[lines.size() - 2] == "not ok 2 scenarios.sva.has _ in it.has _ in it seed 1");
    CHECK(lines.back() == "# Totals: pass:1 fail:1 skip:0");
    for (std::size_t i = 3; i + 2 < lines.size(); ++i) {
        CHECK(lines[i].rfind("# ", 0) == 0);
    }
}

TEST_CASE("reports: an annotation names file, line and column, and escapes what ends it") {
    const std::vector<std::string> lines =
        lines_of(github_text({passing("good"), failing("a,b:c")}));
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] ==
          "::error file=scenarios/sva/a%2Cb%3Ac.json,line=10,col=7,title=a%2Cb%3Ac seed 1%3A FAIL::"
          "expected 1, got 100%25 less%0A  dsa.complete <&>%0A"
          "ioasim run scenarios/sva/a,b:c.json --seed 1  # 0123456789abcdef");
}

TEST_CASE("reports: annotations are as many as a step shows, the last tells of the others") {
    CHECK(lines_of(github_text({failing("nine", 9)})).size() == 9);
    const std::vector<std::string> lines =
        lines_of(github_text({failing("some", 6), passing("good"), failing("more", 6)}));
    REQUIRE(lines.size() == 10);
    CHECK(lines[9] ==
          "::error title=3 more failures::2 of 3 runs failed; the log and the job's summary have "
          "all");
}

TEST_CASE("reports: a crash is annotated at its file") {
    RunResult crash = failing("bad", 0);
    crash.exit_code = kInternal;
    crash.error = "internal error, please report: x";
    const std::vector<std::string> lines = lines_of(github_text({crash}));
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].rfind("::error file=./scenarios/sva/bad.json,title=bad seed 1%3A INTERNAL "
                         "ERROR::internal error, please report: x%0Aioasim run ",
                         0) == 0);
}

TEST_CASE("reports: what is asked for is looked at before the run") {
    CHECK(check_reports({"junit=a", "json=b", "ktap=-", "github=-"}, false).empty());
    CHECK(check_reports({"junit=-"}, true) ==
          test::Lines{"standard output holds one report: give the others a file"});
    CHECK_FALSE(check_reports({"junit=-", "ktap=-"}, false).empty());
    CHECK(check_reports({"xml=a"}, false) ==
          test::Lines{"no report format \"xml\": there are json, junit, ktap and github"});
    CHECK(check_reports({"xml=a", "junit"}, false).size() == 2);
    CHECK_FALSE(check_reports({"junit="}, false).empty());
    CHECK_FALSE(check_reports({"junit"}, false).empty());
    CHECK(report_has_stdout({"github=-", "ktap=-"}));
    CHECK_FALSE(report_has_stdout({"github=-", "ktap=file"}));
}
