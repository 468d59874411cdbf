#include <doctest/doctest.h>

#include "scenarios/language/schema.hpp"
#include "tests/unit/language_support.hpp"

using namespace ioasim;
using namespace ioasim::scenario;
using namespace ioasim::scenario::test;
using Strings = std::vector<std::string>;

namespace {

const std::string kMachine =
    R"("platform": {"iommus": [{"name": "iommu0"}], "devices": [{"name": "dsa0", "iommu": "iommu0",
       "workqueues": [{"name": "wq0"}]}]}, "vms": [{"name": "vm1"}])";

std::string program(const std::string& steps, const std::string& on = "vm1/vcpu0") {
    return kMachine + R"(, "programs": [{"on": ")" + on + R"(", "process": "app", "steps": [)" +
           steps + "]}]";
}

Strings codes(const std::string& more, const Strings& sets = {}) {
    return codes_of(load_text(scenario_text(more), sets));
}

// The only cell of a scenario that must be right.
Scenario only(const std::string& more, const Strings& sets = {}) {
    Loaded loaded = load_text(scenario_text(more), sets);
    CHECK_MESSAGE(!loaded.diagnostics.has_errors(),
                  render(loaded.diagnostics, loaded.sources, false));
    REQUIRE(loaded.cells.size() == 1);
    return loaded.cells[0];
}

}  // namespace

TEST_CASE("loading: a complete scenario becomes a configuration") {
    const Scenario s = only(program(
        R"({"alloc": "A", "range": {"min": 5, "max": 9}}, {"bind": "A", "device": "dsa0"},
           {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 3}},
           {"unbind": "A", "device": "dsa0"}, {"free": "A", "error": "EBUSY"})"));
    REQUIRE(s.config.programs.size() == 1);
    const auto& steps = s.config.programs[0].steps;
    REQUIRE(steps.size() == 5);
    CHECK(steps[0].range->max == 9);
    CHECK(steps[2].device == "dsa0");
    CHECK(steps[2].workqueue == "wq0");
    CHECK(steps[2].size == 64);
    CHECK(steps[4].error == Errno::Ebusy);
    CHECK(s.config.devices[0].iommu == "iommu0");
    CHECK(s.limit == TimePs{10'000'000'000});
    CHECK(s.seed == 1);
}

TEST_CASE("loading: all mistakes of a file are told, in source order") {
    const Loaded loaded = load_text(R"({"version": 2,
 "nam": "x",
 "purpose": "p",
 "run": {"limit": "12", "seed": 1.5},
 "expect": [{"event": "ioasid.unbnd"},
            {"finding": "nothing.like.it"}],
 "defects": ["ioasid.missing_pt"]})");
    CHECK(told_line(loaded.diagnostics, loaded.sources) ==
          "E0202 1:1, E0208 1:13, E0201 2:2, E0303 4:19, E0302 4:33, E0405 5:23, E0404 6:25, "
          "E0403 7:14");
    CHECK(loaded.cells.empty());
    CHECK(helps(loaded.diagnostics)[5] == "did you mean \"ioasid.unbind\"?");
    CHECK(helps(loaded.diagnostics)[7] == "did you mean \"ioasid.missing_put\"?");
}

TEST_CASE("loading: names that do not exist") {
    CHECK(codes(
              R"("platform": {"devices": [{"name": "d", "iommu": "i",
                                          "workqueues": [{"name": "w"}]}]})") == Strings{"E0401"});
    CHECK(codes(program(R"({"bind": 5, "device": "dsa1"})")) == Strings{"E0401"});
    CHECK(codes(program(R"({"submit": {"to": "dsa0/wq1", "pasid": 5}})")) == Strings{"E0401"});
    CHECK(codes(program(R"({"free": "B"})")) == Strings{"E0402"});
    CHECK(codes(program(R"({"free": 5, "set": "vm9"})")) == Strings{"E0401"});
    CHECK(codes(program(R"({"kill": "vm9"})", "vm1/vmm")) == Strings{"E0401"});
    CHECK(codes(program(R"({"kill": "vm1"})")) == Strings{"E0201"});
    CHECK(codes(program(R"({"sleep": "1us"})", "vm1/vcpu1")) == Strings{"E0401"});
    CHECK(codes(program(R"({"sleep": "1us"})", "vm2/vcpu0")) == Strings{"E0401"});
    CHECK(codes(R"("proof": {"defect": "nothing", "fails": "nobody"})") ==
          Strings{"E0403", "E0404"});
    CHECK(codes(R"("inject": [{"at": "1us", "fault": "dsa0.hnag"}])") == Strings{"E0410"});
}

