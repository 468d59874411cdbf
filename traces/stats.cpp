#include "traces/stats.hpp"

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint32_t kSuccess = 1;  // DSA completion status

template <class Value>
Value& made(FlatMap<std::unique_ptr<Value>>& map, std::uint64_t key) {
    std::unique_ptr<Value>& slot = map[key];
    if (!slot) {
        slot = std::make_unique<Value>();
    }
    return *slot;
}

}  // namespace

Stats::Stats(trace::Recorder& recorder)
    : recorder_(recorder),
      host_(recorder.name("host").value()),
      abort_(recorder.name("abort").value()),
      lost_(recorder.name("lost").value()) {
    on<trace::DsaEnqueue, &Stats::on_enqueue>();
    on<trace::DsaComplete, &Stats::on_complete>();
    on<trace::VtdRequest, &Stats::on_request>();
    on<trace::VtdTranslated, &Stats::on_translated>();
    on<trace::VtdFault, &Stats::on_fault>();
    on<trace::VtdInvalidation, &Stats::on_invalidation>();
    on<trace::VtdPageRequest, &Stats::on_page_request>();
    on<trace::IoasidAlloc, &Stats::on_alloc>();
    on<trace::IoasidBind, &Stats::on_bind>();
    on<trace::IoasidUnbind, &Stats::on_unbind>();
    on<trace::IoasidFreeCall, &Stats::on_free_call>();
    on<trace::IoasidStateChange, &Stats::on_state>();
    on<trace::IoasidReclaim, &Stats::on_reclaim>();
    on<trace::IoasidRefused, &Stats::on_refused>();
    on<trace::VmCreate, &Stats::on_vm_create>();
    on<trace::VmExit, &Stats::on_vm_exit>();
    on<trace::KvmKick, &Stats::on_kick>();
    on<trace::VirtualCommand, &Stats::on_command>();
    on<trace::CpuEnqcmd, &Stats::on_enqcmd>();
    on<trace::LockStatistics, &Stats::on_lock>();
}

// --- work
// -----------------------------------------------------------------------------------------

WorkStats& Stats::of_wq(std::uint32_t device, std::uint32_t wq) {
    return made(wqs_, pair_key(device, wq));
}
WorkStats& Stats::of_pasid(std::uint32_t pasid) {
    return made(pasids_, pasid);
}

void Stats::on_enqueue(const trace::EventRecord& record) {
    WorkStats& wq =
        of_wq(IOASIM_U32(record, DsaEnqueue, device), IOASIM_U32(record, DsaEnqueue, wq));
    WorkStats& pasid = of_pasid(IOASIM_U32(record, DsaEnqueue, pasid));
    const bool accepted = IOASIM_FIELD(record, DsaEnqueue, accepted) != 0;
    ++(accepted ? wq.accepted : wq.retries);
    ++(accepted ? pasid.accepted : pasid.retries);
}

void Stats::on_complete(const trace::EventRecord& record) {
    const std::uint32_t how = IOASIM_U32(record, DsaComplete, how);
    const std::uint32_t status = IOASIM_U32(record, DsaComplete, status);
    const std::uint64_t bytes = IOASIM_FIELD(record, DsaComplete, bytes);
    const TimePs latency{IOASIM_FIELD(record, DsaComplete, latency)};
    WorkStats* const both[] = {
        &of_wq(IOASIM_U32(record, DsaComplete, device), IOASIM_U32(record, DsaComplete, wq)),
        &of_pasid(IOASIM_U32(record, DsaComplete, pasid))};
    for (WorkStats* stats : both) {
        if (how == abort_) {
            ++stats->aborted;
            continue;
        }
        ++(status == kSuccess ? stats->completed : stats->failed);
        stats->lost += how == lost_ ? 1 : 0;
        stats->bytes += bytes;
        stats->latency.add(latency);
    }
}

// --- IOMMUs
// ---------------------------------------------------------------------------------------

void Stats::on_request(const trace::EventRecord& record) {
    ++made(iommus_, IOASIM_FIELD(record, VtdRequest, iommu)).requests;
}
void Stats::on_translated(const trace::EventRecord& record) {
    IommuStats& iommu = made(iommus_, IOASIM_FIELD(record, VtdTranslated, iommu));
    ++(IOASIM_FIELD(record, VtdTranslated, hit) != 0 ? iommu.hits : iommu.walks);
    iommu.translation.add(TimePs{IOASIM_FIELD(record, VtdTranslated, took)});
}
void Stats::on_fault(const trace::EventRecord& record) {
    IommuStats& iommu = made(iommus_, IOASIM_FIELD(record, VtdFault, iommu));
    ++iommu.blocked;
    iommu.recorded += IOASIM_FIELD(record, VtdFault, recorded);
    iommu.suppressed += IOASIM_FIELD(record, VtdFault, suppressed);
}
void Stats::on_invalidation(const trace::EventRecord& record) {
    ++made(iommus_, IOASIM_FIELD(record, VtdInvalidation, iommu)).invalidations;
}
void Stats::on_page_request(const trace::EventRecord& record) {
    ++made(iommus_, IOASIM_FIELD(record, VtdPageRequest, iommu)).page_requests;
}

