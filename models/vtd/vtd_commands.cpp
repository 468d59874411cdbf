#include "models/vtd/vtd_commands.hpp"

#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {
namespace {

constexpr unsigned kAlwaysDrains = 2;         // major version from which DR and DW are ignored
constexpr std::uint32_t kTopBit = 1U << 31U;  // ICC and IVT in the high dword

}  // namespace

bool Commands::write(TimePs now, std::uint32_t offset, std::uint32_t value) {
    const bool context_high = offset == reg::kCcmd + 4;
    const bool iotlb_high = offset == caps_.iotlb_offset + 12;
    const bool operand = offset == reg::kCcmd || offset == caps_.iotlb_offset + 8 ||
                         offset == caps_.iotlb_offset || offset == caps_.iotlb_offset + 4;
    if (offset != reg::kGcmd && !context_high && !iotlb_high && !operand) {
        return false;
    }
    if (busy() && !probes_.has(kCommandOverrun)) {
        probes_.hit(kCommandOverlap);
        return true;
    }
    if (offset == reg::kGcmd) {
        start(now, Kind::Global, value);
        return true;
    }
    registers_.write(offset, value);
    if ((context_high || iotlb_high) && (value & kTopBit) != 0) {
        // The command bit stays until the command is done; the registers hold their operands.
        registers_.set(offset, registers_.get(offset) | kTopBit);
        start(now, context_high ? Kind::ContextCache : Kind::Iotlb, 0);
    }
    return true;
}

void Commands::start(TimePs now, Kind kind, std::uint32_t value) {
    current_ = kind;
    value_ = value;
    if (kind == Kind::Global) {
        value_ = (value & offered()) | (status() & ~offered() & ~gcmd::kOneShot);
        for (const std::uint32_t bit : {gcmd::kSrtp, gcmd::kSirtp}) {
            if ((value_ & bit) != 0) {
                set_status(bit, false);
            }
        }
        if ((value_ & gcmd::kWbf) != 0) {
            set_status(gcmd::kWbf, true);
        }
    }
    due_ = now + latency_;
}

void Commands::execute(TimePs now) {
    due_.reset();
    waits_ = true;
    if (current_ == Kind::ContextCache) {
        finish_context(now);
    } else if (current_ == Kind::Iotlb) {
        finish_iotlb(now);
    }
    owner_.begin_drain();
    settle(now);
}

void Commands::settle(TimePs now) {
    if (waits_ && !must_wait()) {
        waits_ = false;
        finish(now);
    }
}

bool Commands::must_wait() const {
    if (current_ != Kind::Global) {
        return drains_requests() && !owner_.drained();
    }
    const std::uint32_t changed = value_ ^ status();
    const bool stops_queue = (changed & gcmd::kQie) != 0 && (value_ & gcmd::kQie) == 0;
    const bool goes_off = (value_ & gcmd::kTe) == 0 && probes_.has(kOffWithoutDrain);
    return ((changed & gcmd::kTe) != 0 && !owner_.drained() && !goes_off) ||
           (stops_queue && !owner_.queue_idle());
}

void Commands::finish(TimePs now) {
    const Kind kind = current_;
    current_ = Kind::None;
    if (kind == Kind::Global) {
        finish_global(now);
        return;
    }
    // The answer shows: the command bit goes.
    const std::uint32_t high =
        kind == Kind::ContextCache ? reg::kCcmd + 4 : caps_.iotlb_offset + 12;
    registers_.set(high, registers_.get(high) & ~kTopBit);
}

// --- global commands ----------------------------------------------------------------------------

std::uint32_t Commands::offered() const {
    return gcmd::kTe | gcmd::kSrtp | (caps_.write_buffer_flush ? gcmd::kWbf : 0) |
           (caps_.queued_invalidation ? gcmd::kQie : 0) |
           (caps_.interrupt_cache ? gcmd::kIre | gcmd::kSirtp | gcmd::kCfi : 0);
}

void Commands::set_status(std::uint32_t bit, bool on) {
    registers_.set(reg::kGsts, on ? status() | bit : status() & ~bit);
}

