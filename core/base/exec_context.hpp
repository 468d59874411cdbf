// What a piece of software needs from the machine under it: time, memory, MMIO, locks, sleeping.
// Kernels, drivers, VMMs, guests and the IOASID core are straight-line code over this interface.
// core/sim runs such code on simulated CPUs; ImmediateContext (below) runs it in zero time for unit
// tests and conformance replays.
//
// A context also knows what a kernel's debug options know: task, atomic handler or worker; the
// locks held; interrupts off; the call chain. Sleeping in atomic context, self deadlocks and
// lock-order inversions are detected from this alone and reported as hazards, never silently
// obeyed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/chooser.hpp"
#include "core/base/locks.hpp"
#include "core/base/time.hpp"
#include "core/base/types.hpp"

namespace ioasim {

enum class ContextKind : std::uint8_t { Task, AtomicHandler, Worker };

// `while (load(pa) != wanted) spend(pause)`, at most so many loads and none after the deadline.
struct PollLoop {
    std::uint64_t pa = 0;
    unsigned size = 4;
    std::uint64_t wanted = 0;
    TimePs pause;
    std::uint64_t loads = 0;  // at most; at least 1
    TimePs deadline = TimePs::max();
};
// What such a loop came to.
struct PollResult {
    bool found = false;
    std::uint64_t loads = 0;
};

// How a context reaches memory and devices. Addresses are physical addresses of the machine that
// the code runs on: HPA in the host, GPA in a guest. Implemented by models/cpu (host) and models/vm
// (guest). MMIO reads block until the completion is back; stores are posted.
class MachinePort {
public:
    virtual ~MachinePort() = default;
    // size is 1, 2, 4 or 8; naturally aligned.
    virtual std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) = 0;
    virtual void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) = 0;
    virtual void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) = 0;
    virtual void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in,
                             std::size_t size) = 0;
    virtual std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) = 0;
    virtual void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                            unsigned size) = 0;
    // A loop that loads a word until it has a value. A machine that knows when memory is written
    // may stand still in between; it ends at the time at which the loop would have ended.
    virtual PollResult poll(ExecContext& ctx, const PollLoop& loop);
};

// Who the code is at the moment. One simulated thread changes persona when a vCPU enters the guest
// or exits to the host: same thread, other kernel, other memory.
struct Persona {
    std::string name;  // "host/vm1-vcpu0", "vm1/vcpu0/app"
    SourceId source;   // events are emitted under this source
    MachinePort* port = nullptr;
    // Called between operations when somebody asked for an interruption (an IPI, a kick); may be
    // null. Runs in the interrupted context.
    class Interruptible* interruptible = nullptr;
};

class Interruptible {
public:
    virtual ~Interruptible() = default;
    virtual void on_interrupt(ExecContext& ctx) = 0;
};

class Frame;

class ExecContext {
public:
    explicit ExecContext(Persona persona, LockMonitor& monitor);
    virtual ~ExecContext();
    ExecContext(const ExecContext&) = delete;
    ExecContext& operator=(const ExecContext&) = delete;

    // --- time -------------------------------------------------------------------------------
    virtual TimePs now() const = 0;
    // The CPU is busy for this long. An interruption runs in between; the rest is spent after it.
    virtual void spend(TimePs cost) = 0;

    // --- locks ------------------------------------------------------------------------------
    // A lock that this context already owns is a self deadlock: reported, then the run goes on as
    // if the `_locked` variant of the call had been used (the acquisition nests).
    void lock(SimLock& lock) {
        // The common case, kept short: a free spinlock, nothing else held, nobody watching.
        if (lock.owner_ == nullptr && lock.kind_ == SimLock::Kind::Spin && held_.empty() &&
            !monitor_.on_lock) {
            grant(lock);
            ++atomic_depth_;
            return;
        }
        lock_slowly(lock);
    }
    void unlock(SimLock& lock) {
        if (lock.owner_ == this && lock.nested_ == 0 && lock.kind_ == SimLock::Kind::Spin &&
            held_.back() == &lock && lock.waiters_.empty() && !monitor_.on_lock) {
            held_.pop_back();
            --atomic_depth_;
            if (const TimePs end = now(); end != lock.since_) {
                lock.stats_.held += end - lock.since_;
            }
            lock.owner_ = nullptr;
            return;
        }
        unlock_slowly(lock);
    }
    // Takes a spinlock and gives it back at once, for a section that takes no time and calls
    // nobody. False, and nothing is done, when somebody could tell that from lock() and unlock().
    bool pass(SimLock& lock) {
        if (lock.owner_ != nullptr || lock.kind_ != SimLock::Kind::Spin || !held_.empty() ||
            monitor_.on_lock) {
            return false;
        }
        ++lock.stats_.acquired;
        return true;
    }
    bool holds(const SimLock& lock) const { return lock.owner_ == this; }

