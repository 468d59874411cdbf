// The way of a descriptor: from the instruction through queue, engine, translation and data to its
// record.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/questions/blocked.hpp"
#include "traces/questions/requests.hpp"
#include "traces/questions/stories.hpp"

namespace ioasim::traces {
namespace {

constexpr std::size_t kNever = ~std::size_t{0};

// Accesses for one operand, all in one line.
struct Run {
    std::size_t first = kNever;
    std::size_t last = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;  // translated from a cache
    void add(std::size_t event, std::uint64_t length) {
        first = first == kNever ? event : first;
        last = event;
        ++count;
        bytes += length;
    }
};

class DescriptorTale {
public:
    DescriptorTale(const Scene& scene, std::string device, std::uint64_t number)
        : scene_(scene), log_(scene.log()), device_(std::move(device)), number_(number) {}

    bool tell(Story& out) {
        find_ends();
        if (accepted_ == kNever) {
            return false;
        }
        for (std::size_t i = first_; i <= last_; ++i) {
            look(i);
        }
        finish(out);
        return true;
    }

private:
    void find_ends() {
        for (std::size_t i = 0; i < log_.size(); ++i) {
            if (log_.is<trace::DsaEnqueue>(i) && of_device(i)) {
                enqueue(i);
            } else if (log_.is<trace::CpuEnqcmd>(i) && accepted_ != kNever &&
                       submitted_ == kNever &&
                       LOG_FIELD(log_, i, CpuEnqcmd, descriptor) == number_ &&
                       LOG_FIELD(log_, i, CpuEnqcmd, pasid) == pasid_) {
                submitted_ = i;
            } else if (log_.is<trace::DsaComplete>(i) && is_it(i)) {
                completed_ = i;
            } else {
                interrupt(i);
            }
        }
        first_ = accepted_;
        // What it wrote is posted: requests arrive behind its end.
        for (std::size_t i = completed_ == kNever ? log_.size() : completed_ + 1; i < log_.size();
             ++i) {
            last_ = log_.is<trace::VtdRequest>(i) && is_its_request(i) ? i : last_;
        }
        last_ = completed_ == kNever
                    ? log_.size() - 1
                    : std::max({last_, completed_, or_0(submitted_), or_0(handled_)});
    }
    // Messages have no number: the handler is that of this descriptor when no other message of the
    // device was on its way.
    void interrupt(std::size_t i) {
        if (log_.is<trace::DsaInterrupt>(i) && of_device(i)) {
            interrupt_ = is_it(i) ? i : interrupt_;
            alone_ = is_it(i) && messages_ == 0;
            messages_ += LOG_FIELD(log_, i, DsaInterrupt, pending) != 0 ? 0 : 1;
        } else if (log_.is<trace::CpuInterrupt>(i) &&
                   scene_.device_of(LOG_FIELD(log_, i, CpuInterrupt, rid)) == device_) {
            handled_ = alone_ ? i : handled_;
            alone_ = false;
            messages_ -= messages_ == 0 ? 0 : 1;
        }
    }
    static std::size_t or_0(std::size_t event) { return event == kNever ? 0 : event; }
    void enqueue(std::size_t i) {
        const bool accepted = LOG_FIELD(log_, i, DsaEnqueue, accepted) != 0;
        if (accepted_ != kNever) {
            return;
        }
        if (accepted && LOG_FIELD(log_, i, DsaEnqueue, descriptor) == number_) {
            accepted_ = i;
            pasid_ = LOG_FIELD(log_, i, DsaEnqueue, pasid);
            const auto tries = retries_.find(pasid_);
            refused_before_ = tries == retries_.end() ? 0 : tries->second;
        }
        std::uint64_t& tries = retries_[LOG_FIELD(log_, i, DsaEnqueue, pasid)];
        tries = accepted ? 0 : tries + 1;
    }
    bool of_device(std::size_t i) const { return log_.field_text(i, "device") == device_; }
    bool is_it(std::size_t i) const {
        const trace::EventInfo& info = log_.info(i);
        const std::size_t field = info.field("descriptor");
        return field < info.fields.size() && log_.value(i, field) == number_ && of_device(i);
    }
    // Of the unit or of memory, for the device's descriptor.
    bool is_its_request(std::size_t i) const {
        const trace::EventInfo& info = log_.info(i);
        const std::size_t field = info.field("descriptor");
        const std::size_t rid = info.field("rid");
        return field < info.fields.size() && rid < info.fields.size() &&
               log_.value(i, field) == number_ && scene_.device_of(log_.value(i, rid)) == device_;
    }

