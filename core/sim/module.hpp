// A hardware module: plain C++ logic behind one wake-up. SystemC is behind this interface (all
// modules of a run share one SC_METHOD, see Agenda), so that models never include <systemc>.
//
// A module's advance() serves everything that is due now in a fixed order and returns; it is called
// again at next_wakeup(). Spurious calls are harmless.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim::sim {

class ArrivalOrder;
class Simulation;

// Lines of a state dump: what is queued, who waits for what.
class StateDump {
public:
    void section(const std::string& name) { lines_.push_back(name + ":"); }
    void line(const std::string& text) { lines_.push_back("  " + text); }
    const std::vector<std::string>& lines() const { return lines_; }

private:
    std::vector<std::string> lines_;
};

// Anything that can be woken at a time. Inboxes and links use only this.
class Wakeable {
public:
    virtual ~Wakeable() = default;
    // Call advance() at `time` or earlier; the earliest request wins.
    virtual void wake_at(TimePs time) = 0;
    // Who decides on the order of its arrivals; null: the links alone.
    virtual const ArrivalOrder* arrival_order() const { return nullptr; }
};

class Module : public Wakeable {
public:
    Module(Simulation& sim, const std::string& name);
    ~Module() override;
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    const std::string& name() const { return name_; }
    SourceId source() const { return source_; }
    Simulation& sim() const { return sim_; }
    trace::Recorder& recorder() const;
    TimePs now() const;
    void wake_at(TimePs time) final;
    const ArrivalOrder* arrival_order() const final;

    template <class E>
    void emit(const E& event) const {
        recorder().emit(source_, event);
    }

    // Serve everything due at `now`.
    virtual void advance(TimePs now) = 0;
    // Earliest time at which advance() is needed again, from inboxes and timelines.
    virtual std::optional<TimePs> next_wakeup() const = 0;
    // Called once before time starts.
    virtual void start() {}
    virtual void dump(StateDump& out) const { static_cast<void>(out); }
    // A module that works all the time without meaning anything for the others.
    virtual bool background() const { return false; }
    // True while the module has work that must finish before the run may be called idle.
    virtual bool busy() const { return false; }

private:
    Simulation& sim_;
    std::string name_;
    SourceId source_;
    std::size_t place_;  // in the agenda
};

// The earlier of two optional times.
inline std::optional<TimePs> earliest(std::optional<TimePs> a, std::optional<TimePs> b) {
    if (!a) {
        return b;
    }
    return !b || *a <= *b ? a : b;
}

}  // namespace ioasim::sim
