// The folding half of the state view: what the events so far add up to. No questions asked here.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "traces/facts.hpp"
#include "traces/owner_map.hpp"

namespace ioasim::traces {

class StateFold {
public:
    // `shared`: facts that somebody else keeps up to date before this sees an event; null: its own.
    StateFold(trace::Recorder& recorder, Facts* shared);

    struct Kernel {
        std::uint64_t total = 0;
        std::uint64_t available = 0;
        std::uint64_t live = 0;
    };
    struct Id {
        std::uint32_t refs = 0;
        std::vector<HolderCount> holders;
    };
    struct Cpu {
        std::uint32_t pasid = kNoId;
        bool valid = false;
    };
    struct Iommu {
        std::uint64_t faults = 0;
        std::uint64_t recorded = 0;
        std::uint64_t suppressed = 0;
        std::uint32_t head = 0;
        std::uint32_t tail = 0;
    };
    struct Device {
        std::uint64_t accepted = 0;
        std::uint64_t retries = 0;
        std::uint64_t ended = 0;
        std::uint64_t completed = 0;  // the device finished it, well or with an error
        std::uint64_t failed = 0;     // of these, with a status other than success
        std::uint64_t aborted = 0;
        std::uint64_t lost = 0;  // its record could not be written
        std::uint64_t faults = 0;
    };
    struct Queue {
        std::uint32_t occupancy = 0;
        std::uint32_t size = 0;
        std::uint32_t pasid = kNoId;
        bool enabled = false;
        bool shared = false;
    };
    struct Descriptor {
        std::uint32_t status = 0;
        std::uint32_t how = 0;
        bool ended = false;
    };
    struct Process {
        bool alive = false;
        std::uint32_t cause = 0;
    };
    struct Program {
        std::uint64_t steps = 0;
        std::uint64_t last = 0;  // error number
    };

    struct Lock {
        std::uint64_t acquired = 0;
        std::uint64_t contended = 0;
        std::uint64_t waited = 0;  // picoseconds
        std::uint64_t longest = 0;
        std::uint64_t held = 0;
    };

private:
    std::unique_ptr<Facts> own_facts_;

public:
    Facts& facts;
    FlatMap<Kernel> kernels;
    IdTable<Id> ids;               // by number space
    PagedMap<std::uint64_t> vmcs;  // (vm, guest pasid) -> entry
    FlatMap<Cpu> cpus;
    FlatMap<Iommu> iommus;
    FlatMap<Device> devices;
    FlatMap<Queue> queues;            // (device, wq)
    FlatMap<Descriptor> descriptors;  // (device, number): open ones and the last that ended
    PagedMap<std::uint32_t> spaces;   // (rid, pasid) -> owner
    mutable OwnerMap owners;
    FlatMap<Process> processes;
    FlatMap<Program> programs;
    FlatMap<Lock> locks;              // at the end of the run
    FlatMap<std::uint64_t> findings;  // by code
    std::uint64_t hazards = 0;
    std::uint32_t run_reason = 0;
    TimePs time;  // of the last event

    const HandlerTable& table() const { return table_; }

private:
    template <class Event, void (StateFold::*Method)(const trace::EventRecord&)>
    void on();
    void on_capacity(const trace::EventRecord& record);
    void on_set_alloc(const trace::EventRecord& record);
    void on_set_quota(const trace::EventRecord& record);
    void on_set_free(const trace::EventRecord& record);
    void on_alloc(const trace::EventRecord& record);
    void on_get(const trace::EventRecord& record);
    void on_put(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_table_write(const trace::EventRecord& record);
    void on_cpu_pasid(const trace::EventRecord& record);
    void on_entry_set(const trace::EventRecord& record);
    void on_fault(const trace::EventRecord& record);
    void on_prq(const trace::EventRecord& record);
    void on_invalidation(const trace::EventRecord& record);
    void on_wq_state(const trace::EventRecord& record);
    void on_enqueue(const trace::EventRecord& record);
    void on_dispatch(const trace::EventRecord& record);
    void on_complete(const trace::EventRecord& record);
    void on_dsa_fault(const trace::EventRecord& record);
    void on_space(const trace::EventRecord& record);
    void on_owner(const trace::EventRecord& record);
    void on_process_start(const trace::EventRecord& record);
    void on_process_exit(const trace::EventRecord& record);
    void on_step(const trace::EventRecord& record);
    void on_lock(const trace::EventRecord& record);
    void on_finding(const trace::EventRecord& record);
    void on_hazard(const trace::EventRecord& record);
    void on_run_end(const trace::EventRecord& record);

    static constexpr std::size_t kEndedKept = 4096;  // descriptors that can still be asked about
    std::deque<std::uint64_t> ended_;
    std::uint32_t abort_ = 0;
    std::uint32_t lost_ = 0;
    HandlerTable table_;
};

}  // namespace ioasim::traces
