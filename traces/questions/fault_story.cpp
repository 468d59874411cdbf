// What became of a blocked request, or of a page request: from the access that the tables do not
// allow through the queue, the kernels and their answer to what the device made of it.
#include <algorithm>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/questions/blocked.hpp"
#include "traces/questions/faults.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = ~std::size_t{0};

class FaultTale {
public:
    FaultTale(const Scene& scene, std::size_t event)
        : scene_(scene), log_(scene.log()), at_(event) {
        rid_ = value(event, "rid");
        pasid_ = value(event, "pasid");
        address_ = value(event, "address");
        device_ = scene.device_of(rid_);
    }

    void tell_blocked(Story& out) {
        const std::uint64_t descriptor = LOG_FIELD(log_, at_, VtdFault, descriptor);
        before_request(descriptor);
        const bool write = LOG_FIELD(log_, at_, VtdFault, write) != 0;
        const bool recorded = LOG_FIELD(log_, at_, VtdFault, recorded) != 0;
        const bool suppressed = LOG_FIELD(log_, at_, VtdFault, suppressed) != 0;
        add(at_,
            fmt::format("the {} is blocked: reason {}; {}", write ? "write" : "read",
                        log_.field_text(at_, "reason"),
                        recorded     ? "it stands in a fault record"
                        : suppressed ? "not recorded: an entry suppresses it (FPD)"
                                     : "not recorded"),
            Role::Iommu, Role::Device, "blocked " + log_.field_text(at_, "reason"))
            .alarm = true;
        behind_fault(descriptor, recorded);
        out.answers.push_back(
            fmt::format("{} {} {} with PASID {}: blocked, reason {} (`ioasim explain fault {}`)",
                        device_, write ? "writes to" : "reads", log_.field_text(at_, "address"),
                        log_.field_text(at_, "pasid"), log_.field_text(at_, "reason"),
                        log_.field_text(at_, "reason")));
        for (std::string& line : why_blocked(scene_, at_)) {
            out.answers.push_back(std::move(line));
        }
        if (dispatched_) {
            out.answers.push_back(fmt::format(
                "--descriptor {} --device {} tells the rest of its way", descriptor, device_));
        }
        finish(out);
    }

    void tell_page_request(Story& out) {
        group_ = LOG_FIELD(log_, at_, VtdPageRequest, group);
        find_first();
        for (std::size_t i = first_; i < log_.size() && !ended_; ++i) {
            look(i);
        }
        answer_page_request(out);
        finish(out);
    }

private:
    std::uint64_t value(std::size_t i, std::string_view field) const {
        const std::size_t at = log_.info(i).field(field);
        return at < log_.info(i).fields.size() ? log_.value(i, at) : kNoId;
    }
    Moment& add(std::size_t i, std::string text, Role from, Role to, std::string label) {
        Moment m = scene_.moment(i, std::move(text));
        m.from = from;
        m.to = to;
        m.label = std::move(label);
        moments_.push_back(std::move(m));
        events_.push_back(i);
        return moments_.back();
    }

    // --- a blocked request ----------------------------------------------------------------------