// --- IDs
// ------------------------------------------------------------------------------------------

std::uint64_t Stats::life_key(std::uint64_t kernel, std::uint64_t set, std::uint64_t ioasid) {
    std::uint32_t& number = sets_[pair_key(as_u32(kernel), as_u32(set))];
    if (number == 0) {
        number = ++set_count_;
    }
    return pair_key(number, as_u32(ioasid));
}

IdLife* Stats::life(std::uint64_t key) {
    const std::uint32_t* index = live_.find(key);
    return index == nullptr || *index == 0 ? nullptr : &lives_[*index - 1];
}

void Stats::on_alloc(const trace::EventRecord& record) {
    const std::uint32_t kernel = IOASIM_U32(record, IoasidAlloc, kernel);
    const std::uint32_t ioasid = IOASIM_U32(record, IoasidAlloc, ioasid);
    const std::uint32_t set = IOASIM_U32(record, IoasidAlloc, set);
    if (kernel == host_) {
        if (std::unique_ptr<VmStats>* vm = vms_.find(set)) {
            ++(*vm)->ids_allocated;
            (*vm)->ids_live = IOASIM_FIELD(record, IoasidAlloc, live);
            (*vm)->ids_most = std::max((*vm)->ids_most, (*vm)->ids_live);
        }
    }
    const std::uint64_t key = life_key(kernel, set, ioasid);
    if (lives_.size() == kLives) {
        ++lives_not_listed_;
        live_.erase(key);  // of a life before that had no end
        return;
    }
    IdLife life;
    life.kernel = recorder_.names().text(trace::Name{kernel});
    life.ioasid = ioasid;
    life.set = recorder_.names().text(trace::Name{set});
    life.alloc = record.time.ps();
    lives_.push_back(std::move(life));
    live_[key] = static_cast<std::uint32_t>(lives_.size());
}

#define IOASIM_LIFE_KEY(record, Event)                                              \
    life_key(IOASIM_FIELD(record, Event, kernel), IOASIM_FIELD(record, Event, set), \
             IOASIM_FIELD(record, Event, ioasid))

void Stats::on_bind(const trace::EventRecord& record) {
    IdLife* life_of = life(IOASIM_LIFE_KEY(record, IoasidBind));
    if (life_of != nullptr && life_of->bind == kNever) {
        life_of->bind = record.time.ps();
    }
}
void Stats::on_unbind(const trace::EventRecord& record) {
    if (IdLife* life_of = life(IOASIM_LIFE_KEY(record, IoasidUnbind))) {
        life_of->unbind = record.time.ps();
    }
}

void Stats::on_free_call(const trace::EventRecord& record) {
    if (IOASIM_FIELD(record, IoasidFreeCall, result) != 0) {
        return;
    }
    IdLife* life_of = life(IOASIM_LIFE_KEY(record, IoasidFreeCall));
    if (life_of != nullptr && life_of->free == kNever) {
        life_of->free = record.time.ps();
    }
}

// Only an ID in use waits between free and reclaim.
void Stats::on_state(const trace::EventRecord& record) {
    if (IOASIM_U32(record, IoasidStateChange, kernel) == host_ &&
        IOASIM_FIELD(record, IoasidStateChange, to) ==
            static_cast<std::uint64_t>(trace::IoasidState::FreePending)) {
        freed_[IOASIM_LIFE_KEY(record, IoasidStateChange)] = record.time.ps();
    }
}

void Stats::on_reclaim(const trace::EventRecord& record) {
    const std::uint64_t key = IOASIM_LIFE_KEY(record, IoasidReclaim);
    if (IdLife* life_of = life(key)) {
        life_of->reclaim = record.time.ps();
    }
    live_.erase(key);
    if (IOASIM_U32(record, IoasidReclaim, kernel) != host_) {
        return;
    }
    if (const std::uint64_t* freed = freed_.find(key)) {
        time_to_reclaim_.add(TimePs{record.time.ps() - *freed});
        freed_.erase(key);
    }
    if (std::unique_ptr<VmStats>* vm = vms_.find(IOASIM_FIELD(record, IoasidReclaim, set))) {
        (*vm)->ids_live = IOASIM_FIELD(record, IoasidReclaim, live);
    }
}

