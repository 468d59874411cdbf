// Events as a timeline: which slices, instants, counters and flows they make. The one translation
// for all viewers of that kind (track_writer.hpp).
//
//   group            tracks
//   processors       what runs on each CPU; ENQCMD on it
//   vm1              life; each vCPU in guest mode; programs with their steps; KVM, VDCM, migration
//   host, vm1        programs, notifications with their handlers, ordered work
//   IOASIDs of host  a track an ID: its life, within it the state; live IDs and references counted
//   dsa0             descriptors by workqueue: queued, then at work; occupancy; accesses
//   iommu0           translations, invalidation waits, device TLBs, page requests, faults
//   locks, links     who holds a lock; what waits on a link
//   checkers         findings
// Things that overlap take one of several tracks of a name: slices of a track nest. An event
// without a form of its own is an instant on its component.
//
// A flow follows each descriptor (ENQCMD, queue, translations, memory, completion) and each life of
// an ID (allocation, binds, table entries, submissions, reclaim).
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/flat_map.hpp"
#include "traces/track_writer.hpp"

namespace ioasim::traces {

class TrackModel final : public trace::Listener {
public:
    TrackModel(const trace::Recorder& recorder, TrackWriter& writer);
    void on_event(const trace::EventRecord& record) override;

private:
    using Kind = TrackWriter::Kind;
    using Record = trace::EventRecord;
    using Form = void (TrackModel::*)(const Record&);
    // What is looked up once for each event type.
    struct Plan {
        Form form = nullptr;
        std::size_t component = trace::kMaxFields;  // the field that names it
        std::size_t kernel = trace::kMaxFields;
        std::size_t ioasid = trace::kMaxFields;
        std::size_t pasid = trace::kMaxFields;
        std::size_t descriptor = trace::kMaxFields;
        std::size_t device = trace::kMaxFields;
        std::size_t rid = trace::kMaxFields;
        bool follows_id = false;
        std::string kind;  // "dsa" of dsa.access
    };
    // Tracks of one name for things that overlap: the lowest free one is taken.
    struct Lanes {
        TrackId group = 0;
        std::string name;
        std::vector<TrackId> tracks;
        std::vector<bool> busy;
    };
    struct Taken {  // by something under way
        Lanes* lanes = nullptr;
        std::size_t lane = 0;
        TrackId track() const { return lanes->tracks[lane]; }
    };

    template <class Event>
    void form(Form how);
    Plan& plan_of(const trace::EventInfo& info);
    void on_plain(const Record& record, const Plan& plan);
    void on_sched_run(const Record& record);
    void on_sched_idle(const Record& record);
    void on_vm_entry(const Record& record);
    void on_vm_exit(const Record& record);
    void on_vm_create(const Record& record);
    void on_vm_destroy(const Record& record);
    void on_process_start(const Record& record);
    void on_process_exit(const Record& record);
    void on_acquire(const Record& record);
    void on_release(const Record& record);
    void on_step(const Record& record);
    void on_alloc(const Record& record);
    void on_state(const Record& record);
    void on_refs(const Record& record);
    void on_id_event(const Record& record);
    void on_reclaim(const Record& record);
    void on_handler(const Record& record);
    void on_handler_done(const Record& record);
    void on_work(const Record& record);
    void on_enqcmd(const Record& record);
    void on_enqueue(const Record& record);
    void on_dispatch(const Record& record);
    void on_complete(const Record& record);
    void on_access(const Record& record);
    void on_requester_start(const Record& record);
    void on_requester_done(const Record& record);
    void on_request(const Record& record);
    void on_translated(const Record& record);
    void on_fault(const Record& record);
    void on_inv_wait(const Record& record);
    void on_inv_wait_done(const Record& record);
    void on_dev_tlb_request(const Record& record);
    void on_dev_tlb_done(const Record& record);
    void on_page_request(const Record& record);
    void on_page_response(const Record& record);
    void on_prq(const Record& record);
    void on_stall(const Record& record);
    void on_resume(const Record& record);
    void on_finding(const Record& record);

    const std::string& text(trace::Name name) const { return recorder_.names().text(name); }
    static std::string top_of(const std::string& component) {
        return component.substr(0, component.find('/'));
    }
    TrackId group(const std::string& name);
    TrackId track(TrackId group, const std::string& name, Kind kind = Kind::Slices);
    Taken take(TrackId group, const std::string& name);
    static void release(const Taken& taken);
    // Slices by the numbers that the event at their end has, too.
    using Key = std::array<std::uint64_t, 4>;
    void begin_keyed(const Key& key, TrackId group, const std::string& lanes,
                     const std::string& name, const Record& record);
    bool end_keyed(const Key& key, const Record& record);

    trace::Name kernel_of(const Record& record, const Plan& plan) const;
    TrackFlows flows_of(const Record& record, const Plan& plan, bool ends = false);
    std::uint64_t number_of(std::uint32_t name);
    std::uint64_t descriptor_flow(std::uint32_t device, std::uint64_t descriptor);
    std::uint64_t id_flow(std::uint32_t kernel, std::uint32_t id);

    const trace::Recorder& recorder_;
    TrackWriter& writer_;
    std::unordered_map<const trace::EventInfo*, Plan> plans_;  // looked up only
    std::map<std::string, TrackId> groups_;
    std::map<std::pair<TrackId, std::string>, TrackId> tracks_;
    std::map<std::pair<TrackId, std::string>, Lanes> lanes_;
    std::map<Key, std::deque<Taken>> keyed_;
    FlatMap<Taken> descriptors_;           // (device, descriptor) under way
    FlatMap<std::uint32_t> submitted_to_;  // (pasid, descriptor): the device that took it
    FlatMap<std::uint32_t> device_of_rid_;
    std::map<std::string, trace::Name> kernels_;  // that were told of
    FlatMap<std::uint32_t> numbers_;              // of names, in flows
    FlatMap<std::uint32_t> lives_;                // (kernel, ID): how often it was allocated
    FlatMap<std::uint64_t> live_;                 // IDs of a kernel
};

}  // namespace ioasim::traces
