// Listeners with one method for each event type that they want. Dispatch is one look-up in a small
// pointer-keyed table; events nobody asked for cost that look-up and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/trace/recorder.hpp"

namespace ioasim::traces {

struct Handler {
    void (*call)(void* self, const trace::EventRecord& record) = nullptr;
    void* self = nullptr;
};

// From event type to the handlers that want it, in the order of their addition.
class HandlerTable {
public:
    void add(const trace::EventInfo& info, Handler handler) {
        lists_[slot_for(&info)].push_back(handler);
        categories_ |= trace::category_bit(info.category);
    }
    void add_all(const HandlerTable& other) {
        for (const trace::EventInfo* info : other.order_) {
            for (const Handler& handler : other.lists_[other.slot_for_existing(info)]) {
                add(*info, handler);
            }
        }
    }
    void dispatch(const trace::EventRecord& record) const {
        std::size_t at = hash(record.info);
        while (keys_[at] != nullptr) {
            if (keys_[at] == record.info) {
                for (const Handler& handler : lists_[at]) {
                    handler.call(handler.self, record);
                }
                return;
            }
            at = (at + 1) % kSlots;
        }
    }
    std::uint32_t categories() const { return categories_; }

private:
    static constexpr std::size_t kSlots = 512;  // several times the number of event types
    static std::size_t hash(const trace::EventInfo* info) {
        return (reinterpret_cast<std::uintptr_t>(info) >> 4U) * 0x9E37U % kSlots;
    }
    std::size_t slot_for_existing(const trace::EventInfo* info) const {
        std::size_t at = hash(info);
        while (keys_[at] != info) {
            at = (at + 1) % kSlots;
        }
        return at;
    }
    std::size_t slot_for(const trace::EventInfo* info) {
        std::size_t at = hash(info);
        while (keys_[at] != nullptr && keys_[at] != info) {
            at = (at + 1) % kSlots;
        }
        if (keys_[at] == nullptr) {
            keys_[at] = info;
            order_.push_back(info);
        }
        return at;
    }

    std::array<const trace::EventInfo*, kSlots> keys_{};
    std::array<std::vector<Handler>, kSlots> lists_{};
    std::vector<const trace::EventInfo*> order_;  // never the order of addresses
    std::uint32_t categories_ = 0;
};

// class Foo : public TypedListener<Foo> { Foo() { on<trace::IoasidPut, &Foo::on_put>(); } ... };
template <class Self>
class TypedListener : public trace::Listener {
public:
    void on_event(const trace::EventRecord& record) override { handlers_.dispatch(record); }
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
