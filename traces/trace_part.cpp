#include "traces/trace_part.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "traces/jsonl_sink.hpp"

namespace ioasim::traces {
namespace {

std::string joined(const std::vector<std::string>& list) {
    return fmt::format("{}", fmt::join(list, " "));
}

std::string mark_of(const TraceSelection& only) {
    fmt::memory_buffer out;
    const auto at = std::back_inserter(out);
    const auto key = [&out, at](const char* name) {
        fmt::format_to(at, "{}\"{}\":", out.size() == 0 ? "" : ",", name);
    };
    if (!only.scopes.empty()) {
        key("scope");
        for (std::size_t i = 0; i < only.scopes.size(); ++i) {
            out.push_back(i == 0 ? '[' : ',');
            append_json_string(out, only.scopes[i]);
        }
        out.push_back(']');
    }
    if (only.from != TimePs{}) {
        key("from_ps");
        fmt::format_to(at, "{}", only.from.ps());
    }
    if (only.to != TimePs::max()) {
        key("to_ps");
        fmt::format_to(at, "{}", only.to.ps());
    }
    if (only.last != 0) {
        key("last");
        fmt::format_to(at, "{}", only.last);
    }
    return ",\"only\":{" + fmt::to_string(out) + "}";
}

class Marked final : public ByteSink {
public:
    Marked(std::unique_ptr<ByteSink> to, std::string mark)
        : to_(std::move(to)), mark_(std::move(mark)) {}

    void write(std::string_view bytes) override {
        if (!mark_.empty()) {
            const std::size_t brace = bytes.rfind('}');
            to_->write(bytes.substr(0, brace));
            to_->write(mark_);
            bytes.remove_prefix(brace);
            mark_.clear();
        }
        to_->write(bytes);
    }
    void flush() override { to_->flush(); }
    bool fits(std::size_t count, std::uint64_t limit) override { return to_->fits(count, limit); }
    std::uint64_t size() const override { return to_->size(); }
    void close() override { to_->close(); }
    const std::string& error() const override { return to_->error(); }

private:
    std::unique_ptr<ByteSink> to_;
    std::string mark_;
};

}  // namespace

TraceSelection narrowed(const TraceSelection& of, const TraceSelection& by) {
    TraceSelection out = by;
    out.from = std::max(of.from, by.from);
    out.to = std::min(of.to, by.to);
    out.last = of.last == 0 ? by.last : by.last == 0 ? of.last : std::min(of.last, by.last);
    if (by.scopes.empty()) {
        out.scopes = of.scopes;
    } else if (!of.scopes.empty()) {
        out.scopes = {joined(of.scopes) + " and of that " + joined(by.scopes)};
    }
    return out;
}

std::string part_text(const TraceSelection& only) {
    std::string out;
    const auto add = [&out](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
    if (!only.scopes.empty()) {
        add("only " + joined(only.scopes));
    }
    if (only.to != TimePs::max()) {
        add(fmt::format("from {} to {}", format_time(only.from), format_time(only.to)));
    } else if (only.from != TimePs{}) {
        add(fmt::format("from {} on", format_time(only.from)));
    }
    if (only.last != 0) {
        add(fmt::format("the last {} events", only.last));
    }
    return out;
}

std::unique_ptr<ByteSink> marked(std::unique_ptr<ByteSink> to, const TraceSelection& only) {
    if (only.everything()) {
        return to;
    }
    return std::make_unique<Marked>(std::move(to), mark_of(only));
}

}  // namespace ioasim::traces
