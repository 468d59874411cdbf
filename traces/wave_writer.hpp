// The signals of a waveform, their values and times: what the formats of waveforms have in common.
// Knows nothing of events.
//   declare signals and scopes -> begin() -> set()/advance() … -> finish()
// A format writes a head with all signals, initial values, then stamps and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"

namespace ioasim::traces {

// Replaces what a name in a waveform must not hold by '_'.
std::string wave_name(std::string_view text);

class WaveWriter {
public:
    virtual ~WaveWriter() = default;

    // `path` is the scope in components ("ioasim", "dsa0", "wq0"); returns the signal's number.
    // Widths 1 to 64. Signals of one scope need not be declared together. A `spare` signal has no
    // meaning before it is renamed.
    std::uint32_t declare(const std::vector<std::string>& path, const std::string& name,
                          unsigned width, bool spare = false);
    // Before begin(): its value is unknown until it is set.
    void forget(std::uint32_t signal) { signals_[signal].known = false; }
    // Before begin(): values are followed, and shown when `show_from` says so; until then they are
    // unknown.
    void hide() { hidden_ = true; }
    // Not after the current time was passed.
    void show_from(TimePs now);
    // The file takes no more than so many bytes: it ends, whole, where the next change would not
    // fit. Before begin().
    void set_limit(std::uint64_t bytes) { limit_ = bytes; }
    // Head and all values at time 0 reach the file.
    void begin();

    // Values hold from the current time on; the last one of an instant counts.
    void set(std::uint32_t signal, std::uint64_t value) {
        Signal& s = signals_[signal];
        s.value = value & s.mask;
        if (!s.dirty) {
            s.dirty = true;
            dirty_.push_back(signal);
        }
    }
    void advance(TimePs now) {
        if (now.ps() != now_) {
            commit(now.ps());
        }
    }
    void finish(TimePs end);
    // Gives a declared signal another name of the same length. false: this file cannot.
    bool rename(std::uint32_t signal, const std::string& name);

    // "ioasim.dsa0.wq0.occupancy[5:0]", as GTKWave writes it.
    std::string full_name(std::uint32_t signal) const;
    // "dsa0/wq0 occupancy": for people, without the root scope.
    std::string short_name(std::uint32_t signal) const;
    unsigned width(std::uint32_t signal) const { return signals_[signal].width; }
    std::size_t signals() const { return signals_.size(); }
    std::uint64_t changes() const { return changes_; }
    // Where it ended for want of room.
    std::optional<TimePs> full_at() const { return full_at_; }
    virtual const std::string& error() const = 0;
    virtual std::uint64_t bytes() const = 0;

protected:
    struct Signal {
        std::string scope;  // "ioasim.dsa0.wq0"
        std::string name;
        std::uint64_t mask = 1;
        std::uint64_t value = 0;
        std::uint64_t written = 0;
        std::uint8_t width = 1;
        bool dirty = false;
        bool known = true;  // `written` is in the file
        bool spare = false;
    };
    struct Scope {
        std::string name;
        std::vector<std::uint32_t> children;
        std::vector<std::uint32_t> signals;
    };
    // The head; then whatever stands for the values at time 0 until they are known.
    virtual void write_head() = 0;
    // Time 0 is over: its values, unknown where `known` is false.
    virtual void write_initial_values() = 0;
    // Whether so many changes leave the file within the limit, its end included.
    virtual bool room_for(std::size_t changes, std::uint64_t limit) = 0;
    virtual void write_stamp(std::uint64_t time) = 0;
    virtual void write_value(std::uint32_t signal) = 0;
    // The last change is visible only when a later time follows it.
    virtual void write_end(std::uint64_t time) = 0;
    virtual bool write_name(std::uint32_t signal, const std::string& name) = 0;

    std::vector<Signal> signals_;
    std::vector<Scope> scopes_{1};  // [0] is above the top

private:
    void commit(std::uint64_t next);
    void write_changes();

    std::vector<std::uint32_t> dirty_;
    std::uint64_t now_ = 0;
    std::uint64_t last_stamp_ = 0;
    std::uint64_t limit_ = ~std::uint64_t{0};
    std::optional<TimePs> full_at_;
    bool time_zero_open_ = true;
    bool hidden_ = false;
    std::uint64_t changes_ = 0;
};

}  // namespace ioasim::traces
