#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "models/platform/config.hpp"
#include "models/platform/injections.hpp"

using namespace ioasim;
using namespace ioasim::platform;

namespace {

const FaultSite kPlace{"test.injected", "a place"};

// A host with an accelerator, a VM and a process.
PlatformConfig machine() {
    PlatformConfig config;
    config.iommus.push_back({"iommu0"});
    DeviceConfig device;
    device.name = "dsa0";
    device.iommu = "iommu0";
    device.workqueues.push_back({"wq0"});
    config.devices.push_back(device);
    VmConfig vm;
    vm.name = "vm1";
    config.vms.push_back(vm);
    ProgramConfig program;
    program.on = "host";
    program.process = "app";
    config.programs.push_back(program);
    return config;
}

bool applies(const std::vector<InjectFault>& faults, const std::string& kind) {
    return std::any_of(faults.begin(), faults.end(),
                       [&kind](const InjectFault& f) { return f.kind->name == kind; });
}

}  // namespace

TEST_CASE("injections: every fault site is a kind, every kind says what there is to say") {
    std::set<const FaultSite*> sites;
    for (const InjectKind& kind : inject_kinds()) {
        INFO(kind.name);
        CHECK(find_inject_kind(kind.name) == &kind);
        CHECK_FALSE(kind.effect.empty());
        CHECK_FALSE(kind.noticed.empty());
        CHECK_FALSE(kind.source.empty());
        CHECK_FALSE(kind.scenario.empty());
        CHECK((kind.site != nullptr) == (kind.way == InjectWay::Site));
        CHECK(kind.steps.empty() == (kind.way != InjectWay::Steps));
        if (kind.site != nullptr) {
            CHECK(kind.name == kind.site->name());
            sites.insert(kind.site);
            // How much is told by its one parameter.
            CHECK((kind.site->usual_extent() != 0) == !kind.params.empty());
        }
    }
    for (const Declaration* site : Declaration::all(Declaration::Kind::FaultSite)) {
        if (site->name().substr(0, 5) != "test.") {
            CHECK_MESSAGE(sites.count(static_cast<const FaultSite*>(site)) == 1, site->name());
        }
    }
}

TEST_CASE("injections: a victim and a word mean one kind") {
    const PlatformConfig config = machine();
    std::map<std::string, std::string_view> meant;
    for (const InjectKind& kind : inject_kinds()) {
        for (const std::string& target : inject_targets(kind.target, config)) {
            const std::string text = target + "." + std::string(kind.word());
            INFO(text);
            CHECK(meant.emplace(text, kind.name).second);
            const InjectMeaning meaning = read_fault(text, config);
            REQUIRE(meaning.fault.kind != nullptr);
            CHECK(meaning.fault.kind == &kind);
            CHECK(meaning.fault.target == target);
        }
    }
}

TEST_CASE("injections: a whole name is enough where there is only one victim") {
    PlatformConfig config = machine();
    CHECK(read_fault("vm.kill", config).fault.target == "vm1");
    CHECK(read_fault("dsa.hang", config).fault.target.empty());  // whoever passes the site
    config.vms.push_back(config.vms.front());
    config.vms.back().name = "vm2";
    const InjectMeaning several = read_fault("vm.kill", config);
    CHECK(several.fault.kind == nullptr);
    CHECK(several.choices == std::vector<std::string>{"vm1.kill", "vm2.kill"});
    CHECK(read_fault("dsa1.hang", config).fault.kind == nullptr);
}

TEST_CASE("injections: what can befall a system depends on what it has") {
    PlatformConfig config = machine();
    CHECK(applies(inject_applicable(config), "vm.kill"));
    CHECK(applies(inject_applicable(config), "dsa.hang"));
    CHECK(applies(inject_applicable(config), "sva.handle"));
    CHECK_FALSE(applies(inject_applicable(config), "vdev.reset"));
    config.vms.clear();
    CHECK_FALSE(applies(inject_applicable(config), "vm.kill"));
    config.programs.front().on = kBare;
    CHECK_FALSE(applies(inject_applicable(config), "sva.handle"));
    CHECK(applies(inject_applicable(config), "dsa.hang"));
    CHECK(applies(inject_applicable(config), "memory.poison"));
}

TEST_CASE("probes: who decides sees every call and says how much") {
    Probes run;
    std::string seen;
    run.decide = [&seen](const FaultSite&, std::string_view where) {
        seen += where;
        return where == "b" ? std::optional<std::uint64_t>(7) : std::nullopt;
    };
    CHECK_FALSE(run.fails(kPlace, "a"));
    CHECK(run.fails(kPlace, "b"));
    CHECK(run.extent() == 7);
    CHECK(seen == "ab");
}
