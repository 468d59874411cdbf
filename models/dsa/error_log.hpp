// The event log: a ring of entries in host memory for errors that no completion record can tell.
// Plain C++. DSA Architecture Specification (version 2): EVLCFG, EVLSTATUS; Linux
// drivers/dma/idxd/registers.h (struct __evl_entry).
//
// Hardware owns the tail, software the head; the ring is full when the tail would meet the head,
// and what comes then is lost. Left out: entries for records that could not be written (1Ah, 26h,
// 27h), which need translated requests.
#pragma once

#include <array>
#include <cstdint>
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
    RecordBytes record{};  // image of the record that could not be written
};

class ErrorLog {
public:
    explicit ErrorLog(const DeviceShared& shared) : shared_(shared) {}

    void reset();
    // Aligned dwords of EVLCFG (`configurable`: the device is disabled) and EVLSTATUS.
    std::uint32_t read(std::uint64_t offset) const;
    void write(std::uint64_t offset, std::uint32_t value, bool configurable);
    // False: there was no room.
    bool append(TimePs now, const LoggedError& logged);

private:
    const DeviceShared& shared_;
    std::array<std::uint64_t, 2> config_{};
    std::uint32_t head_ = 0;
    std::uint32_t tail_ = 0;
    bool pending_ = false;
};

}  // namespace ioasim::dsa
