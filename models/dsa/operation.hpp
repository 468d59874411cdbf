// One descriptor in an engine: what it may ask for, how its transfer is cut into chunks, and what
// the data that come back mean. Plain C++; the engine issues the requests.
//
// Data are processed in order of the transfer, so that "bytes completed" is a prefix whatever the
// order of completions. DSA Architecture Specification: operations, completion records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/dsa/dma_port.hpp"
#include "models/dsa/registers.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// The record with which the descriptor is refused, or none. Looks at the descriptor alone.
std::optional<CompletionRecord> refuse(const Work& work, const Registers& registers,
                                       std::uint64_t device_transfer_shift);
// True when an error can be told in a completion record.
bool has_record_address(const Descriptor& descriptor);

class Operation {
public:
    enum class State : std::uint8_t {
        Free,
        Setup,         // being decoded
        Moving,        // requests outstanding or to be issued
        AwaitsOthers,  // a drain descriptor
        Closing,       // result known, record not written yet
    };

    struct Read {
        std::uint64_t address = 0;
        std::uint32_t length = 0;
    };
    struct Write {
        std::uint64_t address = 0;
        std::vector<std::uint8_t> data;
    };

    void begin(Work work, Issuer issuer);
    void release();

    State state() const { return state_; }
    void set_state(State state) { state_ = state; }
    const Work& work() const { return work_; }
    const Issuer& issuer() const { return issuer_; }
    std::uint32_t generation() const { return generation_; }
    CompletionRecord& record() { return record_; }
    bool aborted() const { return aborted_; }
    void abort() { aborted_ = stop_ = true; }

    // --- reading operations ---
    bool reads() const;
    std::uint32_t sources() const;
    // Length of the next chunk; 0: nothing is left to issue.
    std::uint32_t next_chunk(std::uint32_t max_read) const;
    // Where the next chunk's part comes from; after the last part, issued() moves on.
    Read part(std::uint32_t index, std::uint32_t length) const;
    std::uint64_t issued(std::uint32_t length);
    // A completion. Afterwards, take_ready() yields what can be processed in order.
    void answered(const ReadOwner& owner, pcie::CplStatus status, std::vector<std::uint8_t> data);
    // Processes the next chunk if it is complete: false when it is not. `write` receives data to
    // store, when there are any. `fault` is set when the chunk's read had failed.
    bool take_ready(std::optional<Write>& write, std::optional<Read>& fault);

    // --- fill ---
    bool fills() const {
        return work_.descriptor.opcode == static_cast<std::uint8_t>(Opcode::Fill);
    }
    Write fill(std::uint32_t bytes);

    bool finished() const { return outstanding_ == 0 && (stop_ || done_ == work_.descriptor.size); }

private:
    struct Chunk {
        std::uint32_t offset = 0;
        std::uint32_t length = 0;
        std::uint32_t missing = 0;  // parts
        std::optional<std::uint32_t> failed_part;
        pcie::CplStatus status = pcie::CplStatus::Success;
        std::vector<std::uint8_t> data[2];
    };
    void compare(const Chunk& chunk);
    void fail(const Chunk& chunk, std::optional<Read>& fault);

    Work work_;
    Issuer issuer_;
    State state_ = State::Free;
    std::uint32_t generation_ = 0;
    CompletionRecord record_;
    bool stop_ = false;
    bool aborted_ = false;
    std::uint32_t issued_ = 0;
    std::uint32_t done_ = 0;
    std::uint32_t outstanding_ = 0;
    std::uint64_t first_chunk_ = 0;
    std::size_t head_ = 0;       // chunks before it are processed
    std::vector<Chunk> chunks_;  // storage is kept from one descriptor to the next
};

}  // namespace ioasim::dsa
