// The character devices of workqueues (idxd cdev): who has which queue open.
//
// Opening a dedicated queue gives it to one address space: with a reference on the PASID of the
// opener the queue is disabled, which drains it, set to the PASID and enabled; the reference is
// dropped only when the queue is cleared again. A shared queue gets nothing programmed: every
// descriptor brings its PASID. Linux drivers/dma/idxd/cdev.c; 1dwq of the IOASID notifier design.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::os {

class Device;
class Kernel;
struct Process;

class WorkqueueFiles {
public:
    explicit WorkqueueFiles(Kernel& kernel) : kernel_(kernel) {}

    // -EPERM the process is not bound under this ID, -EBUSY somebody has the dedicated queue, -EIO
    // the device refuses, what ioasid_get says.
    Errno open(ExecContext& ctx, Process& process, Device& device, std::uint32_t queue, Ioasid id);
    // -ENOENT: the process does not have it open.
    Errno close(ExecContext& ctx, Process& process, Device& device, std::uint32_t queue);
    // The process ends.
    void close_all(ExecContext& ctx, Process& process);

    bool opened_by(const Process& process, const Device& device, std::uint32_t queue) const;

private:
    struct File {
        Process* process;
        Ioasid id;
        bool held;  // a reference on the ID
    };
    using Place = std::pair<Device*, std::uint32_t>;
    trace::Name holder(const Device& device, std::uint32_t queue);
    Errno program(ExecContext& ctx, const Place& place, Process& process, Ioasid id, File& file);
    Errno clear(ExecContext& ctx, const Place& place, const File& file);
    void keep(ExecContext& ctx, const Place& place, const File& file);

    Kernel& kernel_;
    // A shared queue may be open many times.
    std::multimap<Place, File> files_;
};

}  // namespace ioasim::os
