#include "models/vtd/vtd_invalidation.hpp"

#include <cstring>

#include "core/base/check.hpp"

namespace ioasim::vtd {
namespace {

constexpr std::uint64_t kNarrowBytes = 16;

bool type_legal(TableMode mode, InvalidationType type) {
    switch (type) {
        case InvalidationType::ContextCache:
        case InvalidationType::Iotlb:
        case InvalidationType::Wait:
            return true;
        case InvalidationType::PasidIotlb:
        case InvalidationType::PasidCache:
            return mode == TableMode::Scalable;
        default:
            return false;  // DT, IR, PRS and HPTS are 0
    }
}

// CAP.MAMV bounds the ranges of invalidations by domain only.
bool address_mask_legal(const Capabilities& caps, const Descriptor& d) {
    const bool page_in_domain =
        type_of(d) == InvalidationType::Iotlb &&
        inv::kGranularity.get(d[0]) == static_cast<std::uint64_t>(IotlbGranularity::Page);
    return !page_in_domain || inv::kAddressMask.get(d[1]) <= caps.max_address_mask;
}

}  // namespace

QueueError check_descriptor(const Capabilities& caps, TableMode mode, bool wide,
                            const Descriptor& descriptor) {
    if (mode == TableMode::Reserved || mode == TableMode::AbortDma) {
        return QueueError::BadTableMode;
    }
    if (mode == TableMode::Scalable && !wide) {
        return QueueError::BadWidth;
    }
    const InvalidationType type = type_of(descriptor);
    if (!type_legal(mode, type)) {
        return QueueError::BadType;
    }
    const bool legal = !has_reserved_bits(descriptor) && has_legal_granularity(descriptor) &&
                       address_mask_legal(caps, descriptor);
    return legal ? QueueError::None : QueueError::Reserved;
}

Hpa wait_status_address(const Capabilities& caps, const Descriptor& wait) {
    return Hpa{wait[1] & ~(std::uint64_t{3} | caps.above_host_width())};
}

void InvalidationQueue::kick(TimePs now) {
    if (state_ != State::Idle || !owner_.fetching_allowed() || head_ == tail_) {
        return;
    }
    if (tail_ >= iq::bytes(iqa_)) {
        fail(now, QueueError::BadTail);
        return;
    }
    if (wide() && (tail_ % kDescriptorBytes) != 0) {
        fail(now, QueueError::TailAlignment);
        return;
    }
    state_ = State::Fetching;
    const Hpa base{iqa_ & bit_mask(63, 12)};
    owner_.fetch(now, base + head_,
                 static_cast<std::uint32_t>(wide() ? kDescriptorBytes : kNarrowBytes));
}

void InvalidationQueue::fail(TimePs now, QueueError error) {
    state_ = State::Idle;
    owner_.queue_error(now, error);
}

void InvalidationQueue::on_fetched(TimePs now, const std::uint8_t* data, std::size_t size,
                                   bool ok) {
    SIM_CHECK(state_ == State::Fetching, "a descriptor arrived that nobody fetched");
    if (!ok) {
        fail(now, QueueError::Fetch);
        return;
    }
    current_ = Descriptor{};
    std::memcpy(current_.data(), data, size);
    const QueueError error = check_descriptor(caps_, owner_.table_mode(), wide(), current_);
    if (error != QueueError::None) {
        fail(now, error);
        return;
    }
    head_ = (head_ + size) % iq::bytes(iqa_);
    state_ = State::Executing;
    due_ = now + latency_;
}

void InvalidationQueue::execute(TimePs now) {
    due_.reset();
    if (type_of(current_) != InvalidationType::Wait) {
        owner_.apply(now, current_);
        next(now);
        return;
    }
    state_ = State::Draining;
    on_drained(now);
}

void InvalidationQueue::on_drained(TimePs now) {
    if (state_ != State::Draining || !owner_.requests_drained()) {
        return;
    }
    if (inv::kWaitStatus.get(current_[0]) == 0) {
        leave_wait(now);
        return;
    }
    state_ = State::WritingStatus;
    owner_.write_status(now, wait_status_address(caps_, current_),
                        static_cast<std::uint32_t>(inv::kWaitData.get(current_[0])));
}

void InvalidationQueue::on_status_written(TimePs now) {
    SIM_CHECK(state_ == State::WritingStatus, "a status write that nobody asked for");
    leave_wait(now);
}

void InvalidationQueue::leave_wait(TimePs now) {
    owner_.wait_done(now, current_);
    next(now);
}

void InvalidationQueue::next(TimePs now) {
    state_ = State::Idle;
    kick(now);
}

}  // namespace ioasim::vtd
