// The event log: a ring of entries in host memory for errors that no completion record can tell.
// Plain C++. DSA Architecture Specification (version 2): EVLCFG, EVLSTATUS; Linux
// drivers/dma/idxd/registers.h (struct __evl_entry).
//
// Hardware owns the tail, software the head; the ring is full when the tail would meet the head.
// This device cannot overflow (GENCAP bit 32 is 0): what finds no room waits for it (5.9).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "models/dsa/work.hpp"

namespace ioasim::dsa {

// An error with what an entry tells beyond SWERR.
struct LoggedError {
    SoftwareError error;
    std::uint64_t number = 0;  // of the descriptor, in traces
    std::uint16_t interrupt_handle = 0;
    bool wanted_interrupt = false;
    bool stored_message = false;  // the handle is one of interrupt message storage
    bool wanted_record = false;
    std::uint8_t batch = 0;       // of a batch or an entry of one: which
    bool first_of_batch = false;  // the first record of this batch that could not be written
    RecordBytes record{};         // image of the record that could not be written
};

class ErrorLog {
public:
    explicit ErrorLog(const DeviceShared& shared) : shared_(shared) {}

    // A function-level reset; a software reset leaves EVLSTATUS alone.
    void reset();
    void reset_configuration();
    // The device is enabled with it: empty.
    void restart();
    // Aligned dwords of EVLCFG (`configurable`: the device is disabled) and EVLSTATUS.
    std::uint32_t read(std::uint64_t offset) const;
    void write(std::uint64_t offset, std::uint32_t value, bool configurable);
    EventLogConfig config() const { return decode_evlcfg(config_); }
    bool full() const;
    // False: there was no room; the entry is written when there is.
    bool append(TimePs now, const LoggedError& logged);
    // Software has made room, perhaps: true when something that waited was written.
    bool catch_up(TimePs now);
    // Something waits for room.
    bool behind() const { return !held_.empty(); }
    // An interrupt for an entry: none while one is pending.
    bool raise();

private:
    void put(TimePs now, const LoggedError& logged);
    std::uint32_t after_tail() const;

    const DeviceShared& shared_;
    std::array<std::uint64_t, 2> config_{};
    std::deque<LoggedError> held_;
    std::uint32_t head_ = 0;
    std::uint32_t tail_ = 0;
    bool pending_ = false;
};

}  // namespace ioasim::dsa
