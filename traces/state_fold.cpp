#include "traces/state_fold.hpp"

#include <algorithm>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint32_t kSuccess = 1;  // DSA completion status

}  // namespace

template <class Event, void (StateFold::*Method)(const trace::EventRecord&)>
void StateFold::on() {
    table_.add(trace::info_of<Event>(), {[](void* self, const trace::EventRecord& record) {
                                             (static_cast<StateFold*>(self)->*Method)(record);
                                         },
                                         this});
}

StateFold::StateFold(trace::Recorder& recorder, Facts* shared)
    : own_facts_(shared == nullptr ? std::make_unique<Facts>(recorder) : nullptr),
      facts(shared == nullptr ? *own_facts_ : *shared),
      abort_(recorder.name("abort").value()),
      lost_(recorder.name("lost").value()) {
    if (own_facts_ != nullptr) {
        own_facts_->add_first(table_);
    }
    on<trace::IoasidCapacity, &StateFold::on_capacity>();
    on<trace::IoasidSetAlloc, &StateFold::on_set_alloc>();
    on<trace::IoasidSetQuota, &StateFold::on_set_quota>();
    on<trace::IoasidSetFree, &StateFold::on_set_free>();
    on<trace::IoasidAlloc, &StateFold::on_alloc>();
    on<trace::IoasidGet, &StateFold::on_get>();
    on<trace::IoasidPut, &StateFold::on_put>();
    on<trace::IoasidReclaim, &StateFold::on_reclaim>();
    on<trace::KvmTableWrite, &StateFold::on_table_write>();
    on<trace::CpuPasid, &StateFold::on_cpu_pasid>();
    on<trace::VtdPasidEntrySet, &StateFold::on_entry_set>();
    on<trace::VtdFault, &StateFold::on_fault>();
    on<trace::VtdPrq, &StateFold::on_prq>();
    on<trace::VtdInvalidation, &StateFold::on_invalidation>();
    on<trace::DsaWqState, &StateFold::on_wq_state>();
    on<trace::DsaEnqueue, &StateFold::on_enqueue>();
    on<trace::DsaDispatch, &StateFold::on_dispatch>();
    on<trace::DsaComplete, &StateFold::on_complete>();
    on<trace::DsaFault, &StateFold::on_dsa_fault>();
    on<trace::PasidSpace, &StateFold::on_space>();
    on<trace::MemoryOwner, &StateFold::on_owner>();
    on<trace::ProcessStart, &StateFold::on_process_start>();
    on<trace::ProcessExit, &StateFold::on_process_exit>();
    on<trace::StepResult, &StateFold::on_step>();
    on<trace::LockStatistics, &StateFold::on_lock>();
    on<trace::RunFinding, &StateFold::on_finding>();
    on<trace::IoasidHazard, &StateFold::on_hazard>();
    on<trace::RunEnd, &StateFold::on_run_end>();
    if (own_facts_ != nullptr) {
        own_facts_->add_last(table_);
    }
}

// --- IDs ----------------------------------------------------------------------------------------

void StateFold::on_capacity(const trace::EventRecord& record) {
    Kernel& kernel = kernels[IOASIM_FIELD(record, IoasidCapacity, kernel)];
    kernel.total = IOASIM_FIELD(record, IoasidCapacity, total);
    kernel.available = IOASIM_FIELD(record, IoasidCapacity, available);
}
void StateFold::on_set_alloc(const trace::EventRecord& record) {
    kernels[IOASIM_FIELD(record, IoasidSetAlloc, kernel)].available =
        IOASIM_FIELD(record, IoasidSetAlloc, available);
}
void StateFold::on_set_quota(const trace::EventRecord& record) {
    kernels[IOASIM_FIELD(record, IoasidSetQuota, kernel)].available =
        IOASIM_FIELD(record, IoasidSetQuota, available);
}
void StateFold::on_set_free(const trace::EventRecord& record) {
    kernels[IOASIM_FIELD(record, IoasidSetFree, kernel)].available =
        IOASIM_FIELD(record, IoasidSetFree, available);
}

