// The half of the timeline that devices, remapping units and links fill.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "models/vtd/vtd_fault_layout.hpp"
#include "tools/cli/report/timeline.hpp"
#include "traces/event_text.hpp"

namespace ioasim::tools::report {
namespace {

constexpr std::uint64_t kSuccess = 1;  // status of a completion record: DSA specification 5.6

std::string pasid_text(std::uint64_t pasid) {
    return pasid == traces::kNoId ? std::string("no PASID") : fmt::format("PASID {}", pasid);
}

std::uint64_t number_of(std::uint64_t pasid) {
    return pasid == traces::kNoId ? kNoNumber : pasid;
}

std::string requester_text(std::uint64_t rid, std::uint64_t pasid) {
    return fmt::format("{}, {}", traces::format_rid(static_cast<std::uint16_t>(rid)),
                       pasid_text(pasid));
}

std::string reason_text(std::uint64_t reason) {
    const vtd::FaultReasonInfo* const info = vtd::find_fault(static_cast<std::uint8_t>(reason));
    return info == nullptr ? fmt::format("{:#04x}", reason)
                           : fmt::format("{:#04x} {}", reason, info->meaning);
}

}  // namespace

void Timeline::listen_to_hardware() {
    hear<trace::DsaEnqueue, &Timeline::on_enqueue>();
    hear<trace::DsaDispatch, &Timeline::on_dispatch>();
    hear<trace::DsaComplete, &Timeline::on_complete>();
    hear<trace::DsaFault, &Timeline::on_dsa_fault>();
    hear<trace::VtdTranslated, &Timeline::on_translated>();
    hear<trace::VtdFault, &Timeline::on_fault>();
    hear<trace::VtdInvalidation, &Timeline::on_invalidation>();
    hear<trace::VtdInvWait, &Timeline::on_inv_wait>();
    hear<trace::VtdInvWaitDone, &Timeline::on_inv_wait_done>();
    hear<trace::VtdDevTlbRequest, &Timeline::on_dev_tlb_request>();
    hear<trace::VtdDevTlbDone, &Timeline::on_dev_tlb_done>();
    hear<trace::VtdPageRequest, &Timeline::on_page_request>();
    hear<trace::VtdPageResponse, &Timeline::on_page_response>();
    hear<trace::PcieStall, &Timeline::on_stall>();
    hear<trace::PcieResume, &Timeline::on_resume>();
    hear<trace::RequesterStart, &Timeline::on_requester_start>();
    hear<trace::RequesterDone, &Timeline::on_requester_done>();
    ignore<trace::DsaAccess>();
    ignore<trace::DsaWqState>();
}

// --- devices ------------------------------------------------------------------------------------

void Timeline::on_enqueue(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, DsaEnqueue, device));
    const std::string queue = device + "." + name(IOASIM_NAME(record, DsaEnqueue, wq));
    const std::uint64_t pasid = IOASIM_FIELD(record, DsaEnqueue, pasid);
    series("descriptors in workqueues", queue)
        .add(record.time.ps(), IOASIM_FIELD(record, DsaEnqueue, occupancy));
    if (IOASIM_FIELD(record, DsaEnqueue, accepted) == 0) {
        instant(record, Group::Devices, queue + " retries", Kind::Wait, "retry: no room",
                number_of(pasid));
        return;
    }
    Open what;
    what.text = pasid_text(pasid) + ", descriptor";
    what.lane = queue + " waiting";
    what.group = Group::Devices;
    what.kind = Kind::Wait;
    what.number = IOASIM_FIELD(record, DsaEnqueue, descriptor);
    open(record, {"queued", fmt::format("{} {}", device, what.number)}, what);
}

void Timeline::on_dispatch(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, DsaDispatch, device));
    const std::uint64_t descriptor = IOASIM_FIELD(record, DsaDispatch, descriptor);
    const std::string engine = name(IOASIM_NAME(record, DsaDispatch, engine));
    const std::string key = fmt::format("{} {}", device, descriptor);
    series("descriptors in workqueues", device + "." + name(IOASIM_NAME(record, DsaDispatch, wq)))
        .add(record.time.ps(), IOASIM_FIELD(record, DsaDispatch, occupancy));
    close(record, {"queued", key});
    if (engine.empty()) {
        return;  // dropped by an abort
    }
    Open what;
    what.text = fmt::format("{}, {}, descriptor", name(IOASIM_NAME(record, DsaDispatch, op)),
                            pasid_text(IOASIM_FIELD(record, DsaDispatch, pasid)));
    what.lane = device + "." + engine;
    what.group = Group::Devices;
    what.kind = Kind::Work;
    what.number = descriptor;
    open(record, {"descriptor", key}, std::move(what));
}

