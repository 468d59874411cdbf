#include "traces/facts.hpp"

#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint64_t kValid = std::uint64_t{1} << 31U;  // of a PASID translation entry
constexpr std::uint64_t kPasidMask = 0xFFFFF;

template <class Event, void (Facts::*Method)(const trace::EventRecord&)>
void add(HandlerTable& table, Facts& facts) {
    table.add(trace::info_of<Event>(), {[](void* self, const trace::EventRecord& record) {
                                            (static_cast<Facts*>(self)->*Method)(record);
                                        },
                                        &facts});
}

template <class Count>
void drop_one(Count& count) {
    if (count > 0) {
        --count;
    }
}

}  // namespace

Facts::Facts(trace::Recorder& recorder) : recorder_(recorder) {
    host = recorder.name("host").value();
    idle_ = recorder.name("idle").value();
    context_cache_ = recorder.name("context").value();
}

void Facts::add_first(HandlerTable& table) {
    add<trace::IoasidAlloc, &Facts::on_first_alloc>(table, *this);
    add<trace::IoasidSetAlloc, &Facts::on_set_alloc>(table, *this);
    add<trace::IoasidSetQuota, &Facts::on_set_quota>(table, *this);
    add<trace::VtdPasidEntrySet, &Facts::on_entry_set>(table, *this);
    add<trace::VtdPasidEntryClear, &Facts::on_entry_clear>(table, *this);
    add<trace::VtdFill, &Facts::on_fill>(table, *this);
    add<trace::VtdDrop, &Facts::on_drop>(table, *this);
    add<trace::KvmTableWrite, &Facts::on_table_write>(table, *this);
    add<trace::KvmBind, &Facts::on_kvm_bind>(table, *this);
    add<trace::KvmUnbind, &Facts::on_kvm_unbind>(table, *this);
    add<trace::DsaWqState, &Facts::on_wq_state>(table, *this);
    add<trace::DsaStoredMessage, &Facts::on_stored_message>(table, *this);
    add<trace::DsaHalt, &Facts::on_halt>(table, *this);
    add<trace::VmFunction, &Facts::on_function>(table, *this);
    add<trace::VmCreate, &Facts::on_vm_create>(table, *this);
    add<trace::VmDestroy, &Facts::on_vm_destroy>(table, *this);
    add<trace::RunEnd, &Facts::on_run_end>(table, *this);
    add<trace::RunHostUnit, &Facts::on_host_unit>(table, *this);
    add<trace::RunHostFunction, &Facts::on_host_function>(table, *this);
    add<trace::VmHosted, &Facts::on_vm_hosted>(table, *this);
}

void Facts::add_last(HandlerTable& table) {
    add<trace::IoasidStateChange, &Facts::on_last_state>(table, *this);
    add<trace::IoasidBind, &Facts::on_last_bind>(table, *this);
    add<trace::IoasidUnbind, &Facts::on_last_unbind>(table, *this);
    add<trace::IoasidFree, &Facts::on_last_free>(table, *this);
    add<trace::IoasidReclaim, &Facts::on_last_reclaim>(table, *this);
    add<trace::IoasidSetFree, &Facts::on_last_set_free>(table, *this);
    // Conservation looks for the descriptor in both, so they come behind it.
    add<trace::DsaEnqueue, &Facts::on_enqueue>(table, *this);
    add<trace::DsaComplete, &Facts::on_last_complete>(table, *this);
}

bool Facts::ended_idle() const {
    return run_end_reason == 0 || run_end_reason == idle_;
}

// --- who is who ---------------------------------------------------------------------------------

std::uint32_t Facts::vm_named(std::string_view text) const {
    // Interning is harmless: the name of a VM is known to the recorder anyway.
    const std::uint32_t name = recorder_.name(text).value();
    return is_vm(name) ? name : 0;
}

