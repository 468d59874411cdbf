#include "traces/questions/causes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/guest_fault_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vdev_events.hpp"

namespace ioasim::traces {
namespace {

constexpr std::uint64_t kPsPerNs = 1000;
constexpr std::uint64_t kNsPerUs = 1000;

std::string work_key(const EventLog& log, std::size_t i) {
    return fmt::format("{}/{}/{}", LOG_TEXT(log, i, IoasidWork, kernel),
                       LOG_TEXT(log, i, IoasidWork, work), LOG_FIELD(log, i, IoasidWork, ioasid));
}

// The host's thread of "vm1/vcpu0" is "host/vm1-vcpu0", whichever host it is.
std::string thread_part(std::string vcpu) {
    std::replace(vcpu.begin(), vcpu.end(), '/', '-');
    return vcpu;
}

}  // namespace

std::string story_time(TimePs time) {
    const std::uint64_t ns = (time.ps() + kPsPerNs / 2) / kPsPerNs;
    return fmt::format("{}.{:03} us", ns / kNsPerUs, ns % kNsPerUs);
}

std::string story_span(TimePs span) {
    return span.ps() < kPsPerNs * kNsPerUs ? format_time(span) : story_time(span);
}

Causes::Causes(const EventLog& log) : log_(log), inner_(log.size(), kNone) {
    find_steps();
    find_ends();
    for (std::size_t i = 0; i < log_.size(); ++i) {
        follow(i);
    }
}

void Causes::find_steps() {
    for (std::size_t i = 0; i < log_.size(); ++i) {
        if (log_.is<trace::StepResult>(i)) {
            frames_.push_back({Kind::Step, i, kNone, kNone, i});
            steps_[log_.source(i)].push_back(frames_.size() - 1);
        }
    }
}

// What a thread does behind its last step is the end of its process, then of its machine.
void Causes::find_ends() {
    std::map<std::string, std::size_t> told;  // machines to end
    const auto end = [this](Kind kind, std::size_t i, std::size_t trigger) {
        frames_.push_back({kind, i, trigger, kNone, i});
        ends_[log_.source(i)].push_back(frames_.size() - 1);
    };
    for (std::size_t i = 0; i < log_.size(); ++i) {
        if (log_.is<trace::ProcessExit>(i)) {
            end(Kind::ProcessEnd, i, kNone);
        } else if (log_.is<trace::VmEnding>(i)) {
            told[LOG_TEXT(log_, i, VmEnding, vm)] = i;
        } else if (log_.is<trace::VmDestroy>(i)) {
            const auto by = told.find(LOG_TEXT(log_, i, VmDestroy, vm));
            end(Kind::MachineEnd, i, by == told.end() ? kNone : by->second);
        } else if (log_.is<trace::VmEntry>(i)) {
            last_entry_[thread_part(LOG_TEXT(log_, i, VmEntry, vcpu))] = i;
        }
    }
}

// The step or end around an event: the first of its thread that ends behind it, when it has begun.
std::size_t Causes::outer_frame(std::size_t event) const {
    const SourceId source = log_.source(event);
    const auto first_behind = [&](const std::map<SourceId, Steps>& all) {
        const auto of = all.find(source);
        if (of == all.end()) {
            return kNone;
        }
        const auto found =
            std::partition_point(of->second.begin(), of->second.end(),
                                 [&](std::size_t frame) { return frames_[frame].last < event; });
        return found == of->second.end() ? kNone : *found;
    };
    const std::size_t step = first_behind(steps_);
    if (step != kNone) {
        const std::size_t result = frames_[step].event;
        const std::uint64_t took = LOG_FIELD(log_, result, StepResult, took);
        if (log_.time(result).ps() - took <= log_.time(event).ps()) {
            return step;
        }
        return kNone;  // between two steps
    }
    return first_behind(ends_);
}

void Causes::open(std::size_t event, Kind kind, std::size_t trigger) {
    frames_.push_back({kind, event, trigger, inner_[event], kNone});
    stacks_[log_.source(event)].push_back(frames_.size() - 1);
}

void Causes::close(std::size_t event, Kind kind) {
    std::vector<std::size_t>& stack = stacks_[log_.source(event)];
    if (!stack.empty() && frames_[stack.back()].kind == kind) {
        frames_[stack.back()].last = event;
        stack.pop_back();
    }
}

void Causes::follow(std::size_t i) {
    const SourceId source = log_.source(i);
    const std::vector<std::size_t>& stack = stacks_[source];
    const std::string& name = log_.source_text(i);  // "host/vm1-vcpu0"
    const std::string thread = name.substr(name.find('/') + 1);
    const auto exit = exits_.find(thread);
    // An exit that is handled comes before the end of the machine, which the same thread may make.
    const bool handled = exit != exits_.end() && i < last_entry_[thread];
    inner_[i] = !stack.empty() ? stack.back() : handled ? exit->second : outer_frame(i);
    if (inner_[i] == kNone && exit != exits_.end()) {
        inner_[i] = exit->second;
    }
    if (log_.is<trace::IoasidBind>(i) || log_.is<trace::IoasidUnbind>(i) ||
        log_.is<trace::IoasidFree>(i) || log_.is<trace::IoasidAlloc>(i)) {
        notifications_[source] = i;
    } else if (log_.is<trace::IoasidHandler>(i)) {
        const auto sent = notifications_.find(source);
        open(i, Kind::Notification, sent == notifications_.end() ? kNone : sent->second);
    } else if (log_.is<trace::IoasidHandlerDone>(i)) {
        close(i, Kind::Notification);
    } else if (log_.is<trace::IoasidWork>(i)) {
        const std::string& phase = LOG_TEXT(log_, i, IoasidWork, phase);
        std::deque<std::size_t>& waiting = queued_[work_key(log_, i)];
        if (phase == "queued") {
            waiting.push_back(i);
        } else if (phase == "start") {
            const std::size_t queued = waiting.empty() ? kNone : waiting.front();
            if (queued != kNone) {
                waiting.pop_front();
                starts_[queued] = i;
            }
            open(i, Kind::Work, queued);
        } else {
            close(i, Kind::Work);
        }
    } else if (log_.is<trace::VmExit>(i)) {
        frames_.push_back({Kind::Exit, i, kNone, kNone, kNone});
        exits_[thread_part(LOG_TEXT(log_, i, VmExit, vcpu))] = frames_.size() - 1;
    } else if (log_.is<trace::VmEntry>(i)) {
        const auto open = exits_.find(thread_part(LOG_TEXT(log_, i, VmEntry, vcpu)));
        if (open != exits_.end()) {
            frames_[open->second].last = i;
            exits_.erase(open);
        }
    } else if (log_.is<trace::VirtualCommand>(i) || log_.is<trace::VdevCommand>(i)) {
        if (inner_[i] != kNone && frames_[inner_[i]].kind == Kind::Exit) {
            commands_[inner_[i]] = log_.field_text(i, "command");
        }
    }
}

// --- in words -----------------------------------------------------------------------------------

std::size_t Causes::next_of(std::size_t number) const {
    const Frame& frame = frames_[number];
    switch (frame.kind) {
        case Kind::Notification:
            return frame.parent;
        case Kind::Work:
            return frame.trigger == kNone ? kNone : inner_[frame.trigger];
        case Kind::MachineEnd: {
            // Who told it to end may be who ends it.
            const std::size_t by = frame.trigger == kNone ? kNone : inner_[frame.trigger];
            return by == number ? kNone : by;
        }
        case Kind::Exit:
            return inner_[frame.event];
        default:
            return kNone;
    }
}

std::string Causes::words(std::size_t number) const {
    const Frame& frame = frames_[number];
    switch (frame.kind) {
        case Kind::Step:
            return fmt::format("{} step {} ({})", LOG_TEXT(log_, frame.event, StepResult, program),
                               LOG_FIELD(log_, frame.event, StepResult, index),
                               LOG_TEXT(log_, frame.event, StepResult, step));
        case Kind::ProcessEnd:
            return fmt::format("{} exit ({})", LOG_TEXT(log_, frame.event, ProcessExit, process),
                               LOG_TEXT(log_, frame.event, ProcessExit, cause));
        case Kind::MachineEnd:
            return fmt::format("the end of {} ({})", LOG_TEXT(log_, frame.event, VmDestroy, vm),
                               LOG_TEXT(log_, frame.event, VmDestroy, cause));
        case Kind::Notification:
            return log_.field_text(frame.event, "notification") +
                   (frame.trigger == kNone ? "" : " at " + story_time(log_.time(frame.trigger)));
        case Kind::Work:
            return log_.field_text(frame.event, "work") +
                   (frame.trigger == kNone
                        ? ""
                        : fmt::format(" (queued at {})", story_time(log_.time(frame.trigger))));
        case Kind::Exit: {
            const auto command = commands_.find(number);
            const std::string& vcpu = LOG_TEXT(log_, frame.event, VmExit, vcpu);
            return command == commands_.end()
                       ? fmt::format("exit of {} ({})", vcpu,
                                     LOG_TEXT(log_, frame.event, VmExit, reason))
                       : fmt::format("command {} of {}", command->second, vcpu);
        }
    }
    return {};
}

std::string Causes::because(std::size_t event) const {
    return chain(inner_[event]);
}

std::string Causes::because_of_caller(std::size_t event) const {
    std::size_t frame = inner_[event];
    while (frame != kNone && frames_[frame].kind == Kind::Notification) {
        frame = frames_[frame].parent;
    }
    return chain(frame);
}

std::string Causes::chain(std::size_t first_frame) const {
    std::string out;
    Kind before = Kind::Step;
    for (std::size_t f = first_frame; f != kNone; f = next_of(f)) {
        const Kind kind = frames_[f].kind;
        const bool first = out.empty();
        const char* const joint = kind == Kind::Work               ? "from "
                                  : kind == Kind::Notification     ? (first ? "" : "because of ")
                                  : before == Kind::Exit && !first ? "in "
                                                                   : "by ";
        const bool comma = kind == Kind::Work || kind == Kind::Notification;
        out += (first ? "" : comma ? ", " : " ") + (joint + words(f));
        before = kind;
    }
    return out;
}

std::string Causes::root(std::size_t event) const {
    std::string out;
    for (std::size_t f = inner_[event]; f != kNone; f = next_of(f)) {
        out = words(f);
    }
    return out;
}

std::size_t Causes::step_of(std::size_t event) const {
    for (std::size_t f = inner_[event]; f != kNone; f = next_of(f)) {
        if (frames_[f].kind == Kind::Step) {
            return frames_[f].event;
        }
    }
    return kNone;
}

std::size_t Causes::start_of_work(std::size_t queued) const {
    const auto found = starts_.find(queued);
    return found == starts_.end() ? kNone : found->second;
}

}  // namespace ioasim::traces
