#include "tools/cli/explore/explorer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <numeric>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tools/cli/explore/shared_results.hpp"

namespace ioasim::tools {
namespace {

using Clock = std::chrono::steady_clock;

// A choice as a scout saw it.
struct Seen {
    std::uint64_t number;
    const void* actor;  // null: no operation, but a choice between candidates
    const void* object;
    std::uint64_t at_ps;
};

// The choices of one run, from the process that makes it to the one that plans by it.
class ScoutLog {
public:
    void add(const Seen& seen) {
        Data& d = data();
        if (d.count < kMost) {
            d.entries[d.count] = seen;
        }
        ++d.count;
    }
    // Numbers of the choices that are worth another candidate; false: there were too many to tell.
    bool plan(TimePs stall, std::vector<std::uint64_t>& numbers) const {
        const Data& d = data();
        for (std::uint64_t i = 0; i < d.count && d.count <= kMost; ++i) {
            if (meets_somebody(i, stall)) {
                numbers.push_back(d.entries[i].number);
            }
        }
        return d.count <= kMost;
    }

private:
    static constexpr std::uint64_t kMost = 1U << 20U;
    struct Data {
        std::uint64_t count;
        std::array<Seen, kMost> entries;
    };
    Data& data() const { return *static_cast<Data*>(memory_.at()); }
    bool meets_somebody(std::uint64_t i, TimePs stall) const {
        const Data& d = data();
        const Seen& first = d.entries[i];
        if (first.actor == nullptr || first.object == nullptr) {
            return true;
        }
        for (std::uint64_t j = i + 1; j < d.count && d.entries[j].at_ps <= first.at_ps + stall.ps();
             ++j) {
            if (d.entries[j].object == first.object && d.entries[j].actor != first.actor) {
                return true;
            }
        }
        return false;
    }
    SharedMemory memory_{sizeof(Data)};
};

// One process of the tree, and what it has to do with its run.
class Process {
public:
    Process(SharedResults& results, const ExploreLimits& limits, unsigned bound)
        : results_(results), limits_(limits), bound_(bound) {}

    // Makes the run of the fixed order, and with it all others.
    [[noreturn]] void run(const ExploreBody& body);

    std::size_t choose(const Choice& choice) {
        return decide(choice.what, choice.count, nullptr, [&choice](std::size_t pick) {
            return choice.name == nullptr ? fmt::format("candidate {} of {}", pick, choice.count)
                                          : choice.name(choice.place, pick);
        });
    }
    bool hold_up(const Operation& operation) {
        return decide(kHoldUp, 2, &operation, [&operation](std::size_t) {
                   return operation.name == nullptr ? std::string(operation.what)
                                                    : operation.name(operation);
               }) == 1;
    }

private:
    enum class Role : std::uint8_t {
        Carrier,  // goes on in the fixed order and forks
        Scout,    // looks which choices come
        Judge     // a run of the bound: goes to its end
    };
    struct Child {
        pid_t pid;
        Deviation deviation;
        std::string words;
    };

    template <class Naming>
    std::size_t decide(std::string_view what, std::size_t count, const Operation* operation,
                       Naming&& naming) {
        const std::uint64_t number = next_++;
        if (role_ != Role::Judge && results_.stopped()) {
            leave();
        }
        switch (role_) {
            case Role::Judge:
                return 0;
            case Role::Scout:
                log_->add({number, operation == nullptr ? nullptr : operation->actor,
                           operation == nullptr ? nullptr : operation->object,
                           operation == nullptr ? 0 : operation->at.ps()});
                return 0;
            case Role::Carrier:
                break;
        }
        const bool followed = (!limits_.now || limits_.now() >= limits_.from) &&
                              (!planned_ || std::binary_search(plan_.begin(), plan_.end(), number));
        if (schedule_.empty() && bound_ == 1) {
            results_.count_choice(what, followed);
        } else if (planned_ && (plan_.empty() || number > plan_.back())) {
            leave();
        }
        for (std::size_t pick = 1; followed && pick < count && !results_.stopped(); ++pick) {
            if (fork_with({number, std::string(what), pick}, naming(pick))) {
                return pick;
            }
        }
        return 0;
    }
    // True in the copy.
    bool fork_with(Deviation deviation, std::string words);
    // What this process is from here on.
    void take_role();
    void scout();
    void forget_family();
    void reap(const Child& child);
    void note_crash(const Child& child, int status);
    void judge(const Outcome& outcome);
    [[noreturn]] void leave();

