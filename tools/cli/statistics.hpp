// Folds the event stream into what a person wants to read after a run: what became of each virtual
// machine and ID, and how workqueues, faults and latencies look. Memory grows with the number of
// machines, queues and host IDs shown, never with the number of events.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/typed_listener.hpp"

namespace ioasim::tools {

// Latencies in buckets of a sixteenth of an octave: percentiles to about 6 %.
class LatencyHistogram {
public:
    void add(TimePs value);
    std::uint64_t count() const { return count_; }
    // "1.2 us / 3.4 us / 5.6 us" is mean / 99 % / most.
    TimePs mean() const;
    TimePs percentile(unsigned percent) const;
    TimePs least() const { return TimePs{least_}; }
    TimePs most() const { return TimePs{most_}; }

private:
    static std::size_t bucket(std::uint64_t value);
    static std::uint64_t upper(std::size_t bucket);
    std::array<std::uint64_t, 64 * 16> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t least_ = ~std::uint64_t{0};
    std::uint64_t most_ = 0;
};

class Statistics final : public traces::TypedListener<Statistics> {
public:
    explicit Statistics(const trace::Recorder& recorder);
    // Lines of the summary.
    std::vector<std::string> lines() const;

private:
    struct Machine {
        std::uint64_t created_ps = 0;
        std::uint64_t memory = 0;
        std::uint64_t exits = 0;
        std::uint64_t completed = 0;
        std::uint64_t errors = 0;
        std::uint64_t faults = 0;
        std::uint64_t refused = 0;
        std::uint64_t ids = 0;
        std::string end;
    };
    struct Life {
        std::string set;
        std::uint32_t spid = 0;
        std::vector<std::pair<std::string, std::uint64_t>> marks;  // what, when
        std::string state;
    };
    struct Queue {
        std::uint64_t accepted = 0;
        std::uint64_t retried = 0;
        std::uint64_t completed = 0;
        std::uint64_t errors = 0;
        std::uint64_t aborted = 0;
        std::uint64_t bytes = 0;
        std::uint32_t most_occupied = 0;
        LatencyHistogram latency;
    };
    struct Unit {
        std::map<std::uint32_t, std::uint64_t> faults;  // by reason
        std::uint64_t recorded = 0;
        std::uint64_t suppressed = 0;
        std::uint64_t translated = 0;
        std::uint64_t hits = 0;
        std::uint64_t invalidations = 0;
        std::uint64_t page_requests = 0;
    };

    void on_vm_create(const trace::EventRecord& record);
    void on_vm_destroy(const trace::EventRecord& record);
    void on_vm_exit(const trace::EventRecord& record);
    void on_alloc(const trace::EventRecord& record);
    void on_bind(const trace::EventRecord& record);
    void on_free(const trace::EventRecord& record);
    void on_state(const trace::EventRecord& record);
    void on_reclaim(const trace::EventRecord& record);
    void on_refused(const trace::EventRecord& record);
    void on_enqueue(const trace::EventRecord& record);
    void on_complete(const trace::EventRecord& record);
    void on_fault(const trace::EventRecord& record);
    void on_translated(const trace::EventRecord& record);
    void on_invalidation(const trace::EventRecord& record);
    void on_enqcmd(const trace::EventRecord& record);
    Life* life(std::uint64_t kernel, std::uint64_t ioasid, bool fresh);
    Machine* machine_of_pasid(std::uint64_t pasid);
    const std::string& text(std::uint64_t name) const;
    void add_machines(std::vector<std::string>& out) const;
    void add_ids(std::vector<std::string>& out) const;
    void add_queues(std::vector<std::string>& out) const;
    void add_units(std::vector<std::string>& out) const;

    const trace::Recorder& recorder_;
    std::uint64_t host_ = ~std::uint64_t{0};  // name number of "host"
    std::map<std::string, Machine> machines_;
    std::map<std::uint64_t, Life> lives_;              // the first IDs of the host
    std::map<std::uint64_t, std::string> pasid_set_;   // bounded like lives_
    std::uint64_t ids_allocated_ = 0;
    std::uint64_t ids_reclaimed_ = 0;
    std::uint64_t ids_live_ = 0;
    std::uint64_t ids_peak_ = 0;
    std::map<std::pair<std::string, std::string>, Queue> queues_;
    std::map<std::string, Unit> units_;
    LatencyHistogram enqcmd_;
    std::map<std::string, std::uint64_t> enqcmd_outcomes_;
};

}  // namespace ioasim::tools