    // --- sleeping ---------------------------------------------------------------------------
    // Sleeps until woken. Reported as a hazard when called in atomic context.
    void wait(WaitQueue& queue);
    // false when the deadline passed first.
    bool wait_until(WaitQueue& queue, TimePs deadline);
    // The CPU stands still until hardware answers (an uncached read, ENQCMD): no sleep, so legal in
    // atomic context, and the CPU is kept.
    void stall(WaitQueue& queue);
    // false when the deadline passed first.
    bool stall_until(WaitQueue& queue, TimePs deadline);
    // Waking takes effect at least 1 ps later. Wakes the waiter that the Chooser picks.
    void wake_one(WaitQueue& queue);
    void wake_all(WaitQueue& queue);

    // --- machine ----------------------------------------------------------------------------
    std::uint64_t load(std::uint64_t pa, unsigned size) { return port().load(*this, pa, size); }
    void store(std::uint64_t pa, std::uint64_t value, unsigned size) {
        port().store(*this, pa, value, size);
    }
    void read_bytes(std::uint64_t pa, void* out, std::size_t size) {
        port().read_bytes(*this, pa, out, size);
    }
    void write_bytes(std::uint64_t pa, const void* in, std::size_t size) {
        port().write_bytes(*this, pa, in, size);
    }
    PollResult poll(const PollLoop& loop) { return port().poll(*this, loop); }
    std::uint64_t mmio_read(std::uint64_t pa, unsigned size) {
        before_mmio();
        return port().mmio_read(*this, pa, size);
    }
    void mmio_write(std::uint64_t pa, std::uint64_t value, unsigned size) {
        before_mmio();
        port().mmio_write(*this, pa, value, size);
    }

    // --- who, where -------------------------------------------------------------------------
    const std::string& name() const { return persona_.name; }
    SourceId source() const { return persona_.source; }
    ContextKind kind() const { return kind_; }
    bool atomic() const { return atomic_depth_ > 0 || irq_off_depth_ > 0; }
    const std::vector<SimLock*>& held_locks() const { return held_; }
    // At the end of a context: what it still holds nobody can ever take, and is a hazard.
    void tell_kept_locks();
    // "ioasid_free > iommu.free_handler > ioasid_put": the frames, outermost first.
    std::string call_chain() const;
    // What it sleeps or spins for ("lock host/… (owner …)"); empty when nothing.
    std::string waits_for() const;
    LockMonitor& monitor() { return monitor_; }

    // What it reads is a user's, or copied from a user: a machine check there ends no kernel.
    bool in_user_access() const { return user_accesses_ > 0; }
    void irq_off() { ++irq_off_depth_; }
    void irq_on() { --irq_off_depth_; }

protected:
    // Implemented by core/sim and ImmediateContext. `block` returns true when woken, false when the
    // deadline passed; `keeps_cpu` is true for spinning.
    virtual bool block(bool keeps_cpu, TimePs deadline) = 0;
    virtual void make_ready(ExecContext& other) = 0;
    virtual std::size_t choose(const Choice& choice) = 0;
    // Before a lock is asked for, and before a device is reached for: here a schedule may hold the
    // context up.
    virtual void before_lock(const SimLock&) {}
    virtual void before_mmio() {}

    // For hardware that wakes software: takes one sleeper (the one that `pick` names) off a queue.
    static ExecContext* take_waiter(WaitQueue& queue, std::size_t pick);

    void set_kind(ContextKind kind) { kind_ = kind; }
    // Interruptions wait while one instruction executes.
    bool inside_instruction() const { return instruction_depth_ > 0; }
    Persona& persona() { return persona_; }
    void report(HazardKind kind, const SimLock* lock);

private:
    friend class Frame;
    friend class AtomicSection;
    friend class OneInstruction;
    friend class UserAccess;
    friend class PersonaChange;
    MachinePort& port();
    std::size_t choose_waiter(const SimLock& lock);
    void grant(SimLock& lock) {
        lock.owner_ = this;
        lock.since_ = now();
        ++lock.stats_.acquired;
        held_.push_back(&lock);
    }
    bool block_on(WaitQueue& queue, bool keeps_cpu, TimePs deadline);
    void lock_slowly(SimLock& lock);
    void unlock_slowly(SimLock& lock);

