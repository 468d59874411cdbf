// The forms of events in a timeline: TrackModel, event by event.
#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"
#include "traces/track_model.hpp"

namespace ioasim::traces {
namespace {

// Kinds of keyed slices: the first part of their key.
enum KeyKind : std::uint64_t { kRequest, kWait, kDevTlb, kPages, kRequester };

}  // namespace

// --- software
// ---------------------------------------------------------------------------------------

void TrackModel::on_sched_run(const Record& record) {
    const TrackId cpu =
        track(group("processors"), fmt::format("cpu{}", IOASIM_FIELD(record, SchedRun, cpu)));
    writer_.end(cpu, record.time);
    writer_.begin(cpu, record.time, text(IOASIM_NAME(record, SchedRun, task)), record);
}

void TrackModel::on_sched_idle(const Record& record) {
    writer_.end(
        track(group("processors"), fmt::format("cpu{}", IOASIM_FIELD(record, SchedIdle, cpu))),
        record.time);
}

void TrackModel::on_vm_entry(const Record& record) {
    const std::string& vcpu = text(IOASIM_NAME(record, VmEntry, vcpu));
    const TrackId id = track(group(top_of(vcpu)), vcpu + " in guest mode");
    writer_.end(id, record.time);
    writer_.begin(id, record.time, "guest", record);
}

void TrackModel::on_vm_exit(const Record& record) {
    const std::string& vcpu = text(IOASIM_NAME(record, VmExit, vcpu));
    writer_.end(track(group(top_of(vcpu)), vcpu + " in guest mode"), record.time, &record);
}

void TrackModel::on_vm_create(const Record& record) {
    const std::string& vm = text(IOASIM_NAME(record, VmCreate, vm));
    writer_.begin(track(group(vm), "life"), record.time, vm, record);
}

void TrackModel::on_vm_destroy(const Record& record) {
    const std::string& vm = text(IOASIM_NAME(record, VmDestroy, vm));
    writer_.end(track(group(vm), "life"), record.time, &record);
}

void TrackModel::on_process_start(const Record& record) {
    const std::string& process = text(IOASIM_NAME(record, ProcessStart, process));
    writer_.begin(track(group(top_of(process)), "process " + process), record.time, process,
                  record);
}

void TrackModel::on_process_exit(const Record& record) {
    const std::string& process = text(IOASIM_NAME(record, ProcessExit, process));
    writer_.end(track(group(top_of(process)), "process " + process), record.time, &record);
}

void TrackModel::on_acquire(const Record& record) {
    const TrackId lock = track(group("locks"), text(IOASIM_NAME(record, LockAcquire, lock)));
    writer_.end(lock, record.time);
    writer_.begin(lock, record.time, text(IOASIM_NAME(record, LockAcquire, owner)), record);
}

void TrackModel::on_release(const Record& record) {
    writer_.end(track(group("locks"), text(IOASIM_NAME(record, LockRelease, lock))), record.time);
}

// Told when it is over.
void TrackModel::on_step(const Record& record) {
    const std::string& program = text(IOASIM_NAME(record, StepResult, program));
    const TrackId id = track(group(top_of(program)), program);
    const TimePs took{IOASIM_FIELD(record, StepResult, took)};
    writer_.begin(id, record.time < took ? TimePs{} : record.time - took,
                  text(IOASIM_NAME(record, StepResult, step)), record);
    writer_.end(id, record.time);
}

// --- IDs
// --------------------------------------------------------------------------------------------

namespace {

std::string ids_of(const std::string& kernel) {
    return "IOASIDs of " + kernel;
}

}  // namespace

void TrackModel::on_alloc(const Record& record) {
    const trace::Name kernel = IOASIM_NAME(record, IoasidAlloc, kernel);
    const std::uint32_t ioasid = IOASIM_U32(record, IoasidAlloc, ioasid);
    ++lives_[pair_key(kernel.value(), ioasid)];
    const TrackId ids = group(ids_of(text(kernel)));
    const TrackId id = track(ids, fmt::format("{}", ioasid));
    while (writer_.depth(id) != 0) {
        writer_.end(id, record.time);
    }
    writer_.begin(id, record.time,
                  fmt::format("{} ({})", ioasid, text(IOASIM_NAME(record, IoasidAlloc, set))),
                  record, flows_of(record, plan_of(*record.info)));
    writer_.counter(track(ids, "live IDs", Kind::Counter), record.time, ++live_[kernel.value()]);
    writer_.counter(track(ids, fmt::format("references of {}", ioasid), Kind::Counter), record.time,
                    1);
}

void TrackModel::on_state(const Record& record) {
    const TrackId ids = group(ids_of(text(IOASIM_NAME(record, IoasidStateChange, kernel))));
    const TrackId id =
        track(ids, fmt::format("{}", IOASIM_FIELD(record, IoasidStateChange, ioasid)));
    constexpr std::size_t kLife = 1;  // the state is inside of it
    while (writer_.depth(id) > kLife) {
        writer_.end(id, record.time);
    }
    const std::uint64_t to = IOASIM_FIELD(record, IoasidStateChange, to);
    if (to != static_cast<std::uint64_t>(trace::IoasidState::Free) && writer_.depth(id) == kLife) {
        writer_.begin(
            id, record.time,
            to < std::size(trace::kIoasidStateLabels) ? trace::kIoasidStateLabels[to] : "?", record,
            flows_of(record, plan_of(*record.info)));
    }
}

// A get or a put: both have the same fields.
void TrackModel::on_refs(const Record& record) {
    const TrackId ids = group(ids_of(text(IOASIM_NAME(record, IoasidGet, kernel))));
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidGet, ioasid);
    writer_.counter(track(ids, fmt::format("references of {}", ioasid), Kind::Counter), record.time,
                    IOASIM_FIELD(record, IoasidGet, refs));
    on_id_event(record);
}

