#include <doctest/doctest.h>

#include "models/linux/vdcm_probes.hpp"
#include "models/linux/virtual_device.hpp"
#include "models/linux/vm_host.hpp"
#include "models/pcie/config_layout.hpp"
#include "tests/unit/linux_shared_queue.hpp"

namespace ioasim::os::test {
namespace {

namespace reg = dsa::reg;
namespace config = pcie::config;

struct FakeWindow final : PortalWindow {
    void map(std::uint32_t, dsa::Portal page, Hpa target) override {
        mapped = target;
        last = page;
    }
    void unmap(std::uint32_t) override { mapped = Hpa{}; }
    Hpa mapped;
    dsa::Portal last = dsa::Portal::UnlimitedMsix;
};

// A VM with a dedicated queue, and its device brought up as a guest's driver does.
struct OneQueue {
    explicit OneQueue(const std::vector<const Defect*>& defects = {})
        : host(defects, {}, {}, kernel_param_table().defaults(),
               [](Kernel& kernel) {
                   kernel.add_device({"dsa2",
                                      kernel.find_iommu("iommu0"),
                                      Rid{24},
                                      false,
                                      1,
                                      kDsa1,
                                      kPortals1,
                                      {{"wq0", false, 4}}});
               }),
          vm(host.kernel->create_vm({"vm1", 10, {}, {}, {{"vdev0", "dsa2", "wq0"}}})) {
        REQUIRE(host.boot_result == Errno::Ok);
        REQUIRE(vm.open(host.ctx) == Errno::Ok);
        REQUIRE(vm.map_memory(host.ctx, 16 * kPageSize).error() == Errno::Ok);
        device = vm.virtual_device("vdev0");
        REQUIRE(device != nullptr);
        device->set_window(window);
        device->write_config(host.ctx, config::kCommand, config::kBusMaster, 2);
        device->write_config(host.ctx, config::kPasidCtl, config::kPasidEnable, 2);
        device->write_config(host.ctx, config::kPriCtl, config::kPriEnable, 2);
        device->write_config(host.ctx, config::kAtsCtl, config::kAtsEnable, 2);
    }
    Ioasid bind(std::uint32_t spid) {
        const Ioasid id = *vm.alloc_ioasid(host.ctx, 201, 300);
        REQUIRE(vm.bind_gpasid(host.ctx, "vdev0", id, Spid{spid}, Gpa{0x3000}) == Errno::Ok);
        return id;
    }
    dsa::CommandError command(dsa::Command code, std::uint32_t operand = 0, std::uint64_t mm = 1) {
        device->write_register(host.ctx, CallingTask{mm == 1 ? vm.mm() : mm}, reg::kCmd,
                               dsa::encode_command(code, operand), 4);
        return dsa::decode_cmdsts(
                   static_cast<std::uint32_t>(device->read_register(reg::kCmdsts, 4)))
            .error;
    }
    void set_pasid(std::uint32_t gpasid) {
        dsa::WqConfig wq;
        wq.dedicated = true;
        wq.pasid_enable = gpasid != 0;
        wq.pasid = gpasid;
        device->write_register(host.ctx, CallingTask{vm.mm()},
                               reg::kWqcfgTable + dsa::kWqcfgPasidDword * 4,
                               dsa::encode(wq).at(dsa::kWqcfgPasidDword), 4);
    }
    Ioasid enabled(std::uint32_t gpasid) {
        const Ioasid id = bind(gpasid);
        REQUIRE(command(dsa::Command::EnableDevice) == dsa::CommandError::None);
        set_pasid(gpasid);
        REQUIRE(command(dsa::Command::EnableWq) == dsa::CommandError::None);
        return id;
    }