    Moment& add(std::size_t i, std::string text, Role from, Role to, std::string label) {
        Moment m = scene_.moment(i, std::move(text));
        m.from = from;
        m.to = to;
        m.label = std::move(label);
        moments_.push_back(std::move(m));
        return moments_.back();
    }

    void look(std::size_t i) {
        if (i == accepted_) {
            add(i,
                fmt::format("accepted into {} as number {} under PASID {}: {} in the queue",
                            LOG_TEXT(log_, i, DsaEnqueue, wq), number_, log_.field_text(i, "pasid"),
                            LOG_FIELD(log_, i, DsaEnqueue, occupancy)),
                Role::Device, Role::Device, "accepted");
        } else if (log_.is<trace::DsaDispatch>(i) && is_it(i)) {
            dispatched_ = i;
            const std::string& engine = LOG_TEXT(log_, i, DsaDispatch, engine);
            Moment& m = add(i,
                            engine.empty() ? "dropped out of its queue by an abort or reset"
                                           : fmt::format("{} takes it: {}", engine,
                                                         LOG_TEXT(log_, i, DsaDispatch, op)),
                            Role::Device, Role::Device, LOG_TEXT(log_, i, DsaDispatch, op));
            m.alarm = engine.empty();
        } else if (log_.is<trace::DsaAccess>(i) && is_it(i)) {
            if (LOG_TEXT(log_, i, DsaAccess, purpose) == "completion") {
                record_ = i;  // the last one: entries of a batch have theirs before
            }
            accesses_[LOG_TEXT(log_, i, DsaAccess, purpose)].add(
                i, LOG_FIELD(log_, i, DsaAccess, length));
        } else if (log_.is<trace::DsaLookup>(i) && is_it(i)) {
            Run& run = lookups_[LOG_TEXT(log_, i, DsaLookup, operand)];
            run.add(i, 0);
            run.hits += LOG_FIELD(log_, i, DsaLookup, hit);
            if (LOG_FIELD(log_, i, DsaLookup, hit) == 0) {
                missed_.insert(page_of(LOG_FIELD(log_, i, DsaLookup, address)));
            }
        } else if (log_.is<trace::RequesterPageGroup>(i) && of_device(i) && of_pasid(i) &&
                   missed_.count(page_of(LOG_FIELD(log_, i, RequesterPageGroup, address))) != 0) {
            add(i, fmt::format("asks for the page at {}", log_.field_text(i, "address")),
                Role::Device, Role::Iommu, "page request");
            group_ = LOG_FIELD(log_, i, RequesterPageGroup, group);
        } else if (log_.is<trace::RequesterPageAnswer>(i) && of_device(i) && group_ &&
                   LOG_FIELD(log_, i, RequesterPageAnswer, group) == *group_) {
            add(i,
                fmt::format("the answer to its page request: {}",
                            LOG_TEXT(log_, i, RequesterPageAnswer, meaning)),
                Role::Iommu, Role::Device, LOG_TEXT(log_, i, RequesterPageAnswer, meaning));
        } else if (i == interrupt_) {
            const bool pending = LOG_FIELD(log_, i, DsaInterrupt, pending) != 0;
            add(i,
                fmt::format(
                    "{} {} {}",
                    LOG_FIELD(log_, i, DsaInterrupt, stored) != 0
                        ? "entry of interrupt message storage"
                        : "vector",
                    LOG_FIELD(log_, i, DsaInterrupt, vector),
                    pending ? "is masked: its interrupt stays pending" : "sends its interrupt"),
                Role::Device, Role::Kernel, pending ? "pending" : "interrupt");
        } else if (i == handled_) {
            add(i, "the interrupt's handler begins", Role::Kernel, Role::Kernel, "handler");
        } else if (log_.is<trace::DsaFault>(i) && is_it(i)) {
            add(i, fmt::format("its access to {} failed", log_.field_text(i, "address")),
                Role::Device, Role::Device, "fault")
                .alarm = true;
        } else if (log_.is<trace::RunFinding>(i)) {
            if (LOG_TEXT(log_, i, RunFinding, who) ==
                fmt::format("{} descriptor {}", device_, number_)) {
                Moment m = scene_.moment(
                    i, fmt::format("FINDING {}: {}", LOG_TEXT(log_, i, RunFinding, code),
                                   LOG_TEXT(log_, i, RunFinding, text)));
                m.alarm = true;
                moments_.push_back(std::move(m));
            }
        }
    }
    bool of_pasid(std::size_t i) const {
        const std::size_t field = log_.info(i).field("pasid");
        return field < log_.info(i).fields.size() && log_.value(i, field) == pasid_;
    }

