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

constexpr const char* kIdle = R"({"set":1,"state":"IDLE","refs":1,"spid":null,"data":null})";

// The lowest free number of set 1, recorded as `id`, in operation `i`.
std::string alloc_line(int id, int i = 1) {
    return R"({"i":)" + std::to_string(i) +
           R"(,"op":"alloc","set":1,"min":1,"max":9,"data":null,"ret":)" + std::to_string(id) +
           R"(,"events":[],"after":)" + kIdle + "}\n";
}

struct Outcome {
    int code;
    std::string out;
    std::string err;
    bool holds(const std::string& text) const { return out.find(text) != std::string::npos; }
    bool complains(const std::string& text) const { return err.find(text) != std::string::npos; }
};

Outcome replay_file(const std::string& path) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = ioasim::tools::run_conform_ioasid({path}, out, err);
    return {code, out.str(), err.str()};
}
Outcome replay(const std::string& text) {
    return replay_file(TextFile(text).path());
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

TEST_CASE("conform: recordings written by hand from the contract agree") {
    check_profile("by_hand");
}

TEST_CASE("conform: a result that differs is counted and shown in context") {
    const Outcome outcome = replay(std::string(kHeader) + kSetAlloc + alloc_line(2));
    CHECK(outcome.code == 1);
    CHECK(outcome.holds(":3: mismatch: alloc: ret: recorded 2, here 1\n"));
    CHECK(outcome.holds("    {\"i\":0,\"op\":\"set_alloc\""));
    CHECK(outcome.holds("  > {\"i\":1,\"op\":\"alloc\""));
    CHECK(outcome.holds("1 files, 2 operations, 1 mismatches, 0 skipped"));
}

TEST_CASE("conform: the place of a difference inside a result is told") {
    const Outcome outcome =
        replay(std::string(kHeader) + kSetAlloc +
               R"({"i":1,"op":"alloc","set":1,"min":1,"max":9,"data":null,"ret":1,"events":[],)"
               R"("after":{"set":1,"state":"IDLE","refs":2,"spid":null,"data":null}})"
               "\n");
    CHECK(outcome.holds(":3: mismatch: alloc: after.refs: recorded 2, here 1\n"));
}

TEST_CASE("conform: the first difference of a file is shown, all are counted") {
    const Outcome outcome = replay(std::string(kHeader) + kSetAlloc + alloc_line(2) +
                                   alloc_line(9, 2) + alloc_line(3, 3));
    CHECK(outcome.code == 1);
    CHECK(outcome.holds(":3: mismatch"));
    CHECK_FALSE(outcome.holds(":4: mismatch"));
    CHECK(outcome.holds("4 operations, 2 mismatches"));
}

TEST_CASE("conform: a set that was not made here is a difference, not a fault of the file") {
    // Recorded as made, refused here: the pool is smaller.
    const Outcome outcome =
        replay(std::string(kHeader) +
               R"({"i":0,"op":"set_alloc","token":1,"quota":17,"type":"mm","ret":0,"set":1,)"
               R"("got_quota":17,"available":0,"events":[]})"
               "\n" +
               alloc_line(1));
    CHECK(outcome.code == 1);
    CHECK(outcome.holds("2 operations, 2 mismatches"));
    CHECK(outcome.err.empty());
}

TEST_CASE("conform: an event that was not recorded is a mismatch") {
    const std::string header =
        R"({"format":"ioasid-ops/1","profile":"v4","seed":1,"mix":"general","capacity":16,)"
        R"("notifiers":[{"nb":"cpu0","scope":"mm:1","priority":3,"stop":false,"ret":"OK",)"
        R"("put_on_free":false}]})"
        "\n";
    // The posted code forgets a block that was registered before its set: no ALLOC is recorded.
    CHECK(replay(header + kSetAlloc + alloc_line(1)).code == 0);
    std::string dcp = header + kSetAlloc + alloc_line(1);
    dcp.replace(dcp.find("v4"), 2, "dcp");
    CHECK(replay(dcp).code == 1);
}

TEST_CASE("conform: a result that nobody here tells is a mismatch") {
    const Outcome outcome =
        replay(std::string(kHeader) + R"({"i":0,"op":"find_set","id":1,"ret":-2,"events":[],)"
                                      R"("colour":"red"})"
                                      "\n");
    CHECK(outcome.code == 1);
    CHECK(outcome.holds("colour: recorded \"red\", here none"));
}

TEST_CASE("conform: IDs written one by one or as a range are the same snapshot") {
    const std::string before = std::string(kHeader) + kSetAlloc + alloc_line(1) + alloc_line(2, 2);
    const std::string head =
        R"({"i":3,"op":"snapshot","capacity":16,"available":12,"sets":[{"set":1,"num":0,)"
        R"("type":"mm","token":1,"live":2,"quota":4,"chain":[],"ids":[)";
    const std::string rest = R"("state":"IDLE","refs":1,"spid":null,"data":null})";
    const std::string tail = R"(]}],"global":[],"mm_list":[],"events":[]})"
                             "\n";
    CHECK(replay(before + head + R"({"id":1,)" + rest + R"(,{"id":2,)" + rest + tail).code == 0);
    CHECK(replay(before + head + R"({"id":1,"to":2,)" + rest + tail).code == 0);
    const Outcome more = replay(before + head + R"({"id":1,"to":4000000000,)" + rest + tail);
    CHECK(more.code == 1);
    CHECK(more.holds("sets[0].ids[0].to: recorded 4000000000, here 2"));
}

TEST_CASE("conform: an unknown operation is skipped, and that is no success") {
    const Outcome outcome =
        replay(std::string(kHeader) + R"({"i":0,"op":"set_alocc","ret":0,"events":[]})" + "\n");
    CHECK(outcome.code == 1);
    CHECK(
        outcome.complains(":2: error[E0306]: unknown operation \"set_alocc\"; is it "
                          "\"set_alloc\"? (skipped)"));
    CHECK(outcome.holds("0 mismatches, 1 skipped"));
}

TEST_CASE("conform: numbers beyond 20 bits are replayed, beyond 32 refused") {
    const std::string wide =
        R"({"i":1,"op":"alloc","set":1,"min":4294967290,"max":4294967294,"data":null,)"
        R"("ret":4294967290,"events":[],"after":)" +
        std::string(kIdle) + "}\n";
    CHECK(replay(std::string(kHeader) + kSetAlloc + wide).code == 0);
    const Outcome outcome =
        replay(std::string(kHeader) + R"({"i":0,"op":"find_set","id":4294967296,"ret":-2,)"
                                      R"("events":[]})"
                                      "\n");
    CHECK(outcome.code == 2);
    CHECK(outcome.complains(":2: error[E0301]: \"id\" is 4294967296"));
}

TEST_CASE("conform: what a line lacks or holds wrongly is told with its place") {
    struct Wrong {
        const char* line;
        const char* message;
    };
    for (const Wrong& wrong : {
             Wrong{R"({"i":0,"op":"find_set","ret":-2,"events":[]})",
                   ":2: error[E0202]: the key \"id\" is missing"},
             Wrong{R"({"i":0,"op":"find_set","id":1,"events":[]})",
                   ":2: error[E0202]: the key \"ret\" is missing"},
             Wrong{R"({"i":0,"op":"find_set","id":1,"ret":-2})",
                   ":2: error[E0202]: the key \"events\" is missing"},
             Wrong{R"({"i":0})", ":2: error[E0202]: the key \"op\" is missing"},
             Wrong{R"({"i":0,"op":7})", ":2: error[E0203]: \"op\" must be a string, not 7"},
             Wrong{R"({"i":0,"op":"find_set","id":"1","ret":-2,"events":[]})",
                   ":2: error[E0203]: \"id\" must be an integer, not \"1\""},
             Wrong{R"({"i":0,"op":"find_set","id":1.5,"ret":-2,"events":[]})",
                   ":2: error[E0302]: \"id\" must be an integer, not 1.5"},
             Wrong{R"({"i":0,"op":"find_set","id":[1],"ret":-2,"events":[]})",
                   ":2: error[E0203]: \"id\" must be an integer, not [1]"},
             Wrong{R"({"i":0,"op":"set_free","set":1,"ret":0,"events":[]})",
                   ":2: error[E0401]: there is no set 1: the recording has made 0 so far"},
             Wrong{R"({"i":0,"op":"register_notifier","set":null,"nb":"x","ret":0,"events":[]})",
                   ":2: error[E0401]: the header has no block \"x\""},
             Wrong{R"({"i":0,"op":"register_allocator","name":"x","ret":0,"events":[]})",
                   ":2: error[E0401]: the header has no allocator \"x\""},
             Wrong{R"({"i":0,"op":"set_alloc","token":1,"quota":1,"type":"m","ret":0,"events":[]})",
                   ":2: error[E0306]: unknown type of a set \"m\""},
             Wrong{R"([1,2])", ":2: error[E0203]: a line must be an object, not [1,2]"},
             Wrong{R"({"i":0,"op":"find_set"]})", ":2:23: error[E0107]: unexpected ']'"},
             Wrong{"{\"i\":0,\"op\":\"\xff\"}", ": error[E0105]: "},
             Wrong{R"({"i":1e999,"op":"find_set"})",
                   ":2: error[E0113]: number overflow parsing '1e999'"},
         }) {
        INFO(std::string(wrong.line));
        const Outcome outcome = replay(std::string(kHeader) + wrong.line + "\n");
        CHECK(outcome.code == 2);
        CHECK(outcome.complains(wrong.message));
    }
    const std::string deep(10'000, '[');
    CHECK(replay(std::string(kHeader) + deep + "\n").complains(":2: error[E0109]: "));
}

TEST_CASE("conform: operations are numbered; one that is lost, doubled or moved is told") {
    const std::string begin = std::string(kHeader) + kSetAlloc;
    CHECK(replay(begin + alloc_line(1) + alloc_line(2, 2)).code == 0);
    const Outcome lost = replay(begin + alloc_line(1, 2));
    CHECK(lost.code == 2);
    CHECK(lost.complains(":3: error[E0603]: operation 2 stands where 1 is due"));
    CHECK(replay(begin + kSetAlloc).complains(":3: error[E0603]: operation 0 stands where 1"));
    CHECK(replay(begin + R"({"op":"find_set","id":1,"ret":-2,"events":[]})" + "\n")
              .complains(":3: error[E0202]: the key \"i\" is missing"));
    CHECK(replay(begin + R"({"i":"1","op":"find_set","id":1,"ret":-2,"events":[]})" + "\n")
              .complains(":3: error[E0203]: \"i\" must be an integer"));
}

TEST_CASE("conform: a line that lacks one of its results is no success") {
    const std::string snapshot =
        R"({"i":1,"op":"snapshot","capacity":16,"available":12,"sets":[{"set":1,"num":0,)"
        R"("type":"mm","token":1,"live":0,"quota":4,"chain":[],"ids":[]}],"global":[],)"
        R"("mm_list":[],"events":[]})";
    const std::string freed =
        R"({"i":1,"op":"free","set":1,"id":1,"ret":null,"after":null,"events":[]})";
    const std::string visited =
        R"({"i":1,"op":"set_for_each","set":1,"ret":null,"count":0,"ids":[],"events":[]})";
    const std::string taken =
        R"({"i":1,"op":"reserve_capacity","n":2,"ret":2,"available":10,"events":[]})";
    const std::string made =
        R"({"i":1,"op":"set_alloc","token":2,"quota":4,"type":"mm","ret":0,"set":2,)"
        R"("got_quota":4,"available":8,"events":[]})";
    const std::string found =
        R"({"i":1,"op":"find","set":1,"id":1,"getter":"accept","ret":-2,"getter_calls":0,)"
        R"("getter_data":null,"events":[]})";
    struct Lacking {
        const std::string& line;
        const char* part;
        const char* key;
    };
    for (const Lacking& lacking : {
             Lacking{snapshot, R"("capacity":16,)", "capacity"},
             Lacking{snapshot, R"("available":12,)", "available"},
             Lacking{snapshot, R"(,"mm_list":[])", "mm_list"},
             Lacking{snapshot, R"(,"global":[])", "global"},
             Lacking{freed, R"(,"after":null)", "after"},
             Lacking{visited, R"(,"count":0)", "count"},
             Lacking{visited, R"(,"ids":[])", "ids"},
             Lacking{taken, R"(,"available":10)", "available"},
             Lacking{made, R"(,"set":2)", "set"},
             Lacking{made, R"(,"got_quota":4)", "got_quota"},
             Lacking{found, R"(,"getter_calls":0)", "getter_calls"},
         }) {
        INFO(std::string(lacking.key));
        const std::string begin = std::string(kHeader) + kSetAlloc;
        CHECK(replay(begin + lacking.line + "\n").code == 0);
        std::string without = lacking.line;
        without.replace(without.find(lacking.part), std::string(lacking.part).size(), "");
        const Outcome outcome = replay(begin + without + "\n");
        CHECK(outcome.code == 2);
        CHECK(outcome.complains(std::string("error[E0202]: the key \"") + lacking.key +
                                "\" is missing"));
    }
    std::string no_sets = snapshot;
    const std::size_t at = no_sets.find(R"("sets")");
    no_sets.erase(at, no_sets.find(R"("global")") - at);
    CHECK(replay(std::string(kHeader) + kSetAlloc + no_sets + "\n")
              .complains("error[E0202]: the key \"sets\" is missing"));
}

TEST_CASE("conform: an object where a list belongs is a mismatch") {
    CHECK(replay(std::string(kHeader) + R"({"i":0,"op":"find_set","id":1,"ret":-2,"events":{}})"
                                        "\n")
              .holds("find_set: events: recorded {}, here []"));
    CHECK(replay(std::string(kHeader) + R"({"i":0,"op":"snapshot","capacity":16,"available":16,)"
                                        R"("sets":[],"global":{},"mm_list":[],"events":[]})"
                                        "\n")
              .holds("snapshot: global: recorded {}, here []"));
}

TEST_CASE("conform: a wrong header is told") {
    struct Wrong {
        const char* line;
        const char* message;
    };
    for (const Wrong& wrong : {
             Wrong{R"({"format":"other"})", ":1: error[E0208]: the format is \"other\""},
             Wrong{R"({"profile":"v4"})", ":1: error[E0202]: the key \"format\" is missing"},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v5"})",
                   ":1: error[E0306]: unknown profile \"v5\"; is it \"v4\"?"},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v4"})",
                   ":1: error[E0202]: the key \"capacity\" is missing"},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v4","capacity":1,"notifiers":{}})",
                   ":1: error[E0203]: \"notifiers\" must be an array"},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v4","capacity":1,"notifiers":[{"nb":"a",)"
                   R"("scope":null,"priority":1,"ret":"WHAT","put_on_free":false}]})",
                   ":1: error[E0306]: unknown return value of a block \"WHAT\""},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v4","capacity":1,"notifiers":[{"nb":"a",)"
                   R"("scope":"mm:x","priority":1,"ret":"OK","put_on_free":false}]})",
                   ":1: error[E0306]: unknown scope \"mm:x\""},
             Wrong{R"({"format":"ioasid-ops/1","profile":"v4","capacity":1,"notifiers":[],)"
                   R"("allocators":[{"name":"A","fn":"f"},{"name":"A","fn":"g"}]})",
                   ":1: error[E0308]: two allocators are named \"A\""},
         }) {
        INFO(std::string(wrong.line));
        const Outcome outcome = replay(std::string(wrong.line) + "\n");
        CHECK(outcome.code == 2);
        CHECK(outcome.complains(wrong.message));
    }
}