std::uint32_t Facts::guest_of(SourceId source) {
    const std::size_t at = source.value();
    if (at >= guest_memo_.size()) {
        guest_memo_.resize(at + 1, 0);
    }
    if (guest_memo_[at] == 0) {
        const std::string& text = recorder_.source_name(source);
        const std::size_t slash = text.find('/');
        // A VMM ("vm1/vmm/vmm") is software of the host.
        const bool inside = slash != std::string::npos && text.compare(slash, 4, "/vmm") != 0;
        guest_memo_[at] = 1 + (inside ? vm_named(std::string_view(text).substr(0, slash)) : 0);
    }
    return guest_memo_[at] - 1;
}

std::uint32_t Facts::guest_of_name(std::uint32_t component) {
    std::uint32_t& memo = name_memo_[component];
    if (memo == 0) {
        const std::string_view text = recorder_.names().text(trace::Name{component});
        memo = 1 + vm_named(text.substr(0, text.find('/')));
    }
    return memo - 1;
}

std::uint32_t Facts::actor_of(SourceId source) {
    const std::size_t at = source.value();
    if (at >= actor_memo_.size()) {
        actor_memo_.resize(at + 1, 0);
    }
    if (actor_memo_[at] == 0) {
        std::string_view text = recorder_.source_name(source);
        const std::size_t slash = text.find('/');
        if (slash != std::string_view::npos &&
            is_host(recorder_.name(text.substr(0, slash)).value())) {
            text.remove_prefix(slash + 1);
        }
        actor_memo_[at] = 1 + vm_named(text.substr(0, text.find_first_of("/-")));
    }
    return actor_memo_[at] - 1;
}

void Facts::on_vm_create(const trace::EventRecord& record) {
    vm_names[IOASIM_FIELD(record, VmCreate, vm)] = 1;
    guest_memo_.clear();
    actor_memo_.clear();
    name_memo_ = {};
}

void Facts::on_vm_destroy(const trace::EventRecord& record) {
    vm_names[IOASIM_FIELD(record, VmDestroy, vm)] = 2;
}

void Facts::on_run_end(const trace::EventRecord& record) {
    run_end_reason = IOASIM_U32(record, RunEnd, reason);
}

// --- several hosts
// --------------------------------------------------------------------------------

void Facts::on_host_unit(const trace::EventRecord& record) {
    const std::uint32_t kernel = IOASIM_U32(record, RunHostUnit, host);
    part_hosts_[IOASIM_U32(record, RunHostUnit, iommu)] = kernel;
    if (kernel != host) {
        other_hosts_[kernel] = 1;
        actor_memo_.clear();
    }
}

void Facts::on_host_function(const trace::EventRecord& record) {
    const std::uint32_t kernel = IOASIM_U32(record, RunHostFunction, host);
    part_hosts_[IOASIM_U32(record, RunHostFunction, device)] = kernel;
    function_hosts_[IOASIM_FIELD(record, RunHostFunction, rid)] = kernel;
}

void Facts::on_vm_hosted(const trace::EventRecord& record) {
    part_hosts_[IOASIM_U32(record, VmHosted, vm)] = IOASIM_U32(record, VmHosted, host);
}

// --- IDs and sets -------------------------------------------------------------------------------

void Facts::on_first_alloc(const trace::EventRecord& record) {
    const std::uint32_t kernel = IOASIM_U32(record, IoasidAlloc, kernel);
    IdFacts& id = ids.at(IOASIM_ID_SPACE(*this, record, IoasidAlloc),
                         IOASIM_U32(record, IoasidAlloc, ioasid));
    id.set = IOASIM_U32(record, IoasidAlloc, set);
    id.refs = 1;
    id.spid = kNoId;
    id.live = true;
    id.ever = true;
    id.bound = false;
    id.free_sent = false;
    sets[pair_key(kernel, id.set)].live = IOASIM_FIELD(record, IoasidAlloc, live);
}

