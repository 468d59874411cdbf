#include "core/ioasid/ordered_work.hpp"

#include <algorithm>

#include "core/ioasid/ioasid_corner_probes.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

OrderedWorkqueue::OrderedWorkqueue(const std::string& kernel, const IoasidParams& params,
                                   trace::Recorder& recorder, Probes& probes)
    : params_(params),
      recorder_(recorder),
      probes_(probes),
      kernel_(recorder.name(kernel)),
      queued_(recorder.name("queued")),
      started_(recorder.name("start")),
      done_(recorder.name("done")),
      work_wait_(kernel + "/ioasid_wq"),
      idle_wait_(kernel + "/ioasid_wq.idle") {}

void OrderedWorkqueue::tell(ExecContext& ctx, const WorkItem& item, trace::Name phase) {
    if (recorder_.listened()) {
        recorder_.emit(ctx.source(),
                       trace::IoasidWork{kernel_, recorder_.name(item.name()), item.id(), phase});
    }
}

bool OrderedWorkqueue::queue(ExecContext& ctx, WorkItem& item) {
    if (params_.queue_work != TimePs{}) {
        ctx.spend(params_.queue_work);
    }
    if (item.pending_) {
        return false;
    }
    if (probes_.has(ioasid_probes::kWorkRunsInline)) {
        item.run(ctx);
        item.finished();
        return true;
    }
    if (running_ != nullptr && !items_.empty() && probes_.has(ioasid_probes::kQueuedBehindLost)) {
        return true;
    }
    item.pending_ = true;
    items_.push_back(&item);
    tell(ctx, item, queued_);
    ctx.wake_one(work_wait_);
    return true;
}

bool OrderedWorkqueue::cancel(WorkItem& item) {
    const auto found = std::find(items_.begin(), items_.end(), &item);
    if (found == items_.end()) {
        return false;
    }
    items_.erase(found);
    item.pending_ = false;
    return true;
}

void OrderedWorkqueue::run_one(ExecContext& ctx) {
    // A processor of a machine that was killed is unwound where it is. The others of the machine,
    // which may have instructions left, find its work under way until they are.
    while (abandoned_) {
        params_.work_dispatch == TimePs{} ? ctx.wait(idle_wait_) : ctx.spend(params_.work_dispatch);
    }
    SIM_CHECK(running_ == nullptr, "two ordered work items at once: {} runs", running_->name());
    const bool third_first = items_.size() > 2 && probes_.has(ioasid_probes::kThirdWorkFirst);
    if (third_first || probes_.has(ioasid_probes::kUnorderedWork)) {
        running_ = items_.back();
        items_.pop_back();
    } else {
        running_ = items_.front();
        items_.pop_front();
    }
    WorkItem& item = *running_;
    try {
        carry_out(ctx, item);
    } catch (...) {
        abandoned_ = true;
        throw;
    }
    running_ = nullptr;
    ++finished_;
    item.finished();
    if (items_.empty()) {
        ctx.wake_all(idle_wait_);
    }
}

void OrderedWorkqueue::carry_out(ExecContext& ctx, WorkItem& item) {
    item.pending_ = false;  // from here on it can be queued again
    if (params_.work_dispatch != TimePs{}) {
        ctx.spend(params_.work_dispatch);
    }
    if (probes_.fails(ioasid_probes::kWorkLate)) {
        ctx.spend(TimePs{probes_.extent()});
    }
    tell(ctx, item, started_);
    {
        const Frame frame(ctx, item.name());
        item.run(ctx);
    }
    tell(ctx, item, done_);
}

void OrderedWorkqueue::worker_loop(ExecContext& ctx) {
    for (;;) {
        while (items_.empty()) {
            ctx.wait(work_wait_);
        }
        run_one(ctx);
    }
}

std::size_t OrderedWorkqueue::run_pending(ExecContext& ctx) {
    std::size_t count = 0;
    for (; !items_.empty(); ++count) {
        run_one(ctx);
    }
    return count;
}

void OrderedWorkqueue::flush(ExecContext& ctx) {
    while (!idle()) {
        ctx.wait(idle_wait_);
    }
}

}  // namespace ioasim