TEST_CASE("conform: a set that the recording uses after its end is a fault of the file") {
    const Outcome outcome =
        replay(std::string(kHeader) + kSetAlloc +
               R"({"i":1,"op":"set_free","set":1,"ret":0,"available":12,"gone":[1],"events":[]})"
               "\n" +
               alloc_line(1, 2));
    CHECK(outcome.code == 2);
    CHECK(outcome.complains(":4: error[E0603]: set 1 is used after its end in line 3"));
    CHECK(outcome.holds("2 operations, 0 mismatches, the rest cannot be read"));
}

TEST_CASE("conform: missing files, folders and empty files are told") {
    CHECK(replay_file("/nonexistent.jsonl").complains("/nonexistent.jsonl: error[E0101]: "));
    CHECK(replay_file("/").complains("/: error[E0102]: is a folder"));
    CHECK(replay_file("/dev/null").complains("/dev/null: error[E0102]: is not a regular file"));
    CHECK(replay("").complains(": error[E0103]: the file is empty"));
    CHECK(replay(kHeader).complains(":1: error[E0103]: the recording has no operations"));
    std::ostringstream out;
    std::ostringstream err;
    CHECK(ioasim::tools::run_conform_ioasid({}, out, err) == 2);
}

TEST_CASE("conform: every file is judged, whatever is wrong with another") {
    const TextFile good(std::string(kHeader) + kSetAlloc);
    const TextFile wrong(std::string(kHeader) + kSetAlloc + alloc_line(2));
    std::ostringstream out;
    std::ostringstream err;
    const int code = ioasim::tools::run_conform_ioasid(
        {"/nonexistent.jsonl", wrong.path(), "/", good.path()}, out, err);
    const Outcome outcome{code, out.str(), err.str()};
    CHECK(outcome.code == 2);
    CHECK(outcome.complains("/nonexistent.jsonl: error[E0101]"));
    CHECK(outcome.complains("/: error[E0102]"));
    CHECK(outcome.holds(wrong.path() + ": 2 operations, 1 mismatches\n"));
    CHECK(outcome.holds(good.path() + ": 1 operations, 0 mismatches\n"));
    CHECK(outcome.holds("2 files, 3 operations, 1 mismatches, 0 skipped\n"));
}

