// The VT-d driver's side of page requests: the page-request queue of one unit, its interrupt, the
// thread that reads it, and the drain of a PASID that goes (VT-d specification 7.4 to 7.10; Linux
// intel/prq.c). What becomes of a request is io_page_faults.hpp.
//
// The thread clears the pending bit before it samples the tail, judges every descriptor up to
// there, and moves the head once. Malformed requests are answered Invalid where they close a group
// and forgotten otherwise; stop markers and foreign requester ids leave no trace in the address
// spaces. After an overflow all half collected groups of the unit are dropped, once the queue is
// empty.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/interrupts.hpp"
#include "models/linux/io_page_faults.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Device;
class IommuDriver;
class Kernel;
struct Process;

class PageRequestService {
public:
    PageRequestService(Kernel& kernel, IommuDriver& unit);

    // Makes the queue, requests the interrupt and starts the thread and the workers.
    Errno start(ExecContext& ctx);
    // One run of the thread: everything that was in the queue when it began.
    void handle(ExecContext& ctx);
    // No request of this PASID is left in the queue, in a worker, or on the way. The entry is
    // cleared and flushed already. -ETIMEDOUT.
    Errno drain(ExecContext& ctx, const Device& device, Pasid pasid);

    IoPageFaults& faults() { return faults_; }

    // --- storms ---------------------------------------------------------------------------------
    // A function that asks for more than iopf.storm_requests allows is stopped: its page requests
    // are switched off in its configuration space and refused by the unit, what waits is answered
    // Invalid, and whoever waits for its error is woken.
    bool stopped(const Device& device) const;
    // -ETIMEDOUT, -EINTR: the process was killed.
    Errno wait_for_error(ExecContext& ctx, const Device& device, const Process& process,
                         TimePs deadline);
    // The function was reset: it may ask again. Nothing, if it was not stopped.
    void restart(ExecContext& ctx, Device& device);
    // PRI of the function: reset, its allocation, enabled.
    void switch_on(ExecContext& ctx, Device& device) const;

private:
    struct Window {
        TimePs since;
        std::uint64_t requests = 0;
    };
    bool floods(ExecContext& ctx, const Device& device);
    void stop(ExecContext& ctx, Device& device);
    void judge(ExecContext& ctx, const vtd::PageRequest& request);
    void reject(ExecContext& ctx, Device* device, const vtd::PageRequest& request, const char* why);
    void after_overflow(ExecContext& ctx);
    bool queued(ExecContext& ctx, Rid rid, Pasid pasid);
    vtd::PageRequest at(ExecContext& ctx, std::uint64_t offset) const;
    std::uint64_t next(std::uint64_t offset) const;
    std::uint64_t read(ExecContext& ctx, std::uint32_t offset, unsigned size) const;
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size) const;

    Kernel& kernel_;
    IommuDriver& unit_;
    IoPageFaults faults_;
    Interrupts::Line& line_;
    WaitQueue handled_;  // the thread finished a run
    std::uint64_t ring_ = 0;
    std::uint64_t bytes_ = 0;
    std::map<std::uint16_t, Window> windows_;  // by requester id
    std::set<std::uint16_t> stopped_;
    WaitQueue errors_;
};

}  // namespace ioasim::os
