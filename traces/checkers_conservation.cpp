// Conservation: nothing that a device or a kernel took in may get lost or come out twice. Accepted
// descriptors, page-request groups that want an answer, workqueue slots, quota.
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/vtd_events.hpp"
#include "traces/checkers.hpp"
#include "traces/event_text.hpp"

namespace ioasim::traces {
namespace {

class ConservationChecker final : public Checker {
public:
    explicit ConservationChecker(const CheckerContext& context)
        : Checker(context),
          shutdown_(context.recorder.name("shutdown").value()),
          unexpected_(context.recorder.name("unexpected").value()),
          ignored_(context.recorder.name("ignored").value()) {}
    const char* name() const override { return "conservation"; }
    void add_handlers(HandlerTable& table) override {
        using Self = ConservationChecker;
        on<Self, trace::DsaEnqueue, &Self::on_enqueue>(table);
        on<Self, trace::DsaDispatch, &Self::on_dispatch>(table);
        on<Self, trace::DsaComplete, &Self::on_complete>(table);
        on<Self, trace::DsaWqState, &Self::on_wq_state>(table);
        on<Self, trace::VtdPageRequest, &Self::on_page_request>(table);
        on<Self, trace::VtdPageResponse, &Self::on_page_response>(table);
        on<Self, trace::RequesterPageGroup, &Self::on_group_asked>(table);
        on<Self, trace::RequesterPageAnswer, &Self::on_group_answered>(table);
        on<Self, trace::IoasidCapacity, &Self::on_capacity>(table);
        on<Self, trace::IoasidSetAlloc, &Self::on_set_alloc>(table);
        on<Self, trace::IoasidSetQuota, &Self::on_set_quota>(table);
        on<Self, trace::IoasidSetFree, &Self::on_set_free>(table);
        on<Self, trace::IoasidAlloc, &Self::on_alloc>(table);
        on<Self, trace::VdevSubmissionQueued, &Self::on_submission_queued>(table);
        on<Self, trace::VdevSubmissionResumed, &Self::on_submission_resumed>(table);
        on<Self, trace::VmDestroy, &Self::on_vm_destroy>(table);
    }

    void on_end(TimePs end) override {
        if (!c_.facts.ended_idle()) {
            return;
        }
        for (const std::uint64_t key : c_.facts.accepted.sorted_keys()) {
            c_.sink.report_end("conservation.descriptor_lost", end,
                               descriptor_name(key_high(key), key_low(key)),
                               "was accepted, but never ended");
        }
        for (const std::uint64_t key : occupancy_.sorted_keys()) {
            if (*occupancy_.find(key) != 0) {
                c_.sink.report_end("conservation.queue_not_empty", end, queue_name(key),
                                   fmt::format("still holds {} descriptors when nothing is left to "
                                               "do",
                                               *occupancy_.find(key)));
            }
        }
        for (const auto& [vm, numbers] : kept_) {
            for (const std::uint64_t number : numbers) {
                c_.sink.report_end("conservation.submission_lost", end, submission_name(vm, number),
                                   "was kept for a device that stood still, and never handed on");
            }
        }
        for (const auto& [group, open] : groups_) {
            if (open != 0) {
                c_.sink.report_end("conservation.page_request_unanswered", end, group_name(group),
                                   "wanted an answer and never got one");
            }
        }
    }

private:
    // --- descriptors
    // ------------------------------------------------------------------------------
    std::string descriptor_name(std::uint32_t device, std::uint32_t descriptor) const {
        return fmt::format("{} descriptor {}", c_.sink.name(device), descriptor);
    }
    std::string queue_name(std::uint64_t key) const {
        return c_.sink.name(key_high(key)) + "." + c_.sink.name(key_low(key));
    }

