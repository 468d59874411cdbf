#include "tools/cli/report/timeline.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "traces/event_text.hpp"

namespace ioasim::tools::report {
namespace {

using trace::Category;

constexpr std::uint64_t kLanesOfGroup = 64;
constexpr std::size_t kLatencies = 400;

// Events of these categories that no lane of their own wants are marks in the lane of their source.
bool told_as_note(Category category) {
    return category == Category::Software || category == Category::Vm ||
           category == Category::Ioasid || category == Category::Dsa || category == Category::Cpu ||
           category == Category::Pcie;
}

// The first ID that an event names.
std::uint64_t id_of(const trace::EventRecord& record) {
    const auto& fields = record.info->fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].type == trace::FieldType::Id && record.values[i] != traces::kNoId) {
            return record.values[i];
        }
    }
    return kNoNumber;
}

// The most that each lane may have so that all together have so many: what one lane does not need,
// others get.
std::size_t fair_share(const std::vector<Lane>& lanes, std::size_t in_all) {
    constexpr std::size_t kLeast = 100;
    std::size_t low = kLeast;
    std::size_t high = in_all;
    while (low + 1 < high) {
        const std::size_t each = (low + high) / 2;
        std::size_t sum = 0;
        for (const Lane& lane : lanes) {
            sum += std::min(each, lane.slices().size());
        }
        (sum <= in_all ? low : high) = each;
    }
    return low;
}

Kind kind_of_state(std::uint64_t state) {
    switch (static_cast<trace::IoasidState>(state)) {
        case trace::IoasidState::Active:
            return Kind::Active;
        case trace::IoasidState::FreePending:
            return Kind::Pending;
        default:
            return Kind::Idle;
    }
}

}  // namespace

const char* group_name(std::uint32_t group) {
    static constexpr const char* kNames[] = {
        "Faults and findings", "Programs", "IOASIDs", "Notifications",   "Software",
        "Processors",          "Locks",    "Devices", "Remapping units", "Links"};
    return kNames[group];
}

Timeline::Timeline(trace::Recorder& recorder) : recorder_(recorder) {
    listen_to_software();
    listen_to_hardware();
}

void Timeline::listen_to_software() {
    hear<trace::StepResult, &Timeline::on_step>();
    hear<trace::SchedRun, &Timeline::on_sched_run>();
    hear<trace::SchedIdle, &Timeline::on_sched_idle>();
    hear<trace::VmEntry, &Timeline::on_vm_entry>();
    hear<trace::VmExit, &Timeline::on_vm_exit>();
    hear<trace::LockAcquire, &Timeline::on_lock_acquire>();
    hear<trace::LockRelease, &Timeline::on_lock_release>();
    hear<trace::IoasidHandler, &Timeline::on_handler>();
    hear<trace::IoasidHandlerDone, &Timeline::on_handler_done>();
    hear<trace::IoasidWork, &Timeline::on_work>();
    hear<trace::IoasidAlloc, &Timeline::on_alloc>();
    hear<trace::IoasidStateChange, &Timeline::on_state>();
    hear<trace::IoasidReclaim, &Timeline::on_reclaim>();
    hear<trace::IoasidGet, &Timeline::on_get>();
    hear<trace::IoasidPut, &Timeline::on_put>();
    hear<trace::IoasidHazard, &Timeline::on_hazard>();
    hear<trace::IoasidRefused, &Timeline::on_refused>();
    hear<trace::RunFinding, &Timeline::on_finding>();
    hear<trace::CpuEnqcmd, &Timeline::on_enqcmd>();
    hear<trace::ProcessStart, &Timeline::on_process_start>();
    hear<trace::ProcessExit, &Timeline::on_process_exit>();
    ignore<trace::IoasidCapacity>();
    ignore<trace::CpuPasid>();
}

