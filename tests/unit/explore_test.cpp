// Every order of small models whose orders can be counted by hand.
#include <doctest/doctest.h>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "tools/cli/explore/explorer.hpp"
#include "tools/cli/explore/shared_results.hpp"

using namespace ioasim;
using namespace ioasim::tools;

namespace {

using Counts = std::vector<std::uint64_t>;

ExploreLimits bounded(unsigned deviations, unsigned jobs = 2) {
    ExploreLimits limits;
    limits.deviations = deviations;
    limits.jobs = jobs;
    return limits;
}

// Tasks that do one thing after the other, each of which takes 10 ns; the earliest goes first.
struct Model {
    struct Task {
        std::uint64_t at;
        std::string objects;  // an operation each, on the object of this letter
        std::size_t done = 0;
    };
    std::vector<Task> tasks;
    std::uint64_t stall = 0;
    std::string order = {};  // "aBc": lower case by the first task, upper case by the second
    // When a task goes on that was held up: an operation is held up once.
    std::vector<std::uint64_t> released = {~std::uint64_t{0}, ~std::uint64_t{0}};

    void run(Chooser& chooser) {
        static const std::string kObjects = "abcdefghij";
        while (Task* task = next()) {
            const char letter = task->objects[task->done];
            Operation operation;
            operation.what = "lock";
            operation.actor = task;
            operation.object = &kObjects[kObjects.find(letter)];
            operation.at = TimePs{task->at};
            const bool is_first = task == tasks.data();
            std::uint64_t& goes_on = released[is_first ? 0 : 1];
            if (task->at != goes_on && chooser.hold_up(operation)) {
                task->at += stall;
                goes_on = task->at;
                continue;
            }
            order += is_first ? letter : static_cast<char>(letter - 'a' + 'A');
            ++task->done;
            task->at += 10;
        }
    }

    Task* next() {
        Task* first = nullptr;
        for (Task& task : tasks) {
            if (task.done < task.objects.size() && (first == nullptr || task.at < first->at)) {
                first = &task;
            }
        }
        return first;
    }
};

Explored explore_model(const Model& model, ExploreLimits limits, bool reduction,
                       const std::string& bad) {
    limits.reduction = reduction;
    limits.stall = TimePs{model.stall};
    return explore(
        [&model, &bad](std::unique_ptr<Chooser> chooser) {
            Model copy = model;
            copy.run(*chooser);
            const bool wrong = copy.order.find(bad) != std::string::npos;
            return Outcome{wrong ? "order.bad" : "", copy.order, true};
        },
        limits);
}

}  // namespace

TEST_CASE("explore: two choices have every combination, each once") {
    const ExploreBody body = [](std::unique_ptr<Chooser> chooser) {
        const std::size_t a = chooser->choose({"cpu.ready", 2});
        const std::size_t one = chooser->choose({"cpu.ready", 1});
        const std::size_t b = chooser->choose({"lock.waiter", 3});
        return Outcome{"order." + std::to_string(a) + std::to_string(one) + std::to_string(b), "",
                       true};
    };
    // Everything is bad, so that every order is told; the first bound ends it.
    const Explored fixed = explore(body, bounded(2));
    CHECK(fixed.runs == Counts{1});
    REQUIRE(fixed.found.size() == 1);
    CHECK(fixed.found[0].codes == "order.000");
    CHECK(fixed.found[0].schedule.empty());
    const ExploreBody fine = [](std::unique_ptr<Chooser> chooser) {
        chooser->choose({"cpu.ready", 2});
        chooser->choose({"lock.waiter", 3});
        return Outcome{};
    };
    CHECK(explore(fine, bounded(0)).runs == Counts{1});
    CHECK(explore(fine, bounded(1)).runs == Counts{1, 3});
    CHECK(explore(fine, bounded(2)).runs == Counts{1, 3, 2});
    CHECK(explore(fine, bounded(8)).runs == Counts{1, 3, 2, 0});
    CHECK(explore(fine, bounded(2)).complete);
}

TEST_CASE("explore: choices that only another order has are found") {
    const ExploreBody body = [](std::unique_ptr<Chooser> chooser) {
        std::string order;
        std::size_t left = 3;
        while (left > 1) {  // all orders of three waiters
            order += std::to_string(chooser->choose({"wake.waiter", left--}));
        }
        if (order == "11") {
            order += std::to_string(chooser->choose({"cpu.ready", 5}));
        }
        return Outcome{order == "113" ? "order.bad" : "", order, true};
    };
    const Explored explored = explore(body, bounded(3));
    CHECK(explored.runs == Counts{1, 3, 2, 4});
    REQUIRE(explored.found.size() == 1);
    CHECK(explored.found[0].text == "113");
    REQUIRE(explored.found[0].schedule.size() == 3);
    CHECK(explored.found[0].schedule[2].at == 2);
    CHECK(explored.found[0].schedule[2].what == "cpu.ready");
    CHECK(explored.found[0].schedule[2].pick == 3);
}

TEST_CASE("explore: the shortest of several is told, whatever ran first") {
    const ExploreBody body = [](std::unique_ptr<Chooser> chooser) {
        std::size_t sum = 0;
        for (int i = 0; i < 6; ++i) {
            sum +=
                i == 0 ? 0 * chooser->choose({"cpu.ready", 2}) : chooser->choose({"cpu.ready", 3});
        }
        return Outcome{sum != 0 ? "order.bad" : "", "", true};
    };
    for (const unsigned jobs : {1U, 2U, 4U}) {
        const Explored explored = explore(body, bounded(3, jobs));
        CHECK(explored.runs == Counts{1, 11});
        REQUIRE(explored.found.size() == 1);
        CHECK(explored.found[0].runs == 10);
        REQUIRE(explored.found[0].schedule.size() == 1);
        CHECK(explored.found[0].schedule[0].at == 1);
        CHECK(explored.found[0].schedule[0].pick == 1);
    }
}

