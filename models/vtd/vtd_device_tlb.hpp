// Device-TLB invalidations under way (VT-d specification 6.5.2.5, 6.5.2.6, 6.5.2.11; PCIe base
// specification 10.3): ITags, throttling, completions, time-outs.
//
// A request takes a free ITag, round the pool, so that a late completion meets a free tag rather
// than somebody else's. A device may answer with several completions; their count says when the
// last one is in. The pool is shared by all devices; a device gets no more at a time than its
// descriptor allows (MIP). Without time: the queue brings it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/time.hpp"
#include "models/pcie/ats_layout.hpp"
#include "models/vtd/vtd_queue_layout.hpp"

namespace ioasim::vtd {

// A descriptor of either type as what it asks of the device.
struct DeviceTlbRequest {
    Rid function;
    Rid throttled_by;  // the function whose queue it fills
    std::optional<Pasid> pasid;
    pcie::InvalidateBody body;
    unsigned max_pending = 0;  // 1..32
};
DeviceTlbRequest decode_device_tlb(const Descriptor& descriptor, bool throttle);

class DeviceTlbInvalidations {
public:
    DeviceTlbInvalidations(std::size_t itags, TimePs timeout, const Probes& probes)
        : timeout_(timeout), probes_(probes), slots_(itags) {}

    // Invalidations are numbered from 0 on in the order of their requests.
    using Serial = std::uint64_t;

    bool room_for(const DeviceTlbRequest& request) const;
    // Takes an ITag.
    std::uint32_t begin(TimePs now, const DeviceTlbRequest& request);

    // Those before this one are what a wait taken now waits for.
    Serial mark() const { return next_serial_; }
    bool done_before(Serial mark) const;
    std::size_t pending() const { return pending_; }

    struct Ended {
        Rid function;
        std::uint32_t itag = 0;
    };
    // What one completion ended, and whether it held an ITag that the function has not got.
    struct Answer {
        std::vector<Ended> ended;
        bool unexpected = false;
    };
    Answer complete(Rid function, const pcie::InvalidateDone& done);

    // When the oldest one times out.
    std::optional<TimePs> deadline() const;
    // The oldest one that is out of time; its ITag is free again.
    std::optional<Ended> expire(TimePs now);

private:
    struct Slot {
        bool used = false;
        Rid function;
        Rid throttled_by;
        Serial serial = 0;
        TimePs deadline;
        unsigned received = 0;
    };
    void free(std::size_t index);

    TimePs timeout_;
    const Probes& probes_;
    std::vector<Slot> slots_;
    std::size_t next_slot_ = 0;
    Serial next_serial_ = 0;
    std::size_t pending_ = 0;
};

}  // namespace ioasim::vtd
