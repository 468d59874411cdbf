// What makes a scenario smaller, without runs.
#include <doctest/doctest.h>

#include <set>

#include "tools/cli/shrink/reduce.hpp"
#include "tools/cli/shrink/signature.hpp"

namespace ioasim::tools {
namespace {

using scenario::Node;

Node tree(const std::string& text) {
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    Node node;
    const std::uint32_t file = sources.add("text", text);
    REQUIRE(parse_json(file, sources, diagnostics, node));
    return node;
}

std::string line(const Node& node) {
    return to_json(node, 0);
}

// Reduces while `wanted` says yes; counts the questions.
template <class Wanted>
std::string reduced(const std::string& text, Wanted wanted, std::size_t batch = 1) {
    Reducer reducer(
        tree(text), [](const Node& node) { return node.get("stays") != nullptr; }, batch,
        [&wanted](const std::vector<Node>& candidates) {
            for (std::size_t i = 0; i < candidates.size(); ++i) {
                if (wanted(line(candidates[i]))) {
                    return i;
                }
            }
            return candidates.size();
        });
    reducer.run();
    return line(reducer.document());
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

constexpr const char* kTwo =
    R"({"version": 1, "vms": [{"name": "a"}, {"name": "b"}],
        "programs": [{"on": "a", "process": "p", "steps": [1, 2, 3, 4, 5, 6, 7]},
                     {"on": "b", "process": "p", "steps": [8]}],
        "expect": [{"step": "a/p[6]", "errno": "0"}, {"step": "a/p[2]", "stays": true},
                   {"bytes": {"program": "a/p", "step": 4}}, {"final": "x"}]})";

}  // namespace

TEST_CASE("reduce: what the question is about is left, and nothing else") {
    const auto three = [](const std::string& text) { return has(text, "3") && has(text, "6"); };
    CHECK(reduced(R"({"version": 1, "programs": [{"steps": [1, 2, 3, 4, 5, 6, 7]}], "expect": []})",
                  three) == R"({"version": 1, "programs": [{"steps": [3, 6]}], "expect": []})");
}

TEST_CASE("reduce: the answer does not depend on how many are asked about together") {
    const auto wanted = [](const std::string& text) { return has(text, "5") || has(text, "8"); };
    const std::string one = reduced(kTwo, wanted, 1);
    CHECK(one == reduced(kTwo, wanted, 2));
    CHECK(one == reduced(kTwo, wanted, 16));
}

TEST_CASE("reduce: expectations follow the steps that they name") {
    const std::string left = reduced(kTwo, [](const std::string& text) {
        return has(text, "3") && has(text, "7") && has(text, "stays");
    });
    CHECK(has(left, R"("steps": [3, 7])"));
    CHECK(has(left, R"("expect": [{"step": "a/p[0]", "stays": true}])"));
}

TEST_CASE("reduce: a step that an expectation which stays names is not dropped") {
    Node document = tree(kTwo);
    const auto stays = [](const Node& node) { return node.get("stays") != nullptr; };
    CHECK_FALSE(drop_items(document, {"programs", "0", "steps"}, 1, 2, stays));
    CHECK(drop_items(document, {"programs", "0", "steps"}, 3, 2, stays));
    CHECK(has(line(document), R"("steps": [1, 2, 3, 6, 7])"));
    CHECK(has(line(document), "a/p[4]"));
    CHECK_FALSE(has(line(document), "bytes"));
}

TEST_CASE("reduce: amounts get smaller, names do not") {
    const auto values = [](const std::string& key, const std::string& text) {
        std::string out;
        for (const Node& value : smaller_values(key, tree(text))) {
            out += line(value) + " ";
        }
        return out;
    };
    CHECK(values("count", "64") == "1 32 ");
    CHECK(values("count", "1").empty());
    CHECK(values("size", R"("4KiB")") == R"("64B" "2KiB" )");
    CHECK(values("sleep", R"("25us")") == R"("1ns" "12us" )");
    CHECK(values("limit", R"("1ns")").empty());
    CHECK(values("pasid", "202").empty());
    CHECK(values("name", R"("64B")").empty());
}

TEST_CASE("reduce: steps of blocks and deferred work are steps") {
    CHECK(count_steps(tree(
              R"({"programs": [{"steps": [1, 2]}], "kernel": {"works": [{"steps": [3]}],
                  "blocks": [{"on": {"FREE": [4, 5], "BIND": [6]}}]}})")) == 6);
}

TEST_CASE("signature: times and amounts may differ, nothing and something may not") {
    CHECK(manner_of("x happened once; wanted: 2 times") ==
          manner_of("x happened 17 times; wanted: 3 times"));
    CHECK(manner_of("x happened 0 times") != manner_of("x happened 5 times"));
    CHECK(manner_of("it ended with EFAULT at 12.5 us (event 99)") ==
          manner_of("it ended with EFAULT at 3 ns (event 7)"));
    CHECK(manner_of("it ended with EFAULT at 1 us") != manner_of("it ended with EBUSY at 1 us"));
}

TEST_CASE("signature: a smaller run may not fail by something else beside") {
    RunResult whole;
    whole.exit_code = kFailed;
    whole.findings.push_back({"references.leak", "", "", {}, 0, false});
    whole.failures.push_back({"f:1:1", "an event", "", {"seen"}, false});
    const Signature s = signature_of(whole, "");
    CHECK(s.kind == Signature::Kind::Finding);
    CHECK(s.what == "references.leak");
    RunResult smaller = whole;
    smaller.failures.clear();
    CHECK(s.shown_by(smaller));
    smaller.findings.push_back({"order.x", "", "", {}, 0, false});
    CHECK_FALSE(s.shown_by(smaller));
    CHECK(s.shown_anywhere_by(smaller));
    smaller.findings.front().wanted = true;
    CHECK_FALSE(s.shown_anywhere_by(smaller));
    CHECK(signature_of(whole, "order.x").kind == Signature::Kind::None);
}

}  // namespace ioasim::tools
