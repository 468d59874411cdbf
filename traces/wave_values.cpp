#include "traces/wave_values.hpp"

#include <algorithm>

#include "traces/fst_writer.hpp"
#include "traces/trace_format.hpp"
#include "traces/vcd_reader.hpp"

namespace ioasim::traces {
namespace {

class ValuesAt final : public VcdVisitor, public FstVisitor {
public:
    explicit ValuesAt(TimePs at) : at_(at.ps()) {}
    void on_var(std::size_t, const VcdVar& var) override { names_.push_back(var.name); }
    void on_signal(std::size_t, const FstSignal& signal) override { names_.push_back(signal.name); }
    void on_time(std::uint64_t time) override { time_ = time; }
    void on_change(std::size_t index, std::string_view bits, bool) override {
        on_change(index, time_, std::string(bits));
    }
    void on_change(std::size_t index, std::uint64_t time, const std::string& bits) override {
        if (time <= at_) {
            bits_.resize(names_.size());
            bits_[index] = bits;
        }
    }
    std::vector<std::pair<std::string, std::string>> take() {
        std::vector<std::pair<std::string, std::string>> all;
        bits_.resize(names_.size());
        for (std::size_t i = 0; i < names_.size(); ++i) {
            const bool known =
                !bits_[i].empty() && bits_[i].find_first_not_of("01") == std::string::npos;
            all.emplace_back(names_[i],
                             known ? std::to_string(std::stoull(bits_[i], nullptr, 2)) : "x");
        }
        std::sort(all.begin(), all.end());
        return all;
    }

private:
    std::uint64_t at_;
    std::uint64_t time_ = 0;
    std::vector<std::string> names_;
    std::vector<std::string> bits_;
};

}  // namespace

WaveValues wave_values(const std::string& path, TimePs at) {
    const TraceFormatInfo* info = trace_format_of(path);
    ValuesAt values(at);
    WaveValues result;
    if (info != nullptr && info->format == TraceFormat::Vcd) {
        const VcdStatus status = read_vcd_file(path, values);
        result.problem = status.text;
        result.end = TimePs{status.end};
    } else if (info != nullptr && info->format == TraceFormat::Fst) {
        const FstStatus status = read_fst_file(path, values);
        result.problem = status.problem;
        result.end = TimePs{status.end};
    } else {
        result.problem = "only waveforms have values at a time";
    }
    result.values = values.take();
    return result;
}

}  // namespace ioasim::traces