    // The facts take in the descriptor behind this handler, and let it go behind on_complete.
    void on_enqueue(const trace::EventRecord& record) {
        const std::uint32_t device = IOASIM_U32(record, DsaEnqueue, device);
        occupancy_[pair_key(device, IOASIM_U32(record, DsaEnqueue, wq))] =
            IOASIM_U32(record, DsaEnqueue, occupancy);
        if (IOASIM_FIELD(record, DsaEnqueue, accepted) == 0) {
            return;
        }
        const std::uint32_t number = IOASIM_U32(record, DsaEnqueue, descriptor);
        if (c_.facts.accepted.find(pair_key(device, number)) != nullptr) {
            c_.sink.report("conservation.descriptor_unknown", record,
                           descriptor_name(device, number), "was accepted twice");
        }
        std::uint32_t& highest = highest_[device];
        highest = std::max(highest, number);
    }

    void on_dispatch(const trace::EventRecord& record) {
        occupancy_[pair_key(IOASIM_U32(record, DsaDispatch, device),
                            IOASIM_U32(record, DsaDispatch, wq))] =
            IOASIM_U32(record, DsaDispatch, occupancy);
    }

    void on_complete(const trace::EventRecord& record) {
        const std::uint32_t device = IOASIM_U32(record, DsaComplete, device);
        const std::uint32_t number = IOASIM_U32(record, DsaComplete, descriptor);
        if (c_.facts.accepted.find(pair_key(device, number)) != nullptr) {
            return;
        }
        const std::uint32_t* highest = highest_.find(device);
        const bool known = highest != nullptr && number <= *highest && number != 0;
        c_.sink.report(
            known ? "conservation.descriptor_ended_twice" : "conservation.descriptor_unknown",
            record, descriptor_name(device, number),
            known ? "ended a second time" : "ended, but was never accepted");
    }

    // A queue that is switched off lets go of what it held; each descriptor still has to end.
    void on_wq_state(const trace::EventRecord& record) {
        if (IOASIM_FIELD(record, DsaWqState, enabled) == 0) {
            occupancy_[pair_key(IOASIM_U32(record, DsaWqState, device),
                                IOASIM_U32(record, DsaWqState, wq))] = 0;
        }
    }

    // --- submissions that the VMM of a virtual device keeps
    std::string submission_name(std::uint32_t vm, std::uint64_t number) const {
        return fmt::format("submission {} of {}", number, c_.sink.name(vm));
    }
    void on_submission_queued(const trace::EventRecord& record) {
        kept_[IOASIM_U32(record, VdevSubmissionQueued, vm)].insert(
            IOASIM_FIELD(record, VdevSubmissionQueued, number));
    }
    void on_submission_resumed(const trace::EventRecord& record) {
        const std::uint32_t vm = IOASIM_U32(record, VdevSubmissionResumed, vm);
        const std::uint64_t number = IOASIM_FIELD(record, VdevSubmissionResumed, number);
        if (kept_[vm].erase(number) == 0) {
            c_.sink.report("conservation.submission_twice", record, submission_name(vm, number),
                           "was handed to a device a second time");
        } else if (IOASIM_FIELD(record, VdevSubmissionResumed, result) != 0) {
            c_.sink.report("conservation.submission_lost", record, submission_name(vm, number),
                           "was refused and is lost: its guest waits for ever");
        }
    }
    // Whose machine was killed or is lost waits for nothing any more. One that is shut down ran to
    // its end: what it had queued should have gone before.
    void on_vm_destroy(const trace::EventRecord& record) {
        const std::uint32_t vm = IOASIM_U32(record, VmDestroy, vm);
        if (IOASIM_U32(record, VmDestroy, cause) == shutdown_) {
            for (const std::uint64_t number : kept_[vm]) {
                c_.sink.report("conservation.submission_lost", record, submission_name(vm, number),
                               "was kept for a device that stood still, and never handed on");
            }
        }
        kept_.erase(vm);
    }

