#include "tools/cli/campaign/faults.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "core/base/random.hpp"
#include "core/base/units.hpp"
#include "models/platform/liveness.hpp"
#include "tools/cli/vocabulary.hpp"

namespace ioasim::tools {
namespace {

using platform::InjectFault;
using platform::InjectKind;
using platform::InjectParam;
using platform::InjectWay;
using scenario::Node;

constexpr const char* kBreaks =
    "software that breaks its own rules: checkers must tell what comes of it";
constexpr const char* kStays = "what it changes stays changed: it does not heal";
constexpr const char* kForEver =
    "nothing ends the wait for the lost message but an abort by hand: PCIe has no time-out for it";
constexpr const char* kNobodyRepairs = "it needs somebody who resets, whom a scenario may not have";
constexpr const char* kNotDrained =
    "real drivers take a drain that failed for one that was done: a hazard tells it";
constexpr const char* kUnannounced =
    "it takes away PASID entries and commands under way without a word to virtual machines and "
    "drivers, which an administrator would quiet first";
constexpr const char* kOwnWork = "a program of its own, whose work no bound knows";

const InjectParam* delay_of(const InjectKind& kind) {
    const auto by = std::find_if(kind.params.begin(), kind.params.end(), [](const InjectParam& p) {
        return std::string_view(p.key) == "by";
    });
    return by == kind.params.end() ? nullptr : &*by;
}

// After these everything is as it would have been, only later. A submission whose answer is lost is
// made again, and may be done twice; a device gives up a page whose requests are lost again and
// again.
constexpr std::string_view kDelays[] = {
    "cpu.hog",
    "dsa.hang",
    "dsa.submission_retry",
    "handler.slow",
    "ioasid.lock_held",
    "ioasid.work_late",
    "iommu.invalidation_slow",
    "iommu.walk_slow",
    "pcie.completion_duplicated",
    "pcie.completion_late",
    "pcie.interrupt_duplicated",
    "pcie.interrupt_late",
    "pcie.invalidation_late",
    "pcie.page_request_late",
    "pcie.page_response_late",
    "vdev.pause",
    "vm.steal",
};

bool only_delays(const InjectKind& kind) {
    return std::find(std::begin(kDelays), std::end(kDelays), kind.name) != std::end(kDelays);
}

bool drawn(const InjectKind& kind) {
    const auto& all = fault_policies();
    const auto found = std::find_if(all.begin(), all.end(), [&kind](const FaultPolicy& policy) {
        return policy.kind == kind.name;
    });
    return found != all.end() && found->left_out.empty();
}

class Draw {
public:
    Draw(const scenario::Scenario& scenario, std::uint64_t seed, TimePs work)
        : scenario_(scenario), stream_(seed, scenario.full_name(), "swarm faults"), work_(work) {}

    std::optional<DrawnFaults> run() {
        std::vector<InjectFault> faults = platform::inject_applicable(scenario_.config);
        faults.erase(std::remove_if(faults.begin(), faults.end(),
                                    [](const InjectFault& fault) { return !drawn(*fault.kind); }),
                     faults.end());
        if (faults.empty()) {
            return std::nullopt;
        }
        DrawnFaults out;
        out.work = work_;
        // Not before something happens: the first part of a run is the boot.
        constexpr std::uint64_t kCalm = 4;
        const std::uint64_t most = std::max<std::uint64_t>(work_.ps(), kCalm);
        out.heal = TimePs{stream_.between(most / kCalm, most)};
        constexpr std::uint64_t kMostKinds = 4;
        const std::uint64_t kinds = stream_.between(1, kMostKinds);
        for (std::uint64_t i = 0; i < kinds && !faults.empty(); ++i) {
            const std::size_t pick = stream_.below(faults.size());
            out.inject.push_back(item(faults[pick], out));
            out.fail = out.fail || !only_delays(*faults[pick].kind);
            faults.erase(faults.begin() + static_cast<std::ptrdiff_t>(pick));
        }
        return out;
    }

private:
    Node item(const InjectFault& fault, DrawnFaults& out) {
        const InjectKind& kind = *fault.kind;
        Node node = Node::object();
        node.set("fault", Node::string(fault.target.empty()
                                           ? std::string(kind.name)
                                           : fmt::format("{}.{}", fault.target, kind.word())));
        if (kind.way == InjectWay::Site) {
            // Rare, often, and almost always.
            constexpr std::uint64_t kRarest = 8;
            node.set("chance", Node::string(fmt::format("1/{}", 1ULL << stream_.below(kRarest))));
            node.set("stream", Node::string(fmt::format("swarm.{}", kind.name)));
            constexpr std::uint64_t kDoublings = 4;
            node.set("count", Node::number(1ULL << stream_.below(kDoublings)));
        } else {
            node.set("at", Node::string(time_text(stream_.between(1, out.heal.ps()))));
        }
        if (const InjectParam* by = delay_of(kind)) {
            const std::uint64_t usual = parse_time_text(by->initial).value;
            constexpr std::uint64_t kDecade = 10;
            const std::uint64_t pick = stream_.below(3);
            const std::uint64_t value = pick == 0   ? usual / kDecade
                                        : pick == 1 ? usual
                                                    : usual * kDecade;
            node.set("by", Node::string(time_text(std::clamp(value, by->low, by->high))));
        }
        if (kind.name == "pcie.invalidation_lost") {
            end_before(out, "iommu", "invalidation.timeout", "iommu.timeout");
        } else if (kind.name == "pcie.completion_lost") {
            end_before(out, "device", "completion_timeout", "idxd.timeout");
        }
        return node;
    }