    void before_request(std::uint64_t descriptor) {
        const std::size_t request = find_request(descriptor);
        std::size_t start = kNever;
        for (std::size_t i = 0; i < at_ && start == kNever; ++i) {
            if (log_.is<trace::DsaDispatch>(i) &&
                LOG_FIELD(log_, i, DsaDispatch, descriptor) == descriptor &&
                LOG_TEXT(log_, i, DsaDispatch, device) == device_) {
                start = i;
            }
        }
        if (start != kNever) {
            dispatched_ = true;
            add(start,
                fmt::format("{} works on descriptor {} ({})",
                            LOG_TEXT(log_, start, DsaDispatch, engine), descriptor,
                            LOG_TEXT(log_, start, DsaDispatch, op)),
                Role::Device, Role::Device, LOG_TEXT(log_, start, DsaDispatch, op));
        }
        if (request == kNever) {
            return;
        }
        add(request,
            fmt::format("a request arrives: {} of {} bytes at {}, PASID {}",
                        LOG_FIELD(log_, request, VtdRequest, write) != 0 ? "write" : "read",
                        LOG_FIELD(log_, request, VtdRequest, length),
                        log_.field_text(request, "address"), log_.field_text(request, "pasid")),
            Role::Device, Role::Iommu,
            LOG_FIELD(log_, request, VtdRequest, write) != 0 ? "write" : "read");
        walk_of(request);
    }
    std::size_t find_request(std::uint64_t descriptor) const {
        for (std::size_t i = at_; i-- > 0;) {
            if (log_.is<trace::VtdRequest>(i) && LOG_FIELD(log_, i, VtdRequest, rid) == rid_ &&
                LOG_FIELD(log_, i, VtdRequest, address) == address_ &&
                LOG_FIELD(log_, i, VtdRequest, pasid) == pasid_ &&
                LOG_FIELD(log_, i, VtdRequest, write) == LOG_FIELD(log_, at_, VtdFault, write) &&
                LOG_FIELD(log_, i, VtdRequest, descriptor) == descriptor) {
                return i;
            }
        }
        return kNever;
    }
    // Reads of walks name the PASID only. Whose they are is known when no other request of it was
    // under way; otherwise of one that the fault follows at once.
    void walk_of(std::size_t request) {
        const bool alone = is_alone(request);
        std::uint64_t others = 0;
        for (std::size_t i = request + 1; i < at_; ++i) {
            if (!log_.is<trace::VtdWalkRead>(i) ||
                LOG_FIELD(log_, i, VtdWalkRead, pasid) != pasid_) {
                continue;
            }
            if (!alone && (i + 1 != at_ || log_.time(i) != log_.time(at_))) {
                ++others;
                continue;
            }
            add(i,
                fmt::format("the walk reads {} at {}: {}", LOG_TEXT(log_, i, VtdWalkRead, table),
                            log_.field_text(i, "address"), log_.field_text(i, "value")),
                Role::Memory, Role::Iommu, LOG_TEXT(log_, i, VtdWalkRead, table));
        }
        if (others != 0) {
            moments_.back().text += fmt::format(
                "; {} under this PASID before it, which of them for this request is "
                "not told",
                plural(others, "table read"));
        }
    }
    bool is_alone(std::size_t request) const {
        std::int64_t open = 0;  // other requests of the PASID
        for (std::size_t i = 0; i < at_; ++i) {
            if (value(i, "pasid") != pasid_) {
                continue;
            }
            if (log_.is<trace::VtdRequest>(i) && i != request) {
                ++open;
            } else if (log_.is<trace::VtdTranslated>(i) || log_.is<trace::VtdFault>(i) ||
                       log_.is<trace::VtdTranslationCompletion>(i)) {
                open -= open > 0 ? 1 : 0;
            }
            if (i >= request && open > 0) {
                return false;
            }
        }
        return true;
    }

    void behind_fault(std::uint64_t descriptor, bool recorded) {
        for (std::size_t i = at_ + 1; i < log_.size() && !ended_; ++i) {
            if (log_.is<trace::VtdEventMessage>(i) && recorded) {
                recorded = false;
                add(i, "the unit tells it by an interrupt", Role::Iommu, Role::Kernel, "interrupt");
            } else if (log_.is<trace::DsaFault>(i) &&
                       LOG_FIELD(log_, i, DsaFault, descriptor) == descriptor &&
                       LOG_FIELD(log_, i, DsaFault, address) == address_ &&
                       LOG_FIELD(log_, i, DsaFault, write) ==
                           LOG_FIELD(log_, at_, VtdFault, write) &&
                       LOG_TEXT(log_, i, DsaFault, device) == device_) {
                add(i, "the device learns that its access failed", Role::Device, Role::Device,
                    "fault");
            } else if (log_.is<trace::DsaComplete>(i) &&
                       LOG_FIELD(log_, i, DsaComplete, descriptor) == descriptor &&
                       LOG_TEXT(log_, i, DsaComplete, device) == device_) {
                ended_ = true;
                const std::string how = LOG_TEXT(log_, i, DsaComplete, how);
                add(i,
                    fmt::format("descriptor {} ends with status {:#x} ({})", descriptor,
                                LOG_FIELD(log_, i, DsaComplete, status),
                                how == "record" ? "it sends its record" : how),
                    Role::Device, Role::Memory, how);
            } else if (log_.is<trace::RequesterDone>(i) &&
                       LOG_FIELD(log_, i, RequesterDone, descriptor) == descriptor &&
                       LOG_TEXT(log_, i, RequesterDone, device) == device_) {
                ended_ = true;
                add(i, "the operation ends: " + LOG_TEXT(log_, i, RequesterDone, outcome),
                    Role::Device, Role::Device, LOG_TEXT(log_, i, RequesterDone, outcome));
            }
        }
    }

