// The test requester's configuration space: what it claims to be able to do, how firmware leaves
// it, and its function-level reset (PCI Express base specification 6.6.2).
//
// Firmware assigned BAR0 and enabled memory space, bus mastering and the sizes of requests, as on a
// booted PC; ATS, PASIDs and page requests are software's to enable. A reset takes `reset`; until
// it is over configuration requests are answered with Request Retry Status and nothing else
// happens. Afterwards all registers are as after power on, so that software restores BAR0 first.
#pragma once

#include <optional>

#include "models/pcie/config_space_if.hpp"
#include "models/requester/requester_params.hpp"

namespace ioasim::requester {

class FunctionConfig {
public:
    FunctionConfig(const RequesterParams& params, std::uint64_t bar0);

    const pcie::ConfigView& view() const { return view_; }
    std::uint32_t read(std::uint32_t offset, unsigned size) const {
        return space_.read(offset, size);
    }
    pcie::ConfigOrders write(std::uint32_t offset, std::uint32_t value, unsigned size);
    // The function claims addresses at BAR0.
    bool decodes(std::uint64_t bar0) const { return view_.memory_space && view_.bar0 == bar0; }
    // None: software switched it off.
    std::optional<TimePs> completion_timeout() const;

    void note_completion(pcie::CplStatus status) { space_.note_completion(status); }
    void set_pending(bool pending);
    void set_page_status(std::uint32_t bits, bool on = true) {
        space_.set_status(pcie::config::kPriStatus, bits, on);
    }
    bool response_failed() const {
        return (space_.read(pcie::config::kPriStatus, 2) & pcie::config::kResponseFailure) != 0;
    }

    void begin_reset(TimePs now);
    bool resetting(TimePs now) const { return reset_until_ && *reset_until_ > now; }

private:
    RequesterParams params_;
    pcie::ConfigSpace space_;
    pcie::ConfigView view_;
    std::optional<TimePs> reset_until_;
};

}  // namespace ioasim::requester