TEST_CASE("loading: a host process gets its ID from bind") {
    CHECK(codes(program(R"({"bind": "A", "device": "dsa0"}, {"unbind": "A", "device": "dsa0"})",
                        "host"))
              .empty());
    CHECK(codes(program(R"({"bind": "A", "device": "dsa0"})")) == Strings{"E0402"});
}

TEST_CASE("loading: names are unique among all components") {
    CHECK(codes(R"("vms": [{"name": "a"}, {"name": "a"}])") == Strings{"E0308"});
    CHECK(codes(R"("platform": {"iommus": [{"name": "a"}]}, "vms": [{"name": "a"}])") ==
          Strings{"E0308"});
    CHECK(codes(R"("vms": [{"name": "host"}])") == Strings{"E0308"});
    CHECK(codes(R"("vms": [{"name": "iommu"}])") == Strings{"E0308"});
}

TEST_CASE("loading: steps are one thing, and none follows exit") {
    CHECK(codes(program(R"({"alloc": "A", "free": "A"})")) == Strings{"E0204"});
    CHECK(codes(program(R"({"device": "dsa0"})")) == Strings{"E0204"});
    CHECK(codes(program(R"({"exit": true}, {"sleep": "1us"})")) == Strings{"E0603"});
    CHECK(codes(program(R"({"sleep": "1us", "device": "dsa0"})")) == Strings{"E0201"});
}

