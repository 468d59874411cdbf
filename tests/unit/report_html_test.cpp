// HTML of reports: nothing of a scenario or a trace becomes markup.
#include <doctest/doctest.h>

#include "tools/cli/report/charts.hpp"
#include "tools/cli/report/html.hpp"

using ioasim::tools::report::Assets;
using ioasim::tools::report::axis_label;
using ioasim::tools::report::axis_times;
using ioasim::tools::report::document;
using ioasim::tools::report::escape;
using ioasim::tools::report::Page;
using ioasim::tools::report::script_json;
using ioasim::tools::report::Table;

TEST_CASE("report: text stays text") {
    CHECK(escape("<b a=\"1\" c='2'>&</b>") ==
          "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;&lt;/b&gt;");
    CHECK(escape("caf\xC3\xA9 \xE2\x86\x92 \xF0\x9F\x99\x82") ==
          "caf\xC3\xA9 \xE2\x86\x92 \xF0\x9F\x99\x82");
    CHECK(escape("a\x01z") == "a\xEF\xBF\xBDz");
    CHECK(escape("\n\t") == "\n\t");
}

TEST_CASE("report: what is not UTF-8 is replaced byte by byte") {
    const std::string bad = "\xEF\xBF\xBD";
    CHECK(escape("a\xFFz") == "a" + bad + "z");
    CHECK(escape("\xC3") == bad);                      // cut off
    CHECK(escape("\xC0\xAF") == bad + bad);            // overlong
    CHECK(escape("\xE2\x28\xA1") == bad + "(" + bad);  // no continuation
}

TEST_CASE("report: no JSON ends the script that it stands in") {
    CHECK(script_json("\"</script><!--\"") == "\"\\u003c/script>\\u003c!--\"");
}

TEST_CASE("report: a page without assets has no script and no data") {
    Page page;
    page.title = "</title>";
    page.data = "{}";
    const std::string plain = document(page, Assets{});
    CHECK(plain.find("<script") == std::string::npos);
    CHECK(plain.find("script-src") == std::string::npos);
    CHECK(plain.find("<title>&lt;/title&gt;</title>") != std::string::npos);
    const std::string with = document(page, Assets{"1;", "", "sha256-x"});
    CHECK(with.find("; script-src 'sha256-x'\"") != std::string::npos);
    CHECK(with.find("<script>1;</script>") != std::string::npos);
}

TEST_CASE("report: columns of numbers are set to the right") {
    Table table("t", "caption", {"a", "b", "c"});
    table.row({"1", "2 us", "00:01.0"});
    table.row({"2", "-", "3"});
    const std::string text = table.text();
    CHECK(text.find("<th scope=\"col\" class=\"n\">b</th><th scope=\"col\">c</th>") !=
          std::string::npos);
    CHECK(text.find("<td class=\"n\">-</td><td>3</td>") != std::string::npos);
}

TEST_CASE("report: an axis has round times, about as many as asked for") {
    const auto times = axis_times(0, 294'921'120, 9);
    REQUIRE(times.size() >= 4);
    CHECK(times.size() <= 10);
    CHECK(times[1] == 50'000'000);
    CHECK(axis_label(times[1]) == "50 us");
    CHECK(axis_label(1'500'000) == "1.5 us");
    CHECK(axis_label(0) == "0");
    CHECK(axis_times(7, 7, 5).size() == 1);  // nothing lasted
}
