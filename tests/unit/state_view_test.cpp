// The state view: events folded into state, and every kind of question about it.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/event_script.hpp"
#include "traces/state_path.hpp"
#include "traces/state_view.hpp"

using namespace ioasim;
using traces::StateView;

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;

struct Viewed : test::EventScript {
    Viewed() : view(recorder) {
        recorder.add_listener(view, view.categories());
        pool(1000);
        vm("vm1", 100, 900);
    }
    std::string ask(const std::string& path) {
        recorder.flush();
        const traces::StateAnswer answer = view.query(path);
        return answer.value ? answer.value->text() : "? " + answer.problem();
    }
    std::string json(const std::string& path) {
        recorder.flush();
        const traces::StateAnswer answer = view.query(path);
        return answer.value ? answer.value->json() : "?";
    }
    StateView view;
};

}  // namespace

TEST_CASE("state view: the life of an ID") {
    Viewed v;
    CHECK(v.ask("host.ioasid(201).state") == "FREE");
    v.alloc("vm1", 201);
    CHECK(v.ask("host.ioasid(201).state") == "IDLE");
    v.get("vm1", 201, 2, "iommu");
    v.get("vm1", 201, 3, "kvm/vm1");
    v.bind("vm1", 201, 101);
    CHECK(v.ask("host.ioasid(201).state") == "ACTIVE");
    CHECK(v.ask("host.ioasid(201).refs") == "3");
    CHECK(v.ask("host.ioasid(201).set") == "vm1");
    CHECK(v.ask("host.ioasid(0xC9).spid") == "101");
    CHECK(v.ask("host.ioasid(201).holders") == "iommu=1 kvm/vm1=1 owner=1");
    CHECK(v.ask("host.ioasid(201).holder(kvm/vm1)") == "1");
    CHECK(v.ask("host.ioasid(201).holder(vdcm)") == "0");
    v.free("vm1", 201, 2);
    CHECK(v.ask("host.ioasid(201).state") == "FREE_PENDING");
    CHECK(v.ask("host.ioasid(201).holders") == "iommu=1 kvm/vm1=1");
    v.unbind("vm1", 201, 101);
    v.put("vm1", 201, 1, "kvm/vm1");
    v.put("vm1", 201, 0, "iommu");
    v.reclaim("vm1", 201);
    CHECK(v.ask("host.ioasid(201).state") == "FREE");
    CHECK(v.ask("host.ioasid(201).refs") == "0");
    CHECK(v.ask("host.ioasid(201).spid") == "none");
    CHECK(v.json("host.ioasid(201).spid") == "null");
}

TEST_CASE("state view: sets and the pool") {
    Viewed v;
    v.alloc("vm1", 201, 1);
    v.alloc("vm1", 203, 2);
    CHECK(v.ask("host.available") == "900");
    CHECK(v.ask("host.total") == "1000");
    CHECK(v.ask("host.live") == "2");
    CHECK(v.ask("host.set(vm1).live") == "2");
    CHECK(v.ask("host.set(vm1).quota") == "100");
    v.emit(trace::IoasidSetQuota{v.kernel(), v.name("vm1"), 150, 850});
    CHECK(v.ask("host.set(vm1).quota") == "150");
    CHECK(v.ask("host.available") == "850");
    CHECK(v.ask("host.set(vm1).exists") == "true");
    v.emit(trace::IoasidSetFree{v.kernel(), v.name("vm1"), 1000});
    CHECK(v.ask("host.set(vm1).exists") == "false");
    CHECK(v.ask("host.set(never).exists") == "false");
    CHECK(v.ask("host.available") == "1000");
}

TEST_CASE("state view: a private set has numbers of its own") {
    Viewed v;
    v.emit(trace::IoasidSetAlloc{v.kernel(), v.name("private"), 3, 0, 900});
    v.alloc("private", 7);
    CHECK(v.ask("host.ioasid(7).state") == "FREE");
    CHECK(v.ask("host.set(private).ioasid(7).state") == "IDLE");
    CHECK(v.ask("host.set(private).ioasid(7).refs") == "1");
}

TEST_CASE("state view: VMs and processors") {
    Viewed v;
    v.alloc("vm1", 201);
    v.translate("vm1", 101, 201);
    v.emit(trace::CpuPasid{v.name("vm1/vcpu0"), Pasid{101}, true});
    CHECK(v.ask("vm1.vmcs_pasid(101)") == "0x800000C9");
    CHECK(v.json("vm1.vmcs_pasid(101)") == "\"0x800000C9\"");
    CHECK(v.ask("vm1.vmcs_pasid(102)") == "0x0");
    CHECK(v.ask("vm1/vcpu0.pasid") == "101");
    CHECK(v.ask("vm1/vcpu0.pasid_valid") == "true");
    CHECK(v.ask("vm1.alive") == "true");
    v.untranslate("vm1", 101);
    v.emit(trace::CpuPasid{v.name("vm1/vcpu0"), Pasid{}, false});
    v.emit(trace::VmDestroy{v.name("vm1"), v.name("killed")});
    CHECK(v.ask("vm1.vmcs_pasid(101)") == "0x0");
    CHECK(v.ask("vm1/vcpu0.pasid") == "none");
    CHECK(v.ask("vm1.alive") == "false");
}