    void add_run(const Run& run, const std::string& text, Role from, Role to,
                 const std::string& label) {
        Moment& m = add(run.first, text, from, to, label);
        m.took = log_.time(run.last) - log_.time(run.first);
        m.why.clear();
    }

    void data_moments() {
        for (const auto& [purpose, run] : accesses_) {
            const bool write = LOG_FIELD(log_, run.first, DsaAccess, write) != 0;
            add_run(run,
                    fmt::format("{} {}: {} bytes in {}", write ? "writes" : "reads", purpose,
                                run.bytes, plural(run.count, "request")),
                    write ? Role::Device : Role::Memory, write ? Role::Memory : Role::Device,
                    fmt::format("{} {} B", purpose, run.bytes));
        }
        for (const auto& [operand, run] : lookups_) {
            add_run(run,
                    fmt::format("its device TLB has {} of {} translations of {}", run.hits,
                                run.count, operand),
                    Role::Device, Role::Device, fmt::format("TLB {}/{}", run.hits, run.count));
        }
        request_moments();
    }

    // What the unit and memory made of it, the end of the descriptor or not.
    void request_moments() {
        if (fates_.count != 0) {
            Run all;
            all.first = fates_.first;
            all.last = fates_.last;
            add_run(all,
                    fmt::format("{} to {}: {} translated from the IOTLB, {} by a walk{}, {} "
                                "blocked{}; {} of tables under its PASID meanwhile",
                                plural(fates_.count, "request"), log_.source_text(fates_.first),
                                fates_.hits, fates_.walks,
                                some(fates_.asked, "translations that it asked for"),
                                fates_.blocked, some(fates_.open(), "without an outcome here"),
                                plural(walk_reads(), "read")),
                    Role::Device, Role::Iommu, fmt::format("{} requests", fates_.count));
        }
        if (fates_.first_fault != kNever) {
            const std::size_t i = fates_.first_fault;
            add(i,
                fmt::format("{} of {} is blocked: reason {}",
                            LOG_FIELD(log_, i, VtdFault, write) != 0 ? "a write" : "a read",
                            log_.field_text(i, "address"), log_.field_text(i, "reason")),
                Role::Iommu, Role::Device, "blocked " + log_.field_text(i, "reason"))
                .alarm = true;
        }
        if (fates_.record_blocked != kNever) {
            add(fates_.record_blocked, "its record is blocked: software never sees it", Role::Iommu,
                Role::Device, "record blocked")
                .alarm = true;
        } else if (fates_.record_in_memory != kNever) {
            add(fates_.record_in_memory, "its record is in memory", Role::Memory, Role::Memory,
                "record");
        }
    }
    static std::string some(std::uint64_t count, const char* what) {
        return count == 0 ? "" : fmt::format(", {} {}", count, what);
    }
    // Of whichever request of its PASID.
    std::uint64_t walk_reads() const {
        std::uint64_t out = 0;
        for (std::size_t i = fates_.first; i <= fates_.end; ++i) {
            out +=
                log_.is<trace::VtdWalkRead>(i) && LOG_FIELD(log_, i, VtdWalkRead, pasid) == pasid_
                    ? 1
                    : 0;
        }
        return out;
    }
    static std::uint64_t page_of(std::uint64_t address) {
        constexpr unsigned kPageBits = 12;  // the smallest page: what a lookup is for
        return address >> kPageBits;
    }

