// The steps of bare programs for an accelerator: what a driver does to bring it up, its commands,
// and descriptors, in memory or through a portal. Registers, tables and instructions only; nothing
// here looks into the model. DSA Architecture Specification (models/dsa/dsa_layout.hpp).
#pragma once

#include <vector>

#include "core/base/exec_context.hpp"
#include "models/cpu/submit_if.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/bare_step.hpp"

namespace ioasim::platform {

std::vector<BareSpec> accelerator_specs();
// "enqcmd", "enqcmds", "movdir64b".
cpu::SubmitBy instruction_named(const std::string& name);
// What a descriptor is made of.
std::vector<BareArgSpec> descriptor_args();

class BareAccelerator {
public:
    BareAccelerator(ExecContext& ctx, const BareUnit& unit, cpu::Instructions& cpus)
        : ctx_(ctx), unit_(unit), cpus_(cpus) {}

    // Queues and group as the platform says, everything enabled.
    BareResult enable(const BareStep& step);
    BareResult command(const BareStep& step);
    // One submission; the value is 1 when it was accepted.
    BareResult enqueue(const BareStep& step);

    static dsa::Descriptor descriptor_of(const BareStep& step);

private:
    std::uint64_t read(std::uint64_t offset, unsigned size) {
        return ctx_.mmio_read(unit_.registers + offset, size);
    }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) {
        ctx_.mmio_write(unit_.registers + offset, value, size);
    }
    void configure_queue(std::size_t index, const BareStep& step);
    void configure_group();
    void allow_pasids();
    // -ETIMEDOUT while it is active.
    Errno run(dsa::Command code, std::uint32_t operand, bool interrupt, TimePs timeout,
              dsa::CommandStatus& status);

    // What becomes of it, in the words of "expect".
    std::string submit(const BareStep& step, Hpa target, const dsa::Descriptor& descriptor);
    cpu::EnqOutcome execute(const BareStep& step, const cpu::CpuState& mode, Hpa target,
                            dsa::DescriptorBytes source);

    ExecContext& ctx_;
    const BareUnit& unit_;
    cpu::Instructions& cpus_;
};

}  // namespace ioasim::platform
