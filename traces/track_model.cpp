#include "traces/track_model.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNoField = trace::kMaxFields;

}  // namespace

template <class Event>
void TrackModel::form(Form how) {
    plan_of(trace::info_of<Event>()).form = how;
}

TrackModel::TrackModel(const trace::Recorder& recorder, TrackWriter& writer)
    : recorder_(recorder), writer_(writer) {
    form<trace::SchedRun>(&TrackModel::on_sched_run);
    form<trace::SchedIdle>(&TrackModel::on_sched_idle);
    form<trace::VmEntry>(&TrackModel::on_vm_entry);
    form<trace::VmExit>(&TrackModel::on_vm_exit);
    form<trace::VmCreate>(&TrackModel::on_vm_create);
    form<trace::VmDestroy>(&TrackModel::on_vm_destroy);
    form<trace::ProcessStart>(&TrackModel::on_process_start);
    form<trace::ProcessExit>(&TrackModel::on_process_exit);
    form<trace::LockAcquire>(&TrackModel::on_acquire);
    form<trace::LockRelease>(&TrackModel::on_release);
    form<trace::StepResult>(&TrackModel::on_step);
    form<trace::IoasidAlloc>(&TrackModel::on_alloc);
    form<trace::IoasidStateChange>(&TrackModel::on_state);
    form<trace::IoasidGet>(&TrackModel::on_refs);
    form<trace::IoasidPut>(&TrackModel::on_refs);
    form<trace::IoasidBind>(&TrackModel::on_id_event);
    form<trace::IoasidUnbind>(&TrackModel::on_id_event);
    form<trace::IoasidFree>(&TrackModel::on_id_event);
    form<trace::IoasidFreeCall>(&TrackModel::on_id_event);
    form<trace::IoasidReclaim>(&TrackModel::on_reclaim);
    form<trace::IoasidHandler>(&TrackModel::on_handler);
    form<trace::IoasidHandlerDone>(&TrackModel::on_handler_done);
    form<trace::IoasidWork>(&TrackModel::on_work);
    form<trace::CpuEnqcmd>(&TrackModel::on_enqcmd);
    form<trace::DsaEnqueue>(&TrackModel::on_enqueue);
    form<trace::DsaDispatch>(&TrackModel::on_dispatch);
    form<trace::DsaComplete>(&TrackModel::on_complete);
    form<trace::DsaAccess>(&TrackModel::on_access);
    form<trace::RequesterStart>(&TrackModel::on_requester_start);
    form<trace::RequesterDone>(&TrackModel::on_requester_done);
    form<trace::VtdRequest>(&TrackModel::on_request);
    form<trace::VtdTranslated>(&TrackModel::on_translated);
    form<trace::VtdFault>(&TrackModel::on_fault);
    form<trace::VtdInvWait>(&TrackModel::on_inv_wait);
    form<trace::VtdInvWaitDone>(&TrackModel::on_inv_wait_done);
    form<trace::VtdDevTlbRequest>(&TrackModel::on_dev_tlb_request);
    form<trace::VtdDevTlbDone>(&TrackModel::on_dev_tlb_done);
    form<trace::VtdPageRequest>(&TrackModel::on_page_request);
    form<trace::VtdPageResponse>(&TrackModel::on_page_response);
    form<trace::VtdPrq>(&TrackModel::on_prq);
    form<trace::PcieStall>(&TrackModel::on_stall);
    form<trace::PcieResume>(&TrackModel::on_resume);
    form<trace::RunFinding>(&TrackModel::on_finding);
}

TrackModel::Plan& TrackModel::plan_of(const trace::EventInfo& info) {
    const auto [found, fresh] = plans_.try_emplace(&info);
    Plan& plan = found->second;
    if (!fresh) {
        return plan;
    }
    const auto field = [&info](const char* name) {
        const std::size_t at = info.field(name);
        return at < info.fields.size() ? at : kNoField;
    };
    plan.kernel = field("kernel");
    plan.ioasid = field("ioasid");
    plan.pasid = field("pasid");
    plan.descriptor = field("descriptor");
    plan.device = field("device");
    plan.rid = field("rid");
    for (const char* name :
         {"iommu", "vm", "kernel", "device", "process", "program", "cpu", "vcpu", "task"}) {
        if (plan.component == kNoField) {
            const std::size_t at = field(name);
            const bool named = at != kNoField && info.fields[at].type == trace::FieldType::Text;
            plan.component = named ? at : kNoField;
        }
    }
    plan.kind = info.name.substr(0, info.name.find('.'));
    // Caches and walks name an ID at every step of every access: the descriptor's flow has those.
    const bool steps = info.category == trace::Category::VtdWalk || info.name == "vtd.fill" ||
                       info.name == "vtd.drop" || info.name == "vtd.translated" ||
                       info.name == "vtd.translation_entry";
    plan.follows_id = !steps && (plan.descriptor == kNoField || info.name == "dsa.enqueue");
    return plan;
}