void StateFold::on_alloc(const trace::EventRecord& record) {
    ++kernels[IOASIM_FIELD(record, IoasidAlloc, kernel)].live;
    Id& id = ids.at(IOASIM_ID_SPACE(facts, record, IoasidAlloc),
                    IOASIM_U32(record, IoasidAlloc, ioasid));
    id.refs = 1;
    id.holders.clear();
}

void StateFold::on_get(const trace::EventRecord& record) {
    Id& id =
        ids.at(IOASIM_ID_SPACE(facts, record, IoasidGet), IOASIM_U32(record, IoasidGet, ioasid));
    id.refs = IOASIM_U32(record, IoasidGet, refs);
    const std::uint32_t holder = IOASIM_U32(record, IoasidGet, holder);
    for (HolderCount& entry : id.holders) {
        if (entry.holder == holder) {
            ++entry.count;
            return;
        }
    }
    id.holders.push_back({holder, 1});
}

void StateFold::on_put(const trace::EventRecord& record) {
    Id& id =
        ids.at(IOASIM_ID_SPACE(facts, record, IoasidPut), IOASIM_U32(record, IoasidPut, ioasid));
    id.refs = IOASIM_U32(record, IoasidPut, refs);
    const std::uint32_t holder = IOASIM_U32(record, IoasidPut, holder);
    for (auto entry = id.holders.begin(); entry != id.holders.end(); ++entry) {
        if (entry->holder == holder) {
            if (--entry->count == 0) {
                id.holders.erase(entry);
            }
            return;
        }
    }
}

void StateFold::on_reclaim(const trace::EventRecord& record) {
    Kernel& kernel = kernels[IOASIM_FIELD(record, IoasidReclaim, kernel)];
    kernel.live -= kernel.live > 0 ? 1 : 0;
    Id& id = ids.at(IOASIM_ID_SPACE(facts, record, IoasidReclaim),
                    IOASIM_U32(record, IoasidReclaim, ioasid));
    id.refs = 0;
    std::vector<HolderCount>().swap(id.holders);
}

// --- processors
// -----------------------------------------------------------------------------------

void StateFold::on_table_write(const trace::EventRecord& record) {
    vmcs[pair_key(IOASIM_U32(record, KvmTableWrite, vm),
                  IOASIM_U32(record, KvmTableWrite, guest_pasid))] =
        IOASIM_FIELD(record, KvmTableWrite, value);
}

void StateFold::on_cpu_pasid(const trace::EventRecord& record) {
    cpus[IOASIM_FIELD(record, CpuPasid, cpu)] = {IOASIM_U32(record, CpuPasid, pasid),
                                                 IOASIM_FIELD(record, CpuPasid, valid) != 0};
}

// --- IOMMUs
// ---------------------------------------------------------------------------------------

void StateFold::on_entry_set(const trace::EventRecord& record) {
    if (!facts.from_guest(record)) {
        iommus[IOASIM_FIELD(record, VtdPasidEntrySet, iommu)];  // it exists
    }
}
void StateFold::on_invalidation(const trace::EventRecord& record) {
    iommus[IOASIM_FIELD(record, VtdInvalidation, iommu)];
}

void StateFold::on_fault(const trace::EventRecord& record) {
    Iommu& iommu = iommus[IOASIM_FIELD(record, VtdFault, iommu)];
    ++iommu.faults;
    iommu.recorded += IOASIM_FIELD(record, VtdFault, recorded);
    iommu.suppressed += IOASIM_FIELD(record, VtdFault, suppressed);
}

void StateFold::on_prq(const trace::EventRecord& record) {
    Iommu& iommu = iommus[IOASIM_FIELD(record, VtdPrq, iommu)];
    iommu.head = IOASIM_U32(record, VtdPrq, head);
    iommu.tail = IOASIM_U32(record, VtdPrq, tail);
}

// --- devices
// --------------------------------------------------------------------------------------

void StateFold::on_wq_state(const trace::EventRecord& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaWqState, device);
    devices[device];  // it exists
    Queue& queue = queues[pair_key(device, IOASIM_U32(record, DsaWqState, wq))];
    queue.enabled = IOASIM_FIELD(record, DsaWqState, enabled) != 0;
    queue.shared = IOASIM_FIELD(record, DsaWqState, shared) != 0;
    queue.pasid = IOASIM_U32(record, DsaWqState, pasid);
    queue.size = IOASIM_U32(record, DsaWqState, size);
    if (!queue.enabled) {
        queue.occupancy = 0;
    }
}