    // --- a page request -------------------------------------------------------------------------

    bool same_group(std::size_t i) const {
        return value(i, "group") == group_ && (value(i, "pasid") == pasid_ || is_guest_pasid(i));
    }
    bool is_guest_pasid(std::size_t i) const {
        return gpasid_ != kNoId && value(i, "pasid") == gpasid_;
    }
    // Back to the access that met no translation.
    void find_first() {
        first_ = at_;
        constexpr std::size_t kFarBack = 4000;
        for (std::size_t i = at_; i-- > 0 && at_ - i < kFarBack;) {
            if (log_.is<trace::VtdRequest>(i) && LOG_FIELD(log_, i, VtdRequest, rid) == rid_ &&
                LOG_FIELD(log_, i, VtdRequest, address) == address_ &&
                LOG_FIELD(log_, i, VtdRequest, pasid) == pasid_) {
                first_ = i;
                return;
            }
        }
    }

    void look(std::size_t i) {
        if (i == first_ && log_.is<trace::VtdRequest>(i)) {
            add(i,
                fmt::format("{} asks for the translation of {}, PASID {}", device_,
                            log_.field_text(i, "address"), log_.field_text(i, "pasid")),
                Role::Device, Role::Iommu, "translate");
        } else if (log_.is<trace::VtdTranslationCompletion>(i) && value(i, "pasid") == pasid_ &&
                   value(i, "rid") == rid_ && value(i, "address") == address_) {
            translation(i);
        } else if (log_.is<trace::RequesterPageGroup>(i) && i < at_ && same_group(i)) {
            add(i,
                fmt::format("{} asks for {}", device_,
                            plural(LOG_FIELD(log_, i, RequesterPageGroup, requests), "page")),
                Role::Device, Role::Iommu, "page request");
        } else if (i == at_) {
            const bool queued = LOG_FIELD(log_, i, VtdPageRequest, queued) != 0;
            add(i,
                fmt::format(
                    "the page request for {} ({}, group {}) {}", log_.field_text(i, "address"),
                    LOG_FIELD(log_, i, VtdPageRequest, write) != 0 ? "write" : "read", group_,
                    queued ? "goes into the page-request queue"
                           : "finds no room in the page-request queue"),
                Role::Iommu, Role::Memory, "PRQ")
                .alarm = !queued;
        } else if (i > at_) {
            handled(i);
        }
    }

    void translation(std::size_t i) {
        const bool none = LOG_FIELD(log_, i, VtdTranslationCompletion, read) == 0 &&
                          LOG_FIELD(log_, i, VtdTranslationCompletion, write) == 0;
        add(i,
            none ? "no translation: the page is not there"
                 : fmt::format("translated: {}", log_.field_text(i, "hpa")),
            Role::Iommu, Role::Device, none ? "not present" : "translated");
        if (answered_ != kNever && i > answered_) {
            ended_ = true;
            outcome_ =
                none ? "and the page is missing still" : "and the device has its translation";
        }
    }

