#include "traces/findings.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

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

// The fields of an event in words of 32 bits: one each, two where the type is wider.
template <class Event>
struct PackedEvent {
    using Fields = decltype(std::declval<const Event&>().field_tuple());
    static constexpr std::size_t kFields = std::tuple_size_v<Fields>;
    template <std::size_t kField>
    static constexpr bool kWide = sizeof(std::tuple_element_t<kField, Fields>) > 4;

    template <std::size_t... kField>
    static constexpr std::size_t needed(std::index_sequence<kField...>) {
        return (0 + ... + (kWide<kField> ? 2U : 1U));
    }
    static constexpr std::size_t kNeeded = needed(std::make_index_sequence<kFields>{});

    template <class Words, std::size_t... kField>
    static void pack(const trace::EventRecord& record, Words& words,
                     std::index_sequence<kField...>) {
        std::size_t at = 0;
        const auto put = [&](std::uint64_t value, bool wide) {
            words[at++] = static_cast<std::uint32_t>(value);
            if (wide) {
                words[at++] = static_cast<std::uint32_t>(value >> 32U);
            }
        };
        (put(record.values[kField], kWide<kField>), ...);
    }
    template <class Words>
    static void pack(const trace::EventRecord& record, Words& words) {
        pack(record, words, std::make_index_sequence<kFields>{});
    }
    template <class Words, std::size_t... kField>
    static void unpack(const Words& words, trace::EventRecord& record,
                       std::index_sequence<kField...>) {
        std::size_t at = 0;
        const auto get = [&](bool wide) {
            const std::uint64_t low = words[at++];
            return wide ? low | std::uint64_t{words[at++]} << 32U : low;
        };
        ((record.values[kField] = get(kWide<kField>)), ...);
    }
    template <class Words>
    static void unpack(const Words& words, trace::EventRecord& record) {
        unpack(words, record, std::make_index_sequence<kFields>{});
    }
};

}  // namespace

History::History(trace::Recorder& recorder, Facts& facts) : recorder_(recorder), facts_(facts) {}

History::Kept* History::keep(const trace::EventRecord& record, std::uint32_t kernel,
                             std::uint32_t id) {
    if (id == kNoId) {
        return nullptr;
    }
    std::uint32_t& last = facts_.ids.at(kernel, id).last_event;
    ++count_;
    if (ring_.size() < kEvents) {
        ring_.emplace_back();
    }
    Kept& kept = ring_[(count_ - 1) % kEvents];
    kept.time = record.time;
    kept.source = record.source;
    kept.previous = last;
    last = count_;
    return &kept;
}

template <class Event>
void History::handle(void* self, const trace::EventRecord& record) {
    auto& history = *static_cast<History*>(self);
    constexpr std::string_view kFields = Event::kFieldList;
    std::uint32_t space = history.facts_.host;
    std::uint32_t id = kNoId;
    if constexpr (has_field(kFields, "ioasid")) {
        constexpr std::size_t kId = field_index(kFields, "ioasid");
        id = as_u32(record.values[kId]);
    } else if (!history.facts_.from_guest(record)) {
        constexpr std::size_t kId = field_index(kFields, "pasid");
        id = as_u32(record.values[kId]);
    }
    if constexpr (has_field(kFields, "kernel")) {
        constexpr std::size_t kKernel = field_index(kFields, "kernel");
        space = as_u32(record.values[kKernel]);
        if constexpr (has_field(kFields, "set")) {
            constexpr std::size_t kSet = field_index(kFields, "set");
            space = history.facts_.space_of(space, as_u32(record.values[kSet]));
        }
    }
    static constexpr Kind kKind{&trace::info_of<Event>, &PackedEvent<Event>::unpack};
    static_assert(PackedEvent<Event>::kNeeded <= kWords, "longer than a line of the cache");
    if (Kept* kept = history.keep(record, space, id)) {
        kept->kind = &kKind;
        PackedEvent<Event>::pack(record, kept->words);
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
        trace::EventRecord record;
        record.info = &kept.kind->info();
        record.time = kept.time;
        record.source = kept.source;
        kept.kind->unpack(kept.words, record);
        lines.push_back(format_event(recorder_, record));
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