void StateFold::on_enqueue(const trace::EventRecord& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaEnqueue, device);
    queues[pair_key(device, IOASIM_U32(record, DsaEnqueue, wq))].occupancy =
        IOASIM_U32(record, DsaEnqueue, occupancy);
    if (IOASIM_FIELD(record, DsaEnqueue, accepted) == 0) {
        ++devices[device].retries;
        return;
    }
    ++devices[device].accepted;
    descriptors[pair_key(device, IOASIM_U32(record, DsaEnqueue, descriptor))] = {};
}

void StateFold::on_dispatch(const trace::EventRecord& record) {
    queues[pair_key(IOASIM_U32(record, DsaDispatch, device), IOASIM_U32(record, DsaDispatch, wq))]
        .occupancy = IOASIM_U32(record, DsaDispatch, occupancy);
}

void StateFold::on_complete(const trace::EventRecord& record) {
    const std::uint32_t number = IOASIM_U32(record, DsaComplete, device);
    const std::uint32_t how = IOASIM_U32(record, DsaComplete, how);
    const std::uint32_t status = IOASIM_U32(record, DsaComplete, status);
    Device& device = devices[number];
    ++device.ended;
    if (how == abort_) {
        ++device.aborted;
    } else {
        ++device.completed;
        device.failed += status != kSuccess ? 1 : 0;
        device.lost += how == lost_ ? 1 : 0;
    }
    const std::uint64_t key = pair_key(number, IOASIM_U32(record, DsaComplete, descriptor));
    descriptors[key] = {status, how, true};
    ended_.push_back(key);
    if (ended_.size() > kEndedKept) {
        descriptors.erase(ended_.front());
        ended_.pop_front();
    }
}

void StateFold::on_dsa_fault(const trace::EventRecord& record) {
    ++devices[IOASIM_FIELD(record, DsaFault, device)].faults;
}

// --- memory, processes, the run
// -------------------------------------------------------------------

void StateFold::on_space(const trace::EventRecord& record) {
    if (!facts.from_guest(record)) {
        spaces[pair_key(IOASIM_U32(record, PasidSpace, rid),
                        IOASIM_U32(record, PasidSpace, pasid))] =
            IOASIM_U32(record, PasidSpace, owner);
    }
}
void StateFold::on_owner(const trace::EventRecord& record) {
    owners.assign(IOASIM_FIELD(record, MemoryOwner, address),
                  IOASIM_FIELD(record, MemoryOwner, bytes), IOASIM_U32(record, MemoryOwner, owner));
}
void StateFold::on_process_start(const trace::EventRecord& record) {
    processes[IOASIM_FIELD(record, ProcessStart, process)] = {true, 0};
}
void StateFold::on_process_exit(const trace::EventRecord& record) {
    processes[IOASIM_FIELD(record, ProcessExit, process)] = {
        false, IOASIM_U32(record, ProcessExit, cause)};
}
void StateFold::on_lock(const trace::EventRecord& record) {
    locks[IOASIM_FIELD(record, LockStatistics, lock)] = {
        IOASIM_FIELD(record, LockStatistics, acquired),
        IOASIM_FIELD(record, LockStatistics, contended),
        IOASIM_FIELD(record, LockStatistics, waited), IOASIM_FIELD(record, LockStatistics, longest),
        IOASIM_FIELD(record, LockStatistics, held)};
}

void StateFold::on_step(const trace::EventRecord& record) {
    Program& program = programs[IOASIM_FIELD(record, StepResult, program)];
    ++program.steps;
    program.last = IOASIM_FIELD(record, StepResult, result);
}
void StateFold::on_finding(const trace::EventRecord& record) {
    ++findings[IOASIM_FIELD(record, RunFinding, code)];
}
void StateFold::on_hazard(const trace::EventRecord&) {
    ++hazards;
}
void StateFold::on_run_end(const trace::EventRecord& record) {
    run_reason = IOASIM_U32(record, RunEnd, reason);
}

}  // namespace ioasim::traces