TEST_CASE("loading: parameters of models have units and ranges") {
    const auto params = [](const std::string& text) {
        return codes(R"("platform": {"iommus": [{"name": "iommu0"}], "params": {)" + text + "}}");
    };
    CHECK(params(R"("iommu0.iotlb.entries": 64, "iommu.walk.read": "200ns")").empty());
    CHECK(params(R"("iommu0.iotlb.entries": 2000)") == Strings{"E0301"});
    CHECK(params(R"("iommu0.iotlb.entries": "64")") == Strings{"E0203"});
    CHECK(params(R"("iommu0.walk.read": "200")") == Strings{"E0303"});
    CHECK(params(R"("iommu0.walk.read": "2us")") == Strings{"E0301"});
    CHECK(params(R"("iommu0.iotlb.entry": 1)") == Strings{"E0407"});
    CHECK(params(R"("iommu1.iotlb.entries": 1)") == Strings{"E0407"});
    const Scenario s = only(
        R"("platform": {"iommus": [{"name": "iommu0"}], "params": {"iommu0.walk.read": "200ns"}})");
    REQUIRE(s.config.params.size() == 1);
    CHECK(s.config.params[0].component == "iommu0");
    CHECK(s.config.params[0].path == "walk.read");
    CHECK(s.config.params[0].value == 200'000);
}

TEST_CASE("loading: --set reaches every kind of path") {
    const auto quota = [](const Strings& sets) {
        return only(R"("vms": [{"name": "vm1", "quota": 3}, {"name": "vm2"}])", sets)
            .config.vms[0]
            .quota;
    };
    CHECK(quota({}) == 3);
    CHECK(quota({"vms[0].quota=7"}) == 7);
    CHECK(quota({"vms[vm1].quota=8"}) == 8);
    CHECK(quota({"/vms/0/quota=9"}) == 9);
    CHECK(only("", {"run.limit=20ms"}).limit == TimePs{20'000'000'000});
    CHECK(only("", {"ioasid.profile=v4"}).config.ioasid_profile == "v4");
    CHECK(only("", {"platform.ioasid.capacity=16"}).config.ioasid_capacity == 16);
    CHECK(only(R"("platform": {"iommus": [{"name": "iommu0"}]})", {"iommu0.iotlb.entries=8"})
              .config.params[0]
              .value == 8);
    CHECK(only(R"("platform": {"iommus": [{"name": "iommu0"}]})",
               {R"(platform.params={"iommu.iotlb.entries": 9})"})
              .config.params[0]
              .value == 9);
    CHECK(only(R"("vms": [{"name": "vm1"}])", {"vms=null"}).config.vms.empty());
}

TEST_CASE("loading: a mistake in --set points into the argument") {
    const Loaded loaded = load_text(
        scenario_text(R"("vms": [{"name": "vm1"}])"),
        {"vms[vm1].quota=many", "vms[3].quota=1", "runn.limit=1ms", "vms[vm1].qota=1", "noequals"});
    Strings all;
    for (const Diagnostic& d : loaded.diagnostics.sorted()) {
        if (!d.warning) {
            all.push_back(code_name(d.code) + " " + loaded.sources.describe(d.place));
        }
    }
    CHECK(all == Strings{"E0203 --set:1:16", "E0507 --set:1:1", "E0507 --set:1:1",
                         "E0201 --set:1:1", "E0508 --set:1:1"});
}

TEST_CASE("loading: typed parameters stand for values and parts of text") {
    const std::string params =
        R"("params": {"n": {"type": "integer", "min": 1, "max": 8, "default": 2},
                      "who": {"type": "string", "default": "vm1"}},
           "vms": [{"name": "${who}", "quota": "${n}"}], "defects": [])";
    CHECK(only(params).config.vms[0].quota == 2);
    CHECK(only(params, {"n=5"}).config.vms[0].quota == 5);
    CHECK(only(params, {"params.n=6"}).config.vms[0].quota == 6);
    CHECK(only(params, {"vms[0].name=x${n}"}).config.vms[0].name == "x2");
    CHECK(codes(params, {"n=9"}) == Strings{"E0505"});
    CHECK(codes(params, {"n=two"}) == Strings{"E0505"});
    CHECK(
        codes(R"("params": {"n": {"type": "integer", "default": 1}}, "vms": [{"name": "${m}"}])") ==
        Strings{"E0503"});
    CHECK(codes(R"("params": {"run": {"type": "integer", "default": 1}})") == Strings{"E0308"});
}

TEST_CASE("loading: a dollar sign is written twice") {
    CHECK(codes(R"("campaign": "$5")") == Strings{"E0503"});
    Folder folder;
    const std::string text =
        R"({"version": 1, "name": "t", "purpose": "costs $$5", "expect": [{"ends": "idle"}]})";
    const Loaded loaded = load(folder.write("t.json", text), words(), {});
    REQUIRE(loaded.cells.size() == 1);
    CHECK(loaded.cells[0].purpose == "costs $5");
    // What is written beside the results is read back the same.
    const Loaded again =
        load(folder.write("again.json", to_json(loaded.cells[0].document, 2)), words(), {});
    REQUIRE(again.cells.size() == 1);
    CHECK(again.cells[0].purpose == "costs $5");
    CHECK(config_hash(again.cells[0].document) == config_hash(loaded.cells[0].document));
}

TEST_CASE("loading: an item that repeats becomes its copies, each with its numbers") {
    const Scenario s = only(
        R"("params": {"n": {"type": "integer", "default": 2}},
           "platform": {"iommus": [{"name": "iommu0"}], "devices": [
             {"$repeat": {"as": "d", "count": "${n}", "from": 5}, "name": "dsa${d}",
              "iommu": "iommu0", "workqueues": [{"name": "wq0"}]},
             {"name": "last", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
           "programs": [{"$repeat": [{"as": "a", "count": 2}, {"as": "b", "count": 2}],
             "on": "host", "process": "app${a}${b}", "steps": [
               {"$repeat": {"as": "i", "count": 3, "from": 1}, "sleep": "${a}${i}us"}]}])",
        {"n=3"});
    REQUIRE(s.config.devices.size() == 4);
    CHECK(s.config.devices[0].name == "dsa5");
    CHECK(s.config.devices[2].name == "dsa7");
    CHECK(s.config.devices[3].name == "last");
    REQUIRE(s.config.programs.size() == 4);
    CHECK(s.config.programs[1].process == "app01");
    CHECK(s.config.programs[2].process == "app10");
    REQUIRE(s.config.programs[2].steps.size() == 3);
    CHECK(s.config.programs[2].steps[2].duration == TimePs{13'000'000});
}

TEST_CASE("loading: no copies at all is a list without the item") {
    const Scenario s = only(
        R"("platform": {"iommus": [{"name": "iommu0"}], "devices": [
             {"$repeat": {"as": "d", "count": 0}, "name": "dsa${d}", "iommu": "iommu0"}]},
           "programs": [{"on": "host", "process": "app", "steps": [{"sleep": "1us"}]}])");
    CHECK(s.config.devices.empty());
}

TEST_CASE("loading: a matrix makes a cell for each combination") {
    const std::string matrix =
        R"("params": {"n": {"type": "integer", "default": 1}},
           "vms": [{"name": "vm1", "quota": "${n}"}],
           "expect": [{"ends": "idle"}],
           "matrix": {"over": {"n": [1, 2], "ioasid.profile": ["spec", "v4", "dcp"]},
                      "exclude": [{"n": 2, "ioasid.profile": "dcp"}],
                      "cells": [{"when": {"n": 2}, "expect": [{"never": "vtd.fault"}]}]})";
    const Loaded loaded = load_text(scenario_text(matrix));
    REQUIRE(loaded.cells.size() == 5);
    CHECK(loaded.cells[0].cell == "n=1,ioasid.profile=spec");
    CHECK(loaded.cells[4].cell == "n=2,ioasid.profile=v4");
    CHECK(loaded.cells[4].config.vms[0].quota == 2);
    CHECK(loaded.cells[4].config.ioasid_profile == "v4");
    CHECK(loaded.cells[0].expectations.size() == 1);
    CHECK(loaded.cells[4].expectations.size() == 2);
    CHECK(load_text(scenario_text(matrix), {"n=2"}).cells.size() == 2);
    CHECK(load_text(scenario_text(matrix), {"n=2", "ioasid.profile=v4"}).cells.size() == 1);
    // A cell's document stands alone.
    Folder folder;
    const Loaded alone =
        load(folder.write("c.json", to_json(loaded.cells[4].document, 2)), words(), {});
    REQUIRE(alone.cells.size() == 1);
    CHECK(alone.cells[0].expectations.size() == 2);
    CHECK(alone.cells[0].config.vms[0].quota == 2);
}

