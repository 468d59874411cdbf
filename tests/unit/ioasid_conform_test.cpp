// Replays of recorded operations of real IOASID cores.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tools/cli/conform/conform_ioasid.hpp"

namespace {

std::vector<std::string> recorded(const std::string& profile) {
    std::vector<std::string> files;
    const std::filesystem::path folder =
        std::filesystem::path(IOASIM_SOURCE_DIR) / "tests/vectors/ioasid" / profile;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        files.push_back(entry.path().string());
    }
    return files;
}

void check_profile(const std::string& profile) {
    const std::vector<std::string> files = recorded(profile);
    REQUIRE_FALSE(files.empty());
    std::ostringstream out;
    std::ostringstream err;
    const int code = ioasim::tools::run_conform_ioasid(files, out, err);
    INFO(out.str());
    INFO(err.str());
    CHECK(code == 0);
    CHECK(out.str().find(" 0 mismatches, 0 skipped\n") != std::string::npos);
}

// A file that is gone when the test ends.
class TextFile {
public:
    explicit TextFile(const std::string& text) {
        path_ = (std::filesystem::temp_directory_path() /
                 ("ioasim-conform-" + std::to_string(++count_) + "-" + std::to_string(::getpid()) +
                  ".jsonl"))
                    .string();
        std::ofstream(path_) << text;
    }
    ~TextFile() { std::remove(path_.c_str()); }
    TextFile(const TextFile&) = delete;
    TextFile& operator=(const TextFile&) = delete;
    const std::string& path() const { return path_; }

private:
    static int count_;
    std::string path_;
};
int TextFile::count_ = 0;

constexpr const char* kHeader =
    R"({"format":"ioasid-ops/1","profile":"v4","seed":1,"mix":"general","capacity":16,)"
    R"("notifiers":[]})"
    "\n";
constexpr const char* kSetAlloc =
    R"({"i":0,"op":"set_alloc","token":1,"quota":4,"type":"mm","ret":0,"set":1,"got_quota":4,)"
    R"("available":12,"events":[]})"
    "\n";

struct Outcome {
    int code;
    std::string out;
    std::string err;
};

Outcome replay(const std::string& text) {
    const TextFile file(text);
    std::ostringstream out;
    std::ostringstream err;
    const int code = ioasim::tools::run_conform_ioasid({file.path()}, out, err);
    return {code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("conform: every recorded V4 sequence agrees") {
    check_profile("v4");
}
TEST_CASE("conform: every recorded production-kernel sequence agrees") {
    check_profile("dcp");
}
TEST_CASE("conform: every recorded mainline sequence agrees") {
    check_profile("mainline");
}

TEST_CASE("conform: an uncompressed file is read too") {
    const Outcome outcome = replay(std::string(kHeader) + kSetAlloc);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("1 files, 1 operations, 0 mismatches, 0 skipped") != std::string::npos);
}

TEST_CASE("conform: a result that differs is counted and shown in context") {
    const Outcome outcome =
        replay(std::string(kHeader) + kSetAlloc +
               R"({"i":1,"op":"alloc","set":1,"min":1,"max":9,"data":null,"ret":2,"after":null,)"
               R"("events":[]})"
               "\n");
    CHECK(outcome.code == 1);
    CHECK(outcome.out.find("line 3: after: recorded null") != std::string::npos);
    CHECK(outcome.out.find("1 files, 2 operations, 1 mismatches, 0 skipped") != std::string::npos);
}

TEST_CASE("conform: an event that was not recorded is a mismatch") {
    const std::string header =
        R"({"format":"ioasid-ops/1","profile":"v4","seed":1,"mix":"general","capacity":16,)"
        R"("notifiers":[{"nb":"cpu0","scope":"mm:1","priority":3,"stop":false,"ret":"OK",)"
        R"("put_on_free":false}]})"
        "\n";
    // The posted code forgets a block that was registered before its set: no ALLOC is recorded.
    const std::string alloc =
        R"({"i":1,"op":"alloc","set":1,"min":1,"max":9,"data":null,"ret":1,"events":[]})"
        "\n";
    CHECK(replay(header + kSetAlloc + alloc).code == 0);
    std::string dcp = header + kSetAlloc + alloc;
    dcp.replace(dcp.find("v4"), 2, "dcp");
    CHECK(replay(dcp).code == 1);
}

TEST_CASE("conform: an unknown operation is skipped, and that is no success") {
    const Outcome outcome =
        replay(std::string(kHeader) + R"({"i":0,"op":"set_paint","events":[]})" + "\n");
    CHECK(outcome.code == 1);
    CHECK(outcome.out.find("0 mismatches, 1 skipped") != std::string::npos);
}

TEST_CASE("conform: a missing, foreign or malformed file is unreadable") {
    std::ostringstream out;
    std::ostringstream err;
    CHECK(ioasim::tools::run_conform_ioasid({"/nonexistent.jsonl"}, out, err) == 2);
    CHECK(ioasim::tools::run_conform_ioasid({}, out, err) == 2);
    CHECK(replay("{\"format\":\"other\"}\n").code == 2);
    CHECK(replay("").code == 2);
    CHECK(replay(std::string(kHeader) + "{\"i\":0,\"op\":\n").code == 2);
    CHECK(replay(std::string(kHeader) + "{\"i\":0,\"op\":\"alloc\"}\n").code == 2);
}

TEST_CASE("conform: a compressed file that is cut off is unreadable") {
    const std::vector<std::string> files = recorded("v4");
    std::ifstream in(files.front(), std::ios::binary);
    std::ostringstream whole;
    whole << in.rdbuf();
    const TextFile half(whole.str().substr(0, whole.str().size() / 2));
    std::ostringstream out;
    std::ostringstream err;
    CHECK(ioasim::tools::run_conform_ioasid({half.path()}, out, err) == 2);
}