    void handled(std::size_t i) {
        if (log_.is<trace::VtdEventMessage>(i) && !told_) {
            told_ = true;
            add(i, "the unit interrupts a processor", Role::Iommu, Role::Kernel, "interrupt");
        } else if (log_.is<trace::IopfGroup>(i) && same_group(i)) {
            group_at_ = group_at_ == kNever ? i : group_at_;
            add(i,
                fmt::format("the fault handler has the whole group: {}",
                            plural(LOG_FIELD(log_, i, IopfGroup, pages), "page")),
                handler(i), handler(i), "group");
        } else if (log_.is<trace::IopfForward>(i) && same_group(i)) {
            gpasid_ = LOG_FIELD(log_, i, IopfForward, gpasid);
            add(i,
                fmt::format(
                    "forwarded to the VMM of {}, as PASID {}: {}",
                    LOG_TEXT(log_, i, IopfForward, vm), log_.field_text(i, "gpasid"),
                    log_.field_text(i, "result") == "0" ? "done" : log_.field_text(i, "result")),
                Role::Kernel, Role::Vmm, "forward");
        } else if (log_.is<trace::VmPageRequest>(i) && same_group(i)) {
            add(i, "the VMM puts it into the virtual page-request queue", Role::Vmm, Role::Guest,
                "virtual PRQ");
        } else if (log_.is<trace::IopfFault>(i) &&
                   page_of(value(i, "address")) == page_of(address_)) {
            add(i,
                fmt::format("handled with the address space of {}: {}",
                            LOG_TEXT(log_, i, IopfFault, process),
                            LOG_TEXT(log_, i, IopfFault, outcome)),
                handler(i), handler(i), LOG_TEXT(log_, i, IopfFault, outcome));
        } else if (log_.is<trace::IopfTimeout>(i) && same_group(i)) {
            add(i, "nobody answered in time", Role::Kernel, Role::Kernel, "time-out").alarm = true;
        } else if (log_.is<trace::IopfResponse>(i) && same_group(i)) {
            // The kernel's of the device: a guest's answer reaches it through that one.
            if (answered_ == kNever && value(i, "pasid") == pasid_) {
                response_ = i;
            } else if (answered_ != kNever) {
                late_ = i;
            }
            add(i,
                fmt::format("the answer: {} ({})", LOG_TEXT(log_, i, IopfResponse, code),
                            LOG_TEXT(log_, i, IopfResponse, why)),
                handler(i), handler(i) == Role::Guest ? Role::Vmm : Role::Iommu,
                LOG_TEXT(log_, i, IopfResponse, code));
        } else if (log_.is<trace::VmPageResponse>(i) && same_group(i)) {
            add(i,
                fmt::format("the VMM takes the guest's answer for host PASID {}",
                            log_.field_text(i, "host_pasid")),
                Role::Vmm, Role::Kernel, "answer");
        } else if (log_.is<trace::VtdPageResponse>(i) && same_group(i)) {
            answered_ = answered_ == kNever ? i : answered_;
            add(i,
                fmt::format("the unit answers the device: code {}{}",
                            LOG_FIELD(log_, i, VtdPageResponse, code),
                            LOG_FIELD(log_, i, VtdPageResponse, automatic) != 0
                                ? ", by itself: no software saw the request"
                                : ""),
                Role::Iommu, Role::Device,
                fmt::format("code {}", LOG_FIELD(log_, i, VtdPageResponse, code)));
        } else if (log_.is<trace::RunInject>(i) && answered_ != kNever && lost_ == kNever &&
                   LOG_TEXT(log_, i, RunInject, fault) == "pcie.page_response_lost" &&
                   is_of_answer(i)) {
            lost_ = i;
            add(i, "this answer is lost on its way to the device", Role::Iommu, Role::Device,
                "lost")
                .alarm = true;
        } else if (log_.is<trace::RequesterPageAnswer>(i) && value(i, "group") == group_ &&
                   answered_ != kNever &&
                   LOG_TEXT(log_, i, RequesterPageAnswer, device) == device_) {
            const std::string& meaning = LOG_TEXT(log_, i, RequesterPageAnswer, meaning);
            add(i, fmt::format("the device has its answer: {}", meaning), Role::Device,
                Role::Device, meaning);
            ended_ = meaning != "retry";
            outcome_ = "the device: " + meaning;
        } else if (log_.is<trace::VtdPageRequest>(i) && same_group(i) && value(i, "rid") == rid_ &&
                   answered_ != kNever) {
            ended_ = true;  // the index is used again
        }
    }
    // What is lost has no group: it is this answer when no other was on its way to the device.
    bool is_of_answer(std::size_t inject) const {
        std::int64_t under_way = 0;
        for (std::size_t i = 0; i < inject; ++i) {
            const bool sent = log_.is<trace::VtdPageResponse>(i) && value(i, "rid") == rid_;
            const bool came = log_.is<trace::RequesterPageAnswer>(i) &&
                              LOG_TEXT(log_, i, RequesterPageAnswer, device) == device_;
            if (sent && i > answered_) {
                return false;
            }
            under_way = i == answered_ ? under_way : under_way + (sent ? 1 : 0);
            under_way -= came && under_way > 0 ? 1 : 0;
        }
        const std::string& target = LOG_TEXT(log_, inject, RunInject, target);
        return under_way == 0 && (target == device_ || (target.empty() && is_only_answer(inject)));
    }
    // No answer to whichever device came after this one.
    bool is_only_answer(std::size_t before) const {
        for (std::size_t i = answered_ + 1; i < before; ++i) {
            if (log_.is<trace::VtdPageResponse>(i)) {
                return false;
            }
        }
        return true;
    }
    Role handler(std::size_t i) const {
        const Role role = scene_.role_of(i);
        return role == Role::Guest || role == Role::Vmm ? role : Role::Kernel;
    }
    static std::uint64_t page_of(std::uint64_t address) {
        constexpr unsigned kPageBits = 12;  // the smallest page: what a request asks for
        return address >> kPageBits;
    }