void Facts::on_last_state(const trace::EventRecord& record) {
    ids.at(IOASIM_ID_SPACE(*this, record, IoasidStateChange),
           IOASIM_U32(record, IoasidStateChange, ioasid))
        .state = static_cast<trace::IoasidState>(IOASIM_FIELD(record, IoasidStateChange, to));
}

void Facts::on_last_bind(const trace::EventRecord& record) {
    IdFacts& id =
        ids.at(IOASIM_ID_SPACE(*this, record, IoasidBind), IOASIM_U32(record, IoasidBind, ioasid));
    id.bound = true;
    id.spid = IOASIM_U32(record, IoasidBind, spid);
}

void Facts::on_last_unbind(const trace::EventRecord& record) {
    IdFacts& id = ids.at(IOASIM_ID_SPACE(*this, record, IoasidUnbind),
                         IOASIM_U32(record, IoasidUnbind, ioasid));
    id.bound = false;
    id.spid = kNoId;
}

void Facts::on_last_free(const trace::EventRecord& record) {
    ids.at(IOASIM_ID_SPACE(*this, record, IoasidFree), IOASIM_U32(record, IoasidFree, ioasid))
        .free_sent = true;
}

void Facts::on_last_reclaim(const trace::EventRecord& record) {
    const std::uint32_t kernel = IOASIM_U32(record, IoasidReclaim, kernel);
    IdFacts& id = ids.at(IOASIM_ID_SPACE(*this, record, IoasidReclaim),
                         IOASIM_U32(record, IoasidReclaim, ioasid));
    sets[pair_key(kernel, id.set)].live = IOASIM_FIELD(record, IoasidReclaim, live);
    id.live = false;
    id.refs = 0;
    id.bound = false;
    id.holders = {};
}

void Facts::on_set_alloc(const trace::EventRecord& record) {
    const std::uint64_t key = pair_key(IOASIM_U32(record, IoasidSetAlloc, kernel),
                                       IOASIM_U32(record, IoasidSetAlloc, set));
    if (IOASIM_FIELD(record, IoasidSetAlloc, quota) == 0) {
        private_sets_[key] =
            recorder_
                .name(recorder_.names().text(IOASIM_NAME(record, IoasidSetAlloc, kernel)) +
                      ".set(" + recorder_.names().text(IOASIM_NAME(record, IoasidSetAlloc, set)) +
                      ")")
                .value();
    } else {
        private_sets_.erase(key);
    }
    SetFacts& set = sets[key];
    if (set.alive == 0) {
        set.quota = 0;
    }
    ++set.alive;
    set.quota += IOASIM_FIELD(record, IoasidSetAlloc, quota);
}

void Facts::on_set_quota(const trace::EventRecord& record) {
    sets[pair_key(IOASIM_U32(record, IoasidSetQuota, kernel),
                  IOASIM_U32(record, IoasidSetQuota, set))]
        .quota = IOASIM_FIELD(record, IoasidSetQuota, quota);
}

void Facts::on_last_set_free(const trace::EventRecord& record) {
    SetFacts& set = sets[pair_key(IOASIM_U32(record, IoasidSetFree, kernel),
                                  IOASIM_U32(record, IoasidSetFree, set))];
    if (set.alive > 0) {
        --set.alive;
    }
}

// --- who names an ID
// ------------------------------------------------------------------------------

void Facts::on_entry_set(const trace::EventRecord& record) {
    if (from_guest(record)) {
        return;
    }
    const std::uint32_t pasid = IOASIM_U32(record, VtdPasidEntrySet, pasid);
    EntryFacts& entry = entries[entry_key(IOASIM_U32(record, VtdPasidEntrySet, iommu),
                                          IOASIM_U32(record, VtdPasidEntrySet, rid), pasid)];
    if (has_own_numbers(IOASIM_U32(record, VtdPasidEntrySet, rid))) {
        own_domains_[std::uint64_t{IOASIM_U32(record, VtdPasidEntrySet, did)} + 1] = 1;
    } else if (!entry.present) {
        ++ids.at(host_of(IOASIM_U32(record, VtdPasidEntrySet, iommu)), pasid).entries;
    }
    entry = {};
    entry.present = true;
    entry.did = IOASIM_U32(record, VtdPasidEntrySet, did);
}

