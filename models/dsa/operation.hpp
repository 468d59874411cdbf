// One descriptor in an engine: how its transfer is cut into chunks, what the data that come back
// mean, and what is to be written. Plain C++; the engine issues the requests.
//
// Data are processed in order of the transfer, so that "bytes completed" is a prefix whatever the
// order of completions (of a copy that runs backwards: a suffix). Beside the streams an operation
// may read single words: a CRC seed before, read-backs after. DSA Architecture Specification:
// operations, completion records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/dsa/descriptor_check.hpp"
#include "models/dsa/dma_port.hpp"
#include "models/dsa/transfer.hpp"
#include "models/dsa/work.hpp"

namespace ioasim::dsa {

class Operation {
public:
    enum class State : std::uint8_t {
        Free,
        Setup,         // being decoded
        Prelude,       // reads its seed
        Moving,        // requests outstanding or to be issued
        AwaitsOthers,  // a drain descriptor
        Readback,      // reads what flushes its writes
        Closing,       // result known, record not written yet
        Recording,     // the record waits for its translation
    };

    struct Read {
        Field field = Field::Source;
        std::uint64_t address = 0;
        std::uint32_t length = 0;
    };
    // A piece inside one page. `progress`: bytes of the transfer that are done when it has left;
    // `delta`: bytes of a delta record that are whole then.
    struct Write {
        Field field = Field::Destination;
        std::uint64_t address = 0;
        std::uint32_t progress = 0;
        std::vector<std::uint8_t> data;
        std::uint32_t delta = 0;
        bool paired = false;  // leaves only together with the next one
    };

    void begin(Work work, Issuer issuer);
    void release();
    // A function-level reset: nobody waits for what is outstanding.
    void discard() {
        outstanding_ = 0;
        release();
    }

    State state() const { return state_; }
    void set_state(State state) { state_ = state; }
    const Work& work() const { return work_; }
    const Issuer& issuer() const { return issuer_; }
    // Where its destination is to end up: flag Cache Control.
    pcie::CacheHint hint() const;
    Opcode opcode() const { return static_cast<Opcode>(work_.descriptor.opcode); }
    std::uint32_t generation() const { return generation_; }
    CompletionRecord& record() { return record_; }
    bool aborted() const { return aborted_; }
    void abort();

    // --- streams ---
    // What the operation does with memory; known when it has passed its checks.
    void plan(const Probes& probes);
    bool reads() const { return traits_.reads_source; }
    std::uint32_t sources() const { return traits_.reads_second ? 2 : 1; }
    // Length of the next chunk; 0: nothing is left to issue, or writes have to leave first.
    std::uint32_t next_chunk(std::uint32_t max_read) const;
    // Where the next chunk's part comes from; after the last part, issued() moves on.
    Read part(std::uint32_t index, std::uint32_t length) const;
    std::uint64_t issued(std::uint32_t length);
    // A completion. Afterwards, take_ready() processes what can be processed in order.
    void answered(const ReadOwner& owner, pcie::CplStatus status, std::vector<std::uint8_t> data);
    // The chunk that next_chunk() told cannot be read: its part's page is not to be had. Nothing
    // behind it is issued.
    void refused(std::uint32_t part, std::uint32_t length, Status why);
    // Processes the next chunk if it is complete: false when it is not. Fills the writes. `fault`
    // is set when the chunk's read had failed.
    bool take_ready(std::optional<Read>& fault);

    // --- writes ---
    bool fills() const { return opcode() == Opcode::Fill; }
    void fill(std::uint32_t bytes);
    bool has_write() const { return next_write_ < writes_.size(); }
    const Write& front_write() const { return writes_[next_write_]; }
    // The other half of the front piece, or none: both destinations of a dualcast get the same
    // bytes.
    const Write* twin() const { return front_write().paired ? &writes_[next_write_ + 1] : nullptr; }
    // The front piece, which leaves now.
    Write take_write();
    // The page of a piece is not to be had: nothing more is written.
    void write_refused(std::uint64_t address, Status why);
    // Bytes of the transfer that are done, whether or not the record tells them.
    std::uint32_t done() const { return done_; }
    // Where the operation begins to read and write, with what is beyond.
    struct Place {
        Field field = Field::Source;
        bool second = false;  // the second source
        bool write = false;
        std::uint64_t address = 0;
    };
    std::vector<Place> places() const;
    // The last byte of the stream that is read or written in this field; 0: not in order.
    std::uint64_t end_of(Field field, bool second) const;

