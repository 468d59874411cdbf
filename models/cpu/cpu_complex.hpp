// The logical processors' way to memory and devices: cached loads and stores on coherent memory,
// uncached accesses, ENQCMD(S), MOVDIR64B, and interrupt messages coming back.
//
// Cached accesses take effect at the instant of the call and cost time; uncached reads and ENQCMD
// stall the processor until their completion is here, so a processor has at most one non-posted
// request outstanding; uncached writes and MOVDIR64B are posted. Intel SDM vol. 2 and 3.
// Lines that are read or written enter the last-level cache and, where memory has them, the caches
// of the processor that executes (models/memory); CLFLUSHOPT takes them out, WBINVD all of one's
// own. Left out: store buffers (a missing fence cannot be observed), local APICs.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/defects.hpp"
#include "core/sim/dispatcher.hpp"
#include "core/sim/inbox.hpp"
#include "core/sim/link.hpp"
#include "core/sim/module.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/cpu/cpu_params.hpp"
#include "models/cpu/pasid_translation.hpp"
#include "models/memory/memory_if.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::cpu {

class CpuComplex final : public sim::Module,
                         public MachinePort,
                         public TimedInstructions,
                         public LocalApics,
                         public ExtendedState {
public:
    CpuComplex(sim::Simulation& simulation, const std::string& name, const CpuParams& params,
               memory::PhysicalMemory& memory, sim::Dispatcher& dispatcher, std::uint64_t cpus);
    ~CpuComplex() override;

    // From the root complex; and the link to it.
    sim::Inbox<pcie::Tlp>& inbox() { return inbox_; }
    sim::Link<pcie::Tlp>& upstream() { return upstream_; }
    void set_interrupt_sink(InterruptSink& sink) { sink_ = &sink; }

    // MachinePort: addresses are host physical.
    std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) override;
    void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) override;
    void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) override;
    std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                    unsigned size) override;
    // Turns between two writes of the line change nothing, so the processor stands still until the
    // line is written, and goes on with the load that sees it, at that load's time. Left out: what
    // the skipped loads do to the order in which the last-level cache gives lines up.
    PollResult poll(ExecContext& ctx, const PollLoop& loop) override;

    // Instructions.
    EnqResult enqcmd(ExecContext& ctx, const CpuState& state, Hpa portal,
                     const Descriptor64& descriptor) override;
    EnqResult enqcmds(ExecContext& ctx, const CpuState& state, Hpa portal,
                      const Descriptor64& descriptor) override;
    bool movdir64b(ExecContext& ctx, Hpa destination, const Descriptor64& data) override;
    void store_fence(ExecContext& ctx) override;
    TimePs timestamp(ExecContext& ctx) override;
    std::uint8_t spin_while_zero(ExecContext& ctx, Hpa byte, SpinBy by) override;

    // Somebody wrote there: processors that look at one of these lines see it.
    void memory_written(Hpa address, std::uint64_t bytes);
    void clflushopt(ExecContext& ctx, Hpa address) override;
    void wbinvd(ExecContext& ctx) override;
    std::uint64_t pasid_msr(const ExecContext& ctx) const override;
    bool set_pasid_msr(ExecContext& ctx, std::uint64_t value) override;

    // LocalApics.
    void send_ipi(ExecContext& ctx, std::size_t processor) override;

    // ExtendedState.
    std::uint64_t xsaves(std::size_t processor) const override;
    void xrstors(std::size_t processor, std::uint64_t ia32_pasid) override;

    void advance(TimePs now) override;
    std::optional<TimePs> next_wakeup() const override;
    void dump(sim::StateDump& out) const override;
    bool busy() const override;

private:
    // The one non-posted request of a logical processor, whose tag is the processor's index; and
    // its registers.
    struct Processor {
        explicit Processor(std::size_t index);
        std::uint64_t ia32_pasid = 0;
        WaitQueue answer;
        bool waiting = false;
        pcie::Tlp completion;
        trace::Name name;
        // Direct stores: the last one's line, and when the next one may leave.
        Hpa direct_line;
        TimePs same_line_free;
        TimePs other_line_free;
        // A line that it looks at in a loop.
        std::optional<std::uint64_t> watched_line;
        TimePs line_written;
        WaitQueue watched;
    };
    struct InterruptMessage {
        Rid requester;
        std::uint64_t address;
        std::uint32_t data;
    };

    // A read of poisoned memory: told, and the bytes are all ones.
    void machine_check(const ExecContext& ctx, std::uint64_t pa, std::uint8_t* out,
                       std::size_t size);
    Processor& processor_of(const ExecContext& ctx) const;
    // Its number; 0 for a context that runs outside of the dispatcher.
    std::size_t number_of(const ExecContext& ctx) const;
    std::uint64_t look(const ExecContext& ctx, std::uint64_t pa, unsigned size);
    // Stands still until the line is written or the deadline passed: when that was.
    TimePs watch(ExecContext& ctx, std::uint64_t pa, TimePs deadline);
    void read_memory(const ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size);
    void write_memory(const ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size);
    TimePs block_cost(std::uint64_t pa, std::size_t size) const;
    pcie::Tlp make_request(pcie::TlpKind kind, std::uint64_t address, std::uint32_t length) const;
    void send(ExecContext& ctx, pcie::Tlp tlp);
    // Sends a non-posted request and stalls; the completion is in the processor then.
    const pcie::Tlp& ask(ExecContext& ctx, pcie::Tlp request);
    EnqResult enqueue(ExecContext& ctx, EnqKind kind, const CpuState& state, Hpa portal,
                      const Descriptor64& descriptor);
    bool refused(EnqKind kind, const CpuState& state, std::uint64_t ia32_pasid, Hpa portal,
                 const Descriptor64& descriptor) const;
    std::optional<Pasid> host_pasid(ExecContext& ctx, const CpuState& state, Pasid guest);
    EnqResult transmit(ExecContext& ctx, Hpa portal, Pasid pasid, const Descriptor64& wire,
                       std::uint64_t& number);

    CpuParams params_;
    memory::PhysicalMemory& memory_;
    const bool own_caches_;  // it matters which processor loads and stores
    sim::Dispatcher& dispatcher_;
    std::size_t watching_ = 0;  // processors with a watched line
    Probes& probes_;
    sim::Inbox<pcie::Tlp> inbox_;
    sim::Link<pcie::Tlp> upstream_;
    sim::Timeline<InterruptMessage> interrupts_;
    sim::Timeline<std::size_t> ipis_;  // to which processor
    std::vector<std::unique_ptr<Processor>> processors_;
    InterruptSink* sink_ = nullptr;
    // Defect cpu.stale_pasid_translation: (low directory, guest PASID) -> first translation.
    std::map<std::pair<std::uint64_t, std::uint32_t>, Pasid> stale_;
};

}  // namespace ioasim::cpu
