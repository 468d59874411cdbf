// What several checkers need to know about the run so far, folded once for all of them: who each ID
// belongs to, and which pieces of hardware still name it. Integers only; names stay interned.
//
// Hardware of a host knows one PASID space, that host's. Events of guest kernels are told apart by
// their `kernel` field or by their source ("vm1/…"); their IDs live under their own kernel number.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/trace/ioasid_events.hpp"
#include "traces/fields.hpp"
#include "traces/flat_map.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::traces {

struct HolderCount {
    std::uint32_t holder = 0;  // name
    std::uint32_t count = 0;
};

struct IdFacts {
    std::uint32_t set = 0;  // name
    std::uint32_t spid = kNoId;
    std::uint32_t refs = 0;          // as the last event told
    std::uint32_t last_event = 0;    // in the history
    std::uint16_t entries = 0;       // present PASID entries (host)
    std::uint32_t lines = 0;         // cached structures and translations (host)
    std::uint16_t translations = 0;  // valid entries of VMs' PASID translation tables (host)
    std::uint16_t queues = 0;        // enabled dedicated workqueues (host)
    std::uint16_t messages = 0;      // entries of interrupt message storage (host)
    trace::IoasidState state = trace::IoasidState::Free;
    bool live = false;
    bool ever = false;       // was allocated at least once
    bool bound = false;      // BIND was sent, UNBIND not yet
    bool kvm_bound = false;  // KVM acted on BIND, not yet on UNBIND
    bool free_sent = false;
    // A guest's ID in full use: its owner, VFIO, the IOMMU, KVM, the device.
    std::array<HolderCount, 5> holders{};
};

struct SetFacts {
    std::uint64_t quota = 0;
    std::uint64_t live = 0;
    std::uint32_t alive = 0;  // sets of this name
};

// A PASID entry as the driver left it, and what was flushed since it was cleared.
struct EntryFacts {
    std::uint32_t did = 0;
    bool present = false;
    bool structure_flush_waited = false;    // PASID cache
    bool translation_flush_waited = false;  // IOTLB
    bool gone() const { return !present && structure_flush_waited && translation_flush_waited; }
};

struct Line {
    std::uint32_t iommu = 0;  // names
    std::uint32_t cache = 0;
    std::uint32_t pasid = kNoId;
    std::uint32_t did = 0;
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    std::uint32_t pgtt = 0;   // of an IOTLB entry; 0: not told
    std::uint32_t rid = 0;    // for whom it was put there
    std::uint32_t count = 0;  // 0: not in use
    std::uint32_t serial = 0;
    bool of_host = false;  // its PASID is an ID of the host
};

