#include "traces/questions/blocked.hpp"

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = ~std::size_t{0};

}  // namespace

std::vector<std::string> why_blocked(const Scene& scene, std::size_t fault) {
    const EventLog& log = scene.log();
    const std::uint64_t pasid = LOG_FIELD(log, fault, VtdFault, pasid);
    const std::uint64_t rid = LOG_FIELD(log, fault, VtdFault, rid);
    std::size_t entry = kNever;  // the last change of the PASID entry
    std::size_t freed = kNever;
    std::size_t guest = kNever;  // the guest's own entry went
    for (std::size_t i = 0; i < fault; ++i) {
        if (log.is<trace::VtdPasidEntrySet>(i) &&
            LOG_FIELD(log, i, VtdPasidEntrySet, pasid) == pasid &&
            LOG_FIELD(log, i, VtdPasidEntrySet, rid) == rid) {
            entry = i;
            freed = guest = kNever;
        } else if (log.is<trace::VtdPasidEntryClear>(i) &&
                   LOG_FIELD(log, i, VtdPasidEntryClear, pasid) == pasid &&
                   LOG_FIELD(log, i, VtdPasidEntryClear, rid) == rid) {
            entry = i;
        } else if (log.is<trace::IoasidFreeCall>(i) &&
                   LOG_FIELD(log, i, IoasidFreeCall, ioasid) == pasid && freed == kNever &&
                   log.field_text(i, "result") == "0") {
            freed = i;
        } else if (log.is<trace::GuestPasidEntry>(i) &&
                   LOG_FIELD(log, i, GuestPasidEntry, present) == 0) {
            guest = i;
        }
    }
    std::vector<std::string> out;
    // A bare program writes its tables itself: the walk tells what it met.
    const bool bare = scene.hosts().empty();
    if (pasid == kNoId || (bare && entry == kNever)) {
        return out;
    }
    if (entry == kNever) {
        out.push_back(fmt::format("no driver ever made a PASID entry for PASID {} of {}", pasid,
                                  scene.device_of(rid)));
    } else if (log.is<trace::VtdPasidEntryClear>(entry)) {
        out.push_back(fmt::format("the PASID entry of {} was cleared at {}, {} before, {}", pasid,
                                  story_time(log.time(entry)),
                                  story_span(log.time(fault) - log.time(entry)),
                                  scene.causes().because(entry)));
    } else {
        out.push_back(
            fmt::format("the PASID entry of {} is live since {}: the tables behind it "
                        "do not allow the access",
                        pasid, story_time(log.time(entry))));
        if (guest != kNever) {
            out.push_back(fmt::format("a guest took a PASID entry of its own away at {}, {}",
                                      story_time(log.time(guest)), scene.causes().because(guest)));
        }
    }
    if (freed != kNever) {
        out.push_back(fmt::format("IOASID {} was freed at {}, {}", pasid,
                                  story_time(log.time(freed)), scene.causes().because(freed)));
    }
    return out;
}

}  // namespace ioasim::traces