void Timeline::on_complete(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, DsaComplete, device));
    const std::string key =
        fmt::format("{} {}", device, IOASIM_FIELD(record, DsaComplete, descriptor));
    const std::uint64_t status = IOASIM_FIELD(record, DsaComplete, status);
    const std::string how = name(IOASIM_NAME(record, DsaComplete, how));
    close(record, {"queued", key});
    const auto found = open_.find({"descriptor", key});
    if (found != open_.end()) {
        if (status != kSuccess || how == "abort" || how == "lost") {
            found->second.kind = Kind::Bad;
            const bool told = how == "record" || how == "none";
            found->second.text = fmt::format(
                "{}, {}", told ? fmt::format("status {:#04x}", status) : how, found->second.text);
        }
        close(record, {"descriptor", key});
    }
    latency("descriptors", device + "." + name(IOASIM_NAME(record, DsaComplete, wq)),
            IOASIM_FIELD(record, DsaComplete, latency));
}

void Timeline::on_dsa_fault(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, DsaFault, device));
    const std::uint64_t pasid = IOASIM_FIELD(record, DsaFault, pasid);
    const bool write = IOASIM_FIELD(record, DsaFault, write) != 0;
    instant(record, Group::Alarms, device + " faults", Kind::Bad,
            fmt::format("{} of {}", write ? "write" : "read", pasid_text(pasid)), number_of(pasid));
    FaultKind kind;
    kind.where = device;
    kind.who = pasid_text(pasid);
    kind.what = fmt::format("a {} for a descriptor failed", write ? "write" : "read");
    fault(record, std::move(kind));
}

void Timeline::on_requester_start(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, RequesterStart, device));
    Open what;
    what.text =
        fmt::format("{}, {}", IOASIM_FIELD(record, RequesterStart, write) != 0 ? "write" : "read",
                    pasid_text(IOASIM_FIELD(record, RequesterStart, pasid)));
    what.lane = device;
    what.group = Group::Devices;
    what.kind = Kind::Work;
    what.number = IOASIM_FIELD(record, RequesterStart, descriptor);
    open(record, {"requester", fmt::format("{} {}", device, what.number)}, what);
}

void Timeline::on_requester_done(const trace::EventRecord& record) {
    const std::string device = name(IOASIM_NAME(record, RequesterDone, device));
    const std::string outcome = name(IOASIM_NAME(record, RequesterDone, outcome));
    const OpenKey key{
        "requester", fmt::format("{} {}", device, IOASIM_FIELD(record, RequesterDone, descriptor))};
    const auto found = open_.find(key);
    if (found != open_.end()) {
        found->second.text += ": " + outcome;
        found->second.kind = outcome == "ok" ? Kind::Work : Kind::Bad;
        latency("operations of functions", device, record.time.ps() - found->second.begin);
        close(record, key);
    }
}

// --- remapping units ----------------------------------------------------------------------------

void Timeline::on_translated(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdTranslated, iommu));
    const bool hit = IOASIM_FIELD(record, VtdTranslated, hit) != 0;
    const std::uint64_t took = IOASIM_FIELD(record, VtdTranslated, took);
    ended(record, took, Group::Units, iommu + (hit ? " IOTLB hits" : " walks"),
          hit ? Kind::Idle : Kind::Work, hit ? "IOTLB hit, PASID" : "walk, PASID",
          number_of(IOASIM_FIELD(record, VtdTranslated, pasid)));
    latency("translations", iommu + (hit ? ", IOTLB hit" : ", walk"), took);
}

void Timeline::on_fault(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdFault, iommu));
    const std::uint64_t pasid = IOASIM_FIELD(record, VtdFault, pasid);
    const std::uint64_t reason = IOASIM_FIELD(record, VtdFault, reason);
    instant(record, Group::Alarms, iommu + " faults", Kind::Bad,
            fmt::format("{:#04x}, PASID", reason), number_of(pasid));
    FaultKind kind;
    kind.where = iommu;
    kind.who = requester_text(IOASIM_FIELD(record, VtdFault, rid), pasid);
    kind.what = reason_text(reason);
    kind.recorded = IOASIM_FIELD(record, VtdFault, recorded);
    kind.suppressed = IOASIM_FIELD(record, VtdFault, suppressed);
    fault(record, std::move(kind));
}

void Timeline::fault(const trace::EventRecord& record, FaultKind kind) {
    constexpr std::size_t kMost = 500;
    const auto key = std::make_pair(kind.where, kind.who + " " + kind.what);
    const auto found = fault_index_.find(key);
    if (found == fault_index_.end() && faults_.size() == kMost) {
        ++faults_left_out_;
        return;
    }
    if (found == fault_index_.end()) {
        fault_index_.emplace(key, faults_.size());
        kind.count = 1;
        kind.first = kind.last = record.time.ps();
        kind.seq = record.seq;
        faults_.push_back(std::move(kind));
        return;
    }
    FaultKind& known = faults_[found->second];
    ++known.count;
    known.last = record.time.ps();
    known.recorded += kind.recorded;
    known.suppressed += kind.suppressed;
}

