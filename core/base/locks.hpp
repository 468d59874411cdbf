// Simulated locks and wait queues: plain data that ExecContext works on, and the monitor that sees
// every acquisition of a run and knows what a lock-order checker knows.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim {

class ExecContext;
class LockMonitor;
class WaitQueue;
struct Choice;

// Which sleeper is to be woken.
Choice waking_choice(const WaitQueue& queue);

class SimLock {
public:
    enum class Kind : std::uint8_t { Spin, Mutex };

    // `name` is unique in the run ("host/ioasid_allocator_lock"); `lock_class` groups locks of one
    // declaration, and order is judged between classes.
    SimLock(Kind kind, std::string name, std::string lock_class);
    SimLock(Kind kind, const std::string& name) : SimLock(kind, name, name) {}
    SimLock(const SimLock&) = delete;
    SimLock& operator=(const SimLock&) = delete;

    Kind kind() const { return kind_; }
    const std::string& name() const { return name_; }
    const std::string& lock_class() const { return class_; }
    const ExecContext* owner() const { return owner_; }
    const std::deque<ExecContext*>& waiters() const { return waiters_; }

    struct Stats {
        std::uint64_t acquired = 0;
        std::uint64_t contended = 0;
        TimePs waited;  // sum over all waiters
        TimePs longest_wait;
        TimePs held;
    };
    const Stats& stats() const { return stats_; }

private:
    friend class ExecContext;
    friend class LockMonitor;
    Kind kind_;
    std::string name_;
    std::string class_;
    // The class's number at the monitor that saw the lock last.
    mutable const LockMonitor* numbered_by_ = nullptr;
    mutable std::uint32_t number_ = 0;
    ExecContext* owner_ = nullptr;
    int nested_ = 0;  // acquisitions by the owner beyond the first, each a reported hazard
    TimePs since_;
    std::deque<ExecContext*> waiters_;
    Stats stats_;
};

// Where contexts sleep until somebody wakes them. The name shows in state dumps.
class WaitQueue {
public:
    explicit WaitQueue(std::string name) : name_(std::move(name)) {}
    const std::string& name() const { return name_; }
    bool empty() const { return waiters_.empty(); }
    std::size_t size() const { return waiters_.size(); }

private:
    friend class ExecContext;
    friend Choice waking_choice(const WaitQueue& queue);
    std::string name_;
    std::deque<ExecContext*> waiters_;
};

enum class HazardKind : std::uint8_t {
    SelfDeadlock,
    LockOrder,
    SleepInAtomic,
    UnlockNotOwner,
    EndedWithLock
};

struct Hazard {
    HazardKind kind;
    const ExecContext* actor;
    std::string lock;        // lock name, or wait queue name for SleepInAtomic
    std::string other_lock;  // LockOrder: the lock already held
    std::string chain;       // call chain of the actor
};

class LockMonitor {
public:
    // Observers; both may be empty.
    std::function<void(const Hazard&)> on_hazard;
    std::function<void(const ExecContext&, const SimLock&, bool acquired, TimePs waited)> on_lock;

    // Records "held before wanted" and tells whether the opposite order was seen before, directly
    // or through other locks. Each inversion of a pair of classes is reported once.
    bool inverts_order(const std::string& held_class, const std::string& wanted_class);
    // The same for two locks; a pair of classes that was judged before costs a look-up.
    bool inverts_order(const SimLock& held, const SimLock& wanted);

private:
    bool reaches(const std::string& from, const std::string& to) const;
    std::uint32_t number_of(const SimLock& lock) {
        return lock.numbered_by_ == this ? lock.number_ : number_anew(lock);
    }
    std::uint32_t number_anew(const SimLock& lock);
    bool judged(std::uint32_t before, std::uint32_t after) const {
        return before < judged_.size() && after / kBits < judged_[before].size() &&
               (judged_[before][after / kBits] >> (after % kBits) & 1U) != 0;
    }

    static constexpr std::uint32_t kBits = 64;
    std::map<std::string, std::set<std::string>> after_;
    std::map<std::string, std::uint32_t> numbers_;    // of classes
    std::vector<std::vector<std::uint64_t>> judged_;  // by held, a bit by wanted
    std::set<std::pair<std::string, std::string>> reported_;
};

}  // namespace ioasim
