// The one event stream. The Recorder collects the events of one instant and releases them, when
// time moves on, in an order that depends on the system alone: hardware first, by emitting source
// and the source's own order; then software, in the order in which the dispatcher ran it (software
// sees what hardware did in that instant, and its effects reach hardware at least 1 ps later).
// Listeners see nothing but the sorted stream.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/trace/event.hpp"

namespace ioasim::trace {

class Listener {
public:
    virtual ~Listener() = default;
    virtual void on_event(const EventRecord& record) = 0;
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
    std::map<std::string, Name, std::less<>> ids_;
    std::vector<const std::string*> texts_;
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
    // holds.
    using Reaction = std::function<void(const EventRecord&)>;
    void watch(const EventInfo& event, Reaction reaction);
    bool wants(Category category) const { return (wanted_ & category_bit(category)) != 0; }

    template <class E>
    void emit(SourceId source, const E& event) {
        if (!wants(E::kName.category)) {
            return;
        }
        EventRecord& record = append(source, info_of<E>());
        pack_fields(event, record);
        if (!watches_.empty()) {
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
    EventRecord& append(SourceId source, const EventInfo& info);
    void react(const EventRecord& record);
    void release_instant();
    void sort_pending();
    void rank_sources();

    struct Pending {
        EventRecord record;
        bool software;
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
    std::vector<Pending> pending_;
    std::vector<Pending> releasing_;
    TimePs instant_;
    std::uint64_t next_seq_ = 0;
    bool software_ = false;
};

}  // namespace ioasim::trace