    // What hardware waits for must end before its driver gives up: a driver that is first knows
    // nothing of what hangs. Real drivers wait for seconds, real time-outs are 50 ms at most.
    void end_before(DrawnFaults& out, const char* owner, const char* path,
                    const char* patience) const {
        const auto& params = scenario_.config.params;
        const auto& tables = platform::param_tables();
        const bool own = std::any_of(params.begin(), params.end(), [&](const auto& one) {
            const bool kind = std::any_of(tables.begin(), tables.end(), [&one](const auto* table) {
                return table->owner() == one.component;  // "requester" has one of this name, too
            });
            return one.path == path && !kind;
        });
        if (!own) {
            const ParamInfo* const info = platform::find_param(owner, path);
            const ParamInfo* const driver = platform::find_param("kernel", patience);
            out.params.push_back(
                {owner, path, std::clamp(driver->initial / 2, info->low, info->high)});
        }
    }

    const scenario::Scenario& scenario_;
    RandomStream stream_;
    TimePs work_;
};

// Where calls fail and somebody may be gone, what was to be done need not be done, and the state at
// the end is another one. What must never happen must not happen there either.
std::size_t drop_promises(std::vector<scenario::Expectation>& all) {
    using Kind = scenario::Expectation::Kind;
    std::size_t dropped = 0;
    for (scenario::Expectation& e : all) {
        if ((e.kind == Kind::Count && e.at_most) || e.kind == Kind::Finding) {
            e.at_least = 0;
        }
    }
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&dropped](const scenario::Expectation& e) {
                                 const bool promise =
                                     e.kind == Kind::Order || e.kind == Kind::Bytes ||
                                     e.kind == Kind::Step || e.kind == Kind::Latency ||
                                     (e.kind == Kind::Count && !e.at_most) ||
                                     (e.kind == Kind::Final && !e.always);
                                 const bool judged = e.always || e.kind == Kind::Final;
                                 dropped += promise && judged ? 1 : 0;
                                 return promise;
                             }),
              all.end());
    return dropped;
}

Node heal_node(const DrawnFaults& faults) {
    Node heal = Node::object();
    heal.set("at", Node::string(time_text(faults.heal.ps())));
    heal.set("work", Node::string(time_text(faults.work.ps())));
    return heal;
}

// What the scenario brings in itself comes first and keeps its number.
Node inject_list(const scenario::Scenario& scenario, const DrawnFaults& faults) {
    const Node* const own = scenario.document.get("inject");
    Node list = own == nullptr ? Node::array() : *own;
    list.items.insert(list.items.end(), faults.inject.begin(), faults.inject.end());
    return list;
}

}  // namespace

const std::vector<FaultPolicy>& fault_policies() {
    static const std::vector<FaultPolicy> all = [] {
        std::vector<FaultPolicy> list{
            {"device.fault_queue_removed", kStays},
            {"device.function_reset", kUnannounced},
            {"dsa.command_fails", kNotDrained},
            {"dsa.hardware_error", kNobodyRepairs},
            {"handler.fails", kBreaks},
            {"handler.forgets_put", kBreaks},
            {"handler.puts_twice", kBreaks},
            {"handler.sleeps", kBreaks},
            {"ioasid.quota_changed", kStays},
            {"memory.poison", kStays},
            {"pcie.interrupt_lost", kForEver},
            {"pcie.page_request_lost", kForEver},
            {"pcie.page_response_lost", kForEver},
            {"pcie.surprise_removal", kNobodyRepairs},
            {"vm.double_free", kOwnWork},
            {"vm.foreign_free", kOwnWork},
            {"vm.foreign_pasid", kOwnWork},
            {"vm.forged_addresses", kOwnWork},
            {"vm.page_request_flood", kOwnWork},
            {"vm.hang", kNobodyRepairs},
            {"vm.panic", kNobodyRepairs},
            {"vm.raw_command", kOwnWork},
            {"vm.spid_storm", kOwnWork},
            {"vm.submit_after_unbind", kOwnWork},
            {"vm.submit_flood", kOwnWork},
            {"vm.unplug", kStays},
        };
        for (const InjectKind& kind : platform::inject_kinds()) {
            const bool known = std::any_of(
                list.begin(), list.end(),
                [&kind](const FaultPolicy& policy) { return policy.kind == kind.name; });
            if (!known) {
                list.push_back({kind.name, {}});
            }
        }
        std::sort(list.begin(), list.end(),
                  [](const FaultPolicy& a, const FaultPolicy& b) { return a.kind < b.kind; });
        return list;
    }();
    return all;
}

