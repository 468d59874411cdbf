// I/O page faults: page requests of one unit's devices become groups, find the address space that
// they are about through the attach handle of (device's group, PASID), and are answered once (Linux
// io-pgfault.c and iommu-sva.c; PCI Express 10.4).
//
// Pages of a group that is not complete wait in a list of their device; the group index alone ties
// them together, the oldest first, the last page last. Groups run in parallel in worker tasks. The
// first page that cannot be had decides the answer.
//
// A group of guest page tables goes whole to the handler that VFIO registered for the VM, and waits
// for the VMM's answer; when the PASID is detached first, the kernel answers it Invalid.
// With iommu.prq_timeout a group that nobody has answered by then is answered Invalid, and what its
// handler says later is refused.
// Leaves out: delivery to user space other than to VMMs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class IommuDriver;
class Kernel;

// As Linux numbers them.
enum class IopfCode : std::uint8_t { Success = 0, Invalid = 1, Failure = 2 };

class IoPageFaults {
public:
    IoPageFaults(Kernel& kernel, IommuDriver& unit);

    void start_workers();
    // Takes one request. -EINVAL nobody handles it, -ENOMEM.
    Errno report(ExecContext& ctx, Device& device, const vtd::PageRequest& request);
    // Groups that will never be complete: dropped without an answer.
    void discard_partials(ExecContext& ctx);
    // Until no group that was accepted before is under way. -ETIMEDOUT.
    Errno flush(ExecContext& ctx, TimePs deadline);
    // The device leaves: its partials are dropped, every pending group is answered Invalid, and
    // what handlers answer later is nothing.
    void remove_device(ExecContext& ctx, Device& device);
    // What was delivered of a guest's PASID and is not answered is answered Invalid. For any other
    // PASID there is none.
    void detach(ExecContext& ctx, const Device& device, Pasid pasid);
    // A VMM answers; -EINVAL: no group of this handler waits for it.
    Errno respond_from(ExecContext& ctx, const GuestFaultHandler& handler, const Device& device,
                       Pasid pasid, std::uint16_t group, IopfCode code);
    // One page group response.
    void answer(ExecContext& ctx, const std::string& device, const vtd::PageRequest& last,
                IopfCode code, const char* why);
    // One group, if there is any.
    bool run_one(ExecContext& ctx);

    std::size_t partials(const Device& device) const;
    std::size_t pending() const { return pending_.size(); }

private:
    struct Group {
        Device* device = nullptr;
        std::shared_ptr<AttachHandle> handle;  // null: `guest` has it
        GuestFaultHandler* guest = nullptr;
        std::vector<vtd::PageRequest> pages;
        bool answered = false;
        TimePs expires;
        const vtd::PageRequest& last() const { return pages.back(); }
    };
    std::shared_ptr<AttachHandle> handle_of(ExecContext& ctx, Device& device,
                                            const vtd::PageRequest& request);
    void start_timer(Group& group, ExecContext& ctx);
    void expire(ExecContext& ctx);
    std::optional<TimePs> next_expiry() const;
    PasidDomain* guest_domain_of(const Device& device, const vtd::PageRequest& request);
    void deliver(ExecContext& ctx, const std::shared_ptr<Group>& group);
    std::vector<vtd::PageRequest> take_partials(Device& device, std::uint16_t group);
    void respond(ExecContext& ctx, Group& group, IopfCode code, const char* why);
    void handle(ExecContext& ctx, Group& group);
    IopfCode fix(ExecContext& ctx, Group& group, const vtd::PageRequest& page, const char*& why);

    Kernel& kernel_;
    IommuDriver& unit_;
    std::map<std::uint16_t, std::vector<vtd::PageRequest>> partials_;  // by requester id
    std::deque<std::shared_ptr<Group>> queue_;                         // accepted, not begun
    std::vector<std::shared_ptr<Group>> pending_;                      // accepted, not ended
    std::vector<std::shared_ptr<Group>> delivered_;                    // to VMMs, not answered
    WaitQueue work_;
    WaitQueue idle_;
    WaitQueue timers_;
    std::uint64_t expired_ = 0;
};

}  // namespace ioasim::os