void Facts::on_entry_clear(const trace::EventRecord& record) {
    if (from_guest(record)) {
        return;
    }
    const std::uint32_t pasid = IOASIM_U32(record, VtdPasidEntryClear, pasid);
    EntryFacts& entry = entries[entry_key(IOASIM_U32(record, VtdPasidEntryClear, iommu),
                                          IOASIM_U32(record, VtdPasidEntryClear, rid), pasid)];
    if (entry.present && !has_own_numbers(IOASIM_U32(record, VtdPasidEntryClear, rid))) {
        drop_one(ids.at(host_of(IOASIM_U32(record, VtdPasidEntryClear, iommu)), pasid).entries);
    }
    entry.present = false;
}

std::uint64_t Facts::line_key(std::uint32_t iommu, std::uint32_t cache, std::uint32_t pasid,
                              std::uint32_t did, std::uint64_t address) {
    return mix_key(mix_key(pair_key(iommu, cache) ^ mix_key(pair_key(did, pasid))) + address);
}

void Facts::on_fill(const trace::EventRecord& record) {
    Line line;
    line.iommu = IOASIM_U32(record, VtdFill, iommu);
    line.cache = IOASIM_U32(record, VtdFill, cache);
    if (line.cache == context_cache_) {
        return;  // names no PASID
    }
    line.pasid = IOASIM_U32(record, VtdFill, pasid);
    line.did = IOASIM_U32(record, VtdFill, did);
    line.address = IOASIM_FIELD(record, VtdFill, address);
    line.bytes = IOASIM_FIELD(record, VtdFill, bytes);
    line.pgtt = IOASIM_U32(record, VtdFill, pgtt);
    line.rid = IOASIM_U32(record, VtdFill, rid);
    line.of_host =
        line.pasid != kNoId && !is_own_number(IOASIM_U32(record, VtdFill, rid), line.did);
    if (line.of_host) {
        ++ids.at(host_of(line.iommu), line.pasid).lines;
    }
    std::uint32_t& index =
        line_index_[line_key(line.iommu, line.cache, line.pasid, line.did, line.address)];
    if (index == 0) {
        if (free_lines_.empty()) {
            free_lines_.push_back(static_cast<std::uint32_t>(lines.size()));
            lines.emplace_back();
        }
        index = free_lines_.back() + 1;
        free_lines_.pop_back();
    }
    Line& slot = lines[index - 1];
    line.count = slot.count + 1;
    line.serial = slot.serial + 1;
    slot = line;
}

void Facts::on_drop(const trace::EventRecord& record) {
    const std::uint32_t pasid = IOASIM_U32(record, VtdDrop, pasid);
    const std::uint64_t key =
        line_key(IOASIM_U32(record, VtdDrop, iommu), IOASIM_U32(record, VtdDrop, cache), pasid,
                 IOASIM_U32(record, VtdDrop, did), IOASIM_FIELD(record, VtdDrop, address));
    const std::uint32_t* index = line_index_.find(key);
    if (index == nullptr) {
        return;
    }
    Line& line = lines[*index - 1];
    if (line.of_host) {
        drop_one(ids.at(host_of(line.iommu), pasid).lines);
    }
    if (--line.count == 0) {
        free_lines_.push_back(*index - 1);
        line_index_.erase(key);
    }
}

