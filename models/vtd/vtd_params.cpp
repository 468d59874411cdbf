#include "models/vtd/vtd_params.hpp"

namespace ioasim::vtd {
namespace {

void add_registers(ParamTable<VtdParams>& t) {
    t.count(
        "version", &VtdParams::version, 0x10, 0x8F, 0x60,
        "VER: minor version in bits 3:0, major in 7:4. Below 6 (60h = 96) register-based "
        "invalidation works; from 2 on invalidations always drain; from 8 on ER is refused early.",
        "VT-d specification 11.4.1");
    t.bits("cap.raw", &VtdParams::raw_cap, VtdParams::kNotRaw,
           "CAP as a number, \"0x...\"; all bits 1: made from the other parameters. A bit that the "
           "model lacks is "
           "refused.",
           "VT-d specification 11.4.2");
    t.bits("ecap.raw", &VtdParams::raw_ecap, VtdParams::kNotRaw,
           "ECAP as a number, \"0x...\"; all bits 1: made from the other parameters. A bit that "
           "the model lacks is "
           "refused.",
           "VT-d specification 11.4.3");
    t.count("cap.host_address_width", &VtdParams::host_address_width, 32, 52, 46,
            "Bits of a host physical address; table bits above are reserved.",
            "VT-d specification 8.1 (DMAR host address width); 46 bits as on servers");
}

void add_cap(ParamTable<VtdParams>& t) {
    t.flag("registers.hardwired_addresses", &VtdParams::hardwired_addresses, false,
           "RTADDR, IRTA, IQA and PQA keep no address bits beyond the host address width.",
           "VT-d specification 11.4.5 (left to hardware)");
    t.count("cap.domain_bits", &VtdParams::domain_bits, 4, 16, 16,
            "Bits of a domain id: 4 + 2 * ND.", "VT-d specification 11.4.2 (ND)")
        .in_multiples_of(2);
    t.flag("cap.write_buffer_flush", &VtdParams::write_buffer_flush, false,
           "The flush command of write buffers exists. The model has no such buffers: it completes "
           "at once.",
           "VT-d specification 11.4.2 (RWBF)");
    t.flag("cap.caching_mode", &VtdParams::caching_mode, false,
           "Software must invalidate after making entries present too; domain id 0 is reserved. "
           "Hardware has it clear.",
           "VT-d specification 11.4.2 (CM)");
    t.flag("cap.second_stage_3_levels", &VtdParams::second_stage_3_levels, false,
           "39-bit second stage.", "VT-d specification 11.4.2 (SAGAW)");
    t.flag("cap.second_stage_4_levels", &VtdParams::second_stage_4_levels, true,
           "48-bit second stage.", "VT-d specification 11.4.2 (SAGAW)");
    t.flag("cap.second_stage_5_levels", &VtdParams::second_stage_5_levels, true,
           "57-bit second stage.", "VT-d specification 11.4.2 (SAGAW)");
    t.count("cap.guest_address_width", &VtdParams::guest_address_width, 32, 57, 57,
            "Bits of an input address of second-stage translation (MGAW + 1).",
            "VT-d specification 11.4.2 (MGAW)");
    t.flag("cap.zero_length_reads", &VtdParams::zero_length_reads, true,
           "A read of no bytes may touch a page that is only writable.",
           "VT-d specification 11.4.2 (ZLR)");
    t.count("cap.fault_record_offset", &VtdParams::fault_record_offset, 0xF0, 0xDF0, 0x220,
            "Where the fault recording registers are.", "VT-d specification 11.4.2 (FRO)")
        .in_multiples_of(16);
    t.flag("cap.second_stage_2m", &VtdParams::second_stage_2m, true, "2-MiB second-stage pages.",
           "VT-d specification 11.4.2 (SSLPS)");
    t.flag("cap.second_stage_1g", &VtdParams::second_stage_1g, true, "1-GiB second-stage pages.",
           "VT-d specification 11.4.2 (SSLPS)");
    t.flag("cap.page_selective", &VtdParams::page_selective, true,
           "IOTLB invalidation by page in a domain.", "VT-d specification 11.4.2 (PSI)");
    t.count("cap.fault_records", &VtdParams::fault_records, 1, 128, 8, "Fault recording registers.",
            "VT-d specification 11.4.2 (NFR)");
    t.count("cap.max_address_mask", &VtdParams::max_address_mask, 0, 63, 18,
            "Largest address mask of a page-selective invalidation by domain.",
            "VT-d specification 11.4.2 (MAMV)");
    t.flag("cap.write_drain", &VtdParams::write_drain, true,
           "Writes can be drained by an invalidation.", "VT-d specification 11.4.2 (DWD)");
    t.flag("cap.read_drain", &VtdParams::read_drain, true,
           "Reads can be drained by an invalidation.", "VT-d specification 11.4.2 (DRD)");
    t.flag("cap.first_stage_1g", &VtdParams::first_stage_1g, true, "1-GiB first-stage pages.",
           "VT-d specification 11.4.2 (FS1GP)");
    t.flag("cap.first_stage_5_levels", &VtdParams::first_stage_5_levels, true,
           "First-stage tables of five levels.", "VT-d specification 11.4.2 (FS5LP)");
    t.flag(
        "cap.flush_on_sirtp", &VtdParams::flush_on_sirtp, false,
        "Setting the interrupt table pointer invalidates the interrupt cache (the model has none).",
        "VT-d specification 11.4.2 (ESIRTPS)");
    t.flag("cap.flush_on_srtp", &VtdParams::flush_on_srtp, true,
           "Setting the root table pointer invalidates all caches.",
           "VT-d specification 11.4.2 (ESRTPS)");
}

void add_ecap(ParamTable<VtdParams>& t) {
    t.flag("cap.coherent", &VtdParams::coherent, true,
           "Root, context and PASID structures and legacy page tables are read snooped.",
           "VT-d specification 11.4.3 (C)");
    t.flag("cap.queued_invalidation", &VtdParams::queued_invalidation, true,
           "The invalidation queue.", "VT-d specification 11.4.3 (QI)");
    t.flag("cap.device_tlb", &VtdParams::device_tlb, false,
           "Translation requests and translated requests of devices.",
           "VT-d specification 11.4.3 (DT)");
    t.flag("cap.interrupt_remapping", &VtdParams::interrupt_cache, false,
           "Registers and queue entries of interrupt remapping; interrupts themselves pass "
           "unremapped.",
           "VT-d specification 11.4.3 (IR)");
    t.flag("cap.x2apic", &VtdParams::x2apic, false,
           "Event messages have an upper address register.", "VT-d specification 11.4.3 (EIM)");
    t.flag("cap.pass_through", &VtdParams::pass_through, true, "Pass-through translation type.",
           "VT-d specification 11.4.3 (PT)");
    t.flag("cap.snoop_control", &VtdParams::snoop_control, true, "PGSNP and SNP fields.",
           "VT-d specification 11.4.3 (SC)");
    t.count("cap.iotlb_offset", &VtdParams::iotlb_offset, 0xF0, 0xDF0, 0xF0,
            "Where the registers IVA and IOTLB are.", "VT-d specification 11.4.3 (IRO)")
        .in_multiples_of(16);
    t.count("cap.max_handle_mask", &VtdParams::max_handle_mask, 0, 15, 0,
            "Largest index mask of an interrupt cache invalidation.",
            "VT-d specification 11.4.3 (MHMV)");
    t.flag("cap.nested", &VtdParams::nested, true, "Nested translation; needs both stages.",
           "VT-d specification 11.4.3 (NEST)");
    t.flag("cap.page_requests", &VtdParams::page_requests, false, "Page requests of devices.",
           "VT-d specification 11.4.3 (PRS)");
    t.flag("cap.supervisor", &VtdParams::supervisor, true, "Supervisor requests (SRE field).",
           "VT-d specification 11.4.3 (SRS)");
    t.flag("cap.no_write_flag", &VtdParams::no_write_flag, false,
           "The no-write flag of translation requests counts.", "VT-d specification 11.4.3 (NWFS)");
    t.flag("cap.extended_accessed", &VtdParams::extended_accessed, true,
           "Extended accessed flag of first-stage entries (EAFE field).",
           "VT-d specification 11.4.3 (EAFS)");
    t.count("cap.pasid_bits", &VtdParams::pasid_bits, 1, 20, 20,
            "PASID bits that the unit accepts (PSS + 1).", "VT-d specification 11.4.3 (PSS)");
    t.flag("cap.pasid", &VtdParams::pasid, true, "Requests with PASID (PASIDE field).",
           "VT-d specification 11.4.3 (PASID)");
    t.flag("cap.device_tlb_throttle", &VtdParams::device_tlb_throttle, false,
           "PFSID field of device-TLB invalidations.", "VT-d specification 11.4.3 (DIT)");
    t.flag("cap.page_request_drain", &VtdParams::page_request_drain, false,
           "PD flag of invalidation waits.", "VT-d specification 11.4.3 (PDS)");
    t.flag("cap.scalable", &VtdParams::scalable, true, "Scalable mode.",
           "VT-d specification 11.4.3 (SMTS)");
    t.flag("cap.second_stage_ad", &VtdParams::second_stage_ad, true,
           "Accessed and dirty flags of the second stage.", "VT-d specification 11.4.3 (SSADS)");
    t.flag("cap.second_stage", &VtdParams::second_stage, true,
           "Second-stage translation in scalable mode.", "VT-d specification 11.4.3 (SSTS)");
    t.flag("cap.first_stage", &VtdParams::first_stage, true, "First-stage translation.",
           "VT-d specification 11.4.3 (FSTS)");
    t.flag("cap.snooped_walks", &VtdParams::snooped_walks, true, "PWSNP field.",
           "VT-d specification 11.4.3 (SMPWCS)");
    t.flag("cap.rid_pasid", &VtdParams::rid_pasid, true, "RID_PASID field of context entries.",
           "VT-d specification 11.4.3 (RPS)");
    t.flag("cap.abort_dma", &VtdParams::abort_dma, true,
           "Abort-DMA mode of the root table register.", "VT-d specification 11.4.3 (ADMS)");
    t.flag("cap.rid_privilege", &VtdParams::rid_privilege, true,
           "RID_PRIV field of context entries.", "VT-d specification 11.4.3 (RPRIVS)");
    t.flag("cap.translated_with_pasid", &VtdParams::translated_with_pasid, false,
           "Translated requests with PASID (EPTR field).", "VT-d specification 11.4.3 (PTRS)");
    t.flag("cap.second_stage_io_rw", &VtdParams::second_stage_io_rw, false,
           "Separate read and write permissions of devices in second-stage entries (SSIRWE).",
           "VT-d specification 11.4.3 (SSIRWS)");
    t.flag("cap.stop_markers", &VtdParams::stop_markers, false,
           "Stop markers that find no room vanish.", "VT-d specification 11.4.3 (SMS)");
}

constexpr const char* kNoFigure = "modelling choice: no published figure";

void add_caches(ParamTable<VtdParams>& t) {
    t.count("context_cache.entries", &VtdParams::context_entries, 0, 65536, 64,
            "Context entries cached, in whole sets of ways; 0: none.", kNoFigure);
    t.count("context_cache.ways", &VtdParams::context_ways, 0, 65536, 4,
            "Associativity of the context cache; 0: no cache, as many as entries: full.",
            kNoFigure);
    t.count("pasid_cache.entries", &VtdParams::pasid_entries, 0, 65536, 256,
            "PASID entries cached, in whole sets of ways; 0: none.", kNoFigure);
    t.count("pasid_cache.ways", &VtdParams::pasid_ways, 0, 65536, 8,
            "Associativity of the PASID cache; 0: no cache.", kNoFigure);
    t.count("iotlb.entries", &VtdParams::iotlb_entries, 0, 65536, 512,
            "Translations cached, in whole sets of ways; 0: none.",
            "modelling choice between 112 effective entries measured on Haswell and Broadwell "
            "(Neugebauer et al., SIGCOMM'18, raw data) and 4096; no figure for newer parts");
    t.count("iotlb.ways", &VtdParams::iotlb_ways, 0, 65536, 8,
            "Associativity of the IOTLB; 0: no cache.", kNoFigure);
    t.count("iotlb.largest_level", &VtdParams::iotlb_largest_level, 1, 3, 3,
            "Largest page that one entry holds: 1 4 KiB, 2 2 MiB, 3 1 GiB. Larger ones are cut.",
            "VT-d specification 6.2.4 (fracturing is allowed)");
    t.timing("first_stage_cache.entries", &VtdParams::first_stage_entries,
             "First-stage paging-structure entries cached of each level; 0: none.");
    t.count("first_stage_cache.ways", &VtdParams::first_stage_ways, 0, 65536, 4,
            "Associativity of the first-stage paging-structure caches; 0: no cache.", kNoFigure);
    t.count("second_stage_cache.entries", &VtdParams::second_stage_entries, 0, 65536, 0,
            "Second-stage paging-structure entries cached of each level; 0: none.", kNoFigure);
    t.count("second_stage_cache.ways", &VtdParams::second_stage_ways, 0, 65536, 4,
            "Associativity of the second-stage paging-structure caches; 0: no cache.", kNoFigure);
    t.choice("caches.replacement", &VtdParams::replacement, {"lru", "fifo", "random"},
             Replacement::LeastRecentlyUsed, "Which entry of a full set has to go.",
             "VT-d specification 6.2 (left to hardware)");
    t.choice("caches.coarseness", &VtdParams::coarseness, {"exact", "tag", "everything"},
             Coarseness::Exact,
             "What an invalidation takes: what it names; for pages the whole domain or PASID; or "
             "everything of its cache.",
             "VT-d specification 6.5.2 (hardware may take more than asked)");
    t.flag("caches.share_rid_pasid", &VtdParams::share_rid_pasid, false,
           "IOTLB entries of requests without PASID serve requests with RID_PASID as PASID.",
           "VT-d specification 6.2.1");
    t.count("caches.self_eviction", &VtdParams::self_eviction, 0, 1'000'000, 0,
            "So many of a million look-ups find that an IOTLB entry went by itself.",
            "VT-d specification 6.2 (entries may go at any time)");
    t.count("walk.ahead", &VtdParams::walk_ahead, 0, 64, 0,
            "Pages behind a page that was walked for an untranslated request which idle walkers "
            "walk and cache as well; their accessed flags are set.",
            "VT-d specification 6.2, 3.6.2 (speculative walks are left to hardware)");
}

void add_queues(ParamTable<VtdParams>& t) {
    t.count("invalidation.prefetch", &VtdParams::queue_prefetch, 0, 64, 2,
            "Descriptors fetched ahead of the one in execution; 0: each is fetched when the one "
            "before is done.",
            "modelling choice; VT-d specification 6.5.2 leaves it open");
    t.count("invalidation.pending_waits", &VtdParams::pending_waits, 0, 64, 0,
            "Waits without fence that are pending while later descriptors are executed; 0: every "
            "wait holds the queue.",
            "modelling choice; VT-d specification 6.5.2.8 leaves it open (FN)");
    t.count("invalidation.itags", &VtdParams::itags, 1, 32, 32,
            "Device-TLB invalidations under way at a time, over all devices.",
            "PCIe base specification 10.3.1: 32 tags");
    t.timing("invalidation.timeout", &VtdParams::device_tlb_timeout,
             "From a device-TLB invalidation to its time-out.");
    t.timing("page_request.handling", &VtdParams::page_request_handling,
             "From the check of a page request to the write of its descriptor.");
    t.count("page_request.writes", &VtdParams::page_request_writes, 1, 64, 4,
            "Page-request descriptors on their way to memory at a time.", "modelling choice");
    t.flag("faults.compression", &VtdParams::fault_compression, false,
           "A fault of a source that has one in a record already is not recorded.",
           "VT-d specification 7.2.1 leaves it open");
    t.choice("faults.blocked_read", &VtdParams::blocked_read, {"unsupported", "abort", "ones"},
             BlockedRead::Unsupported,
             "How an untranslated read that is not allowed is completed: Unsupported Request, "
             "Completer Abort, or successfully with all bits 1.",
             "VT-d specification 7.1 leaves it to hardware");
}

void add_ats(ParamTable<VtdParams>& t) {
    t.count("ats.read_completion_boundary", &VtdParams::read_completion_boundary, 64, 128, 64,
            "Longest translation request in bytes of completion; longer ones are malformed.",
            "PCIe base specification 6.0, 10.2.2 (RCB)")
        .in_powers_of_two();
    t.count("ats.translations", &VtdParams::ats_translations, 1, 16, 8,
            "Most entries of one translation completion.",
            "VT-d specification 4.1.2 (left to hardware)");
    t.timing("ats.pass_through_level", &VtdParams::pass_through_level,
             "Page that a completion tells under pass-through: 1 4 KiB, 2 2 MiB, 3 1 GiB.");
}

}  // namespace

const ParamTable<VtdParams>& vtd_param_table() {
    static const ParamTable<VtdParams> table = [] {
        ParamTable<VtdParams> t{"iommu"};
        add_registers(t);
        add_cap(t);
        add_ecap(t);
        add_caches(t);
        add_queues(t);
        add_ats(t);
        t.count("walkers", &VtdParams::walkers, 1, 64, 6, "Page walks at a time.",
                "derived from 64-byte random reads at a full miss rate: 5 to 6 "
                "(Neugebauer et al., SIGCOMM'18, raw data)");
        t.count("requests", &VtdParams::requests, 4, 65536, 1024,
                "Requests of devices inside the unit at a time; the root complex waits beyond.",
                "modelling choice: above the read buffers of all devices of a platform");
        t.timing("iotlb.lookup", &VtdParams::iotlb_lookup, "A look-up that hits.");
        t.flag("in_order", &VtdParams::in_order, false,
               "Reads and writes of a function leave the unit in order of arrival: what hits the "
               "IOTLB waits for what misses.",
               "VT-d specification leaves it open; random reads with some misses slow down as if "
               "so (Neugebauer et al., SIGCOMM'18, raw data)");
        t.timing("walk.setup", &VtdParams::walk_setup,
                 "From a miss to the first read of its walk, beyond the look-up.");
        t.timing("walk.step", &VtdParams::walk_step,
                 "From the data of one walk read to the next read.");
        t.timing("register.access", &VtdParams::register_access,
                 "From a register read to its completion.");
        t.timing("command", &VtdParams::command, "From a global command to its status bit.");
        t.timing("invalidation.descriptor", &VtdParams::invalidation,
                 "From a fetched invalidation descriptor to its effect.");
        t.timing("memory_link.latency", &VtdParams::memory_link_latency,
                 "One way between the unit and memory.");
        t.timing("memory_link.bandwidth", &VtdParams::memory_link_bandwidth,
                 "Rate of the link to memory; 0: no limit.");
        t.timing("fabric_link.latency", &VtdParams::fabric_link_latency,
                 "One way from the unit to the root complex.");
        t.timing("fabric_link.bandwidth", &VtdParams::fabric_link_bandwidth,
                 "Rate of the link to the root complex; 0: no limit.");
        return t;
    }();
    return table;
}

}  // namespace ioasim::vtd
