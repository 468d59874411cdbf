#include "traces/fst_writer.hpp"

#if IOASIM_FST
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fstapi.h>

#include "traces/byte_sink.hpp"
#include "traces/fst_memory.hpp"
#endif

namespace ioasim::traces {

#if IOASIM_FST

std::string fst_problem() {
    return {};
}

namespace {

constexpr std::uint64_t kMostBytesOfChange = 16;  // handle, time and the bits, before compression
constexpr std::uint64_t kTail = 4096;             // heads of the last blocks
constexpr std::uint64_t kSmallest = 64 * 1024;    // room for which flushing is worth while
constexpr int kPicoseconds = -12;

class FstWriter final : public WaveWriter {
public:
    FstWriter(const std::string& path, std::string comment)
        : out_(path), comment_(std::move(comment)), short_maps_(fst::short_maps()) {
        if (!out_.error().empty()) {
            return;
        }
        errno = 0;
        memory_ = fst::memory_file();
        if (memory_ >= 0) {
            context_ = fstWriterCreate(fst::memory_name(memory_).c_str(),
                                       /*use_compressed_hier=*/1);
        }
        if (context_ == nullptr) {
            error_ = out_.path() + ": " + std::strerror(errno != 0 ? errno : EIO);
        }
    }
    ~FstWriter() override {
        if (context_ != nullptr) {
            fstWriterClose(context_);
        }
        forget_memory();
    }
    FstWriter(const FstWriter&) = delete;
    FstWriter& operator=(const FstWriter&) = delete;

    const std::string& error() const override { return error_.empty() ? out_.error() : error_; }
    std::uint64_t bytes() const override {
        struct stat info {};
        return memory_ < 0                    ? out_.size()
               : ::fstat(memory_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size)
                                              : 0;
    }

private:
    void write_head() override {
        handles_.resize(signals_.size());
        if (context_ == nullptr) {
            return;
        }
        // The library would put the host's time there.
        fstWriterSetDate(context_, "");
        fstWriterSetVersion(context_, "ioasim");
        fstWriterSetTimescale(context_, kPicoseconds);
        fstWriterSetPackType(context_, FST_WR_PT_LZ4);
        if (!comment_.empty()) {
            fstWriterSetComment(context_, comment_.c_str());
        }
        declare_scope(0);
        if (!no_value_since_) {
            // The library makes no file of no signals.
            fstWriterSetScope(context_, FST_ST_VCD_MODULE, "ioasim", nullptr);
            traced_ =
                fstWriterCreateVar(context_, FST_VT_VCD_WIRE, FST_VD_IMPLICIT, 1, "traced", 0);
            fstWriterSetUpscope(context_);
        }
    }

    void declare_scope(std::uint32_t scope) {
        for (const std::uint32_t number : scopes_[scope].signals) {
            if (!signals_[number].spare) {
                create(number, signals_[number].name);
            }
        }
        for (const std::uint32_t child : scopes_[scope].children) {
            fstWriterSetScope(context_, FST_ST_VCD_MODULE, scopes_[child].name.c_str(), nullptr);
            declare_scope(child);
            fstWriterSetUpscope(context_);
        }
    }

    void create(std::uint32_t number, const std::string& name) {
        const Signal& signal = signals_[number];
        handles_[number] = fstWriterCreateVar(context_, FST_VT_VCD_WIRE, FST_VD_IMPLICIT,
                                              signal.width, name.c_str(), 0);
        name_bytes_ += name.size() + signal.width + 16;
        no_value_since_ = number;
    }

    void write_initial_values() override {
        if (context_ == nullptr) {
            return;
        }
        fstWriterEmitTimeChange(context_, 0);
        if (traced_ != 0) {
            fstWriterEmitValueChange64(context_, traced_, 1, 1);
        }
        for (std::uint32_t number = 0; number < signals_.size(); ++number) {
            if (signals_[number].known) {
                write_value(number);
            }
        }
    }

    // How well changes compress is known when they are flushed only.
    bool room_for(std::size_t changes, std::uint64_t limit) override {
        if (limit == ~std::uint64_t{0} || context_ == nullptr) {
            return true;
        }
        const auto most = [&] {
            return flushed_ + pending_ + changes * kMostBytesOfChange + name_bytes_ + kTail;
        };
        if (most() > limit && pending_ >= kSmallest) {
            settle();
            fstWriterFlushContext(context_);
            flushed_ = bytes();
            pending_ = 0;
        }
        return most() <= limit;
    }

    void write_stamp(std::uint64_t time) override {
        if (context_ != nullptr) {
            fstWriterEmitTimeChange(context_, time);
            pending_ += kMostBytesOfChange;
        }
    }

    void write_value(std::uint32_t number) override {
        if (context_ != nullptr && handles_[number] != 0) {
            const Signal& signal = signals_[number];
            fstWriterEmitValueChange64(context_, handles_[number], signal.width, signal.value);
            pending_ += kMostBytesOfChange;
            no_value_since_.reset();
        }
    }

