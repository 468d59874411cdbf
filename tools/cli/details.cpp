#include "tools/cli/details.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace ioasim::tools {
namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t kMachinesShown = 12;
constexpr std::size_t kLivesShown = 10;
constexpr std::size_t kQueuesShown = 24;

std::string count(std::uint64_t n, const char* word) {
    return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string answer(const traces::StateView& state, const std::string& path) {
    const traces::StateAnswer found = state.query(path);
    return found.value ? found.value->text() : std::string();
}

void add_machines(const traces::StatsResult& stats, const traces::StateView& state, Lines& out) {
    if (stats.vms.empty()) {
        return;
    }
    out.emplace_back("virtual machines");
    std::size_t shown = 0;
    for (const auto& [name, vm] : stats.vms) {
        if (shown++ == kMachinesShown) {
            out.push_back(fmt::format("  ... and {} more", stats.vms.size() - kMachinesShown));
            return;
        }
        std::string line = fmt::format(
            "  {:<10} {} ({} at a time, {} left), {}, {} ({} for a translation)", name,
            count(vm.ids_allocated, "ID"), vm.ids_most, vm.ids_live,
            count(vm.submissions, "submission"), count(vm.exits, "exit"), vm.translation_exits);
        line += vm.kicks == 0 ? "" : fmt::format(", {}", count(vm.kicks, "kick"));
        line += vm.refused == 0 ? "" : fmt::format(", {} refused", count(vm.refused, "call"));
        line += vm.virtual_commands_failed == 0
                    ? ""
                    : fmt::format(", {} of {} virtual commands failed", vm.virtual_commands_failed,
                                  vm.virtual_commands);
        line += answer(state, name + ".alive") == "true" ? ", still alive" : ", gone";
        out.push_back(std::move(line));
    }
}

std::string mark(const char* what, std::uint64_t ps) {
    return ps == traces::kNever ? std::string()
                                : fmt::format(", {} {}", what, short_time(TimePs{ps}));
}

void add_lives(const traces::StatsResult& stats, Lines& out) {
    Lines lines;
    std::size_t more = static_cast<std::size_t>(stats.lives_not_listed);
    for (const traces::IdLife& life : stats.lives) {
        if (life.kernel != "host") {
            continue;
        }
        if (lines.size() == kLivesShown) {
            ++more;
            continue;
        }
        const std::string marks = mark("bound", life.bind) + mark("unbound", life.unbind) +
                                  mark("freed", life.free) + mark("reclaimed", life.reclaim);
        lines.push_back(fmt::format("  {:>7} {:<12} allocated {}{}{}", life.ioasid, life.set,
                                    short_time(TimePs{life.alloc}), marks,
                                    life.reclaim == traces::kNever ? ", still there" : ""));
    }
    if (lines.empty()) {
        return;
    }
    out.emplace_back("IOASIDs of the host");
    out.insert(out.end(), lines.begin(), lines.end());
    if (more != 0) {
        out.push_back(fmt::format("  ... and {} more", more));
    }
    if (stats.time_to_reclaim.count() != 0) {
        out.push_back(fmt::format("  freed in use: {}; until reclaimed {} in the mean, {} at most",
                                  stats.time_to_reclaim.count(),
                                  short_time(stats.time_to_reclaim.mean()),
                                  short_time(stats.time_to_reclaim.max())));
    }
}

void add_queues(const traces::StatsResult& stats, Lines& out) {
    if (stats.workqueues.empty()) {
        return;
    }
    out.push_back(fmt::format("{:<18}{:>9} {:>8} {:>9} {:>7} {:>7} {:>6} {:>11} {:>11} {:>11}",
                              "workqueues", "accepted", "retries", "completed", "failed", "aborted",
                              "lost", "median", "99 %", "longest"));
    std::size_t shown = 0;
    for (const auto& [name, q] : stats.workqueues) {
        if (shown++ == kQueuesShown) {
            out.push_back(fmt::format("  ... and {} more", stats.workqueues.size() - kQueuesShown));
            break;
        }
        out.push_back(fmt::format(
            "  {:<16}{:>9} {:>8} {:>9} {:>7} {:>7} {:>6} {:>11} {:>11} {:>11}", name, q.accepted,
            q.retries, q.completed, q.failed, q.aborted, q.lost, short_time(q.latency.median()),
            short_time(q.latency.percentile(99)), short_time(q.latency.max())));
    }
    if (stats.enqcmd.count() != 0) {
        out.push_back(fmt::format("  {} ENQCMD, median {}, longest {}", stats.enqcmd.count(),
                                  short_time(stats.enqcmd.median()),
                                  short_time(stats.enqcmd.max())));
    }
}

void add_iommus(const traces::StatsResult& stats, Lines& out) {
    if (stats.iommus.empty()) {
        return;
    }
    out.emplace_back("IOMMUs");
    for (const auto& [name, u] : stats.iommus) {
        const std::string faults =
            u.blocked == 0 ? std::string("no faults")
                           : fmt::format("{} ({} recorded, {} suppressed)",
                                         count(u.blocked, "fault"), u.recorded, u.suppressed);
        out.push_back(fmt::format(
            "  {:<10} {}: {} from the IOTLB, {}; median {}; {}{}; {}", name,
            count(u.requests, "request"), u.hits, count(u.walks, "walk"),
            short_time(u.translation.median()), count(u.invalidations, "invalidation"),
            u.page_requests == 0 ? "" : "; " + count(u.page_requests, "page request"), faults));
    }
}

void add_locks(const traces::StatsResult& stats, Lines& out) {
    bool first = true;
    for (const auto& [name, lock] : stats.locks) {
        if (lock.contended == 0) {
            continue;
        }
        if (first) {
            out.emplace_back("locks that somebody waited for");
            first = false;
        }
        out.push_back(fmt::format("  {}: taken {}, waited for {}: {} in all, {} at most; held {}",
                                  name, count(lock.acquired, "time"), count(lock.contended, "time"),
                                  short_time(lock.waited), short_time(lock.longest),
                                  short_time(lock.held)));
    }
}

}  // namespace

std::string short_time(TimePs time) {
    struct Unit {
        std::uint64_t ps;
        const char* name;
    };
    constexpr std::array<Unit, 4> kUnits{
        {{1'000'000'000'000, "s"}, {1'000'000'000, "ms"}, {1'000'000, "us"}, {1'000, "ns"}}};
    for (const Unit& unit : kUnits) {
        if (time.ps() >= unit.ps) {
            // Rounded, as stories round: a moment has one name.
            const std::uint64_t step = unit.ps / 1000;
            const std::uint64_t thousandths = time.ps() / step + (time.ps() % step * 2 >= step);
            return fmt::format("{}.{:03} {}", thousandths / 1000, thousandths % 1000, unit.name);
        }
    }
    return fmt::format("{} ps", time.ps());
}

std::vector<std::string> detail_lines(const traces::StatsResult& stats,
                                      const traces::StateView& state) {
    Lines out;
    add_machines(stats, state, out);
    add_lives(stats, out);
    add_queues(stats, out);
    add_iommus(stats, out);
    add_locks(stats, out);
    return out;
}

}  // namespace ioasim::tools
