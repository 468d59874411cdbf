// The virtual IOMMU of a VM, emulated by its VMM: scalable mode with caching mode, queued
// invalidation, and virtual commands (virtual_commands.hpp). Runs in the VMM (a host context)
// during a VM exit; every access completes before the guest goes on. One vCPU at a time serves the
// queue: what it serves may wait for the host, and others write the tail meanwhile. Page requests:
// virtual_page_requests.hpp. Leaves out: fault records and invalidation-completion interrupts of
// the unit.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/exec_context.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/virtual_commands.hpp"
#include "models/vm/virtual_page_requests.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::vm {

class Viommu {
public:
    // `commands` says whether the guest is offered virtual commands, and how; `second_stages` is
    // null where the unit offers no second-stage tables.
    Viommu(const VirtualCommandConfig& commands, os::VmHost& host, const GuestMemory& memory,
           GpasidPool& pool, PasidShadow& shadow, IovaShadow* second_stages,
           VirtualPageRequests& page_requests, trace::Recorder& recorder, Probes& probes);

    // Accesses of the guest; offset within the register page, size 4 or 8.
    std::uint64_t read(std::uint32_t offset, unsigned size) const;
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);

    // As after power-on.
    void reset();
    // --- moving to another host -----------------------------------------------------------------
    std::vector<std::uint64_t> registers() const;
    // -EINVAL: another number of registers.
    Errno restore(const std::vector<std::uint64_t>& registers);
    // The host that gives out IDs from now on, and which to ask it for.
    void move_to(os::VmHost& host, std::uint32_t pasid_min, std::uint32_t pasid_max);

private:
    std::uint64_t get(std::uint32_t offset, unsigned size) const;
    void set(std::uint32_t offset, std::uint64_t value, unsigned size);
    void on_command(std::uint32_t value);
    void acknowledge(std::uint64_t value);
    void serve_queue(ExecContext& ctx);
    // Fetches and serves the descriptor at the head; anything but None stops the queue there.
    vtd::QueueError serve_head(ExecContext& ctx, std::uint64_t iqa, std::uint64_t head);
    vtd::QueueError serve(ExecContext& ctx, const vtd::Descriptor& descriptor);
    void flush(ExecContext& ctx, std::uint32_t gpasid);
    void sync_second_stages(ExecContext& ctx, const vtd::Descriptor& descriptor);

    const GuestMemory& memory_;
    PasidShadow& shadow_;
    IovaShadow* second_stages_;
    Probes& probes_;
    VirtualPageRequests& page_requests_;
    VirtualCommands commands_;
    SimLock queue_lock_;
    std::array<std::uint64_t, vtd::kRegisterBytes / 8> registers_{};
};

}  // namespace ioasim::vm
