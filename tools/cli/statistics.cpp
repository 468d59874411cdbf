#include "tools/cli/statistics.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/fields.hpp"

namespace ioasim::tools {
namespace {

constexpr std::size_t kLivesKept = 4096;
constexpr std::size_t kLivesShown = 10;
constexpr std::size_t kMachinesShown = 12;
constexpr std::size_t kMarksKept = 12;

// Rounded for reading: three digits after the point in the largest unit.
std::string short_time(TimePs time) {
    struct Unit {
        std::uint64_t ps;
        const char* name;
    };
    constexpr std::array<Unit, 4> kUnits{{{1'000'000'000'000, "s"},
                                          {1'000'000'000, "ms"},
                                          {1'000'000, "us"},
                                          {1'000, "ns"}}};
    for (const Unit& unit : kUnits) {
        if (time.ps() >= unit.ps) {
            const std::uint64_t thousandths = (time.ps() % unit.ps) / (unit.ps / 1000);
            return fmt::format("{}.{:03} {}", time.ps() / unit.ps, thousandths, unit.name);
        }
    }
    return fmt::format("{} ps", time.ps());
}

std::string share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? "-" : fmt::format("{} %", part * 100 / whole);
}

}  // namespace

std::size_t LatencyHistogram::bucket(std::uint64_t value) {
    if (value < 16) {
        return static_cast<std::size_t>(value);
    }
    const auto top = static_cast<unsigned>(63 - __builtin_clzll(value));
    return (std::size_t{top} - 3) * 16 + ((value >> (top - 4)) & 15U);
}

std::uint64_t LatencyHistogram::upper(std::size_t bucket) {
    if (bucket < 16) {
        return bucket;
    }
    const std::size_t shift = bucket / 16 - 1;
    return ((16 + bucket % 16 + 1) << shift) - 1;
}

void LatencyHistogram::add(TimePs value) {
    ++buckets_[bucket(value.ps())];
    ++count_;
    sum_ += value.ps();
    least_ = std::min(least_, value.ps());
    most_ = std::max(most_, value.ps());
}

TimePs LatencyHistogram::mean() const { return TimePs{count_ == 0 ? 0 : sum_ / count_}; }

TimePs LatencyHistogram::percentile(unsigned percent) const {
    const std::uint64_t wanted = (count_ * percent + 99) / 100;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen >= wanted && seen != 0) {
            return TimePs{std::min(upper(i), most_)};
        }
    }
    return TimePs{0};
}

Statistics::Statistics(const trace::Recorder& recorder) : recorder_(recorder) {
    on<trace::VmCreate, &Statistics::on_vm_create>();
    on<trace::VmDestroy, &Statistics::on_vm_destroy>();
    on<trace::VmExit, &Statistics::on_vm_exit>();
    on<trace::IoasidAlloc, &Statistics::on_alloc>();
    on<trace::IoasidBind, &Statistics::on_bind>();
    on<trace::IoasidFree, &Statistics::on_free>();
    on<trace::IoasidStateChange, &Statistics::on_state>();
    on<trace::IoasidReclaim, &Statistics::on_reclaim>();
    on<trace::IoasidRefused, &Statistics::on_refused>();
    on<trace::DsaEnqueue, &Statistics::on_enqueue>();
    on<trace::DsaComplete, &Statistics::on_complete>();
    on<trace::VtdFault, &Statistics::on_fault>();
    on<trace::VtdTranslated, &Statistics::on_translated>();
    on<trace::VtdInvalidation, &Statistics::on_invalidation>();
    on<trace::CpuEnqcmd, &Statistics::on_enqcmd>();
}

const std::string& Statistics::text(std::uint64_t name) const {
    return recorder_.names().text(traces::as_name(name));
}

void Statistics::on_vm_create(const trace::EventRecord& record) {
    Machine& machine = machines_[text(IOASIM_FIELD(record, VmCreate, vm))];
    machine.created_ps = record.time.ps();
    machine.memory = IOASIM_FIELD(record, VmCreate, memory_bytes);
}

void Statistics::on_vm_destroy(const trace::EventRecord& record) {
    machines_[text(IOASIM_FIELD(record, VmDestroy, vm))].end =
        fmt::format("{} at {}", text(IOASIM_FIELD(record, VmDestroy, cause)),
                    short_time(record.time));
}

void Statistics::on_vm_exit(const trace::EventRecord& record) {
    const std::string& vcpu = text(IOASIM_FIELD(record, VmExit, vcpu));
    const auto found = machines_.find(vcpu.substr(0, vcpu.find('/')));
    if (found != machines_.end()) {
        ++found->second.exits;
    }
}

Statistics::Life* Statistics::life(std::uint64_t kernel, std::uint64_t ioasid, bool fresh) {
    if (host_ == ~std::uint64_t{0} && text(kernel) == "host") {
        host_ = kernel;
    }
    if (kernel != host_) {
        return nullptr;
    }
    const auto known = lives_.find(ioasid);
    if (known != lives_.end()) {
        return &known->second;
    }
    return fresh && lives_.size() < kLivesKept ? &lives_[ioasid] : nullptr;
}

void Statistics::on_alloc(const trace::EventRecord& record) {
    const std::uint64_t id = IOASIM_FIELD(record, IoasidAlloc, ioasid);
    Life* entry = life(IOASIM_FIELD(record, IoasidAlloc, kernel), id, true);
    if (IOASIM_FIELD(record, IoasidAlloc, kernel) != host_) {
        return;
    }
    ++ids_allocated_;
    ++ids_live_;
    ids_peak_ = std::max(ids_peak_, ids_live_);
    const std::string& set = text(IOASIM_FIELD(record, IoasidAlloc, set));
    const auto machine = machines_.find(set);
    if (machine != machines_.end()) {
        ++machine->second.ids;
    }
    if (entry != nullptr) {
        entry->set = set;
        entry->spid = 0;
        entry->marks.assign(1, {"alloc", record.time.ps()});
        pasid_set_[id] = set;
    }
}

void Statistics::on_bind(const trace::EventRecord& record) {
    Life* entry = life(IOASIM_FIELD(record, IoasidBind, kernel),
                       IOASIM_FIELD(record, IoasidBind, ioasid), false);
    if (entry != nullptr) {
        entry->spid = IOASIM_U32(record, IoasidBind, spid);
    }
}

void Statistics::on_free(const trace::EventRecord& record) {
    Life* entry = life(IOASIM_FIELD(record, IoasidFree, kernel),
                       IOASIM_FIELD(record, IoasidFree, ioasid), false);
    if (entry != nullptr && entry->marks.size() < kMarksKept) {
        entry->marks.emplace_back("freed in use", record.time.ps());
    }
}

void Statistics::on_state(const trace::EventRecord& record) {
    Life* entry = life(IOASIM_FIELD(record, IoasidStateChange, kernel),
                       IOASIM_FIELD(record, IoasidStateChange, ioasid), false);
    if (entry == nullptr) {
        return;
    }
    entry->state = trace::kIoasidStateLabels[IOASIM_FIELD(record, IoasidStateChange, to)];
    if (entry->marks.size() < kMarksKept && entry->state != "FREE_PENDING") {
        entry->marks.emplace_back(entry->state, record.time.ps());
    }
}

void Statistics::on_reclaim(const trace::EventRecord& record) {
    life(IOASIM_FIELD(record, IoasidReclaim, kernel), 0, false);
    if (IOASIM_FIELD(record, IoasidReclaim, kernel) == host_) {
        ++ids_reclaimed_;
        ids_live_ -= ids_live_ > 0 ? 1 : 0;
    }
}

void Statistics::on_refused(const trace::EventRecord& record) {
    const std::string& caller = text(IOASIM_FIELD(record, IoasidRefused, caller));
    for (auto& [name, machine] : machines_) {
        if (caller.find(name) != std::string::npos) {
            ++machine.refused;
            return;
        }
    }
}

Statistics::Machine* Statistics::machine_of_pasid(std::uint64_t pasid) {
    const auto set = pasid_set_.find(pasid);
    if (set == pasid_set_.end()) {
        return nullptr;
    }
    const auto machine = machines_.find(set->second);
    return machine == machines_.end() ? nullptr : &machine->second;
}

void Statistics::on_enqueue(const trace::EventRecord& record) {
    Queue& queue = queues_[{text(IOASIM_FIELD(record, DsaEnqueue, device)),
                            text(IOASIM_FIELD(record, DsaEnqueue, wq))}];
    const bool accepted = IOASIM_FIELD(record, DsaEnqueue, accepted) != 0;
    ++(accepted ? queue.accepted : queue.retried);
    queue.most_occupied =
        std::max(queue.most_occupied, IOASIM_U32(record, DsaEnqueue, occupancy));
}

void Statistics::on_complete(const trace::EventRecord& record) {
    Queue& queue = queues_[{text(IOASIM_FIELD(record, DsaComplete, device)),
                            text(IOASIM_FIELD(record, DsaComplete, wq))}];
    const std::string& how = text(IOASIM_FIELD(record, DsaComplete, how));
    // Status 1 is success (Intel DSA specification, completion record); "none" wrote no record.
    const bool good = how == "none" || (IOASIM_FIELD(record, DsaComplete, status) & 0x3FU) == 1;
    Machine* machine = machine_of_pasid(IOASIM_FIELD(record, DsaComplete, pasid));
    if (how == "abort") {
        ++queue.aborted;
        return;
    }
    ++(good ? queue.completed : queue.errors);
    queue.bytes += IOASIM_FIELD(record, DsaComplete, bytes);
    queue.latency.add(TimePs{IOASIM_FIELD(record, DsaComplete, latency)});
    if (machine != nullptr) {
        ++(good ? machine->completed : machine->errors);
    }
}

void Statistics::on_fault(const trace::EventRecord& record) {
    Unit& unit = units_[text(IOASIM_FIELD(record, VtdFault, iommu))];
    ++unit.faults[IOASIM_U32(record, VtdFault, reason)];
    unit.recorded += IOASIM_FIELD(record, VtdFault, recorded);
    unit.suppressed += IOASIM_FIELD(record, VtdFault, suppressed);
    if (Machine* machine = machine_of_pasid(IOASIM_FIELD(record, VtdFault, pasid))) {
        ++machine->faults;
    }
}

void Statistics::on_translated(const trace::EventRecord& record) {
    Unit& unit = units_[text(IOASIM_FIELD(record, VtdTranslated, iommu))];
    ++unit.translated;
    unit.hits += IOASIM_FIELD(record, VtdTranslated, hit);
}

void Statistics::on_invalidation(const trace::EventRecord& record) {
    ++units_[text(IOASIM_FIELD(record, VtdInvalidation, iommu))].invalidations;
}

void Statistics::on_enqcmd(const trace::EventRecord& record) {
    enqcmd_.add(TimePs{IOASIM_FIELD(record, CpuEnqcmd, took)});
    ++enqcmd_outcomes_[trace::kEnqcmdOutcomeLabels[IOASIM_FIELD(record, CpuEnqcmd, outcome)]];
}

void Statistics::add_machines(std::vector<std::string>& out) const {
    if (machines_.empty()) {
        return;
    }
    out.emplace_back("virtual machines");
    std::size_t shown = 0;
    for (const auto& [name, m] : machines_) {
        if (shown++ == kMachinesShown) {
            out.push_back(fmt::format("  ... and {} more", machines_.size() - kMachinesShown));
            break;
        }
        out.push_back(fmt::format(
            "  {:<10} {} ID{}, {} descriptors done, {} with error, {} faults, {} exits{}; {}", name,
            m.ids, m.ids == 1 ? "" : "s", m.completed, m.errors, m.faults, m.exits,
            m.refused == 0 ? "" : fmt::format(", {} calls refused", m.refused),
            m.end.empty() ? "alive at the end" : m.end));
    }
}

void Statistics::add_ids(std::vector<std::string>& out) const {
    if (ids_allocated_ == 0) {
        return;
    }
    out.push_back(fmt::format("IOASIDs of the host: {} allocated, {} at most at a time, {} left",
                              ids_allocated_, ids_peak_, ids_live_));
    std::size_t shown = 0;
    for (const auto& [id, entry] : lives_) {
        if (shown++ == kLivesShown) {
            out.push_back(fmt::format("  ... and {} more", lives_.size() - kLivesShown));
            break;
        }
        std::string marks;
        for (const auto& [what, when] : entry.marks) {
            marks += fmt::format("{}{} {}", marks.empty() ? "" : ", ", what,
                                 short_time(TimePs{when}));
        }
        const bool spid = entry.spid != 0 && entry.spid != traces::kNoId;
        out.push_back(fmt::format("  {:>6} {:<10} {}{}", id, entry.set,
                                  spid ? fmt::format("SPID {}: ", entry.spid) : "", marks));
    }
}

void Statistics::add_queues(std::vector<std::string>& out) const {
    if (queues_.empty()) {
        return;
    }
    out.push_back(fmt::format("{:<16} {:>9} {:>8} {:>9} {:>7} {:>7} {:>10} {:>12} {:>12} {:>12}",
                              "workqueues", "accepted", "retried", "completed", "errors",
                              "aborted", "bytes", "mean", "99 %", "longest"));
    for (const auto& [name, q] : queues_) {
        out.push_back(fmt::format(
            "  {:<14} {:>9} {:>8} {:>9} {:>7} {:>7} {:>10} {:>12} {:>12} {:>12}",
            name.first + "/" + name.second, q.accepted, q.retried, q.completed, q.errors,
            q.aborted, q.bytes, short_time(q.latency.mean()), short_time(q.latency.percentile(99)),
            short_time(q.latency.most())));
    }
    if (enqcmd_.count() != 0) {
        std::string outcomes;
        for (const auto& [label, count] : enqcmd_outcomes_) {
            outcomes += fmt::format(", {} {}", count, label);
        }
        out.push_back(fmt::format("  ENQCMD: {}{}; mean {}, longest {}", enqcmd_.count(), outcomes,
                                  short_time(enqcmd_.mean()), short_time(enqcmd_.most())));
    }
}

void Statistics::add_units(std::vector<std::string>& out) const {
    if (units_.empty()) {
        return;
    }
    out.emplace_back("IOMMUs");
    for (const auto& [name, u] : units_) {
        std::uint64_t total = 0;
        std::string reasons;
        for (const auto& [reason, count] : u.faults) {
            total += count;
            reasons += fmt::format("{}{:#x} x{}", reasons.empty() ? "" : ", ", reason, count);
        }
        out.push_back(fmt::format("  {:<10} {} translations, {} from the IOTLB, {} invalidations, "
                                  "{}",
                                  name, u.translated, share(u.hits, u.translated), u.invalidations,
                                  total == 0
                                      ? std::string("no faults")
                                      : fmt::format("{} faults ({}): {} recorded, {} suppressed",
                                                    total, reasons, u.recorded, u.suppressed)));
    }
}

std::vector<std::string> Statistics::lines() const {
    std::vector<std::string> out;
    add_machines(out);
    add_ids(out);
    add_queues(out);
    add_units(out);
    return out;
}

}  // namespace ioasim::tools
