// Page requests of devices (VT-d specification 7.4 to 7.8): checks, the page-request queue in
// memory, automatic responses, and what waits with page-request drain wait for.
//
// Requests are checked one after the other in order of arrival, through root, context and PASID
// structures. A fault is logged and answered with Invalid Request; a request that meets a full
// queue (PRO) is answered with Success, so that the device asks again; both only where the request
// wants an answer. Otherwise the translation is dropped from the caches, the descriptor is written,
// and the tail moves when the descriptor is in memory, in order. The event follows the descriptors
// that were accepted until then. Left out: page requests of the old 128-bit format.
#pragma once

#include <deque>
#include <optional>

#include "core/base/defects.hpp"
#include "core/trace/recorder.hpp"
#include "models/pcie/ats_layout.hpp"
#include "models/vtd/vtd_event_registers.hpp"
#include "models/vtd/vtd_requests.hpp"

namespace ioasim::vtd {

// What page requests need from the rest of the unit.
class PageRequestOwner {
public:
    virtual ~PageRequestOwner() = default;
    virtual std::uint64_t root_table() const = 0;  // RTADDR as latched
    // The page's translations leave the caches (7.4.1).
    virtual void drop_translation(const PasidEntry& entry, Pasid pasid, std::uint64_t address) = 0;
    // A page request ended: its descriptor is visible, or it was answered or dropped.
    virtual void page_request_ended(TimePs now) = 0;
};

class PageRequestQueue {
public:
    // Upper 32 bits of memory tags.
    static constexpr std::uint64_t kWalkTag = 5;
    static constexpr std::uint64_t kWriteTag = 6;

    PageRequestQueue(const VtdParams& params, const Capabilities& caps, RegisterFile& registers,
                     EventRegisters& events, TranslationCaches& caches, Probes& probes,
                     trace::Recorder& recorder, SourceId source, trace::Name name, UnitPort& port,
                     PageRequestOwner& owner);

    // It reached the unit: waits with page-request drain taken from here on wait for it.
    void expect(Rid rid);
    // It is its turn among the requests of its device; false: remapping is off, it vanishes.
    void accept(TimePs now, const pcie::Tlp& tlp, bool remapping);
    void on_walk_response(TimePs now, const memory::MemResponse& response);
    void on_written(TimePs now, std::uint32_t number);
    // Descriptors whose time has come leave for memory.
    void advance(TimePs now);
    std::optional<TimePs> due() const;
    // Descriptors are on their way to memory.
    bool writing() const { return !writes_.empty(); }
    // Software wrote PQT.
    void on_tail_write();
    // Software answers a group.
    void respond(TimePs now, const Descriptor& descriptor);

    // Those that reached the unit before are visible or gone.
    std::uint64_t mark() const { return first_expected_ + expected_.size(); }
    bool visible(std::uint64_t mark) const { return first_expected_ >= mark; }
    bool busy() const { return !expected_.empty(); }

private:
    struct Request {
        PageRequest request;
        bool wants_answer = false;
        bool stop_marker = false;
    };
    struct Expected {
        Rid rid;
        bool ended = false;
    };
    struct Write {
        Rid rid;
        Hpa address;
        Descriptor descriptor{};
        TimePs due;  // it leaves for memory then
        bool sent = false;
        bool done = false;
    };

    static Request decode(const pcie::Tlp& tlp);
    void next(TimePs now);
    void step(TimePs now, const WalkAction& action);
    void checked(TimePs now);
    void fault(TimePs now, const Request& r, FaultReason reason, bool fpd);
    void enqueue(TimePs now, const Request& r, const Walk& walk);
    // No room: an answer that makes the device ask again.
    void turn_away(TimePs now, const Request& r);
    void answer(TimePs now, const Request& r, PageResponse code);
    void send_response(TimePs now, Rid rid, std::optional<Pasid> pasid, std::uint16_t group,
                       std::uint8_t code, bool automatic);
    void ended(TimePs now, Rid rid);
    void tell(const Request& r, bool queued);
    bool overflowed() const;
    bool full() const;
    std::uint64_t bytes() const { return pq::bytes(registers_.get64(reg::kPqa)); }

    const VtdParams& params_;
    const Capabilities& caps_;
    RegisterFile& registers_;
    EventRegisters& events_;
    TranslationCaches& caches_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name name_;
    UnitPort& port_;
    PageRequestOwner& owner_;

    std::deque<Expected> expected_;  // in order of arrival
    std::uint64_t first_expected_ = 0;
    std::deque<Request> waiting_;  // the first is under walk
    std::optional<Walk> walk_;
    WalkAction action_;  // of the walk, under way
    WalkTeller teller_;
    std::uint64_t reserved_ = 0;  // the tail once all writes are done
    std::deque<Write> writes_;
    std::uint32_t first_write_ = 0;
    std::optional<std::uint32_t> announce_;  // the event follows this write
};

}  // namespace ioasim::vtd
