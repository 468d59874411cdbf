#include "traces/vcd_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "core/base/check.hpp"

namespace ioasim::traces {
namespace {

// Identifier codes: printable ASCII, shortest first.
std::string code_of(std::uint32_t number) {
    constexpr std::uint32_t kFirst = 33;
    constexpr std::uint32_t kBase = 94;
    std::string code;
    do {
        code.push_back(static_cast<char>(kFirst + number % kBase));
        number /= kBase;
    } while (number-- > 0);
    return code;
}

std::string suffix_of(unsigned width) {
    return width == 1 ? std::string{} : fmt::format("[{}:0]", width - 1);
}

}  // namespace

std::string vcd_name(std::string_view text) {
    std::string name;
    for (const char c : text) {
        const bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '$';
        name.push_back(fine ? c : '_');
    }
    return name.empty() ? "_" : name;
}

VcdWriter::VcdWriter(const std::string& path, std::size_t block_bytes, const std::string& comment)
    : file_(path, block_bytes), block_bytes_(block_bytes), scopes_(1) {
    // One line of printable ASCII with single spaces, and nothing that looks like a directive.
    for (const char c : comment) {
        const bool fine = c > ' ' && c <= '~' && c != '$';
        if (fine || (!comment_.empty() && comment_.back() != ' ')) {
            comment_.push_back(fine ? c : ' ');
        }
    }
    while (!comment_.empty() && comment_.back() == ' ') {
        comment_.pop_back();
    }
}

std::uint32_t VcdWriter::declare(const std::vector<std::string>& path, const std::string& name,
                                 unsigned width) {
    SIM_CHECK(width >= 1 && width <= 64, "signal {} of width {}", name, width);
    std::uint32_t at = 0;
    std::string full;
    for (const std::string& part : path) {
        const std::string scope_name = vcd_name(part);
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
    // Two components may differ only in characters that VCD names cannot hold.
    const auto& siblings = scopes_[at].signals;
    std::string unique = vcd_name(name);
    for (unsigned n = 2;
         std::any_of(siblings.begin(), siblings.end(),
                     [&](std::uint32_t other) { return signals_[other].name == unique; });
         ++n) {
        unique = fmt::format("{}_{}", vcd_name(name), n);
    }
    Signal signal;
    signal.scope = full;
    signal.name = unique;
    signal.code = code_of(static_cast<std::uint32_t>(signals_.size()));
    signal.width = static_cast<std::uint8_t>(width);
    signal.mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    const auto number = static_cast<std::uint32_t>(signals_.size());
    signals_.push_back(std::move(signal));
    scopes_[at].signals.push_back(number);
    return number;
}

void VcdWriter::write_scope(std::uint32_t scope) {
    for (const std::uint32_t number : scopes_[scope].signals) {
        Signal& signal = signals_[number];
        file_.append(fmt::format("$var wire {} {} ", signal.width, signal.code));
        signal.name_offset = file_.position();
        const std::string suffix = suffix_of(signal.width);
        file_.append(fmt::format("{}{}{} $end\n", signal.name, suffix.empty() ? "" : " ", suffix));
    }
    for (const std::uint32_t child : scopes_[scope].children) {
        file_.append(fmt::format("$scope module {} $end\n", scopes_[child].name));
        write_scope(child);
        file_.append("$upscope $end\n");
    }
}

void VcdWriter::append_value(const Signal& signal, bool full_width) {
    std::array<char, 64> digits{};
    char* end = digits.data();
    if (signal.width == 1) {
        file_.append({signal.value != 0 ? "1" : "0", 1});
    } else {
        end = std::to_chars(digits.data(), digits.data() + digits.size(), signal.value, 2).ptr;
        const auto count = static_cast<std::size_t>(end - digits.data());
        file_.append("b");
        if (full_width) {
            file_.append(std::string(signal.width - count, '0'));
        }
        file_.append({digits.data(), count});
        file_.append(" ");
    }
    file_.append(signal.code);
    file_.append("\n");
}

void VcdWriter::write_initial_values() {
    file_.append("#0\n$dumpvars\n");
    for (Signal& signal : signals_) {
        append_value(signal, /*full_width=*/true);
        signal.written = signal.value;
        signal.dirty = false;
    }
    file_.append("$end\n");
    dirty_.clear();
}

void VcdWriter::begin() {
    file_.append("$version ioasim $end\n");
    if (!comment_.empty()) {
        file_.append(fmt::format("$comment {} $end\n", comment_));
    }
    file_.append("$timescale 1ps $end\n");
    write_scope(0);
    file_.append("$enddefinitions $end\n");
    if (file_.can_patch()) {
        // The values of time 0 are known when time moves on, and are then put over these.
        initial_offset_ = file_.position();
        write_initial_values();
        initial_size_ = file_.position() - initial_offset_;
    }
    file_.flush();
}

void VcdWriter::commit(std::uint64_t next) {
    SIM_CHECK(next > now_, "waveform time runs backwards: {} ps after {} ps", next, now_);
    if (time_zero_open_) {
        time_zero_open_ = false;
        if (file_.can_patch()) {
            write_initial_values();
            // Take the block back out of the buffer and lay it over the one in the file.
            const std::string block = file_.take_buffer();
            SIM_CHECK(block.empty() || block.size() == initial_size_,
                      "initial values changed their size: {} to {}", initial_size_, block.size());
            file_.patch(initial_offset_, block);
        } else {
            write_initial_values();
            file_.flush();
        }
    } else if (!dirty_.empty()) {
        std::sort(dirty_.begin(), dirty_.end());
        bool stamped = false;
        for (const std::uint32_t number : dirty_) {
            Signal& signal = signals_[number];
            signal.dirty = false;
            if (signal.value == signal.written) {
                continue;
            }
            if (!stamped) {
                stamped = true;
                file_.append(fmt::format("#{}\n", now_));
                last_stamp_ = now_;
                safe_end_ = file_.buffered();
                if (safe_end_ >= block_bytes_) {
                    flush();
                }
            }
            append_value(signal, /*full_width=*/false);
            signal.written = signal.value;
            ++changes_;
        }
        dirty_.clear();
    }
    now_ = next;
}

void VcdWriter::flush() {
    file_.flush_prefix(safe_end_);
    safe_end_ = 0;
}

void VcdWriter::finish(TimePs end) {
    // The last change is visible only when a later time follows it.
    const std::uint64_t last = std::max(end.ps(), now_ + 1);
    commit(last);
    file_.append(fmt::format("#{}\n", std::max(end.ps(), last_stamp_ + 1)));
    file_.close();
}

bool VcdWriter::rename(std::uint32_t signal, const std::string& name) {
    Signal& s = signals_[signal];
    SIM_CHECK(name.size() == s.name.size(), "signal name {} does not fit over {}", name, s.name);
    if (!file_.patch(s.name_offset, name)) {
        return false;
    }
    s.name = name;
    return true;
}

std::string VcdWriter::full_name(std::uint32_t signal) const {
    const Signal& s = signals_[signal];
    return s.scope + "." + s.name + suffix_of(s.width);
}

std::string VcdWriter::short_name(std::uint32_t signal) const {
    const Signal& s = signals_[signal];
    std::string scope = s.scope.substr(std::min(s.scope.find('.') + 1, s.scope.size()));
    std::replace(scope.begin(), scope.end(), '.', '/');
    return scope + " " + s.name;
}

}  // namespace ioasim::traces
