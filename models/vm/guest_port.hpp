// The machine that guest code sees: loads and stores of guest physical addresses go to the pages
// behind them, accesses to the virtual IOMMU leave the guest and are emulated, ENQCMD goes to the
// portal behind its guest page with the VM's PASID translation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/virtual_device_if.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/kept_submissions.hpp"
#include "models/vm/vcpu.hpp"
#include "models/vm/viommu.hpp"

namespace ioasim::vm {

// What both ports need of the VM.
struct GuestMachine {
    GuestMemory& memory;
    Viommu& viommu;
    os::VmHost* const& host;  // changes when the VM moves
    const VmParams& params;
    std::vector<std::unique_ptr<Vcpu>>& vcpus;
    // False once the VMM is dead: what traps is not served any more.
    const bool& alive;
    KeptSubmissions& kept;
    trace::Recorder& recorder;
    const Probes& probes;
    const std::vector<std::string>& devices;  // as the guest names them
    // By number of the device; null: a whole function without registers for the guest.
    std::vector<os::VirtualDeviceIf*>& virtual_devices;

    Vcpu& vcpu_of(const ExecContext& ctx) const;
    // An access that hits nothing: the VMM would stop the VM; here it has no effect and reads ones.
    void violation(ExecContext& ctx) const;
};

class GuestPort final : public MachinePort {
public:
    GuestPort(GuestMachine machine, MachinePort& host) : machine_(machine), host_(host) {}
    std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) override;
    void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) override;
    void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) override;
    std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                    unsigned size) override;

private:
    // Reads or writes of what traps, in the host.
    std::uint64_t trapped_read(const GpaTarget& target, std::uint64_t pa, unsigned size);
    void trapped_write(ExecContext& host, const GpaTarget& target, std::uint64_t pa,
                       std::uint64_t value, unsigned size);

    GuestMachine machine_;
    MachinePort& host_;
};

class GuestInstructions final : public cpu::Instructions {
public:
    GuestInstructions(GuestMachine machine, cpu::Instructions& host)
        : machine_(machine), host_(host) {}
    // `portal` and `destination` are guest physical addresses. A failed PASID translation is
    // handled by the host: the instruction runs again, or the guest gets #GP.
    cpu::EnqResult enqcmd(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                          const cpu::Descriptor64& descriptor) override;
    cpu::EnqResult enqcmds(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                           const cpu::Descriptor64& descriptor) override;
    bool movdir64b(ExecContext& ctx, Hpa destination, const cpu::Descriptor64& data) override;
    void clflushopt(ExecContext& ctx, Hpa address) override;
    // Leaves the guest where the processors let it, and KVM decides; else executes.
    void wbinvd(ExecContext& ctx) override;
    std::uint64_t pasid_msr(const ExecContext& ctx) const override { return host_.pasid_msr(ctx); }
    bool set_pasid_msr(ExecContext& ctx, std::uint64_t value) override {
        return host_.set_pasid_msr(ctx, value);
    }

private:
    using Execute = std::function<cpu::EnqResult(const cpu::CpuState&, Hpa)>;
    cpu::EnqResult enqueue(ExecContext& ctx, const cpu::CpuState& state, Hpa portal,
                           std::uint32_t gpasid, const cpu::Descriptor64& descriptor,
                           const Execute& execute);
    // Runs an instruction that the processor refuses (#GP) before it looks at the destination.
    // True: it did.
    bool refused(const cpu::CpuState& state, Hpa portal, const Execute& execute,
                 cpu::EnqResult& result) const;
    bool passes_alignment(Hpa destination) const;
    // VM exit 72 or 73. True: the host has installed the translation, the instruction runs again.
    bool installed_behind_exit(ExecContext& ctx, const char* reason, std::uint32_t gpasid);
    // The VMM keeps the descriptor. False: the portal is mapped meanwhile, the instruction runs
    // again.
    bool kept(ExecContext& ctx, Gpa portal, std::uint32_t gpasid,
              const cpu::Descriptor64& descriptor, cpu::EnqResult& result);
    // Where the instruction goes: what the vCPU has cached counts, then what is mapped; a page that
    // is not mapped may become so.
    GpaTarget portal_target(ExecContext& ctx, Gpa address);
    // False: the descriptor was not taken.
    bool trapped_submission(ExecContext& ctx, const GpaTarget& target, std::uint32_t gpasid,
                            const cpu::Descriptor64& descriptor);

    GuestMachine machine_;
    cpu::Instructions& host_;
};

}  // namespace ioasim::vm