    // Between a declaration and the next value the library has no memory of values to flush.
    void settle() {
        if (no_value_since_) {
            write_value(*no_value_since_);
        }
    }

    bool write_name(std::uint32_t number, const std::string& name) override {
        if (context_ == nullptr || handles_[number] != 0) {
            return false;
        }
        const std::string& scope = signals_[number].scope;
        std::size_t depth = 0;
        for (std::size_t at = 0; at < scope.size();) {
            const std::size_t end = std::min(scope.find('.', at), scope.size());
            fstWriterSetScope(context_, FST_ST_VCD_MODULE, scope.substr(at, end - at).c_str(),
                              nullptr);
            ++depth;
            at = end + 1;
        }
        create(number, name);
        signals_[number].known = false;
        for (; depth > 0; --depth) {
            fstWriterSetUpscope(context_);
        }
        return true;
    }

    void write_end(std::uint64_t time) override {
        if (context_ == nullptr) {
            return;
        }
        settle();
        fstWriterEmitTimeChange(context_, time);
        const bool lost = fstWriterGetFseekFailed(context_) != 0;
        fstWriterClose(context_);
        context_ = nullptr;
        // The library tells nothing of a write that failed: look at what is there.
        const bool whole = !lost && short_maps_ == fst::short_maps() && ends_at(time);
        if (whole) {
            copy_out();
        } else {
            error_ = out_.path() +
                     ": a waveform of this size cannot be made: is there no memory "
                     "left, or is the size of files limited?";
        }
        out_.close();
        forget_memory();
    }

    bool ends_at(std::uint64_t time) const {
        void* const reader = fstReaderOpen(fst::memory_name(memory_).c_str());
        const bool whole = reader != nullptr && fstReaderGetEndTime(reader) == time;
        if (reader != nullptr) {
            fstReaderClose(reader);
        }
        return whole;
    }

    void copy_out() {
        std::array<char, 64 * 1024> block{};
        off_t at = 0;
        for (ssize_t got = 1; got > 0 && out_.error().empty(); at += got) {
            got = ::pread(memory_, block.data(), block.size(), at);
            if (got > 0) {
                out_.write({block.data(), static_cast<std::size_t>(got)});
            }
        }
    }

    void forget_memory() {
        if (memory_ >= 0) {
            ::close(memory_);
            memory_ = -1;
        }
    }

    OutputFile out_;
    std::string comment_;
    std::string error_;
    std::uint64_t short_maps_;  // when it began
    int memory_ = -1;           // the file, until it is whole
    void* context_ = nullptr;
    std::vector<fstHandle> handles_;
    fstHandle traced_ = 0;                         // of a file without other signals
    std::optional<std::uint32_t> no_value_since_;  // the declaration of this signal
    std::uint64_t flushed_ = 0;
    std::uint64_t pending_ = 0;
    std::uint64_t name_bytes_ = 0;
};

// The names of all signals, by handle; aliases share one.
class FstReader {
public:
    FstReader(void* reader, FstVisitor& visitor) : reader_(reader), visitor_(visitor) {}

    FstStatus run() {
        const int exponent = fstReaderGetTimescale(reader_);
        if (exponent < kPicoseconds || exponent > 0) {
            status_.problem =
                fmt::format("the timescale is no whole number of picoseconds: 1e{} s", exponent);
            return status_;
        }
        status_.timescale_ps = 1;
        for (int i = kPicoseconds; i < exponent; ++i) {
            status_.timescale_ps *= 10;
        }
        status_.end = fstReaderGetEndTime(reader_);
        hierarchy();
        if (status_.problem.empty()) {
            fstReaderSetFacProcessMaskAll(reader_);
            if (fstReaderIterBlocks(reader_, &FstReader::change, this, nullptr) == 0) {
                told("the blocks of changes cannot be read");
            }
        }
        return status_;
    }

private:
    void told(const std::string& problem) {
        if (status_.problem.empty()) {
            status_.problem = problem;
        }
    }

    void hierarchy() {
        std::vector<std::string> scopes{""};
        of_handle_.resize(fstReaderGetMaxHandle(reader_) + 1);
        if (fstReaderIterateHierRewind(reader_) == 0) {
            told("the names of signals cannot be read");
            return;
        }
        while (const fstHier* item = fstReaderIterateHier(reader_)) {
            if (item->htyp == FST_HT_SCOPE) {
                scopes.push_back(scopes.back() + item->u.scope.name + ".");
            } else if (item->htyp == FST_HT_UPSCOPE && scopes.size() > 1) {
                scopes.pop_back();
            } else if (item->htyp == FST_HT_UPSCOPE) {
                told("a scope ends that has not begun");
            } else if (item->htyp == FST_HT_VAR) {
                signal(scopes.back() + item->u.var.name, item->u.var.length, item->u.var.handle);
            }
        }
        if (scopes.size() != 1) {
            told("a scope has no end");
        }
    }