    void submission() {
        if (submitted_ == kNever) {
            return;
        }
        const TimePs took{LOG_FIELD(log_, submitted_, CpuEnqcmd, took)};
        const std::string guest = log_.field_text(submitted_, "guest_pasid");
        const std::string host = log_.field_text(submitted_, "pasid");
        Moment& m =
            add(submitted_,
                fmt::format("{} at portal {}, PASID {}{}{}", "ENQCMD",
                            log_.field_text(submitted_, "portal"), guest,
                            guest == host ? "" : " translated to " + host,
                            refused_before_ == 0 ? ""
                                                 : fmt::format(", after {} that the queue refused",
                                                               plural(refused_before_, "attempt"))),
                Role::App, Role::Device,
                guest == host ? "ENQCMD" : fmt::format("ENQCMD {}->{}", guest, host));
        m.time = m.time - took;
        m.took = took;
    }

    void finish(Story& out) {
        const bool record =
            completed_ != kNever && LOG_TEXT(log_, completed_, DsaComplete, how) == "record";
        fates_ = request_fates(scene_, device_, number_, record ? record_ : kNever);
        submission();
        data_moments();
        if (completed_ != kNever) {
            const std::string how = LOG_TEXT(log_, completed_, DsaComplete, how);
            Moment& m =
                add(completed_,
                    fmt::format("ends: status {:#x}, {} ({} bytes done)",
                                LOG_FIELD(log_, completed_, DsaComplete, status), ending(how),
                                LOG_FIELD(log_, completed_, DsaComplete, bytes)),
                    Role::Device, Role::Memory, how == "record" ? "record" : how);
            m.alarm = LOG_FIELD(log_, completed_, DsaComplete, status) != 1 || how == "lost";
        }
        std::stable_sort(moments_.begin(), moments_.end(), [](const Moment& a, const Moment& b) {
            return a.time != b.time ? a.time < b.time : a.seq < b.seq;
        });
        out.title = fmt::format("descriptor {} of {}, PASID {}", number_, device_,
                                log_.field_text(accepted_, "pasid"));
        out.device = device_;
        answer(out);
        out.moments = std::move(moments_);
    }
    static std::string ending(const std::string& how) {
        return how == "record" ? "it sends its record"
               : how == "none" ? "it wants no record"
               : how == "lost" ? "its record could not be written"
                               : how;
    }

