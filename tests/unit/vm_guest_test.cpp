#include <doctest/doctest.h>

#include "models/cpu/vmx_layout.hpp"
#include "models/linux/user_submit.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/virtual_machine.hpp"
#include "models/vm/vm_probes.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::vm::test {
namespace {

using os::test::FakeMachine;
using os::test::Host;
using os::test::kPortals0;

// A VM on a fake host, with its own kernel. Everything runs in one context.
struct Vm {
    explicit Vm(Host& on, const std::string& name, std::uint64_t quota = 10)
        : host(on),
          vmh(on.kernel->create_vm({name, quota, {"dsa0", "dsa1"}})),
          machine(
              {on.recorder, on.probes, vmh, on.machine, on.machine, on.scheduler, on.machine},
              {name, 2, std::uint64_t{4} << 20U, 101, 199, 201, 300, {{"dsa0", 1}, {"dsa1", 1}}},
              vm_param_table().defaults()),
          core(name, IoasidParams::zero_time(), Switches{}, on.recorder, on.probes),
          kernel({on.recorder, on.probes, core, machine.guest_instructions(), on.scheduler,
                  &machine.guest_port()},
                 {name, machine.kernel_memory_base(), machine.kernel_memory_bytes(), true, false},
                 os::kernel_param_table().defaults()) {
        os::IommuDriver& unit = kernel.add_iommu(name + "/viommu", machine.viommu_base());
        for (const char* device : {"dsa0", "dsa1"}) {
            const GuestDevice seen = machine.guest_device(device);
            kernel.add_device(
                {device, &unit, seen.rid, false, 1, 0, seen.portals.value(), {{"wq0"}}});
        }
        machine.on_death([this] { kernel.power_off(); });
        created = machine.create(host.ctx);
        run([this](ExecContext& g) { booted = kernel.boot(g); });
    }
    void run(const std::function<void(ExecContext&)>& body) { machine.run(host.ctx, 0, body); }

    Host& host;
    os::VmHost& vmh;
    VirtualMachine machine;
    IoasidCore core;
    os::Kernel kernel;
    Errno created = Errno::Ok;
    Errno booted = Errno::Eio;
};

// ENQCMD with the VMCS translation on the fake machine's memory; a hit tells the host PASID.
void translate_enqcmds(Host& host, std::vector<std::uint32_t>& sent) {
    host.machine.on_enqcmd = [&host, &sent](const cpu::CpuState& state, Hpa,
                                            const cpu::Descriptor64&) {
        if ((host.machine.ia32_pasid & cpu::kIa32PasidValid) == 0) {
            return cpu::EnqResult{cpu::EnqOutcome::GeneralProtection, Pasid{}};
        }
        REQUIRE(state.vmcs != nullptr);
        const Pasid guest{static_cast<std::uint32_t>(host.machine.ia32_pasid & 0xFFFFFU)};
        const auto directory = cpu::decode_pasid_directory(host.machine.qword(
            cpu::directory_entry_address(state.vmcs->low_pasid_directory, guest).value()));
        std::uint32_t raw = 0;
        if (directory.present) {
            host.machine.peek(cpu::table_entry_address(directory.table, guest).value(), &raw, 4);
        }
        const auto entry = cpu::decode_pasid_table(raw);
        if (!entry.valid) {
            return cpu::EnqResult{cpu::EnqOutcome::ExitEnqcmd, Pasid{}};
        }
        sent.push_back(entry.pasid.value());
        return cpu::EnqResult{cpu::EnqOutcome::Accepted, entry.pasid};
    };
}

TEST_CASE("guest boot: the same driver brings up the virtual unit and takes its PASIDs from it") {
    Host host;
    Vm vm{host, "vm1"};
    REQUIRE(vm.created == Errno::Ok);
    CHECK(vm.booted == Errno::Ok);
    CHECK(vm.kernel.find_iommu("vm1/viommu")->caching_mode());
    CHECK(vm.core.allocator_groups().size() == 1);
    CHECK(host.log.count("vm.entry") == host.log.count("vm.exit"));
}

TEST_CASE("guest alloc: the number is the guest's, the ID behind it the host's") {
    Host host;
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    Ioasid id;
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        id = *vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
    });
    CHECK(id == Ioasid{101});
    CHECK(host.core->view(Ioasid{201}).has_value());
}

