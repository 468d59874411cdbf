// Figures of a run: statistics, latencies, and the tables that listeners are built on.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>

#include "tests/support/event_script.hpp"
#include "traces/fields.hpp"
#include "traces/flat_map.hpp"
#include "traces/latency.hpp"
#include "traces/owner_map.hpp"
#include "traces/stats.hpp"

using namespace ioasim;

TEST_CASE("stats: descriptors by workqueue and PASID, with latencies") {
    test::EventScript s;
    traces::Stats stats(s.recorder);
    s.recorder.add_listener(stats, stats.categories());
    s.enqueue(1, 201);
    s.enqueue(2, 201);
    s.enqueue(3, 202);
    s.enqueue(4, 202);
    s.enqueue(0, 202, 4, false);
    s.complete(1, 201, "record", 1, 100_ns);
    s.complete(2, 201, "record", 3, 300_ns);
    s.complete(3, 202, "lost", 1, 200_ns);
    s.complete(4, 202, "abort", 0, 900_ns);
    s.recorder.finish(s.time());
    const traces::StatsResult result = stats.result();
    const traces::WorkStats& wq = result.workqueues.at("dsa0.wq0");
    CHECK(wq.accepted == 4);
    CHECK(wq.retries == 1);
    CHECK(wq.completed == 2);
    CHECK(wq.failed == 1);
    CHECK(wq.aborted == 1);
    CHECK(wq.lost == 1);
    CHECK(wq.bytes == 192);
    CHECK(wq.latency.count() == 3);  // an abort says nothing about the device's speed
    CHECK(wq.latency.min() == 100_ns);
    CHECK(wq.latency.median() == 200_ns);
    CHECK(wq.latency.max() == 300_ns);
    CHECK(result.pasids.at(201).accepted == 2);
    CHECK(result.pasids.at(202).retries == 1);
    CHECK(result.end == s.time());
}

TEST_CASE("stats: only an ID that is in use waits for its reclaim") {
    test::EventScript s;
    traces::Stats stats(s.recorder);
    s.recorder.add_listener(stats, stats.categories());
    s.step = 10_ns;
    s.alloc("vm1", 201);
    s.free("vm1", 201, 0);
    CHECK(stats.result().time_to_reclaim.count() == 0);
    s.alloc("vm1", 202);
    s.get("vm1", 202, 2, "iommu");
    s.free("vm1", 202, 1);
    s.put("vm1", 202, 0, "iommu");
    s.reclaim("vm1", 202);
    s.recorder.finish(s.time());
    CHECK(stats.result().time_to_reclaim.count() == 1);
}

