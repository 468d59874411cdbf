// The way of a device's request through the unit: IOTLB, walk, order, memory, completion.
//
// Hits go on at once; misses take one of a bounded number of walkers, a second request for a page
// under walk joins it unless an invalidation came between. Requests of one device keep PCIe order
// whatever their translations cost. Every request is counted from the moment its translation begins
// until memory answered, which is what invalidation waits drain. A request that is not allowed is
// blocked: reads are answered with Unsupported Request, posted writes vanish.
//
// vtd_requests.cpp holds arrival, order and memory; vtd_translation.cpp what lies between;
// vtd_ats.cpp translation requests and translated requests.
// Plain C++: the owner brings time, arrivals and memory's answers, and sends what comes out.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/defects.hpp"
#include "core/trace/recorder.hpp"
#include "models/memory/memory_if.hpp"
#include "models/pcie/ats_layout.hpp"
#include "models/vtd/vtd_order.hpp"
#include "models/vtd/vtd_walk.hpp"
#include "models/vtd/vtd_walk_events.hpp"

namespace ioasim::vtd {

// What the unit's logic does to the world.
class UnitPort {
public:
    virtual ~UnitPort() = default;
    // `at` is now or a little later; calls of one kind keep their order.
    virtual void send_memory(TimePs at, memory::MemRequest request) = 0;
    virtual void send_fabric(TimePs at, pcie::Tlp tlp) = 0;
    // A request left the link's buffer.
    virtual void return_credit(TimePs now) = 0;
};

// What the pipeline needs from the rest of the unit.
class PipelineOwner {
public:
    virtual ~PipelineOwner() = default;
    virtual bool remapping() const = 0;  // GSTS.TES
    virtual std::uint64_t root_pointer() const = 0;
    // Logs a fault; true when it is in a record.
    virtual bool log_fault(TimePs now, const FaultRecord& fault) = 0;
    // A device answered invalidations; its earlier writes are done.
    virtual void invalidation_completion(TimePs now, const pcie::Tlp& tlp) = 0;
    // A page request of a device; its earlier writes are done.
    virtual void page_request(TimePs now, const pcie::Tlp& tlp) = 0;
    // Something older than a barrier drained.
    virtual void drained(TimePs now) = 0;
};

class RequestPipeline {
public:
    RequestPipeline(const VtdParams& params, const Capabilities& caps, TranslationCaches& caches,
                    Probes& probes, trace::Recorder& recorder, SourceId source, trace::Name name,
                    UnitPort& port, PipelineOwner& owner);

    void accept(TimePs now, pcie::Tlp&& tlp);
    // Answers of memory, by the tag's low 32 bits.
    void on_walk_response(TimePs now, std::uint32_t walker, const memory::MemResponse& response);
    void on_dma_response(TimePs now, std::uint32_t slot, memory::MemResponse response);

    // From here on older translations must not be used by new requests.
    void barrier() { tracker_.barrier(); }
    bool drained() const { return tracker_.drained(); }
    // The last barrier, and whether everything that began before a barrier has ended.
    DrainTracker::Epoch mark() const { return tracker_.mark(); }
    bool drained(DrainTracker::Epoch mark) const { return tracker_.drained(mark); }

    bool busy() const { return used_slots_ != 0 || active_walks_ != 0 || !arrivals_.empty(); }
    std::size_t in_flight() const { return used_slots_; }
    std::size_t active_walks() const { return active_walks_; }
    std::size_t waiting_for_slot() const { return arrivals_.size(); }

    // Upper 32 bits of memory tags.
    static constexpr std::uint64_t kDmaTag = 1;
    static constexpr std::uint64_t kWalkTag = 2;
    static constexpr bool is_walk(std::uint64_t tag) { return tag >> 32U == kWalkTag; }

private:
    struct Requester {
        RequesterOrder order;
        RequestLine line;
        std::deque<std::uint32_t> posted;  // slots not issued, in order
        std::vector<std::uint32_t> held;   // other slots that wait for posted ones
    };
    struct Slot {
        pcie::Tlp tlp;
        Requester* requester = nullptr;
        std::uint64_t ticket = 0;  // posted: its own; others: posted requests before it
        TimePs arrived;
        Hpa target;
        bool posted = false;
        bool ready = false;
        bool blocked = false;
        bool counted = false;
        bool in_line = false;  // leaves after those that came before
        std::uint64_t place = 0;
        bool snoop = false;  // the access is snooped whatever the device says
        // A translation request: `tlp.address` runs over the pages.
        bool no_write = false;
        unsigned page_bits = 0;
        std::uint64_t first_address = 0;
        std::vector<std::uint8_t> entries;
        DrainTracker::Epoch epoch = 0;
    };
    struct Walker {
        std::optional<Walk> walk;
        WalkAction action;
        std::optional<std::uint32_t> leader;  // none: a walk ahead of any request
        std::vector<std::uint32_t> joined;
        std::uint64_t pages_ahead = 0;  // what is walked when this walk ended
        DrainTracker::Epoch epoch = 0;  // of a walk ahead
    };

