// Listeners with one method for each event type that they want. Dispatch is one look-up by the
// number of the type; what nobody asked for is not even delivered.
#pragma once

#include <cstdint>
#include <vector>

#include "core/trace/recorder.hpp"

namespace ioasim::traces {

using trace::Handler;

// From event type to the handlers that want it, in the order of their addition.
class HandlerTable {
public:
    void add(const trace::EventInfo& info, Handler handler) {
        if (info.number >= lists_.size()) {
            lists_.resize(info.number + 1);
        }
        lists_[info.number].push_back(handler);
        categories_ |= trace::category_bit(info.category);
    }
    const std::vector<Handler>& of(const trace::EventInfo& info) const {
        static const std::vector<Handler> nobody;
        return info.number < lists_.size() ? lists_[info.number] : nobody;
    }
    void dispatch(const trace::EventRecord& record) const {
        for (const Handler& handler : of(*record.info)) {
            handler.call(handler.self, record);
        }
    }
    // For Listener::add_handlers: the recorder calls them itself.
    void append_to(std::vector<Handler>& handlers, const trace::EventInfo& info) const {
        handlers.insert(handlers.end(), of(info).begin(), of(info).end());
    }
    std::uint32_t categories() const { return categories_; }

private:
    std::vector<std::vector<Handler>> lists_;  // by number of the event type
    std::uint32_t categories_ = 0;
};

// class Foo : public TypedListener<Foo> { Foo() { on<trace::IoasidPut, &Foo::on_put>(); } ... };
template <class Self>
class TypedListener : public trace::Listener {
public:
    void on_event(const trace::EventRecord& record) override { handlers_.dispatch(record); }
    void add_handlers(const trace::EventInfo& info, std::vector<Handler>& handlers) override {
        if (!handlers_.of(info).empty()) {
            Listener::add_handlers(info, handlers);
        }
    }
    // What to pass to Recorder::add_listener.
    std::uint32_t categories() const { return handlers_.categories(); }

protected:
    template <class Event, void (Self::*Method)(const trace::EventRecord&)>
    void on() {
        handlers_.add(trace::info_of<Event>(), {[](void* self, const trace::EventRecord& record) {
                                                    (static_cast<Self*>(self)->*Method)(record);
                                                },
                                                static_cast<Self*>(this)});
    }

private:
    HandlerTable handlers_;
};

}  // namespace ioasim::traces
