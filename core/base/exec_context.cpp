#include "core/base/exec_context.hpp"

#include <algorithm>
#include <utility>

namespace ioasim {

SimLock::SimLock(Kind kind, std::string name, std::string lock_class)
    : kind_(kind), name_(std::move(name)), class_(std::move(lock_class)) {}

bool LockMonitor::reaches(const std::string& from, const std::string& to) const {
    std::vector<std::string> open{from};
    std::set<std::string> seen;
    while (!open.empty()) {
        const std::string current = open.back();
        open.pop_back();
        if (current == to) {
            return true;
        }
        const auto next = after_.find(current);
        if (next == after_.end() || !seen.insert(current).second) {
            continue;
        }
        open.insert(open.end(), next->second.begin(), next->second.end());
    }
    return false;
}

bool LockMonitor::inverts_order(const std::string& held_class, const std::string& wanted_class) {
    auto& successors = after_[held_class];
    if (successors.count(wanted_class) != 0) {
        return false;  // known order, already judged
    }
    const bool inverted = held_class == wanted_class || reaches(wanted_class, held_class);
    successors.insert(wanted_class);
    return inverted && reported_.insert({held_class, wanted_class}).second;
}

std::uint32_t LockMonitor::number_anew(const SimLock& lock) {
    lock.numbered_by_ = this;
    lock.number_ =
        numbers_.emplace(lock.class_, static_cast<std::uint32_t>(numbers_.size())).first->second;
    return lock.number_;
}

bool LockMonitor::inverts_order(const SimLock& held, const SimLock& wanted) {
    const std::uint32_t before = number_of(held);
    const std::uint32_t after = number_of(wanted);
    if (judged(before, after)) {
        return false;
    }
    judged_.resize(std::max<std::size_t>(judged_.size(), before + 1));
    std::vector<std::uint64_t>& bits = judged_[before];
    bits.resize(std::max<std::size_t>(bits.size(), after / kBits + 1));
    bits[after / kBits] |= std::uint64_t{1} << (after % kBits);
    return inverts_order(held.class_, wanted.class_);
}

ExecContext::ExecContext(Persona persona, LockMonitor& monitor)
    : persona_(std::move(persona)), monitor_(monitor) {}

ExecContext::~ExecContext() = default;

PollResult MachinePort::poll(ExecContext& ctx, const PollLoop& loop) {
    PollResult result{load(ctx, loop.pa, loop.size) == loop.wanted, 1};
    while (!result.found && result.loads < loop.loads && ctx.now() < loop.deadline) {
        ctx.spend(loop.pause);
        result.found = load(ctx, loop.pa, loop.size) == loop.wanted;
        ++result.loads;
    }
    return result;
}

MachinePort& ExecContext::port() {
    SIM_CHECK(persona_.port != nullptr, "{} has no memory to access", persona_.name);
    return *persona_.port;
}

std::string ExecContext::call_chain() const {
    std::string chain;
    std::vector<std::string_view> names;
    for (const Frame* frame = frame_; frame != nullptr; frame = frame->outer_) {
        names.emplace_back(frame->text_, frame->size_);
    }
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        chain.append(chain.empty() ? "" : " > ").append(*name);
    }
    return chain;
}

std::string ExecContext::waits_for() const {
    if (wanted_ != nullptr) {
        return fmt::format("lock {} (owner {})", wanted_->name(),
                           wanted_->owner() != nullptr ? wanted_->owner()->name() : "none");
    }
    return sleeps_on_ != nullptr ? sleeps_on_->name() : "";
}

void ExecContext::report(HazardKind kind, const SimLock* lock) {
    if (monitor_.on_hazard) {
        monitor_.on_hazard({kind, this, lock != nullptr ? lock->name() : "", "", call_chain()});
    }
}

void ExecContext::tell_kept_locks() {
    for (const SimLock* kept : held_) {
        report(HazardKind::EndedWithLock, kept);
    }
}

