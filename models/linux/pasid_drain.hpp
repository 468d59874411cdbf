// The end of a PASID's work in a device. Until it is reached the number stays in use: a descriptor
// that is left would work in the memory of the number's next owner (dsa.md 6.5 and 7.4).
#pragma once

#include <list>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/trace/event.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class Device;
class Kernel;

// A halted device has dropped its work and takes no command but a reset (GENSTS); one that is gone
// reads the same way.
bool device_halted(ExecContext& ctx, Device& device);

// Nobody serves faults of the PASID in this device any more (IoPageFaults::stop): a descriptor that
// blocks on a page holds up every drain (dsa.md 3.7).
void stop_faults(ExecContext& ctx, Device& device, Pasid pasid);
void allow_faults(Device& device, Pasid pasid);

// Faults stop; then Drain PASID, and when the device refuses that, Abort PASID. A drain that does
// not end in time leaves nothing to try: the device takes one command at a time. False: descriptors
// may be left, and the number is to be kept (UnfinishedPasids).
bool finish_pasid(ExecContext& ctx, Kernel& kernel, Device& device, Pasid pasid);

// Of an invalidation: it did not end, a device TLB gave no answer, or the unit refused it. What was
// to go may be cached still.
bool flush_failed(Errno error);

// A device that could not be made to finish is told as a hazard.
void tell_drain_failed(ExecContext& ctx, Kernel& kernel, const Device& device);

// PASIDs that devices did not finish in time, or whose invalidations did not end, with the
// reference that keeps each number in use. A service looks again, some times, after pauses that
// double: as soon as the devices have executed what they were told, the PASID is drained and its
// translations are flushed, the reference goes. A device that never ends it keeps the number until
// it is reset or pulled out. A guest's kernel does not look again. Linux waits in the first drain
// instead, without a time-out.
class UnfinishedPasids {
public:
    explicit UnfinishedPasids(Kernel& kernel);
    // Did not finish when it was asked; it may have been emptied since then.
    struct Left {
        explicit Left(Device& asked);
        bool emptied_since() const;
        Device* device;
        std::uint64_t emptied;
    };
    struct Unfinished {
        std::vector<Left> undrained{};
        // Whose unit may have translations of the PASID cached, or they themselves; in this domain.
        std::vector<Left> unflushed{};
        DomainId did{};
        // With a dedicated queue that is set to the PASID and did not stop: no look ends that.
        std::vector<Left> running{};
        bool empty() const { return undrained.empty() && unflushed.empty() && running.empty(); }
        // A device that was emptied has drained, and its queues stand still. True: there was one,
        // and what is left to be flushed may be worth another look.
        bool forget_emptied();
    };
    // Takes over the holder's reference. `numbers`: a set with numbers of its own, else null.
    void keep(ExecContext& ctx, IoasidSet* numbers, Ioasid id, trace::Name holder, Unfinished what);
    // Of a PASID that somebody else owns, behind its detach: a reference of its own, if that failed
    // to flush it.
    void keep_unflushed(ExecContext& ctx, Errno flushed, Device& device, Pasid pasid, DomainId did);
    // The function holds nothing of any PASID any more: it was reset (PCI Express 6.6.2) or pulled
    // out. What its unit has cached of them stays to be flushed.
    void emptied(ExecContext& ctx, Device& device);

private:
    struct Kept {
        IoasidSet* numbers;
        Ioasid id;
        trace::Name holder;
        Unfinished what;
        TimePs pause;  // until the next look
        TimePs next;
        std::uint64_t looks;
        bool looked_at;  // just now
    };
    static constexpr TimePs kOnlyEmptied = TimePs::max();
    void serve(ExecContext& ctx);
    void look(ExecContext& ctx, std::list<Kept>::iterator at);
    // What has finished leaves `kept.what`.
    void ask(ExecContext& ctx, Kept& kept);

    Kernel& kernel_;
    WaitQueue wait_;
    std::list<Kept> kept_;
    bool serving_ = false;
};

}  // namespace ioasim::os
