#include "models/vtd/vtd_device_tlb.hpp"

#include <algorithm>

#include "core/base/check.hpp"
#include "models/vtd/vtd_corner_probes.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::vtd {

DeviceTlbRequest decode_device_tlb(const Descriptor& d, bool throttle) {
    const bool with_pasid = type_of(d) == InvalidationType::PasidDeviceTlb;
    DeviceTlbRequest r;
    r.function = Rid{static_cast<std::uint16_t>((with_pasid ? inv::kDevSid : inv::kSid).get(d[0]))};
    r.throttled_by = r.function;
    if (throttle) {
        r.throttled_by = Rid{static_cast<std::uint16_t>(inv::kPfsidLow.get(d[0]) |
                                                        (inv::kPfsidHigh.get(d[0]) << 4U))};
    }
    r.body.address = d[1] & inv::kAddress;
    if (with_pasid) {
        r.pasid = Pasid{static_cast<std::uint32_t>(inv::kPasid.get(d[0]))};
        r.body.size_bit = inv::kPasidDevSize.get(d[1]) != 0;
        r.body.global = inv::kPasidDevGlobal.get(d[1]) != 0;
    } else {
        r.body.size_bit = inv::kDevSize.get(d[1]) != 0;
    }
    const std::uint64_t limit = (with_pasid ? inv::kPasidDevPending : inv::kDevPending).get(d[0]);
    r.max_pending = limit == 0 ? pcie::kItagCount : static_cast<unsigned>(limit);
    return r;
}

bool DeviceTlbInvalidations::room_for(const DeviceTlbRequest& request) const {
    if (pending_ == slots_.size()) {
        return false;
    }
    const auto of_device = std::count_if(slots_.begin(), slots_.end(), [&](const Slot& s) {
        return s.used && s.throttled_by == request.throttled_by;
    });
    return static_cast<std::size_t>(of_device) < request.max_pending;
}

std::uint32_t DeviceTlbInvalidations::begin(TimePs now, const DeviceTlbRequest& request) {
    SIM_CHECK(room_for(request), "an invalidation for {:#06x} without room",
              request.function.value());
    while (slots_[next_slot_].used) {
        next_slot_ = (next_slot_ + 1) % slots_.size();
    }
    const std::size_t index = next_slot_;
    next_slot_ = (next_slot_ + 1) % slots_.size();
    slots_[index] =
        Slot{true, request.function, request.throttled_by, next_serial_++, now + timeout_, 0};
    ++pending_;
    return static_cast<std::uint32_t>(index);
}

bool DeviceTlbInvalidations::done_before(Serial mark) const {
    if (pending_ == slots_.size() && probes_.has(kFullTagsPass)) {
        return true;
    }
    return std::none_of(slots_.begin(), slots_.end(),
                        [&](const Slot& s) { return s.used && s.serial < mark; });
}

void DeviceTlbInvalidations::free(std::size_t index) {
    slots_[index].used = false;
    --pending_;
}

DeviceTlbInvalidations::Answer DeviceTlbInvalidations::complete(Rid function,
                                                                const pcie::InvalidateDone& done) {
    Answer answer;
    answer.unexpected = done.itags == 0;
    for (std::uint32_t itag = 0; itag < pcie::kItagCount; ++itag) {
        if (((done.itags >> itag) & 1U) == 0) {
            continue;
        }
        if (itag >= slots_.size() || !slots_[itag].used || slots_[itag].function != function) {
            answer.unexpected = true;
            continue;
        }
        ++slots_[itag].received;
        if (slots_[itag].received >= done.count || probes_.has(kFirstCompletionEnds)) {
            free(itag);
            answer.ended.push_back({function, itag});
        }
    }
    return answer;
}

std::optional<TimePs> DeviceTlbInvalidations::deadline() const {
    std::optional<TimePs> first;
    for (const Slot& slot : slots_) {
        if (slot.used && (!first || slot.deadline < *first)) {
            first = slot.deadline;
        }
    }
    return first;
}

std::optional<DeviceTlbInvalidations::Ended> DeviceTlbInvalidations::expire(TimePs now) {
    std::size_t oldest = slots_.size();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const bool late = slots_[i].used && slots_[i].deadline <= now;
        if (late && (oldest == slots_.size() || slots_[i].serial < slots_[oldest].serial)) {
            oldest = i;
        }
    }
    if (oldest == slots_.size()) {
        return std::nullopt;
    }
    free(oldest);
    return Ended{slots_[oldest].function, static_cast<std::uint32_t>(oldest)};
}

}  // namespace ioasim::vtd
