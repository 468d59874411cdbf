// Events of the VT-d unit and of the driver's steps on its tables.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct VtdPasidEntrySet {
    static constexpr EventName kName{"vtd.pasid_entry_set", Category::Vtd,
                                     "The driver made a PASID entry present (its store is done)."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    DomainId did;
    std::uint32_t pgtt = 0;  // 1 first, 2 second, 3 nested, 4 pass-through
    IOASIM_FIELDS(iommu, rid, pasid, did, pgtt)
};
struct VtdPasidEntryClear {
    static constexpr EventName kName{"vtd.pasid_entry_clear", Category::Vtd,
                                     "The driver made a PASID entry not present (fpd: faults are "
                                     "not recorded from here on)."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    bool fpd = false;
    IOASIM_FIELDS(iommu, rid, pasid, fpd)
};
struct VtdRequest {
    static constexpr EventName kName{"vtd.request", Category::Vtd,
                                     "A request of a device arrived for translation."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    Iova address;
    std::uint32_t length = 0;
    bool write = false;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(iommu, rid, pasid, address, length, write, descriptor)
};
struct VtdTranslated {
    static constexpr EventName kName{"vtd.translated", Category::Vtd,
                                     "A request got its host address; hit: from the IOTLB."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    Iova address;
    Hpa hpa;
    bool write = false;
    bool hit = false;
    TimePs took;
    bool snooped = true;  // not when the device asked for none and no table forces it
    IOASIM_FIELDS(iommu, rid, pasid, address, hpa, write, hit, took, snooped)
};
struct VtdTranslationCompletion {
    static constexpr EventName kName{
        "vtd.translation_completion", Category::Vtd,
        "A translation request of a device was answered: how many entries, and the first of them. "
        "Without read and write: no translation."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    Iova address;
    Name status;  // "success", "unsupported", "abort"; "malformed": dropped without an answer
    std::uint32_t entries = 0;
    Hpa hpa;
    std::uint64_t bytes = 0;
    bool read = false;
    bool write = false;
    bool untranslated_only = false;
    bool snoop = false;  // N: the device must not ask for no snooping
    IOASIM_FIELDS(iommu, rid, pasid, address, status, entries, hpa, bytes, read, write,
                  untranslated_only, snoop)
};
struct VtdWalkRead {
    static constexpr EventName kName{"vtd.walk_read", Category::VtdWalk,
                                     "One memory read of a walk: what was read and where."};
    Name iommu;
    Name table;  // "root", "context", "pasid_dir", "pasid_entry", "fs4".."fs1", "ss4".."ss1"
    Hpa address;
    Hex value;
    Pasid pasid;
    IOASIM_FIELDS(iommu, table, address, value, pasid)
};
struct VtdWalkUpdate {
    static constexpr EventName kName{"vtd.walk_update", Category::VtdWalk,
                                     "A walk set accessed or dirty flags of an entry (a locked "
                                     "update); done is false when the entry had changed."};
    Name iommu;
    Name table;
    Hpa address;
    Hex value;  // as it should be afterwards
    Pasid pasid;
    bool done = false;
    IOASIM_FIELDS(iommu, table, address, value, pasid, done)
};
struct VtdFault {
    static constexpr EventName kName{"vtd.fault", Category::Vtd,
                                     "A request was blocked. recorded: it is in a fault record; "
                                     "suppressed: FPD of an entry kept it out."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    Iova address;
    Hex reason;  // VT-d 7.1.3 condition code
    bool write = false;
    bool recorded = false;
    bool suppressed = false;
    std::uint64_t descriptor = 0;
    IOASIM_FIELDS(iommu, rid, pasid, address, reason, write, recorded, suppressed, descriptor)
};
struct VtdFill {
    static constexpr EventName kName{"vtd.fill", Category::Vtd,
                                     "A translation or structure entry was put into a cache."};
    Name iommu;
    // "context", "pasid", "iotlb", "first_stage", "second_stage"; "dev_tlb" when a device caches
    // (iommu: the device)
    Name cache;
    Rid rid;
    Pasid pasid;
    DomainId did;
    Iova address;
    Hpa hpa;
    std::uint64_t bytes = 0;
    std::uint32_t pgtt = 0;  // "iotlb": 1 first, 2 second, 3 nested, 4 pass-through
    IOASIM_FIELDS(iommu, cache, rid, pasid, did, address, hpa, bytes, pgtt)
};
struct VtdDrop {
    static constexpr EventName kName{"vtd.drop", Category::Vtd,
                                     "A cached entry went: cause is invalidate or evict."};
    Name iommu;
    Name cache;
    Pasid pasid;
    DomainId did;
    Iova address;
    Name cause;
    IOASIM_FIELDS(iommu, cache, pasid, did, address, cause)
};
struct VtdInvalidation {
    static constexpr EventName kName{"vtd.invalidation", Category::Vtd,
                                     "A descriptor of the invalidation queue took effect."};
    Name iommu;
    Name kind;         // "cc", "iotlb", "pasid_cache", "piotlb", "dev_tlb", "wait"
    Name granularity;  // "global", "domain", "pasid", "page", ""
    DomainId did;
    Pasid pasid;
    std::uint32_t dropped = 0;
    Iova address{};  // "page": the range that it covers
    std::uint64_t bytes = 0;
    IOASIM_FIELDS(iommu, kind, granularity, did, pasid, dropped, address, bytes)
};
struct VtdInvWait {
    static constexpr EventName kName{"vtd.inv_wait", Category::Vtd,
                                     "An invalidation wait was taken from the queue. Waits "
                                     "complete in this order."};
    Name iommu;
    bool fence = false;       // later descriptors stay behind it
    bool page_drain = false;  // it waits for page requests too
    IOASIM_FIELDS(iommu, fence, page_drain)
};
struct VtdDevTlbRequest {
    static constexpr EventName kName{"vtd.dev_tlb_request", Category::Vtd,
                                     "An invalidation request left for a device's TLB."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    std::uint32_t itag = 0;
    Iova address;
    std::uint64_t last = 0;  // of the range's addresses
    bool global = false;     // whatever PASID
    IOASIM_FIELDS(iommu, rid, pasid, itag, address, last, global)
};
struct VtdDevTlbDone {
    static constexpr EventName kName{"vtd.dev_tlb_done", Category::Vtd,
                                     "An invalidation of a device's TLB ended: answered, or out "
                                     "of time."};
    Name iommu;
    Rid rid;
    std::uint32_t itag = 0;
    bool timeout = false;
    IOASIM_FIELDS(iommu, rid, itag, timeout)
};
struct VtdQueueStop {
    static constexpr EventName kName{"vtd.queue_stop", Category::Vtd,
                                     "The invalidation queue stopped: a bad descriptor (iqe) or a "
                                     "device TLB out of time (ite), which aborts every wait."};
    Name iommu;
    Name cause;              // "iqe", "ite"
    std::uint32_t code = 0;  // iqe: IQEI; ite: the function
    std::uint32_t head = 0;
    IOASIM_FIELDS(iommu, cause, code, head)
};
struct VtdEventMessage {
    static constexpr EventName kName{"vtd.event_message", Category::Vtd,
                                     "The unit sent the interrupt of one of its events."};
    Name iommu;
    Hex address;
    Hex data;
    IOASIM_FIELDS(iommu, address, data)
};
struct VtdInvWaitDone {
    static constexpr EventName kName{"vtd.inv_wait_done", Category::Vtd,
                                     "An invalidation wait completed: all before it have taken "
                                     "effect and in-flight requests are drained."};
    Name iommu;
    Hpa status_address;
    std::uint32_t status_data = 0;
    IOASIM_FIELDS(iommu, status_address, status_data)
};
struct VtdPrq {
    static constexpr EventName kName{"vtd.prq", Category::Vtd, "Page-request queue head and tail."};
    Name iommu;
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
    IOASIM_FIELDS(iommu, head, tail)
};
struct VtdPageRequest {
    static constexpr EventName kName{
        "vtd.page_request", Category::Vtd,
        "A page request of a device arrived; the group wants an answer "
        "with its last request."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    Iova address;
    std::uint32_t group = 0;  // page request group index
    bool last = false;
    bool write = false;
    bool queued = false;  // false: not written to the page-request queue
    IOASIM_FIELDS(iommu, rid, pasid, address, group, last, write, queued)
};
struct VtdPageResponse {
    static constexpr EventName kName{"vtd.page_response", Category::Vtd,
                                     "A page-request group was answered: by software through the "
                                     "invalidation queue, or by the unit itself (automatic)."};
    Name iommu;
    Rid rid;
    Pasid pasid;
    std::uint32_t group = 0;
    std::uint32_t code = 0;  // 0 success, 1 invalid request, 15 response failure
    bool automatic = false;
    IOASIM_FIELDS(iommu, rid, pasid, group, code, automatic)
};

}  // namespace ioasim::trace
