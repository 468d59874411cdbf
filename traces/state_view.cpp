#include "traces/state_view.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "traces/jsonl_sink.hpp"
#include "traces/state_forms.hpp"
#include "traces/state_path.hpp"

namespace ioasim::traces {

std::string StateValue::text() const {
    switch (kind) {
        case Kind::Count:
        case Kind::Time:
            return fmt::format("{}", number);
        case Kind::Id:
            return number == kNoId ? "none" : fmt::format("{}", number);
        case Kind::Hex:
            return fmt::format("0x{:X}", number);
        case Kind::Bool:
            return number != 0 ? "true" : "false";
        case Kind::Text:
            return words;
    }
    return {};
}

std::string StateValue::json() const {
    if (kind == Kind::Id && number == kNoId) {
        return "null";
    }
    if (kind == Kind::Text || kind == Kind::Hex) {
        fmt::memory_buffer out;
        append_json_string(out, text());
        return {out.data(), out.size()};
    }
    return text();
}

std::string StateAnswer::problem() const {
    std::string line = error;
    for (std::size_t i = 0; i < near.size(); ++i) {
        line += (i == 0 ? "; did you mean " : ", ") + near[i];
    }
    return near.empty() ? line : line + "?";
}

namespace {

// --- matching
// ---------------------------------------------------------------------------------------

bool is_placeholder(const std::string& name) {
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool parse_number(const std::string& argument, std::uint64_t& out) {
    const bool hex = argument.size() > 2 && argument[0] == '0' && argument[1] == 'x';
    const char* first = argument.data() + (hex ? 2 : 0);
    const char* last = argument.data() + argument.size();
    const auto [end, error] = std::from_chars(first, last, out, hex ? 16 : 10);
    return error == std::errc{} && end == last;
}

bool parse_rid(const std::string& argument, std::uint64_t& out) {
    std::uint64_t part[3];
    const std::size_t colon = argument.find(':');
    const std::size_t dot = argument.find('.');
    if (colon == std::string::npos || dot == std::string::npos || dot < colon) {
        return false;
    }
    const std::string words[3] = {argument.substr(0, colon),
                                  argument.substr(colon + 1, dot - colon - 1),
                                  argument.substr(dot + 1)};
    constexpr std::uint64_t kLimit[3] = {0xFF, 0x1F, 7};
    for (int i = 0; i < 3; ++i) {
        if (!parse_number("0x" + words[i], part[i]) || part[i] > kLimit[i]) {
            return false;
        }
    }
    out = (part[0] << 8U) | (part[1] << 3U) | part[2];
    return true;
}

bool take_argument(const std::string& kind, const std::string& argument, Asked& asked,
                   std::string& error) {
    std::uint64_t number = 0;
    if (kind == "NAME" || kind == "CODE") {
        asked.names.push_back(argument);
        return true;
    }
    const bool good = kind == "RID" ? parse_rid(argument, number) : parse_number(argument, number);
    if (!good) {
        error = fmt::format("\"{}\" is no {}", argument,
                            kind == "RID" ? "function (00:02.0)" : "number");
        return false;
    }
    if (kind == "N" && number > 0xFFFF'FFFFU) {
        error = fmt::format("{} is no 32-bit number", argument);
        return false;
    }
    asked.numbers.push_back(number);
    return true;
}

// true: the shape fits; an argument of the wrong kind is told in `error`.
bool match(const std::vector<PathPart>& form, const std::vector<PathPart>& path, Asked& asked,
           std::string& error) {
    if (form.size() != path.size()) {
        return false;
    }
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool any = is_placeholder(form[i].name);
        if ((!any && form[i].name != path[i].name) ||
            form[i].arguments.size() != path[i].arguments.size()) {
            return false;
        }
    }
    for (std::size_t i = 0; i < form.size(); ++i) {
        if (is_placeholder(form[i].name)) {
            asked.names.push_back(path[i].name);
        }
        for (std::size_t j = 0; j < form[i].arguments.size(); ++j) {
            if (!take_argument(form[i].arguments[j], path[i].arguments[j], asked, error)) {
                return true;
            }
        }
    }
    return true;
}

struct Parsed {
    std::vector<PathPart> parts;
    Getter get = nullptr;
};
const std::vector<Parsed>& parsed_forms() {
    static const std::vector<Parsed> kParsed = [] {
        std::vector<Parsed> all;
        for (const FormEntry& entry : form_entries()) {
            Parsed parsed;
            std::string error;
            SIM_CHECK(parse_path(entry.path, parsed.parts, error), "form {}: {}", entry.path,
                      error);
            parsed.get = entry.get;
            all.push_back(std::move(parsed));
        }
        return all;
    }();
    return kParsed;
}

// Forms that the path is the beginning of, then those whose last words look alike.
std::vector<std::string> near_forms(const std::vector<PathPart>& path) {
    std::vector<std::string> begun;
    std::vector<std::string> alike;
    std::vector<std::string> same_object;
    for (std::size_t f = 0; f < form_entries().size(); ++f) {
        const std::vector<PathPart>& form = parsed_forms()[f].parts;
        std::size_t same = 0;
        while (same < form.size() && same < path.size() &&
               (form[same].name == path[same].name || is_placeholder(form[same].name)) &&
               form[same].arguments.size() == path[same].arguments.size()) {
            ++same;
        }
        const char* text = form_entries()[f].path;
        if (same == path.size() && form.size() > path.size()) {
            begun.emplace_back(text);
        } else if (same + 1 == path.size() && form.size() == path.size() &&
                   !near_names(path.back().name, {form.back().name}).empty()) {
            alike.emplace_back(text);
        } else if (path.size() > 1 && form.size() > 1 && form[1].name == path[1].name) {
            same_object.emplace_back(text);
        }
    }
    // Placeholders fit everything: the object's own name counts for more.
    const auto named = [&path](const std::string& text) {
        return text.find(path.back().name) != std::string::npos;
    };
    std::stable_partition(begun.begin(), begun.end(), named);
    std::vector<std::string> all = alike;
    all.insert(all.end(), begun.begin(), begun.end());
    all.insert(all.end(), same_object.begin(), same_object.end());
    all.resize(std::min<std::size_t>(all.size(), 4));
    return all;
}

// Finds the form of a path; without one the answer says why.
Getter find_form(const std::string& path, Asked& asked, StateAnswer& problem) {
    std::vector<PathPart> parts;
    if (!parse_path(path, parts, problem.error)) {
        return nullptr;
    }
    for (const Parsed& form : parsed_forms()) {
        Asked attempt;
        std::string error;
        if (match(form.parts, parts, attempt, error)) {
            if (!error.empty()) {
                problem.error = error;
                return nullptr;
            }
            asked = std::move(attempt);
            return form.get;
        }
    }
    problem.error = fmt::format("\"{}\" names no value of the state", path);
    problem.near = near_forms(parts);
    return nullptr;
}

}  // namespace

struct StateView::Impl {
    Impl(trace::Recorder& r, Facts* facts) : recorder(r), fold(r, facts) {}
    trace::Recorder& recorder;
    StateFold fold;
};

StateView::StateView(trace::Recorder& recorder, Facts* facts)
    : impl_(std::make_unique<Impl>(recorder, facts)) {}
StateView::~StateView() = default;

void StateView::on_event(const trace::EventRecord& record) {
    impl_->fold.time = record.time;
    impl_->fold.table().dispatch(record);
}

void StateView::add_handlers(const trace::EventInfo& info, std::vector<Handler>& handlers) {
    if (!impl_->fold.table().of(info).empty()) {
        Listener::add_handlers(info, handlers);
    }
}

void StateView::on_end(TimePs end) {
    impl_->fold.time = end;
}

std::uint32_t StateView::categories() const {
    return impl_->fold.table().categories();
}

void StateView::add_iommu(const std::string& name) {
    impl_->fold.iommus[impl_->recorder.name(name).value()];
}

void StateView::add_vm(const std::string& name) {
    const std::uint32_t key = impl_->recorder.name(name).value();
    if (!impl_->fold.facts.is_vm(key)) {
        impl_->fold.facts.vm_names[key] = 2;
    }
}

StateAnswer StateView::query(const std::string& path) const {
    Asked asked;
    StateAnswer result;
    const Getter get = find_form(path, asked, result);
    return get == nullptr ? result : get(Source(impl_->recorder, impl_->fold), asked);
}

std::vector<std::string> StateView::components() const {
    const StateFold& fold = impl_->fold;
    std::set<std::string> names;
    const auto add = [&](const auto& map) {
        for (const std::uint64_t key : map.sorted_keys()) {
            names.insert(impl_->recorder.names().text(as_name(key)));
        }
    };
    add(fold.kernels);
    add(fold.facts.vm_names);
    add(fold.cpus);
    add(fold.iommus);
    add(fold.devices);
    return {names.begin(), names.end()};
}

std::vector<StateView::Form> StateView::forms() {
    std::vector<Form> all;
    for (const FormEntry& entry : form_entries()) {
        all.push_back({entry.path, entry.meaning});
    }
    return all;
}

std::string StateView::check_path(const std::string& path) {
    Asked asked;
    StateAnswer problem;
    return find_form(path, asked, problem) != nullptr ? std::string{} : problem.problem();
}

}  // namespace ioasim::traces
