#include "tools/cli/conform/conform_ioasid.hpp"

#include <memory>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/conform/comparison.hpp"
#include "tools/cli/conform/ioasid_replay.hpp"
#include "tools/cli/conform/recording.hpp"
#include "tools/cli/run_command.hpp"

namespace ioasim::tools {

using nlohmann::json;

namespace {

constexpr std::size_t kContextLines = 4;
constexpr std::size_t kShownCharacters = 400;
constexpr std::uint64_t kMostOperations = std::uint64_t{1} << 48U;

struct Totals {
    std::uint64_t files = 0;
    std::uint64_t operations = 0;
    std::uint64_t mismatches = 0;
    std::uint64_t skipped = 0;
};

// One file: what it says is wrong goes to `err`, what came out differently to `out`.
class FileReplay {
public:
    FileReplay(const std::string& path, std::ostream& out, std::ostream& err)
        : path_(path), out_(out), err_(err) {}

    // False when the file, or what is left of it, cannot be read.
    bool run(Totals& totals) {
        bool readable = true;
        try {
            try {
                read_lines(path_, text_);
            } catch (const RecordingError&) {
                at_ = text_.lines.size();
                throw;
            }
            run_lines();
        } catch (const RecordingError& error) {
            readable = false;
            err_ << place() << ": error[" << scenario::code_name(error.code())
                 << "]: " << error.what() << '\n';
        }
        if (readable || operations_ != 0) {
            const char* const rest = !readable      ? ", the rest cannot be read"
                                     : interrupted_ ? ", the rest was not tried"
                                                    : "";
            out_ << path_ << ": " << operations_ << " operations, " << mismatches_ << " mismatches"
                 << rest << '\n';
        }
        totals.files += readable ? 1 : 0;
        totals.operations += operations_;
        totals.mismatches += mismatches_;
        totals.skipped += skipped_;
        return readable;
    }

private:
    // "file", "file:line" or "file:line:column".
    std::string place() const {
        if (text_.lines.empty()) {
            return path_;
        }
        return column_ == 0 ? fmt::format("{}:{}", path_, at_ + 1)
                            : fmt::format("{}:{}:{}", path_, at_ + 1, column_);
    }

    json parse() {
        const std::string& line = text_.lines[at_];
        column_ = 0;
        try {
            return parse_line(line, column_);
        } catch (const RecordingError& error) {
            // What stops inside a line, at the very end of the file, was cut off.
            const bool last = at_ + 1 == text_.lines.size() && !text_.last_is_whole;
            if (last && error.code() == Code::Syntax && column_ > line.size()) {
                throw RecordingError(Code::Truncated, "the last line ends too early");
            }
            throw;
        }
    }

    void run_lines() {
        IoasidReplay replay(parse());
        for (at_ = 1; at_ < text_.lines.size(); ++at_) {
            if (signal_seen() != 0) {
                interrupted_ = true;
                return;
            }
            if (!text_.lines[at_].empty()) {
                run_operation(replay, parse());
            }
        }
        if (operations_ == 0) {
            at_ = 0;
            throw RecordingError(Code::EmptyFile, "the recording has no operations");
        }
    }

    // A line that is lost or doubled leaves its mark in the numbers.
    void check_number(const json& op) const {
        const std::uint64_t number = u64_of(op, "i", kMostOperations);
        if (number != operations_) {
            throw RecordingError(Code::BadOrder,
                                 fmt::format("operation {} stands where {} is due: \"i\" counts 0, "
                                             "1, 2, ..",
                                             number, operations_));
        }
    }

    void run_operation(IoasidReplay& replay, const json& op) {
        check_number(op);
        json got;
        std::string wrong;
        try {
            if (!replay.perform(op, at_ + 1, got)) {
                skip(op);
                return;
            }
            wrong = difference(op, got);
        } catch (const RecordingError&) {
            throw;
        } catch (const std::runtime_error& error) {
            // After an earlier difference the recording may name what does not exist here.
            wrong = error.what();
        }
        ++operations_;
        if (!wrong.empty() && mismatches_++ == 0) {
            out_ << place() << ": mismatch: " << text_of(op, "op") << ": " << wrong << '\n';
            show_context();
        }
    }

    void skip(const json& op) {
        ++operations_;
        ++skipped_;
        try {
            refuse_choice("operation", text_of(op, "op"), IoasidReplay::operations());
        } catch (const RecordingError& error) {
            err_ << place() << ": error[" << scenario::code_name(error.code())
                 << "]: " << error.what() << " (skipped)\n";
        }
    }

    void show_context() const {
        const std::size_t first = at_ > kContextLines ? at_ - kContextLines : 1;
        for (std::size_t i = first; i <= at_; ++i) {
            const std::string& line = text_.lines[i];
            out_ << (i == at_ ? "  > " : "    ")
                 << (line.size() <= kShownCharacters ? line
                                                     : line.substr(0, kShownCharacters) + " ...")
                 << '\n';
        }
    }

    const std::string& path_;
    std::ostream& out_;
    std::ostream& err_;
    RecordedLines text_;
    std::size_t at_ = 0;      // line, from 0
    std::size_t column_ = 0;  // from 1; 0: the whole line
    std::uint64_t operations_ = 0;
    std::uint64_t mismatches_ = 0;
    std::uint64_t skipped_ = 0;
    bool interrupted_ = false;
};

}  // namespace

int run_conform_ioasid(const std::vector<std::string>& files, std::ostream& out,
                       std::ostream& err) {
    Totals totals;
    bool readable = !files.empty();
    if (files.empty()) {
        err << "conform ioasid: no files\n";
    }
    for (const std::string& path : files) {
        if (signal_seen() != 0) {
            break;
        }
        readable = FileReplay(path, out, err).run(totals) && readable;
    }
    out << totals.files << " files, " << totals.operations << " operations, " << totals.mismatches
        << " mismatches, " << totals.skipped << " skipped\n";
    if (signal_seen() != 0) {
        err << "interrupted: what came after was not tried\n";
        return 128 + signal_seen();
    }
    if (!readable) {
        return 2;
    }
    return totals.mismatches == 0 && totals.skipped == 0 ? 0 : 1;
}

}  // namespace ioasim::tools
