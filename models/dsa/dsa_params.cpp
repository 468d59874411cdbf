#include "models/dsa/dsa_params.hpp"

#include "models/dsa/dsa_layout.hpp"

namespace ioasim::dsa {

namespace {

void add_sizes(ParamTable<DsaParams>& t) {
    const char* const kDump = "capabilities of a Sapphire Rapids DSA (accel-config dump)";
    t.count("wq.total_entries", &DsaParams::total_entries, 1, 65535, 128,
            "entries that all workqueues of the device share out", kDump);
    t.count("groups", &DsaParams::groups, 1, kMaxGroups, 4, "groups", kDump);
    t.count("read_buffers", &DsaParams::read_buffers, 2, 255, 96,
            "read buffers of the device; outstanding reads occupy them", kDump);
    t.count("max_transfer_shift", &DsaParams::max_transfer_shift, 12, 31, 31,
            "largest transfer: 2^n bytes", kDump);
    t.count("max_batch_shift", &DsaParams::max_batch_shift, 1, 15, 10,
            "largest batch: 2^n descriptors", kDump);
    t.flag("cap.overlapping_copy", &DsaParams::overlapping_copy, true,
           "memory moves whose source and destination overlap", kDump);
    t.flag("cap.event_log", &DsaParams::event_log, false,
           "errors without a record go to a log in memory (version 2 of the device)",
           "Linux drivers/dma/idxd/registers.h: GENCAP, EVLCFG; not in the dump of a Sapphire "
           "Rapids DSA");
    t.flag("cap.block_on_fault", &DsaParams::block_on_fault, true,
           "descriptors may wait for pages that are not there", kDump);
    t.count("perfmon.counters", &DsaParams::perfmon_counters, 1, perf::kMaxCounters, 8,
            "performance counters", "Linux drivers/dma/idxd/perfmon.c: up to 32, as PERFCAP says");
    t.count("interrupt_handles", &DsaParams::interrupt_handles, 0, 1024, 0,
            "interrupt handles to be requested by command; 0: MSI-X indexes are the handles",
            "DSA Architecture Specification: Request Interrupt Handle; CMDCAP is not valid on a "
            "Sapphire Rapids DSA");
    t.count("halt_reset", &DsaParams::halt_reset, 0, 3, 0,
            "what a halted device asks for: 0 software reset, 1 function-level reset, 2 warm, 3 "
            "cold",
            "modelling choice: GENSTS has all four");
    t.count("msix.vectors", &DsaParams::msix_vectors, 1, kMaxVectors, 9, "MSI-X vectors", kDump);
    t.count(
        "cap.message_storage", &DsaParams::message_storage, 0, kMaxImsUnits, 0,
        "interrupt message storage: units of 256 entries",
        "DSA Architecture Specification: GENCAP, Interrupt Message Storage Size; none by default, "
        "as hosts without virtual devices use none");
    t.count("read_buffer_bytes", &DsaParams::read_buffer_bytes, 64, 4096, 64,
            "bytes of one read buffer",
            "derived: 96 buffers of 64 bytes and 205 ns give the measured 30 GB/s", Unit::Bytes)
        .in_powers_of_two();
    t.count("max_read_request", &DsaParams::max_read_request, 64, 4096, 512,
            "largest read request; requests never cross a 4-KiB page",
            "PCI Express Base Specification 7.5.3.4: default of Max_Read_Request_Size", Unit::Bytes)
        .in_powers_of_two();
    t.count("read_tags", &DsaParams::read_tags, 2, 512, 256,
            "tags of read requests, taken in turn; translation requests have others",
            "PCI Express Base Specification 2.2.6.2: 8-bit tags");
    t.timing("engine_depth", &DsaParams::engine_depth,
             "descriptors that one engine works on at a time");
}

void add_latencies(ParamTable<DsaParams>& t) {
    t.timing("register_access", &DsaParams::register_access,
             "register read: arrival to completion");
    t.timing("portal_accept", &DsaParams::portal_accept,
             "submission at the portal to its completion (accepted or retry)");
    t.timing("dispatch", &DsaParams::dispatch,
             "head of a workqueue through the arbiter to an engine");
    t.timing("engine_setup", &DsaParams::engine_setup,
             "an engine decodes and checks a descriptor, one at a time");
    t.timing("completion", &DsaParams::completion,
             "last data to the write of the completion record");
    t.timing("command", &DsaParams::command,
             "command register to done, beside what a drain waits for");
    t.timing("completion_timeout", &DsaParams::completion_timeout,
             "a read that is not answered for so long is given up");
    t.timing("tag_quarantine", &DsaParams::tag_quarantine,
             "the tag of a request that was given up is not used again for so long, unless its "
             "completion comes");
}

void add_translation(ParamTable<DsaParams>& t) {
    t.count("ats.requests", &DsaParams::ats_requests, 1, 256, 32,
            "translation requests outstanding at a time", "modelling choice");
    t.timing("ats.ahead", &DsaParams::ats_ahead,
             "pages of an operand that are translated ahead of need");
    t.timing("ats.lookup", &DsaParams::ats_lookup, "look-up in an engine's device TLB");
    t.timing("ats.issue", &DsaParams::ats_issue,
             "miss in the device TLB to the translation request");
    t.timing("ats.invalidation", &DsaParams::ats_invalidation,
             "invalidation request: arrival until the entries are gone");
    t.count("page_request.capacity", &DsaParams::page_capacity, 1, 512, 512,
            "page requests that the function can have outstanding, one a group",
            "PCI Express Base Specification 10.5.2.4: told to software, which allocates");
    t.count("page_request.retries", &DsaParams::page_retries, 1, 65536, 16,
            "a page that was promised so often and does not come is refused (status 04)",
            "modelling choice");
    t.timing("page_request.retry", &DsaParams::page_retry,
             "page response to the next translation request");
    t.timing("reset", &DsaParams::reset_time,
             "function-level reset: from its order until the function answers again");
}

}  // namespace

const ParamTable<DsaParams>& dsa_param_table() {
    static const ParamTable<DsaParams> table = [] {
        ParamTable<DsaParams> t{"device"};
        add_sizes(t);
        add_latencies(t);
        add_translation(t);
        pcie::add_link_params(t, {pcie::kNoPhysicalLink, 1, 0});
        return t;
    }();
    return table;
}

}  // namespace ioasim::dsa