    Host host;
    FakeWindow window;
    VmHost& vm;
    VirtualDeviceIf* device = nullptr;
};

TEST_CASE("virtual device: nothing is enabled without bus mastering and PASID with ATS and PRI") {
    OneQueue q;
    q.device->write_config(q.host.ctx, config::kAtsCtl, 0, 2);
    CHECK(q.command(dsa::Command::EnableDevice) == dsa::CommandError::BusMasterOff);
    q.device->write_config(q.host.ctx, config::kAtsCtl, config::kAtsEnable, 2);
    q.device->write_config(q.host.ctx, config::kPriCtl, 0, 2);
    CHECK(q.command(dsa::Command::EnableDevice) == dsa::CommandError::BusMasterOff);
    q.device->write_config(q.host.ctx, config::kPriCtl, config::kPriEnable, 2);
    q.device->write_config(q.host.ctx, config::kCommand, 0, 2);
    CHECK(q.command(dsa::Command::EnableDevice) == dsa::CommandError::BusMasterOff);
    q.device->write_config(q.host.ctx, config::kCommand, config::kBusMaster, 2);
    CHECK(q.command(dsa::Command::EnableWq) == dsa::CommandError::WqDeviceNotEnabled);
    CHECK(q.command(dsa::Command::EnableDevice) == dsa::CommandError::None);
    CHECK(q.command(dsa::Command::EnableDevice) == dsa::CommandError::DeviceAlreadyEnabled);
}

TEST_CASE("virtual device: the SPID is looked up in the set of the calling task") {
    OneQueue q;
    const Ioasid id = q.bind(101);
    REQUIRE(q.command(dsa::Command::EnableDevice) == dsa::CommandError::None);
    q.set_pasid(101);
    CHECK(q.command(dsa::Command::EnableWq, 0, 0) == dsa::CommandError::WqPasidEnable);
    CHECK(q.command(dsa::Command::EnableWq, 0, 4711) == dsa::CommandError::WqPasidEnable);
    CHECK(q.host.refs(id) == 3);
    CHECK(q.command(dsa::Command::EnableWq) == dsa::CommandError::None);
    CHECK(q.host.refs(id) == 4);
    CHECK(q.command(dsa::Command::DisableWq, 1) == dsa::CommandError::None);
    CHECK(q.host.refs(id) == 3);
}

TEST_CASE("virtual device: mode and PASID are the guest's to write, and only while disabled") {
    OneQueue q;
    dsa::WqConfig wq;
    wq.dedicated = false;  // the real queue is dedicated
    wq.pasid = 101;
    wq.pasid_enable = true;
    const std::uint64_t dword = reg::kWqcfgTable + dsa::kWqcfgPasidDword * 4;
    q.device->write_register(q.host.ctx, CallingTask{q.vm.mm()}, dword,
                             dsa::encode(wq).at(dsa::kWqcfgPasidDword), 4);
    REQUIRE(q.command(dsa::Command::EnableDevice) == dsa::CommandError::None);
    CHECK(q.command(dsa::Command::EnableWq) == dsa::CommandError::WqMode);
    q.bind(101);
    q.set_pasid(101);
    REQUIRE(q.command(dsa::Command::EnableWq) == dsa::CommandError::None);
    q.set_pasid(102);
    CHECK(get_bits(q.device->read_register(dword, 4), 27, 8) == 101);
    CHECK(q.device->read_register(reg::kWqcfgTable, 4) == 4);  // the real size
    CHECK_FALSE(dsa::decode_gencap(q.device->read_register(reg::kGencap, 8)).configurable);
}

TEST_CASE("virtual device: UNBIND takes the queue away in ordered work, a free is complete") {
    OneQueue q;
    const Ioasid id = q.enabled(101);
    REQUIRE(q.vm.free_ioasid(q.host.ctx, id) == Errno::Ok);
    q.host.work();
    CHECK(q.host.log.before("ioasid.unbind", "kvm.unbind"));
    CHECK(q.host.log.before("kvm.unbind", "vdev.quiet"));
    CHECK(q.host.log.before("vdev.quiet", "vtd.pasid_entry_clear"));
    CHECK_FALSE(q.host.core->view(id).has_value());
    CHECK_FALSE(q.device->state().queues.front().enabled);
    CHECK(q.command(dsa::Command::DisableWq, 1) == dsa::CommandError::WqNotEnabled);
}

TEST_CASE("virtual device: an unbind behind a completed free finds nothing, or the new binding") {
    OneQueue q;
    const Ioasid id = q.enabled(101);
    REQUIRE(q.vm.free_ioasid(q.host.ctx, id) == Errno::Ok);
    q.host.work();
    const std::size_t cleared = q.host.log.count("vtd.pasid_entry_clear");
    CHECK(q.vm.unbind_gpasid(q.host.ctx, "vdev0", Spid{101}) == Errno::Enoent);
    CHECK(q.host.log.count("vtd.pasid_entry_clear") == cleared);
    const Ioasid again = q.bind(101);  // the same guest gives the number a new meaning
    CHECK(q.vm.unbind_gpasid(q.host.ctx, "vdev0", Spid{101}) == Errno::Ok);
    CHECK(q.host.refs(again) == 1);
}

TEST_CASE("virtual device: the portal is mapped when it is touched and the queue is enabled") {
    OneQueue q;
    CHECK_FALSE(q.device->portal_fault(q.host.ctx, 0, dsa::Portal::LimitedMsix));
    q.enabled(101);
    CHECK(q.device->portal_fault(q.host.ctx, 0, dsa::Portal::UnlimitedMsix));
    CHECK(q.window.mapped == Hpa{kPortals1});
    CHECK_FALSE(q.device->portal_fault(q.host.ctx, 1, dsa::Portal::LimitedMsix));
    REQUIRE(q.device->pause(q.host.ctx) == Errno::Ok);
    CHECK(q.window.mapped == Hpa{});
    CHECK_FALSE(q.device->portal_fault(q.host.ctx, 0, dsa::Portal::LimitedMsix));
}

TEST_CASE("virtual device: paused, submissions are kept up to the queue's size") {
    OneQueue q;
    q.enabled(101);
    REQUIRE(q.device->pause(q.host.ctx) == Errno::Ok);
    CHECK(q.device->pause(q.host.ctx) == Errno::Ebusy);
    const TrappedDescriptor descriptor{0, 0, {}};
    for (int i = 0; i < 4; ++i) {
        CHECK(q.device->trapped_submission(q.host.ctx, descriptor) == Errno::Ok);
    }
    CHECK(q.device->trapped_submission(q.host.ctx, descriptor) == Errno::Enospc);
    CHECK(q.device->state().trapped.size() == 4);
    CHECK(q.device->resume(q.host.ctx, CallingTask{q.vm.mm()}) == Errno::Ok);
    CHECK(q.device->state().trapped.empty());
}

TEST_CASE("virtual device: what was kept while it was paused ends with its queue") {
    OneQueue q;
    const Ioasid id = q.enabled(101);
    REQUIRE(q.device->pause(q.host.ctx) == Errno::Ok);
    REQUIRE(q.device->trapped_submission(q.host.ctx, {0, 0, {}}) == Errno::Ok);
    SUBCASE("taken away on UNBIND") {
        REQUIRE(q.vm.free_ioasid(q.host.ctx, id) == Errno::Ok);
        CHECK(q.device->state().trapped.size() == 1);  // its work comes behind
        q.host.work();
    }
    SUBCASE("disabled by the guest") {
        REQUIRE(q.command(dsa::Command::DisableWq, 1) == dsa::CommandError::None);
    }
    CHECK(q.device->state().trapped.empty());
    CHECK(q.device->resume(q.host.ctx, CallingTask{q.vm.mm()}) == Errno::Ok);
}

TEST_CASE(
    "virtual device: a restored queue needs its guest PASID bound: -ENXIO, and it stays off") {
    OneQueue q;
    VirtualDeviceState state = q.device->state();
    state.state = dsa::DeviceState::Enabled;
    state.queues.front().enabled = true;
    state.queues.front().config.pasid = 101;
    state.queues.front().config.pasid_enable = true;
    REQUIRE(q.device->restore(q.host.ctx, state) == Errno::Ok);
    CHECK(q.device->resume(q.host.ctx, CallingTask{q.vm.mm()}) == Errno::Enxio);
    CHECK_FALSE(q.device->state().queues.front().enabled);
    const Ioasid id = q.bind(101);
    REQUIRE(q.device->restore(q.host.ctx, state) == Errno::Ok);
    CHECK(q.device->resume(q.host.ctx, CallingTask{q.vm.mm()}) == Errno::Ok);
    CHECK(q.host.refs(id) == 4);
}

TEST_CASE("virtual device: its release needs no address space, and a dedicated queue one owner") {
    OneQueue q;
    const Ioasid id = q.enabled(101);
    VmHost& other = q.host.kernel->create_vm({"vm2", 10, {}, {}, {{"vdev0", "dsa2", "wq0"}}});
    CHECK(other.open(q.host.ctx) == Errno::Ebusy);
    REQUIRE(q.vm.release(q.host.ctx) == Errno::Ok);
    CHECK_FALSE(q.host.core->view(id).has_value());
    CHECK(other.open(q.host.ctx) == Errno::Ok);
}

TEST_CASE("virtual device: an UNBIND between two attempts ends a submission for the guest") {
    SharedQueue q;
    const Ioasid id = q.bind(101);
    q.keep(101, 2);
    bool again = false;
    SUBCASE("for good") {}
    SUBCASE("and both numbers stand for another address space behind it") {
        again = true;
    }
    q.answers([&](int attempt) {
        if (attempt == 2) {
            q.host.core->detach_spid(q.host.ctx, id);  // its work comes behind
            if (again) {                               // for another process of the guest
                CHECK(q.host.core->attach_spid(q.host.ctx, nullptr, id, Spid{101}) == Errno::Ok);
            }
        }
        return cpu::EnqOutcome::Retry;
    });
    CHECK(q.resume() == Errno::Ok);
    CHECK(q.sent == std::vector<std::uint32_t>(2, id.value()));
    q.host.work();
    CHECK(q.device->state().trapped.empty());
    CHECK_FALSE(q.device->state().paused);
}

TEST_CASE("virtual device: what a full shared queue has no room for stays kept") {
    SharedQueue q;
    const Ioasid id = q.bind(101);
    q.keep(101, 3);
    bool full = true;
    q.answers([&](int attempt) {
        return full && attempt > 1 ? cpu::EnqOutcome::Retry : cpu::EnqOutcome::Accepted;
    });
    CHECK(q.resume() == Errno::Eagain);
    CHECK(q.device->state().paused);
    CHECK(q.device->state().trapped.size() == 2);
    full = false;
    q.sent.clear();
    CHECK(q.resume() == Errno::Ok);
    CHECK(q.sent == std::vector<std::uint32_t>(2, id.value()));
    CHECK_FALSE(q.device->state().paused);
}

TEST_CASE("virtual device: what is saved is not dropped, and a reset says what it drops") {
    SharedQueue q;
    q.bind(101);
    q.keep(101, 2);
    std::vector<TrappedDescriptor> saved;
    std::size_t told = q.host.log.count("vdev.trapped");
    SUBCASE("reset") {
        CHECK(q.device->reset(q.host.ctx) == Errno::Ok);
        CHECK(q.host.log.count("vdev.trapped") == told + 2);
    }
    SUBCASE("saved") {
        saved = q.device->save(q.host.ctx).trapped;
        CHECK(saved.size() == 2);
        told = q.host.log.count("vdev.trapped");
        CHECK(q.vm.unbind_gpasid(q.host.ctx, "vdev0", Spid{101}) == Errno::Ok);
        CHECK(q.device->reset(q.host.ctx) == Errno::Ok);
        CHECK(q.host.log.count("vdev.trapped") == told);
    }
    CHECK(q.device->state().trapped.empty());
}

TEST_CASE("virtual device: a vector gets no entry while the parent is being reset") {
    SharedQueue q;
    q.bind(101);
    const auto vector = [&q](std::uint64_t offset, std::uint32_t value) {
        q.device->write_register(q.host.ctx, CallingTask{q.vm.mm()}, offset, value, 4);
    };
    const auto handle = [&q] {
        q.device->write_register(q.host.ctx, CallingTask{q.vm.mm()}, reg::kCmd,
                                 dsa::encode_command(dsa::Command::RequestInterruptHandle, 1), 4);
        return dsa::decode_cmdsts(
                   static_cast<std::uint32_t>(q.device->read_register(reg::kCmdsts, 4)))
            .error;
    };
    vector(reg::kMsixPerm + dsa::kMsixPermBytes, 101U << 12U | 1U << dsa::kMsixPermPasidEnable);
    const std::uint64_t control = reg::kMsixTable + dsa::kMsixEntryBytes + dsa::kMsixControl;
    REQUIRE(q.host.dsa0().group()->begin_reset());
    vector(control, 0);
    CHECK(handle() == dsa::CommandError::NoInterruptHandle);
    q.host.dsa0().group()->end_reset();
    vector(control, 0);
    CHECK(handle() == dsa::CommandError::None);
}

TEST_CASE("virtual device: nobody opens one while its parent is being reset") {
    SharedQueue q;
    VmHost& other = q.host.kernel->create_vm({"vm2", 10, {}, {}, {{"vdev0", "dsa0", "wq0"}}});
    REQUIRE(q.host.dsa0().group()->begin_reset());
    CHECK(other.open(q.host.ctx) == Errno::Ebusy);
    q.host.dsa0().group()->end_reset();
    CHECK(other.open(q.host.ctx) == Errno::Ok);
}

}  // namespace
}  // namespace ioasim::os::test
