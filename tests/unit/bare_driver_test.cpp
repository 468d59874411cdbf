#include <doctest/doctest.h>

#include "models/platform/bare_driver.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::platform {
namespace {

using os::test::FakeMachine;
using os::test::kUnit0;

struct Bench {
    FakeMachine machine;
    LockMonitor monitor;
    ImmediateContext ctx{monitor, "test", &machine};
    BareBuilder builder;
    BareDriver driver{kUnit0, builder, "iommu0"};

    BareResult enable() {
        return driver.enable(ctx, {BareKind::Enable, {}, {{"", "iommu0"}}, {}, {}});
    }
    BareResult invalidate(const char* kind, std::map<std::string, std::uint64_t> numbers = {},
                          std::vector<std::uint64_t> more = {}) {
        BareStep step{BareKind::Invalidate, std::move(numbers), {{"", kind}}, {}, {}};
        if (!more.empty()) {
            step.lists["or"] = std::move(more);
        }
        return driver.invalidate(ctx, step);
    }
    BareResult sync() { return driver.sync(ctx, TimePs{1'000'000'000}); }
};

}  // namespace

TEST_CASE("bare driver: descriptors go round the queue") {
    Bench bench;
    REQUIRE(bench.enable().ok());
    for (int i = 0; i < 300; ++i) {
        REQUIRE(bench.invalidate("iotlb").ok());
    }
    REQUIRE(bench.sync().ok());
    CHECK(bench.machine.descriptors.size() == 301);
}

TEST_CASE("bare driver: descriptors that are held back go with the next one") {
    Bench bench;
    REQUIRE(bench.enable().ok());
    REQUIRE(bench.invalidate("iotlb", {{"hold", 1}}).ok());
    CHECK(bench.machine.descriptors.empty());
    REQUIRE(bench.invalidate("context_cache").ok());
    CHECK(bench.machine.descriptors.size() == 2);
}

TEST_CASE("bare driver: bits beside those of a descriptor's fields are set in its quadwords") {
    Bench bench;
    REQUIRE(bench.enable().ok());
    REQUIRE(bench.invalidate("iotlb", {}, {0, 0, 7}).ok());
    CHECK(bench.machine.descriptors.at(0)[2] == 7);
}

TEST_CASE("bare driver: a full queue takes no more") {
    Bench bench;
    REQUIRE(bench.enable().ok());
    bench.machine.queue_hangs = true;
    for (int i = 0; i < 127; ++i) {
        REQUIRE(bench.invalidate("iotlb").ok());
    }
    CHECK(bench.invalidate("iotlb").error == Errno::Enospc);
}

TEST_CASE("bare driver: a wait says why it does not complete") {
    Bench bench;
    CHECK(bench.sync().error == Errno::Einval);  // no queue yet
    REQUIRE(bench.enable().ok());
    SUBCASE("the unit stopped at a bad descriptor") {
        bench.machine.refuse_next = true;
        REQUIRE(bench.invalidate("iotlb").ok());
        CHECK(bench.sync().error == Errno::Eio);
    }
    SUBCASE("the unit does nothing") {
        bench.machine.queue_hangs = true;
        CHECK(bench.sync().error == Errno::Etimedout);
    }
}

}  // namespace ioasim::platform