bool draws_faults(const scenario::Scenario& scenario, std::uint64_t seed) {
    const auto& expectations = scenario.expectations;
    const bool ends =
        std::none_of(expectations.begin(), expectations.end(), [](const scenario::Expectation& e) {
            return e.kind == scenario::Expectation::Kind::Ends && e.name != "idle";
        });
    RandomStream stream(seed, scenario.full_name(), "swarm phases");
    return ends && !scenario.config.heal && !scenario.config.without_kernel() &&
           platform::endless_injection(scenario.config) == nullptr && stream.chance(1, 2);
}

std::optional<DrawnFaults> draw_faults(const scenario::Scenario& scenario, std::uint64_t seed,
                                       TimePs work) {
    return Draw(scenario, seed, work).run();
}

std::optional<DrawnFaults> faults_of_run(const Job& job,
                                         const std::function<RunResult(const Job&)>& make) {
    if (!draws_faults(job.scenario, job.effective_seed)) {
        return std::nullopt;
    }
    Job calm = job;
    calm.scenario.campaign = "seeds";  // its machine is drawn
    calm.scenario.expectations.clear();
    calm.options.checkers = false;
    calm.options.watch_defects = false;
    calm.traces.clear();
    calm.folder.clear();
    calm.attach = nullptr;
    calm.show_progress = false;
    const RunResult result = make(calm);
    // A run that does not end by itself fails without faults.
    return result.reason == "idle"
               ? draw_faults(job.scenario, job.effective_seed, TimePs{result.end_ps})
               : std::nullopt;
}

std::vector<std::string> DrawnFaults::sets(const scenario::Scenario& scenario) const {
    std::vector<std::string> out;
    for (const platform::ParamOverride& one : params) {
        const ParamInfo* const info = platform::find_param(one.component, one.path);
        out.push_back(
            fmt::format("{}.{}={}", one.component, one.path, param_text(*info, one.value)));
    }
    out.push_back("inject=" + to_json(inject_list(scenario, *this), 0));
    out.push_back("run.heal=" + to_json(heal_node(*this), 0));
    return out;
}

std::string DrawnFaults::text() const {
    std::string line;
    for (const Node& one : inject) {
        line += (line.empty() ? "" : " ") + to_json(one, 0);
    }
    return line;
}

std::size_t add_faults(scenario::Scenario& scenario, const DrawnFaults& faults) {
    Node document = scenario.document;
    document.set("inject", inject_list(scenario, faults));
    Node* const run = document.find("run") == nullptr ? &document.set("run", Node::object())
                                                      : &document.find("run")->value;
    run->set("heal", heal_node(faults));
    // Each value gets a place in a text that is there.
    scenario::SourceSet sources;
    scenario::Diagnostics diagnostics;
    const std::uint32_t text = sources.add(scenario.file, to_json(document, 2));
    Node tree;
    SIM_CHECK(parse_json(text, sources, diagnostics, tree), "drawn faults of {} are no JSON",
              scenario.full_name());
    scenario::Loaded loaded =
        scenario::load_tree(scenario.file, sources, tree, program_vocabulary(), {});
    SIM_CHECK(loaded.cells.size() == 1, "drawn faults of {} are refused: {}", scenario.full_name(),
              faults.text());
    scenario.config.injections = std::move(loaded.cells.front().config.injections);
    std::size_t not_judged = 0;
    if (faults.fail) {
        not_judged = drop_promises(scenario.expectations);
    }
    scenario.config.heal = loaded.cells.front().config.heal;
    const auto& params = faults.params;
    scenario.config.params.insert(scenario.config.params.end(), params.begin(), params.end());
    scenario.limit = faults.heal + platform::liveness_bound(scenario.config).total;
    return not_judged;
}

}  // namespace ioasim::tools
