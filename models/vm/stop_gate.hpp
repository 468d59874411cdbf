// The guest's machine as vCPUs reach it: while the VMM has stopped the virtual machine, an access
// waits in front of the gate, outside of the guest, and is made on the host that the machine is on
// then. An access that was begun ends first, and one instruction is never torn apart.
#pragma once

#include "models/vm/guest_port.hpp"
#include "models/vm/run_control.hpp"

namespace ioasim::vm {

class StopGate final : public MachinePort {
public:
    StopGate(const GuestMachine& machine, GuestPort& port, const RunControl& control)
        : machine_(machine), port_(port), control_(control) {}
    std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) override;
    void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) override;
    void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) override;
    std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                    unsigned size) override;

private:
    const GuestMachine& machine_;
    GuestPort& port_;
    const RunControl& control_;
};

class StopGateInstructions final : public cpu::Instructions {
public:
    StopGateInstructions(const GuestMachine& machine, GuestInstructions& instructions,
                         const RunControl& control)
        : machine_(machine), instructions_(instructions), control_(control) {}
    cpu::EnqResult enqcmd(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                          const cpu::Descriptor64& descriptor) override;
    cpu::EnqResult enqcmds(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                           const cpu::Descriptor64& descriptor) override;
    bool movdir64b(ExecContext& ctx, Hpa destination, const cpu::Descriptor64& data) override;
    void clflushopt(ExecContext& ctx, Hpa address) override;
    void wbinvd(ExecContext& ctx) override;
    std::uint64_t pasid_msr(const ExecContext& ctx) const override {
        return instructions_.pasid_msr(ctx);
    }
    bool set_pasid_msr(ExecContext& ctx, std::uint64_t value) override {
        return instructions_.set_pasid_msr(ctx, value);
    }

private:
    const GuestMachine& machine_;
    GuestInstructions& instructions_;
    const RunControl& control_;
};

}  // namespace ioasim::vm
