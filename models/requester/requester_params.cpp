#include "models/requester/requester_params.hpp"

namespace ioasim::requester {

const ParamTable<RequesterParams>& requester_param_table() {
    static const ParamTable<RequesterParams> table = [] {
        using P = RequesterParams;
        ParamTable<P> t{"requester"};
        t.count("max_payload", &P::max_payload, 64, 4096, 256,
                "largest write; writes never cross a 4-KiB page",
                "PCI Express Base Specification 7.5.3.4: common Max_Payload_Size of servers",
                Unit::Bytes)
            .in_powers_of_two();
        t.count("max_read_request", &P::max_read_request, 64, 4096, 512,
                "largest read request; requests never cross a 4-KiB page",
                "PCI Express Base Specification 7.5.3.4: default of Max_Read_Request_Size",
                Unit::Bytes)
            .in_powers_of_two();
        t.count("tags", &P::tags, 1, 1024, 32, "read requests outstanding at a time",
                "PCI Express Base Specification 2.2.6.2: 5-bit tags");
        t.time("completion_timeout", &P::completion_timeout, 50_us, 50_ms, 1_ms,
               "a read that is not answered for so long is given up",
               "PCI Express Base Specification 7.5.3.16: default range 50 us to 50 ms");
        t.time("register_access", &P::register_access, 1_ps, 10_us, 20_ns,
               "register read: arrival to completion", "modelling choice: on-die register file");
        t.time("link.latency", &P::link_latency, 1_ps, 10_us, 10_ns, "one way to the root complex",
               "modelling choice: as an integrated endpoint");
        t.count("link.bandwidth", &P::link_bandwidth, 0, 10'000'000, 32'000,
                "rate to the root complex; 0: no limit",
                "PCI Express Base Specification: 16 lanes of 16 GT/s are 32 GB/s", Unit::Bandwidth);
        return t;
    }();
    return table;
}

}  // namespace ioasim::requester
