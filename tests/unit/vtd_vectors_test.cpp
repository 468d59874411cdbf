#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_dir.hpp"
#include "tools/cli/conform/vtd_vectors.hpp"

using namespace ioasim;
using namespace ioasim::tools;

namespace {

constexpr const char* kHeader =
    R"({"format": "vtd-bench/1", "name": "t", "purpose": "p", "cap": "0x1", "ecap": "0x2", )"
    R"("ver": "0x10", "haw": 39, "ram": "0x20000000"})";

// Codes and lines of what is wrong with a file of these lines: "E0306:2".
std::vector<std::string> problems(const std::vector<std::string>& lines) {
    const test::TempDir folder;
    const std::string path = folder.file("x.jsonl");
    std::ofstream file(path);
    for (const std::string& line : lines) {
        file << line << '\n';
    }
    file.close();
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    VtdVectors vectors;
    const bool good = read_vtd_vectors(path, sources, diagnostics, vectors);
    std::vector<std::string> found;
    for (const scenario::Diagnostic& d : diagnostics.sorted()) {
        found.push_back(scenario::code_name(d.code) + ":" +
                        std::to_string(sources.locate(d.place).line));
    }
    CHECK(good == found.empty());
    return found;
}

std::vector<std::string> problems_of(const std::string& operation) {
    return problems({kHeader, operation});
}

using Found = std::vector<std::string>;

}  // namespace

TEST_CASE("vtd recordings: a whole file is accepted") {
    CHECK(problems(
              {kHeader, R"({"op": "mem", "addr": "0x1000", "data": "00"})",
               R"({"op": "mmio_read", "off": "0x1c", "size": 4, "mask": "0x1", "expect": "0x1"})",
               R"({"op": "dma", "dir": "read", "rid": "0x0100", "pasid": null, )"
               R"("iova": "0x0", "len": 2, "data": "0011", "expect": "ok"})"})
              .empty());
}

TEST_CASE("vtd recordings: what is damaged is told with its line") {
    CHECK(problems({}) == Found{"E0103:1"});
    CHECK(problems({kHeader}) == Found{"E0110:1"});
    CHECK(problems({R"({"format": "vtd-bench/2"})"})[0] == "E0202:1");
    CHECK(problems_of("{") == Found{"E0110:2"});
    CHECK(problems_of(R"({"addr": "0x1"})") == Found{"E0202:2"});
    CHECK(problems_of(R"({"op": "men", "addr": "0x1", "data": "00"})") == Found{"E0306:2"});
    CHECK(problems_of(R"({"op": "mem", "addr": "0x1"})") == Found{"E0202:2"});
    CHECK(problems_of(R"({"op": "mem", "addr": "0x1", "data": "0"})") == Found{"E0311:2"});
    CHECK(problems_of(R"({"op": "mem", "addr": "0x1", "data": "00", "size": 1})") ==
          Found{"E0201:2"});
}

TEST_CASE("vtd recordings: operations that no bus carries are refused") {
    CHECK(problems_of(R"({"op": "mmio_write", "off": "0x6", "size": 4, "value": "0x0"})") ==
          Found{"E0301:2"});
    CHECK(problems_of(R"({"op": "mmio_write", "off": "0x8", "size": 6, "value": "0x0"})") ==
          Found{"E0301:2"});
    CHECK(problems_of(
              R"({"op": "mmio_read", "off": "0x8", "size": 8, "mask": "0x1", "expect": "0x2"})") ==
          Found{"E0301:2"});
    CHECK(problems_of(R"({"op": "dma", "dir": "write", "rid": "0x0100", "iova": "0x0", "len": 2, )"
                      R"("data": "00", "expect": "ok"})") == Found{"E0301:2"});
    CHECK(problems_of(R"({"op": "dma", "dir": "write", "rid": "0x10000", "iova": "0x0", )"
                      R"("len": 1, "data": "00", "expect": "ok"})") == Found{"E0301:2"});
}
