// A core that submits descriptors and waits for them, as measuring programs do: templates in
// memory, the submission instruction with its retries, polling, time stamps.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/dsa/dsa_descriptor_layout.hpp"
#include "models/platform/bench_params.hpp"
#include "models/platform/dsa_bench.hpp"

namespace ioasim::platform {

// Where an operation's operands lie; addresses as the device uses them.
struct BenchBuffers {
    std::uint64_t source = 0;
    std::uint64_t destination = 0;
    std::uint64_t destination2 = 0;
    std::uint64_t bytes = 0;
};

// Operands and records that operations use in turn, beyond those that each slot has.
struct OperandPool {
    std::vector<BenchBuffers> buffers;
    std::vector<std::uint64_t> records;  // empty: each slot has its own
    std::uint64_t next = 0;
};

// A descriptor with its completion record, in the program's memory. A batch has a list of them.
struct BenchSlot {
    BenchOp op = BenchOp::Noop;
    dsa::Descriptor descriptor;
    std::uint64_t place = 0;  // of the template, as software sees it
    std::uint64_t record = 0;
    std::uint64_t members = 1;
    std::vector<dsa::Descriptor> list;  // of a batch
    std::uint64_t list_at = 0;
    std::uint64_t member_records = 0;
    BenchBuffers buffers;
    std::shared_ptr<OperandPool> pool;  // none: always the same
    BenchQueue* queue = nullptr;
    std::uint64_t ticket = 0;
};

// An enqueue instruction that the processor does not carry out: nobody handles that here.
class SubmissionFault : public std::runtime_error {
public:
    explicit SubmissionFault(cpu::EnqOutcome outcome);
};

class DsaActor {
public:
    // `e`: what this core does; the bench's experiment says what the others do beside it.
    DsaActor(DsaBench& bench, ExecContext& ctx, std::size_t client, const Experiment& e)
        : bench_(bench),
          ctx_(ctx),
          cpus_(bench.cpus()),
          space_(bench.space(client)),
          state_(bench.cpu_state(client)),
          e_(e),
          submit_by_(e.submit) {
        cpus_.set_pasid_msr(ctx, bench.pasid_msr(client));
    }
    DsaActor(DsaBench& bench, ExecContext& ctx, std::size_t client)
        : DsaActor(bench, ctx, client, bench.experiment()) {}

    ExecContext& ctx() { return ctx_; }
    HarnessSpace& space() { return space_; }
    const Experiment& experiment() const { return e_; }
    void submit_with(SubmitBy by) { submit_by_ = by; }

    // --- before the clock ---
    // `count` slots with records packed in an array; `spread`: each record on a page of its own.
    std::vector<BenchSlot> make_slots(std::size_t count, bool spread = false);
    // Operands as the layout says, for `pairs` of them.
    std::vector<BenchBuffers> make_buffers(BenchOp op, std::uint64_t bytes, std::uint64_t pairs,
                                           BufferLayout layout);
    void aim(BenchSlot& slot, BenchOp op, const BenchBuffers& buffers);
    void aim_batch(BenchSlot& slot, BenchOp op, const BenchBuffers& buffers, std::uint64_t members);

    // Slots over the queues in turn, with operands as the layout says.
    std::vector<BenchSlot> slots_for(const std::vector<BenchQueue*>& queues, std::uint64_t count,
                                     std::uint64_t members);
    // Other operands for the next use of the slot, where the experiment wants them.
    void renew(BenchSlot& slot);
    void aim_member(BenchSlot& slot, std::size_t index, const BenchBuffers& buffers);
    // The device writes the operands once.
    void warm_by_device(const std::vector<BenchBuffers>& all, BenchQueue& queue);

    // A batch of the members in the slot's list, which lies there.
    void aim_list(BenchSlot& slot, std::uint64_t at);

    // --- under the clock ---
    // Writes the templates and zeroes the records; `free`: outside of what is timed.
    void rebuild(BenchSlot& slot, bool free = false);
    // Caches forget the operands, where the experiment says so: flushed by the core, or by nobody.
    void flush(const BenchSlot& slot);
    void submit(BenchSlot& slot);
    void wait(BenchSlot& slot);
    // Until a record with a page fault is there; when that was.
    TimePs wait_fault(BenchSlot& slot);
    // Waits for the last of several. A workqueue is served in order: what lay before it in the same
    // one has left it.
    void wait_last(BenchSlot& slot);
    // Before a slot is used again: nobody may have waited for it.
    void finish(BenchSlot& slot);
    TimePs timestamp() { return cpus_.timestamp(ctx_); }
    // A core does the operation.
    void work(BenchOp op, const BenchBuffers& buffers);

    // The first descriptor that did not end well; empty: none.
    const std::string& problem() const { return problem_; }

private:
    void place(const BenchBuffers& buffers);
    void make_room(BenchQueue& queue);
    std::uint8_t await_status(std::uint64_t record);
    void await_record(std::uint64_t record);
    void forget(const BenchSlot& slot);
    void sleep();
    void store_templates(ExecContext& ctx, std::uint64_t at, const dsa::Descriptor& descriptor);
    void do_it_here(const BenchSlot& slot);

    DsaBench& bench_;
    ExecContext& ctx_;
    cpu::TimedInstructions& cpus_;
    HarnessSpace& space_;
    const cpu::CpuState& state_;
    const Experiment& e_;
    SubmitBy submit_by_;
    std::uint64_t line_ = 0;  // of the portal page
    std::string problem_;
};

}  // namespace ioasim::platform
