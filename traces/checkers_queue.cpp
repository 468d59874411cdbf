// Queues of remapping units: what an invalidation wait comes behind, what a fence holds, ITags, and
// that a page request drops its page before it shows. VT-d specification 6.5.2, 7.4.
#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"
#include "traces/flat_map.hpp"

namespace ioasim::traces {
namespace {

class QueueChecker final : public Checker {
public:
    explicit QueueChecker(const CheckerContext& context) : Checker(context) {
        const auto name = [&context](const char* text) {
            return context.recorder.name(text).value();
        };
        kind_page_request_ = name("page_request");
        cache_iotlb_ = name("iotlb");
        timeout_ = name("ite");
    }
    const char* name() const override { return "queue"; }
    void add_handlers(HandlerTable& table) override {
        using Self = QueueChecker;
        on<Self, trace::VtdInvWait, &Self::on_wait>(table);
        on<Self, trace::VtdInvWaitDone, &Self::on_wait_done>(table);
        on<Self, trace::VtdDevTlbRequest, &Self::on_device_request>(table);
        on<Self, trace::VtdDevTlbDone, &Self::on_device_done>(table);
        on<Self, trace::VtdInvalidation, &Self::on_invalidation>(table);
        on<Self, trace::VtdQueueStop, &Self::on_stop>(table);
        on<Self, trace::VtdPageRequest, &Self::on_page_request>(table);
        on<Self, trace::VtdPrq, &Self::on_page_queue>(table);
        on<Self, trace::VtdTranslated, &Self::on_translated>(table);
        on<Self, trace::MemoryAccess, &Self::on_access>(table);
    }

private:
    static constexpr std::uint32_t kNoFlight = ~0U;
    struct Wait {
        std::uint64_t seq = 0;
        bool fence = false;
        bool page_drain = false;
        std::set<std::uint32_t> devices;  // ITags that it waits for
        std::uint64_t pages = 0;          // page requests that were queued before the last answer
        std::uint64_t drains = 0;         // the last invalidation before it, as an event
    };
    // A request on its way from translation to memory.
    struct Flight {
        std::uint64_t seq = 0;
        std::uint32_t iommu = 0;
        std::uint32_t rid = 0;
        std::uint32_t pasid = 0;
        bool write = false;
        std::uint32_t next = kNoFlight;  // to the same address, later
    };
    struct Drop {
        std::uint32_t did = 0;
        std::uint32_t pasid = 0;
        std::uint64_t address = 0;
        std::uint64_t bytes = 0;  // 0: the whole domain
    };
    struct Unit {
        std::deque<Wait> waits;
        std::map<std::uint32_t, std::uint32_t> itags;  // in use, by whom
        std::uint64_t queued = 0;                      // page requests
        std::uint64_t visible = 0;
        std::uint32_t tail = 0;
        std::optional<Drop> drop;       // of the page request that comes next
        std::uint64_t invalidated = 0;  // by the last invalidation, as an event
        std::uint64_t drained = 0;      // the last invalidation whose wait is done
    };

    Unit& unit(std::uint32_t iommu) { return units_[iommu]; }
    void complain(const char* code, const trace::EventRecord& record, std::uint32_t iommu,
                  const std::string& text) {
        c_.sink.report(code, record, c_.sink.name(iommu), text);
    }

    void on_wait(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdInvWait, iommu);
        Unit& u = unit(iommu);
        check_fence(record, iommu, "another wait");
        Wait wait;
        wait.seq = record.seq;
        wait.fence = IOASIM_FIELD(record, VtdInvWait, fence) != 0;
        wait.page_drain = IOASIM_FIELD(record, VtdInvWait, page_drain) != 0;
        for (const auto& [itag, rid] : u.itags) {
            wait.devices.insert(itag);
        }
        wait.pages = wait.devices.empty() ? u.queued : 0;
        wait.drains = u.invalidated;
        u.waits.push_back(std::move(wait));
    }

