// Page requests as a unit's hardware writes them into its queue, and the answers that a kernel on a
// fake machine gave.
#pragma once

#include <cstdint>
#include <vector>

#include "models/linux/page_request_service.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::test {

// A read of a page.
inline vtd::PageRequest page_read(Rid rid, Pasid pasid, std::uint64_t address, std::uint16_t group,
                                  bool last) {
    vtd::PageRequest r;
    r.has_pasid = true;
    r.rid = rid;
    r.pasid = pasid;
    r.read = true;
    r.last = last;
    r.group = group;
    r.address = address;
    return r;
}

// `Host` is the kernel under test with its machine (tests/unit).
template <class Host>
void write_request(Host& host, const vtd::PageRequest& request) {
    const std::uint64_t unit = host.unit().registers();
    std::uint64_t& tail = host.machine.hardware_register(unit + vtd::reg::kPqt);
    const std::uint64_t ring =
        host.machine.hardware_register(unit + vtd::reg::kPqa) & bit_mask(63, 12);
    const vtd::Descriptor d = vtd::encode(request);
    host.machine.poke(ring + tail, d.data(), sizeof d);
    tail += vtd::kDescriptorBytes;
}

template <class Host>
void arrive(Host& host, Rid rid, Pasid pasid, std::uint64_t address, std::uint16_t group,
            bool last) {
    write_request(host, page_read(rid, pasid, address, group, last));
    host.unit().page_requests()->handle(host.ctx);
}

// Of the page group responses that were queued, in order.
template <class Host>
std::vector<std::uint64_t> response_codes(const Host& host) {
    std::vector<std::uint64_t> found;
    for (const vtd::Descriptor& d : host.machine.descriptors) {
        if (vtd::type_of(d) == vtd::InvalidationType::PageGroupResponse) {
            found.push_back(vtd::inv::kResponseCode.get(d[0]));
        }
    }
    return found;
}

}  // namespace ioasim::test
