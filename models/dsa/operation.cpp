#include "models/dsa/operation.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim::dsa {

namespace {

constexpr std::uint32_t kCommonFlags = flag::kRecordAddressValid | flag::kRequestRecord |
                                       flag::kRequestInterrupt | flag::kRecordSteering |
                                       flag::kRecordClass | flag::kStrictOrdering;

// Flags that an operation defines. Block on fault is in none: GENCAP says it is not supported.
std::uint32_t flags_of(Opcode op) {
    switch (op) {
        case Opcode::Memmove:
            return kCommonFlags | flag::kCacheControl | flag::kAddress1Class |
                   flag::kAddress2Class | flag::kDestinationSteering;
        case Opcode::Fill:
            return kCommonFlags | flag::kCacheControl | flag::kAddress2Class |
                   flag::kDestinationSteering;
        case Opcode::Compare:
            return kCommonFlags | flag::kCheckResult | flag::kAddress1Class | flag::kAddress2Class;
        case Opcode::ComparePattern:
            return kCommonFlags | flag::kCheckResult | flag::kAddress1Class;
        case Opcode::Noop:
        case Opcode::Drain:
        case Opcode::Batch:
            break;
    }
    return kCommonFlags & ~flag::kStrictOrdering;
}

bool compares(Opcode op) {
    return op == Opcode::Compare || op == Opcode::ComparePattern;
}

bool transfers(Opcode op) {
    return op == Opcode::Memmove || op == Opcode::Fill || compares(op);
}

bool overlap(std::uint64_t a, std::uint64_t b, std::uint64_t size) {
    return a < b ? b - a < size : a - b < size;
}

CompletionRecord failure(Status status, std::uint32_t invalid_flags = 0) {
    CompletionRecord record;
    record.status = status;
    record.invalid_flags = invalid_flags;
    return record;
}

}  // namespace

bool has_record_address(const Descriptor& descriptor) {
    return (descriptor.flags & flag::kRecordAddressValid) != 0 &&
           descriptor.record % kRecordBytes == 0;
}

std::optional<CompletionRecord> refuse(const Work& work, const Registers& registers,
                                       std::uint64_t device_transfer_shift) {
    const Descriptor& d = work.descriptor;
    const auto op = static_cast<Opcode>(d.opcode);
    if ((d.flags & flag::kRecordAddressValid) != 0 && d.record % kRecordBytes != 0) {
        return failure(Status::RecordMisaligned);
    }
    if (!supports(d.opcode)) {
        return failure(Status::UnsupportedOpcode);
    }
    std::uint32_t invalid = d.flags & ~flags_of(op);
    if ((d.flags & flag::kRecordAddressValid) == 0) {
        invalid |= d.flags & flag::kRequestRecord;  // a record that has no place
    }
    const bool wants_interrupt = (d.flags & flag::kRequestInterrupt) != 0;
    if (wants_interrupt && !work.privileged && !registers.user_interrupts()) {
        invalid |= flag::kRequestInterrupt;
    }
    if (invalid != 0) {
        return failure(Status::InvalidFlags, invalid);
    }
    // Byte 40 belongs to comparisons; the rest of the operation's bytes to nothing here.
    if (!d.reserved_zero || (d.expected_result != 0 && !compares(op))) {
        return failure(Status::ReservedNotZero);
    }
    if (wants_interrupt && !registers.valid_handle(d.interrupt_handle, work.pasid)) {
        return failure(Status::InvalidInterruptHandle);
    }
    if (transfers(op)) {
        const std::uint64_t limit = std::uint64_t{1} << std::min<std::uint64_t>(
                                        work.max_transfer_shift, device_transfer_shift);
        if (d.size == 0 || d.size > limit) {
            return failure(Status::InvalidSize);
        }
    }
    // GENCAP: overlapping copies are not supported.
    if (op == Opcode::Memmove && overlap(d.source, d.destination, d.size)) {
        return failure(Status::OverlappingBuffers);
    }
    return std::nullopt;
}

void Operation::begin(Work work, Issuer issuer) {
    SIM_CHECK(state_ == State::Free, "an engine slot is taken");
    work_ = std::move(work);
    issuer_ = issuer;
    state_ = State::Setup;
    record_ = CompletionRecord{};
    record_.status = Status::Success;
    stop_ = aborted_ = false;
    issued_ = done_ = outstanding_ = 0;
    head_ = 0;
    chunks_.clear();
    first_chunk_ = 0;
}

void Operation::release() {
    SIM_CHECK(outstanding_ == 0, "a descriptor ends with {} reads outstanding", outstanding_);
    state_ = State::Free;
    ++generation_;
}

bool Operation::reads() const {
    const auto op = static_cast<Opcode>(work_.descriptor.opcode);
    return op == Opcode::Memmove || op == Opcode::Compare || op == Opcode::ComparePattern;
}

