// The logic of a test requester: registers in, transactions out. Plain C++.
//
// One operation at a time, split into requests that cross no 4-KiB page and are no longer than the
// link allows. Reads hold a tag until their completion or its time-out; a tag that timed out stays
// taken until the late completion comes, so that no other read is mistaken for it. Writes are
// posted: their operation is done when the last one was sent, and nobody tells whether they took
// effect. Messages of device TLB and page requests are software's business (MessageWindow). Left
// out: configuration space, a device TLB of its own, function-level reset.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "core/trace/recorder.hpp"
#include "models/pcie/pcie_if.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/requester/requester_messages.hpp"
#include "models/requester/requester_params.hpp"

namespace ioasim::requester {

class Fabric {
public:
    virtual ~Fabric() = default;
    // Returns when the way out is free again, if nothing waits for credits.
    virtual TimePs send(TimePs now, pcie::Tlp tlp) = 0;
    // When everything sent so far has left; none while some of it waits for credits of the link.
    virtual std::optional<TimePs> all_sent() const = 0;
};

class RequesterCore {
public:
    RequesterCore(const RequesterParams& params, Rid rid, trace::Name name, Fabric& fabric,
                  Probes& probes, trace::Recorder& recorder, SourceId source);

    // Offsets below kBar0Bytes, naturally aligned, 4 or 8 bytes.
    std::uint64_t read_register(std::uint64_t offset, unsigned size) const;
    void write_register(TimePs now, std::uint64_t offset, std::uint64_t value, unsigned size);
    // A message of the remapping unit.
    void receive(const pcie::Tlp& message);
    // A completion of one of its reads.
    void answer(TimePs now, const pcie::Tlp& completion);

    void advance(TimePs now);
    std::optional<TimePs> next_wakeup() const;
    bool busy() const { return state_ == State::Busy; }
    std::vector<std::string> describe() const;

private:
    struct Tag {
        bool taken = false;
        bool given_up = false;
        std::uint32_t offset = 0;  // into the operation
        std::uint32_t length = 0;
        TimePs deadline;
    };

    std::uint32_t word(std::uint64_t offset) const;
    void set_word(TimePs now, std::uint64_t offset, std::uint32_t value);
    std::uint32_t at(std::uint32_t offset) const { return words_[offset / 4]; }
    std::uint64_t address() const;
    void go(TimePs now);
    void send_message(TimePs now, std::uint32_t control);
    bool legal() const;
    pcie::Tlp request(pcie::TlpKind kind, std::uint32_t length) const;
    std::uint32_t part(std::uint64_t limit) const;
    void issue(TimePs now);
    void send_writes(TimePs now);
    bool send_read(TimePs now);
    void failed(std::uint64_t part_address, Outcome outcome);
    void end_if_done(TimePs now);

    RequesterParams params_;
    Rid rid_;
    trace::Name name_;
    Fabric& fabric_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    std::array<std::uint32_t, 0x58 / 4> words_{};  // registers that software writes
    std::vector<std::uint8_t> data_;
    MessageWindow messages_;

    State state_ = State::Idle;
    Outcome outcome_ = Outcome::Ok;
    std::uint32_t number_ = 0;
    std::uint64_t failed_at_ = 0;
    std::uint32_t moved_ = 0;
    // The operation: what its registers said when it began.
    Operation operation_ = Operation::Read;
    std::uint64_t start_ = 0;
    std::uint32_t length_ = 0;
    std::uint32_t issued_ = 0;
    std::optional<TimePs> end_;  // writes: when the last one has left
    std::vector<std::uint8_t> moving_;
    std::vector<Tag> tags_;
    std::uint32_t outstanding_ = 0;  // tags taken and not given up
};

}  // namespace ioasim::requester