constexpr std::uint64_t entry_key(std::uint32_t iommu, std::uint32_t rid, std::uint32_t pasid) {
    return (std::uint64_t{iommu} << 40U) | (std::uint64_t{rid & 0xFFFFU} << 24U) |
           (pasid & 0xFF'FFFFU);
}

class Facts {
public:
    explicit Facts(trace::Recorder& recorder);
    // Before and after the checkers see an event.
    void add_first(HandlerTable& table);
    void add_last(HandlerTable& table);

    IdTable<IdFacts> ids;
    FlatMap<SetFacts> sets;            // pair_key(kernel, set)
    PagedMap<EntryFacts> entries;      // entry_key
    std::vector<Line> lines;           // with holes (count 0)
    FlatMap<std::uint32_t> vm_names;   // name -> 1, or 2 when destroyed
    FlatMap<std::uint64_t> accepted;   // pair_key(device, descriptor) -> sequence number
    std::uint32_t host = 0;            // the kernel name of the host
    std::uint32_t run_end_reason = 0;  // 0: not told

    // Whose numbers the ID is one of: the kernel's, or those of a private set with a namespace of
    // its own (a set that takes nothing from the pool).
    std::uint32_t space_of(std::uint32_t kernel, std::uint32_t set) const {
        if (private_sets_.empty()) {
            return kernel;
        }
        const std::uint32_t* space = private_sets_.find(pair_key(kernel, set));
        return space != nullptr ? *space : kernel;
    }
    bool is_private(std::uint32_t kernel, std::uint32_t set) const {
        return private_sets_.find(pair_key(kernel, set)) != nullptr;
    }
    // The kernel that a unit, a device or a virtual machine belongs to: "host" unless a run with
    // several hosts told something else.
    std::uint32_t host_of(std::uint32_t part) const {
        const std::uint32_t* found = part_hosts_.empty() ? nullptr : part_hosts_.find(part);
        return found != nullptr ? *found : host;
    }
    std::uint32_t host_of_function(std::uint64_t rid) const {
        const std::uint32_t* found = function_hosts_.empty() ? nullptr : function_hosts_.find(rid);
        return found != nullptr ? *found : host;
    }
    bool is_host(std::uint32_t kernel) const {
        return kernel == host || other_hosts_.find(kernel) != nullptr;
    }
    // The ID of that host behind a PASID of hardware; nullptr for none or never seen.
    IdFacts* hardware_id(std::uint32_t kernel, std::uint64_t pasid) {
        return pasid == kNoId ? nullptr : ids.find(kernel, as_u32(pasid));
    }
    // PASIDs of this function are numbers of a VM's own space: no ID of the host is behind them.
    bool has_own_numbers(std::uint64_t rid) const { return own_numbers_.find(rid + 1) != nullptr; }
    // The same for what a unit caches: some of its caches know domains and no functions.
    bool is_own_number(std::uint64_t rid, std::uint64_t did) const {
        return has_own_numbers(rid) || own_domains_.find(did + 1) != nullptr;
    }
    bool is_vm(std::uint32_t name) const { return vm_names.find(name) != nullptr; }
    bool is_destroyed(std::uint32_t name) const {
        const std::uint32_t* state = vm_names.find(name);
        return state != nullptr && *state == 2;
    }
    // Software of a guest emitted this.
    bool from_guest(const trace::EventRecord& record) { return guest_of(record.source) != 0; }
    // Name of the VM that a source or component ("vm1/vcpu0") is inside of; 0: none.
    std::uint32_t guest_of(SourceId source);
    std::uint32_t guest_of_name(std::uint32_t component);
    // Name of the VM on whose behalf the source acts, the host's vCPU and VMM tasks
    // ("host/vm1-vcpu0") included; 0: nobody's.
    std::uint32_t actor_of(SourceId source);
    // The run ended by itself and completely, so that what is left over is lost.
    bool ended_idle() const;

private:
    void on_first_alloc(const trace::EventRecord& record);
    void on_set_alloc(const trace::EventRecord& record);
    void on_set_quota(const trace::EventRecord& record);
    void on_entry_set(const trace::EventRecord& record);
    void on_entry_clear(const trace::EventRecord& record);
    void on_fill(const trace::EventRecord& record);
    void on_drop(const trace::EventRecord& record);
    void on_table_write(const trace::EventRecord& record);
    void on_wq_state(const trace::EventRecord& record);
    void on_stored_message(const trace::EventRecord& record);
    void on_halt(const trace::EventRecord& record);
    void on_enqueue(const trace::EventRecord& record);
    void on_kvm_bind(const trace::EventRecord& record);
    void on_kvm_unbind(const trace::EventRecord& record);
    void on_function(const trace::EventRecord& record);
    void on_vm_create(const trace::EventRecord& record);
    void on_vm_destroy(const trace::EventRecord& record);
    void on_run_end(const trace::EventRecord& record);
    void on_host_unit(const trace::EventRecord& record);
    void on_host_function(const trace::EventRecord& record);
    void on_vm_hosted(const trace::EventRecord& record);
    void on_last_state(const trace::EventRecord& record);
    void on_last_bind(const trace::EventRecord& record);
    void on_last_unbind(const trace::EventRecord& record);
    void on_last_free(const trace::EventRecord& record);
    void on_last_reclaim(const trace::EventRecord& record);
    void on_last_set_free(const trace::EventRecord& record);
    void on_last_complete(const trace::EventRecord& record);
    std::uint32_t vm_named(std::string_view text) const;
    static std::uint64_t line_key(std::uint32_t iommu, std::uint32_t cache, std::uint32_t pasid,
                                  std::uint32_t did, std::uint64_t address);

    trace::Recorder& recorder_;
    FlatMap<std::uint32_t> part_hosts_;      // name of a unit, device or VM -> kernel
    FlatMap<std::uint32_t> function_hosts_;  // requester id -> kernel
    FlatMap<std::uint32_t> other_hosts_;     // kernels beside "host"
    std::uint32_t idle_ = 0;
    std::uint32_t context_cache_ = 0;
    FlatMap<std::uint32_t> private_sets_;  // (kernel, set) -> name of its number space
    FlatMap<std::uint32_t> own_numbers_;   // requester id + 1
    FlatMap<std::uint32_t> own_domains_;   // of such functions' PASID entries: domain id + 1
    FlatMap<std::uint32_t> line_index_;    // line_key -> index + 1
    std::vector<std::uint32_t> free_lines_;
    struct Translation {
        std::uint32_t kernel = 0;
        std::uint32_t target = 0;  // host ID + 1
    };
    PagedMap<Translation> translations_;    // pair_key(vm, guest pasid)
    FlatMap<std::uint32_t> queue_pasid_;    // pair_key(device, wq) -> PASID + 1
    FlatMap<std::uint32_t> message_pasid_;  // pair_key(device, entry) -> PASID + 1
    // Memos by source and by name: 0 unknown, else name + 1 (of "": no VM).
    std::vector<std::uint32_t> guest_memo_;
    std::vector<std::uint32_t> actor_memo_;
    FlatMap<std::uint32_t> name_memo_;
};

}  // namespace ioasim::traces

// The number space of the ID that an event of the IOASID core is about.
#define IOASIM_ID_SPACE(facts, record, Event) \
    ((facts).space_of(IOASIM_U32(record, Event, kernel), IOASIM_U32(record, Event, set)))