void ExecContext::lock_slowly(SimLock& lock) {
    if (lock.owner_ == this) {
        report(HazardKind::SelfDeadlock, &lock);
        ++lock.nested_;
        return;
    }
    if (lock.kind_ == SimLock::Kind::Mutex && atomic()) {
        report(HazardKind::SleepInAtomic, &lock);
    }
    for (const SimLock* held : held_) {
        if (monitor_.inverts_order(*held, lock) && monitor_.on_hazard) {
            monitor_.on_hazard(
                {HazardKind::LockOrder, this, lock.name_, held->name_, call_chain()});
        }
    }
    before_lock(lock);
    const TimePs start = now();
    if (lock.owner_ != nullptr) {
        ++lock.stats_.contended;
        lock.waiters_.push_back(this);
        const SimLock* const outer_lock = std::exchange(wanted_, &lock);
        // The releaser makes us the owner before it wakes us: nobody can barge in. Another wake-up
        // was for a wait that this one interrupts, or for none that is left.
        try {
            while (lock.owner_ != this) {
                block(lock.kind_ == SimLock::Kind::Spin, TimePs::max());
            }
        } catch (...) {  // what interrupts the wait ends it
            wanted_ = outer_lock;
            const auto self = std::find(lock.waiters_.begin(), lock.waiters_.end(), this);
            if (self != lock.waiters_.end()) {
                lock.waiters_.erase(self);
            } else {  // handed over already: it goes to the next one
                held_.push_back(&lock);
                atomic_depth_ += lock.kind_ == SimLock::Kind::Spin ? 1 : 0;
                unlock_slowly(lock);
            }
            throw;
        }
        wanted_ = outer_lock;
        held_.push_back(&lock);
    } else {
        grant(lock);
    }
    if (lock.kind_ == SimLock::Kind::Spin) {
        ++atomic_depth_;
    }
    const TimePs waited = now() - start;
    lock.stats_.waited += waited;
    lock.stats_.longest_wait = std::max(lock.stats_.longest_wait, waited);
    if (monitor_.on_lock) {
        monitor_.on_lock(*this, lock, true, waited);
    }
}

void ExecContext::unlock_slowly(SimLock& lock) {
    if (lock.owner_ != this) {
        report(HazardKind::UnlockNotOwner, &lock);
        return;
    }
    if (lock.nested_ > 0) {
        --lock.nested_;
        return;
    }
    held_.erase(std::find(held_.begin(), held_.end(), &lock));
    if (lock.kind_ == SimLock::Kind::Spin) {
        --atomic_depth_;
    }
    lock.stats_.held += now() - lock.since_;
    if (monitor_.on_lock) {
        monitor_.on_lock(*this, lock, false, TimePs{});
    }
    lock.owner_ = nullptr;
    if (!lock.waiters_.empty()) {
        const std::size_t pick = choose_waiter(lock);
        ExecContext* next = lock.waiters_[pick];
        lock.waiters_.erase(lock.waiters_.begin() + static_cast<std::ptrdiff_t>(pick));
        lock.owner_ = next;
        lock.since_ = now();
        ++lock.stats_.acquired;
        make_ready(*next);
    }
}

std::size_t ExecContext::choose_waiter(const SimLock& lock) {
    return choose(
        {"lock.waiter", lock.waiters_.size(), &lock, [](const void* place, std::size_t candidate) {
             const auto& wanted = *static_cast<const SimLock*>(place);
             return wanted.name() + " for " + wanted.waiters_[candidate]->name();
         }});
}

Choice waking_choice(const WaitQueue& queue) {
    return {"wake.waiter", queue.waiters_.size(), &queue,
            [](const void* place, std::size_t candidate) {
                const auto& asleep = *static_cast<const WaitQueue*>(place);
                return asleep.name() + " for " + asleep.waiters_[candidate]->name();
            }};
}

