// A kernel's side of page requests: the interrupt of the remapping unit wakes a thread that empties
// the unit's queue, a worker behind it finds the pages and answers each group through the
// invalidation queue, as Linux's intel/prq.c and iommufd's fault queues do. Beside it: when devices
// asked and when they went on, from the events of the run.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "core/base/locks.hpp"
#include "core/trace/recorder.hpp"
#include "models/platform/dsa_bench.hpp"

namespace ioasim::platform {

class PageFaultService {
public:
    // Makes the page present; in the worker's context.
    using Find = std::function<void(ExecContext&, std::uint64_t address)>;
    PageFaultService(DsaBench& bench, ExecContext& ctx, Find find);
    // Its threads end; nothing may be under way.
    void stop(ExecContext& ctx);

private:
    static constexpr std::uint64_t kMessageAddress = 0xFEE0'0000;
    static constexpr std::uint32_t kMessageData = 0x51;

    std::uint64_t read(ExecContext& ctx, std::uint32_t offset, unsigned size);
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);
    void empty_queue(ExecContext& ctx);
    void serve(ExecContext& ctx);
    void leave(ExecContext& ctx);

    DsaBench& bench_;
    Find find_;
    std::uint64_t registers_;
    WaitQueue interrupt_{"page request interrupt"};
    std::uint64_t interrupts_ = 0;
    WaitQueue work_{"page requests"};
    std::deque<vtd::PageRequest> requests_;
    bool over_ = false;
    unsigned threads_ = 2;
    WaitQueue ended_{"the end of the fault threads"};
};

// From a device's page request to the first access of that page.
class FaultTimes final : public trace::Listener {
public:
    explicit FaultTimes(trace::Recorder& recorder);
    void on_event(const trace::EventRecord& record) override;
    std::vector<TimePs> samples;

private:
    std::map<std::uint64_t, TimePs> asked_;  // by page
};

}  // namespace ioasim::platform
