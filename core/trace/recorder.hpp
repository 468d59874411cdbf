// The one event stream. The Recorder collects the events of one instant and releases them, when
// time moves on, in an order that depends on the system alone: hardware first, by emitting source
// and the source's own order; then software, in the order in which the dispatcher ran it (software
// sees what hardware did in that instant, and its effects reach hardware at least 1 ps later).
// Listeners see nothing but the sorted stream.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/trace/event.hpp"

namespace ioasim::trace {

// Who is called for an event: a function, and what it gets first.
struct Handler {
    void (*call)(void* self, const EventRecord& record) = nullptr;
    void* self = nullptr;
};

class Listener {
public:
    virtual ~Listener() = default;
    virtual void on_event(const EventRecord& record) = 0;
    // Whom events of this type are for. A listener that adds nobody does not hear of them, and
    // what nobody hears of costs its place in the order and nothing else.
    virtual void add_handlers(const EventInfo&, std::vector<Handler>& handlers) {
        handlers.push_back({[](void* self, const EventRecord& record) {
                                static_cast<Listener*>(self)->on_event(record);
                            },
                            this});
    }
    // The run is over; nothing follows.
    virtual void on_end(TimePs) {}
};

class NameTable {
public:
    // Name{} is the empty string, so that an event field left alone says "none".
    NameTable() { ids_.emplace(texts_.emplace_back(), Name{0}); }
    Name intern(std::string_view text);
    const std::string& text(Name name) const;

private:
    std::unordered_map<std::string_view, Name> ids_;  // of the texts behind it
    std::deque<std::string> texts_;                   // stay where they are
    // Most texts come from the same places again and again: what came from there last, by address.
    struct Recent {
        std::string_view text;
        Name id;
    };
    std::array<Recent, 256> recent_;
};

class Recorder {
public:
    // Where the time comes from; the simulation sets it once.
    using Clock = TimePs (*)();
    explicit Recorder(Clock clock) : clock_(clock) {}
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    // Same name, same id.
    SourceId source(std::string_view name);
    const std::string& source_name(SourceId source) const;
    NameTable& names() { return names_; }
    const NameTable& names() const { return names_; }
    Name name(std::string_view text) { return names_.intern(text); }

    // Categories as category_bit() masks. Listeners are called in the order of their addition.
    void add_listener(Listener& listener, std::uint32_t categories);
    // Called at once, in the middle of the instant: for what must not wait until the order of the
    // instant is known. A reaction emits nothing, and may not depend on what else the instant
    // holds. What it hears of may lie back by an instant: a listener's own event.
    using Reaction = std::function<void(const EventRecord&)>;
    void watch(const EventInfo& event, Reaction reaction);
    // Somebody is there. Then every event counts, wanted or not: its number in the stream does not
    // depend on who listens.
    bool listened() const { return wanted_ != 0; }
    // What a listener emits while it is told of an instant belongs to that instant, behind
    // everything that it was told of.
    template <class E>
    void emit(SourceId source, const E& event) {
        emit_made<E>(source, [&event]() -> const E& { return event; });
    }
    // The same of an event that takes work to make: made when somebody will look at it.
    template <class E, class Make>
    void emit_made(SourceId source, const Make& make) {
        if (!listened()) {
            return;
        }
        const Route& route = route_of(info_of<E>());
        if (!route.heard && !route.watched) {
            count_unheard(source);
            return;
        }
        const bool watched = route.watched;
        EventRecord& record = append(source, info_of<E>(), route.heard);
        pack_fields(make(), record);
        if (watched) {
            react(record);
        }
    }

    // The dispatcher marks which part of the instant runs.
    void begin_software() { software_ = true; }
    void begin_hardware() { software_ = false; }

    // Releases what is pending; called when time moved and at the end.
    void flush();
    void finish(TimePs end);
    std::uint64_t released() const { return next_seq_; }

private:
    // Who hears of events of a type.
    struct Route {
        bool known = false;
        bool heard = false;    // has handlers
        bool watched = false;  // has reactions
        std::vector<Handler> handlers;
    };
    EventRecord& append(SourceId source, const EventInfo& info, bool heard);
    // While listeners are told of an instant, what is emitted belongs to it.
    TimePs time() const { return telling_ ? instant_ : clock_(); }
    const Route& route_of(const EventInfo& info) {
        return info.number < routes_.size() && routes_[info.number].known ? routes_[info.number]
                                                                          : make_route(info);
    }
    const Route& make_route(const EventInfo& info);
    void react(const EventRecord& record);
    void release_instant();
    void release_batch();
    void sort_pending();
    void rank_sources();

    // Of an event in its instant, what its order depends on. Events that nobody hears of take a
    // number each and no record; those of one source in a row share their place.
    static constexpr std::uint32_t kUnheard = ~0U;
    struct Place {
        SourceId source;
        std::uint32_t record = kUnheard;  // index in the batch
        std::uint32_t events = 1;
        bool software = false;
    };
    // Of an instant. Records are used again as they were left: they are large, instants are many.
    struct Batch {
        std::vector<Place> places;
        std::vector<EventRecord> records;
        std::uint32_t used = 0;  // records
    };
    // Half of all events of a busy kernel are locks, of which mostly nobody hears.
    void count_unheard(SourceId source) {
        const TimePs now = time();
        if (now == instant_ && !pending_->places.empty()) {
            Place& last = pending_->places.back();
            if (last.record == kUnheard && last.software == software_ && last.source == source) {
                ++last.events;
                return;
            }
        }
        place_unheard(source, now);
    }
    void place_unheard(SourceId source, TimePs now);
    EventRecord& add_record(SourceId source);
    struct Attached {
        Listener* listener;
        std::uint32_t categories;
    };
    Clock clock_;
    NameTable names_;
    std::map<std::string, SourceId, std::less<>> source_ids_;
    std::vector<const std::string*> source_names_;
    std::vector<std::uint32_t> source_ranks_;
    std::vector<Attached> listeners_;
    struct Watch {
        const EventInfo* event;
        Reaction reaction;
    };
    std::vector<Watch> watches_;
    std::uint32_t wanted_ = 0;
    std::vector<Route> routes_;  // by number of the event type
    std::array<Batch, 2> batches_;
    Batch* pending_ = &batches_[0];
    Batch* releasing_ = &batches_[1];
    EventRecord glance_;  // of an event that reactions see and nobody hears
    TimePs instant_;
    std::uint64_t next_seq_ = 0;
    bool software_ = false;
    bool telling_ = false;  // listeners are told of instant_
};

}  // namespace ioasim::trace