TEST_CASE("explore: a schedule that was found repeats its run") {
    Model model{{{0, "abl"}, {5, "cdel"}}, 20};
    std::replace(model.tasks[0].objects.begin(), model.tasks[0].objects.end(), 'l', 'j');
    std::replace(model.tasks[1].objects.begin(), model.tasks[1].objects.end(), 'l', 'j');
    const Explored explored = explore_model(model, bounded(2), true, "Jj");
    REQUIRE(explored.found.size() == 1);
    ReplayChooser replay(explored.found[0].schedule);
    model.run(replay);
    CHECK(model.order == explored.found[0].text);
    CHECK(replay.mismatch().empty());
}

TEST_CASE("explore: holding up where nobody comes is passed over, and nothing bad is lost") {
    // First a, then j at 10 ps; the other b at 5 ps, j at 15 ps. Held up for 8 ps before j the
    // first task comes second: that and nothing else changes the order on an object of both.
    const Model model{{{0, "aj"}, {5, "bj"}}, 8};
    const Explored all = explore_model(model, bounded(1), false, "none");
    CHECK(all.runs == Counts{1, 4});
    const Explored reduced = explore_model(model, bounded(1), true, "none");
    CHECK(reduced.runs == Counts{1, 1});
    REQUIRE(reduced.choices.size() == 1);
    CHECK(reduced.choices[0].what == "task.hold_up");
    CHECK(reduced.choices[0].seen == 4);
    CHECK(reduced.choices[0].followed == 1);
    for (const bool reduction : {false, true}) {
        const Explored found = explore_model(model, bounded(1), reduction, "Jj");
        REQUIRE(found.found.size() == 1);
        CHECK(found.found[0].schedule.size() == 1);
    }
}

TEST_CASE("explore: reduction on and off find the same orders on the objects of both") {
    // Each order of operations on j and i that two deviations can make, as a kind of badness.
    const Model model{{{0, "aibj"}, {3, "cidj"}}, 12};
    const auto orders = [&model](bool reduction) {
        std::vector<std::string> seen;
        for (const char* bad : {"Ii", "Jj", "IijJ", "IJ", "ij"}) {
            ExploreLimits limits = bounded(2);
            limits.reduction = reduction;
            limits.stall = TimePs{model.stall};
            const std::string wanted = bad;
            const Explored explored = explore(
                [&model, &wanted](std::unique_ptr<Chooser> chooser) {
                    Model copy = model;
                    copy.run(*chooser);
                    std::string common;
                    for (const char c : copy.order) {
                        common += std::string("ijIJ").find(c) == std::string::npos
                                      ? std::string()
                                      : std::string(1, c);
                    }
                    const bool wrong = common.find(wanted) != std::string::npos;
                    return Outcome{wrong ? "order.bad" : "", common, true};
                },
                limits);
            if (!explored.found.empty()) {
                seen.push_back(wanted);
            }
        }
        return seen;
    };
    const std::vector<std::string> all = orders(false);
    CHECK(all.size() >= 3);
    CHECK(orders(true) == all);
}

TEST_CASE("explore: a run that crashes is a bad run, and the others go on") {
    const ExploreBody body = [](std::unique_ptr<Chooser> chooser) {
        const std::size_t pick = chooser->choose({"cpu.ready", 4});
        if (pick == 2) {
            ::kill(::getpid(), SIGKILL);
        }
        return Outcome{};
    };
    for (const unsigned jobs : {1U, 3U}) {
        const Explored explored = explore(body, bounded(1, jobs));
        CHECK(explored.runs == Counts{1, 3});
        REQUIRE(explored.found.size() == 1);
        CHECK(explored.found[0].codes == "crash");
        CHECK(explored.found[0].runs == 1);
        CHECK(explored.found[0].schedule.at(0).pick == 2);
    }
}

TEST_CASE("explore: a limit is told") {
    const ExploreBody body = [](std::unique_ptr<Chooser> chooser) {
        for (int i = 0; i < 20; ++i) {
            chooser->choose({"cpu.ready", 2});
        }
        return Outcome{};
    };
    ExploreLimits limits = bounded(2, 1);
    limits.runs = 30;
    const Explored explored = explore(body, limits);
    CHECK_FALSE(explored.complete);
    CHECK(explored.all_runs() == 30);
    limits.runs = 0;
    CHECK(explore(body, limits).runs == Counts{1, 20, 190});
}

TEST_CASE("chooser: a schedule of another run is told") {
    ReplayChooser replay({{1, "lock.waiter", 2}, {3, "cpu.ready", 1}});
    CHECK(replay.choose({"cpu.ready", 2}) == 0);
    CHECK(replay.choose({"cpu.ready", 1}) == 0);  // no choice
    CHECK(replay.choose({"lock.waiter", 3}) == 2);
    CHECK(replay.choose({"cpu.ready", 2}) == 0);
    CHECK(replay.mismatch() == "the run has 3 choices, and none with number 3");
    CHECK(replay.mismatch_at() == 1);
    CHECK(replay.hold_up({}) == false);
    CHECK(replay.mismatch() == "choice 3 is task.hold_up of 2 here, not pick 1 of cpu.ready");
    ReplayChooser whole({{0, "task.hold_up", 1}});
    CHECK(whole.hold_up({}));
    CHECK(whole.mismatch().empty());
}