void Timeline::on_event(const trace::EventRecord& record) {
    begin_ = events_++ == 0 ? record.time.ps() : begin_;
    end_ = std::max(end_, record.time.ps());
    TypedListener::on_event(record);
    if (told_as_note(record.info->category) && known_.count(record.info) == 0) {
        note(record);
    }
}

void Timeline::note(const trace::EventRecord& record) {
    const bool hardware =
        record.info->category == Category::Dsa || record.info->category == Category::Pcie;
    instant(record, hardware ? Group::Devices : Group::Software,
            recorder_.source_name(record.source), Kind::Note, record.info->name, id_of(record));
}

// --- lanes --------------------------------------------------------------------------------------

Lane* Timeline::lane(Group group, const std::string& name) {
    const auto number = static_cast<std::uint32_t>(group);
    const auto found = lane_index_.find({number, name});
    if (found != lane_index_.end()) {
        return &lanes_[found->second];
    }
    std::uint64_t& count = lanes_of_group_[number];
    if (count == kLanesOfGroup) {
        return nullptr;
    }
    ++count;
    lane_index_.emplace(std::make_pair(number, name), lanes_.size());
    return &lanes_.emplace_back(number, name);
}

void Timeline::slice(Group group, const std::string& name, const Slice& slice) {
    if (Lane* into = lane(group, name)) {
        into->add(slice);
    } else {
        ++lanes_left_out_[group_name(static_cast<std::uint32_t>(group))];
    }
}

void Timeline::instant(const trace::EventRecord& record, Group group, const std::string& name,
                       Kind kind, const std::string& text, std::uint64_t number) {
    ended(record, 0, group, name, kind, text, number);
}

void Timeline::ended(const trace::EventRecord& record, std::uint64_t took, Group group,
                     const std::string& name, Kind kind, const std::string& text,
                     std::uint64_t number) {
    Slice what;
    what.end = record.time.ps();
    what.begin = what.end - std::min(what.end, took);
    what.kind = kind;
    what.text = texts_.add(text);
    what.number = number;
    what.seq = record.seq;
    slice(group, name, what);
}

void Timeline::open(const trace::EventRecord& record, OpenKey key, Open what) {
    what.begin = record.time.ps();
    what.seq = record.seq;
    open_[std::move(key)] = std::move(what);
}

void Timeline::close_at(std::uint64_t end, const Open& what) {
    Slice done;
    done.begin = what.begin;
    done.end = std::max(end, what.begin);
    done.kind = what.kind;
    done.text = texts_.add(what.text);
    done.number = what.number;
    done.seq = what.seq;
    slice(what.group, what.lane, done);
}

bool Timeline::close(const trace::EventRecord& record, const OpenKey& key) {
    const auto found = open_.find(key);
    if (found == open_.end()) {
        return false;
    }
    close_at(record.time.ps(), found->second);
    open_.erase(found);
    return true;
}

Series& Timeline::series(const std::string& chart, const std::string& name) {
    const auto [found, fresh] = series_index_.emplace(std::make_pair(chart, name), series_.size());
    if (fresh) {
        series_.emplace_back(chart, name);
    }
    return series_[found->second];
}

void Timeline::latency(const char* group, const std::string& name, std::uint64_t took) {
    const auto key = std::make_pair(std::string(group), name);
    const auto found = latencies_.find(key);
    if (found != latencies_.end()) {
        found->second.add(TimePs{took});
    } else if (latencies_.size() < kLatencies) {
        latencies_[key].add(TimePs{took});
    }
}

// --- programs and processors --------------------------------------------------------------------

void Timeline::on_step(const trace::EventRecord& record) {
    const std::uint64_t took = IOASIM_FIELD(record, StepResult, took);
    const auto error = static_cast<Errno>(IOASIM_FIELD(record, StepResult, result));
    const std::string step = name(IOASIM_NAME(record, StepResult, step));
    const std::string text =
        error == Errno::Ok ? step + ", step" : fmt::format("{} {}, step", step, errno_name(error));
    ended(record, took, Group::Programs, name(IOASIM_NAME(record, StepResult, program)),
          error == Errno::Ok ? Kind::Work : Kind::Bad, text,
          IOASIM_FIELD(record, StepResult, index));
    latency("steps of programs", step, took);
}

