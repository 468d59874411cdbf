// The PCI function of a DSA device: configuration space with ATS, PASID and page requests, as
// firmware leaves it, and its function-level reset (PCI Express Base
// Specification 6.6.2, 7.5, 10.5; DSA Architecture Specification: PCI configuration). Plain C++.
//
// Firmware assigned both BARs and enabled memory space and bus mastering; ATS, PASIDs and page
// requests are software's to enable. After a reset all registers are as after power on. Left out:
// MSI-X capability structure (its table is in BAR0 all the same), power management, SIOV DVSEC.
#pragma once

#include <optional>

#include "models/dsa/dsa_config.hpp"
#include "models/dsa/dsa_params.hpp"
#include "models/pcie/config_space_if.hpp"

namespace ioasim::dsa {

class Function {
public:
    Function(const DsaParams& params, const DsaConfig& config);

    const pcie::ConfigView& view() const { return view_; }
    std::uint32_t read(std::uint32_t offset, unsigned size) const {
        return space_.read(offset, size);
    }
    pcie::ConfigOrders write(std::uint32_t offset, std::uint32_t value, unsigned size);
    // The function claims addresses where firmware put its BARs.
    bool decodes_bar0() const { return view_.memory_space && view_.bar0 == bar0_; }
    bool decodes_bar2() const { return view_.memory_space && view_.bar2 == bar2_; }

    void note_completion(pcie::CplStatus status) { space_.note_completion(status); }
    void set_pending(bool pending) {
        space_.set_status(pcie::config::kDevSta, pcie::config::kTransactionsPending, pending);
    }
    void set_page_status(std::uint32_t bits, bool on = true) {
        space_.set_status(pcie::config::kPriStatus, bits, on);
    }
    bool response_failed() const {
        return (space_.read(pcie::config::kPriStatus, 2) & pcie::config::kResponseFailure) != 0;
    }

    void begin_reset(TimePs until);
    bool resetting(TimePs now) const { return reset_until_ && *reset_until_ > now; }

private:
    std::uint64_t bar0_;
    std::uint64_t bar2_;
    pcie::ConfigSpace space_;
    pcie::ConfigView view_;
    std::optional<TimePs> reset_until_;
};

}  // namespace ioasim::dsa