    // --- page requests
    // ------------------------------------------------------------------------------
    struct Group {
        std::uint32_t iommu;
        std::uint32_t rid;
        std::uint32_t pasid;
        std::uint32_t group;
        bool operator<(const Group& o) const {
            return std::tie(iommu, rid, pasid, group) < std::tie(o.iommu, o.rid, o.pasid, o.group);
        }
    };
    std::string group_name(const Group& g) const {
        return fmt::format("page-request group {} of function {}, PASID {}", g.group,
                           format_rid(static_cast<std::uint16_t>(g.rid)),
                           g.pasid == kNoId ? "none" : std::to_string(g.pasid));
    }

    void on_page_request(const trace::EventRecord& record) {
        if (IOASIM_FIELD(record, VtdPageRequest, last) != 0) {
            ++groups_[{IOASIM_U32(record, VtdPageRequest, iommu),
                       IOASIM_U32(record, VtdPageRequest, rid),
                       IOASIM_U32(record, VtdPageRequest, pasid),
                       IOASIM_U32(record, VtdPageRequest, group)}];
        }
    }

    void on_page_response(const trace::EventRecord& record) {
        const Group group{
            IOASIM_U32(record, VtdPageResponse, iommu), IOASIM_U32(record, VtdPageResponse, rid),
            IOASIM_U32(record, VtdPageResponse, pasid), IOASIM_U32(record, VtdPageResponse, group)};
        const auto found = groups_.find(group);
        if (found == groups_.end()) {
            c_.sink.report("conservation.page_request_answered_twice", record, group_name(group),
                           "was answered although no answer was wanted");
            return;
        }
        if (--found->second == 0) {
            groups_.erase(found);
        }
    }

    // --- credits of page requests, as the device counts them
    struct Credits {
        std::map<std::uint32_t, std::uint32_t> groups;  // without an answer -> their requests
        std::uint64_t out = 0;
    };

    // A device that counts less than is open was reset, or nobody will answer it any more: it
    // forgot them all, and so does the ledger.
    void on_group_asked(const trace::EventRecord& record) {
        const std::uint32_t device = IOASIM_U32(record, RequesterPageGroup, device);
        const std::uint32_t requests = IOASIM_U32(record, RequesterPageGroup, requests);
        const std::uint64_t told = IOASIM_FIELD(record, RequesterPageGroup, outstanding);
        Credits& credits = credits_[device];
        if (told < credits.out + requests) {
            credits = {};
        } else if (told > credits.out + requests) {
            c_.sink.report("conservation.credit_not_back", record, c_.sink.name(device),
                           fmt::format("counts {} page requests outstanding, but {} wait for an "
                                       "answer",
                                       told, credits.out + requests));
        }
        credits.groups[IOASIM_U32(record, RequesterPageGroup, group)] = requests;
        credits.out = told;
    }

    void on_group_answered(const trace::EventRecord& record) {
        const std::uint32_t meaning = IOASIM_U32(record, RequesterPageAnswer, meaning);
        if (meaning == unexpected_ || meaning == ignored_) {
            return;
        }
        Credits& credits = credits_[IOASIM_U32(record, RequesterPageAnswer, device)];
        const auto found = credits.groups.find(IOASIM_U32(record, RequesterPageAnswer, group));
        if (found != credits.groups.end()) {
            credits.out -= std::min<std::uint64_t>(credits.out, found->second);
            credits.groups.erase(found);
        }
    }

    // --- quota
    // --------------------------------------------------------------------------------------
    void on_capacity(const trace::EventRecord& record) {
        Pool& pool = pools_[IOASIM_FIELD(record, IoasidCapacity, kernel)];
        pool.known = true;
        pool.available = IOASIM_FIELD(record, IoasidCapacity, available);
    }

    void follow(const trace::EventRecord& record, std::uint32_t kernel, std::uint32_t set,
                std::int64_t change, std::uint64_t told) {
        Pool& pool = pools_[kernel];
        const std::uint64_t expected = pool.available + static_cast<std::uint64_t>(change);
        if (pool.known && told != expected) {
            c_.sink.report("conservation.quota", record, c_.sink.name(kernel),
                           fmt::format("set {}: {} IDs should be available now, but {} are",
                                       c_.sink.name(set), expected, told));
        }
        pool.known = true;
        pool.available = told;
    }