TEST_CASE("loading: cells of a matrix are given values, unless the command line gives them") {
    const std::string matrix =
        R"("params": {"n": {"type": "integer", "default": 1},
                      "size": {"type": "string", "default": "small"}},
           "vms": [{"name": "vm1", "quota": "${n}"}],
           "expect": [{"ends": "idle"}],
           "matrix": {"over": {"size": ["small", "large"]},
                      "cells": [{"when": {"size": "large"}, "set": {"n": 9, "run.seed": 4}}]})";
    const Loaded loaded = load_text(scenario_text(matrix));
    REQUIRE(loaded.cells.size() == 2);
    CHECK(loaded.cells[0].config.vms[0].quota == 1);
    CHECK(loaded.cells[1].config.vms[0].quota == 9);
    CHECK(loaded.cells[1].seed == 4);
    CHECK(load_text(scenario_text(matrix), {"n=3"}).cells[1].config.vms[0].quota == 3);
}

TEST_CASE("loading: an object as parameter stands for a step, and only an object does") {
    const std::string text =
        R"("params": {"first": {"type": "object", "default": {"spend": "1us"}}},
           "programs": [{"on": "host", "process": "app", "steps": ["${first}", {"exit": true}]}],
           "expect": [{"ends": "idle"}])";
    const Loaded loaded = load_text(scenario_text(text));
    REQUIRE(loaded.cells.size() == 1);
    REQUIRE(loaded.cells[0].config.programs[0].steps.size() == 2);
    CHECK(loaded.cells[0].config.programs[0].steps[0].kind == platform::StepKind::Spend);
    CHECK(load_text(scenario_text(text), {R"(first={"sleep": "2us"})"})
              .cells[0]
              .config.programs[0]
              .steps[0]
              .kind == platform::StepKind::Sleep);
    CHECK(load_text(scenario_text(text), {"first=1"}).cells.empty());
}

TEST_CASE("loading: a matrix without meaning is refused") {
    CHECK(codes(R"("matrix": {"over": {"ioasid.profile": []}})") == Strings{"E0206"});
    CHECK(codes(R"("matrix": {"over": {"runn.limit": ["1ms"]}})") == Strings{"E0507"});
    CHECK(codes(R"("matrix": {"over": {"ioasid.profile": ["v4"]},
                   "cells": [{"when": {"ioasid.profil": "v4"}, "expect": [{"ends": "idle"}]}]})") ==
          Strings{"E0506"});
    CHECK(codes(
              R"("matrix": {"over": {"ioasid.profile": ["v4"]},
                           "exclude": [{"ioasid.profile": "v4"}]})") == Strings{"E0506"});
    CHECK(codes(R"("matrix": {"over": {"ioasid.profile": ["v4", "dcp", "v4"]}})") ==
          Strings{"E0506"});
    std::string axes;
    for (const char* axis : {"run.seed", "vms[0].quota", "platform.cpus", "ioasid.capacity"}) {
        axes += fmt::format("{}\"{}\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]",
                            axes.empty() ? "" : ", ", axis);
    }
    CHECK(codes(R"("vms": [{"name": "a"}], "matrix": {"over": {)" + axes + "}}") ==
          Strings{"E0506"});
}

