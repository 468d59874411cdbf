// Choices that a run has only when it is asked to: the order of messages by different links, and
// tasks that are held up.
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/sim/link.hpp"
#include "tests/support/sim_harness.hpp"

using namespace ioasim;
using ioasim::test::Lines;
using ioasim::test::Receiver;
using ioasim::test::Script;
using sim::StopReason;

namespace {

class LastChooser final : public Chooser {
public:
    explicit LastChooser(std::vector<std::size_t>& counts) : counts_(counts) {}
    std::size_t choose(const Choice& choice) override {
        counts_.push_back(choice.count);
        return choice.count - 1;
    }

private:
    std::vector<std::size_t>& counts_;
};

// Holds up whatever its name begins with.
class HoldingChooser final : public Chooser {
public:
    HoldingChooser(std::string prefix, Lines& asked) : prefix_(std::move(prefix)), asked_(asked) {}
    std::size_t choose(const Choice&) override { return 0; }
    bool hold_up(const Operation& operation) override {
        asked_.push_back(operation.name(operation));
        return asked_.back().rfind(prefix_, 0) == 0;
    }

private:
    std::string prefix_;
    Lines& asked_;
};

// 1 and 3 by a slow link, 2 by a slower one, and 4 by a fast one once 1 is there.
struct Messages {
    explicit Messages(std::optional<TimePs> window) {
        sim::SimulationOptions options;
        options.window = window;
        sim.emplace(options);
        sim->set_chooser(std::make_unique<LastChooser>(counts));
        Receiver receiver(*sim, "receiver", log);
        Script script(*sim, "script");
        sim::Link<int> slow{sim::LinkParams{10_ns, 0, 0}};
        sim::Link<int> slower{sim::LinkParams{12_ns, 0, 0}};
        sim::Link<int> fast{sim::LinkParams{1_ns, 0, 0}};
        slow.bind(receiver.inbox, 0);
        slower.bind(receiver.inbox, 1);
        fast.bind(receiver.inbox, 2);
        script.at(1_ns, [&] {
            slow.send(1_ns, 1);
            slower.send(1_ns, 2);
            slow.send(1_ns, 3);
        });
        script.at(11_ns, [&] { fast.send(11_ns, 4); });
        CHECK(sim->run() == StopReason::Idle);
    }
    std::vector<std::size_t> counts;
    Lines log;
    std::optional<sim::Simulation> sim;
};

Lines lock_order(const std::string& held_up, Lines& asked) {
    sim::SimulationOptions options;
    options.stall = 50_ns;
    sim::Simulation sim{options};
    sim.set_chooser(std::make_unique<HoldingChooser>(held_up, asked));
    sim::Dispatcher dispatcher{sim, test::SoftwareRun::params(2), sim.chooser()};
    SimLock lock{SimLock::Kind::Spin, "l"};
    Lines log;
    for (const char* name : {"a", "b"}) {
        sim::TaskOptions task;
        task.name = name;
        dispatcher.spawn(std::move(task), *name == 'a' ? 0_ps : 10_ns, [&](ExecContext& ctx) {
            const LockGuard guard{ctx, lock};
            log.push_back(fmt::format("{} {}", ctx.now().ps(), ctx.name()));
            ctx.spend(20_ns);
        });
    }
    CHECK(sim.run() == StopReason::Idle);
    return log;
}

}  // namespace

TEST_CASE("arrivals: without a window they come as the links say, and nobody is asked") {
    const Messages messages{std::nullopt};
    CHECK(messages.log == Lines{"11000 receiver got 1", "11000 receiver got 3",
                                "12000 receiver got 4", "13000 receiver got 2"});
    CHECK(messages.counts.empty());
}

TEST_CASE("arrivals: within the window any link may be first, and each keeps its order") {
    // What was sent when the first had arrived may be its consequence: it is no candidate.
    const Messages messages{5_ns};
    CHECK(messages.log == Lines{"11000 receiver got 2", "11000 receiver got 1",
                                "11000 receiver got 3", "12000 receiver got 4"});
    CHECK(messages.counts == std::vector<std::size_t>{2});
}

TEST_CASE("arrivals: beyond the window they come as the links say") {
    const Messages messages{900_ps};
    CHECK(messages.log == Lines{"11000 receiver got 1", "11000 receiver got 3",
                                "12000 receiver got 4", "13000 receiver got 2"});
    CHECK(messages.counts.empty());
}

TEST_CASE("dispatcher: a task that is held up before a lock comes after one that is not") {
    Lines asked;
    CHECK(lock_order("nobody", asked) == Lines{"0 a", "20001 b"});
    CHECK(asked == Lines{"a before l", "b before l"});
    CHECK(lock_order("a", asked) == Lines{"10000 b", "50000 a"});
    CHECK(lock_order("b", asked) == Lines{"0 a", "60000 b"});
}
