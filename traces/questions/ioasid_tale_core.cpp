// The IOASID core's part of an ID's life: states, references, notifications, ordered work.
#include "traces/questions/ioasid_tale.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/words.hpp"
#include "core/trace/ioasid_events.hpp"

namespace ioasim::traces {

// --- the IOASID core -----------------------------------------------------------------------------

// Sets with numbers of their own may have the same one. A free names the set that it came through,
// which need not be the ID's.
bool IoasidTale::is_of_other_set(std::size_t i) const {
    const std::size_t field = log_.info(i).field("set");
    if (field == log_.info(i).fields.size()) {
        return false;
    }
    const std::string& set = log_.text(as_name(log_.value(i, field)));
    const bool named = log_.is<trace::IoasidFreeCall>(i) || log_.is<trace::IoasidRefused>(i);
    return set != set_ && (!named || sets_.count(set) != 0);
}

void IoasidTale::core(std::size_t i) {
    if (alloc_ != kNever && is_of_other_set(i)) {
        return;
    }
    if (log_.is<trace::IoasidAlloc>(i)) {
        alloc_ = i;
        set_ = LOG_TEXT(log_, i, IoasidAlloc, set);
        arrow(i, fmt::format("allocated for set {}: the owner's reference", set_), caller(i),
              Role::Core, fmt::format("alloc {}", id_));
        open_["owner"].push_back(i);
    } else if (log_.is<trace::IoasidStateChange>(i)) {
        state(i);
    } else if (log_.is<trace::IoasidGet>(i)) {
        get(i);
    } else if (log_.is<trace::IoasidPut>(i)) {
        put(i);
    } else if (log_.is<trace::IoasidFreeCall>(i)) {
        free_call(i);
    } else if (log_.is<trace::IoasidBind>(i) || log_.is<trace::IoasidUnbind>(i) ||
               log_.is<trace::IoasidFree>(i)) {
        notification(i);
    } else if (log_.is<trace::IoasidHandler>(i)) {
        const std::string& block = LOG_TEXT(log_, i, IoasidHandler, block);
        const std::string what = log_.field_text(i, "notification");
        Moment& m = arrow(i,
                          fmt::format("{} is called for {} (priority {}, {} chain)", block, what,
                                      LOG_FIELD(log_, i, IoasidHandler, priority),
                                      LOG_TEXT(log_, i, IoasidHandler, chain)),
                          Role::Core, Scene::role_of_party(block), what);
        m.who = "ioasid core";
        handlers_[block] = moments_.size() - 1;
    } else if (log_.is<trace::IoasidHandlerDone>(i)) {
        const std::string& block = LOG_TEXT(log_, i, IoasidHandlerDone, block);
        const auto called = handlers_.find(block);
        if (called != handlers_.end()) {
            Moment& m = moments_[called->second];
            m.took = TimePs{LOG_FIELD(log_, i, IoasidHandlerDone, took)};
            m.text += LOG_FIELD(log_, i, IoasidHandlerDone, stop) != 0
                          ? "; it stops the rest of its chain"
                          : "";
        }
    } else if (log_.is<trace::IoasidWork>(i)) {
        work(i);
    } else if (log_.is<trace::IoasidReclaim>(i)) {
        reclaim_ = i;
        if (!join(i, "back in the pool")) {
            add(i, "back in the pool");
        }
        Moment& m = moments_.back();
        m.from = m.from ? m.from : Role::Core;
        m.to = Role::Core;
        m.label += m.label.empty() ? "reclaimed" : ": reclaimed";
    } else if (log_.is<trace::IoasidRefused>(i)) {
        const std::string what = LOG_TEXT(log_, i, IoasidRefused, operation);
        const std::string result = log_.field_text(i, "result");
        add(i, fmt::format("{} is refused: {} ({})", what, result, left()));
        Moment& m = moments_.back();
        m.from = caller(i);
        m.to = Role::Core;
        m.label = fmt::format("{}: {}", what, result);
    }
}

bool IoasidTale::join(std::size_t i, const std::string& text) {
    if (moments_.empty() || traffic_.tells() || moments_.back().time != log_.time(i) ||
        frames_.back() != scene_.causes().frame_of(i) || moments_.back().alarm) {
        return false;
    }
    moments_.back().text += "; " + text;
    return true;
}

void IoasidTale::state(std::size_t i) {
    const std::string from = log_.field_text(i, "from");
    const std::string to = log_.field_text(i, "to");
    states_.push_back({log_.time(i), from, to, scene_.causes().because(i)});
    if (!join(i, fmt::format("{} -> {}", from, to))) {
        add(i, fmt::format("{} -> {}", from, to));
    }
    if (!moments_.back().from) {
        moments_.back().from = moments_.back().to = Role::Core;
        moments_.back().label = to;
    }
}

void IoasidTale::get(std::size_t i) {
    const std::string& holder = LOG_TEXT(log_, i, IoasidGet, holder);
    open_[holder].push_back(i);
    if (is_short(i, holder)) {
        return;
    }
    arrow(i,
          fmt::format("{} takes a reference: {}", holder,
                      plural(LOG_FIELD(log_, i, IoasidGet, refs), "reference")),
          Scene::role_of_party(holder), Role::Core,
          fmt::format("get ({})", LOG_FIELD(log_, i, IoasidGet, refs)));
}

bool IoasidTale::is_short(std::size_t i, const std::string& holder) {
    const std::size_t frame = scene_.causes().frame_of(i);
    constexpr std::size_t kAhead = 400;
    for (std::size_t j = i + 1; j < std::min(end_, i + kAhead); ++j) {
        if (log_.is<trace::IoasidFreeCall>(j) && has(j, "ioasid", id_) && of_kernel(j)) {
            return false;  // the ID's end waits for it
        }
        if (log_.is<trace::IoasidPut>(j) && has(j, "ioasid", id_) && of_kernel(j) &&
            LOG_TEXT(log_, j, IoasidPut, holder) == holder) {
            const bool same = LOG_FIELD(log_, j, IoasidPut, refs) != 0 &&
                              scene_.causes().frame_of(j) == frame && frame != Causes::kNone &&
                              log_.source(i) == log_.source(j);
            if (same) {
                short_[i] = j;
            }
            return same;
        }
    }
    return false;
}

void IoasidTale::put(std::size_t i) {
    const std::string& holder = LOG_TEXT(log_, i, IoasidPut, holder);
    const std::uint64_t refs = LOG_FIELD(log_, i, IoasidPut, refs);
    std::vector<std::size_t>& open = open_[holder];
    std::size_t taken = kNever;
    last_put_ = reclaim_ == kNever ? i : last_put_;
    if (!open.empty()) {
        taken = open.front();
        open.erase(open.begin());
        const auto brief = short_.find(taken);
        if (brief != short_.end() && brief->second == i) {
            ++brief_[holder];
            return;
        }
        closed_.push_back({taken, i, holder});
    }
    const std::string text = taken == kNever
                                 ? fmt::format("{} drops a reference that it does not hold", holder)
                                 : fmt::format("{} drops its reference: {} left{}", holder, refs,
                                               refs == 0 ? "" : " (" + left().substr(6) + ")");
    if (!join(i, text)) {
        arrow(i, text, Scene::role_of_party(holder), Role::Core, fmt::format("put ({})", refs));
    }
    if (holder == "owner" && moments_.back().from && moments_.back().label == "put (0)") {
        moments_.back().from = caller(i);
    }
    if (taken == kNever) {
        moments_.back().alarm = true;
    }
}

void IoasidTale::free_call(std::size_t i) {
    const std::string result = log_.field_text(i, "result");
    const bool again = free_ != kNever && reclaim_ == kNever;
    if (result != "0") {
        arrow(i,
              fmt::format("ioasid_free through set {} is refused: {}",
                          LOG_TEXT(log_, i, IoasidFreeCall, set), result),
              caller(i), Role::Core, "free: " + result)
            .alarm = true;
        return;
    }
    if (free_ == kNever) {
        free_ = i;
    }
    arrow(i, again ? "freed once more: nothing changes" : "freed by its owner", caller(i),
          Role::Core, "free");
}

void IoasidTale::notification(std::size_t i) {
    const bool bind = log_.is<trace::IoasidBind>(i);
    const std::string what = bind ? "BIND" : log_.is<trace::IoasidUnbind>(i) ? "UNBIND" : "FREE";
    const std::uint64_t spid = log_.value(i, log_.info(i).field("spid"));
    if (bind) {
        done_.clear();
        bind_ = bind_ == kNever ? i : bind_;
    } else if (what == "UNBIND") {
        unbind_ = i;
    }
    const std::string guest = spid == kNoId ? "" : fmt::format(", guest PASID {}", spid);
    const std::string text = fmt::format("{} is sent{}", what, guest);
    if (!join(i, text)) {
        arrow(i, text, caller(i), Role::Core,
              bind               ? fmt::format("bind, SPID {}", spid)
              : what == "UNBIND" ? "detach SPID"
                                 : what);
    }
}

void IoasidTale::work(std::size_t i) {
    const std::string& name = LOG_TEXT(log_, i, IoasidWork, work);
    const std::string& phase = LOG_TEXT(log_, i, IoasidWork, phase);
    if (phase == "queued") {
        const std::size_t start = scene_.causes().start_of_work(i);
        arrow(
            i,
            fmt::format("queues {}{}", name, start == Causes::kNone ? ", which never starts" : ""),
            caller(i), Role::Core, "queue " + name)
            .alarm = start == Causes::kNone;
    } else if (phase == "start") {
        const Causes::Frame& frame = scene_.causes().frame(started_frame(i));
        const std::size_t queued = frame.trigger;
        Moment& m = arrow(i, name + " starts", Role::Core, Role::Core, name);
        if (queued != Causes::kNone) {
            const TimePs waited = m.time - log_.time(queued);
            m.text += fmt::format(", {} after it was queued", story_span(waited));
            durations_.push_back({name + " waits in the ordered workqueue", waited});
            m.why = scene_.causes().because_of_caller(queued);
        }
        works_[name] = moments_.size() - 1;
    } else if (works_.count(name) != 0) {
        Moment& m = moments_[works_[name]];
        m.took = log_.time(i) - m.time;
        durations_.push_back({name + " runs", *m.took});
    }
}

std::size_t IoasidTale::started_frame(std::size_t start) const {
    for (std::size_t j = start + 1; j < log_.size(); ++j) {
        if (log_.source(j) == log_.source(start)) {
            for (std::size_t f = scene_.causes().frame_of(j); f != Causes::kNone;
                 f = scene_.causes().frame(f).parent) {
                if (scene_.causes().frame(f).event == start) {
                    return f;
                }
            }
            break;
        }
    }
    return 0;
}

}  // namespace ioasim::traces
