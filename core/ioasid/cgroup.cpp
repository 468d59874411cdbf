#include "core/ioasid/cgroup.hpp"

#include <algorithm>
#include <charconv>

#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

IoasidsController::IoasidsController(IoasidCore& core, CgroupTasks& tasks)
    : core_(core), tasks_(tasks) {
    groups_.push_back(
        std::unique_ptr<IoasidsGroup>(new IoasidsGroup("/", core.recorder().name("/"), nullptr)));
    core.set_charging(this);
}

IoasidsController::~IoasidsController() {
    core_.set_charging(nullptr);
}

IoasidsGroup& IoasidsController::create(IoasidsGroup& parent, std::string_view name) {
    std::string path = parent.is_root() ? "/" : parent.name() + "/";
    path.append(name);
    const trace::Name traced = core_.recorder().name(path);
    groups_.push_back(
        std::unique_ptr<IoasidsGroup>(new IoasidsGroup(std::move(path), traced, &parent)));
    ++parent.children_;
    return *groups_.back();
}

Errno IoasidsController::remove(ExecContext& ctx, IoasidsGroup& group) {
    if (group.is_root() || group.removed_) {
        return Errno::Einval;
    }
    if (group.children_ != 0) {
        return Errno::Ebusy;
    }
    group.removed_ = true;  // charges of IDs that still drain keep pointing here
    --group.parent_->children_;
    if (!core_.switches().cgroup_limit_leaks && group.limit_ != 0) {
        core_.return_capacity(ctx, group.limit_);
        group.limit_ = 0;
    }
    return Errno::Ok;
}

// --- files ------------------------------------------------------------------------------------

Errno IoasidsController::write_max(ExecContext& ctx, IoasidsGroup& group, std::string_view text) {
    if (group.is_root()) {
        return Errno::Enoent;
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    if (text == "max") {
        const auto taken = core_.reserve_capacity(ctx, 0);
        // Posted code stores what was left as the limit and forgets what the group had.
        group.limit_ = core_.switches().cgroup_max_forgets ? *taken : group.limit_ + *taken;
        return Errno::Ok;
    }
    std::int64_t limit = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit < 0 ||
        limit > std::int64_t{kInvalidIoasid} || limit == std::int64_t{group.limit_}) {
        return Errno::Einval;
    }
    const auto wanted = static_cast<std::uint32_t>(limit);
    const auto changed = wanted > group.limit_ ? core_.reserve_capacity(ctx, wanted - group.limit_)
                                               : core_.cancel_capacity(ctx, group.limit_ - wanted);
    if (!changed.ok()) {
        return changed.error();
    }
    group.limit_ = wanted;
    return Errno::Ok;
}

Result<std::string> IoasidsController::read_max(const IoasidsGroup& group) const {
    return group.is_root() ? Result<std::string>(Errno::Enoent)
                           : Result<std::string>(std::to_string(group.limit_));
}

Result<std::string> IoasidsController::read_current(const IoasidsGroup& group) const {
    return group.is_root() ? Result<std::string>(Errno::Enoent)
                           : Result<std::string>(std::to_string(group.current_));
}

Result<std::string> IoasidsController::read_events(const IoasidsGroup& group) const {
    return group.is_root() ? Result<std::string>(Errno::Enoent)
                           : Result<std::string>("max " + std::to_string(group.events_));
}

// --- charging ---------------------------------------------------------------------------------

void IoasidsController::tell(ExecContext& ctx, const IoasidsGroup& group, bool charge,
                             Errno result) {
    trace::Recorder& recorder = core_.recorder();
    if (recorder.listened()) {
        const std::int64_t current = std::max<std::int64_t>(group.current_, 0);
        recorder.emit(ctx.source(),
                      trace::IoasidCharge{recorder.name(core_.kernel()), group.name_, charge,
                                          result, static_cast<std::uint64_t>(current)});
    }
}

// One unit in the group and its ancestors below the root; all or none.
Errno IoasidsController::add(IoasidsGroup& group) {
    const bool unchecked = core_.probes().has(ioasid_probes::kChargeNotChecked);
    for (IoasidsGroup* g = &group; !g->is_root(); g = g->parent_) {
        ++g->current_;
        if (g->current_ <= std::int64_t{g->limit_} || unchecked) {
            continue;
        }
        for (IoasidsGroup* undo = &group;; undo = undo->parent_) {
            --undo->current_;
            if (undo == g) {
                break;
            }
        }
        if (core_.switches().cgroup_events_counted) {
            ++group.events_;
        }
        return Errno::Eagain;
    }
    return Errno::Ok;
}

