// I/O page faults: page requests of one unit's devices become groups, find the address space that
// they are about through the attach handle of (device's group, PASID), and are answered once (Linux
// io-pgfault.c and iommu-sva.c; PCI Express 10.4).
//
// Pages of a group that is not complete wait in a list of their device; the group index alone ties
// them together, the oldest first, the last page last. Groups run in parallel in worker tasks. The
// first page that cannot be had decides the answer.
//
// A group of tables that user space fills goes whole to their handler, VFIO's for a VM or that of
// a fault object of /dev/iommu, and waits for the user's answer; when the tables are detached or
// replaced first, the kernel answers it Invalid. Requests without PASID are found at PASID 0.
// With iommu.prq_timeout a group that nobody has answered by then is answered Invalid, and what its
// handler says later is refused.
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
#include "models/linux/page_fault_handler.hpp"
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
    // what handlers answer later is nothing. How many page requests that ended.
    std::size_t remove_device(ExecContext& ctx, Device& device);
    // What was delivered of a PASID to user space and is not answered is answered Invalid: all, or
    // what one domain had of it. For a PASID of the kernel's own there is none.
    void detach(ExecContext& ctx, const Device& device, Pasid pasid,
                const PasidDomain* domain = nullptr);
    // The function leaves the address space that the PASID leads to, and its user serves it no
    // more: what was delivered is answered Invalid, and so is what comes yet. Whoever waits for the
    // function's work of the PASID does this before, or waits for the user as well.
    void stop(ExecContext& ctx, const Device& device, Pasid pasid);
    // The user answers; -EINVAL: no group of this handler waits for it.
    Errno respond_from(ExecContext& ctx, const PageFaultHandler& handler, const Device& device,
                       Pasid pasid, std::uint16_t group, IopfCode code);
    Errno respond_to(ExecContext& ctx, std::uint64_t serial, IopfCode code);
    // One page group response.
    void answer(ExecContext& ctx, const std::string& device, const vtd::PageRequest& last,
                IopfCode code, const char* why);
    // One group, if there is any.
    bool run_one(ExecContext& ctx);

    std::size_t partials(const Device& device) const;
    std::size_t pending() const { return pending_.size(); }

private:
    struct Group : FaultGroup {
        std::shared_ptr<AttachHandle> handle;  // null: `user` has it
        PageFaultHandler* user = nullptr;
        const PasidDomain* domain = nullptr;  // whose handler that is
        bool answered = false;
        TimePs expires;
    };
    std::shared_ptr<AttachHandle> handle_of(ExecContext& ctx, Device& device,
                                            const vtd::PageRequest& request);
    void start_timer(Group& group, ExecContext& ctx);
    void expire(ExecContext& ctx);
    std::optional<TimePs> next_expiry() const;
    PasidDomain* user_domain_of(const Device& device, const vtd::PageRequest& request);
    void withdraw(const std::shared_ptr<Group>& group);
    void answer_delivered(ExecContext& ctx, const Device& device, Pasid pasid,
                          const PasidDomain* domain, const char* why);
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
    std::vector<std::shared_ptr<Group>> delivered_;                    // to users, not answered
    WaitQueue work_;
    WaitQueue idle_;
    WaitQueue timers_;
    std::uint64_t expired_ = 0;
    std::uint64_t last_serial_ = 0;
};

}  // namespace ioasim::os
