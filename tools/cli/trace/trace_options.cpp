#include "tools/cli/trace/trace_options.hpp"

#include "core/base/units.hpp"
#include "tools/cli/cli_parts.hpp"
#include "traces/trace_format.hpp"

namespace ioasim::tools {
namespace {

[[noreturn]] void refuse(const std::string& option, const UnitResult& result) {
    throw CLI::ValidationError(option,
                               result.problem + (result.help.empty() ? "" : "; " + result.help));
}

// "10us:20us", "10us:", ":20us".
void read_window(const std::string& option, const std::string& text,
                 traces::TraceSelection& selection) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos || text.size() == 1) {
        throw CLI::ValidationError(option, fmt::format("{} is no window; write 10us:20us, 10us: or "
                                                       ":20us",
                                                       ioasim::quoted(text)));
    }
    const auto bound = [&](const std::string& part, TimePs& out) {
        if (part.empty()) {
            return;
        }
        const UnitResult time = parse_time_text(part);
        if (!time.ok()) {
            refuse(option, time);
        }
        out = TimePs{time.value};
    };
    bound(text.substr(0, colon), selection.from);
    bound(text.substr(colon + 1), selection.to);
    if (selection.to < selection.from) {
        throw CLI::ValidationError(
            option, fmt::format("{}: it ends before it begins", ioasim::quoted(text)));
    }
}

void read_limit(const std::string& option, const std::string& text,
                traces::TraceSelection& selection) {
    const UnitResult size = parse_size_text(text);
    constexpr std::uint64_t kLeast = 1024;  // a header and something behind it
    if (!size.ok()) {
        refuse(option, size);
    }
    if (size.value < kLeast) {
        throw CLI::ValidationError(option, fmt::format("{}: at least 1KiB", ioasim::quoted(text)));
    }
    selection.limit = size.value;
}

}  // namespace

void selection_options(CLI::App& app, traces::TraceSelection& selection,
                       const std::string& prefix) {
    const std::string window = "--" + prefix + "window";
    const std::string limit = "--" + prefix + "limit";
    app.add_option("--" + prefix + "scope", selection.scopes,
                   "GLOB: only events of that name (vtd.*), or about that component and what is "
                   "below it (vm1, dsa0/wq*)")
        ->allow_extra_args(false)
        ->take_all()
        ->check(not_empty());
    app.add_option_function<std::string>(
        window,
        [window, &selection](const std::string& text) { read_window(window, text, selection); },
        "A:B, only from A to B (10us:20us, 10us:)");
    constexpr std::uint64_t kMostKept = 100'000'000;
    number_option(app, "--" + prefix + "last", selection.last, "only the last N events", 1,
                  kMostKept);
    app.add_option_function<std::string>(
        limit, [limit, &selection](const std::string& text) { read_limit(limit, text, selection); },
        "SIZE (64MiB): no trace gets larger, the head of a waveform apart; it ends, whole, where "
        "there is no room");
}

void trace_options(CLI::App& app, RunOptions& o, const std::string& inserted) {
    app.add_option("--trace", o.traces,
                   fmt::format("FILE ending in {}: several at once, the ending chooses the format; "
                               "several runs insert {}",
                               traces::trace_endings(), inserted))
        ->allow_extra_args(false)
        ->take_all();
    selection_options(app, o.selection, "trace-");
    app.add_flag("--trace-on-failure", o.trace_on_failure, "keep the traces of a failed run only");
}

}  // namespace ioasim::tools