    void signal(std::string name, unsigned width, fstHandle handle) {
        if (handle == 0 || handle >= of_handle_.size()) {
            told(fmt::format("{} has no values", name));
            return;
        }
        name = name.substr(0, name.find(' '));
        of_handle_[handle].push_back(widths_.size());
        visitor_.on_signal(widths_.size(), {name, width});
        widths_.push_back(width);
        ++status_.signals;
    }

    static void change(void* self, std::uint64_t time, fstHandle handle,
                       const unsigned char* value) {
        static_cast<FstReader*>(self)->on_change(time, handle,
                                                 reinterpret_cast<const char*>(value));
    }

    void on_change(std::uint64_t time, fstHandle handle, const char* value) {
        const std::string bits(value);
        if (time < last_) {
            told(fmt::format("time {} is before {}", time, last_));
        }
        if (time > status_.end) {
            told(fmt::format("a change at {}, behind the end at {}", time, status_.end));
        }
        last_ = time;
        if (handle >= of_handle_.size() || of_handle_[handle].empty()) {
            told(fmt::format("a value at {} belongs to no signal", time));
            return;
        }
        for (const std::size_t index : of_handle_[handle]) {
            if (bits.size() != widths_[index] ||
                bits.find_first_not_of("01xXzZ") != std::string::npos) {
                told(fmt::format("bad value \"{}\" of signal {} at {}", bits, index, time));
                return;
            }
            ++status_.changes;
            visitor_.on_change(index, time, bits);
        }
    }

    void* reader_;
    FstVisitor& visitor_;
    FstStatus status_;
    std::vector<std::vector<std::size_t>> of_handle_;
    std::vector<unsigned> widths_;
    std::uint64_t last_ = 0;
};

// A file is blocks: a type, a length that counts itself, that many bytes. The library reads the
// blocks that it knows, says nothing of what stands behind them, and ends the program where a block
// holds what it should not. Empty: nothing stands behind them.
std::string behind_blocks(const std::string& path) {
    constexpr std::uint64_t kLengthBytes = 8;
    constexpr int kLastKind = 8;
    constexpr int kWrapped = 254;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::uint64_t>(file ? std::streamoff(file.tellg()) : 0);
    std::uint64_t at = 0;
    while (at < size) {
        file.seekg(static_cast<std::streamoff>(at));
        const int kind = file.get();
        std::uint64_t length = 0;
        for (std::uint64_t i = 0; i < kLengthBytes; ++i) {
            length = length << 8U | static_cast<std::uint64_t>(file.get() & 0xFF);
        }
        const bool known = (kind >= 0 && kind <= kLastKind) || kind >= kWrapped;
        if (!file || !known || length < kLengthBytes || length > size - at - 1) {
            return fmt::format("no block begins at byte {} of {}", at, size);
        }
        at += 1 + length;
    }
    return {};
}

}  // namespace

std::unique_ptr<WaveWriter> make_fst_writer(const std::string& path, const std::string& comment) {
    return std::make_unique<FstWriter>(path, comment);
}

FstStatus read_fst_file(const std::string& path, FstVisitor& visitor) {
    FstStatus status;
    const std::string behind = behind_blocks(path);
    void* const reader = behind.empty() ? fstReaderOpen(path.c_str()) : nullptr;
    if (reader == nullptr) {
        status.problem = "no FST file, or not whole" + (behind.empty() ? "" : ": " + behind);
        return status;
    }
    status = FstReader(reader, visitor).run();
    fstReaderClose(reader);
    return status;
}

#else  // no fstapi

std::string fst_problem() {
    return "this program was built without FST: install Debian's package verilator, which has the "
           "sources of the format's library, and build again";
}

namespace {

class NoFstWriter final : public WaveWriter {
public:
    explicit NoFstWriter(const std::string& path) : error_(path + ": " + fst_problem()) {}
    const std::string& error() const override { return error_; }
    std::uint64_t bytes() const override { return 0; }

private:
    void write_head() override {}
    void write_initial_values() override {}
    bool room_for(std::size_t, std::uint64_t) override { return true; }
    void write_stamp(std::uint64_t) override {}
    void write_value(std::uint32_t) override {}
    void write_end(std::uint64_t) override {}
    bool write_name(std::uint32_t, const std::string&) override { return false; }

    std::string error_;
};

}  // namespace

std::unique_ptr<WaveWriter> make_fst_writer(const std::string& path, const std::string&) {
    return std::make_unique<NoFstWriter>(path);
}

FstStatus read_fst_file(const std::string&, FstVisitor&) {
    FstStatus status;
    status.problem = fst_problem();
    return status;
}

#endif

}  // namespace ioasim::traces