void Timeline::on_invalidation(const trace::EventRecord& record) {
    const std::string granularity = name(IOASIM_NAME(record, VtdInvalidation, granularity));
    const std::string kind = name(IOASIM_NAME(record, VtdInvalidation, kind));
    instant(record, Group::Units,
            name(IOASIM_NAME(record, VtdInvalidation, iommu)) + " invalidations", Kind::Note,
            granularity.empty() ? kind : kind + " " + granularity,
            number_of(IOASIM_FIELD(record, VtdInvalidation, pasid)));
}

// Waits complete in the order in which they were taken: each is known by its number.
void Timeline::on_inv_wait(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdInvWait, iommu));
    Open what;
    what.text =
        IOASIM_FIELD(record, VtdInvWait, page_drain) != 0 ? "wait, drains page requests" : "wait";
    what.lane = iommu + " waits";
    what.group = Group::Units;
    what.kind = Kind::Wait;
    open(record, {"wait", fmt::format("{} {:020}", iommu, record.seq)}, std::move(what));
}
void Timeline::on_inv_wait_done(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdInvWaitDone, iommu));
    const auto first = open_.lower_bound({"wait", iommu + " "});
    if (first != open_.end() && first->first.second.rfind(iommu + " ", 0) == 0) {
        close(record, first->first);
    }
}

void Timeline::on_dev_tlb_request(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdDevTlbRequest, iommu));
    Open what;
    what.text =
        "device TLB of " +
        traces::format_rid(static_cast<std::uint16_t>(IOASIM_FIELD(record, VtdDevTlbRequest, rid)));
    what.lane = iommu + " device TLBs";
    what.group = Group::Units;
    what.kind = Kind::Wait;
    what.number = number_of(IOASIM_FIELD(record, VtdDevTlbRequest, pasid));
    open(record,
         {"device TLB", fmt::format("{} {} {}", iommu, IOASIM_FIELD(record, VtdDevTlbRequest, rid),
                                    IOASIM_FIELD(record, VtdDevTlbRequest, itag))},
         std::move(what));
}
void Timeline::on_dev_tlb_done(const trace::EventRecord& record) {
    const OpenKey key{"device TLB",
                      fmt::format("{} {} {}", name(IOASIM_NAME(record, VtdDevTlbDone, iommu)),
                                  IOASIM_FIELD(record, VtdDevTlbDone, rid),
                                  IOASIM_FIELD(record, VtdDevTlbDone, itag))};
    const auto found = open_.find(key);
    if (found != open_.end() && IOASIM_FIELD(record, VtdDevTlbDone, timeout) != 0) {
        found->second.kind = Kind::Bad;
        found->second.text += ": out of time";
    }
    close(record, key);
}

void Timeline::on_page_request(const trace::EventRecord& record) {
    if (IOASIM_FIELD(record, VtdPageRequest, last) == 0) {
        return;  // the group wants its answer with its last request
    }
    const std::string iommu = name(IOASIM_NAME(record, VtdPageRequest, iommu));
    Open what;
    what.text = "page requests of PASID";
    what.lane = iommu + " page requests";
    what.group = Group::Units;
    what.kind = Kind::Pending;
    what.number = number_of(IOASIM_FIELD(record, VtdPageRequest, pasid));
    open(record,
         {"page request", fmt::format("{} {} {}", iommu, IOASIM_FIELD(record, VtdPageRequest, rid),
                                      IOASIM_FIELD(record, VtdPageRequest, group))},
         std::move(what));
}
void Timeline::on_page_response(const trace::EventRecord& record) {
    const std::string iommu = name(IOASIM_NAME(record, VtdPageResponse, iommu));
    const OpenKey key{"page request",
                      fmt::format("{} {} {}", iommu, IOASIM_FIELD(record, VtdPageResponse, rid),
                                  IOASIM_FIELD(record, VtdPageResponse, group))};
    const auto found = open_.find(key);
    if (found == open_.end()) {
        return;
    }
    const std::uint64_t code = IOASIM_FIELD(record, VtdPageResponse, code);
    found->second.kind = code == 0 ? Kind::Pending : Kind::Bad;
    found->second.text =
        code == 0 ? "answered, PASID" : fmt::format("answered with {}, PASID", code);
    latency("page request groups", iommu, record.time.ps() - found->second.begin);
    close(record, key);
}

// --- links --------------------------------------------------------------------------------------

void Timeline::on_stall(const trace::EventRecord& record) {
    const std::string link = name(IOASIM_NAME(record, PcieStall, link));
    const std::string credits = name(IOASIM_NAME(record, PcieStall, credits));
    Open what;
    what.text =
        fmt::format("{} waits for {}", credits, name(IOASIM_NAME(record, PcieStall, wants)));
    what.lane = link;
    what.group = Group::Links;
    what.kind = Kind::Wait;
    open(record, {"link", link + " " + credits}, std::move(what));
}
void Timeline::on_resume(const trace::EventRecord& record) {
    close(record, {"link", name(IOASIM_NAME(record, PcieResume, link)) + " " +
                               name(IOASIM_NAME(record, PcieResume, credits))});
}

}  // namespace ioasim::tools::report