TEST_CASE("state view: IOMMUs") {
    Viewed v;
    v.alloc("vm1", 201);
    v.entry_set(201);
    v.fill("iotlb", 201, 0x1000);
    v.fill("iotlb", 201, 0x2000);
    v.drop("iotlb", 201, 0x1000);
    CHECK(v.ask("iommu0.pasid_entries") == "1");
    CHECK(v.ask("iommu0.pasid_entry(00:02.0, 201)") == "true");
    CHECK(v.ask("iommu0.pasid_entry(00:03.0,201)") == "false");
    CHECK(v.ask("iommu0.cached(201)") == "1");
    v.entry_clear(201);
    CHECK(v.ask("iommu0.pasid_entries") == "0");
    const auto fault = [&](bool recorded, bool suppressed) {
        v.emit(trace::VtdFault{v.iommu(), Rid{0x10}, Pasid{201}, Iova{0x1000}, trace::Hex{0x58},
                               false, recorded, suppressed, 1},
               "iommu0");
    };
    fault(true, false);
    fault(false, true);
    fault(false, false);
    CHECK(v.ask("iommu0.faults") == "3");
    CHECK(v.ask("iommu0.faults.recorded") == "1");
    CHECK(v.ask("iommu0.faults.suppressed") == "1");
    v.emit(trace::VtdPrq{v.iommu(), 3, 5});
    CHECK(v.ask("iommu0.prq.head") == "3");
    CHECK(v.ask("iommu0.prq.tail") == "5");
}

TEST_CASE("state view: devices, workqueues, descriptors") {
    Viewed v;
    v.emit(trace::DsaWqState{v.name("dsa0"), v.name("wq0"), true, true, Pasid{kNone}, 32}, "dsa0");
    v.enqueue(1, 201, 1);
    v.enqueue(2, 201, 2);
    v.enqueue(0, 201, 2, false);
    v.enqueue(3, 201, 3);
    v.enqueue(4, 201, 4);
    v.dispatch(1, 201, 3);
    v.complete(1, 201);
    v.complete(2, 201, "record", 3);
    v.complete(3, 201, "abort", 0);
    CHECK(v.ask("dsa0.wq0.occupancy") == "3");
    CHECK(v.ask("dsa0.wq0.size") == "32");
    CHECK(v.ask("dsa0.wq0.enabled") == "true");
    CHECK(v.ask("dsa0.wq0.shared") == "true");
    CHECK(v.ask("dsa0.wq0.pasid") == "none");
    CHECK(v.ask("dsa0.descriptors.accepted") == "4");
    CHECK(v.ask("dsa0.descriptors.retries") == "1");
    CHECK(v.ask("dsa0.descriptors.ended") == "3");
    CHECK(v.ask("dsa0.descriptors.completed") == "2");
    CHECK(v.ask("dsa0.descriptors.failed") == "1");
    CHECK(v.ask("dsa0.descriptors.aborted") == "1");
    CHECK(v.ask("dsa0.descriptors.lost") == "0");
    CHECK(v.ask("dsa0.descriptors.in_flight") == "1");
    CHECK(v.ask("dsa0.descriptor(2).status") == "3");
    CHECK(v.ask("dsa0.descriptor(3).how") == "abort");
    CHECK(v.ask("dsa0.descriptor(4).ended") == "false");
    CHECK(v.ask("dsa0.descriptor(5).ended") == "? descriptor 5 was never accepted by dsa0");
}

TEST_CASE("state view: the last few thousand descriptors can be asked about") {
    Viewed v;
    for (std::uint64_t i = 1; i <= 5000; ++i) {
        v.enqueue(i, 201);
        v.complete(i, 201);
    }
    CHECK(v.ask("dsa0.descriptor(5000).status") == "1");
    CHECK(v.ask("dsa0.descriptor(1).status") == "? descriptor 1 of dsa0 ended too long ago");
    CHECK(v.ask("dsa0.descriptors.completed") == "5000");
}