void TrackModel::on_id_event(const Record& record) {
    const Plan& plan = plan_of(*record.info);
    const TrackId ids = group(ids_of(text(as_name(record.values[plan.kernel]))));
    writer_.instant(track(ids, fmt::format("{}", record.values[plan.ioasid])), record.time,
                    record.info->name, record, flows_of(record, plan));
}

void TrackModel::on_reclaim(const Record& record) {
    const trace::Name kernel = IOASIM_NAME(record, IoasidReclaim, kernel);
    const TrackId ids = group(ids_of(text(kernel)));
    const std::uint32_t ioasid = IOASIM_U32(record, IoasidReclaim, ioasid);
    const TrackId id = track(ids, fmt::format("{}", ioasid));
    TrackFlows flows;
    flows.add(id_flow(kernel.value(), ioasid), /*ends=*/true);
    while (writer_.depth(id) > 1) {
        writer_.end(id, record.time);
    }
    writer_.end(id, record.time, &record, flows);
    std::uint64_t& live = live_[kernel.value()];
    live -= live == 0 ? 0 : 1;
    writer_.counter(track(ids, "live IDs", Kind::Counter), record.time, live);
    writer_.counter(track(ids, fmt::format("references of {}", ioasid), Kind::Counter), record.time,
                    0);
}

void TrackModel::on_handler(const Record& record) {
    const TrackId id =
        track(group(text(IOASIM_NAME(record, IoasidHandler, kernel))), "notifications");
    writer_.begin(id, record.time, text(IOASIM_NAME(record, IoasidHandler, block)), record,
                  flows_of(record, plan_of(*record.info)));
}

void TrackModel::on_handler_done(const Record& record) {
    writer_.end(track(group(text(IOASIM_NAME(record, IoasidHandlerDone, kernel))), "notifications"),
                record.time, &record);
}

void TrackModel::on_work(const Record& record) {
    const TrackId kernel = group(text(IOASIM_NAME(record, IoasidWork, kernel)));
    const std::string& phase = text(IOASIM_NAME(record, IoasidWork, phase));
    const std::string& work = text(IOASIM_NAME(record, IoasidWork, work));
    const TrackFlows flows = flows_of(record, plan_of(*record.info));
    if (phase == "start") {
        writer_.begin(track(kernel, "ordered work"), record.time, work, record, flows);
    } else if (phase == "done") {
        writer_.end(track(kernel, "ordered work"), record.time, &record);
    } else {
        writer_.instant(track(kernel, "ordered work queued"), record.time, work, record, flows);
    }
}

// --- devices
// ----------------------------------------------------------------------------------------

void TrackModel::on_enqcmd(const Record& record) {
    const TrackId id =
        track(group("processors"), text(IOASIM_NAME(record, CpuEnqcmd, cpu)) + " ENQCMD");
    const TimePs took{IOASIM_FIELD(record, CpuEnqcmd, took)};
    const std::uint64_t descriptor = IOASIM_FIELD(record, CpuEnqcmd, descriptor);
    const std::uint64_t key = pair_key(IOASIM_U32(record, CpuEnqcmd, pasid), as_u32(descriptor));
    TrackFlows flows;
    if (const std::uint32_t* device = descriptor != 0 ? submitted_to_.find(key) : nullptr) {
        flows.add(descriptor_flow(*device, descriptor));
        submitted_to_.erase(key);
    }
    const std::uint64_t outcome = IOASIM_FIELD(record, CpuEnqcmd, outcome);
    writer_.begin(id, record.time < took ? TimePs{} : record.time - took,
                  outcome < std::size(trace::kEnqcmdOutcomeLabels)
                      ? trace::kEnqcmdOutcomeLabels[outcome]
                      : "?",
                  record);
    // The queue answered before: the flow comes from there.
    writer_.end(id, record.time, nullptr, flows);
}

