#include "traces/trace_format.hpp"

#include "traces/fst_writer.hpp"

namespace ioasim::traces {

const std::vector<TraceFormatInfo>& trace_formats() {
    using Holds = TraceFormatInfo::Holds;
    static const std::vector<TraceFormatInfo> all{
        {TraceFormat::Jsonl, ".jsonl", "event trace", Holds::Events},
        {TraceFormat::JsonlGz, ".jsonl.gz", "event trace, compressed", Holds::Events},
        {TraceFormat::Vcd, ".vcd", "waveform", Holds::Signals},
        {TraceFormat::Fst, ".fst", "waveform, compressed", Holds::Signals},
        {TraceFormat::Perfetto, ".pftrace", "Perfetto trace", Holds::Tracks},
        {TraceFormat::Chrome, ".json", "Chrome trace", Holds::Tracks},
    };
    return all;
}

const TraceFormatInfo* trace_format_of(std::string_view path) {
    const std::string_view file = path.substr(path.rfind('/') + 1);
    for (const TraceFormatInfo& info : trace_formats()) {
        const std::size_t size = info.ending.size();
        if (file.size() > size && file.substr(file.size() - size) == info.ending) {
            return &info;
        }
    }
    return nullptr;
}

std::string trace_endings() {
    const std::vector<TraceFormatInfo>& all = trace_formats();
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        text += i == 0 ? "" : i + 1 == all.size() ? " or " : ", ";
        text += all[i].ending;
    }
    return text;
}

std::string trace_format_problem(TraceFormat format) {
    return format == TraceFormat::Fst ? fst_problem() : std::string();
}

std::string wave_stem(std::string_view path) {
    const TraceFormatInfo* info = trace_format_of(path);
    const bool vcd = info != nullptr && info->format == TraceFormat::Vcd;
    return std::string(vcd ? path.substr(0, path.size() - info->ending.size()) : path);
}

std::vector<std::string> trace_files(const std::string& path) {
    std::vector<std::string> files{path};
    const TraceFormatInfo* info = trace_format_of(path);
    if (info != nullptr && info->holds == TraceFormatInfo::Holds::Signals) {
        const std::string stem = wave_stem(path);
        files.push_back(stem + ".gtkw");
        files.push_back(stem + ".ioasid_state.filter");
        files.push_back(stem + ".lock_owner.filter");
    }
    return files;
}

}  // namespace ioasim::traces
