#include "traces/questions/requests.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

#include "core/trace/device_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = RequestFates::kNever;

class Fates {
public:
    Fates(const Scene& scene, const std::string& device, std::uint64_t descriptor,
          std::size_t record)
        : scene_(scene),
          log_(scene.log()),
          device_(device),
          descriptor_(descriptor),
          record_(record) {}

    RequestFates find() {
        for (std::size_t i = 0; i < log_.size(); ++i) {
            if (log_.is<trace::VtdRequest>(i)) {
                request(i);
            } else if (log_.is<trace::VtdTranslated>(i)) {
                translated(i);
            } else if (log_.is<trace::VtdTranslationCompletion>(i)) {
                answered(i);
            } else if (log_.is<trace::VtdFault>(i)) {
                fault(i);
            } else if (log_.is<trace::MemoryAccess>(i)) {
                access(i);
            }
        }
        return out_;
    }

private:
    // A translation has no descriptor: of equal requests the first one gets it, as requests of one
    // function stay in order.
    using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;
    struct Waiting {
        std::size_t event;
        bool own;
    };

    bool is_own(std::uint64_t descriptor, std::uint64_t rid) const {
        return descriptor == descriptor_ && scene_.device_of(rid) == device_;
    }
    void request(std::size_t i) {
        const std::uint64_t rid = LOG_FIELD(log_, i, VtdRequest, rid);
        const bool own = is_own(LOG_FIELD(log_, i, VtdRequest, descriptor), rid);
        const std::uint64_t address = LOG_FIELD(log_, i, VtdRequest, address);
        const std::uint64_t write = LOG_FIELD(log_, i, VtdRequest, write);
        waiting_[{rid, LOG_FIELD(log_, i, VtdRequest, pasid), address, write}].push_back({i, own});
        if (!own) {
            return;
        }
        out_.first = std::min(out_.first, i);
        out_.last = out_.end = i;
        ++out_.count;
        if (write != 0 && is_record(i, LOG_FIELD(log_, i, VtdRequest, length), address)) {
            record_request_ = i;  // the last one: writes do not pass each other
            record_target_ = address;
        }
    }
    // The device may know the address already: then only its place in the page is the same.
    bool is_record(std::size_t i, std::uint64_t length, std::uint64_t address) const {
        constexpr std::uint64_t kInPage = 0xFFF;
        return record_ != kNever && i > record_ &&
               length == LOG_FIELD(log_, record_, DsaAccess, length) &&
               ((address ^ LOG_FIELD(log_, record_, DsaAccess, address)) & kInPage) == 0;
    }
    void translated(std::size_t i) {
        const auto found = waiting_.find(
            {LOG_FIELD(log_, i, VtdTranslated, rid), LOG_FIELD(log_, i, VtdTranslated, pasid),
             LOG_FIELD(log_, i, VtdTranslated, address), LOG_FIELD(log_, i, VtdTranslated, write)});
        if (found == waiting_.end()) {
            return;
        }
        const Waiting first = found->second.front();
        take(found, 0);
        if (!first.own) {
            return;
        }
        ++(LOG_FIELD(log_, i, VtdTranslated, hit) != 0 ? out_.hits : out_.walks);
        out_.end = i;
        if (first.event == record_request_) {
            record_target_ = LOG_FIELD(log_, i, VtdTranslated, hpa);
        }
    }
    // What is refused with a fault has gone already.
    void answered(std::size_t i) {
        for (const std::uint64_t write : {std::uint64_t{0}, std::uint64_t{1}}) {
            const auto found =
                waiting_.find({LOG_FIELD(log_, i, VtdTranslationCompletion, rid),
                               LOG_FIELD(log_, i, VtdTranslationCompletion, pasid),
                               LOG_FIELD(log_, i, VtdTranslationCompletion, address), write});
            if (found != waiting_.end()) {
                const bool own = found->second.front().own;
                take(found, 0);
                out_.asked += own ? 1 : 0;
                out_.end = own ? i : out_.end;
                return;
            }
        }
    }
    void fault(std::size_t i) {
        const std::uint64_t rid = LOG_FIELD(log_, i, VtdFault, rid);
        if (!is_own(LOG_FIELD(log_, i, VtdFault, descriptor), rid)) {
            return;
        }
        const std::uint64_t write = LOG_FIELD(log_, i, VtdFault, write);
        const auto found = waiting_.find({rid, LOG_FIELD(log_, i, VtdFault, pasid),
                                          LOG_FIELD(log_, i, VtdFault, address), write});
        if (found == waiting_.end()) {
            return;
        }
        const auto own = std::find_if(found->second.begin(), found->second.end(),
                                      [](const Waiting& one) { return one.own; });
        if (own == found->second.end()) {
            return;
        }
        if (own->event == record_request_) {
            out_.record_blocked = i;
        }
        take(found, static_cast<std::size_t>(own - found->second.begin()));
        ++out_.blocked;
        out_.blocked_writes += write != 0 ? 1 : 0;
        out_.first_fault = std::min(out_.first_fault, i);
        out_.end = i;
    }
    void access(std::size_t i) {
        if (record_request_ != kNever && i > record_request_ && out_.record_in_memory == kNever &&
            LOG_FIELD(log_, i, MemoryAccess, write) != 0 &&
            LOG_FIELD(log_, i, MemoryAccess, address) == record_target_ &&
            is_own(LOG_FIELD(log_, i, MemoryAccess, descriptor),
                   LOG_FIELD(log_, i, MemoryAccess, rid))) {
            out_.record_in_memory = i;
        }
    }
    void take(std::map<Key, std::deque<Waiting>>::iterator from, std::size_t place) {
        from->second.erase(from->second.begin() + static_cast<std::ptrdiff_t>(place));
        if (from->second.empty()) {
            waiting_.erase(from);
        }
    }

    const Scene& scene_;
    const EventLog& log_;
    const std::string& device_;
    std::uint64_t descriptor_;
    std::size_t record_;
    std::size_t record_request_ = kNever;
    std::uint64_t record_target_ = 0;
    std::map<Key, std::deque<Waiting>> waiting_;
    RequestFates out_;
};

}  // namespace

RequestFates request_fates(const Scene& scene, const std::string& device, std::uint64_t descriptor,
                           std::size_t record) {
    return Fates(scene, device, descriptor, record).find();
}

}  // namespace ioasim::traces
