#include "models/vtd/vtd_invalidation.hpp"

#include <cstring>

#include "core/base/check.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

bool for_device_tlb(const Descriptor& d) {
    const InvalidationType type = type_of(d);
    return type == InvalidationType::DeviceTlb || type == InvalidationType::PasidDeviceTlb;
}

}  // namespace

// --- fetch --------------------------------------------------------------------------------------

std::optional<QueueError> InvalidationQueue::tail_error() const {
    if (tail_ >= iq::bytes(iqa_)) {
        return QueueError::BadTail;
    }
    if (wide() && tail_ % kDescriptorBytes != 0) {
        return QueueError::TailAlignment;
    }
    return std::nullopt;
}

void InvalidationQueue::kick(TimePs now) {
    fetch_ahead(now);
    begin(now);
}

void InvalidationQueue::fetch_ahead(TimePs now) {
    while (owner_.fetching_allowed() && fetch_ != tail_) {
        const bool nothing_before = !current_ && ahead_.empty();
        if (!nothing_before && ahead_.size() >= params_.queue_prefetch) {
            return;
        }
        if (const auto error = tail_error()) {
            if (nothing_before) {
                fail(now, *error);
            }
            return;  // older descriptors come first
        }
        const auto number = first_number_ + static_cast<std::uint32_t>(ahead_.size());
        ahead_.push_back({Descriptor{}, descriptor_bytes(), false, false});
        const Hpa base{iqa_ & bit_mask(63, 12)};
        owner_.fetch(now, base + fetch_, static_cast<std::uint32_t>(descriptor_bytes()), number);
        fetch_ = (fetch_ + descriptor_bytes()) % iq::bytes(iqa_);
    }
}

// What was read ahead may be stale once software mends the queue.
void InvalidationQueue::forget_ahead() {
    first_number_ += static_cast<std::uint32_t>(ahead_.size());
    ahead_.clear();
    fetch_ = head_;
}

void InvalidationQueue::on_fetched(TimePs now, std::uint32_t number, const std::uint8_t* data,
                                   std::size_t size, bool ok) {
    const std::uint32_t index = number - first_number_;
    if (index >= ahead_.size()) {
        probes_.hit(kPrefetchDropped);
        return;
    }
    Fetched& fetched = ahead_[index];
    fetched.here = true;
    fetched.ok = ok;
    if (ok) {
        SIM_CHECK(size == fetched.size, "a descriptor of {} bytes instead of {}", size,
                  fetched.size);
        std::memcpy(fetched.descriptor.data(), data, size);
    }
    begin(now);
}

// --- validation and execution -------------------------------------------------------------------

void InvalidationQueue::begin(TimePs now) {
    if (current_ || ahead_.empty() || !ahead_.front().here) {
        return;
    }
    SIM_CHECK(owner_.fetching_allowed() || probes_.has(kErrorDoesNotStop),
              "a descriptor begins while an error stops the queue, head {:#x}", head_);
    const Fetched next = ahead_.front();
    const QueueError error =
        next.ok ? check_descriptor(caps_, owner_.table_mode(), wide(), next.descriptor)
                : QueueError::Fetch;
    owner_.descriptor_read(next.descriptor, error);
    if (error != QueueError::None) {
        fail(now, error);
        if (!probes_.has(kErrorDoesNotStop)) {
            return;
        }
        // The broken unit steps over the descriptor.
    }
    ahead_.pop_front();
    ++first_number_;
    head_ = (head_ + next.size) % iq::bytes(iqa_);
    if (error != QueueError::None) {
        kick(now);
        return;
    }
    current_ = next.descriptor;
    due_ = now + params_.invalidation;
    if (probes_.fails(kInvalidationSlow)) {
        due_ = *due_ + TimePs{probes_.extent()};
    }
    fetch_ahead(now);
}

void InvalidationQueue::fail(TimePs now, QueueError error) {
    owner_.queue_error(now, error);
    if (!probes_.has(kErrorDoesNotStop)) {
        forget_ahead();
    }
}

void InvalidationQueue::execute(TimePs now) {
    due_.reset();
    if (type_of(*current_) == InvalidationType::Wait) {
        take_wait(now);
        return;
    }
    if (!for_device_tlb(*current_)) {
        owner_.apply(now, *current_);
        next(now);
        return;
    }
    on_progress(now);
}

