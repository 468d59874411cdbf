// The driver's side of queued invalidation (VT-d 6.5.2): a ring of 256-bit descriptors in memory,
// the tail register, and a wait descriptor whose status dword in memory is polled. One submission
// at a time, under the queue's lock, as Linux's synchronous submission does.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Kernel;

class InvalidationQueue {
public:
    InvalidationQueue(Kernel& kernel, const std::string& name, std::uint64_t registers);

    // Allocates the ring and the status page and writes IQT and IQA; enabling is GCMD's business.
    Errno prepare(ExecContext& ctx);
    // Queues the descriptors and a wait behind them, and returns when its status arrived. -EINVAL:
    // a descriptor was refused (IQE), -EIO: a device TLB did not answer (ITE), -ETIMEDOUT.
    // With `page_drain` that wait also waits for page requests and responses (VT-d 7.10).
    Errno submit(ExecContext& ctx, const std::vector<vtd::Descriptor>& descriptors,
                 bool page_drain = false);

private:
    void tell_unfinished(ExecContext& ctx);
    Errno wait_status(ExecContext& ctx, std::uint64_t status, const vtd::Descriptor& wait);
    // Looks at FSTS; clears what it finds so that the queue goes on.
    Errno handle_error(ExecContext& ctx, const vtd::Descriptor& wait);
    void put(ExecContext& ctx, const vtd::Descriptor& descriptor);

    Kernel& kernel_;
    std::uint64_t registers_;
    SimLock lock_;
    std::uint64_t ring_ = 0;
    std::uint64_t status_ = 0;
    std::uint64_t entries_ = 0;
    std::uint64_t tail_ = 0;
    bool stuck_ = false;  // a submission timed out: the ring may hold what the unit did not take
};

}  // namespace ioasim::os
