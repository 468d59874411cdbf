// The ordered workqueue: at most one item runs at any time, strictly in queueing order, over all
// sets and users. Queueing is allowed in any context; running happens in one worker task.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "core/base/defects.hpp"
#include "core/ioasid/ioasid_params.hpp"
#include "core/ioasid/ioasid_types.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim {

class OrderedWorkqueue {
public:
    OrderedWorkqueue(const std::string& kernel, const IoasidParams& params,
                     trace::Recorder& recorder, Probes& probes);

    // False while the same item is queued. An item that started can be queued again.
    bool queue(ExecContext& ctx, WorkItem& item);
    // Takes an item back; false when it is not queued (running or done).
    bool cancel(WorkItem& item);
    // Body of the worker task; never returns.
    [[noreturn]] void worker_loop(ExecContext& ctx);
    // Runs everything queued, including what that queues. Returns the number of items.
    std::size_t run_pending(ExecContext& ctx);
    // Sleeps until the queue is empty and nothing runs.
    void flush(ExecContext& ctx);

    std::size_t size() const { return items_.size(); }
    bool idle() const { return items_.empty() && running_ == nullptr; }
    const WorkItem* running() const { return running_; }
    const std::deque<WorkItem*>& items() const { return items_; }
    // Items that ran to their end so far: who waits for one of many sees that they move.
    std::uint64_t finished() const { return finished_; }

private:
    void run_one(ExecContext& ctx);
    void carry_out(ExecContext& ctx, WorkItem& item);
    void tell(ExecContext& ctx, const WorkItem& item, trace::Name phase);

    const IoasidParams& params_;
    trace::Recorder& recorder_;
    Probes& probes_;
    trace::Name kernel_;
    trace::Name queued_;
    trace::Name started_;
    trace::Name done_;
    std::deque<WorkItem*> items_;
    WorkItem* running_ = nullptr;
    std::uint64_t finished_ = 0;
    bool abandoned_ = false;  // what runs does not end any more
    WaitQueue work_wait_;
    WaitQueue idle_wait_;
};

}  // namespace ioasim
