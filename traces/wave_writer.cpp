#include "traces/wave_writer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/check.hpp"

namespace ioasim::traces {

std::string wave_name(std::string_view text) {
    std::string name;
    for (const char c : text) {
        const bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '$';
        name.push_back(fine ? c : '_');
    }
    return name.empty() ? "_" : name;
}

std::uint32_t WaveWriter::declare(const std::vector<std::string>& path, const std::string& name,
                                  unsigned width, bool spare) {
    SIM_CHECK(width >= 1 && width <= 64, "signal {} of width {}", name, width);
    std::uint32_t at = 0;
    std::string full;
    for (const std::string& part : path) {
        const std::string scope_name = wave_name(part);
        full += (full.empty() ? "" : ".") + scope_name;
        const auto& children = scopes_[at].children;
        const auto found = std::find_if(children.begin(), children.end(), [&](std::uint32_t child) {
            return scopes_[child].name == scope_name;
        });
        if (found != children.end()) {
            at = *found;
        } else {
            const auto made = static_cast<std::uint32_t>(scopes_.size());
            scopes_.push_back({scope_name, {}, {}});
            scopes_[at].children.push_back(made);
            at = made;
        }
    }
    // Two components may differ only in characters that names cannot hold.
    const auto& siblings = scopes_[at].signals;
    std::string unique = wave_name(name);
    for (unsigned n = 2;
         std::any_of(siblings.begin(), siblings.end(),
                     [&](std::uint32_t other) { return signals_[other].name == unique; });
         ++n) {
        unique = fmt::format("{}_{}", wave_name(name), n);
    }
    Signal signal;
    signal.scope = full;
    signal.name = unique;
    signal.spare = spare;
    signal.width = static_cast<std::uint8_t>(width);
    signal.mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    const auto number = static_cast<std::uint32_t>(signals_.size());
    signals_.push_back(std::move(signal));
    scopes_[at].signals.push_back(number);
    return number;
}

void WaveWriter::begin() {
    for (Signal& signal : signals_) {
        signal.known = signal.known && !hidden_;
    }
    write_head();
}

void WaveWriter::show_from(TimePs now) {
    if (!hidden_) {
        return;
    }
    hidden_ = false;
    if (now != TimePs{}) {
        if (time_zero_open_) {
            time_zero_open_ = false;
            write_initial_values();
        }
        now_ = now.ps();
    }
    dirty_.clear();
    for (std::uint32_t number = 0; number < signals_.size(); ++number) {
        signals_[number].dirty = true;
        signals_[number].known = now == TimePs{};
        dirty_.push_back(number);
    }
}

void WaveWriter::commit(std::uint64_t next) {
    SIM_CHECK(next > now_, "waveform time runs backwards: {} ps after {} ps", next, now_);
    if (hidden_) {
        now_ = next;
        return;
    }
    if (time_zero_open_) {
        time_zero_open_ = false;
        for (const std::uint32_t number : dirty_) {
            signals_[number].known = true;
        }
        write_initial_values();
        for (Signal& signal : signals_) {
            signal.written = signal.value;
            signal.dirty = false;
        }
        dirty_.clear();
    } else if (!dirty_.empty()) {
        write_changes();
    }
    now_ = next;
}

void WaveWriter::write_changes() {
    std::sort(dirty_.begin(), dirty_.end());
    bool stamped = false;
    for (const std::uint32_t number : dirty_) {
        Signal& signal = signals_[number];
        signal.dirty = false;
        if (full_at_ || (signal.known && signal.value == signal.written)) {
            continue;
        }
        if (!stamped) {
            // Counted as if all had changed: an instant is whole or absent.
            if (!room_for(dirty_.size(), limit_)) {
                full_at_ = TimePs{now_};
                continue;
            }
            stamped = true;
            write_stamp(now_);
            last_stamp_ = now_;
        }
        write_value(number);
        signal.written = signal.value;
        signal.known = true;
        ++changes_;
    }
    dirty_.clear();
}

void WaveWriter::finish(TimePs end) {
    show_from(TimePs{now_});  // a window that never began: the last values
    const std::uint64_t last = std::max(end.ps(), now_ + 1);
    commit(last);
    const std::uint64_t seen = full_at_ ? full_at_->ps() : end.ps();
    write_end(std::max(seen, last_stamp_ + 1));
}

bool WaveWriter::rename(std::uint32_t signal, const std::string& name) {
    Signal& s = signals_[signal];
    SIM_CHECK(name.size() == s.name.size(), "signal name {} does not fit over {}", name, s.name);
    if (full_at_ || !write_name(signal, name)) {
        return false;
    }
    s.name = name;
    return true;
}

std::string WaveWriter::full_name(std::uint32_t signal) const {
    const Signal& s = signals_[signal];
    const std::string range = s.width == 1 ? std::string{} : fmt::format("[{}:0]", s.width - 1);
    return s.scope + "." + s.name + range;
}

std::string WaveWriter::short_name(std::uint32_t signal) const {
    const Signal& s = signals_[signal];
    std::string scope = s.scope.substr(std::min(s.scope.find('.') + 1, s.scope.size()));
    std::replace(scope.begin(), scope.end(), '.', '/');
    return scope + " " + s.name;
}

}  // namespace ioasim::traces
