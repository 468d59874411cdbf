// Events of the run itself, of locks and of scheduling.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct RunStart {
    static constexpr EventName kName{"run.start", Category::Run, "Time begins."};
    std::uint64_t seed = 0;
    IOASIM_FIELDS(seed)
};
struct RunEnd {
    static constexpr EventName kName{"run.end", Category::Run, "The run ended, and why."};
    Name reason;
    IOASIM_FIELDS(reason)
};
struct RunPool {
    static constexpr EventName kName{"run.pool", Category::Run,
                                     "At time 0: a bounded resource and its capacity (workqueue "
                                     "slots, quota, credits, memory of a VM)."};
    Name pool;
    Name kind;
    std::uint64_t capacity = 0;
    IOASIM_FIELDS(pool, kind, capacity)
};
struct RunFinding {
    static constexpr EventName kName{"run.finding", Category::Run,
                                     "A checker saw a broken rule: code, who, what in words."};
    Name code;
    Name who;
    Name text;
    IOASIM_FIELDS(code, who, text)
};
struct RunDefect {
    static constexpr EventName kName{"run.defect", Category::Run,
                                     "At time 0: a seeded defect is switched on."};
    Name defect;
    IOASIM_FIELDS(defect)
};
struct RunInjection {
    static constexpr EventName kName{"run.injection", Category::Run,
                                     "At time 0: a fault from outside that the scenario declares, "
                                     "its target (empty: any) and what starts it."};
    std::uint32_t index = 0;  // position in `inject`
    Name fault;
    Name target;
    Name trigger;
    bool certain = true;  // it must take effect in this run
    IOASIM_FIELDS(index, fault, target, trigger, certain)
};
struct RunInject {
    static constexpr EventName kName{"run.inject", Category::Run,
                                     "A declared fault takes effect now, so often until now."};
    std::uint32_t index = 0;
    Name fault;
    Name target;
    std::uint64_t times = 0;
    IOASIM_FIELDS(index, fault, target, times)
};
struct RunInjectMissed {
    static constexpr EventName kName{"run.inject_missed", Category::Run,
                                     "What was to bring in a declared fault found nobody there or "
                                     "was refused: a step of it ended so. If a run.inject told of "
                                     "it already, that one is taken back."};
    std::uint32_t index = 0;
    Name fault;
    Name target;
    Name step;
    Errno result = Errno::Ok;
    bool told = false;
    IOASIM_FIELDS(index, fault, target, step, result, told)
};
struct LockAcquire {
    static constexpr EventName kName{"lock.acquire", Category::Lock,
                                     "A simulated lock was taken, after waiting so long."};
    Name lock;
    Name owner;
    TimePs waited;
    IOASIM_FIELDS(lock, owner, waited)
};
struct LockRelease {
    static constexpr EventName kName{"lock.release", Category::Lock,
                                     "A simulated lock was released."};
    Name lock;
    Name owner;
    IOASIM_FIELDS(lock, owner)
};
struct LockStatistics {
    static constexpr EventName kName{
        "lock.statistics", Category::Run,
        "At the end of the run: how often a lock was taken and had to be waited for."};
    Name lock;
    std::uint64_t acquired = 0;
    std::uint64_t contended = 0;
    TimePs waited;  // by all who had to
    TimePs longest;
    TimePs held;
    IOASIM_FIELDS(lock, acquired, contended, waited, longest, held)
};
struct SchedRun {
    static constexpr EventName kName{"sched.run", Category::Sched, "A task got a CPU."};
    std::uint32_t cpu = 0;
    Name task;
    IOASIM_FIELDS(cpu, task)
};
struct SchedIdle {
    static constexpr EventName kName{"sched.idle", Category::Sched,
                                     "A task gave up its CPU and none took it."};
    std::uint32_t cpu = 0;
    Name task;
    IOASIM_FIELDS(cpu, task)
};
struct StepResult {
    static constexpr EventName kName{"program.step", Category::Software,
                                     "A step of a scenario's program ended with this result; value "
                                     "is what it returned (an ID, a count)."};
    Name program;             // "vm1/vcpu0/app"
    std::uint32_t index = 0;  // position in `steps`, from 0
    Name step;                // "alloc", "bind", ...
    Errno result = Errno::Ok;
    std::uint64_t value = 0;
    TimePs took;
    IOASIM_FIELDS(program, index, step, result, value, took)
};

struct StepMismatch {
    static constexpr EventName kName{"program.mismatch", Category::Software,
                                     "A step found something else than it "
                                     "expects; the step itself ends with an error after it."};
    Name program;
    std::uint32_t index = 0;  // of the step
    Name expected;
    Name found;
    IOASIM_FIELDS(program, index, expected, found)
};

}  // namespace ioasim::trace