void Timeline::on_process_start(const trace::EventRecord& record) {
    const std::string process = name(IOASIM_NAME(record, ProcessStart, process));
    instant(record, Group::Programs, process, Kind::Note, "starts");
}
void Timeline::on_process_exit(const trace::EventRecord& record) {
    const std::string process = name(IOASIM_NAME(record, ProcessExit, process));
    instant(record, Group::Programs, process, Kind::Note,
            "ends: " + name(IOASIM_NAME(record, ProcessExit, cause)));
}

void Timeline::on_sched_run(const trace::EventRecord& record) {
    const std::string cpu = fmt::format("cpu{}", IOASIM_FIELD(record, SchedRun, cpu));
    close(record, {"cpu", cpu});
    Open what;
    what.text = name(IOASIM_NAME(record, SchedRun, task));
    what.lane = cpu;
    what.group = Group::Processors;
    what.kind = Kind::Work;
    open(record, {"cpu", cpu}, std::move(what));
}
void Timeline::on_sched_idle(const trace::EventRecord& record) {
    close(record, {"cpu", fmt::format("cpu{}", IOASIM_FIELD(record, SchedIdle, cpu))});
}

void Timeline::on_vm_entry(const trace::EventRecord& record) {
    const std::string vcpu = name(IOASIM_NAME(record, VmEntry, vcpu));
    Open what;
    what.text = "guest mode";
    what.lane = vcpu + " in guest mode";
    what.group = Group::Processors;
    what.kind = Kind::Guest;
    open(record, {"guest", vcpu}, std::move(what));
}
void Timeline::on_vm_exit(const trace::EventRecord& record) {
    const std::string vcpu = name(IOASIM_NAME(record, VmExit, vcpu));
    const auto found = open_.find({"guest", vcpu});
    if (found != open_.end()) {
        found->second.text = "until exit: " + name(IOASIM_NAME(record, VmExit, reason));
        close(record, {"guest", vcpu});
    }
}

void Timeline::on_enqcmd(const trace::EventRecord& record) {
    const auto outcome =
        static_cast<trace::EnqcmdOutcome>(IOASIM_FIELD(record, CpuEnqcmd, outcome));
    const std::uint64_t took = IOASIM_FIELD(record, CpuEnqcmd, took);
    const bool sent =
        outcome == trace::EnqcmdOutcome::Accepted || outcome == trace::EnqcmdOutcome::Retry;
    const std::uint64_t pasid = IOASIM_FIELD(record, CpuEnqcmd, pasid);
    ended(record, took, Group::Processors, recorder_.source_name(record.source) + " ENQCMD",
          outcome == trace::EnqcmdOutcome::Accepted ? Kind::Work
          : sent                                    ? Kind::Wait
                                                    : Kind::Note,
          trace::kEnqcmdOutcomeLabels[IOASIM_FIELD(record, CpuEnqcmd, outcome)],
          pasid == traces::kNoId ? kNoNumber : pasid);
    if (sent) {
        latency("submissions", "ENQCMD", took);
    }
}

void Timeline::on_lock_acquire(const trace::EventRecord& record) {
    const std::string lock = name(IOASIM_NAME(record, LockAcquire, lock));
    const std::string owner = name(IOASIM_NAME(record, LockAcquire, owner));
    const std::uint64_t waited = IOASIM_FIELD(record, LockAcquire, waited);
    if (waited != 0) {
        ended(record, waited, Group::Locks, lock, Kind::Wait, owner + " waits");
        latency("waits for locks", lock, waited);
    }
    Open what;
    what.text = owner;
    what.lane = lock;
    what.group = Group::Locks;
    what.kind = Kind::Work;
    open(record, {"lock", lock}, std::move(what));
}
void Timeline::on_lock_release(const trace::EventRecord& record) {
    close(record, {"lock", name(IOASIM_NAME(record, LockRelease, lock))});
}