TEST_CASE("conform: a last line that was cut off is told; one without a line feed is whole") {
    const std::string whole = std::string(kHeader) + kSetAlloc;
    CHECK(replay(whole.substr(0, whole.size() - 1)).code == 0);
    const Outcome outcome = replay(whole.substr(0, whole.size() - 20));
    CHECK(outcome.code == 2);
    CHECK(outcome.complains(":2:"));
    CHECK(outcome.complains("error[E0110]: the last line ends too early"));
}

TEST_CASE("conform: compressed data that is cut off or damaged is told") {
    const std::vector<std::string> files = recorded("v4");
    std::ifstream in(files.front(), std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    const std::string whole = all.str();
    const Outcome half = replay(whole.substr(0, whole.size() / 2));
    CHECK(half.code == 2);
    CHECK(half.complains("error[E0110]: the compressed data is cut off"));
    std::string damaged = whole;
    damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // checksum
    const Outcome other = replay(damaged);
    CHECK(other.code == 2);
    CHECK(other.complains("error[E0116]: the data is damaged"));
    const Outcome more = replay(whole + "garbage");
    CHECK(more.code == 2);
    CHECK(more.complains("error[E0116]: the data is damaged: 7 bytes follow the compressed data"));
    CHECK(replay("\x1f\x8b").code == 2);
}