void TrackModel::on_enqueue(const Record& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaEnqueue, device);
    const std::string& wq = text(IOASIM_NAME(record, DsaEnqueue, wq));
    const TrackId top = group(text(as_name(device)));
    const TrackFlows flows = flows_of(record, plan_of(*record.info));
    if (IOASIM_FIELD(record, DsaEnqueue, accepted) == 0) {
        writer_.instant(track(top, wq + " refused"), record.time, "retry", record, flows);
        return;
    }
    const std::uint64_t descriptor = IOASIM_FIELD(record, DsaEnqueue, descriptor);
    const Taken taken = take(top, wq);
    descriptors_[pair_key(device, as_u32(descriptor))] = taken;
    submitted_to_[pair_key(IOASIM_U32(record, DsaEnqueue, pasid), as_u32(descriptor))] = device;
    writer_.begin(taken.track(), record.time, fmt::format("descriptor {}", descriptor), record,
                  flows);
    writer_.begin(taken.track(), record.time, "queued", record);
    writer_.counter(track(top, wq + " occupancy", Kind::Counter), record.time,
                    IOASIM_FIELD(record, DsaEnqueue, occupancy));
}

void TrackModel::on_dispatch(const Record& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaDispatch, device);
    writer_.counter(track(group(text(as_name(device))),
                          text(IOASIM_NAME(record, DsaDispatch, wq)) + " occupancy", Kind::Counter),
                    record.time, IOASIM_FIELD(record, DsaDispatch, occupancy));
    const Taken* taken =
        descriptors_.find(pair_key(device, as_u32(IOASIM_FIELD(record, DsaDispatch, descriptor))));
    if (taken == nullptr) {
        return;
    }
    while (writer_.depth(taken->track()) > 1) {
        writer_.end(taken->track(), record.time);
    }
    if (IOASIM_FIELD(record, DsaDispatch, engine) != 0) {
        writer_.begin(taken->track(), record.time, text(IOASIM_NAME(record, DsaDispatch, op)),
                      record, flows_of(record, plan_of(*record.info)));
    }
}

void TrackModel::on_complete(const Record& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaComplete, device);
    const std::uint64_t descriptor = IOASIM_FIELD(record, DsaComplete, descriptor);
    submitted_to_.erase(pair_key(IOASIM_U32(record, DsaComplete, pasid), as_u32(descriptor)));
    const std::uint64_t key = pair_key(device, as_u32(descriptor));
    const Taken* found = descriptors_.find(key);
    if (found == nullptr) {
        return;
    }
    const Taken taken = *found;
    descriptors_.erase(key);
    while (writer_.depth(taken.track()) > 1) {
        writer_.end(taken.track(), record.time);
    }
    writer_.end(taken.track(), record.time, &record,
                flows_of(record, plan_of(*record.info), /*ends=*/true));
    release(taken);
}

void TrackModel::on_access(const Record& record) {
    device_of_rid_[IOASIM_FIELD(record, DsaAccess, rid)] = IOASIM_U32(record, DsaAccess, device);
    on_plain(record, plan_of(*record.info));
}

void TrackModel::on_requester_start(const Record& record) {
    const std::uint32_t device = IOASIM_U32(record, RequesterStart, device);
    device_of_rid_[IOASIM_FIELD(record, RequesterStart, rid)] = device;
    begin_keyed({kRequester, device, IOASIM_FIELD(record, RequesterStart, descriptor), 0},
                group(text(as_name(device))), "operations",
                IOASIM_FIELD(record, RequesterStart, write) != 0 ? "write" : "read", record);
}

void TrackModel::on_requester_done(const Record& record) {
    end_keyed({kRequester, IOASIM_FIELD(record, RequesterDone, device),
               IOASIM_FIELD(record, RequesterDone, descriptor), 0},
              record);
}

// --- the remapping unit
// -----------------------------------------------------------------------------

namespace {

constexpr std::uint64_t rid_and_pasid(std::uint64_t rid, std::uint64_t pasid) {
    return (rid << 32U) | pasid;
}

}  // namespace

void TrackModel::on_request(const Record& record) {
    const std::uint64_t iommu = IOASIM_FIELD(record, VtdRequest, iommu);
    begin_keyed({kRequest, iommu,
                 rid_and_pasid(IOASIM_FIELD(record, VtdRequest, rid),
                               IOASIM_FIELD(record, VtdRequest, pasid)),
                 IOASIM_FIELD(record, VtdRequest, address)},
                group(text(as_name(iommu))), "translations",
                IOASIM_FIELD(record, VtdRequest, write) != 0 ? "write" : "read", record);
}