TEST_CASE("guest alloc: the VM's quota ends it with -ENOSPC, and a free makes room") {
    Host host;
    Vm vm{host, "vm1", 2};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        REQUIRE(vm.kernel.sva().alloc(g, app, 1, 0xFFFFF).ok());
        const auto second = vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
        REQUIRE(second.ok());
        CHECK(vm.kernel.sva().alloc(g, app, 1, 0xFFFFF).error() == Errno::Enospc);
        CHECK(vm.kernel.sva().free(g, app, *second) == Errno::Ok);
        CHECK(*vm.kernel.sva().alloc(g, app, 1, 0xFFFFF) == *second);
    });
    CHECK(host.core->ids().size() == 2);
}

TEST_CASE("guest bind: its PASID entry and an invalidation make the host bind the nested table") {
    Host host;
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        const Ioasid id = *vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
        CHECK(vm.kernel.sva().bind(g, app, *vm.kernel.find_device("dsa0"), id) == Errno::Ok);
    });
    const auto entry = host.unit().read_entry(host.ctx, host.dsa0(), Pasid{201});
    REQUIRE(entry.ok());
    CHECK((*entry).present);
    CHECK((*entry).pgtt == vtd::TranslationType::Nested);
    CHECK((*entry).first_stage == app.mm.root());  // a guest physical address
    CHECK(host.log.before("vm.guest_pasid_entry", "vtd.pasid_entry_set"));
    CHECK_FALSE(host.unit().read_entry(host.ctx, host.dsa1(), Pasid{201}).ok());
}

TEST_CASE("guest unbind: the host has torn down before the guest's unbind returns") {
    Host host;
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        const Ioasid id = *vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
        os::Device& dsa0 = *vm.kernel.find_device("dsa0");
        REQUIRE(vm.kernel.sva().bind(g, app, dsa0, id) == Errno::Ok);
        REQUIRE(vm.kernel.sva().unbind(g, app, dsa0, id) == Errno::Ok);
        CHECK_FALSE(host.kernel->sva().entry_live(Ioasid{201}));
        CHECK(host.refs(Ioasid{201}) == 1);
    });
}

TEST_CASE(
    "guest submit: the PASID on the wire is the host's, per VM, and the portal the device's") {
    Host host;
    std::vector<std::uint32_t> sent;
    translate_enqcmds(host, sent);
    Vm vm1{host, "vm1"};
    Vm vm2{host, "vm2"};
    for (Vm* vm : {&vm1, &vm2}) {
        os::Process& app = vm->kernel.create_process(vm->machine.name() + "/app");
        vm->run([&](ExecContext& g) {
            REQUIRE(vm->kernel.start_process(g, app) == Errno::Ok);
            const Ioasid id = *vm->kernel.sva().alloc(g, app, 1, 0xFFFFF);
            CHECK(id == Ioasid{101});
            os::SubmitRequest request;
            request.device = vm->kernel.find_device("dsa0");
            request.wait = false;
            REQUIRE(vm->kernel.sva().bind(g, app, *request.device, id) == Errno::Ok);
            os::UserQueue queue{vm->kernel, app};
            os::SubmitReport report;
            CHECK(queue.submit(g, request, report) == Errno::Ok);
        });
    }
    CHECK(sent == std::vector<std::uint32_t>{201, 202});
}

TEST_CASE("guest submit: a guest PASID of nobody exits to the host and comes back as #GP") {
    Host host;
    std::vector<std::uint32_t> sent;
    translate_enqcmds(host, sent);
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        os::SubmitRequest request;
        request.device = vm.kernel.find_device("dsa0");
        request.pasid = Pasid{150};
        os::UserQueue queue{vm.kernel, app};
        os::SubmitReport report;
        CHECK(queue.submit(g, request, report) == Errno::Efault);
    });
    CHECK(sent.empty());
    CHECK(host.machine.submissions == 1);
}

TEST_CASE("VMM frees a bound ID: the guest's later unbind and free find nothing and harm nobody") {
    Host host;
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        const Ioasid id = *vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
        REQUIRE(vm.kernel.sva().bind(g, app, *vm.kernel.find_device("dsa0"), id) == Errno::Ok);
    });
    CHECK(vm.machine.vmm_free(host.ctx, Ioasid{201}) == Errno::Ok);
    CHECK(host.log.count("ioasid.free") == 1);
    host.work();
    CHECK_FALSE(host.core->view(Ioasid{201}).has_value());
    vm.run([&](ExecContext& g) {
        CHECK(vm.kernel.sva().unbind(g, app, *vm.kernel.find_device("dsa0"), Ioasid{101}) ==
              Errno::Ok);
        CHECK(vm.kernel.sva().free(g, app, Ioasid{101}) == Errno::Ok);
    });
    CHECK(host.log.count("vtd.pasid_entry_clear") == 1);
    // As the ioctl: an unknown number is ignored.
    CHECK(vm.machine.vmm_free(host.ctx, Ioasid{201}) == Errno::Ok);
    CHECK(host.log.count("ioasid.free") == 1);
}