    void answer_page_request(Story& out) const {
        std::string line =
            fmt::format("{} asks for page {} under PASID {}: ", device_,
                        log_.field_text(at_, "address"), log_.field_text(at_, "pasid"));
        if (answered_ == kNever) {
            out.answers.push_back(line + "never answered in this trace");
            return;
        }
        line += fmt::format("answered {} later", story_span(log_.time(answered_) - log_.time(at_)));
        if (response_ != kNever) {
            line += fmt::format(", {} ({})", LOG_TEXT(log_, response_, IopfResponse, code),
                                LOG_TEXT(log_, response_, IopfResponse, why));
        } else {
            line += fmt::format(", code {}{}", LOG_FIELD(log_, answered_, VtdPageResponse, code),
                                LOG_FIELD(log_, answered_, VtdPageResponse, automatic) != 0
                                    ? " by the unit itself"
                                    : "");
        }
        out.answers.push_back(line + (lost_ != kNever    ? "; this answer was lost on its way"
                                      : outcome_.empty() ? ""
                                                         : ", " + outcome_));
        if (late_ != kNever) {
            out.answers.push_back(
                fmt::format("{} by {} came {} after that: too late, the device had its answer",
                            LOG_TEXT(log_, late_, IopfResponse, code), log_.source_text(late_),
                            story_span(log_.time(late_) - log_.time(answered_))));
        }
    }

    void finish(Story& out) {
        span(out, "until software has the group", at_, group_at_);
        span(out, "from there to its answer", group_at_, response_);
        span(out, "from the answer to the device's", response_, answered_);
        if (events_.size() > 1) {
            span(out, "all of it", events_.front(), events_.back());
        }
        out.device = device_;
        out.moments = std::move(moments_);
    }

    void span(Story& out, const char* what, std::size_t from, std::size_t to) const {
        if (from != kNever && to != kNever && log_.time(from) <= log_.time(to)) {
            out.durations.push_back({what, log_.time(to) - log_.time(from)});
        }
    }

    const Scene& scene_;
    const EventLog& log_;
    std::size_t at_;
    std::uint64_t rid_ = 0;
    std::uint64_t pasid_ = 0;
    std::uint64_t gpasid_ = kNoId;
    std::uint64_t address_ = 0;
    std::uint64_t group_ = 0;
    std::string device_;
    std::string outcome_;
    std::size_t first_ = 0;
    std::size_t group_at_ = kNever;
    std::size_t response_ = kNever;
    std::size_t answered_ = kNever;
    std::size_t late_ = kNever;  // an answer of software behind the unit's
    std::size_t lost_ = kNever;  // the fault from outside that took the unit's answer
    bool dispatched_ = false;    // an accelerator worked on a descriptor
    bool told_ = false;
    bool ended_ = false;
    std::vector<Moment> moments_;
    std::vector<std::size_t> events_;
};

}  // namespace

std::vector<std::size_t> faults_of(const EventLog& log) {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (log.is<trace::VtdFault>(i) ||
            (log.is<trace::VtdPageRequest>(i) && LOG_FIELD(log, i, VtdPageRequest, last) != 0)) {
            out.push_back(i);
        }
    }
    return out;
}

QuestionError fault_story(const Scene& scene, const Wanted& wanted, Story& out) {
    const std::vector<std::size_t> faults = faults_of(scene.log());
    if (wanted.number > faults.size()) {
        return {fmt::format("there is no fault {}", wanted.number),
                faults.empty() ? std::string("no request was blocked, no page was asked for")
                               : fmt::format("they are numbered from 1 to {}", faults.size())};
    }
    const std::size_t at = faults[wanted.number - 1];
    const bool blocked = scene.log().is<trace::VtdFault>(at);
    out.title = fmt::format("fault {} of {}: {}", wanted.number, faults.size(),
                            blocked ? "a blocked request" : "a page request");
    FaultTale tale(scene, at);
    if (blocked) {
        tale.tell_blocked(out);
    } else {
        tale.tell_page_request(out);
    }
    return {};
}

}  // namespace ioasim::traces
