#include "models/linux/invalidation_queue.hpp"

#include "models/linux/corner_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/lock_unless.hpp"

namespace ioasim::os {
namespace {

// Status values of a slot, as Linux uses them.
constexpr std::uint32_t kInUse = 1;
constexpr std::uint32_t kDone = 2;
// FSTS is read once in so many polls of the status word: a read that goes out to the unit.
constexpr std::uint64_t kPollsPerFaultCheck = 16;
// So many times kPollsPerFaultCheck polls are the patience of a broken driver.
constexpr std::uint64_t kPatience = 4;

}  // namespace

InvalidationQueue::InvalidationQueue(Kernel& kernel, const std::string& name,
                                     std::uint64_t registers)
    : kernel_(kernel), registers_(registers), lock_(SimLock::Kind::Spin, name + "/qi_lock") {}

Errno InvalidationQueue::prepare(ExecContext& ctx) {
    const std::uint64_t size_code = kernel_.params().qi_size_code;
    const std::uint64_t ring_pages = std::uint64_t{1} << size_code;
    entries_ = ring_pages * kPageSize / vtd::kDescriptorBytes;
    const auto ring = kernel_.alloc_pages(ctx, ring_pages);
    if (!ring) {
        return ring.error();
    }
    const std::uint64_t status_pages = (entries_ * 4 + kPageSize - 1) / kPageSize;
    const auto status = kernel_.alloc_pages(ctx, status_pages);
    if (!status) {
        kernel_.free_pages(*ring, ring_pages);
        return status.error();
    }
    ring_ = *ring;
    status_ = *status;
    ctx.mmio_write(registers_ + vtd::reg::kIqt, 0, 8);
    ctx.mmio_write(registers_ + vtd::reg::kIqa,
                   vtd::iq::make_iqa(Hpa{ring_}, true, static_cast<unsigned>(size_code)), 8);
    return Errno::Ok;
}

void InvalidationQueue::put(ExecContext& ctx, const vtd::Descriptor& descriptor) {
    ctx.write_bytes(ring_ + tail_ * vtd::kDescriptorBytes, descriptor.data(),
                    vtd::kDescriptorBytes);
    tail_ = (tail_ + 1) % entries_;
}

Errno InvalidationQueue::submit(ExecContext& ctx, const std::vector<vtd::Descriptor>& descriptors,
                                bool page_drain) {
    SIM_CHECK(ring_ != 0, "invalidation before the queue exists");
    if (descriptors.size() + 2 > entries_) {
        return Errno::E2big;
    }
    if (!lock_.waiters().empty() && kernel_.probes().has(kContendedFlushSkipped)) {
        return Errno::Ok;
    }
    if (lock_.owner() != nullptr) {
        kernel_.probes().hit(kQueueContended);
    }
    LockGuard guard{ctx, lock_};
    Frame frame{ctx, "qi_submit"};
    if (stuck_) {
        // An earlier submission was given up: its descriptors may still be in the ring.
        const std::uint64_t head =
            (ctx.mmio_read(registers_ + vtd::reg::kIqh, 8) & vtd::iq::kOffsetMask) /
            vtd::kDescriptorBytes;
        if ((head + entries_ - tail_ - 1) % entries_ < descriptors.size() + 1) {
            return Errno::Etimedout;
        }
        stuck_ = head != tail_;
    }
    for (const vtd::Descriptor& descriptor : descriptors) {
        put(ctx, descriptor);
    }
    const std::uint64_t status = status_ + tail_ * 4;
    const vtd::Descriptor wait = vtd::wait_with_status(Hpa{status}, kDone, page_drain);
    ctx.store(status, kInUse, 4);
    put(ctx, wait);
    ctx.mmio_write(registers_ + vtd::reg::kIqt, tail_ * vtd::kDescriptorBytes, 8);
    const Errno result = wait_status(ctx, status, wait);
    if (result == Errno::Etimedout) {
        stuck_ = true;
        tell_unfinished(ctx);
    }
    return result;
}

void InvalidationQueue::tell_unfinished(ExecContext& ctx) {
    if (kernel_.powered_off()) {
        return;
    }
    kernel_.emit(ctx, trace::IoasidHazard{kernel_.intern(kernel_.name()),
                                          trace::IoasidHazardKind::InvalidationUnfinished,
                                          kernel_.intern(ctx.name()), kernel_.intern(lock_.name()),
                                          kernel_.intern(ctx.call_chain())});
}

Errno InvalidationQueue::wait_status(ExecContext& ctx, std::uint64_t status,
                                     const vtd::Descriptor& wait) {
    PollLoop loop{status,
                  4,
                  kDone,
                  kernel_.params().iommu_poll,
                  kPollsPerFaultCheck,
                  ctx.now() + kernel_.params().iommu_timeout};
    Errno result = Errno::Ok;
    for (std::uint64_t looks = 1;; ++looks) {
        const PollResult polled = ctx.poll(loop);
        if (polled.found) {
            return result;
        }
        if (looks == kPatience && kernel_.probes().has(kImpatientFlush)) {
            return result;
        }
        if (ctx.now() >= loop.deadline || kernel_.powered_off()) {
            return Errno::Etimedout;
        }
        const Errno error = handle_error(ctx, wait);
        if (error == Errno::Eio) {
            return error;  // the unit aborts pending waits on an invalidation time-out
        }
        result = error != Errno::Ok ? error : result;
        ctx.spend(loop.pause);
    }
}

Errno InvalidationQueue::handle_error(ExecContext& ctx, const vtd::Descriptor& wait) {
    const auto state = static_cast<std::uint32_t>(ctx.mmio_read(registers_ + vtd::reg::kFsts, 4));
    if ((state & vtd::fsts::kIqe) != 0) {
        // The head stands on the refused descriptor: put the wait in its place and go on.
        const std::uint64_t head =
            ctx.mmio_read(registers_ + vtd::reg::kIqh, 8) & vtd::iq::kOffsetMask;
        kernel_.probes().hit(kDescriptorReplaced);
        ctx.write_bytes(ring_ + head, wait.data(), vtd::kDescriptorBytes);
        ctx.mmio_write(registers_ + vtd::reg::kFsts, vtd::fsts::kIqe, 4);
        return Errno::Einval;
    }
    if ((state & vtd::fsts::kIte) != 0) {
        ctx.mmio_write(registers_ + vtd::reg::kFsts, vtd::fsts::kIte, 4);
        return Errno::Eio;
    }
    return Errno::Ok;
}

}  // namespace ioasim::os