    SharedResults& results_;
    const ExploreLimits& limits_;
    unsigned bound_;
    Role role_ = Role::Carrier;
    std::vector<Deviation> schedule_;
    std::vector<std::string> words_;
    std::uint64_t next_ = 0;
    bool own_turn_ = true;  // else the parent waits, and its turn is ours
    bool planned_ = false;
    std::vector<std::uint64_t> plan_;
    std::unique_ptr<ScoutLog> log_;
    std::vector<Child> children_;
};

class ExploringChooser final : public Chooser {
public:
    explicit ExploringChooser(Process& process) : process_(process) {}
    std::size_t choose(const Choice& choice) override {
        return choice.count == 1 ? 0 : process_.choose(choice);
    }
    bool hold_up(const Operation& operation) override { return process_.hold_up(operation); }

private:
    Process& process_;
};

void die_with_parent(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        _exit(1);
    }
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

void Process::run(const ExploreBody& body) {
    results_.take_turn();
    take_role();
    const Outcome outcome = body(std::make_unique<ExploringChooser>(*this));
    if (role_ == Role::Judge) {
        judge(outcome);
    }
    leave();
}

bool Process::fork_with(Deviation deviation, std::string words) {
    const bool own_turn = results_.try_take_turn();
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        die_with_parent(parent);
        forget_family();
        own_turn_ = own_turn;
        schedule_.push_back(std::move(deviation));
        words_.push_back(std::move(words));
        take_role();
        return true;
    }
    if (pid < 0) {
        // The machine has no room for a process; the result is not complete then.
        results_.stop();
        if (own_turn) {
            results_.give_turn();
        }
        return false;
    }
    Child child{pid, std::move(deviation), std::move(words)};
    if (own_turn) {
        children_.push_back(std::move(child));
    } else {
        reap(child);
    }
    return false;
}

void Process::forget_family() {
    children_.clear();
    plan_.clear();
    planned_ = false;
    log_.reset();
}

void Process::take_role() {
    role_ = schedule_.size() == bound_ ? Role::Judge : Role::Carrier;
    if (role_ == Role::Carrier && limits_.reduction) {
        scout();
    }
}

// A copy makes the run first, to its end; by what it met the choices are picked that matter.
void Process::scout() {
    log_ = std::make_unique<ScoutLog>();
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        die_with_parent(parent);
        role_ = Role::Scout;
        own_turn_ = false;
        return;
    }
    if (pid < 0) {
        results_.stop();
        return;
    }
    wait_for(pid);
    planned_ = log_->plan(limits_.stall, plan_);
    log_.reset();
}

void Process::reap(const Child& child) {
    const int status = wait_for(child.pid);
    if (WIFSIGNALED(status)) {
        note_crash(child, status);
    }
}

void Process::note_crash(const Child& child, int status) {
    Found found{"crash", fmt::format("the simulator crashed: signal {}", WTERMSIG(status)),
                schedule_, words_, 1};
    found.schedule.push_back(child.deviation);
    found.choices.push_back(child.words);
    results_.add_run();
    results_.add(found);
}

void Process::judge(const Outcome& outcome) {
    if (!outcome.whole) {
        results_.stop();
        return;
    }
    const std::uint64_t runs = results_.add_run();
    if (limits_.runs != 0 && runs >= limits_.runs) {
        results_.stop();
    }
    if (!outcome.codes.empty()) {
        results_.add({outcome.codes, outcome.text, schedule_, words_, 1});
    }
}

// The run's threads and the kernel's statics are left to the system.
void Process::leave() {
    if (own_turn_ || !children_.empty()) {
        results_.give_turn();
    }
    for (const Child& child : children_) {
        const int status = wait_for(child.pid);
        if (WIFSIGNALED(status)) {
            note_crash(child, status);
            results_.give_turn();  // that it had no time to give
        }
    }
    if (!own_turn_ && !children_.empty()) {
        results_.take_turn();  // the parent's, which goes on with it
    }
    _exit(0);
}

// Everything with exactly so many deviations.
void explore_bound(const ExploreBody& body, const ExploreLimits& limits, unsigned bound,
                   SharedResults& results, Clock::time_point start) {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        die_with_parent(parent);
        Process(results, limits, bound).run(body);
    }
    constexpr useconds_t kMoment = 2'000;
    int status = 0;
    while (pid > 0 && ::waitpid(pid, &status, WNOHANG) == 0) {
        ::usleep(kMoment);
        const auto seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if ((limits.seconds != 0 && seconds > static_cast<double>(limits.seconds)) ||
            (limits.stop && limits.stop())) {
            results.stop();
        }
        if (limits.progress) {
            limits.progress(results.runs(), bound);
        }
    }
    if (pid < 0) {
        results.stop();
    } else if (WIFSIGNALED(status) && bound == 0) {
        results.add_run();
        results.add({"crash",
                     fmt::format("the simulator crashed: signal {}", WTERMSIG(status)),
                     {},
                     {},
                     1});
    } else if (WIFSIGNALED(status)) {
        results.stop();
    }
}

}  // namespace

std::uint64_t Explored::all_runs() const {
    return std::accumulate(runs.begin(), runs.end(), std::uint64_t{0});
}

Explored explore(const ExploreBody& body, const ExploreLimits& limits) {
    SharedResults results(std::max(1U, limits.jobs));
    const Clock::time_point start = Clock::now();
    Explored explored;
    const unsigned most = std::min(limits.deviations, kMostDeviations);
    for (unsigned bound = 0; bound <= most && !results.stopped(); ++bound) {
        const std::uint64_t before = results.runs();
        explore_bound(body, limits, bound, results, start);
        explored.runs.push_back(results.runs() - before);
        explored.found = results.found();
        // Where no order with this many deviations exists there is none with more.
        if (!explored.found.empty() || explored.runs.back() == 0) {
            break;
        }
    }
    explored.complete = !results.stopped();
    explored.choices = results.choices();
    return explored;
}

}  // namespace ioasim::tools