// Gets on with whatever can: waits first, then the descriptor that they hold.
void InvalidationQueue::on_progress(TimePs now) {
    serve_waits(now);
    if (!current_ || due_) {
        return;
    }
    if (type_of(*current_) == InvalidationType::Wait) {
        if (released()) {
            next(now);
        }
        return;
    }
    if (!owner_.requests_drained(owner_.marks().requests)) {
        return;
    }
    if (owner_.invalidate_device(now, *current_)) {
        next(now);
    } else {
        probes_.hit(kDeviceTlbThrottled);
    }
}

void InvalidationQueue::next(TimePs now) {
    current_.reset();
    kick(now);
}

// --- waits --------------------------------------------------------------------------------------

void InvalidationQueue::take_wait(TimePs now) {
    owner_.wait_taken(now, *current_);
    waits_.push_back({*current_, owner_.marks(), false, false});
    if (!older_done(waits_.back())) {
        probes_.hit(kWaitDrained);
    }
    on_progress(now);
}

// A fence lets nothing pass before it is done, other waits as many as the unit keeps track of.
bool InvalidationQueue::released() const {
    const bool fence = inv::kWaitFence.get((*current_)[0]) != 0 && !probes_.has(kFenceIgnored);
    return fence ? waits_.empty() : waits_.size() <= params_.pending_waits;
}

bool InvalidationQueue::older_done(const Wait& wait) const {
    if (!owner_.requests_drained(wait.marks.requests) && !probes_.has(kWaitBeforeDrain)) {
        return false;
    }
    return owner_.device_tlbs_done(wait.marks.device_tlbs) || probes_.has(kWaitPassesDeviceTlb);
}

bool InvalidationQueue::fulfilled(Wait& wait) {
    if (!older_done(wait)) {
        return false;
    }
    if (!wait.pages_marked) {
        wait.pages_marked = true;
        wait.marks.page_requests = owner_.marks().page_requests;
    }
    const bool pages = inv::kWaitPageDrain.get(wait.descriptor[0]) != 0;
    return !pages || owner_.page_requests_visible(wait.marks.page_requests) ||
           probes_.has(kPageDrainIgnored);
}

void InvalidationQueue::serve_waits(TimePs now) {
    while (!waits_.empty() && !waits_.front().writing && fulfilled(waits_.front())) {
        const Descriptor& d = waits_.front().descriptor;
        if (inv::kWaitStatus.get(d[0]) == 0) {
            leave_wait(now);
            continue;
        }
        waits_.front().writing = true;
        if (probes_.has(kInterruptBeforeStatus)) {
            owner_.wait_done(now, d);
        }
        owner_.write_status(now, wait_status_address(caps_, d),
                            static_cast<std::uint32_t>(inv::kWaitData.get(d[0])));
    }
}

void InvalidationQueue::leave_wait(TimePs now) {
    const Wait done = waits_.front();
    waits_.pop_front();
    if (!done.writing || !probes_.has(kInterruptBeforeStatus)) {
        owner_.wait_done(now, done.descriptor);
    }
}

void InvalidationQueue::on_status_written(TimePs now) {
    SIM_CHECK(!waits_.empty() && waits_.front().writing, "a status write that nobody asked for");
    leave_wait(now);
    on_progress(now);
}

// --- time-out -----------------------------------------------------------------------------------

// Waits are gone, except one whose status is on its way: that one was complete before. Descriptors
// for devices and waits that were not executed yet come again when software queues them again;
// others that are validated take effect.
void InvalidationQueue::abort(TimePs now) {
    SIM_CHECK(!owner_.fetching_allowed(), "a time-out must set ITE before the queue stops");
    probes_.hit(kQueueTimeout);
    while (!waits_.empty() && !waits_.back().writing) {
        waits_.pop_back();
    }
    forget_ahead();
    const bool dropped =
        current_ && (type_of(*current_) == InvalidationType::Wait || for_device_tlb(*current_));
    if (dropped) {
        due_.reset();
        current_.reset();
    }
    on_progress(now);
}

}  // namespace ioasim::vtd