bool IoasidsController::uncharges_runner() const {
    return core_.switches().cgroup_uncharges_current ||
           core_.probes().has(ioasid_probes::kUnchargeRunner);
}

Errno IoasidsController::charge(ExecContext& ctx, const IoasidSet& set, bool& counted) {
    const CgroupTask task = tasks_.current(ctx);
    const bool kernel = task.mm == 0;
    if (kernel && (core_.switches().cgroup_kernel_refused ||
                   core_.probes().has(ioasid_probes::kKernelChargeRefused))) {
        return Errno::Einval;
    }
    if (kernel) {
        // The root group is never limited. The process that owns the set is not moved there by it.
        tell(ctx, root(), true, Errno::Ok);
        return Errno::Ok;
    }
    if (task.mm != set.token()) {
        return Errno::Eperm;
    }
    IoasidsGroup* group = task.group == nullptr ? &root() : task.group;
    const bool by_account = !uncharges_runner();
    if (by_account) {
        // The charges of one mm stay together, whichever of its tasks allocates.
        const auto known = accounts_.find(set.token());
        if (known != accounts_.end() && known->second.units > 0) {
            group = known->second.group;
        }
    }
    const Errno result = add(*group);
    tell(ctx, *group, true, result);
    if (result != Errno::Ok) {
        return result;
    }
    counted = true;
    if (by_account) {
        Account& account = accounts_[set.token()];
        account.group = group;
        ++account.units;
    }
    return Errno::Ok;
}

void IoasidsController::uncharge(ExecContext& ctx, const IoasidSet& set) {
    IoasidsGroup* group = nullptr;
    if (uncharges_runner()) {
        if (!tasks_.has_users(set.token())) {
            return;
        }
        const CgroupTask task = tasks_.current(ctx);
        group = task.group == nullptr ? &root() : task.group;
    } else {
        Account& account = accounts_[set.token()];
        SIM_CHECK(account.units > 0, "mm {}: uncharged below zero", set.token());
        group = account.group;
        if (--account.units == 0) {
            accounts_.erase(set.token());
        }
    }
    for (IoasidsGroup* g = group; !g->is_root(); g = g->parent_) {
        --g->current_;
    }
    tell(ctx, *group, false, Errno::Ok);
}

// --- migration --------------------------------------------------------------------------------

void IoasidsController::move(IoasidsGroup& from, IoasidsGroup& to, std::int64_t units) {
    for (IoasidsGroup* g = &to; !g->is_root(); g = g->parent_) {
        g->current_ += units;
    }
    for (IoasidsGroup* g = &from; !g->is_root(); g = g->parent_) {
        g->current_ -= units;
    }
}

Errno IoasidsController::can_attach(ExecContext& ctx, IoasidsGroup& to,
                                    const std::vector<MovingTask>& tasks) {
    for (const MovingTask& task : tasks) {
        if (!task.leader || task.mm == 0) {
            continue;
        }
        if (!uncharges_runner()) {
            const auto account = accounts_.find(task.mm);
            if (account != accounts_.end()) {
                move(*account->second.group, to, account->second.units);
                account->second.came_from = account->second.group;
                account->second.group = &to;
            }
            continue;
        }
        if (const IoasidSet* set = core_.find_mm_set(ctx, task.mm)) {
            move(task.from == nullptr ? root() : *task.from, to, std::int64_t{set->live()});
        }
    }
    return Errno::Ok;
}

void IoasidsController::cancel_attach(ExecContext& ctx, IoasidsGroup& to,
                                      const std::vector<MovingTask>& tasks) {
    for (const MovingTask& task : tasks) {
        if (core_.switches().cgroup_cancel_moves_one) {
            // One unit a thread with a set, not what can_attach had moved.
            if (task.mm != 0 && core_.find_mm_set(ctx, task.mm) != nullptr) {
                move(to, task.from == nullptr ? root() : *task.from, 1);
            }
        } else if (task.leader && task.mm != 0) {
            const auto account = accounts_.find(task.mm);
            if (account != accounts_.end() && account->second.group == &to) {
                move(to, *account->second.came_from, account->second.units);
                account->second.group = account->second.came_from;
            }
        }
    }
}

}  // namespace ioasim
