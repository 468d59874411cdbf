#include "tools/cli/figures.hpp"

#include <algorithm>

namespace ioasim::tools {
namespace {

class Figures {
public:
    void count(const char* aspect, std::string name, std::uint64_t value) {
        list_.push_back({aspect, std::move(name), false, value});
    }
    void time(const char* aspect, std::string name, TimePs value) {
        list_.push_back({aspect, std::move(name), true, value.ps()});
    }
    std::vector<RunFigure> take() { return std::move(list_); }

private:
    std::vector<RunFigure> list_;
};

void add_work(const traces::StatsResult& stats, Figures& out) {
    traces::WorkStats all;
    for (const auto& [name, wq] : stats.workqueues) {
        all.accepted += wq.accepted;
        all.retries += wq.retries;
        all.completed += wq.completed;
        all.failed += wq.failed;
        all.aborted += wq.aborted;
        all.lost += wq.lost;
        all.bytes += wq.bytes;
        all.latency.merge(wq.latency);
    }
    out.count("outcome", "descriptors completed", all.completed);
    out.count("outcome", "bytes moved", all.bytes);
    out.count("cost", "submissions to be repeated", all.retries);
    out.time("cost", "descriptor, median", all.latency.median());
    out.time("cost", "descriptor, 99 %", all.latency.percentile(99));
    out.time("cost", "ENQCMD, median", stats.enqcmd.median());
    out.time("risk", "descriptor, longest", all.latency.max());
    out.count("risk", "descriptors failed", all.failed);
    out.count("risk", "descriptors aborted", all.aborted);
    out.count("risk", "records lost", all.lost);
}

void add_iommus(const traces::StatsResult& stats, Figures& out) {
    traces::IommuStats all;
    for (const auto& [name, unit] : stats.iommus) {
        all.requests += unit.requests;
        all.hits += unit.hits;
        all.walks += unit.walks;
        all.blocked += unit.blocked;
        all.recorded += unit.recorded;
        all.suppressed += unit.suppressed;
        all.invalidations += unit.invalidations;
        all.page_requests += unit.page_requests;
        all.translation.merge(unit.translation);
    }
    out.count("cost", "requests to IOMMUs", all.requests);
    out.count("cost", "walks", all.walks);
    out.count("cost", "invalidations", all.invalidations);
    out.count("cost", "page requests", all.page_requests);
    out.time("cost", "translation, median", all.translation.median());
    out.count("risk", "requests blocked", all.blocked);
    out.count("risk", "faults recorded", all.recorded);
    out.count("risk", "faults suppressed", all.suppressed);
}

void add_machines(const traces::StatsResult& stats, Figures& out) {
    traces::VmStats all;
    for (const auto& [name, vm] : stats.vms) {
        all.ids_allocated += vm.ids_allocated;
        all.ids_live += vm.ids_live;
        all.refused += vm.refused;
        all.exits += vm.exits;
        all.translation_exits += vm.translation_exits;
        all.kicks += vm.kicks;
        all.virtual_commands_failed += vm.virtual_commands_failed;
    }
    out.count("outcome", "IDs given to VMs", all.ids_allocated);
    out.count("outcome", "calls refused to VMs", all.refused);
    out.count("outcome", "virtual commands failed", all.virtual_commands_failed);
    out.count("cost", "VM exits", all.exits);
    out.count("cost", "VM exits for a PASID translation", all.translation_exits);
    out.count("cost", "kicks", all.kicks);
    out.count("risk", "IDs left over", all.ids_live);
}

void add_software(const traces::StatsResult& stats, Figures& out) {
    TimePs waited;
    TimePs longest;
    std::uint64_t contended = 0;
    for (const auto& [name, lock] : stats.locks) {
        waited += lock.waited;
        contended += lock.contended;
        longest = std::max(longest, lock.longest);
    }
    out.count("cost", "waits for locks", contended);
    out.time("cost", "waited for locks", waited);
    out.time("risk", "longest wait for a lock", longest);
    out.count("outcome", "IDs freed in use", stats.time_to_reclaim.count());
    out.time("risk", "free to reclaim, longest", stats.time_to_reclaim.max());
}

}  // namespace

std::vector<RunFigure> figures_of(const traces::StatsResult& stats) {
    Figures out;
    add_work(stats, out);
    add_iommus(stats, out);
    add_machines(stats, out);
    add_software(stats, out);
    return out.take();
}

}  // namespace ioasim::tools
