#include "traces/questions/traffic.hpp"

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {
namespace {

std::string plural_of(std::uint64_t count, const std::string& one, const std::string& many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

void append(std::string& out, const std::string& part) {
    out += (out.empty() ? "" : ", ") + part;
}

}  // namespace

bool Traffic::add(std::size_t i) {
    const EventLog& log = scene_.log();
    if (log.is<trace::DsaEnqueue>(i)) {
        const bool accepted = LOG_FIELD(log, i, DsaEnqueue, accepted) != 0;
        where_.insert(LOG_TEXT(log, i, DsaEnqueue, device) + "/" +
                      LOG_TEXT(log, i, DsaEnqueue, wq));
        accepted_ += accepted ? 1 : 0;
        all_accepted_ += accepted ? 1 : 0;
        retries_ += accepted ? 0 : 1;
    } else if (log.is<trace::DsaComplete>(i)) {
        const std::string& how = LOG_TEXT(log, i, DsaComplete, how);
        const std::uint64_t status = LOG_FIELD(log, i, DsaComplete, status);
        where_.insert(LOG_TEXT(log, i, DsaComplete, device) + "/" +
                      LOG_TEXT(log, i, DsaComplete, wq));
        if (status == 1 && (how == "record" || how == "none")) {
            ++completed_;
        } else {
            ++ended_[how == "abort" || how == "lost" ? how : fmt::format("status {:#x}", status)];
            ++all_failed_;
        }
    } else if (log.is<trace::CpuEnqcmd>(i)) {
        const std::string outcome = log.field_text(i, "outcome");
        if (outcome != "accepted" && outcome != "retry") {
            ++refused_[outcome == "gp" ? "#GP" : outcome];
        } else {
            return true;  // its queue tells of it
        }
    } else if (log.is<trace::VtdFault>(i)) {
        ++blocked_[log.field_text(i, "reason")];
        ++all_blocked_;
        where_.insert(scene_.device_of(LOG_FIELD(log, i, VtdFault, rid)));
    } else if (log.is<trace::VtdPageRequest>(i)) {
        ++page_requests_;
        where_.insert(scene_.device_of(LOG_FIELD(log, i, VtdPageRequest, rid)));
    } else if (log.is<trace::RequesterStart>(i)) {
        ++operations_;
        where_.insert(LOG_TEXT(log, i, RequesterStart, device));
    } else if (log.is<trace::MemoryAccess>(i)) {
        ++accesses_;
    } else {
        // Parts of the same, or too fine for a life.
        const trace::EventInfo& info = log.info(i);
        return info.category == trace::Category::Vtd
                   ? log.is<trace::VtdRequest>(i) || log.is<trace::VtdTranslated>(i) ||
                         log.is<trace::VtdFill>(i) || log.is<trace::VtdDrop>(i) ||
                         log.is<trace::VtdTranslationCompletion>(i) ||
                         log.is<trace::VtdTranslationEntry>(i) || log.is<trace::VtdPageResponse>(i)
                   : info.category == trace::Category::VtdWalk ||
                         (info.category == trace::Category::Dsa && !log.is<trace::DsaWqState>(i)) ||
                         log.is<trace::MemoryAccess>(i);
    }
    for (const std::string& place : where_) {
        devices_.insert(place.substr(0, place.find('/')));
    }
    if (!first_) {
        first_ = i;
    }
    last_ = i;
    return true;
}

std::string Traffic::text() const {
    std::string out;
    if (accepted_ != 0) {
        append(out, plural_of(accepted_, "descriptor", "descriptors") + " accepted");
    }
    if (operations_ != 0) {
        append(out, plural_of(operations_, "operation", "operations"));
    }
    if (retries_ != 0) {
        append(out, plural_of(retries_, "retry", "retries"));
    }
    for (const auto& [what, count] : refused_) {
        append(out, fmt::format("{} ENQCMD ended with {}", count, what));
    }
    if (completed_ != 0) {
        append(out, fmt::format("{} completed", completed_));
    }
    for (const auto& [how, count] : ended_) {
        append(out, fmt::format("{} ended with {}", count, how));
    }
    if (page_requests_ != 0) {
        append(out, plural_of(page_requests_, "page request", "page requests"));
    }
    for (const auto& [reason, count] : blocked_) {
        append(out, plural_of(count, "request", "requests") + " blocked (reason " + reason + ")");
    }
    if (accesses_ != 0) {
        append(out, plural_of(accesses_, "access", "accesses") + " to memory");
    }
    return out;
}

Moment Traffic::take() {
    Moment out = scene_.moment(*first_, text());
    out.why.clear();
    out.who.clear();
    for (const std::string& part : where_) {
        out.who += (out.who.empty() ? "" : ", ") + part;
    }
    if (out.who.empty()) {
        out.who = scene_.log().source_text(*first_);
    }
    out.took = scene_.log().time(last_) - out.time;
    std::uint64_t blocked = 0;
    for (const auto& [reason, count] : blocked_) {
        blocked += count;
    }
    if (accepted_ + retries_ != 0) {
        out.from = Role::App;
        out.to = Role::Device;
        out.label = plural_of(accepted_ + retries_, "ENQCMD", "ENQCMDs");
        if (blocked != 0) {
            out.label += fmt::format(", {} blocked", blocked);
        }
    } else if (blocked != 0 || page_requests_ != 0) {
        out.from = Role::Device;
        out.to = Role::Iommu;
        out.label = blocked != 0 ? fmt::format("{} blocked", blocked)
                                 : plural_of(page_requests_, "page request", "page requests");
    }
    clear();
    return out;
}

void Traffic::clear() {
    first_.reset();
    where_.clear();
    accepted_ = retries_ = completed_ = accesses_ = page_requests_ = operations_ = 0;
    ended_.clear();
    refused_.clear();
    blocked_.clear();
}

bool Traffic::tells() const {
    return accepted_ + retries_ + completed_ + page_requests_ + operations_ != 0 ||
           !ended_.empty() || !refused_.empty() || !blocked_.empty();
}

}  // namespace ioasim::traces
