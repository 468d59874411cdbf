// A system reset of a virtual machine: its virtual unit is as after power-on, and a kernel that
// boots then finds nothing of the one before.
#include <doctest/doctest.h>

#include "models/linux/iommu_domain.hpp"
#include "models/vm/virtual_machine.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::vm::test {
namespace {

using os::test::FakeMachine;
using os::test::Host;

VmParams with_everything() {
    VmParams params = vm_param_table().defaults();
    params.page_requests = true;
    params.second_stages = true;
    return params;
}

// A kernel in the machine, from power-on.
struct Boot {
    Boot(Host& host, VirtualMachine& machine, const std::string& name)
        : core(name, IoasidParams::zero_time(), Switches{}, host.recorder, host.probes),
          kernel({host.recorder, host.probes, core, machine.guest_instructions(), host.scheduler,
                  &machine.guest_port()},
                 {name, machine.kernel_memory_base(), machine.kernel_memory_bytes(), true, false},
                 os::kernel_param_table().defaults()),
          app(kernel.create_process(name + "/app")) {
        os::IommuDriver& unit = kernel.add_iommu(name + "/viommu", machine.viommu_base());
        const GuestDevice seen = machine.guest_device("dsa0");
        kernel.add_device({"dsa0", &unit, seen.rid, false, 1, 0, seen.portals.value(), {{"wq0"}}});
        machine.run(host.ctx, 0, [this](ExecContext& g) {
            error = kernel.boot(g);
            if (error == Errno::Ok) {
                error = kernel.start_process(g, app);
            }
        });
    }
    // I/O virtual addresses under a PASID of its own.
    Ioasid attach(ExecContext& g) {
        const Ioasid id = *kernel.sva().alloc(g, app, 1, 0xFFFFF);
        os::Device& dsa0 = *kernel.find_device("dsa0");
        domain = std::make_unique<os::IommuDomain>(kernel, dsa0.iommu(), "app",
                                                   os::IommuDomain::Stage::Second);
        REQUIRE(domain->create(g) == Errno::Ok);
        REQUIRE(domain->attach_pasid(g, dsa0, Pasid{id.value()}) == Errno::Ok);
        return id;
    }

    IoasidCore core;
    os::Kernel kernel;
    os::Process& app;
    std::unique_ptr<os::IommuDomain> domain;
    Errno error = Errno::Eio;
};

struct Machine {
    Machine()
        : host({}, {},
               [](FakeMachine& fake, os::KernelConfig&) {
                   fake.cap |= vtd::cap::kSagaw.make(4) | vtd::cap::kMgaw.make(47);
                   fake.ecap |= vtd::ecap::kPrs.make(1) | vtd::ecap::kPds.make(1);
               }),
          vmh(host.kernel->create_vm({"vm1", 10, {"dsa0"}})),
          machine({host.recorder, host.probes, vmh, host.machine, host.machine, host.scheduler,
                   host.machine},
                  {"vm1", 1, std::uint64_t{4} << 20U, 101, 199, 201, 300, {{"dsa0", 1}}},
                  with_everything()) {
        REQUIRE(machine.create(host.ctx) == Errno::Ok);
    }
    std::uint64_t reg(std::uint32_t offset, unsigned size = 8) {
        std::uint64_t value = 0;
        machine.run(host.ctx, 0, [&](ExecContext& g) {
            value = g.mmio_read(machine.viommu_base() + offset, size);
        });
        return value;
    }
    void set(std::uint32_t offset, std::uint64_t value, unsigned size = 8) {
        machine.run(host.ctx, 0, [&](ExecContext& g) {
            g.mmio_write(machine.viommu_base() + offset, value, size);
        });
    }
    // A kernel takes the memory that it is given for zero.
    void clear_memory() {
        machine.run(host.ctx, 0, [&](ExecContext& g) {
            const std::uint64_t base = machine.kernel_memory_base();
            for (std::uint64_t at = 0; at < machine.kernel_memory_bytes(); at += 8) {
                g.store(base + at, 0, 8);
            }
        });
    }
    bool bound(Ioasid id) {
        const auto entry = host.unit().read_entry(host.ctx, host.dsa0(), Pasid{id.value()});
        return entry.ok() && (*entry).present;
    }

    Host host;
    os::VmHost& vmh;
    VirtualMachine machine;
};

TEST_CASE("virtual machine reset: every register of the virtual unit is as after power-on") {
    using vtd::reg::kPectl;
    const std::vector<std::uint32_t> words{vtd::reg::kRtaddr, vtd::reg::kIqa, vtd::reg::kIqt,
                                           vtd::reg::kPqa,    vtd::reg::kPqh, vtd::reg::kPqt};
    Machine fresh;
    Machine m;
    const Boot boot{m.host, m.machine, "vm1"};
    REQUIRE(boot.error == Errno::Ok);
    m.set(vtd::reg::kPqa, 0x20000);
    m.set(vtd::reg::kPqt, 0x40);
    m.set(vtd::reg::kPqh, 0x20);
    m.set(vtd::reg::kPedata, 0x41, 4);
    m.set(kPectl, 0, 4);
    CHECK(m.reg(vtd::reg::kPqa) == 0x20000);
    REQUIRE(m.machine.vmm_reset(m.host.ctx) == Errno::Ok);
    for (const std::uint32_t word : words) {
        CAPTURE(word);
        CHECK(m.reg(word) == fresh.reg(word));
    }
    CHECK(m.reg(vtd::reg::kGsts, 4) == fresh.reg(vtd::reg::kGsts, 4));
    CHECK(m.reg(vtd::reg::kPedata, 4) == 0);
    CHECK(m.reg(kPectl, 4) == vtd::event_control::kMasked);
}

// The second kernel makes the same tables at the same places, for the same number.
TEST_CASE("virtual machine reset: who boots next binds anew, whatever was shadowed before") {
    Machine m;
    Boot first{m.host, m.machine, "vm1"};
    REQUIRE(first.error == Errno::Ok);
    Ioasid before;
    m.machine.run(m.host.ctx, 0, [&](ExecContext& g) { before = first.attach(g); });
    CHECK(before == Ioasid{101});
    CHECK(m.bound(Ioasid{201}));
    first.kernel.power_off();
    REQUIRE(m.machine.vmm_reset(m.host.ctx) == Errno::Ok);
    CHECK_FALSE(m.bound(Ioasid{201}));
    CHECK(m.host.core->ids().empty());
    m.clear_memory();
    Boot second{m.host, m.machine, "vm1"};
    REQUIRE(second.error == Errno::Ok);
    Ioasid after;
    m.machine.run(m.host.ctx, 0, [&](ExecContext& g) { after = second.attach(g); });
    CHECK(after == Ioasid{101});
    CHECK(m.bound(Ioasid{201}));
}

}  // namespace
}  // namespace ioasim::vm::test