// --- the IOASID core ----------------------------------------------------------------------------

void Timeline::on_handler(const trace::EventRecord& record) {
    const std::string kernel = name(IOASIM_NAME(record, IoasidHandler, kernel));
    const std::string block = name(IOASIM_NAME(record, IoasidHandler, block));
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidHandler, ioasid);
    Open what;
    what.text = trace::kIoasidNotificationLabels[IOASIM_FIELD(record, IoasidHandler, notification)];
    what.lane = kernel + ": " + block;
    what.group = Group::Notifications;
    what.kind = Kind::Work;
    what.number = ioasid;
    open(record, {"handler", fmt::format("{} {} {}", kernel, block, ioasid)}, std::move(what));
}
void Timeline::on_handler_done(const trace::EventRecord& record) {
    const std::string block = name(IOASIM_NAME(record, IoasidHandlerDone, block));
    close(record,
          {"handler", fmt::format("{} {} {}", name(IOASIM_NAME(record, IoasidHandlerDone, kernel)),
                                  block, IOASIM_FIELD(record, IoasidHandlerDone, ioasid))});
    latency("notification blocks", block, IOASIM_FIELD(record, IoasidHandlerDone, took));
}

void Timeline::on_work(const trace::EventRecord& record) {
    const std::string kernel = name(IOASIM_NAME(record, IoasidWork, kernel));
    const std::string work = name(IOASIM_NAME(record, IoasidWork, work));
    const std::string phase = name(IOASIM_NAME(record, IoasidWork, phase));
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidWork, ioasid);
    const OpenKey key{"work", fmt::format("{} {} {}", kernel, work, ioasid)};
    close(record, key);
    if (phase == "done") {
        return;
    }
    Open what;
    what.text = work + (phase == "queued" ? " queued" : "");
    what.lane = kernel + ": ordered work";
    what.group = Group::Notifications;
    what.kind = phase == "queued" ? Kind::Wait : Kind::Work;
    what.number = ioasid;
    open(record, key, std::move(what));
}

void Timeline::on_alloc(const trace::EventRecord& record) {
    const std::string kernel = name(IOASIM_NAME(record, IoasidAlloc, kernel));
    const std::string set = name(IOASIM_NAME(record, IoasidAlloc, set));
    series("live IOASIDs", kernel + ": " + set)
        .add(record.time.ps(), IOASIM_FIELD(record, IoasidAlloc, live));
    count_reference(record, IOASIM_U32(record, IoasidAlloc, kernel),
                    recorder_.name("owner").value(), 1);
}

void Timeline::on_state(const trace::EventRecord& record) {
    const std::string kernel = name(IOASIM_NAME(record, IoasidStateChange, kernel));
    const std::string set = name(IOASIM_NAME(record, IoasidStateChange, set));
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidStateChange, ioasid);
    const std::uint64_t to = IOASIM_FIELD(record, IoasidStateChange, to);
    const OpenKey key{"id", fmt::format("{} {} {}", kernel, set, ioasid)};
    close(record, key);
    if (static_cast<trace::IoasidState>(to) == trace::IoasidState::Free) {
        return;
    }
    Open what;
    what.text = trace::kIoasidStateLabels[to];
    what.lane = fmt::format("{} {} ({})", kernel, ioasid, set);
    what.group = Group::Ids;
    what.kind = kind_of_state(to);
    what.number = ioasid;
    open(record, key, std::move(what));
}

void Timeline::on_reclaim(const trace::EventRecord& record) {
    const std::string kernel = name(IOASIM_NAME(record, IoasidReclaim, kernel));
    const std::string set = name(IOASIM_NAME(record, IoasidReclaim, set));
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidReclaim, ioasid);
    close(record, {"id", fmt::format("{} {} {}", kernel, set, ioasid)});
    series("live IOASIDs", kernel + ": " + set)
        .add(record.time.ps(), IOASIM_FIELD(record, IoasidReclaim, live));
}