    void answer(Story& out) {
        if (completed_ == kNever) {
            out.answers.push_back("it never ends in this trace");
        } else {
            const std::uint64_t status = LOG_FIELD(log_, completed_, DsaComplete, status);
            const TimePs latency{LOG_FIELD(log_, completed_, DsaComplete, latency)};
            // Posted: the device never learns that they were blocked.
            const bool lost_writes = status == 1 && fates_.blocked_writes != 0;
            const bool aborted = LOG_TEXT(log_, completed_, DsaComplete, how) == "abort";
            out.answers.push_back(
                fmt::format("{} {} after it was accepted{}",
                            aborted       ? "aborted"
                            : status != 1 ? fmt::format("failed (status {:#x})", status)
                            : lost_writes ? "reported as completed"
                                          : "completed",
                            story_span(latency),
                            lost_writes ? fmt::format(", but {} of its writes did not reach memory",
                                                      fates_.blocked_writes)
                                        : ""));
            duration(out, "from acceptance to its end", accepted_, completed_);
        }
        if (fates_.blocked != 0) {
            out.answers.push_back(
                fmt::format("{} of its {} to the unit {} blocked: {} and {}", fates_.blocked,
                            plural(fates_.count, "request"), fates_.blocked == 1 ? "was" : "were",
                            plural(fates_.blocked - fates_.blocked_writes, "read"),
                            plural(fates_.blocked_writes, "write")));
            for (std::string& line : why_blocked(scene_, fates_.first_fault)) {
                out.answers.push_back(std::move(line));
            }
        }
        if (fates_.record_blocked != kNever) {
            out.answers.push_back("its record was blocked: software never saw this status");
        }
        duration(out, "in the queue", accepted_, dispatched_);
        std::size_t begin = kNever;
        std::size_t end = 0;
        for (const auto& [purpose, run] : accesses_) {
            if (purpose != "completion") {
                begin = std::min(begin, run.first);
                end = std::max(end, run.last);
            }
        }
        duration(out, "in the engine before the first access", dispatched_, begin);
        if (begin != kNever) {
            duration(out, "accesses", begin, end);
            duration(out, "from the last access to the end", end, completed_);
        }
    }
    void duration(Story& out, const char* what, std::size_t from, std::size_t to) const {
        if (from != kNever && to != kNever && log_.time(from) <= log_.time(to)) {
            out.durations.push_back({what, log_.time(to) - log_.time(from)});
        }
    }

    const Scene& scene_;
    const EventLog& log_;
    std::string device_;
    std::uint64_t number_;
    std::uint64_t pasid_ = 0;
    std::map<std::uint64_t, std::uint64_t> retries_;  // by PASID, since the last acceptance
    std::uint64_t refused_before_ = 0;
    std::size_t accepted_ = kNever;
    std::size_t submitted_ = kNever;
    std::size_t dispatched_ = kNever;
    std::size_t completed_ = kNever;
    std::size_t interrupt_ = kNever;  // that its end asked for
    std::size_t handled_ = kNever;
    std::uint64_t messages_ = 0;   // sent and not handled
    bool alone_ = false;           // its message, so far
    std::size_t record_ = kNever;  // the access that writes it
    std::size_t first_ = 0;
    std::size_t last_ = 0;
    std::optional<std::uint64_t> group_;
    std::map<std::string, Run> accesses_;
    std::map<std::string, Run> lookups_;
    RequestFates fates_;
    std::set<std::uint64_t> missed_;  // pages that its device TLB did not have
    std::vector<Moment> moments_;
};

}  // namespace

QuestionError descriptor_story(const Scene& scene, const Wanted& wanted, Story& out) {
    const std::vector<std::string>& devices = scene.devices();
    std::string device = wanted.device;
    if (devices.empty()) {
        return {"no descriptor was submitted", ""};
    }
    if (device.empty() && devices.size() > 1) {
        return {fmt::format("{} devices took descriptors", devices.size()),
                "--device says which: " + quoted_list(devices)};
    }
    device = device.empty() ? devices.front() : device;
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) {
        return {fmt::format("no descriptor was submitted to {}", quoted(device)),
                suggest(device, devices)};
    }
    if (!DescriptorTale(scene, device, wanted.number).tell(out)) {
        return {fmt::format("{} accepted no descriptor {}", device, wanted.number),
                "accepted ones are numbered from 1 for each device"};
    }
    return {};
}

}  // namespace ioasim::traces
