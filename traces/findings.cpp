#include "traces/findings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/event_text.hpp"

namespace ioasim::traces {
namespace {

constexpr bool has_field(std::string_view list, std::string_view name) {
    std::size_t at = list.find(name);
    while (at != std::string_view::npos) {
        const std::size_t end = at + name.size();
        if ((at == 0 || list[at - 1] == ' ' || list[at - 1] == ',') &&
            (end == list.size() || list[end] == ',')) {
            return true;
        }
        at = list.find(name, end);
    }
    return false;
}

}  // namespace

History::History(trace::Recorder& recorder, Facts& facts) : recorder_(recorder), facts_(facts) {}

void History::keep(const trace::EventRecord& record, std::uint32_t kernel, std::uint32_t id) {
    if (id == kNoId) {
        return;
    }
    std::uint32_t& last = facts_.ids.at(kernel, id).last_event;
    ++count_;
    if (ring_.size() < kEvents) {
        ring_.push_back({record, last});
    } else {
        ring_[(count_ - 1) % kEvents] = {record, last};
    }
    last = count_;
}

template <class Event>
void History::handle(void* self, const trace::EventRecord& record) {
    auto& history = *static_cast<History*>(self);
    constexpr std::string_view kFields = Event::kFieldList;
    if constexpr (has_field(kFields, "kernel") && has_field(kFields, "set")) {
        const std::uint32_t space =
            history.facts_.space_of(as_u32(record.values[field_index(kFields, "kernel")]),
                                    as_u32(record.values[field_index(kFields, "set")]));
        history.keep(record, space, as_u32(record.values[field_index(kFields, "ioasid")]));
    } else if constexpr (has_field(kFields, "kernel")) {
        history.keep(record, as_u32(record.values[field_index(kFields, "kernel")]),
                     as_u32(record.values[field_index(kFields, "ioasid")]));
    } else if constexpr (has_field(kFields, "ioasid")) {
        history.keep(record, history.facts_.host,
                     as_u32(record.values[field_index(kFields, "ioasid")]));
    } else if (!history.facts_.from_guest(record)) {
        history.keep(record, history.facts_.host,
                     as_u32(record.values[field_index(kFields, "pasid")]));
    }
}

template <class Event>
void History::add(HandlerTable& table) {
    table.add(trace::info_of<Event>(), {&History::handle<Event>, this});
}

void History::add_handlers(HandlerTable& table) {
    add<trace::IoasidAlloc>(table);
    add<trace::IoasidGet>(table);
    add<trace::IoasidPut>(table);
    add<trace::IoasidStateChange>(table);
    add<trace::IoasidFreeCall>(table);
    add<trace::IoasidBind>(table);
    add<trace::IoasidUnbind>(table);
    add<trace::IoasidFree>(table);
    add<trace::IoasidHandler>(table);
    add<trace::IoasidReclaim>(table);
    add<trace::IoasidWork>(table);
    add<trace::IoasidRefused>(table);
    add<trace::KvmBind>(table);
    add<trace::KvmUnbind>(table);
    add<trace::KvmFree>(table);
    add<trace::VdcmBind>(table);
    add<trace::VdcmUnbind>(table);
    add<trace::VdcmFree>(table);
    add<trace::SvaBind>(table);
    add<trace::SvaUnbind>(table);
    add<trace::VtdPasidEntrySet>(table);
    add<trace::VtdPasidEntryClear>(table);
    add<trace::VtdInvalidation>(table);
    add<trace::DsaWqState>(table);
    add<trace::PasidSpace>(table);
}

std::vector<std::string> History::of(std::uint32_t kernel, std::uint32_t id) const {
    std::vector<std::string> lines;
    const IdFacts* facts = facts_.ids.find(kernel, id);
    std::uint32_t number = facts == nullptr ? 0 : facts->last_event;
    while (number != 0 && lines.size() < kShown && count_ - number < kEvents) {
        const Kept& kept = ring_[(number - 1) % kEvents];
        lines.push_back(format_event(recorder_, kept.record));
        number = kept.previous;
    }
    std::reverse(lines.begin(), lines.end());
    return lines;
}

FindingSink::FindingSink(trace::Recorder& recorder, History& history)
    : recorder_(recorder), history_(history), source_(recorder.source("checkers")) {}

std::string FindingSink::name(std::uint32_t interned) const {
    return recorder_.names().text(trace::Name{interned});
}

std::string FindingSink::id_name(std::uint32_t kernel, std::uint32_t id) const {
    return fmt::format("{}.ioasid({})", name(kernel), id);
}

void FindingSink::add(Finding finding) {
    ++total_;
    // A thousand findings of one rule say nothing that the first hundred do not: the rest is
    // counted.
    if (++counts_[finding.code] <= kEmittedPerCode) {
        recorder_.emit(source_,
                       trace::RunFinding{recorder_.name(finding.code), recorder_.name(finding.who),
                                         recorder_.name(finding.text)});
    }
    if (findings_.size() < kKept) {
        findings_.push_back(std::move(finding));
    }
}

void FindingSink::report(const char* code, const trace::EventRecord& record, std::string who,
                         std::string text) {
    add({code,
         std::move(who),
         std::move(text),
         record.time,
         record.seq,
         {format_event(recorder_, record)}});
}

void FindingSink::report_id(const char* code, const trace::EventRecord& record,
                            std::uint32_t kernel, std::uint32_t id, std::string text) {
    Finding finding{code,        id_name(kernel, id), std::move(text),
                    record.time, record.seq,          history_.of(kernel, id)};
    std::string line = format_event(recorder_, record);
    if (finding.events.empty() || finding.events.back() != line) {
        finding.events.push_back(std::move(line));
    }
    add(std::move(finding));
}

void FindingSink::report_end(const char* code, TimePs end, std::string who, std::string text,
                             std::vector<std::string> lines) {
    add({code, std::move(who), std::move(text), end, recorder_.released(), std::move(lines)});
}

void FindingSink::report_end_id(const char* code, TimePs end, std::uint32_t kernel,
                                std::uint32_t id, std::string text) {
    add({code, id_name(kernel, id), std::move(text), end, recorder_.released(),
         history_.of(kernel, id)});
}

}  // namespace ioasim::traces
