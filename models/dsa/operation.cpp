#include "models/dsa/operation.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"
#include "models/dsa/dsa_probes.hpp"

namespace ioasim::dsa {

namespace {

constexpr std::uint32_t kLineBytes = 64;  // what a cache flush reads of a page

// From the start of its page to an address, at least 1: how far one can go backwards.
std::uint32_t bytes_from_page_start(std::uint64_t end) {
    return static_cast<std::uint32_t>((end - 1) % kPageSize + 1);
}

}  // namespace

pcie::CacheHint Operation::hint() const {
    return (work_.descriptor.flags & flag::kCacheControl) != 0 ? pcie::CacheHint::Cache
                                                               : pcie::CacheHint::Memory;
}

void Operation::begin(Work work, Issuer issuer) {
    SIM_CHECK(state_ == State::Free, "an engine slot is taken");
    work_ = std::move(work);
    issuer_ = issuer;
    state_ = State::Setup;
    record_ = CompletionRecord{};
    record_.status = Status::Success;
    traits_ = OpTraits{};
    stop_ = blocked_ = aborted_ = backwards_ = planned_ = false;
    total_ = issued_ = done_ = outstanding_ = 0;
    head_ = 0;
    chunks_.clear();
    first_chunk_ = 0;
    writes_.clear();
    next_write_ = 0;
    words_.clear();
    next_word_ = 0;
    word_fault_.reset();
    word_data_.clear();
    last_written_.reset();
    last_third_.reset();
}

void Operation::release() {
    SIM_CHECK(outstanding_ == 0, "a descriptor ends with {} reads outstanding", outstanding_);
    state_ = State::Free;
    ++generation_;
}

void Operation::abort() {
    aborted_ = stop_ = true;
    writes_.clear();
    next_write_ = 0;
}

void Operation::plan(const Probes& probes) {
    const Descriptor& d = work_.descriptor;
    traits_ = traits_of(opcode());
    planned_ = true;
    if (!traits_.reads_source && !traits_.writes) {
        return;
    }
    total_ = stream_bytes(d);
    // Data that would be overwritten before it is read is read first.
    backwards_ = !probes.has(kOverlapForwards) && opcode() == Opcode::Memmove &&
                 d.source < d.destination && overlap(d.source, d.size, d.destination, d.size);
    record_.result = backwards_ ? 1 : 0;
    if (opcode() == Opcode::CrcGenerate || opcode() == Opcode::CopyCrc) {
        crc_.start(static_cast<std::uint32_t>(specific(specific::kCrcSeed, 4)), d.flags);
    }
    if (traits_.blocks) {
        dif_.begin(d);
    }
    second_left_out_ = probes.has(kDualcastOnce);
    counts_unwritten_ = probes.has(kCountsUnwritten);
    delta_bytes_ = delta_written_ = 0;
    last_offset_.reset();
    carry_.clear();
}

// --- reading ---

std::uint32_t Operation::next_chunk(std::uint32_t max_read) const {
    const Descriptor& d = work_.descriptor;
    if (stop_ || blocked_ || issued_ == total_ || has_write()) {
        return 0;
    }
    const std::uint32_t left = total_ - issued_;
    if (backwards_) {
        return std::min({left, max_read, bytes_from_page_start(d.source + left)});
    }
    if (opcode() == Opcode::CacheFlush) {
        return std::min(left, bytes_to_page_end(d.destination + issued_));
    }
    const std::uint32_t length = std::min({left, max_read, bytes_to_page_end(d.source + issued_)});
    return sources() == 2 ? std::min(length, bytes_to_page_end(d.destination + issued_)) : length;
}

Operation::Read Operation::part(std::uint32_t index, std::uint32_t length) const {
    const Descriptor& d = work_.descriptor;
    if (backwards_) {
        return {Field::Source, d.source + (total_ - issued_ - length), length};
    }
    if (opcode() == Opcode::CacheFlush) {
        const std::uint64_t at = d.destination + issued_;
        return {Field::Destination, at, std::min(length, kLineBytes)};
    }
    return index == 0 ? Read{Field::Source, d.source + issued_, length}
                      : Read{Field::Destination, d.destination + issued_, length};
}

std::uint64_t Operation::issued(std::uint32_t length) {
    Chunk chunk;
    chunk.offset = backwards_ ? total_ - issued_ - length : issued_;
    chunk.length = length;
    chunk.missing = sources();
    chunks_.push_back(std::move(chunk));
    outstanding_ += sources();
    issued_ += length;
    return first_chunk_ + chunks_.size() - 1;
}

void Operation::answered(const ReadOwner& owner, pcie::CplStatus status,
                         std::vector<std::uint8_t> data) {
    SIM_CHECK(outstanding_ > 0, "an answer to nothing");
    --outstanding_;
    if (status == pcie::CplStatus::Success && data.size() != owner.length) {
        status = pcie::CplStatus::Abort;  // a malformed completion
    }
    if (owner.part == kWordPart) {
        if (status == pcie::CplStatus::Success) {
            word_data_.insert(word_data_.end(), data.begin(), data.end());
        } else if (!no_more_words()) {
            word_fault_ = words_.at(owner.chunk);
            // Without ATS the device cannot tell a page fault from any other failure (5.8.1).
            fail(word_fault_->address, false,
                 state_ == State::Readback ? Status::HardwareWriteError : Status::HardwareError);
        }
        return;
    }
    Chunk& chunk = chunks_.at(owner.chunk - first_chunk_);
    SIM_CHECK(chunk.missing > 0, "an answer to a chunk that is complete");
    --chunk.missing;
    if (status == pcie::CplStatus::Success) {
        chunk.data[owner.part] = std::move(data);
    } else if (!chunk.failed_part || owner.part < *chunk.failed_part) {
        chunk.failed_part = owner.part;
        chunk.why = Status::HardwareError;
    }
}

bool Operation::take_ready(std::optional<Read>& fault) {
    fault.reset();
    if (stop_ || has_write() || head_ == chunks_.size() || chunks_[head_].missing != 0) {
        return false;
    }
    Chunk& chunk = chunks_[head_];
    if (chunk.failed_part) {
        const Descriptor& d = work_.descriptor;
        const bool second = *chunk.failed_part != 0 || opcode() == Opcode::CacheFlush;
        fault = Read{second ? Field::Destination : Field::Source,
                     (second ? d.destination : d.source) + chunk.offset, chunk.length};
        fail(fault->address, false, chunk.why);
        return true;
    }
    consume(chunk);
    drop_chunk();
    record_.bytes_completed = done_;
    return true;
}

void Operation::drop_chunk() {
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
}

void Operation::refused(std::uint32_t part, std::uint32_t length, Status why) {
    issued(length);
    outstanding_ -= sources();
    Chunk& chunk = chunks_.back();
    chunk.missing = 0;
    chunk.failed_part = part;
    chunk.why = why;
    blocked_ = true;
}

void Operation::fail(std::uint64_t address, bool write, Status why) {
    const bool page = why == Status::PageFault || why == Status::PageRequestInvalid;
    record_.status = page && opcode() == Opcode::Drain ? Status::ReadbackPageFault : why;
    record_.fault_write = write;
    record_.fault_address = address;
    record_.bytes_completed = done_;
    stop_ = true;
}

// --- writing ---

void Operation::push(Field field, std::uint64_t address, std::vector<std::uint8_t> data,
                     std::uint32_t progress, bool piecewise) {
    const std::uint32_t to_page_end = bytes_to_page_end(address);
    if (data.size() <= to_page_end) {
        writes_.push_back({field, address, progress, std::move(data)});
        return;
    }
    const auto cut = data.begin() + static_cast<std::ptrdiff_t>(to_page_end);
    Write first{field, address, piecewise ? to_page_end : 0, {data.begin(), cut}};
    std::vector<std::uint8_t> rest(cut, data.end());
    if (backwards_) {
        push(field, address + to_page_end, std::move(rest), progress - to_page_end, piecewise);
        writes_.push_back(std::move(first));
        return;
    }
    writes_.push_back(std::move(first));
    push(field, address + to_page_end, std::move(rest),
         piecewise ? progress - to_page_end : progress, piecewise);
}

Operation::Write Operation::take_write() {
    Write write = std::move(writes_[next_write_]);
    ++next_write_;
    if (next_write_ == writes_.size()) {
        writes_.clear();
        next_write_ = 0;
    }
    if (opcode() == Opcode::CopyCrc) {
        crc_.add(write.data);
    }
    (write.field == Field::Third ? last_third_ : last_written_) =
        write.address + write.data.size() - 1;
    delta_written_ += write.delta;
    done_ += write.progress;
    record_.bytes_completed = done_;
    return write;
}

void Operation::write_refused(std::uint64_t address, Status why) {
    while (counts_unwritten_ && has_write()) {
        take_write();
    }
    fail(address, true, why);
    writes_.clear();
    next_write_ = 0;
}

std::vector<Operation::Place> Operation::places() const {
    const Descriptor& d = work_.descriptor;
    if (total_ == 0 || backwards_) {
        return {};
    }
    const Opcode op = opcode();
    std::vector<Place> places;
    if (op == Opcode::CacheFlush) {
        places.push_back({Field::Destination, false, false, d.destination});
    } else if (traits_.reads_source) {
        places.push_back({Field::Source, false, false, d.source});
    }
    if (traits_.reads_second) {
        places.push_back({Field::Destination, true, false, d.destination});
    }
    if (op == Opcode::CreateDelta) {
        places.push_back({Field::Third, false, true, specific(specific::kDeltaAddress, 8)});
    } else if (traits_.writes) {
        places.push_back({Field::Destination, false, true, d.destination});
    }
    if (op == Opcode::Dualcast) {
        places.push_back({Field::Third, false, true, specific(specific::kDestination2, 8)});
    }
    return places;
}

std::uint64_t Operation::end_of(Field field, bool second) const {
    const Descriptor& d = work_.descriptor;
    const bool jumps = backwards_ || opcode() == Opcode::CreateDelta ||
                       opcode() == Opcode::ApplyDelta || traits_.blocks;
    if (field == Field::Source) {
        return backwards_ ? 0 : d.source + total_ - 1;
    }
    if (field == Field::Third) {
        return opcode() == Opcode::Dualcast ? specific(specific::kDestination2, 8) + total_ - 1 : 0;
    }
    return jumps && !second ? 0 : d.destination + total_ - 1;
}

void Operation::fill(std::uint32_t bytes) {
    const Descriptor& d = work_.descriptor;
    const std::uint32_t length = std::min(bytes, total_ - done_);
    std::vector<std::uint8_t> data(length);
    for (std::uint32_t i = 0; i < length; ++i) {
        data[i] = static_cast<std::uint8_t>(d.source >> (8 * ((done_ + i) % 8)));
    }
    push(Field::Destination, d.destination + done_, std::move(data), length, true);
}

// --- single words ---

void Operation::add_word(Field field, std::uint64_t address, std::uint32_t length) {
    const std::uint32_t first = std::min(length, bytes_to_page_end(address));
    words_.push_back({field, address, first});
    if (first < length) {
        words_.push_back({field, address + first, length - first});
    }
}

bool Operation::wants_prelude() {
    const bool crc = opcode() == Opcode::CrcGenerate || opcode() == Opcode::CopyCrc;
    if (crc && (work_.descriptor.flags & flag::kReadSeed) != 0) {
        add_word(Field::Third, specific(specific::kCrcSeedAddress, 8), kCrcBytes);
    }
    return !words_.empty();
}

bool Operation::wants_readback() {
    const Descriptor& d = work_.descriptor;
    words_.clear();
    next_word_ = 0;
    if (opcode() == Opcode::Drain) {
        if ((d.flags & flag::kReadback1Valid) != 0) {
            add_word(Field::Source, d.source, 1);
        }
        if ((d.flags & flag::kReadback2Valid) != 0) {
            add_word(Field::Destination, d.destination, 1);
        }
    } else if (record_.status == Status::Success && (d.flags & flag::kDestinationReadback) != 0) {
        if (last_written_) {
            add_word(Field::Destination, *last_written_, 1);
        }
        if (last_third_) {
            add_word(Field::Third, *last_third_, 1);
        }
    }
    return !words_.empty();
}

std::optional<Operation::Read> Operation::next_word() const {
    return no_more_words() || next_word_ == words_.size() ? std::nullopt
                                                          : std::optional<Read>(words_[next_word_]);
}

std::uint32_t Operation::word_issued() {
    ++outstanding_;
    return static_cast<std::uint32_t>(next_word_++);
}

void Operation::word_refused(Status why) {
    word_fault_ = words_[next_word_];
    fail(word_fault_->address, false, why);
}

void Operation::end_prelude() {
    std::uint32_t seed = 0;
    for (std::size_t i = 0; i < word_data_.size(); ++i) {
        seed |= std::uint32_t{word_data_[i]} << (8 * i);
    }
    crc_.start(seed, work_.descriptor.flags);
}

void Operation::conclude() {
    const Descriptor& d = work_.descriptor;
    if (!planned_) {  // refused
        return;
    }
    const bool success = record_.status == Status::Success;
    const bool partial =
        record_.status == Status::PageFault || record_.status == Status::PageRequestInvalid;
    // Of the bytes that are done: the seed with which to go on.
    if ((success || partial) && (opcode() == Opcode::CrcGenerate || opcode() == Opcode::CopyCrc)) {
        record_.values[0] = crc_.value();
    }
    if (traits_.blocks) {
        record_.values = dif_.tags(done_ / DifStream::source_block(d));
    }
    if (opcode() == Opcode::CreateDelta) {
        record_.values[0] = delta_written_;
        if (!success) {
            record_.result = delta_written_ != 0 ? 1 : 0;
        }
    }
    if (!success) {
        return;
    }
    if (!stop_) {  // else a comparison tells how far it came
        record_.bytes_completed = 0;
    }
    const bool expected = opcode() == Opcode::CreateDelta
                              ? get_bit(specific(specific::kExpectedResultMask, 1), record_.result)
                              : record_.result == (specific(specific::kExpectedResult, 1) & 1U);
    if ((d.flags & flag::kCheckResult) != 0 && !expected) {
        record_.status = Status::ResultNotExpected;
    }
}

}  // namespace ioasim::dsa
