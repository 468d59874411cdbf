// The VCD file itself: declarations, values, times. Knows nothing of events.
//   declare signals and scopes -> begin() -> set()/advance() … -> finish()
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "traces/byte_sink.hpp"

namespace ioasim::traces {

// Replaces what a VCD name must not hold by '_'.
std::string vcd_name(std::string_view text);

class VcdWriter {
public:
    VcdWriter(const std::string& path, std::size_t block_bytes, const std::string& comment);

    // `path` is the scope in components ("ioasim", "dsa0", "wq0"); returns the signal's number.
    // Widths 1 to 64. Signals of one scope need not be declared together.
    std::uint32_t declare(const std::vector<std::string>& path, const std::string& name,
                          unsigned width);
    // Header and all values at time 0 reach the file.
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
    void flush();

    // Gives a declared signal another name of the same length. false on a pipe.
    bool rename(std::uint32_t signal, const std::string& name);
    // "ioasim.dsa0.wq0.occupancy[5:0]", as GTKWave writes it.
    std::string full_name(std::uint32_t signal) const;
    // "dsa0/wq0 occupancy": for people, without the root scope.
    std::string short_name(std::uint32_t signal) const;
    unsigned width(std::uint32_t signal) const { return signals_[signal].width; }
    const std::string& error() const { return file_.error(); }
    std::uint64_t changes() const { return changes_; }

private:
    struct Signal {
        std::string scope;  // "ioasim.dsa0.wq0"
        std::string name;
        std::string code;
        std::uint64_t mask = 1;
        std::uint64_t value = 0;
        std::uint64_t written = 0;
        std::uint64_t name_offset = 0;
        std::uint8_t width = 1;
        bool dirty = false;
    };
    struct Scope {
        std::string name;
        std::vector<std::uint32_t> children;
        std::vector<std::uint32_t> signals;
    };
    void write_scope(std::uint32_t scope);
    void write_initial_values();
    void commit(std::uint64_t next);
    void append_value(const Signal& signal, bool full_width);

    OutputFile file_;
    std::string comment_;
    std::size_t block_bytes_;
    std::vector<Signal> signals_;
    std::vector<Scope> scopes_;  // [0] is above the top
    std::vector<std::uint32_t> dirty_;
    std::uint64_t now_ = 0;
    std::uint64_t last_stamp_ = 0;
    std::uint64_t initial_offset_ = 0;  // where the values of time 0 are
    std::size_t initial_size_ = 0;
    std::size_t safe_end_ = 0;  // buffered bytes up to the last time stamp
    bool time_zero_open_ = true;
    std::uint64_t changes_ = 0;
};

}  // namespace ioasim::traces