    // --- single words ---
    // Sets what is to be read; false: nothing.
    bool wants_prelude();
    bool wants_readback();
    std::optional<Read> next_word() const;
    std::uint32_t word_issued();
    void word_refused(Status why);
    // True when all of them are there, or one has failed (`fault`).
    bool words_done() const {
        return outstanding_ == 0 && (no_more_words() || next_word_ == words_.size());
    }
    std::optional<Read> word_fault() const { return word_fault_; }
    // The streams may begin, with the seed in place.
    void end_prelude();

    // Nothing is outstanding and everything is done, or nothing more will be.
    bool finished() const {
        return outstanding_ == 0 && !has_write() && (stop_ || done_ == total_);
    }
    bool stopped() const { return stop_; }
    // Results that need all data, and the comparison with what was expected.
    void conclude();

private:
    struct Chunk {
        std::uint32_t offset = 0;
        std::uint32_t length = 0;
        std::uint32_t missing = 0;  // parts
        std::optional<std::uint32_t> failed_part;
        Status why = Status::Success;
        std::vector<std::uint8_t> data[2];
    };
    void consume(Chunk& chunk);
    void compare(const Chunk& chunk);
    void create_delta(const Chunk& chunk);
    void apply_delta(const Chunk& chunk);
    void dif(const Chunk& chunk);
    void dualcast(const Chunk& chunk);
    void push(Field field, std::uint64_t address, std::vector<std::uint8_t> data,
              std::uint32_t progress, bool piecewise);
    void fail(std::uint64_t address, bool write, Status why);
    void drop_chunk();
    void add_word(Field field, std::uint64_t address, std::uint32_t length);
    bool no_more_words() const { return aborted_ || word_fault_.has_value(); }
    std::uint64_t specific(std::size_t offset, std::size_t size) const {
        return get_le(work_.descriptor.specific, offset, size);
    }

    Work work_;
    Issuer issuer_;
    State state_ = State::Free;
    std::uint32_t generation_ = 0;
    CompletionRecord record_;
    OpTraits traits_;
    bool stop_ = false;
    bool blocked_ = false;  // a chunk was refused
    bool aborted_ = false;
    bool backwards_ = false;
    bool planned_ = false;
    bool second_left_out_ = false;   // defect dsa.dualcast_once
    bool counts_unwritten_ = false;  // defect dsa.counts_unwritten
    std::uint32_t total_ = 0;
    std::uint32_t issued_ = 0;
    std::uint32_t done_ = 0;
    std::uint32_t outstanding_ = 0;
    std::uint64_t first_chunk_ = 0;
    std::size_t head_ = 0;       // chunks before it are processed
    std::vector<Chunk> chunks_;  // storage is kept from one descriptor to the next
    std::size_t next_write_ = 0;
    std::vector<Write> writes_;
    // Words: a seed or read-backs.
    std::vector<Read> words_;
    std::size_t next_word_ = 0;
    std::optional<Read> word_fault_;
    std::vector<std::uint8_t> word_data_;
    // The last byte that was written, to the destination and to the third operand: read back.
    std::optional<std::uint64_t> last_written_, last_third_;
    // What some operations carry from chunk to chunk.
    Crc32c crc_;
    DifStream dif_;
    std::uint32_t delta_bytes_ = 0;             // created
    std::uint32_t delta_written_ = 0;           // of them
    std::optional<std::uint32_t> last_offset_;  // applied
    std::vector<std::uint8_t> carry_;           // of an entry that a chunk cut in two
};

}  // namespace ioasim::dsa
