#include "models/vm/stop_gate.hpp"

#include <optional>

namespace ioasim::vm {
namespace {

// One access of a vCPU, from the gate to its end.
class Access {
public:
    Access(const GuestMachine& machine, const RunControl& control, ExecContext& ctx) {
        if (!control.armed) {
            return;
        }
        vcpu_ = &machine.vcpu_of(ctx);
        while (control.stopped) {
            vcpu_->park(ctx);
        }
        vcpu_->begin_access();
    }
    ~Access() {
        if (vcpu_ != nullptr) {
            vcpu_->end_access();
        }
    }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

private:
    Vcpu* vcpu_ = nullptr;
};

// A submission names the portal's page from its first cycle on: no interruption comes in between.
class Submission {
public:
    Submission(const GuestMachine& machine, const RunControl& control, ExecContext& ctx)
        : access_(machine, control, ctx) {
        if (control.armed) {
            whole_.emplace(ctx);
        }
    }

private:
    Access access_;
    std::optional<OneInstruction> whole_;
};

}  // namespace

std::uint64_t StopGate::load(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    const Access access{machine_, control_, ctx};
    return port_.load(ctx, pa, size);
}

void StopGate::store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) {
    const Access access{machine_, control_, ctx};
    port_.store(ctx, pa, value, size);
}

void StopGate::read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) {
    const Access access{machine_, control_, ctx};
    port_.read_bytes(ctx, pa, out, size);
}

void StopGate::write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) {
    const Access access{machine_, control_, ctx};
    port_.write_bytes(ctx, pa, in, size);
}

std::uint64_t StopGate::mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) {
    const Access access{machine_, control_, ctx};
    return port_.mmio_read(ctx, pa, size);
}

void StopGate::mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) {
    const Access access{machine_, control_, ctx};
    port_.mmio_write(ctx, pa, value, size);
}

cpu::EnqResult StopGateInstructions::enqcmd(ExecContext& ctx, const cpu::CpuState& state,
                                            Hpa portal, const cpu::Descriptor64& descriptor) {
    const Submission submission{machine_, control_, ctx};
    return instructions_.enqcmd(ctx, state, portal, descriptor);
}

cpu::EnqResult StopGateInstructions::enqcmds(ExecContext& ctx, const cpu::CpuState& state,
                                             Hpa portal, const cpu::Descriptor64& descriptor) {
    const Submission submission{machine_, control_, ctx};
    return instructions_.enqcmds(ctx, state, portal, descriptor);
}

bool StopGateInstructions::movdir64b(ExecContext& ctx, Hpa destination,
                                     const cpu::Descriptor64& data) {
    const Submission submission{machine_, control_, ctx};
    return instructions_.movdir64b(ctx, destination, data);
}

void StopGateInstructions::clflushopt(ExecContext& ctx, Hpa address) {
    const Access access{machine_, control_, ctx};
    instructions_.clflushopt(ctx, address);
}

void StopGateInstructions::wbinvd(ExecContext& ctx) {
    const Access access{machine_, control_, ctx};
    instructions_.wbinvd(ctx);
}

}  // namespace ioasim::vm
