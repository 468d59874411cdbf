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

constexpr std::size_t kStampBytes = 22;  // '#', 20 digits, newline

}  // namespace

VcdWriter::VcdWriter(const std::string& path, std::size_t block_bytes, const std::string& comment)
    : file_(path, block_bytes), block_bytes_(block_bytes) {
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

void VcdWriter::write_scope(std::uint32_t scope) {
    for (const std::uint32_t number : scopes_[scope].signals) {
        const Signal& signal = signals_[number];
        file_.append(fmt::format("$var wire {} {} ", signal.width, codes_[number]));
        name_offsets_[number] = file_.position();
        const std::string suffix = suffix_of(signal.width);
        file_.append(fmt::format("{}{}{} $end\n", signal.name, suffix.empty() ? "" : " ", suffix));
    }
    for (const std::uint32_t child : scopes_[scope].children) {
        file_.append(fmt::format("$scope module {} $end\n", scopes_[child].name));
        write_scope(child);
        file_.append("$upscope $end\n");
    }
}

void VcdWriter::append_value(std::uint32_t number, bool full_width) {
    const Signal& signal = signals_[number];
    std::array<char, 64> digits{};
    if (signal.width == 1) {
        file_.append({signal.value != 0 ? "1" : "0", 1});
    } else {
        const char* const end =
            std::to_chars(digits.data(), digits.data() + digits.size(), signal.value, 2).ptr;
        const auto count = static_cast<std::size_t>(end - digits.data());
        file_.append("b");
        if (full_width) {
            file_.append(std::string(signal.width - count, '0'));
        }
        file_.append({digits.data(), count});
        file_.append(" ");
    }
    file_.append(codes_[number]);
    file_.append("\n");
}

void VcdWriter::append_initial_values() {
    file_.append("#0\n$dumpvars\n");
    for (std::uint32_t number = 0; number < signals_.size(); ++number) {
        const Signal& signal = signals_[number];
        if (signal.known) {
            append_value(number, /*full_width=*/true);
        } else if (signal.width == 1) {
            file_.append("x" + codes_[number] + "\n");
        } else {
            file_.append("b" + std::string(signal.width, 'x') + " " + codes_[number] + "\n");
        }
    }
    file_.append("$end\n");
}

void VcdWriter::write_head() {
    for (std::uint32_t number = 0; number < signals_.size(); ++number) {
        codes_.push_back(code_of(number));
        // "b", the bits, a space, the code, a newline
        most_bytes_ = std::max(most_bytes_, signals_[number].width + codes_.back().size() + 3);
    }
    name_offsets_.resize(signals_.size());
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
        append_initial_values();
        initial_size_ = file_.position() - initial_offset_;
    }
    file_.flush();
}

void VcdWriter::write_initial_values() {
    append_initial_values();
    if (!file_.can_patch()) {
        file_.flush();
        return;
    }
    // Take the block back out of the buffer and lay it over the one in the file.
    const std::string block = file_.take_buffer();
    SIM_CHECK(block.empty() || block.size() == initial_size_,
              "initial values changed their size: {} to {}", initial_size_, block.size());
    file_.patch(initial_offset_, block);
}

bool VcdWriter::room_for(std::size_t changes, std::uint64_t limit) {
    return file_.fits(changes * most_bytes_ + 2 * kStampBytes, limit);
}

void VcdWriter::write_stamp(std::uint64_t time) {
    std::array<char, kStampBytes> text{'#'};
    char* const end = std::to_chars(text.data() + 1, text.data() + text.size(), time).ptr;
    *end = '\n';
    file_.append({text.data(), static_cast<std::size_t>(end + 1 - text.data())});
    safe_end_ = file_.buffered();
    if (safe_end_ >= block_bytes_) {
        flush();
    }
}

void VcdWriter::flush() {
    file_.flush_prefix(safe_end_);
    safe_end_ = 0;
}

void VcdWriter::write_end(std::uint64_t time) {
    file_.append(fmt::format("#{}\n", time));
    file_.close();
}

bool VcdWriter::write_name(std::uint32_t signal, const std::string& name) {
    return file_.patch(name_offsets_[signal], name);
}

}  // namespace ioasim::traces