TEST_CASE("loading: bases merge as RFC 7396 says, and keep their places") {
    Folder folder;
    folder.write("base.jsonc",
                 "{\"version\": 1,\n \"vms\": [{\"name\": \"vm1\"}],\n"
                 " \"run\": {\"seed\": 7, \"limit\": \"1\"}, \"campaign\": \"none\"}");
    const std::string top = folder.write(
        "top.json", R"({"extends": "base.jsonc", "name": "t", "purpose": "p", "campaign": null})");
    const Loaded loaded = load(top, words(), {});
    // The only mistake is in the base.
    REQUIRE(loaded.diagnostics.error_count() == 1);
    for (const Diagnostic& d : loaded.diagnostics.sorted()) {
        if (!d.warning) {
            CHECK(loaded.sources.describe(d.place) == folder.path() + "/base.jsonc:3:30");
        }
    }
    const std::string good = folder.write(
        "good.json",
        R"({"extends": "base.jsonc", "name": "t", "purpose": "p", "run": {"limit": "1ms"}})");
    const Loaded cells = load(good, words(), {});
    REQUIRE(cells.cells.size() == 1);
    CHECK(cells.cells[0].seed == 7);
    CHECK(cells.cells[0].limit == TimePs{1'000'000'000});
    CHECK(cells.cells[0].config.vms.size() == 1);
    CHECK(cells.cells[0].campaign == "none");
}

TEST_CASE("loading: merge patch examples of RFC 7396, appendix A") {
    struct Example {
        const char* original;
        const char* patch;
        const char* result;
    };
    const Example examples[] = {
        {R"({"a":"b"})", R"({"a":"c"})", R"({"a": "c"})"},
        {R"({"a":"b"})", R"({"b":"c"})", R"({"a": "b", "b": "c"})"},
        {R"({"a":"b"})", R"({"a":null})", R"({})"},
        {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b": "c"})"},
        {R"({"a":["b"]})", R"({"a":"c"})", R"({"a": "c"})"},
        {R"({"a":"c"})", R"({"a":["b"]})", R"({"a": ["b"]})"},
        {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a": {"b": "d"}})"},
        {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a": [1]})"},
        {R"({"a":"foo"})", R"("bar")", R"("bar")"},
        {R"({"e":null})", R"({"a":1})", R"({"e": null, "a": 1})"},
        {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a": {"bb": {}}})"},
    };
    for (const Example& e : examples) {
        Node base = parse(e.original).node;
        merge_patch(base, parse(e.patch).node);
        CHECK(to_json(base, 0) == e.result);
    }
}

TEST_CASE("loading: bases that cannot be") {
    Folder folder;
    folder.write("a.jsonc", R"({"extends": "b.jsonc"})");
    folder.write("b.jsonc", R"({"extends": "a.jsonc"})");
    CHECK(codes_of(load(folder.write("x.json", R"({"extends": "a.jsonc"})"), words(), {})) ==
          Strings{"E0501"});
    CHECK(codes_of(load(folder.write("y.json", R"({"extends": "x.json"})"), words(), {})) ==
          Strings{"E0502"});
    CHECK(codes_of(load(folder.write("z.json", R"({"extends": "none.jsonc"})"), words(), {})) ==
          Strings{"E0101"});
}

TEST_CASE("loading: the hash names the configuration, not its spelling") {
    const auto hash = [](const std::string& text) {
        return config_hash(load_text(text).cells.at(0).document);
    };
    const std::string plain =
        R"({"version": 1, "name": "t", "purpose": "p", "expect": [{"ends": "idle"}]})";
    CHECK(hash(plain) ==
          hash("{\"version\": 1, // comment\n \"name\":\"t\",\n\"purpose\": \"p\", \"expect\": "
               "[{\"ends\":\"idle\"}]}"));
    CHECK(hash(plain) !=
          hash(R"({"version": 1, "name": "u", "purpose": "p", "expect": [{"ends": "idle"}]})"));
}

TEST_CASE("loading: expectations name events, fields and values that exist") {
    const auto expect = [](const std::string& text) {
        return codes(R"("expect": [)" + text + "]");
    };
    CHECK(
        expect(R"({"event": "ioasid.put", "where": {"ioasid": 201, "holder": "kvm*"}, "count": 1})")
            .empty());
    CHECK(expect(R"({"event": "ioasid.put", "where": {"id": 201}})") == Strings{"E0406"});
    CHECK(expect(R"({"event": "ioasid.state", "where": {"to": "FREED"}})") == Strings{"E0311"});
    CHECK(expect(R"({"event": "ioasid.put", "where": {"refs": "two"}})") == Strings{"E0311"});
    CHECK(expect(R"({"event": "ioasid.put", "where": {"refs": {"min": 2, "max": 1}}})") ==
          Strings{"E0310"});
    CHECK(expect(R"({"event": "ioasid.put", "count": 1, "at_least": 1})") == Strings{"E0204"});
    CHECK(expect(R"({"event": "ioasid.put", "at_least": 0})") == Strings{"E0301"});
    CHECK(expect(R"({"order": ["ioasid.put"]})") == Strings{"E0206"});
    CHECK(expect(R"x({"final": "host.ioasid(1)", "is": "FREE"})x") == Strings{"E0411"});
    CHECK(expect(R"({"final": "host.ioasid(1).state"})") == Strings{"E0204"});
    CHECK(expect(R"({"ends": "idel"})") == Strings{"E0306"});
    CHECK(expect(R"({"latency": {"from": "ioasid.free", "to": "ioasid.reclaim"}})") ==
          Strings{"E0202"});
    CHECK(expect(
              R"({"latency": {"from": "ioasid.free", "to": "run.end",
                               "match": "ioasid", "max": "1us"}})") == Strings{"E0406"});
    CHECK(expect(R"({"step": "vm1/vcpu0/app[0]", "errno": "0"})") == Strings{"E0409"});
    CHECK(expect(R"({"invariants": "maybe"})") == Strings{"E0306"});
}

TEST_CASE("loading: expectations about steps and bytes name steps that exist") {
    const auto expect = [](const std::string& text) {
        return codes(program(R"({"alloc": "A"}, {"submit": {"to": "dsa0/wq0", "pasid": "A"}})") +
                     R"(, "expect": [)" + text + "]");
    };
    CHECK(expect(R"({"step": "vm1/vcpu0/app[0]", "errno": "ENOSPC"})").empty());
    CHECK(expect(R"({"step": "vm1/vcpu0/app[2]", "errno": "0"})") == Strings{"E0409"});
    CHECK(expect(R"({"step": "vm1/vcpu0/app", "errno": "0"})") == Strings{"E0409"});
    CHECK(expect(R"({"step": "vm1/vcpu0/app[0]"})") == Strings{"E0202"});
    CHECK(expect(R"({"bytes": {"program": "vm1/vcpu0/app", "step": 1, "equals": "source"}})")
              .empty());
    CHECK(expect(R"({"bytes": {"program": "vm1/vcpu0/app", "step": 0, "equals": "source"}})") ==
          Strings{"E0409"});
    CHECK(expect(R"({"bytes": {"program": "vm1/vcpu0/app", "step": 1, "equals": "xyz"}})") ==
          Strings{"E0311"});
    CHECK(
        expect(R"({"bytes": {"program": "vm1/vcpu0/app", "step": 1, "equals": "destination"}})") ==
        Strings{"E0311"});
}

TEST_CASE("loading: an error number expected of a step is the result it must have") {
    const Scenario s = only(program(R"({"alloc": "A"})") +
                            R"(, "expect": [{"step": "vm1/vcpu0/app[0]", "errno": "ENOSPC"}])");
    CHECK(s.config.programs[0].steps[0].error == Errno::Enospc);
}

TEST_CASE("codes: every code has an entry, and every entry is found by its name") {
    std::size_t entries = 0;
    for (const CodeInfo& info : code_table()) {
        ++entries;
        CHECK(find_code(code_name(info.code)) == &info);
        CHECK(std::string(info.text).size() > 10);
        CHECK(std::string(info.example).size() > 3);
    }
    CHECK(entries >= 50);
    CHECK(find_code("E9999") == nullptr);
    CHECK(find_code("") == nullptr);
}
