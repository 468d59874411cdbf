// One door for every choice that the modelled system leaves open: which waiter gets a lock, which
// ready task runs, which of two messages a module sees first, whether something holds a task up
// before its next step. By default the fixed rule (the first candidate, nobody is held up); a
// campaign passes a seeded chooser, a recorded schedule a replaying one, `ioasim explore` one that
// goes every way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.hpp"
#include "core/base/time.hpp"

namespace ioasim {

// `count` candidates (at least 1), listed in the fixed order. `what` names the kind of choice
// ("lock.waiter", "cpu.ready", ...). Whoever wants to tell people asks `name` for "LOCK for TASK".
struct Choice {
    std::string_view what;
    std::size_t count = 1;
    const void* place = nullptr;
    std::string (*name)(const void* place, std::size_t candidate) = nullptr;
};

// A task is about to do something that others may see: take a lock, reach for a device. Objects are
// told apart by address; null is the hardware, which sees everything.
struct Operation {
    std::string_view what;  // "lock", "mmio"
    const void* actor = nullptr;
    const void* object = nullptr;
    TimePs at;
    std::string (*name)(const Operation& operation) = nullptr;
};

class Chooser {
public:
    virtual ~Chooser() = default;
    virtual std::size_t choose(const Choice& choice) = 0;
    // True: the task is held up first, as an interrupt of the platform or of the host holds it up.
    // Asked only in a run that says for how long (SimulationOptions::stall).
    virtual bool hold_up(const Operation&) { return false; }
};

class FirstChooser final : public Chooser {
public:
    std::size_t choose(const Choice&) override { return 0; }
};

class SeededChooser final : public Chooser {
public:
    explicit SeededChooser(std::uint64_t seed) : stream_(seed, "chooser", "schedule") {}
    std::size_t choose(const Choice& choice) override {
        return static_cast<std::size_t>(stream_.below(choice.count));
    }

private:
    RandomStream stream_;
};

// The kind of choice that hold_up is.
inline constexpr std::string_view kHoldUp = "task.hold_up";

// One step away from the fixed order: at the choice with this number (of those with more than one
// candidate, from 0) another candidate than the first.
struct Deviation {
    std::uint64_t at = 0;
    std::string what;
    std::size_t pick = 1;
};

// Repeats a recorded schedule: the fixed order but for its deviations, in ascending order of `at`.
class ReplayChooser : public Chooser {
public:
    explicit ReplayChooser(std::vector<Deviation> deviations)
        : deviations_(std::move(deviations)) {}
    std::size_t choose(const Choice& choice) override {
        return choice.count == 1 ? 0 : recorded(choice.what, choice.count);
    }
    bool hold_up(const Operation&) override { return recorded(kHoldUp, 2) == 1; }

    // Where the run was not the one that the schedule was recorded of: the deviation's place in the
    // list, and what there was instead. Empty after a true replay.
    std::string mismatch() const;
    std::size_t mismatch_at() const { return done_; }

private:
    std::size_t recorded(std::string_view what, std::size_t count);

    std::vector<Deviation> deviations_;
    std::size_t done_ = 0;
    std::uint64_t next_ = 0;  // number of the next choice
    std::string wrong_;
};

}  // namespace ioasim
