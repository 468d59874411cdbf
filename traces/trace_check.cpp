#include "traces/trace_check.hpp"

#include <fmt/format.h>

#include "traces/fst_writer.hpp"
#include "traces/jsonl_reader.hpp"
#include "traces/trace_format.hpp"
#include "traces/trace_input.hpp"
#include "traces/vcd_reader.hpp"

namespace ioasim::traces {

CheckResult check_trace(const std::string& path) {
    const TraceFormatInfo* info = trace_format_of(path);
    if (info == nullptr) {
        return {fmt::format("a trace ends in {}", trace_endings()), 0, {}};
    }
    const std::string problem = trace_format_problem(info->format);
    if (!problem.empty()) {
        return {problem, 0, {}};
    }
    switch (info->format) {
        case TraceFormat::Jsonl:
        case TraceFormat::JsonlGz:
            return check_events(path);
        case TraceFormat::Vcd:
            return check_vcd(path);
        case TraceFormat::Fst:
            return check_fst(path);
        case TraceFormat::Perfetto:
            return check_perfetto(path);
        case TraceFormat::Chrome:
            return check_chrome(path);
    }
    return {};
}

CheckResult check_events(const std::string& path) {
    TraceInput input(path);
    if (!input.problem().empty()) {
        return {input.problem(), 0, {}};
    }
    trace::Recorder recorder([] { return TimePs{}; });
    struct Count final : trace::Listener {
        std::uint64_t events = 0;
        TimePs last;
        void on_event(const trace::EventRecord& record) override {
            ++events;
            last = record.time;
        }
    } count;
    const TraceFormatInfo* const info = trace_format_of(path);
    if (info != nullptr && info->format == TraceFormat::JsonlGz && !input.compressed()) {
        return {"it is not compressed", 0, {}};
    }
    const JsonlError error = replay_jsonl(input.stream(), recorder, count);
    const std::string whole = count.events == 0
                                  ? std::string()
                                  : fmt::format("; {} events before it, up to {}, are good",
                                                count.events, format_time(count.last));
    if (!input.problem().empty()) {
        return {input.problem() + whole, 0, {}};
    }
    if (error) {
        return {error.text + whole, error.line, {}};
    }
    return {{}, 0, fmt::format("{} events up to {}", count.events, format_time(count.last))};
}

CheckResult check_vcd(const std::string& path) {
    VcdVisitor ignore;
    const VcdStatus status = read_vcd_file(path, ignore);
    if (!status.ok()) {
        return {fmt::format("{}: {}", vcd_error_name(status.error), status.text), status.line, {}};
    }
    return {{},
            0,
            fmt::format("{} changes of {} signals up to {}", status.changes, status.vars.size(),
                        format_time(TimePs{status.end * status.timescale_ps}))};
}

CheckResult check_fst(const std::string& path) {
    FstVisitor ignore;
    const FstStatus status = read_fst_file(path, ignore);
    if (!status.problem.empty()) {
        return {status.problem, 0, {}};
    }
    return {{},
            0,
            fmt::format("{} values of {} signals up to {}", status.changes, status.signals,
                        format_time(TimePs{status.end * status.timescale_ps}))};
}

}  // namespace ioasim::traces