void Commands::finish_global(TimePs now) {
    const std::uint32_t changed = value_ ^ status();
    if ((value_ & gcmd::kSrtp) != 0) {
        owner_.set_root_pointer(now);
        set_status(gcmd::kSrtp, true);
    }
    if ((value_ & gcmd::kSirtp) != 0) {
        set_status(gcmd::kSirtp, true);
    }
    if ((value_ & gcmd::kWbf) != 0) {
        set_status(gcmd::kWbf, false);
    }
    for (const std::uint32_t bit : {gcmd::kIre, gcmd::kCfi}) {
        set_status(bit, (value_ & bit) != 0);
    }
    if ((changed & gcmd::kTe) != 0) {
        const bool on = (value_ & gcmd::kTe) != 0;
        set_status(gcmd::kTe, on);
        owner_.switch_translation(now, on);
    }
    if ((changed & gcmd::kQie) != 0) {
        const bool on = (value_ & gcmd::kQie) != 0;
        set_status(gcmd::kQie, on);
        owner_.switch_queue(now, on);
    }
    const std::uint32_t remapping = gcmd::kTe | gcmd::kIre;
    if ((changed & remapping) != 0 && (status() & remapping) == 0) {
        owner_.faults_unused();
    }
}

// --- register-based invalidation ----------------------------------------------------------------

bool Commands::register_invalidation_legal() const {
    const bool legal = caps_.register_invalidation() && (status() & gcmd::kQie) == 0 &&
                       owner_.latched_mode() == TableMode::Legacy;
    return legal || probes_.has(kRegisterInvalidationAlways);
}

void Commands::finish_context(TimePs now) {
    const std::uint64_t value = registers_.get64(reg::kCcmd);
    const std::uint64_t asked = ccmd::kCirg.get(value);
    const bool legal = register_invalidation_legal() && asked != 0;
    if (legal) {
        owner_.invalidate_now(now, context_cache_invalidate(
                                       static_cast<ContextGranularity>(asked),
                                       DomainId{static_cast<std::uint16_t>(ccmd::kDid.get(value))},
                                       Rid{static_cast<std::uint16_t>(ccmd::kSid.get(value))},
                                       static_cast<unsigned>(ccmd::kFm.get(value))));
    }
    registers_.set64(reg::kCcmd, ccmd::kCaig.set(value, legal ? asked : 0));
}

void Commands::finish_iotlb(TimePs now) {
    const std::uint32_t place = caps_.iotlb_offset + 8;
    const std::uint64_t value = registers_.get64(place);
    const std::uint64_t range = registers_.get64(caps_.iotlb_offset);
    const auto asked = static_cast<IotlbGranularity>(iotlb::kIirg.get(value));
    const auto mask = static_cast<unsigned>(iotlb::kAm.get(range));
    const bool pages = asked == IotlbGranularity::Page && caps_.page_selective;
    const bool legal = register_invalidation_legal() && iotlb::kIirg.get(value) != 0 &&
                       (!pages || mask <= caps_.max_address_mask);
    // A unit that knows no pages invalidates the domain, and says so.
    const IotlbGranularity done =
        asked == IotlbGranularity::Page && !pages ? IotlbGranularity::Domain : asked;
    if (legal) {
        const DomainId did{static_cast<std::uint16_t>(iotlb::kDid.get(value))};
        owner_.invalidate_now(now, pages ? iotlb_invalidate(done, did, range & inv::kAddress, mask,
                                                            iotlb::kIh.get(range) != 0)
                                         : iotlb_invalidate(done, did));
    }
    registers_.set64(place, iotlb::kIaig.set(value, legal ? static_cast<std::uint64_t>(done) : 0));
}

// Reads and writes are drained together; from version 2 on always.
bool Commands::drains_requests() const {
    if (current_ != Kind::Iotlb) {
        return false;
    }
    const std::uint64_t value = registers_.get64(caps_.iotlb_offset + 8);
    return caps_.major() >= kAlwaysDrains || iotlb::kDr.get(value) != 0 ||
           iotlb::kDw.get(value) != 0;
}

}  // namespace ioasim::vtd