TEST_CASE("state view: memory, processes, programs, the run") {
    Viewed v;
    v.owner("vm1", 0x10000, 0x2000);
    v.owner("vm2", 0x11000, 0x1000);
    v.space("vm1/app", 201);
    v.emit(trace::ProcessStart{v.name("host/app")});
    v.emit(trace::StepResult{v.name("host/app"), 0, v.name("alloc"), Errno::Enospc, 0, 1_ns});
    v.emit(trace::RunFinding{v.name("references.leak"), v.name("x"), v.name("y")});
    v.emit(trace::IoasidHazard{v.kernel(), trace::IoasidHazardKind::LockOrder, v.name("a"),
                               v.name("l"), v.name("c")});
    CHECK(v.ask("memory(0x10fff).owner") == "vm1");
    CHECK(v.ask("memory(0x11000).owner") == "vm2");
    CHECK(v.ask("memory(0x12000).owner") == "");
    CHECK(v.ask("pasid_space(00:02.0,201).owner") == "vm1/app");
    CHECK(v.ask("process(host/app).alive") == "true");
    CHECK(v.ask("program(host/app).steps") == "1");
    CHECK(v.ask("program(host/app).last") == "-ENOSPC");
    CHECK(v.ask("findings") == "1");
    CHECK(v.ask("findings(references.leak)") == "1");
    CHECK(v.ask("findings(order.work)") == "0");
    CHECK(v.ask("hazards") == "1");
    v.emit(trace::ProcessExit{v.name("host/app"), v.name("killed")});
    v.finish("limit");
    CHECK(v.ask("process(host/app).alive") == "false");
    CHECK(v.ask("process(host/app).cause") == "killed");
    CHECK(v.ask("run.reason") == "limit");
    CHECK(v.ask("run.time") == std::to_string(v.time().ps()));
}

TEST_CASE("state view: what cannot be asked says so and what may have been meant") {
    Viewed v;
    v.emit(trace::DsaWqState{v.name("dsa0"), v.name("wq0"), true, true, Pasid{kNone}, 32}, "dsa0");
    CHECK(v.ask("hosts.available") == "? there is no kernel \"hosts\"; did you mean host?");
    CHECK(v.ask("dsa1.wq0.size") == "? there is no device \"dsa1\"; did you mean dsa0?");
    CHECK(v.ask("dsa0.wq1.size") == "? dsa0 has no workqueue \"wq1\"; did you mean wq0?");
    CHECK(v.ask("host.set(vm2).live") == "? host has no set \"vm2\"; did you mean vm1?");
    CHECK(v.ask("process(host/app).alive") == "? there is no process \"host/app\"");
}

TEST_CASE("state path: checked before any run") {
    CHECK(StateView::check_path("host.ioasid(201).state") == "");
    CHECK(StateView::check_path("any-name.wq7.occupancy") == "");
    CHECK(StateView::check_path("findings") == "");
    CHECK(StateView::check_path("host.ioasid(x).state") == "\"x\" is no number");
    CHECK(StateView::check_path("host.ioasid(4294967296).state") ==
          "4294967296 is no 32-bit number");
    CHECK(StateView::check_path("iommu0.pasid_entry(2,201)") == "\"2\" is no function (00:02.0)");
    CHECK(StateView::check_path("host.ioasid(201") ==
          "the parenthesis at position 12 is not closed");
    CHECK(StateView::check_path("host..available") == "a name is missing at position 6");
    CHECK(StateView::check_path("host.available!") == "'!' at position 15 is not expected");
    CHECK(StateView::check_path("") == "a name is missing at position 1");
    CHECK(StateView::check_path("host.ioasid(201).stat").find("KERNEL.ioasid(N).state") !=
          std::string::npos);
    CHECK(StateView::check_path("host.ioasid(201)").find("KERNEL.ioasid(N).state") !=
          std::string::npos);
    CHECK(StateView::check_path("host.ioasid.state").find("names no value") != std::string::npos);
}

TEST_CASE("state path: every form that is listed can be asked") {
    for (const StateView::Form& form : StateView::forms()) {
        std::string path = form.path;
        for (const auto& [word, value] : {std::pair{"RID", "00:02.0"}, {"ADDRESS", "0x1000"}}) {
            const std::size_t at = path.find(word);
            if (at != std::string::npos) {
                path.replace(at, std::string(word).size(), value);
            }
        }
        for (std::size_t at = path.find("(N)"); at != std::string::npos; at = path.find("(N)")) {
            path.replace(at, 3, "(1)");
        }
        const std::size_t last = path.find(",N)");
        if (last != std::string::npos) {
            path.replace(last, 3, ",1)");
        }
        CAPTURE(path);
        CHECK(StateView::check_path(path) == "");
        CHECK_FALSE(form.meaning.empty());
    }
}

TEST_CASE("near names: the closest first, far ones not at all") {
    CHECK(traces::near_names("wq1", {"wq0", "wq10", "engine"}) ==
          std::vector<std::string>{"wq0", "wq10"});
    CHECK(traces::near_names("iommu", {"vm1", "dsa0"}).empty());
}