void ExecContext::wait(WaitQueue& queue) {
    wait_until(queue, TimePs::max());
}

bool ExecContext::wait_until(WaitQueue& queue, TimePs deadline) {
    if (atomic() && monitor_.on_hazard) {
        monitor_.on_hazard({HazardKind::SleepInAtomic, this, queue.name_, "", call_chain()});
    }
    return block_on(queue, false, deadline);
}

bool ExecContext::block_on(WaitQueue& queue, bool keeps_cpu, TimePs deadline) {
    const SimLock* const outer_lock = std::exchange(wanted_, nullptr);
    const WaitQueue* const outer_queue = std::exchange(sleeps_on_, &queue);
    queue.waiters_.push_back(this);
    const auto asleep = [this, &queue] {
        return std::find(queue.waiters_.begin(), queue.waiters_.end(), this);
    };
    bool woken = false;
    try {
        // Who wakes a waiter has taken it off the queue; another wake-up was for an outer wait.
        woken = block(keeps_cpu, deadline);
        while (woken && asleep() != queue.waiters_.end()) {
            woken = block(keeps_cpu, deadline);
        }
    } catch (...) {  // what interrupts the wait ends it
        if (const auto self = asleep(); self != queue.waiters_.end()) {
            queue.waiters_.erase(self);
        }
        wanted_ = outer_lock;
        sleeps_on_ = outer_queue;
        throw;
    }
    wanted_ = outer_lock;
    sleeps_on_ = outer_queue;
    if (!woken) {
        const auto self = asleep();
        SIM_CHECK(self != queue.waiters_.end(), "{} timed out but was taken off {}", name(),
                  queue.name_);
        queue.waiters_.erase(self);
    }
    return woken;
}

void ExecContext::stall(WaitQueue& queue) {
    block_on(queue, true, TimePs::max());
}

bool ExecContext::stall_until(WaitQueue& queue, TimePs deadline) {
    return block_on(queue, true, deadline);
}

void ExecContext::wake_one(WaitQueue& queue) {
    if (queue.waiters_.empty()) {
        return;
    }
    make_ready(*take_waiter(queue, choose(waking_choice(queue))));
}

ExecContext* ExecContext::take_waiter(WaitQueue& queue, std::size_t pick) {
    ExecContext* waiter = queue.waiters_.at(pick);
    queue.waiters_.erase(queue.waiters_.begin() + static_cast<std::ptrdiff_t>(pick));
    return waiter;
}

void ExecContext::wake_all(WaitQueue& queue) {
    while (!queue.waiters_.empty()) {
        wake_one(queue);
    }
}

PersonaChange::PersonaChange(ExecContext& ctx, Persona persona)
    : ctx_(ctx),
      outer_(std::exchange(ctx.persona_, std::move(persona))),
      outer_kind_(ctx.kind_),
      outer_atomic_(std::exchange(ctx.atomic_depth_, 0)),
      outer_irq_off_(std::exchange(ctx.irq_off_depth_, 0)),
      outer_frame_(std::exchange(ctx.frame_, nullptr)) {}

PersonaChange::~PersonaChange() {
    ctx_.persona_ = std::move(outer_);
    ctx_.kind_ = outer_kind_;
    ctx_.atomic_depth_ = outer_atomic_;
    ctx_.irq_off_depth_ = outer_irq_off_;
    ctx_.frame_ = outer_frame_;
}

ImmediateContext::ImmediateContext(LockMonitor& monitor, std::string name, MachinePort* port)
    : ExecContext(Persona{std::move(name), SourceId{}, port, nullptr}, monitor) {}

bool ImmediateContext::block(bool, TimePs deadline) {
    SIM_CHECK(deadline != TimePs::max(), "{} would block for ever: {}", name(), call_chain());
    now_ = std::max(now_, deadline);  // nobody else can run: the deadline is what ends the sleep
    return false;
}

}  // namespace ioasim
