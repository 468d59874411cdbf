#include "models/requester/requester_params.hpp"

namespace ioasim::requester {

const ParamTable<RequesterParams>& requester_param_table() {
    static const ParamTable<RequesterParams> table = [] {
        using P = RequesterParams;
        ParamTable<P> t{"requester"};
        pcie::add_link_params(t, {4, 16, 32'000, "as 16 lanes of 16 GT/s", 10_ns,
                                  "modelling choice: as an integrated endpoint", 64});
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
        return t;
    }();
    return table;
}

}  // namespace ioasim::requester
