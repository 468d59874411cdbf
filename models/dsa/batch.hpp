// The batch unit of an engine: fetches the descriptor list, says which entry may begin, and counts
// what has ended. Plain C++; the engine issues the reads and works on the entries.
//
// Entries run concurrently and end in any order; one with the fence flag begins when all before it
// have ended, and is skipped with everything behind it when one of those failed. DSA Architecture
// Specification: batch descriptors, fence.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "models/dsa/dma_port.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

class Batch {
public:
    enum class State : std::uint8_t { Free, Setup, Running, Closing, Recording };
    struct Read {
        std::uint64_t address = 0;
        std::uint32_t length = 0;
    };

    void begin(Work work, Issuer issuer);
    void run() { state_ = State::Running; }
    void close() { state_ = State::Closing; }
    void record_waits() { state_ = State::Recording; }
    void release();
    // A function-level reset.
    void discard() {
        running_ = 0;
        fetching_ = false;
        release();
    }
    State state() const { return state_; }
    const Work& work() const { return work_; }
    const Issuer& issuer() const { return issuer_; }
    std::uint32_t generation() const { return generation_; }
    CompletionRecord& record() { return record_; }
    bool aborted() const { return aborted_; }
    void abort();

    // --- the list ---
    // The next part to read, inside one page; none: enough is under way.
    std::optional<Read> next_fetch(std::uint32_t max_read) const;
    void fetching(std::uint32_t length);
    // The answer. A failed read ends the batch behind the entries that are known.
    void fetched(pcie::CplStatus status, const std::vector<std::uint8_t>& data,
                 std::uint32_t length);
    // The list's page is not to be had.
    void fetch_refused(Status why);

    // --- entries ---
    // `fences`: false lets entries overtake their fences (a defect).
    bool entry_ready(bool fences) const;
    Work next_entry(std::uint32_t engine);
    // `written`: false when the entry's record could not be written.
    void entry_done(bool success, bool written);
    bool idle() const { return running_ == 0; }
    // The record of an entry goes to the event log: whether it is the first of this batch.
    bool first_logged() { return !std::exchange(logged_, true); }
    bool has_logged() const { return logged_; }
    // No entry runs and none will.
    bool finished() const;
    void conclude();

private:
    Work work_;
    Issuer issuer_;
    State state_ = State::Free;
    std::uint32_t generation_ = 0;
    CompletionRecord record_;
    bool aborted_ = false;
    bool fetching_ = false;
    bool stop_ = false;  // no more entries begin
    bool failed_ = false;
    bool logged_ = false;
    std::uint32_t fetched_ = 0;  // entries
    std::uint32_t begun_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t done_ = 0;
    std::deque<Descriptor> waiting_;
};

}  // namespace ioasim::dsa