void Timeline::on_get(const trace::EventRecord& record) {
    count_reference(record, IOASIM_U32(record, IoasidGet, kernel),
                    IOASIM_U32(record, IoasidGet, holder), 1);
}
void Timeline::on_put(const trace::EventRecord& record) {
    count_reference(record, IOASIM_U32(record, IoasidPut, kernel),
                    IOASIM_U32(record, IoasidPut, holder), -1);
}

void Timeline::count_reference(const trace::EventRecord& record, std::uint32_t kernel,
                               std::uint32_t holder, int change) {
    const std::string who = name(traces::as_name(kernel)) + ": " + name(traces::as_name(holder));
    std::uint64_t& count = references_[who];
    // A holder that puts what it never took is a finding of its own.
    count = change > 0 ? count + 1 : count - std::min<std::uint64_t>(count, 1);
    series("references by holder", who).add(record.time.ps(), count);
}

// --- alarms -------------------------------------------------------------------------------------

void Timeline::on_finding(const trace::EventRecord& record) {
    instant(record, Group::Alarms, "findings", Kind::Bad,
            name(IOASIM_NAME(record, RunFinding, code)));
    constexpr std::size_t kMost = 1000;
    if (findings_.size() == kMost) {
        ++findings_left_out_;
        return;
    }
    findings_.push_back(
        {name(IOASIM_NAME(record, RunFinding, code)), name(IOASIM_NAME(record, RunFinding, who)),
         name(IOASIM_NAME(record, RunFinding, text)), record.time.ps(), record.seq, false});
}

void Timeline::on_hazard(const trace::EventRecord& record) {
    instant(record, Group::Alarms, "hazards", Kind::Bad,
            trace::kIoasidHazardLabels[IOASIM_FIELD(record, IoasidHazard, kind)]);
}

void Timeline::on_refused(const trace::EventRecord& record) {
    const std::uint64_t ioasid = IOASIM_FIELD(record, IoasidRefused, ioasid);
    instant(
        record, Group::Alarms, "refused calls", Kind::Note,
        fmt::format("{} {}", name(IOASIM_NAME(record, IoasidRefused, operation)),
                    errno_name(static_cast<Errno>(IOASIM_FIELD(record, IoasidRefused, result)))),
        ioasid == traces::kNoId ? kNoNumber : ioasid);
}

// --- the end ------------------------------------------------------------------------------------

void Timeline::on_end(TimePs end) {
    end_ = std::max(end_, end.ps());
    for (const auto& [key, what] : open_) {
        close_at(end_, what);
    }
    open_.clear();
}

void Timeline::give(RunModel& model, std::size_t slices_in_all) {
    model.events = events_;
    model.begin = begin_;
    model.end = end_;
    std::stable_sort(lanes_.begin(), lanes_.end(),
                     [](const Lane& a, const Lane& b) { return a.group() < b.group(); });
    const std::size_t each = fair_share(lanes_, slices_in_all);
    for (Lane& lane : lanes_) {
        lane.finish(each);
    }
    constexpr std::size_t kPoints = 1500;
    for (Series& series : series_) {
        series.finish(kPoints);
    }
    model.texts = std::move(texts_);
    model.lanes = std::move(lanes_);
    model.lanes_left_out = lanes_left_out_;
    model.series = std::move(series_);
    if (!model.judged) {
        model.findings = std::move(findings_);
        model.findings_left_out = findings_left_out_;
    }
    model.faults = std::move(faults_);
    model.faults_left_out = faults_left_out_;
    for (auto& [key, latency] : latencies_) {
        model.latencies.push_back({key.first, key.second, std::move(latency)});
    }
}

}  // namespace ioasim::tools::report
