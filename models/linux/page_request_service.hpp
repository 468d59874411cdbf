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

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/interrupts.hpp"
#include "models/linux/io_page_faults.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Device;
class IommuDriver;
class Kernel;

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

private:
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
};

}  // namespace ioasim::os