void TrackModel::on_event(const Record& record) {
    const Plan& plan = plan_of(*record.info);
    if (plan.kernel != kNoField) {
        const trace::Name kernel = as_name(record.values[plan.kernel]);
        kernels_.try_emplace(text(kernel), kernel);
    }
    if (plan.form != nullptr) {
        (this->*plan.form)(record);
    } else {
        on_plain(record, plan);
    }
}

// --- tracks
// ---------------------------------------------------------------------------------------

TrackId TrackModel::group(const std::string& name) {
    TrackId& id = groups_[name];
    if (id == 0) {
        id = writer_.add(0, Kind::Group, name);
    }
    return id;
}

TrackId TrackModel::track(TrackId group, const std::string& name, Kind kind) {
    TrackId& id = tracks_[{group, name}];
    if (id == 0) {
        id = writer_.add(group, kind, name);
    }
    return id;
}

TrackModel::Taken TrackModel::take(TrackId group, const std::string& name) {
    Lanes& lanes = lanes_[{group, name}];
    lanes.group = group;
    const auto free = std::find(lanes.busy.begin(), lanes.busy.end(), false);
    const auto at = static_cast<std::size_t>(free - lanes.busy.begin());
    if (free == lanes.busy.end()) {
        lanes.tracks.push_back(writer_.add(group, Kind::Slices, name));
        lanes.busy.push_back(true);
    } else {
        lanes.busy[at] = true;
    }
    return {&lanes, at};
}

void TrackModel::release(const Taken& taken) {
    taken.lanes->busy[taken.lane] = false;
}

void TrackModel::begin_keyed(const Key& key, TrackId group, const std::string& lanes,
                             const std::string& name, const Record& record) {
    const Taken taken = take(group, lanes);
    writer_.begin(taken.track(), record.time, name, record,
                  flows_of(record, plan_of(*record.info)));
    keyed_[key].push_back(taken);
}

bool TrackModel::end_keyed(const Key& key, const Record& record) {
    const auto found = keyed_.find(key);
    if (found == keyed_.end()) {
        return false;
    }
    const Taken taken = found->second.front();
    found->second.pop_front();
    if (found->second.empty()) {
        keyed_.erase(found);
    }
    writer_.end(taken.track(), record.time, &record);
    release(taken);
    return true;
}

// --- flows
// ----------------------------------------------------------------------------------------

// In the order of their first use here: a trace made of a trace is the same as one of the run.
std::uint64_t TrackModel::number_of(std::uint32_t name) {
    std::uint32_t& number = numbers_[name];
    if (number == 0) {
        number = static_cast<std::uint32_t>(numbers_.size());
    }
    return number;
}

std::uint64_t TrackModel::descriptor_flow(std::uint32_t device, std::uint64_t descriptor) {
    return (number_of(device) << 40U) | (descriptor & 0xFF'FFFF'FFFFU);
}

std::uint64_t TrackModel::id_flow(std::uint32_t kernel, std::uint32_t id) {
    const std::uint32_t* life = lives_.find(pair_key(kernel, id));
    return (std::uint64_t{1} << 63U) | ((number_of(kernel) & 0x7FFU) << 52U) |
           (std::uint64_t{(life == nullptr ? 0 : *life) & 0xF'FFFFU} << 32U) | id;
}

// Whose IDs an event of software speaks of; hardware knows the host's only.
trace::Name TrackModel::kernel_of(const Record& record, const Plan& plan) const {
    if (plan.kernel != kNoField) {
        return as_name(record.values[plan.kernel]);
    }
    const auto named = [this](const std::string& kernel) {
        const auto found = kernels_.find(kernel);
        return found == kernels_.end() ? trace::Name{} : found->second;
    };
    const trace::Name top = plan.ioasid != kNoField
                                ? trace::Name{}
                                : named(top_of(recorder_.source_name(record.source)));
    return top != trace::Name{} ? top : named("host");
}

TrackFlows TrackModel::flows_of(const Record& record, const Plan& plan, bool ends) {
    TrackFlows flows;
    if (plan.descriptor != kNoField && record.values[plan.descriptor] != 0) {
        const std::uint32_t* device = nullptr;
        std::uint32_t named = 0;
        if (plan.device != kNoField) {
            named = as_u32(record.values[plan.device]);
            device = &named;
        } else if (plan.rid != kNoField) {
            device = device_of_rid_.find(record.values[plan.rid]);
        }
        if (device != nullptr) {
            flows.add(descriptor_flow(*device, record.values[plan.descriptor]), ends);
        }
    }
    const std::size_t id = plan.ioasid != kNoField ? plan.ioasid : plan.pasid;
    if (plan.follows_id && id != kNoField && record.values[id] != kNoId) {
        flows.add(id_flow(kernel_of(record, plan).value(), as_u32(record.values[id])));
    }
    return flows;
}

// --- events without a form of their own ----------------------------------------------------------

void TrackModel::on_plain(const Record& record, const Plan& plan) {
    const std::string& component = plan.component != kNoField && record.values[plan.component] != 0
                                       ? text(as_name(record.values[plan.component]))
                                       : recorder_.source_name(record.source);
    writer_.instant(track(group(top_of(component)), plan.kind), record.time, record.info->name,
                    record, flows_of(record, plan));
}

}  // namespace ioasim::traces