    Persona persona_;
    LockMonitor& monitor_;
    ContextKind kind_ = ContextKind::Task;
    int atomic_depth_ = 0;
    int irq_off_depth_ = 0;
    int instruction_depth_ = 0;
    int user_accesses_ = 0;
    std::vector<SimLock*> held_;
    const SimLock* wanted_ = nullptr;
    const WaitQueue* sleeps_on_ = nullptr;
    const Frame* frame_ = nullptr;  // innermost
};

// A named step of the call chain, for hazards and traces. The text must outlive the frame. The
// frames of a context are a list through its own stack.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"  // taken off the list by the destructor
class Frame {
public:
    Frame(ExecContext& ctx, std::string_view what)
        : ctx_(ctx), outer_(ctx.frame_), text_(what.data()), size_(what.size()) {
        ctx.frame_ = this;
    }
    ~Frame() { ctx_.frame_ = outer_; }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

private:
    friend class ExecContext;
    ExecContext& ctx_;
    const Frame* outer_;
    const char* text_;
    std::size_t size_;
};
#pragma GCC diagnostic pop

// Code that must not sleep: notifier handlers, interrupt handlers.
class AtomicSection {
public:
    explicit AtomicSection(ExecContext& ctx) : ctx_(ctx), outer_(ctx.kind_) {
        ++ctx_.atomic_depth_;
        ctx_.kind_ = ContextKind::AtomicHandler;
    }
    ~AtomicSection() {
        --ctx_.atomic_depth_;
        ctx_.kind_ = outer_;
    }
    AtomicSection(const AtomicSection&) = delete;
    AtomicSection& operator=(const AtomicSection&) = delete;

private:
    ExecContext& ctx_;
    ContextKind outer_;
};

// One instruction that takes time: interruptions are served at its boundaries, never inside.
class OneInstruction {
public:
    explicit OneInstruction(ExecContext& ctx) : ctx_(ctx) { ++ctx_.instruction_depth_; }
    ~OneInstruction() { --ctx_.instruction_depth_; }
    OneInstruction(const OneInstruction&) = delete;
    OneInstruction& operator=(const OneInstruction&) = delete;

private:
    ExecContext& ctx_;
};

// A user's own accesses, or a kernel's that has an exception table entry for a failing one.
class UserAccess {
public:
    explicit UserAccess(ExecContext& ctx) : ctx_(ctx) { ++ctx_.user_accesses_; }
    ~UserAccess() { --ctx_.user_accesses_; }
    UserAccess(const UserAccess&) = delete;
    UserAccess& operator=(const UserAccess&) = delete;

private:
    ExecContext& ctx_;
};

// The same thread as somebody else, until the end of the scope (VM entry, VM exit).
class PersonaChange {
public:
    PersonaChange(ExecContext& ctx, Persona persona);
    ~PersonaChange();
    PersonaChange(const PersonaChange&) = delete;
    PersonaChange& operator=(const PersonaChange&) = delete;

private:
    ExecContext& ctx_;
    Persona outer_;
    ContextKind outer_kind_;
    int outer_atomic_;
    int outer_irq_off_;
    const Frame* outer_frame_;
};

class LockGuard {
public:
    LockGuard(ExecContext& ctx, SimLock& lock) : ctx_(ctx), lock_(lock) { ctx_.lock(lock_); }
    ~LockGuard() noexcept(false) { ctx_.unlock(lock_); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    ExecContext& ctx_;
    SimLock& lock_;
};

// Runs software in zero time on one thread: time moves only by spend(). Blocking is a bug of the
// test, since nobody else can run.
class ImmediateContext final : public ExecContext {
public:
    explicit ImmediateContext(LockMonitor& monitor, std::string name = "test",
                              MachinePort* port = nullptr);
    TimePs now() const override { return now_; }
    void spend(TimePs cost) override { now_ += cost; }
    void become(ContextKind kind) { set_kind(kind); }

private:
    bool block(bool keeps_cpu, TimePs deadline) override;
    void make_ready(ExecContext&) override {}
    std::size_t choose(const Choice&) override { return 0; }
    TimePs now_;
};

}  // namespace ioasim