    void on_set_alloc(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_U32(record, IoasidSetAlloc, kernel);
        const std::uint32_t set = IOASIM_U32(record, IoasidSetAlloc, set);
        const std::uint64_t quota = IOASIM_FIELD(record, IoasidSetAlloc, quota);
        quotas_[pair_key(kernel, set)].push_back(quota);
        follow(record, kernel, set, -static_cast<std::int64_t>(quota),
               IOASIM_FIELD(record, IoasidSetAlloc, available));
    }

    void on_set_quota(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_U32(record, IoasidSetQuota, kernel);
        const std::uint32_t set = IOASIM_U32(record, IoasidSetQuota, set);
        const std::uint64_t quota = IOASIM_FIELD(record, IoasidSetQuota, quota);
        auto& quotas = quotas_[pair_key(kernel, set)];
        const std::uint64_t before = quotas.empty() ? quota : quotas.back();
        if (!quotas.empty()) {
            quotas.back() = quota;
        }
        follow(record, kernel, set, static_cast<std::int64_t>(before - quota),
               IOASIM_FIELD(record, IoasidSetQuota, available));
    }

    void on_set_free(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_U32(record, IoasidSetFree, kernel);
        const std::uint32_t set = IOASIM_U32(record, IoasidSetFree, set);
        const std::uint64_t told = IOASIM_FIELD(record, IoasidSetFree, available);
        auto& quotas = quotas_[pair_key(kernel, set)];
        if (quotas.empty()) {
            return;  // made before the checker looked
        }
        // Several sets may share a name: the one whose quota fits is the one that went.
        const std::uint64_t back = told - pools_[kernel].available;
        auto fits = std::find(quotas.begin(), quotas.end(), back);
        if (fits == quotas.end()) {
            fits = std::prev(quotas.end());
        }
        const std::uint64_t quota = *fits;
        quotas.erase(fits);
        follow(record, kernel, set, static_cast<std::int64_t>(quota), told);
    }

    void on_alloc(const trace::EventRecord& record) {
        const std::uint32_t kernel = IOASIM_U32(record, IoasidAlloc, kernel);
        const std::uint32_t set = IOASIM_U32(record, IoasidAlloc, set);
        const SetFacts* facts = c_.facts.sets.find(pair_key(kernel, set));
        if (facts == nullptr || facts->alive != 1 || c_.facts.is_private(kernel, set)) {
            return;
        }
        const std::uint64_t live = IOASIM_FIELD(record, IoasidAlloc, live);
        if (live > facts->quota) {
            c_.sink.report_id("conservation.quota_exceeded", record, kernel,
                              IOASIM_U32(record, IoasidAlloc, ioasid),
                              fmt::format("set {} has {} live IDs with a quota of {}",
                                          c_.sink.name(set), live, facts->quota));
        }
    }

    struct Pool {
        std::uint64_t available = 0;
        bool known = false;
    };
    std::uint32_t shutdown_;  // names
    std::uint32_t unexpected_;
    std::uint32_t ignored_;
    FlatMap<std::uint32_t> occupancy_;  // (device, wq)
    FlatMap<std::uint32_t> highest_;    // device -> highest accepted number
    std::map<Group, std::uint32_t> groups_;
    std::map<std::uint32_t, std::set<std::uint64_t>> kept_;  // by VM: numbers
    std::map<std::uint32_t, Credits> credits_;               // by device
    FlatMap<Pool> pools_;                                    // kernel
    FlatMap<std::vector<std::uint64_t>> quotas_;  // (kernel, set) -> quotas of the living ones
};

}  // namespace

std::unique_ptr<Checker> make_conservation_checker(const CheckerContext& context) {
    return std::make_unique<ConservationChecker>(context);
}

}  // namespace ioasim::traces
