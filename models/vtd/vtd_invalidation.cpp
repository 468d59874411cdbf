#include "models/vtd/vtd_invalidation.hpp"

#include <cstring>

#include "core/base/check.hpp"

namespace ioasim::vtd {
namespace {

constexpr std::uint64_t kNarrowBytes = 16;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

struct Reserved {
    std::uint64_t q0;
    std::uint64_t q1;
};

// Reserved bits of each type (6.5.2.1 to 6.5.2.8).
Reserved reserved_bits(InvalidationType type) {
    switch (type) {
        case InvalidationType::ContextCache:
            return {0xFFFC'0000'0000'F1C0, kAll};
        case InvalidationType::Iotlb:
            return {0xFFFF'FFFF'0000'F100, 0xF80};
        case InvalidationType::Wait:
            // The page-request drain flag is reserved without ECAP.PDS.
            return {0x0000'0000'FFFF'F100 | inv::kWaitPageDrain.mask(), 3};
        case InvalidationType::PasidIotlb:
            return {0xFFF0'0000'0000'F1C0, 0xF80};
        case InvalidationType::PasidCache:
            return {0xFFF0'0000'0000'F1C0, kAll};
        default:
            return {kAll, kAll};
    }
}

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

bool granularity_legal(const Capabilities& caps, const Descriptor& d) {
    const std::uint64_t g = inv::kGranularity.get(d[0]);
    const std::uint64_t mask = inv::kAddressMask.get(d[1]);
    switch (type_of(d)) {
        case InvalidationType::ContextCache:
            return g != 0;
        case InvalidationType::Iotlb:
            return g != 0 && (g != static_cast<std::uint64_t>(IotlbGranularity::Page) ||
                              mask <= caps.max_address_mask);
        case InvalidationType::PasidIotlb:
            return g >= 2;
        case InvalidationType::PasidCache:
            return g != 2;
        default:
            return true;
    }
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
    const Reserved reserved = reserved_bits(type);
    if ((descriptor[0] & reserved.q0) != 0 || (descriptor[1] & reserved.q1) != 0 ||
        descriptor[2] != 0 || descriptor[3] != 0) {
        return QueueError::Reserved;
    }
    return granularity_legal(caps, descriptor) ? QueueError::None : QueueError::Reserved;
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
    owner_.write_status(now, Hpa{current_[1] & ~std::uint64_t{3}},
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
