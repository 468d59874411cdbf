// Folds the event stream into lanes, series, latencies and kinds of faults: what happened when, and
// where. A passive listener.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/report/model.hpp"
#include "traces/fields.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::tools::report {

class Timeline final : public traces::TypedListener<Timeline> {
public:
    explicit Timeline(trace::Recorder& recorder);
    void on_event(const trace::EventRecord& record) override;
    // It hears of every event: what has no lane of its own is a mark.
    void add_handlers(const trace::EventInfo& info,
                      std::vector<trace::Handler>& handlers) override {
        trace::Listener::add_handlers(info, handlers);
    }
    void on_end(TimePs end) override;
    // Moves what was folded into the model; once, at the end.
    void give(RunModel& model, std::size_t slices_in_all);

private:
    struct Open {
        std::uint64_t begin = 0;
        std::uint64_t seq = 0;
        std::uint64_t number = kNoNumber;
        std::string text;
        std::string lane;
        Group group = Group::Software;
        Kind kind = Kind::Wait;
    };
    // What is under way, by what it is: ("lock", "host/x"), ("descriptor", "dsa0 12").
    using OpenKey = std::pair<std::string, std::string>;

    template <class Event, void (Timeline::*Method)(const trace::EventRecord&)>
    void hear() {
        on<Event, Method>();
        known_[&trace::info_of<Event>()] = true;
    }
    template <class Event>
    void ignore() {
        known_[&trace::info_of<Event>()] = true;
    }
    void listen_to_software();
    void listen_to_hardware();
    void on_step(const trace::EventRecord& record);
    void on_sched_run(const trace::EventRecord& record);
    void on_sched_idle(const trace::EventRecord& record);
    void on_vm_entry(const trace::EventRecord& record);
    void on_vm_exit(const trace::EventRecord& record);
    void on_lock_acquire(const trace::EventRecord& record);
    void on_lock_release(const trace::EventRecord& record);
    void on_handler(const trace::EventRecord& record);
    void on_handler_done(const trace::EventRecord& record);
    void on_work(const trace::EventRecord& record);
    void on_state(const trace::EventRecord& record);
    void on_alloc(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_get(const trace::EventRecord& record);
    void on_put(const trace::EventRecord& record);
    void on_finding(const trace::EventRecord& record);
    void on_hazard(const trace::EventRecord& record);
    void on_refused(const trace::EventRecord& record);
    void on_enqcmd(const trace::EventRecord& record);
    void on_process_start(const trace::EventRecord& record);
    void on_process_exit(const trace::EventRecord& record);
    void on_enqueue(const trace::EventRecord& record);
    void on_dispatch(const trace::EventRecord& record);
    void on_complete(const trace::EventRecord& record);
    void on_dsa_fault(const trace::EventRecord& record);
    void on_translated(const trace::EventRecord& record);
    void on_fault(const trace::EventRecord& record);
    void on_invalidation(const trace::EventRecord& record);
    void on_inv_wait(const trace::EventRecord& record);
    void on_inv_wait_done(const trace::EventRecord& record);
    void on_dev_tlb_request(const trace::EventRecord& record);
    void on_dev_tlb_done(const trace::EventRecord& record);
    void on_page_request(const trace::EventRecord& record);
    void on_page_response(const trace::EventRecord& record);
    void on_stall(const trace::EventRecord& record);
    void on_resume(const trace::EventRecord& record);
    void on_requester_start(const trace::EventRecord& record);
    void on_requester_done(const trace::EventRecord& record);
    void note(const trace::EventRecord& record);

    std::string name(trace::Name text) const { return recorder_.names().text(text); }
    // nullptr: one more than the page may have.
    Lane* lane(Group group, const std::string& name);
    void slice(Group group, const std::string& lane, const Slice& slice);
    void instant(const trace::EventRecord& record, Group group, const std::string& lane, Kind kind,
                 const std::string& text, std::uint64_t number = kNoNumber);
    // What ended now and took so long.
    void ended(const trace::EventRecord& record, std::uint64_t took, Group group,
               const std::string& lane, Kind kind, const std::string& text,
               std::uint64_t number = kNoNumber);
    void open(const trace::EventRecord& record, OpenKey key, Open what);
    // Makes its slice. False: nothing of that name was under way.
    bool close(const trace::EventRecord& record, const OpenKey& key);
    void close_at(std::uint64_t end, const Open& what);
    Series& series(const std::string& chart, const std::string& name);
    void count_reference(const trace::EventRecord& record, std::uint32_t kernel,
                         std::uint32_t holder, int change);
    void latency(const char* group, const std::string& name, std::uint64_t took);
    void fault(const trace::EventRecord& record, FaultKind kind);

    trace::Recorder& recorder_;
    std::map<const trace::EventInfo*, bool> known_;  // handled above; only asked, never walked
    std::map<std::pair<std::uint32_t, std::string>, std::size_t> lane_index_;
    std::vector<Lane> lanes_;
    std::map<std::uint32_t, std::uint64_t> lanes_of_group_;
    std::map<std::string, std::uint64_t> lanes_left_out_;
    std::map<OpenKey, Open> open_;
    std::map<std::pair<std::string, std::string>, std::size_t> series_index_;
    std::vector<Series> series_;
    std::map<std::string, std::uint64_t> references_;  // by kernel and holder
    std::map<std::pair<std::string, std::string>, traces::Latency> latencies_;
    std::map<std::pair<std::string, std::string>, std::size_t> fault_index_;
    std::vector<FaultKind> faults_;
    std::uint64_t faults_left_out_ = 0;
    std::vector<FindingTold> findings_;
    std::uint64_t findings_left_out_ = 0;
    Texts texts_;
    std::uint64_t events_ = 0;
    std::uint64_t begin_ = 0;
    std::uint64_t end_ = 0;
};

}  // namespace ioasim::tools::report
