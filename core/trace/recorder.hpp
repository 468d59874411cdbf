// The one event stream. The Recorder collects the events of one instant and releases them, when
// time moves on, in an order that depends on the system alone: hardware first, by emitting source
// and the source's own order; then software, in the order in which the dispatcher ran it (software
// sees what hardware did in that instant, and its effects reach hardware at least 1 ps later).
// Listeners see nothing but the sorted stream.
#pragma once

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
    NameTable() { intern(""); }
    Name intern(std::string_view text);
    const std::string& text(Name name) const;

private:
    std::unordered_map<std::string_view, Name> ids_;  // of the texts behind it
    std::deque<std::string> texts_;                   // stay where they are
};

class Recorder {
public:
    // Where the time comes from; the simulation sets it once.
    using Clock = TimePs (*)();
    explicit Recorder(Clock clock) : clock_(clock) {}

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
    // Somebody looks at the fields of this event: for who must work to know them. It is emitted all
    // the same.
    template <class E>
    bool heard() {
        return listened() && (!handlers_of(info_of<E>()).empty() || watched(info_of<E>()));
    }

    // What a listener emits while it is told of an instant belongs to that instant, behind
    // everything that it was told of.
    template <class E>
    void emit(SourceId source, const E& event) {
        if (!listened()) {
            return;
        }
        if (EventRecord* record = append(source, info_of<E>())) {
            pack_fields(event, *record);
            react(*record);
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
    // None: nobody will look at it.
    EventRecord* append(SourceId source, const EventInfo& info);
    const std::vector<Handler>& handlers_of(const EventInfo& info) {
        return info.number < routes_.size() && routes_[info.number].known
                   ? routes_[info.number].handlers
                   : make_route(info);
    }
    const std::vector<Handler>& make_route(const EventInfo& info);
    bool watched(const EventInfo& info) const;
    void react(const EventRecord& record);
    void release_instant();
    void release_batch();
    void sort_pending();
    void rank_sources();

    struct Pending {
        EventRecord record;
        bool software = false;
        bool heard = false;
    };
    // Of an instant. Room is used again as it was left: records are large, instants are many.
    struct Batch {
        std::vector<Pending> room;
        std::size_t size = 0;
    };
    struct Route {
        bool known = false;
        std::vector<Handler> handlers;
    };
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
    Batch pending_;
    Batch releasing_;
    TimePs instant_;
    std::uint64_t next_seq_ = 0;
    bool software_ = false;
    bool telling_ = false;  // listeners are told of instant_
};

}  // namespace ioasim::trace