    void take(TimePs now, pcie::Tlp&& tlp);
    void end_epoch(TimePs now, DrainTracker::Epoch epoch);
    void release(TimePs now, std::uint32_t index);
    void leave_line(Slot& slot);
    void release_and_pump(TimePs now, std::uint32_t index);
    void after_change(TimePs now);
    bool handle_interrupt_range(TimePs now, std::uint32_t index);

    void translate(TimePs now, std::uint32_t index);
    bool allowed(const Translation& translation, const pcie::Tlp& tlp) const;
    void translated(TimePs at, std::uint32_t index, const Translation& t, bool hit);
    void log(TimePs now, std::uint32_t index, FaultReason reason, bool fpd);
    void block(TimePs now, std::uint32_t index, FaultReason reason, bool fpd);
    void refuse(TimePs now, std::uint32_t index,
                pcie::CplStatus status = pcie::CplStatus::UnsupportedRequest);
    void count(Slot& slot);

    bool is_malformed(const pcie::Tlp& tlp) const;
    static void take_translation_request(Slot& slot);
    bool may_ask(const pcie::Tlp& tlp);
    bool serves(const Translation& t, const Slot& slot) const;
    pcie::TranslationEntry entry_of(const Slot& slot, const Translation& t) const;
    void answer_translation(TimePs now, std::uint32_t index);
    void complete_interrupt_page(TimePs now, std::uint32_t index);
    void add_entry(TimePs at, std::uint32_t index, const Translation& t);
    void walked_for_translation(TimePs now, std::uint32_t index, FaultReason reason, bool fpd,
                                const Translation& t);
    void complete_translation(TimePs at, std::uint32_t index);
    void tell_completion(const Slot& slot, const char* status);
    void pass_translated(TimePs now, std::uint32_t index);

    bool join_walk(std::uint32_t index);
    void start_walk(TimePs now, std::uint32_t index);
    std::uint32_t begin_walk(const WalkRequest& request);
    void run_walk(TimePs now, std::uint32_t walker);
    void walk_ahead(TimePs now, const WalkRequest& done, const Translation& t, std::uint64_t pages);
    void do_action(TimePs at, std::uint32_t walker, const WalkAction& action);
    void finish_walk(TimePs now, std::uint32_t walker);
    void fill_from(const Walker& walker);

    void make_ready(TimePs at, std::uint32_t index);
    bool may_go(const Slot& slot) const;
    void go(TimePs at, std::uint32_t index);
    void pump(TimePs at, Requester& requester);

    static bool is_write(const pcie::Tlp& tlp) {
        return tlp.kind == pcie::TlpKind::MemWrite || tlp.kind == pcie::TlpKind::DeferrableWrite;
    }
    static bool is_translation_request(const pcie::Tlp& tlp) {
        return tlp.kind == pcie::TlpKind::AtsRequest ||
               (tlp.kind == pcie::TlpKind::MemRead &&
                tlp.at == pcie::AddressType::TranslationRequest);
    }
    WalkRequest walk_request(const Slot& slot) const;
    static IotlbQuery query_of(const pcie::Tlp& tlp);
    static IotlbQuery query_of(const WalkRequest& request) {
        return {request.rid, request.pasid, request.privileged, request.address};
    }
    static Pasid shown_pasid(const pcie::Tlp& tlp) {
        return tlp.pasid.value_or(Pasid{kInvalidIoasid});
    }

    const VtdParams& params_;
    const Capabilities& caps_;
    TranslationCaches& caches_;
    Probes& probes_;
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name name_;
    UnitPort& port_;
    PipelineOwner& owner_;

    DrainTracker tracker_;
    std::unordered_map<std::uint16_t, Requester> requesters_;  // looked up, never iterated
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::size_t used_slots_ = 0;
    std::deque<pcie::Tlp> arrivals_;  // without a slot
    std::vector<Walker> walkers_;
    std::size_t active_walks_ = 0;
    std::deque<std::uint32_t> walk_queue_;  // without a walker
    std::deque<std::uint32_t> retry_;       // to be translated again
    WalkTeller teller_;
};

}  // namespace ioasim::vtd