void TrackModel::on_translated(const Record& record) {
    const bool known = end_keyed({kRequest, IOASIM_FIELD(record, VtdTranslated, iommu),
                                  rid_and_pasid(IOASIM_FIELD(record, VtdTranslated, rid),
                                                IOASIM_FIELD(record, VtdTranslated, pasid)),
                                  IOASIM_FIELD(record, VtdTranslated, address)},
                                 record);
    if (!known) {
        on_plain(record, plan_of(*record.info));
    }
}

void TrackModel::on_fault(const Record& record) {
    const std::uint64_t iommu = IOASIM_FIELD(record, VtdFault, iommu);
    writer_.instant(track(group(text(as_name(iommu))), "faults"), record.time,
                    fmt::format("fault 0x{:x}", IOASIM_FIELD(record, VtdFault, reason)), record,
                    flows_of(record, plan_of(*record.info)));
    end_keyed(
        {kRequest, iommu,
         rid_and_pasid(IOASIM_FIELD(record, VtdFault, rid), IOASIM_FIELD(record, VtdFault, pasid)),
         IOASIM_FIELD(record, VtdFault, address)},
        record);
}

void TrackModel::on_inv_wait(const Record& record) {
    const std::uint64_t iommu = IOASIM_FIELD(record, VtdInvWait, iommu);
    begin_keyed({kWait, iommu, 0, 0}, group(text(as_name(iommu))), "invalidation waits", "wait",
                record);
}

void TrackModel::on_inv_wait_done(const Record& record) {
    end_keyed({kWait, IOASIM_FIELD(record, VtdInvWaitDone, iommu), 0, 0}, record);
}

void TrackModel::on_dev_tlb_request(const Record& record) {
    const std::uint64_t iommu = IOASIM_FIELD(record, VtdDevTlbRequest, iommu);
    begin_keyed({kDevTlb, iommu, IOASIM_FIELD(record, VtdDevTlbRequest, rid),
                 IOASIM_FIELD(record, VtdDevTlbRequest, itag)},
                group(text(as_name(iommu))), "device TLB invalidations", "invalidation", record);
}

void TrackModel::on_dev_tlb_done(const Record& record) {
    end_keyed({kDevTlb, IOASIM_FIELD(record, VtdDevTlbDone, iommu),
               IOASIM_FIELD(record, VtdDevTlbDone, rid), IOASIM_FIELD(record, VtdDevTlbDone, itag)},
              record);
}

void TrackModel::on_page_request(const Record& record) {
    const std::uint64_t iommu = IOASIM_FIELD(record, VtdPageRequest, iommu);
    const Key key{kPages, iommu, IOASIM_FIELD(record, VtdPageRequest, rid),
                  IOASIM_FIELD(record, VtdPageRequest, group)};
    if (keyed_.count(key) == 0) {
        begin_keyed(key, group(text(as_name(iommu))), "page requests", "group", record);
    } else {
        on_plain(record, plan_of(*record.info));
    }
}

void TrackModel::on_page_response(const Record& record) {
    end_keyed(
        {kPages, IOASIM_FIELD(record, VtdPageResponse, iommu),
         IOASIM_FIELD(record, VtdPageResponse, rid), IOASIM_FIELD(record, VtdPageResponse, group)},
        record);
}

void TrackModel::on_prq(const Record& record) {
    const TrackId iommu = group(text(IOASIM_NAME(record, VtdPrq, iommu)));
    writer_.counter(track(iommu, "page-request queue head", Kind::Counter), record.time,
                    IOASIM_FIELD(record, VtdPrq, head));
    writer_.counter(track(iommu, "page-request queue tail", Kind::Counter), record.time,
                    IOASIM_FIELD(record, VtdPrq, tail));
}

void TrackModel::on_stall(const Record& record) {
    const std::string name = text(IOASIM_NAME(record, PcieStall, link)) + " " +
                             text(IOASIM_NAME(record, PcieStall, credits));
    const TrackId id = track(group("links"), name);
    writer_.end(id, record.time);
    writer_.begin(id, record.time, "waits for " + text(IOASIM_NAME(record, PcieStall, wants)),
                  record);
}

void TrackModel::on_resume(const Record& record) {
    writer_.end(track(group("links"), text(IOASIM_NAME(record, PcieResume, link)) + " " +
                                          text(IOASIM_NAME(record, PcieResume, credits))),
                record.time, &record);
}

void TrackModel::on_finding(const Record& record) {
    writer_.instant(track(group("checkers"), "findings"), record.time,
                    text(IOASIM_NAME(record, RunFinding, code)), record);
}

}  // namespace ioasim::traces