TEST_CASE("guest frees a bound PASID and allocates at once: never the number that still drains") {
    Host host;
    Vm vm{host, "vm1"};
    os::Process& app = vm.kernel.create_process("vm1/app");
    vm.run([&](ExecContext& g) {
        REQUIRE(vm.kernel.start_process(g, app) == Errno::Ok);
        const Ioasid id = *vm.kernel.sva().alloc(g, app, 1, 0xFFFFF);
        REQUIRE(vm.kernel.sva().bind(g, app, *vm.kernel.find_device("dsa0"), id) == Errno::Ok);
        // A guest kernel that frees by the register alone, the entry left in place.
        const std::uint64_t vcmd = vm.machine.viommu_base() + vtd::reg::kVcmd;
        g.mmio_write(vcmd, vtd::vcmd::kFree | vtd::vcmd::kOperandPasid.make(id.value()), 8);
        g.mmio_write(vcmd, vtd::vcmd::kAllocate, 8);
        const std::uint64_t answer = g.mmio_read(vm.machine.viommu_base() + vtd::reg::kVcrsp, 8);
        CHECK(vtd::vcmd::kResultPasid.get(answer) == 102);
    });
    CHECK(host.core->view(Ioasid{202}).has_value());
}

TEST_CASE("virtual commands: status of an unknown command and of a foreign number") {
    Host host;
    Vm vm{host, "vm1"};
    vm.run([&](ExecContext& g) {
        const std::uint64_t base = vm.machine.viommu_base();
        g.mmio_write(base + vtd::reg::kVcmd, 9, 8);
        CHECK(g.mmio_read(base + vtd::reg::kVcrsp, 8) == 1U << 1U);
        g.mmio_write(base + vtd::reg::kVcmd, 2U | (101U << 16U), 8);
        CHECK(g.mmio_read(base + vtd::reg::kVcrsp, 8) == 16U << 1U);
        CHECK(g.mmio_read(base + vtd::reg::kVccap, 8) == 7);
    });
}

TEST_CASE("virtual unit: what is wrong in the queue stops it there and is named in IQERCD") {
    const auto refusal = [](const vtd::Descriptor& bad, std::uint64_t tail_step) {
        Host host;
        Vm vm{host, "vm1"};
        std::uint64_t info = 0;
        vm.run([&](ExecContext& g) {
            const std::uint64_t base = vm.machine.viommu_base();
            const std::uint64_t iqa = g.mmio_read(base + vtd::reg::kIqa, 8);
            const std::uint64_t tail = g.mmio_read(base + vtd::reg::kIqt, 8);
            g.write_bytes((iqa & ~std::uint64_t{0xFFF}) + tail, bad.data(), sizeof(bad));
            g.mmio_write(base + vtd::reg::kIqt, tail + tail_step, 8);
            CHECK((g.mmio_read(base + vtd::reg::kFsts, 4) & vtd::fsts::kIqe) != 0);
            CHECK(g.mmio_read(base + vtd::reg::kIqh, 8) == tail);
            info = vtd::iq::kErrorInfo.get(g.mmio_read(base + vtd::reg::kIqercd, 8));
            g.mmio_write(base + vtd::reg::kFsts, vtd::fsts::kIqe, 4);
        });
        return static_cast<vtd::QueueError>(info);
    };
    using Error = vtd::QueueError;
    vtd::Descriptor reserved = vtd::iotlb_invalidate(vtd::IotlbGranularity::Global);
    reserved[3] = 1;
    CHECK(refusal({0xE, 0, 0, 0}, 32) == Error::BadType);
    CHECK(refusal(reserved, 32) == Error::Reserved);
    CHECK(refusal(vtd::context_cache_invalidate(static_cast<vtd::ContextGranularity>(0)), 32) ==
          Error::Reserved);
    CHECK(refusal(vtd::wait_barrier(), 16) == Error::TailAlignment);
    CHECK(refusal(vtd::wait_barrier(), 0x10000) == Error::BadTail);
}

