// A virtual device with a shared queue, for tests of what is submitted on a guest's behalf.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "models/linux/virtual_device.hpp"
#include "models/linux/vm_host.hpp"
#include "models/pcie/config_layout.hpp"
#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {

// A VM whose virtual device has a shared queue, brought up and enabled as a guest's driver does.
struct SharedQueue {
    explicit SharedQueue(const std::vector<const Defect*>& defects = {})
        : host(defects, {},
               [](FakeMachine& machine, KernelConfig&) {
                   dsa::GeneralCapabilities gencap;
                   gencap.message_storage = 1;
                   machine.hardware_register(kDsa0 + dsa::reg::kGencap) = dsa::encode(gencap);
               }),
          vm(host.kernel->create_vm({"vm1", 10, {}, {}, {{"vdev0", "dsa0", "wq0"}}})) {
        REQUIRE(host.boot_result == Errno::Ok);
        REQUIRE(vm.open(host.ctx) == Errno::Ok);
        REQUIRE(vm.map_memory(host.ctx, 16 * kPageSize).error() == Errno::Ok);
        device = vm.virtual_device("vdev0");
        REQUIRE(device != nullptr);
        device->write_config(host.ctx, pcie::config::kCommand, pcie::config::kBusMaster, 2);
        device->write_config(host.ctx, pcie::config::kPasidCtl, pcie::config::kPasidEnable, 2);
        device->write_config(host.ctx, pcie::config::kPriCtl, pcie::config::kPriEnable, 2);
        device->write_config(host.ctx, pcie::config::kAtsCtl, pcie::config::kAtsEnable, 2);
        dsa::WqConfig wq;
        wq.pasid_enable = true;
        device->write_register(host.ctx, CallingTask{vm.mm()},
                               dsa::reg::kWqcfgTable + dsa::kWqcfgPasidDword * 4,
                               dsa::encode(wq).at(dsa::kWqcfgPasidDword), 4);
        command(dsa::Command::EnableDevice);
        command(dsa::Command::EnableWq);
        REQUIRE(device->state().queues.front().enabled);
    }
    void command(dsa::Command code) {
        device->write_register(host.ctx, CallingTask{vm.mm()}, dsa::reg::kCmd,
                               dsa::encode_command(code, 0), 4);
    }
    Ioasid bind(std::uint32_t spid) {
        const Ioasid id = *vm.alloc_ioasid(host.ctx, 201, 300);
        REQUIRE(vm.bind_gpasid(host.ctx, "vdev0", id, Spid{spid}, Gpa{0x3000}) == Errno::Ok);
        return id;
    }
    // So many written while it is paused.
    void keep(std::uint32_t gpasid, int count) {
        if (!device->state().paused) {
            REQUIRE(device->pause(host.ctx) == Errno::Ok);
        }
        for (int i = 0; i < count; ++i) {
            REQUIRE(device->trapped_submission(host.ctx, {0, gpasid, {}}) == Errno::Ok);
        }
    }
    Errno resume() { return device->resume(host.ctx, CallingTask{vm.mm()}); }
    // What ENQCMDS sends, and how the queue answers number n.
    void answers(std::function<cpu::EnqOutcome(int)> answer) {
        host.machine.on_enqcmd = [this, answer = std::move(answer)](
                                     const cpu::CpuState&, Hpa,
                                     const cpu::Descriptor64& descriptor) {
            sent.push_back(descriptor[0] | std::uint32_t{descriptor[1]} << 8U);
            return cpu::EnqResult{answer(static_cast<int>(sent.size())), Pasid{}};
        };
    }

    Host host;
    VmHost& vm;
    VirtualDeviceIf* device = nullptr;
    std::vector<std::uint32_t> sent;  // PASIDs
};

}  // namespace ioasim::os::test
