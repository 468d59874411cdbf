#include "traces/questions/ioasid_tale.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "traces/questions/part.hpp"

namespace ioasim::traces {

void IoasidTale::tell(Story& out) {
    for (std::size_t i = 0; i < log_.size(); ++i) {
        if (log_.is<trace::IoasidAlloc>(i) && has(i, "ioasid", id_) && of_kernel(i)) {
            sets_.insert(LOG_TEXT(log_, i, IoasidAlloc, set));
        }
    }
    for (std::size_t i = begin_; i < end_; ++i) {
        look(i);
    }
    flush_traffic();
    finish(out);
}

// --- what belongs to it --------------------------------------------------------------------------

bool IoasidTale::has(std::size_t i, std::string_view field, std::uint64_t value) const {
    const std::size_t at = log_.info(i).field(field);
    return at < log_.info(i).fields.size() && log_.value(i, at) == value;
}

bool IoasidTale::of_kernel(std::size_t i) const {
    return log_.field_text(i, "kernel") == kernel_;
}

bool IoasidTale::is_hardware(std::size_t i) const {
    const trace::Category category = log_.info(i).category;
    return category == trace::Category::Vtd || category == trace::Category::VtdWalk ||
           category == trace::Category::Dsa || category == trace::Category::Memory ||
           category == trace::Category::Pcie || log_.is<trace::CpuEnqcmd>(i);
}

bool IoasidTale::pasid_is_it(std::size_t i) const {
    if (!has(i, "pasid", id_)) {
        return false;
    }
    const std::size_t rid = log_.info(i).field("rid");
    if (rid < log_.info(i).fields.size() && scene_.has_own_numbers(log_.value(i, rid))) {
        return false;
    }
    return is_hardware(i) ? !guest_ && scene_.host_of(i) == kernel_
                          : scene_.kernel_of(i) == kernel_;
}

bool IoasidTale::within(std::size_t i) const {
    const std::size_t frame = scene_.causes().frame_of(i);
    if (frame == Causes::kNone) {
        return false;
    }
    const Causes::Frame& f = scene_.causes().frame(frame);
    return (f.kind == Causes::Kind::Notification || f.kind == Causes::Kind::Work) &&
           has(f.event, "ioasid", id_) && of_kernel(f.event);
}

// --- telling -------------------------------------------------------------------------------------

Moment& IoasidTale::add(std::size_t i, std::string text) {
    flush_traffic();
    moments_.push_back(scene_.moment(i, std::move(text)));
    moments_.back().why = scene_.causes().because_of_caller(i);
    frames_.push_back(scene_.causes().frame_of(i));
    return moments_.back();
}

Moment& IoasidTale::arrow(std::size_t i, std::string text, Role from, Role to, std::string label) {
    Moment& m = add(i, std::move(text));
    m.from = from;
    m.to = to;
    m.label = std::move(label);
    return m;
}

void IoasidTale::flush_traffic() {
    // That memory is reached tells something only where it must not be any more.
    if (traffic_.tells() || (detached_ && !traffic_.empty())) {
        moments_.push_back(traffic_.take());
        frames_.push_back(Causes::kNone);
    } else {
        traffic_.clear();
    }
}

Role IoasidTale::caller(std::size_t i) const {
    const Role role = scene_.role_of(i);
    return role == Role::Core ? Role::Iommu : role;
}

std::string IoasidTale::left() const {
    std::string out;
    for (const auto& [holder, open] : open_) {
        if (!open.empty()) {
            out += (out.empty() ? "" : ", ") + holder;
        }
    }
    return out.empty() ? "nobody holds it" : "left: " + out;
}

void IoasidTale::look(std::size_t i) {
    if (log_.info(i).category == trace::Category::Ioasid) {
        if (has(i, "ioasid", id_) && of_kernel(i)) {
            core(i);
        } else if (log_.is<trace::IoasidHazard>(i) && within(i)) {
            add(i, "real code would break here: " + log_.field_text(i, "kind")).alarm = true;
        }
        return;
    }
    if (log_.is<trace::RunFinding>(i)) {
        finding(i);
        return;
    }
    if (pasid_is_it(i)) {
        if (!traffic_.add(i)) {
            with_pasid(i);
        }
        return;
    }
    if (!guest_) {
        // Another host has numbers of its own.
        if ((is_hardware(i) ? scene_.host_of(i) : scene_.kernel_of(i)) == kernel_) {
            of_host(i);
        }
    } else {
        of_guest(i);
    }
}

void IoasidTale::finding(std::size_t i) {
    const std::string who = LOG_TEXT(log_, i, RunFinding, who);
    if (who == fmt::format("{}.ioasid({})", kernel_, id_)) {
        const std::string code = LOG_TEXT(log_, i, RunFinding, code);
        if (++findings_[code] == 1) {
            Moment& m =
                arrow(i, fmt::format("FINDING {}: {}", code, LOG_TEXT(log_, i, RunFinding, text)),
                      Role::Core, Role::Core, "!! " + code);
            m.alarm = true;
            m.why.clear();
        }
    }
}

// --- what follows from it ------------------------------------------------------------------------

void IoasidTale::add_duration(const std::string& what, std::size_t from, std::size_t to) {
    if (from != kNever && to != kNever && log_.time(from) < log_.time(to)) {
        durations_.push_back({what, log_.time(to) - log_.time(from)});
    }
}

void IoasidTale::finish(Story& out) {
    collect_holdings(out);
    std::vector<Duration> parts;
    parts.swap(durations_);
    add_duration("allocated until BIND", alloc_, bind_);
    add_duration("bound (BIND to UNBIND)", bind_, unbind_);
    if (free_ != kNever && unbind_ != kNever && log_.time(free_) < log_.time(unbind_)) {
        add_duration("free until UNBIND", free_, unbind_);
    }
    durations_.insert(durations_.end(), parts.begin(), parts.end());
    add_duration("free until it is back in the pool", free_, reclaim_);
    answer(out);
    out.moments = std::move(moments_);
    out.durations = std::move(durations_);
    out.states = std::move(states_);
    out.end = log_.time(end_ - 1);
    out.device = device_column();
}

std::string IoasidTale::device_column() const {
    std::set<std::string> all = devices_;
    all.insert(traffic_.devices().begin(), traffic_.devices().end());
    if (all.empty() && scene_.devices().size() == 1) {
        return scene_.devices().front();
    }
    return all.size() == 1 ? *all.begin() : all.empty() ? "device" : "devices";
}

void IoasidTale::collect_holdings(Story& out) {
    out.holdings_title = "references";
    for (const Closed& c : closed_) {
        out.holdings.push_back({c.holder, log_.time(c.taken), log_.time(c.dropped),
                                scene_.causes().because(c.taken),
                                scene_.causes().because(c.dropped)});
    }
    for (const auto& [holder, open] : open_) {
        for (const std::size_t taken : open) {
            out.holdings.push_back(
                {holder, log_.time(taken), std::nullopt, scene_.causes().because(taken), {}});
        }
    }
    std::stable_sort(out.holdings.begin(), out.holdings.end(),
                     [](const Holding& a, const Holding& b) { return a.from < b.from; });
}

std::string IoasidTale::held_at_the_end() const {
    std::string out;
    for (const auto& [holder, open] : open_) {
        for (const std::size_t taken : open) {
            out += fmt::format("{}{} since {}", out.empty() ? "" : "; ", holder,
                               story_time(log_.time(taken)));
        }
    }
    return out;
}

// Why somebody who should have let go has not.
std::string IoasidTale::duty_of(const std::string& holder) const {
    const Role role = Scene::role_of_party(holder);
    const auto done = done_.find(role);
    if (done != done_.end()) {
        return fmt::format("{} did its part of the teardown at {} and did not drop its reference",
                           holder, story_time(log_.time(done->second)));
    }
    const auto called = handlers_.find(holder);
    const std::string last =
        called == handlers_.end() ? std::string() : moments_[called->second].label;
    if (last == "UNBIND") {
        return fmt::format("{} was called for UNBIND at {} and did not act on it", holder,
                           story_time(moments_[called->second].time));
    }
    return role == Role::Iommu                       ? holder + " never took its PASID entry away"
           : role == Role::Kvm || role == Role::Vdcm ? holder + " was never called for UNBIND"
                                                     : holder + " never dropped it";
}

// A reference that outlived the call which should have ended it.
std::string IoasidTale::late_drop(const Closed& c) const {
    const auto called = handlers_.find(c.holder);
    if (called == handlers_.end() || moments_[called->second].label != "UNBIND") {
        return {};
    }
    const Moment& call = moments_[called->second];
    const std::string why = scene_.causes().because(c.dropped);
    if (log_.time(c.dropped) <= call.time || why.find("UNBIND") != std::string::npos) {
        return {};
    }
    return fmt::format("{} was called for UNBIND at {} and kept its reference: dropped at {} {}",
                       c.holder, story_time(call.time), story_time(log_.time(c.dropped)), why);
}

// Whose put took the count to zero.
std::string IoasidTale::last_holder() const {
    if (last_put_ == kNever || LOG_FIELD(log_, last_put_, IoasidPut, refs) != 0) {
        return {};
    }
    const bool held = std::any_of(closed_.begin(), closed_.end(),
                                  [this](const Closed& c) { return c.dropped == last_put_; });
    return fmt::format(held ? ": {} held it to the last, dropped {}"
                            : ": the last reference was dropped by {}, which held none, {}",
                       LOG_TEXT(log_, last_put_, IoasidPut, holder),
                       scene_.causes().because(last_put_));
}

void IoasidTale::answer(Story& out) {
    const std::string held = held_at_the_end();
    const bool whole = Part(log_).whole();
    if (reclaim_ != kNever) {
        out.answers.push_back(
            fmt::format("back in the pool at {}", story_time(log_.time(reclaim_))));
        if (free_ != kNever && log_.time(free_) < log_.time(reclaim_)) {
            out.answers.back() +=
                fmt::format(", {} after it was freed{}",
                            story_span(log_.time(reclaim_) - log_.time(free_)), last_holder());
        }
    } else if (free_ != kNever) {
        out.answers.push_back(fmt::format(
            "freed at {}, and {}: held by {}", story_time(log_.time(free_)),
            whole ? "never came back" : "not back in this trace", held.empty() ? "nobody" : held));
        for (const auto& [holder, open] : open_) {
            if (whole && !open.empty()) {
                out.answers.push_back(duty_of(holder));
            }
        }
    } else if (alloc_ != kNever) {
        out.answers.push_back(fmt::format("{}: held by {}",
                                          whole ? "never freed" : "not freed in this trace",
                                          held.empty() ? "nobody" : held));
    }
    for (const Closed& c : closed_) {
        const std::string late = late_drop(c);
        if (!late.empty()) {
            out.answers.push_back(late);
        }
    }
    if (!missing_.empty()) {
        out.answers.push_back(missing_);
    }
    for (const auto& [code, count] : findings_) {
        out.answers.push_back(fmt::format("FINDING {}{}; `ioasim explain {}` tells what it means",
                                          code, count > 1 ? fmt::format(", {} times", count) : "",
                                          code));
    }
    for (const auto& [holder, count] : brief_) {
        out.answers.push_back(fmt::format("{} also held it {} for the time of one call", holder,
                                          plural(count, "time")));
    }
    if (traffic_.accepted() + traffic_.blocked() != 0) {
        out.answers.push_back(fmt::format(
            "{} under it, {} of them failed, {} blocked", plural(traffic_.accepted(), "descriptor"),
            traffic_.failed(), plural(traffic_.blocked(), "request")));
    }
}

}  // namespace ioasim::traces
