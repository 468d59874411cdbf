#include "models/dsa/batch.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim::dsa {

namespace {
constexpr std::uint32_t kEntryBytes = 64;
// The list is read on when so few entries wait.
constexpr std::size_t kLowWater = 8;

bool fenced(const Descriptor& descriptor) {
    return (descriptor.flags & flag::kFence) != 0;
}
}  // namespace

void Batch::begin(Work work, Issuer issuer) {
    SIM_CHECK(state_ == State::Free, "a batch unit is taken");
    work_ = std::move(work);
    issuer_ = issuer;
    state_ = State::Setup;
    record_ = CompletionRecord{};
    record_.status = Status::Success;
    aborted_ = fetching_ = stop_ = failed_ = logged_ = false;
    fetched_ = begun_ = running_ = done_ = 0;
    waiting_.clear();
}

void Batch::release() {
    SIM_CHECK(running_ == 0 && !fetching_, "a batch ends with {} entries running", running_);
    state_ = State::Free;
    ++generation_;
}

void Batch::abort() {
    aborted_ = stop_ = true;
    waiting_.clear();
}

std::optional<Batch::Read> Batch::next_fetch(std::uint32_t max_read) const {
    if (state_ != State::Running || stop_ || fetching_ || fetched_ == work_.descriptor.size ||
        waiting_.size() > kLowWater) {
        return std::nullopt;
    }
    const std::uint64_t left = std::uint64_t{work_.descriptor.size - fetched_} * kEntryBytes;
    const std::uint64_t at = work_.descriptor.source + std::uint64_t{fetched_} * kEntryBytes;
    const std::uint64_t most = std::min<std::uint64_t>(max_read, bytes_to_page_end(at));
    return Read{at, static_cast<std::uint32_t>(std::min(left, most))};
}

void Batch::fetching(std::uint32_t length) {
    SIM_CHECK(length % kEntryBytes == 0, "{} bytes of a descriptor list", length);
    fetching_ = true;
}

void Batch::fetched(pcie::CplStatus status, const std::vector<std::uint8_t>& data,
                    std::uint32_t length) {
    fetching_ = false;
    if (aborted_) {
        return;
    }
    if (status == pcie::CplStatus::Success && data.size() != length) {
        status = pcie::CplStatus::Abort;
    }
    if (status != pcie::CplStatus::Success) {
        fetch_refused(Status::HardwareError);
        return;
    }
    for (std::uint32_t at = 0; at < length; at += kEntryBytes) {
        DescriptorBytes bytes{};
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), kEntryBytes, bytes.begin());
        waiting_.push_back(decode_descriptor(bytes));
        ++fetched_;
    }
}

void Batch::fetch_refused(Status why) {
    const bool page = why == Status::PageFault || why == Status::PageRequestInvalid;
    record_.status = page ? Status::BatchListFault : why;
    record_.fault_address = work_.descriptor.source + std::uint64_t{fetched_} * kEntryBytes;
    work_.descriptor.size = fetched_;  // what is known still runs
}

bool Batch::entry_ready(bool fences) const {
    if (state_ != State::Running || stop_ || waiting_.empty()) {
        return false;
    }
    return !fences || !fenced(waiting_.front()) || (running_ == 0 && !failed_);
}

Work Batch::next_entry(std::uint32_t engine) {
    SIM_CHECK(!waiting_.empty(), "a batch without a waiting entry");
    Work entry = work_;
    entry.descriptor = waiting_.front();
    waiting_.pop_front();
    entry.descriptor.pasid = work_.descriptor.pasid;
    entry.descriptor.privileged = work_.descriptor.privileged;
    entry.batch = BatchPlace{engine, begun_};
    ++begun_;
    ++running_;
    return entry;
}

void Batch::entry_done(bool success, bool written) {
    SIM_CHECK(running_ > 0, "an entry ends that never began");
    --running_;
    ++done_;
    failed_ = failed_ || !success;
    if (!written) {
        record_.result = 1;
    }
}

bool Batch::finished() const {
    if (running_ != 0 || fetching_) {
        return false;
    }
    if (stop_ || begun_ == work_.descriptor.size) {
        return true;
    }
    // A fence behind a failure: it and everything behind it is skipped.
    return failed_ && !waiting_.empty() && fenced(waiting_.front());
}

void Batch::conclude() {
    record_.bytes_completed = done_;
    if (record_.status == Status::Success && failed_) {
        record_.status = Status::BatchMemberFailed;
    }
}

}  // namespace ioasim::dsa
