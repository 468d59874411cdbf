// The configuration space of one function, register by register: what software reads, which bits it
// may write, which a 1 clears, and what the registers tell the function to do.
//
// A function owns one, gives it the configuration requests that arrive, acts on what `write`
// returns and looks at `view()` when it makes requests; what only the function knows (page request
// status, transactions pending) it tells. Plain data without time. Stored and without effect:
// cache line size, interrupt line, relaxed ordering, error reporting enables, the smallest
// translation unit of ATS.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/time.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/pcie/pcie_if.hpp"

namespace ioasim::pcie {

// What the function can do: read-only registers are made of it.
struct ConfigAbilities {
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint32_t class_code = 0;
    std::uint64_t bar0_bytes = 4096;  // power of two
    std::uint64_t bar2_bytes = 0;     // 0: none
    std::uint64_t max_payload = 256;  // bytes
    bool ats = false;
    std::uint32_t invalidate_queue_depth = 32;  // 1..32
    bool global_invalidate = false;
    bool pasid = false;
    std::uint32_t pasid_width = 20;
    bool pasid_execute = false;
    bool pasid_privileged = false;
    bool page_requests = false;
    std::uint32_t page_request_capacity = 0;
};

// What the registers say now.
struct ConfigView {
    bool memory_space = false;
    bool bus_master = false;
    std::uint64_t bar0 = 0;
    std::uint64_t bar2 = 0;
    bool no_snoop = false;
    bool relaxed_ordering = false;
    std::uint32_t max_payload = 128;
    std::uint32_t max_read_request = 512;
    std::uint32_t timeout_code = 0;  // DEVCTL2 [3:0]
    bool timeout_disabled = false;
    bool ats = false;
    bool pasid = false;
    bool pasid_execute = false;
    bool pasid_privileged = false;
    bool page_requests = false;
    std::uint32_t page_request_allocation = 0;
};

// What a write told the function to do beside having new values.
struct ConfigOrders {
    bool reset_function = false;
    bool reset_page_requests = false;
};

class ConfigSpace {
public:
    explicit ConfigSpace(const ConfigAbilities& abilities);

    // `size` 1, 2 or 4, inside one dword (7.2.2).
    std::uint32_t read(std::uint32_t offset, unsigned size) const;
    ConfigOrders write(std::uint32_t offset, std::uint32_t value, unsigned size);
    // Function-level reset: everything but Max_Payload_Size as after power on (6.6.2).
    void reset();

    ConfigView view() const;
    // Status bits that the function sets, for software to read and clear.
    void set_status(std::uint32_t offset, std::uint32_t bits, bool on = true);
    // A completion of one of its requests came.
    void note_completion(CplStatus status);

private:
    void power_on();
    void lay_out_header();
    void lay_out_bar(std::uint32_t offset, std::uint64_t bytes);
    std::uint64_t bar(std::uint32_t offset) const;
    void lay_out_express();
    void lay_out_extended();
    void fixed(std::uint32_t offset, std::uint32_t value, unsigned size);
    void writable(std::uint32_t offset, std::uint32_t mask, unsigned size);
    void cleared_by_one(std::uint32_t offset, std::uint32_t mask, unsigned size);
    bool refused(std::uint32_t offset, std::uint32_t old, std::uint32_t wanted) const;
    std::uint32_t at(std::uint32_t offset, unsigned size) const { return read(offset, size); }
    void put(std::uint32_t offset, std::uint32_t value, unsigned size);

    using Bytes = std::array<std::uint8_t, kConfigBytes>;
    ConfigAbilities abilities_;
    Bytes values_{};
    Bytes writable_{};
    Bytes cleared_by_one_{};
};

// The completion time-out that DEVCTL2 chooses (7.5.3.16): the longer end of its range, as a
// function may wait so long; none for code 0, which leaves it to the function.
std::optional<TimePs> completion_timeout_of(std::uint32_t code);

}  // namespace ioasim::pcie
