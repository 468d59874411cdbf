// Figures of a run for summary and reports: descriptors and latencies by workqueue and by PASID,
// faults and translation by IOMMU, the lives of IDs, facts about each VM. A passive listener.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "traces/flat_map.hpp"
#include "traces/latency.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::traces {

struct WorkStats {
    std::uint64_t accepted = 0;
    std::uint64_t retries = 0;    // submissions answered with retry
    std::uint64_t completed = 0;  // finished by the device with success
    std::uint64_t failed = 0;     // finished with another status
    std::uint64_t aborted = 0;
    std::uint64_t lost = 0;  // finished, but the record could not be written
    std::uint64_t bytes = 0;
    Latency latency;  // acceptance to end, of what the device finished
};

struct IommuStats {
    std::uint64_t requests = 0;
    std::uint64_t hits = 0;   // translated from the IOTLB
    std::uint64_t walks = 0;  // translated by a walk
    std::uint64_t blocked = 0;
    std::uint64_t recorded = 0;
    std::uint64_t suppressed = 0;
    std::uint64_t invalidations = 0;
    std::uint64_t page_requests = 0;
    Latency translation;
};

constexpr std::uint64_t kNever = ~std::uint64_t{0};

// One life of an ID; times in picoseconds, kNever when it did not happen. Of several binds and
// unbinds the first bind and the last unbind.
struct IdLife {
    std::string kernel;
    std::uint32_t ioasid = 0;
    std::string set;
    std::uint64_t alloc = kNever;
    std::uint64_t bind = kNever;
    std::uint64_t unbind = kNever;
    std::uint64_t free = kNever;
    std::uint64_t reclaim = kNever;
};

struct VmStats {
    std::uint64_t ids_allocated = 0;
    std::uint64_t ids_live = 0;
    std::uint64_t ids_most = 0;     // live at a time
    std::uint64_t refused = 0;      // calls of the core that were refused
    std::uint64_t submissions = 0;  // ENQCMD that a device answered
    std::uint64_t translation_exits = 0;
    std::uint64_t exits = 0;
    std::uint64_t kicks = 0;
    std::uint64_t virtual_commands = 0;
    std::uint64_t virtual_commands_failed = 0;
};

struct LockStats {
    std::uint64_t acquired = 0;
    std::uint64_t contended = 0;
    TimePs waited;
    TimePs longest;
    TimePs held;
};

struct StatsResult {
    std::map<std::string, WorkStats> workqueues;  // "dsa0.wq0"
    std::map<std::uint32_t, WorkStats> pasids;    // those with descriptors
    std::map<std::string, IommuStats> iommus;
    std::map<std::string, VmStats> vms;
    std::map<std::string, LockStats> locks;
    std::vector<IdLife> lives;  // by time of allocation
    std::uint64_t lives_not_listed = 0;
    Latency time_to_reclaim;  // free to reclaim, host IDs in use
    Latency enqcmd;
    TimePs end;
};

class Stats final : public TypedListener<Stats> {
public:
    explicit Stats(trace::Recorder& recorder);
    void on_end(TimePs end) override { end_ = end; }
    StatsResult result() const;

private:
    void on_enqueue(const trace::EventRecord& record);
    void on_complete(const trace::EventRecord& record);
    void on_request(const trace::EventRecord& record);
    void on_translated(const trace::EventRecord& record);
    void on_fault(const trace::EventRecord& record);
    void on_invalidation(const trace::EventRecord& record);
    void on_page_request(const trace::EventRecord& record);
    void on_alloc(const trace::EventRecord& record);
    void on_bind(const trace::EventRecord& record);
    void on_unbind(const trace::EventRecord& record);
    void on_free_call(const trace::EventRecord& record);
    void on_state(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_refused(const trace::EventRecord& record);
    void on_vm_create(const trace::EventRecord& record);
    void on_vm_exit(const trace::EventRecord& record);
    void on_kick(const trace::EventRecord& record);
    void on_command(const trace::EventRecord& record);
    void on_enqcmd(const trace::EventRecord& record);
    void on_lock(const trace::EventRecord& record);
    WorkStats& of_wq(std::uint32_t device, std::uint32_t wq);
    WorkStats& of_pasid(std::uint32_t pasid);
    // Numbers are unique within a set; private sets may share them.
    std::uint64_t life_key(std::uint64_t kernel, std::uint64_t set, std::uint64_t ioasid);
    IdLife* life(std::uint64_t key);
    VmStats* vm_of_component(std::uint32_t component);

    static constexpr std::size_t kLives = 10'000;
    trace::Recorder& recorder_;
    std::uint32_t host_;
    std::uint32_t abort_;
    std::uint32_t lost_;
    FlatMap<std::unique_ptr<WorkStats>> wqs_;  // (device, wq)
    FlatMap<std::unique_ptr<WorkStats>> pasids_;
    FlatMap<std::unique_ptr<IommuStats>> iommus_;
    FlatMap<std::unique_ptr<VmStats>> vms_;
    FlatMap<std::uint32_t> component_vm_;  // component -> VM + 1, 1: none
    FlatMap<std::uint32_t> sets_;          // (kernel, set) -> number
    FlatMap<std::uint32_t> live_;          // life_key -> index into lives_ + 1
    FlatMap<std::uint64_t> freed_;         // life_key of host IDs -> when FREE_PENDING
    std::map<std::string, LockStats> locks_;
    std::vector<IdLife> lives_;
    std::uint64_t lives_not_listed_ = 0;
    std::uint32_t set_count_ = 0;
    Latency time_to_reclaim_;
    Latency enqcmd_;
    TimePs end_;
};

}  // namespace ioasim::traces