TEST_CASE("vcpu: who gets a processor while its machine is stopped leaves the guest at once") {
    for (const bool defect : {false, true}) {
        Host host{defect ? std::vector<const Defect*>{&kKickedOnce} : std::vector<const Defect*>{}};
        Vm vm{host, "vm1"};
        ImmediateContext admin{host.monitor, "host/admin", &host.machine};
        vm.run([&](ExecContext& g) {
            CHECK(vm.machine.scheduled(0, g) == nullptr);
            REQUIRE(vm.machine.hang(admin) == Errno::Ok);
            CHECK(vm.machine.scheduled(0, g) == (defect ? nullptr : &g));  // in the same instant
            CHECK(vm.machine.scheduled(0, admin) == nullptr);
        });
        CHECK(vm.machine.scheduled(0, host.ctx) == nullptr);  // outside of the guest
    }
}

TEST_CASE("guest memory: an access beyond RAM exits, reads ones and changes nothing") {
    Host host;
    Vm vm{host, "vm1"};
    vm.run([&](ExecContext& g) {
        g.store(0x4000'0000, 5, 8);
        CHECK(g.load(0x4000'0000, 8) == ~std::uint64_t{0});
        CHECK(g.load(0x4000'0000, 4) == 0xFFFF'FFFF);
    });
}

TEST_CASE("guest memory: a guest page is the host page that the second stage names") {
    Host host;
    Vm vm{host, "vm1"};
    vm.run([](ExecContext& g) { g.store(0x5008, 0xABCD, 8); });
    const GpaTarget target = vm.machine.translate(Gpa{0x5008});
    REQUIRE(target.kind == GpaKind::Ram);
    CHECK(host.machine.qword(target.hpa.value()) == 0xABCD);
}

TEST_CASE("VM killed: the host gets everything back and the guest's programs stop") {
    Host host;
    const std::uint64_t before = host.kernel->pages().free_pages();
    std::uint64_t tables = 0;
    {
        Vm first{host, "vm0"};  // PASID table pages of the devices stay with the host
        os::Process& app = first.kernel.create_process("vm0/app");
        first.run([&](ExecContext& g) {
            REQUIRE(first.kernel.start_process(g, app) == Errno::Ok);
            const Ioasid id = *first.kernel.sva().alloc(g, app, 1, 0xFFFFF);
            REQUIRE(first.kernel.sva().bind(g, app, *first.kernel.find_device("dsa0"), id) ==
                    Errno::Ok);
        });
        // Who sent the signal gives up; the VMM's own exit goes on, and does it all.
        CHECK(first.machine.kill(host.ctx) == Errno::Etimedout);
        CHECK(host.log.count("vm.destroy") == 0);
        REQUIRE(host.scheduler.spawned.size() == 1);
        host.scheduler.spawned.back()(host.ctx);
        tables = before - host.kernel->pages().free_pages();
        CHECK(tables == 1);
        CHECK_FALSE(first.machine.alive());
        CHECK(app.killed);
        CHECK(first.machine.kill(host.ctx) == Errno::Esrch);
        bool ran = false;
        first.run([&](ExecContext&) { ran = true; });
        CHECK_FALSE(ran);
    }
    CHECK(host.core->sets().empty());
    CHECK(host.core->ids().empty());
    CHECK(host.log.count("vm.destroy") == 1);
    CHECK(host.log.before("vtd.pasid_entry_clear", "vm.destroy"));
}

TEST_CASE("VM without quota in the pool: created refused, nothing runs") {
    Host host;
    Vm vm{host, "vm1", 0x200000};
    CHECK(vm.created == Errno::Enospc);
    CHECK(vm.booted == Errno::Eio);
    CHECK_FALSE(vm.machine.alive());
}

TEST_CASE("guest PASID pool: lowest first, gaps and returns are used, the range is the limit") {
    GpasidPool pool{101, 104};
    const auto any = [](std::uint32_t) { return true; };
    CHECK(*pool.pick([](std::uint32_t g) { return g > 102; }) == 103);
    pool.assign(103, Ioasid{1});
    CHECK(*pool.pick(any) == 101);
    pool.assign(101, Ioasid{2});
    pool.assign(102, Ioasid{3});
    pool.assign(104, Ioasid{4});
    CHECK_FALSE(pool.pick(any).has_value());
    CHECK(pool.release(102));
    CHECK_FALSE(pool.release(102));
    pool.release_id(Ioasid{1});
    CHECK(*pool.pick(any) == 102);
    CHECK_FALSE(pool.find(103).has_value());
    CHECK(*pool.find(104) == Ioasid{4});
}

}  // namespace
}  // namespace ioasim::vm::test
