// What software asks of a logical processor beyond loads and stores: the instructions that carry
// PASIDs, and the state that selects the PASID.
//
// Intel SDM vol. 2 (ENQCMD, ENQCMDS, MOVDIR64B), vol. 3 chapter 26 (PASID translation in VMX
// non-root operation).
#pragma once

#include <array>
#include <cstdint>

#include "core/base/exec_context.hpp"
#include "core/base/types.hpp"

namespace ioasim::cpu {

using Descriptor64 = std::array<std::uint8_t, 64>;

// IA32_PASID (MSR D93H): PASID in [19:0], valid in bit 31, the rest reserved.
constexpr std::uint64_t kIa32PasidValid = std::uint64_t{1} << 31U;
constexpr std::uint64_t kIa32PasidReserved = ~(kIa32PasidValid | std::uint64_t{0xFFFFF});

// The controls of a VMCS that PASID translation needs. Addresses point to 4-KiB directories in host
// memory; bit 19 of the guest PASID selects low or high.
struct Vmcs {
    bool enable_pasid_translation = false;
    Hpa low_pasid_directory;
    Hpa high_pasid_directory;
};

// The mode in which an instruction executes. `vmcs` is null in VMX root operation (host).
struct CpuState {
    bool supervisor = false;
    const Vmcs* vmcs = nullptr;
};

enum class EnqOutcome : std::uint8_t {
    Accepted,           // ZF = 0
    Retry,              // ZF = 1: the device did not accept, or it is no enqueue register
    GeneralProtection,  // #GP(0)
    ExitEnqcmd,         // VM exit, basic reason 72: PASID translation failed
    ExitEnqcmds,        // VM exit, basic reason 73
};

struct EnqResult {
    EnqOutcome outcome = EnqOutcome::Accepted;
    Pasid host_pasid;  // the PASID that was sent, when one was
};

// Where message-signalled interrupts go: the host kernel. Called by hardware when the handler's
// first instruction would run; it may wake or interrupt tasks, nothing else.
class InterruptSink {
public:
    virtual ~InterruptSink() = default;
    // `vector` is data[7:0] of the message.
    virtual void on_interrupt_message(std::uint8_t vector, std::uint64_t address,
                                      std::uint32_t data) = 0;
};

// The instruction set as the platform's CPUs implement it. Blocks the context until the DMWr's
// completion is back (at most one outstanding per logical processor).
class Instructions {
public:
    virtual ~Instructions() = default;
    // `portal` is the physical address that the destination operand translates to (HPA).
    virtual EnqResult enqcmd(ExecContext& ctx, const CpuState& state, Hpa portal,
                             const Descriptor64& descriptor) = 0;
    virtual EnqResult enqcmds(ExecContext& ctx, const CpuState& state, Hpa portal,
                              const Descriptor64& descriptor) = 0;
    // False: #GP(0), the destination is not 64-byte aligned.
    virtual bool movdir64b(ExecContext& ctx, Hpa destination, const Descriptor64& data) = 0;
    // The line of memory that holds this address leaves all caches.
    virtual void clflushopt(ExecContext& ctx, Hpa address) = 0;
    // Modified lines of the executing processor's own caches go to memory, and all lines leave
    // them. Privileged; nobody else's caches are touched.
    virtual void wbinvd(ExecContext& ctx) = 0;

    // RDMSR and WRMSR of IA32_PASID on the logical processor that executes; their cost is the
    // caller's. In a guest too: nothing intercepts the register. False: #GP(0), a reserved bit is
    // set, and the register keeps what it had.
    virtual std::uint64_t pasid_msr(const ExecContext& ctx) const = 0;
    virtual bool set_pasid_msr(ExecContext& ctx, std::uint64_t value) = 0;
};

// Interrupts between processors: posted; what the other processor executes is interrupted at an
// instruction boundary after the message has come.
class LocalApics {
public:
    virtual ~LocalApics() = default;
    virtual void send_ipi(ExecContext& ctx, std::size_t processor) = 0;
};

// The extended state of a logical processor that XSAVES and XRSTORS move (component 10: PASID).
// Used by the code that switches tasks; the cost is part of the switch.
class ExtendedState {
public:
    virtual ~ExtendedState() = default;
    virtual std::uint64_t xsaves(std::size_t processor) const = 0;
    virtual void xrstors(std::size_t processor, std::uint64_t ia32_pasid) = 0;
};

// How software waits for memory that a device will write.
enum class SpinBy : std::uint8_t {
    Loop,    // load, compare, branch
    Umwait,  // UMONITOR, UMWAIT in C0.1
};

// What programs that measure themselves use beside.
class TimedInstructions : public Instructions {
public:
    // SFENCE.
    virtual void store_fence(ExecContext& ctx) = 0;
    // RDTSCP and LFENCE: the time at which everything before has ended.
    virtual TimePs timestamp(ExecContext& ctx) = 0;
    // Looks at a byte until it is not 0. Turns of the loop in which nothing happens cost simulated
    // time and no events.
    virtual std::uint8_t spin_while_zero(ExecContext& ctx, Hpa byte, SpinBy by) = 0;
};

}  // namespace ioasim::cpu
