#include <doctest/doctest.h>

#include <array>

#include "core/base/exec_context.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/task_switch.hpp"

namespace ioasim::os {
namespace {

struct Processors final : cpu::ExtendedState {
    std::uint64_t xsaves(std::size_t processor) const override { return msr.at(processor); }
    void xrstors(std::size_t processor, std::uint64_t value) override { msr.at(processor) = value; }
    std::array<std::uint64_t, 2> msr{};
};

struct Switches {
    LockMonitor monitor;
    ImmediateContext a{monitor, "a"};
    ImmediateContext b{monitor, "b"};
    Processors processors;
    Probes probes;
    ExtendedStateSwitch kernel{processors, probes};
};

TEST_CASE("task switch: IA32_PASID goes with the task, to another processor too") {
    Switches s;
    s.kernel.switch_in(0, s.a);
    s.processors.msr[0] = 5;
    s.kernel.switch_out(0, s.a, false);
    s.kernel.switch_in(0, s.b);
    CHECK(s.processors.msr[0] == 0);  // a new task: INIT state
    s.kernel.switch_in(1, s.a);
    CHECK(s.processors.msr[1] == 5);
}

TEST_CASE("task switch: what an ended task had is nobody's, even at its old place") {
    Switches s;
    s.kernel.switch_in(0, s.a);
    s.processors.msr[0] = 5;
    s.kernel.switch_out(0, s.a, true);
    s.kernel.switch_in(0, s.a);
    CHECK(s.processors.msr[0] == 0);
}

TEST_CASE("task switch: a task that cleared its register is in INIT state again") {
    Switches s;
    s.processors.msr[0] = 5;
    s.kernel.switch_out(0, s.a, false);
    s.kernel.switch_in(0, s.a);
    s.processors.msr[0] = 0;
    s.kernel.switch_out(0, s.a, false);
    s.processors.msr[0] = 9;
    s.kernel.switch_in(0, s.a);
    CHECK(s.processors.msr[0] == 0);
}

}  // namespace
}  // namespace ioasim::os