TEST_CASE("stats: the lives of IDs and what VMs did") {
    test::EventScript s;
    traces::Stats stats(s.recorder);
    s.recorder.add_listener(stats, stats.categories());
    s.vm("vm1", 100, 900);
    s.step = 0_ps;
    s.at(10_ns);
    s.alloc("vm1", 201);
    s.at(20_ns);
    s.bind("vm1", 201, 101);
    s.get("vm1", 201, 2, "iommu");
    s.at(30_ns);
    s.free("vm1", 201, 1);
    s.at(40_ns);
    s.unbind("vm1", 201, 101);
    s.at(50_ns);
    s.put("vm1", 201, 0, "iommu");
    s.reclaim("vm1", 201);
    s.at(60_ns);
    s.alloc("vm1", 201);
    s.emit(trace::VmExit{s.name("vm1/vcpu0"), s.name("enqcmd")});
    s.emit(trace::KvmKick{s.name("vm1"), s.name("vm1/vcpu0")});
    s.emit(trace::VirtualCommand{s.name("vm1"), s.name("alloc_pasid"), Pasid{101}, 0});
    s.emit(trace::VirtualCommand{s.name("vm1"), s.name("alloc_pasid"), Pasid{0}, 1});
    const auto enqcmd = [&](trace::EnqcmdOutcome outcome) {
        s.emit(trace::CpuEnqcmd{s.name("vm1/vcpu0"), Hpa{1}, Pasid{101}, Pasid{201}, outcome, 7_ns,
                                1});
    };
    enqcmd(trace::EnqcmdOutcome::Exit72);
    enqcmd(trace::EnqcmdOutcome::Accepted);
    s.recorder.finish(70_ns);
    const traces::StatsResult result = stats.result();
    REQUIRE(result.lives.size() == 2);
    const traces::IdLife& life = result.lives[0];
    CHECK(life.kernel == "host");
    CHECK(life.set == "vm1");
    CHECK(life.ioasid == 201);
    CHECK(life.alloc == 10'000);
    CHECK(life.bind == 20'000);
    CHECK(life.free == 30'000);
    CHECK(life.unbind == 40'000);
    CHECK(life.reclaim == 50'000);
    CHECK(result.lives[1].alloc == 60'000);
    CHECK(result.lives[1].reclaim == traces::kNever);
    CHECK(result.time_to_reclaim.median() == 20_ns);
    const traces::VmStats& vm = result.vms.at("vm1");
    CHECK(vm.ids_allocated == 2);
    CHECK(vm.ids_live == 1);
    CHECK(vm.exits == 1);
    CHECK(vm.kicks == 1);
    CHECK(vm.virtual_commands == 2);
    CHECK(vm.virtual_commands_failed == 1);
    CHECK(vm.submissions == 1);
    CHECK(vm.translation_exits == 1);
    CHECK(result.enqcmd.count() == 1);
}

TEST_CASE("stats: translation and faults by IOMMU") {
    test::EventScript s;
    traces::Stats stats(s.recorder);
    s.recorder.add_listener(stats, stats.categories());
    const auto translated = [&](bool hit, TimePs took) {
        s.emit(
            trace::VtdTranslated{s.iommu(), Rid{1}, Pasid{201}, Iova{1}, Hpa{1}, false, hit, took});
    };
    translated(true, 5_ns);
    translated(true, 5_ns);
    translated(false, 900_ns);
    s.emit(trace::VtdFault{s.iommu(), Rid{1}, Pasid{201}, Iova{1}, trace::Hex{0x58}, false, true,
                           false, 1});
    s.recorder.finish(s.time());
    const traces::StatsResult result = stats.result();
    const traces::IommuStats& iommu = result.iommus.at("iommu0");
    CHECK(iommu.hits == 2);
    CHECK(iommu.walks == 1);
    CHECK(iommu.blocked == 1);
    CHECK(iommu.recorded == 1);
    CHECK(iommu.translation.max() == 900_ns);
}

TEST_CASE("latency: exact for few distinct values") {
    traces::Latency latency;
    CHECK(latency.median() == 0_ps);
    for (std::uint64_t i = 1; i <= 100; ++i) {
        latency.add(TimePs{i * 1'000'003});
    }
    CHECK(latency.exact());
    CHECK(latency.median() == TimePs{50 * 1'000'003});
    CHECK(latency.percentile(99) == TimePs{99 * 1'000'003});
    CHECK(latency.percentile(0) == latency.min());
    CHECK(latency.percentile(100) == latency.max());
}

TEST_CASE("latency: many distinct values stay bounded and within 0.2 %") {
    traces::Latency latency;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {
        latency.add(TimePs{i * 997});
    }
    CHECK_FALSE(latency.exact());
    const std::uint64_t median = latency.median().ps();
    CHECK(median <= 50'000 * 997U);
    CHECK(median >= 50'000 * 997U / 1000 * 998);
    CHECK(latency.max() == TimePs{100'000 * 997U});
}

TEST_CASE("latency: merging is the same as feeding one") {
    traces::Latency all;
    traces::Latency a;
    traces::Latency b;
    for (std::uint64_t i = 0; i < 9000; ++i) {
        const TimePs value{i * i * 31 + 5};
        all.add(value);
        (i % 3 == 0 ? a : b).add(value);
    }
    traces::Latency merged = a;
    merged.merge(b);
    CHECK(merged.count() == all.count());
    for (const unsigned percent : {0U, 1U, 10U, 50U, 90U, 99U, 100U}) {
        CHECK(merged.percentile(percent) == all.percentile(percent));
    }
    traces::Latency copy = merged;  // a copy must not write into what it was made from
    copy.add(TimePs{5});
    CHECK(merged.count() == all.count());
    CHECK(merged.percentile(1) == all.percentile(1));
}

TEST_CASE("flat map: behaves like a map under insertion and erasure") {
    traces::FlatMap<std::uint64_t> map;
    std::map<std::uint64_t, std::uint64_t> model;
    std::uint64_t state = 1;
    for (int i = 0; i < 20'000; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        const std::uint64_t drawn = (state >> 33U) % 500;
        // Many collisions, and the key that no slot can hold.
        const std::uint64_t key = drawn == 0 ? ~std::uint64_t{0} : drawn << 20U;
        if ((state & 0x100U) != 0) {
            map[key] = state;
            model[key] = state;
        } else {
            map.erase(key);
            model.erase(key);
        }
    }
    REQUIRE(map.size() == model.size());
    std::vector<std::uint64_t> keys;
    for (const auto& [key, value] : model) {
        keys.push_back(key);
        REQUIRE(map.find(key) != nullptr);
        CHECK(*map.find(key) == value);
    }
    CHECK(map.sorted_keys() == keys);
    CHECK(map.find(12345) == nullptr);
}

TEST_CASE("id table: records are kept by kernel and number, and walked in order") {
    traces::IdTable<int> table;
    table.at(2, 5) = 25;
    table.at(1, 1'000'000) = 11;
    table.at(1, 64) = 10;
    table.at(1, 63) = 9;
    CHECK(table.find(3, 5) == nullptr);
    REQUIRE(table.find(1, 64) != nullptr);
    CHECK(*table.find(1, 64) == 10);
    std::string seen;
    table.for_each([&](std::uint32_t kernel, std::uint32_t id, int value) {
        if (value != 0) {
            seen += std::to_string(kernel) + ":" + std::to_string(id) + "=" +
                    std::to_string(value) + " ";
        }
    });
    CHECK(seen == "1:63=9 1:64=10 1:1000000=11 2:5=25 ");
}

TEST_CASE("owner map: later owners cut into earlier ranges") {
    traces::OwnerMap owners;
    owners.assign(0x1000, 0x4000, 1);
    CHECK(owners.find(0x1000).first == 1);
    owners.assign(0x2000, 0x1000, 2);
    CHECK(owners.find(0x1fff) == std::pair<std::uint32_t, std::uint64_t>{1, 0x2000});
    CHECK(owners.find(0x2000) == std::pair<std::uint32_t, std::uint64_t>{2, 0x3000});
    CHECK(owners.find(0x4fff).first == 1);
    CHECK(owners.find(0x5000).first == 0);
    CHECK(owners.find(0xfff) == std::pair<std::uint32_t, std::uint64_t>{0, 0x1000});
    owners.assign(0x0, 0x10000, 3);
    CHECK(owners.find(0x2800) == std::pair<std::uint32_t, std::uint64_t>{3, 0x10000});
}

TEST_CASE("fields: positions follow the event's own list") {
    static_assert(traces::field_index("a, bb , c", "a") == 0);
    static_assert(traces::field_index("a, b, c", "c") == 2);
    static_assert(traces::field_index(trace::IoasidPut::kFieldList, "refs") == 3);
    trace::EventRecord record;
    record.values[3] = 9;
    CHECK(IOASIM_FIELD(record, IoasidPut, refs) == 9);
}
