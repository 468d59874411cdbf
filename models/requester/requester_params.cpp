#include "models/requester/requester_params.hpp"

namespace ioasim::requester {

namespace {

void add_engine(ParamTable<RequesterParams>& t) {
    using P = RequesterParams;
    t.timing("dma_engine.latency", &P::engine_latency,
             "traffic through the DMA engine: from a block's begin to its first request");
    t.timing("dma_engine.bandwidth", &P::engine_bandwidth,
             "rate from the DMA engine into the device's own memory; 0: no limit");
    t.count("dma_engine.outstanding", &P::engine_outstanding, 1, 1024, 36,
            "blocks that the DMA engine has under way at most",
            "65.6 million reads a second of 546 ns each (Neugebauer et al., SIGCOMM'18, raw data)");
}

}  // namespace

const ParamTable<RequesterParams>& requester_param_table() {
    static const ParamTable<RequesterParams> table = [] {
        using P = RequesterParams;
        ParamTable<P> t{"requester"};
        pcie::add_link_params(t, {4, 16, 64});
        t.count("max_read_request", &P::max_read_request, 128, 4096, 512,
                "largest read request that firmware allows; software may change it",
                "PCI Express Base Specification 7.5.3.4: default of Max_Read_Request_Size",
                Unit::Bytes)
            .in_powers_of_two();
        t.count("tags", &P::tags, 1, 1024, 32, "read requests outstanding at a time",
                "PCI Express Base Specification 2.2.6.2: 5-bit tags");
        t.timing(
            "completion_timeout", &P::completion_timeout,
            "a read that is not answered for so long is given up, unless software chose a range");
        t.timing("tag_quarantine", &P::tag_quarantine,
                 "the tag of a read that was given up is not used again for so long, unless its "
                 "completion comes");
        t.timing("register_access", &P::register_access, "register read: arrival to completion");
        t.timing("reset", &P::reset_time,
                 "function-level reset: from its order until the function answers again");
        t.count("atc.entries", &P::atc_entries, 1, 65536, 64, "translations in the device TLB",
                "modelling choice: fully associative, the least recently used one goes");
        t.count("atc.translations", &P::atc_translations, 1, 8, 1,
                "translations that one request asks for at most",
                "PCI Express Base Specification 10.2.2: 8 bytes each, within the read completion "
                "boundary");
        t.timing("atc.invalidation", &P::atc_invalidation,
                 "invalidation request: arrival until the entries are gone");
        t.flag("atc.global", &P::atc_global, true, "the Global Invalidate bit is understood",
               "PCI Express Base Specification 10.5.1.2");
        t.count("pasid.width", &P::pasid_width, 1, 20, 20, "bits of PASIDs that the function sends",
                "PCI Express Base Specification 7.8.8.2");
        t.count("page_request.capacity", &P::page_capacity, 1, 65536, 512,
                "page requests that the function can have outstanding",
                "PCI Express Base Specification 10.5.2.4: told to software, which allocates");
        t.count("page_request.group", &P::page_group, 1, 8, 8,
                "pages of an operation that are asked for in one group",
                "modelling choice: the pages that the operation still needs");
        t.count("page_request.retries", &P::page_retries, 1, 65536, 16,
                "a page that was promised so often and does not come is given up",
                "modelling choice");
        add_engine(t);
        return t;
    }();
    return table;
}

}  // namespace ioasim::requester