void Facts::on_table_write(const trace::EventRecord& record) {
    const std::uint64_t value = IOASIM_FIELD(record, KvmTableWrite, value);
    const std::uint32_t vm = IOASIM_U32(record, KvmTableWrite, vm);
    Translation& entry =
        translations_[pair_key(vm, IOASIM_U32(record, KvmTableWrite, guest_pasid))];
    if (entry.target != 0) {
        drop_one(ids.at(entry.kernel, entry.target - 1).translations);
    }
    entry = {host_of(vm), 0};
    if ((value & kValid) != 0) {
        entry.target = as_u32(value & kPasidMask) + 1;
        ++ids.at(entry.kernel, entry.target - 1).translations;
    }
}

void Facts::on_function(const trace::EventRecord& record) {
    const std::uint64_t key = std::uint64_t{IOASIM_U32(record, VmFunction, rid)} + 1;
    if (IOASIM_FIELD(record, VmFunction, own_numbers) != 0 &&
        IOASIM_FIELD(record, VmFunction, assigned) != 0) {
        own_numbers_[key] = 1;
    } else {
        own_numbers_.erase(key);
    }
}

void Facts::on_kvm_bind(const trace::EventRecord& record) {
    ids.at(host_of(IOASIM_U32(record, KvmBind, vm)), IOASIM_U32(record, KvmBind, ioasid))
        .kvm_bound = true;
}

void Facts::on_kvm_unbind(const trace::EventRecord& record) {
    ids.at(host_of(IOASIM_U32(record, KvmUnbind, vm)), IOASIM_U32(record, KvmUnbind, ioasid))
        .kvm_bound = false;
}

void Facts::on_wq_state(const trace::EventRecord& record) {
    const std::uint32_t kernel = host_of(IOASIM_U32(record, DsaWqState, device));
    std::uint32_t& pasid = queue_pasid_[pair_key(IOASIM_U32(record, DsaWqState, device),
                                                 IOASIM_U32(record, DsaWqState, wq))];
    if (pasid != 0) {
        drop_one(ids.at(kernel, pasid - 1).queues);
    }
    pasid = 0;
    const std::uint32_t now = IOASIM_U32(record, DsaWqState, pasid);
    if (IOASIM_FIELD(record, DsaWqState, enabled) != 0 &&
        IOASIM_FIELD(record, DsaWqState, shared) == 0 && now != kNoId) {
        pasid = now + 1;
        ++ids.at(kernel, now).queues;
    }
}

void Facts::on_stored_message(const trace::EventRecord& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaStoredMessage, device);
    const std::uint32_t kernel = host_of(device);
    std::uint32_t& pasid =
        message_pasid_[pair_key(device, IOASIM_U32(record, DsaStoredMessage, entry))];
    if (pasid != 0) {
        drop_one(ids.at(kernel, pasid - 1).messages);
    }
    const std::uint32_t now = IOASIM_U32(record, DsaStoredMessage, pasid);
    pasid = now == kNoId ? 0 : now + 1;
    if (now != kNoId) {
        ++ids.at(kernel, now).messages;
    }
}

// WQCFG reads as before, but a halted device works under no PASID: only a reset, which clears its
// workqueues, brings it back.
void Facts::on_halt(const trace::EventRecord& record) {
    const std::uint32_t device = IOASIM_U32(record, DsaHalt, device);
    for (const std::uint64_t key : queue_pasid_.sorted_keys()) {
        if (key_high(key) == device) {
            std::uint32_t& pasid = queue_pasid_[key];
            if (pasid != 0) {
                drop_one(ids.at(host_of(device), pasid - 1).queues);
            }
            pasid = 0;
        }
    }
}

void Facts::on_enqueue(const trace::EventRecord& record) {
    if (IOASIM_FIELD(record, DsaEnqueue, accepted) != 0) {
        accepted[pair_key(IOASIM_U32(record, DsaEnqueue, device),
                          IOASIM_U32(record, DsaEnqueue, descriptor))] = record.seq;
    }
}

void Facts::on_last_complete(const trace::EventRecord& record) {
    accepted.erase(pair_key(IOASIM_U32(record, DsaComplete, device),
                            IOASIM_U32(record, DsaComplete, descriptor)));
}

}  // namespace ioasim::traces