std::uint32_t Operation::sources() const {
    return work_.descriptor.opcode == static_cast<std::uint8_t>(Opcode::Compare) ? 2 : 1;
}

std::uint32_t Operation::next_chunk(std::uint32_t max_read) const {
    const Descriptor& d = work_.descriptor;
    if (stop_ || issued_ == d.size) {
        return 0;
    }
    std::uint32_t length = std::min(d.size - issued_, max_read);
    length = std::min(length, bytes_to_page_end(d.source + issued_));
    return sources() == 2 ? std::min(length, bytes_to_page_end(d.destination + issued_)) : length;
}

Operation::Read Operation::part(std::uint32_t index, std::uint32_t length) const {
    const Descriptor& d = work_.descriptor;
    return {(index == 0 ? d.source : d.destination) + issued_, length};
}

std::uint64_t Operation::issued(std::uint32_t length) {
    Chunk chunk;
    chunk.offset = issued_;
    chunk.length = length;
    chunk.missing = sources();
    chunks_.push_back(std::move(chunk));
    outstanding_ += sources();
    issued_ += length;
    return first_chunk_ + chunks_.size() - 1;
}

void Operation::answered(const ReadOwner& owner, pcie::CplStatus status,
                         std::vector<std::uint8_t> data) {
    Chunk& chunk = chunks_.at(owner.chunk - first_chunk_);
    SIM_CHECK(chunk.missing > 0 && outstanding_ > 0, "an answer to a chunk that is complete");
    --chunk.missing;
    --outstanding_;
    if (status == pcie::CplStatus::Success && data.size() != owner.length) {
        status = pcie::CplStatus::Abort;  // a malformed completion
    }
    if (status == pcie::CplStatus::Success) {
        chunk.data[owner.part] = std::move(data);
    } else if (!chunk.failed_part || owner.part < *chunk.failed_part) {
        chunk.failed_part = owner.part;
        chunk.status = status;
    }
}

bool Operation::take_ready(std::optional<Write>& write, std::optional<Read>& fault) {
    write.reset();
    fault.reset();
    if (stop_ || head_ == chunks_.size() || chunks_[head_].missing != 0) {
        return false;
    }
    Chunk& chunk = chunks_[head_];
    if (chunk.failed_part) {
        fail(chunk, fault);
        return true;
    }
    if (work_.descriptor.opcode == static_cast<std::uint8_t>(Opcode::Memmove)) {
        write = Write{work_.descriptor.destination + chunk.offset, std::move(chunk.data[0])};
        done_ += chunk.length;
    } else {
        compare(chunk);
    }
    ++head_;
    if (head_ == chunks_.size()) {
        first_chunk_ += head_;
        chunks_.clear();
        head_ = 0;
    } else if (head_ >= 64) {  // long transfers never empty the list: drop the processed part
        chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
        first_chunk_ += head_;
        head_ = 0;
    }
    record_.bytes_completed = done_;
    return true;
}

void Operation::compare(const Chunk& chunk) {
    const Descriptor& d = work_.descriptor;
    std::uint32_t same = 0;
    const bool pattern = d.opcode == static_cast<std::uint8_t>(Opcode::ComparePattern);
    while (same < chunk.length) {
        const std::uint8_t wanted =
            pattern ? static_cast<std::uint8_t>(d.destination >> (8 * ((chunk.offset + same) % 8)))
                    : chunk.data[1][same];
        if (chunk.data[0][same] != wanted) {
            break;
        }
        ++same;
    }
    done_ += same;
    if (same < chunk.length) {
        record_.result = 1;
        stop_ = true;
    }
}

void Operation::fail(const Chunk& chunk, std::optional<Read>& fault) {
    const Descriptor& d = work_.descriptor;
    const std::uint64_t base = *chunk.failed_part == 0 ? d.source : d.destination;
    fault = Read{base + chunk.offset, chunk.length};
    // Blocked by the IOMMU: what an untranslated request sees of a page fault. Anything else is a
    // bad completion.
    const bool blocked = chunk.status == pcie::CplStatus::UnsupportedRequest;
    record_.status = blocked ? Status::PageFault : Status::CompletionError;
    record_.fault_address = fault->address;
    record_.bytes_completed = done_;
    stop_ = true;
}

Operation::Write Operation::fill(std::uint32_t bytes) {
    const Descriptor& d = work_.descriptor;
    Write write;
    write.address = d.destination + done_;
    const std::uint32_t length = std::min(bytes, d.size - done_);
    write.data.resize(length);
    for (std::uint32_t i = 0; i < length; ++i) {
        write.data[i] = static_cast<std::uint8_t>(d.source >> (8 * ((done_ + i) % 8)));
    }
    done_ += length;
    record_.bytes_completed = done_;
    return write;
}

}  // namespace ioasim::dsa