void Stats::on_refused(const trace::EventRecord& record) {
    if (std::unique_ptr<VmStats>* vm = vms_.find(IOASIM_FIELD(record, IoasidRefused, set))) {
        ++(*vm)->refused;
    }
}

// --- VMs
// ------------------------------------------------------------------------------------------

void Stats::on_vm_create(const trace::EventRecord& record) {
    made(vms_, IOASIM_FIELD(record, VmCreate, vm));
    component_vm_ = {};
}

// "vm1/vcpu0" belongs to vm1.
VmStats* Stats::vm_of_component(std::uint32_t component) {
    std::uint32_t& vm = component_vm_[component];
    if (vm == 0) {
        const std::string& text = recorder_.names().text(trace::Name{component});
        const std::uint32_t name = recorder_.name(text.substr(0, text.find('/'))).value();
        vm = vms_.find(name) != nullptr ? name + 1 : 1;
    }
    std::unique_ptr<VmStats>* found = vm == 1 ? nullptr : vms_.find(vm - 1);
    return found == nullptr ? nullptr : found->get();
}

void Stats::on_vm_exit(const trace::EventRecord& record) {
    if (VmStats* vm = vm_of_component(IOASIM_U32(record, VmExit, vcpu))) {
        ++vm->exits;
    }
}
void Stats::on_kick(const trace::EventRecord& record) {
    if (std::unique_ptr<VmStats>* vm = vms_.find(IOASIM_FIELD(record, KvmKick, vm))) {
        ++(*vm)->kicks;
    }
}
void Stats::on_command(const trace::EventRecord& record) {
    if (std::unique_ptr<VmStats>* vm = vms_.find(IOASIM_FIELD(record, VirtualCommand, vm))) {
        ++(*vm)->virtual_commands;
        (*vm)->virtual_commands_failed += IOASIM_FIELD(record, VirtualCommand, status) != 0 ? 1 : 0;
    }
}

void Stats::on_enqcmd(const trace::EventRecord& record) {
    const auto outcome =
        static_cast<trace::EnqcmdOutcome>(IOASIM_FIELD(record, CpuEnqcmd, outcome));
    const bool sent =
        outcome == trace::EnqcmdOutcome::Accepted || outcome == trace::EnqcmdOutcome::Retry;
    if (sent) {
        enqcmd_.add(TimePs{IOASIM_FIELD(record, CpuEnqcmd, took)});
    }
    // A guest's instruction runs on a processor of the host; who executes it is the source.
    VmStats* vm = vm_of_component(IOASIM_U32(record, CpuEnqcmd, cpu));
    if (vm == nullptr) {
        vm = vm_of_component(recorder_.name(recorder_.source_name(record.source)).value());
    }
    if (vm != nullptr) {
        vm->submissions += sent ? 1 : 0;
        vm->translation_exits +=
            outcome == trace::EnqcmdOutcome::Exit72 || outcome == trace::EnqcmdOutcome::Exit73 ? 1
                                                                                               : 0;
    }
}

void Stats::on_lock(const trace::EventRecord& record) {
    LockStats& lock = locks_[recorder_.names().text(IOASIM_NAME(record, LockStatistics, lock))];
    lock.acquired = IOASIM_FIELD(record, LockStatistics, acquired);
    lock.contended = IOASIM_FIELD(record, LockStatistics, contended);
    lock.waited = TimePs{IOASIM_FIELD(record, LockStatistics, waited)};
    lock.longest = TimePs{IOASIM_FIELD(record, LockStatistics, longest)};
    lock.held = TimePs{IOASIM_FIELD(record, LockStatistics, held)};
}

StatsResult Stats::result() const {
    StatsResult result;
    const auto name = [this](std::uint32_t key) {
        return recorder_.names().text(trace::Name{key});
    };
    for (const std::uint64_t key : wqs_.sorted_keys()) {
        result.workqueues[name(key_high(key)) + "." + name(key_low(key))] = **wqs_.find(key);
    }
    for (const std::uint64_t key : pasids_.sorted_keys()) {
        result.pasids[as_u32(key)] = **pasids_.find(key);
    }
    for (const std::uint64_t key : iommus_.sorted_keys()) {
        result.iommus[name(as_u32(key))] = **iommus_.find(key);
    }
    for (const std::uint64_t key : vms_.sorted_keys()) {
        result.vms[name(as_u32(key))] = **vms_.find(key);
    }
    result.locks = locks_;
    result.lives = lives_;
    result.lives_not_listed = lives_not_listed_;
    result.time_to_reclaim = time_to_reclaim_;
    result.enqcmd = enqcmd_;
    result.end = end_;
    return result;
}

}  // namespace ioasim::traces
