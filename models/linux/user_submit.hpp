// What a user program does with a workqueue: builds 64-byte descriptors in its memory, submits them
// through its mapped portal, and polls the completion records in its memory. To a shared queue it
// goes with ENQCMD, with retries and bounded back-off while it is full; to a dedicated one that it
// has open with MOVDIR64B, never more at a time than the queue has entries.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/cpu/submit_if.hpp"

namespace ioasim::os {

class Device;
class Kernel;
struct Process;

struct SubmitRequest {
    Device* device = nullptr;
    std::uint32_t queue = 0;
    // PASID to load into IA32_PASID first; unset: the process's own. A guest kernel may load any, a
    // host only one that the process is bound to (-EPERM).
    std::optional<Pasid> pasid;
    std::uint8_t opcode = 0;
    std::uint64_t size = 0;  // bytes per descriptor; all of a request share source and destination
    std::uint64_t count = 1;
    // Byte i of the source is pattern + i + 37 * (i / 4096), modulo 256.
    std::uint64_t pattern = 0;
    // Mappings of the process to use as buffers; 0: fresh ones.
    std::uint64_t source_buffer = 0;
    std::uint64_t destination_buffer = 0;
    bool block_on_fault = false;
    bool wait = true;
    // A dedicated queue is given no more than it holds. Without: as fast as the processor stores,
    // and nobody looks at records.
    bool credits = true;
    TimePs timeout;  // for all completions; 0: the parameter
};

struct SubmitReport {
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    std::uint64_t failed = 0;        // completion records with another status than success
    std::uint8_t first_failure = 0;  // its status code
    std::uint64_t retries = 0;
    std::uint64_t source = 0;  // virtual addresses of the buffers
    std::uint64_t destination = 0;
};

// One instruction, right or wrong: 64 bytes for a place in the page of a portal.
struct UserInstruction {
    Device* device = nullptr;
    std::uint32_t queue = 0;
    std::uint64_t offset = 0;
    cpu::SubmitBy by = cpu::SubmitBy::Enqcmd;
    cpu::Descriptor64 source{};
};

// One per process (thread). Results: -EFAULT the process got a signal (#GP, #PF), -EAGAIN the queue
// stayed full, -ETIMEDOUT a completion did not come, -EIO a completion record reports a failure,
// -EINTR the process was killed.
class UserQueue {
public:
    UserQueue(Kernel& kernel, Process& process) : kernel_(kernel), process_(process) {}

    Errno submit(ExecContext& ctx, const SubmitRequest& request, SubmitReport& report);
    // Executes it once. True: accepted (or posted); false: ZF says retry; -EFAULT: a signal, behind
    // what the kernel can do about a #GP.
    Result<bool> execute(ExecContext& ctx, const UserInstruction& instruction);
    // Waits for everything submitted so far.
    Errno wait_all(ExecContext& ctx, TimePs timeout, SubmitReport& report);
    std::size_t outstanding() const { return outstanding_.size(); }

    // What byte `index` of a source buffer holds.
    static std::uint8_t source_byte(std::uint64_t pattern, std::uint64_t index) {
        return static_cast<std::uint8_t>(pattern + index + 37 * (index / kPageSize));
    }

private:
    Result<std::uint64_t> portal(ExecContext& ctx, const SubmitRequest& request);
    Errno make_rings(ExecContext& ctx);
    Errno make_buffers(ExecContext& ctx, const SubmitRequest& request, SubmitReport& report);
    Errno fill_source(ExecContext& ctx, const SubmitRequest& request, std::uint64_t address);
    Errno submit_one(ExecContext& ctx, const SubmitRequest& request, std::uint64_t portal,
                     TimePs timeout, SubmitReport& report);
    Errno enqueue(ExecContext& ctx, std::uint64_t portal, std::uint64_t descriptor,
                  SubmitReport& report);
    // Through the portal of a dedicated queue, which never answers.
    Errno store(ExecContext& ctx, std::uint64_t portal, std::uint64_t descriptor);
    Errno handle_gp(ExecContext& ctx);
    // The thread's flag: its IA32_PASID was loaded, once.
    bool activated() const;
    void activate(ExecContext& ctx, Pasid pasid);
    Errno select_pasid(ExecContext& ctx, const SubmitRequest& request);
    Errno poll_oldest(ExecContext& ctx, TimePs deadline, SubmitReport& report);
    // Completions that did not come may come later: never look at or reuse their records.
    void abandon();
    static bool dedicated(const SubmitRequest& request);

    Kernel& kernel_;
    Process& process_;
    bool activated_ = false;
    std::uint64_t records_ = 0;      // virtual address: ring of completion records
    std::uint64_t descriptors_ = 0;  // virtual address: ring of descriptors
    std::uint64_t slots_ = 0;
    std::uint64_t next_slot_ = 0;
    std::deque<std::uint64_t> outstanding_;  // slots, oldest first
};

}  // namespace ioasim::os
