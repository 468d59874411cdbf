#include "core/trace/recorder.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim::trace {

Name NameTable::intern(std::string_view text) {
    constexpr unsigned kAlignment = 4;  // log2: of memory from the heap
    Recent& recent =
        recent_[(reinterpret_cast<std::uintptr_t>(text.data()) >> kAlignment) % recent_.size()];
    if (recent.text == text) {  // of a place never used: the empty text, whose name is 0
        return recent.id;
    }
    const auto found = ids_.find(text);
    if (found != ids_.end()) {
        recent = {found->first, found->second};
        return found->second;
    }
    const Name id{static_cast<std::uint32_t>(texts_.size())};
    recent = {ids_.emplace(texts_.emplace_back(text), id).first->first, id};
    return id;
}

const std::string& NameTable::text(Name name) const {
    SIM_CHECK(name.value() < texts_.size(), "name {} was never interned", name.value());
    return texts_[name.value()];
}

SourceId Recorder::source(std::string_view name) {
    const auto found = source_ids_.find(name);
    if (found != source_ids_.end()) {
        return found->second;
    }
    const SourceId id{static_cast<std::uint32_t>(source_names_.size())};
    const auto inserted = source_ids_.emplace(std::string(name), id).first;
    source_names_.push_back(&inserted->first);
    return id;
}

const std::string& Recorder::source_name(SourceId source) const {
    SIM_CHECK(source.value() < source_names_.size(), "unknown source {}", source.value());
    return *source_names_[source.value()];
}

void Recorder::add_listener(Listener& listener, std::uint32_t categories) {
    listeners_.push_back({&listener, categories});
    wanted_ |= categories;
    routes_.clear();
}

void Recorder::watch(const EventInfo& event, Reaction reaction) {
    watches_.push_back({&event, std::move(reaction)});
    wanted_ |= category_bit(event.category);
    routes_.clear();
}

void Recorder::react(const EventRecord& record) {
    for (const Watch& watch : watches_) {
        if (watch.event == record.info) {
            watch.reaction(record);
        }
    }
}

const Recorder::Route& Recorder::make_route(const EventInfo& info) {
    if (next_seq_ == 0) {  // until the first instant is over listeners may still come
        static const Route kSomebody{true, true, true, {}};
        return kSomebody;
    }
    if (info.number >= routes_.size()) {
        routes_.resize(info.number + 1);
    }
    Route& route = routes_[info.number];
    route.known = true;
    for (const Attached& attached : listeners_) {
        if ((attached.categories & category_bit(info.category)) != 0) {
            attached.listener->add_handlers(info, route.handlers);
        }
    }
    route.heard = !route.handlers.empty();
    route.watched = std::any_of(watches_.begin(), watches_.end(),
                                [&info](const Watch& watch) { return watch.event == &info; });
    return route;
}

void Recorder::place_unheard(SourceId source, TimePs now) {
    const Place place{source, kUnheard, 1, software_};
    std::vector<Place>& places = pending_->places;
    if (now == instant_) {
        places.push_back(place);
        return;
    }
    // Most instants hold one event, and most of those that nobody hears.
    if (places.size() == 1 && pending_->used == 0) {
        next_seq_ += places.front().events;
        places.front() = place;
    } else {
        release_instant();
        pending_->places.push_back(place);
    }
    instant_ = now;
}

EventRecord& Recorder::add_record(SourceId source) {
    Batch& batch = *pending_;
    batch.places.push_back({source, batch.used, 1, software_});
    if (batch.used == batch.records.size()) {
        batch.records.emplace_back();
    }
    return batch.records[batch.used++];
}

EventRecord& Recorder::append(SourceId source, const EventInfo& info, bool heard) {
    const TimePs now = time();
    if (now != instant_) {
        release_instant();
        instant_ = now;
    }
    if (!heard) {
        count_unheard(source);
    }
    EventRecord& record = heard ? add_record(source) : glance_;
    record.info = &info;
    record.time = now;
    record.source = source;
    return record;
}

void Recorder::rank_sources() {
    // The map is ordered by name, so walking it gives each source its rank.
    source_ranks_.resize(source_names_.size());
    std::uint32_t rank = 0;
    for (const auto& [name, id] : source_ids_) {
        source_ranks_[id.value()] = rank++;
    }
}

// Most instants hold a few events that are in order already; the sort must be stable.
void Recorder::sort_pending() {
    if (source_ranks_.size() != source_names_.size()) {
        rank_sources();
    }
    const auto before = [this](const Place& a, const Place& b) {
        if (a.software != b.software) {
            return b.software;
        }
        return !a.software && source_ranks_[a.source.value()] < source_ranks_[b.source.value()];
    };
    const auto first = pending_->places.begin();
    const auto last = pending_->places.end();
    if (std::is_sorted(first, last, before)) {
        return;
    }
    constexpr std::size_t kFew = 16;  // std::stable_sort takes memory for its work
    if (pending_->places.size() > kFew) {
        std::stable_sort(first, last, before);
        return;
    }
    for (auto next = first + 1; next != last; ++next) {
        std::rotate(std::upper_bound(first, next, *next, before), next, next + 1);
    }
}

void Recorder::release_instant() {
    telling_ = true;
    while (!pending_->places.empty()) {
        release_batch();
    }
    telling_ = false;
}

void Recorder::release_batch() {
    if (pending_->places.size() > 1) {
        sort_pending();
    }
    // A listener may make somebody emit (a finding): those events are the next batch.
    std::swap(releasing_, pending_);
    for (const Place& place : releasing_->places) {
        if (place.record == kUnheard) {
            next_seq_ += place.events;
            continue;
        }
        EventRecord& record = releasing_->records[place.record];
        record.seq = next_seq_++;
        for (const Handler& handler : route_of(*record.info).handlers) {
            handler.call(handler.self, record);
        }
    }
    releasing_->places.clear();
    releasing_->used = 0;
}

void Recorder::flush() {
    release_instant();
}

void Recorder::finish(TimePs end) {
    release_instant();
    for (const Attached& attached : listeners_) {
        attached.listener->on_end(end);
        release_instant();  // findings of a checker's last look reach the sinks behind it
    }
}

}  // namespace ioasim::trace
