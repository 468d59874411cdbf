// Parameters of the link between a function and the root complex, for the tables of all devices:
// generation, width, latency, sizes, and the credits that the function advertises.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/base/params.hpp"
#include "models/pcie/link_layout.hpp"

namespace ioasim::pcie {

// What a receiver advertises for each class; 0: no limit.
struct CreditLimits {
    std::array<std::uint64_t, kCreditClasses> headers{};
    std::array<std::uint64_t, kCreditClasses> data{};

    bool any() const;
};

// A function's link, both directions, and what the function advertises. Parameter structs of
// devices inherit it and add their own defaults with add_link_params().
struct LinkParams {
    std::uint64_t link_generation = 0;
    std::uint64_t link_width = 0;
    std::uint64_t link_bandwidth = 0;  // of an endpoint without a physical link
    TimePs link_latency;
    std::uint64_t max_payload = 0;
    std::uint64_t posted_headers = 0;
    std::uint64_t posted_data = 0;
    std::uint64_t nonposted_headers = 0;
    std::uint64_t nonposted_data = 0;

    bool physical() const { return link_generation != kNoPhysicalLink; }
    // Towards the root complex.
    std::uint64_t rate() const {
        return physical() ? link_rate(link_generation, link_width) : link_bandwidth;
    }
    CreditLimits advertised() const;
};
// Empty, or why no transaction could ever leave: data credits below one payload (2.6.1).
std::string credit_problem(const CreditLimits& limits, std::uint64_t max_payload);

struct LinkDefaults {
    std::uint64_t generation;
    std::uint64_t width;
    std::uint64_t credits;  // 0: without limits
};

// Rows "link.*", "max_payload" and "credits.*" of a device's table; P inherits LinkParams.
template <class P>
void add_link_params(ParamTable<P>& t, const LinkDefaults& d) {
    t.count("link.generation", &P::link_generation, 0, kLastGeneration, d.generation,
            "generation of the link to the root complex; 0: an integrated endpoint without a "
            "physical link, link.bandwidth is its rate",
            "PCI Express Base Specification 6.0, 4.2: 2.5, 5, 8, 16, 32, 64 GT/s");
    t.count("link.width", &P::link_width, 1, kWidestLink, d.width, "lanes of a physical link",
            "PCI Express Base Specification 6.0, 7.5.3.6")
        .in_powers_of_two();
    t.timing("link.latency", &P::link_latency, "device to root complex, one way");
    t.timing("link.bandwidth", &P::link_bandwidth,
             "device to root complex without a physical link, headers included; 0: no limit");
    t.count("max_payload", &P::max_payload, 64, 4096, 256,
            "largest write; writes never cross a 4-KiB page",
            "PCI Express Base Specification 7.5.3.4: common Max_Payload_Size of servers",
            Unit::Bytes)
        .in_powers_of_two();
    const char* const kSource =
        "PCI Express Base Specification 6.0, 2.6.1; how many is a modelling choice";
    t.count("credits.posted_headers", &P::posted_headers, 0, 65536, d.credits,
            "writes and messages that the device has room for; 0: no limit", kSource);
    t.count("credits.posted_data", &P::posted_data, 0, 65536, d.credits * 4,
            "their data in units of 16 bytes, at least one payload; 0: no limit", kSource);
    t.count("credits.nonposted_headers", &P::nonposted_headers, 0, 65536, d.credits,
            "reads and deferrable writes that the device has room for; 0: no limit", kSource);
    t.count("credits.nonposted_data", &P::nonposted_data, 0, 65536, d.credits * 4,
            "data of deferrable writes in units of 16 bytes, at least 4; 0: no limit", kSource);
}

}  // namespace ioasim::pcie