    void on_wait_done(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdInvWaitDone, iommu);
        Unit& u = unit(iommu);
        if (u.waits.empty()) {
            return;  // its status was on its way when a time-out aborted the others
        }
        const Wait wait = std::move(u.waits.front());
        u.waits.pop_front();
        u.drained = std::max(u.drained, wait.drains);
        if (!wait.devices.empty()) {
            complain("queue.wait_passed_device", record, iommu,
                     fmt::format("the wait of event {} completed while {} device TLBs before it "
                                 "had not answered",
                                 wait.seq, wait.devices.size()));
        }
        if (wait.page_drain && u.visible < wait.pages) {
            complain("queue.wait_passed_pages", record, iommu,
                     fmt::format("the wait of event {} completed while {} page requests before it "
                                 "were not in the queue yet",
                                 wait.seq, wait.pages - u.visible));
        }
    }

    void check_fence(const trace::EventRecord& record, std::uint32_t iommu, const char* what) {
        for (const Wait& wait : unit(iommu).waits) {
            if (wait.fence) {
                complain("queue.passed_fence", record, iommu,
                         fmt::format("{} behind the fence of event {} took effect before the "
                                     "fence's wait was done",
                                     what, wait.seq));
                return;
            }
        }
    }

    void on_device_request(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdDevTlbRequest, iommu);
        const std::uint32_t itag = IOASIM_U32(record, VtdDevTlbRequest, itag);
        check_fence(record, iommu, "a device-TLB invalidation");
        const bool fresh =
            unit(iommu).itags.emplace(itag, IOASIM_U32(record, VtdDevTlbRequest, rid)).second;
        if (!fresh) {
            complain("queue.itag_in_use", record, iommu,
                     fmt::format("ITag {} was given out while it was in use", itag));
        }
    }

    void on_device_done(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdDevTlbDone, iommu);
        const std::uint32_t itag = IOASIM_U32(record, VtdDevTlbDone, itag);
        Unit& u = unit(iommu);
        const auto found = u.itags.find(itag);
        if (found == u.itags.end() || found->second != IOASIM_U32(record, VtdDevTlbDone, rid)) {
            complain("queue.itag_in_use", record, iommu,
                     fmt::format("ITag {} was answered by a function that has not got it", itag));
            return;
        }
        u.itags.erase(found);
        // A time-out is no answer: the waits behind it stay unanswered.
        if (IOASIM_FIELD(record, VtdDevTlbDone, timeout) == 0) {
            for (Wait& wait : u.waits) {
                // What a device asked for before its answer is among what the wait waits for.
                if (wait.devices.erase(itag) != 0 && wait.devices.empty()) {
                    wait.pages = u.queued;
                }
            }
        }
    }

    void on_invalidation(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdInvalidation, iommu);
        if (IOASIM_U32(record, VtdInvalidation, kind) != kind_page_request_) {
            check_fence(record, iommu, "an invalidation");
            unit(iommu).invalidated = record.seq;
            return;
        }
        unit(iommu).drop = Drop{IOASIM_U32(record, VtdInvalidation, did),
                                IOASIM_U32(record, VtdInvalidation, pasid),
                                IOASIM_FIELD(record, VtdInvalidation, address),
                                IOASIM_FIELD(record, VtdInvalidation, bytes)};
    }

    void on_stop(const trace::EventRecord& record) {
        if (IOASIM_U32(record, VtdQueueStop, cause) == timeout_) {
            unit(IOASIM_U32(record, VtdQueueStop, iommu)).waits.clear();
        }
    }

    void on_page_request(const trace::EventRecord& record) {
        const std::uint32_t iommu = IOASIM_U32(record, VtdPageRequest, iommu);
        Unit& u = unit(iommu);
        if (IOASIM_FIELD(record, VtdPageRequest, queued) == 0) {
            return;
        }
        ++u.queued;
        const std::optional<Drop> drop = u.drop;
        u.drop.reset();
        const std::uint64_t address = IOASIM_FIELD(record, VtdPageRequest, address);
        if (!drop || (drop->bytes != 0 && drop->address != address)) {
            complain("queue.page_still_cached", record, iommu,
                     fmt::format("the page request for 0x{:x} was queued, but the page's "
                                 "translations were not dropped",
                                 address));
            return;
        }
        for (const Line& line : c_.facts.lines) {
            const bool of_space = line.count != 0 && line.iommu == iommu &&
                                  line.cache == cache_iotlb_ && line.did == drop->did &&
                                  line.pasid == drop->pasid;
            if (of_space && (drop->bytes == 0 ||
                             (address >= line.address && address - line.address < line.bytes))) {
                complain("queue.page_still_cached", record, iommu,
                         fmt::format("the page request for 0x{:x} was queued while a translation "
                                     "of the page was cached",
                                     address));
                return;
            }
        }
    }

    void on_translated(const trace::EventRecord& record) {
        if (free_flight_ == kNoFlight) {
            free_flight_ = static_cast<std::uint32_t>(flights_.size());
            flights_.emplace_back();
        }
        const std::uint32_t mine = free_flight_;
        free_flight_ = flights_[mine].next;
        flights_[mine] = {record.seq,
                          IOASIM_U32(record, VtdTranslated, iommu),
                          IOASIM_U32(record, VtdTranslated, rid),
                          IOASIM_U32(record, VtdTranslated, pasid),
                          IOASIM_FIELD(record, VtdTranslated, write) != 0,
                          kNoFlight};
        const std::uint64_t hpa = IOASIM_FIELD(record, VtdTranslated, hpa);
        std::uint32_t* place = in_flight_.find(hpa);
        if (place == nullptr) {
            in_flight_[hpa] = mine;
            return;
        }
        while (*place != kNoFlight) {
            place = &flights_[*place].next;
        }
        *place = mine;
    }

    // 6.5.2.3: whoever used an old translation has reached memory when the wait is done.
    void on_access(const trace::EventRecord& record) {
        const std::uint64_t hpa = IOASIM_FIELD(record, MemoryAccess, address);
        std::uint32_t* place = in_flight_.find(hpa);
        if (place == nullptr) {
            return;  // sent with a translated address
        }
        const bool only = flights_[*place].next == kNoFlight;
        const auto is_it = [&](const Flight& f) {
            return f.rid == IOASIM_U32(record, MemoryAccess, rid) &&
                   f.pasid == IOASIM_U32(record, MemoryAccess, pasid) &&
                   f.write == (IOASIM_FIELD(record, MemoryAccess, write) != 0);
        };
        while (*place != kNoFlight && !is_it(flights_[*place])) {
            place = &flights_[*place].next;
        }
        if (*place == kNoFlight) {
            return;
        }
        const std::uint32_t number = *place;
        const Flight flight = flights_[number];
        *place = flight.next;
        flights_[number].next = free_flight_;
        free_flight_ = number;
        if (only) {
            in_flight_.erase(hpa);
        }
        if (flight.seq < unit(flight.iommu).drained) {
            complain("queue.wait_passed_request", record, flight.iommu,
                     fmt::format("a request that was translated in event {} reached memory at "
                                 "0x{:x} after the wait behind a later invalidation was done",
                                 flight.seq, hpa));
        }
    }

    void on_page_queue(const trace::EventRecord& record) {
        Unit& u = unit(IOASIM_U32(record, VtdPrq, iommu));
        const std::uint32_t tail = IOASIM_U32(record, VtdPrq, tail);
        if (tail != u.tail && u.visible < u.queued) {
            ++u.visible;
            if (tail == IOASIM_U32(record, VtdPrq, head)) {
                complain("queue.tail_met_head", record, IOASIM_U32(record, VtdPrq, iommu),
                         fmt::format("a page request was queued and tail and head are both 0x{:x}: "
                                     "the queue looks empty",
                                     tail));
            }
        }
        u.tail = tail;
    }

    std::uint32_t kind_page_request_;
    std::uint32_t cache_iotlb_;
    std::uint32_t timeout_;
    std::map<std::uint32_t, Unit> units_;
    std::vector<Flight> flights_;  // with holes, which are chained
    std::uint32_t free_flight_ = kNoFlight;
    FlatMap<std::uint32_t> in_flight_;  // by host address: the earliest
};

}  // namespace

std::unique_ptr<Checker> make_queue_checker(const CheckerContext& context) {
    return std::make_unique<QueueChecker>(context);
}

}  // namespace ioasim::traces
