#include "models/linux/io_page_faults.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/guest_fault_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/sva_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/guest_fault_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/linux_probes.hpp"

namespace ioasim::os {
namespace {

const char* name_of(IopfCode code) {
    switch (code) {
        case IopfCode::Success:
            return "success";
        case IopfCode::Invalid:
            return "invalid";
        case IopfCode::Failure:
            return "failure";
    }
    return "?";
}

}  // namespace

IoPageFaults::IoPageFaults(Kernel& kernel, IommuDriver& unit)
    : kernel_(kernel),
      unit_(unit),
      work_(kernel.name() + "/iopf-" + unit.name()),
      idle_(kernel.name() + "/iopf-" + unit.name() + " idle"),
      timers_(kernel.name() + "/iopf-" + unit.name() + " timers") {}

void IoPageFaults::start_workers() {
    if (kernel_.params().prq_timeout != TimePs{}) {
        kernel_.scheduler().spawn_service(
            fmt::format("{}/iopf-timeout-{}", kernel_.name(), unit_.name()), kernel_.task_port(),
            [this](ExecContext& ctx) {
                while (true) {
                    const std::optional<TimePs> next = next_expiry();
                    if (next) {
                        static_cast<void>(ctx.wait_until(timers_, *next));
                    } else {
                        ctx.wait(timers_);
                    }
                    expire(ctx);
                }
            });
    }
    for (std::uint64_t i = 0; i < kernel_.params().iopf_workers; ++i) {
        kernel_.scheduler().spawn_service(
            fmt::format("{}/kworker/iopf-{}-{}", kernel_.name(), unit_.name(), i),
            kernel_.task_port(), [this](ExecContext& ctx) {
                while (true) {
                    while (!run_one(ctx)) {
                        ctx.wait(work_);
                    }
                }
            });
    }
}

// --- report -------------------------------------------------------------------------------------

// Null: nobody handles faults of this PASID.
std::shared_ptr<AttachHandle> IoPageFaults::handle_of(ExecContext& ctx, Device& device,
                                                      const vtd::PageRequest& request) {
    if (!request.has_pasid || device.group() == nullptr) {
        return nullptr;
    }
    const auto handle = device.group()->handle_get(ctx, request.pasid, DomainType::Any);
    return handle && (*handle)->domain->type == DomainType::Sva ? *handle : nullptr;
}

// Such tables stand bare in the group's array. The requester's own array is looked into, so
// the same number means different things on different functions.
PasidDomain* IoPageFaults::user_domain_of(const Device& device, const vtd::PageRequest& request) {
    if (device.group() == nullptr || kernel_.probes().has(kGuestFaultsUnrouted)) {
        return nullptr;
    }
    PasidDomain* domain = device.group()->domain_at(request.has_pasid ? request.pasid : Pasid{});
    if (kernel_.probes().has(kRoutedByNumber)) {
        for (const auto& each : kernel_.devices()) {
            if (each->group() != nullptr && each->group()->domain_at(request.pasid) != nullptr) {
                domain = each->group()->domain_at(request.pasid);
                break;
            }
        }
    }
    return domain != nullptr && domain->faults != nullptr ? domain : nullptr;
}

Errno IoPageFaults::report(ExecContext& ctx, Device& device, const vtd::PageRequest& request) {
    Frame frame{ctx, "report_device_fault"};
    PasidDomain* const users = user_domain_of(device, request);
    const std::shared_ptr<AttachHandle> handle =
        users == nullptr ? handle_of(ctx, device, request) : nullptr;
    if (handle == nullptr && users == nullptr) {
        if (request.last) {
            static_cast<void>(take_partials(device, request.group));
            answer(ctx, device.name(), request, IopfCode::Invalid, "no_handle");
        }
        return Errno::Einval;
    }
    if (!request.last) {
        if (kernel_.probes().fails(kPartialAllocation)) {
            kernel_.emit(ctx, trace::IopfDropped{kernel_.intern(device.name()), 1,
                                                 kernel_.intern("no_memory")});
            return Errno::Enomem;
        }
        partials_[device.rid().value()].push_back(request);
        return Errno::Ok;
    }
    auto group = std::make_shared<Group>();
    group->device = &device;
    group->serial = ++last_serial_;
    group->handle = handle;
    group->user = users == nullptr ? nullptr : users->faults;
    group->domain = users;
    group->pages = take_partials(device, request.group);
    const bool mixed = std::any_of(
        group->pages.begin(), group->pages.end(),
        [&request](const vtd::PageRequest& page) { return page.pasid != request.pasid; });
    group->pages.push_back(request);
    start_timer(*group, ctx);
    kernel_.emit(ctx, trace::IopfGroup{kernel_.intern(device.name()), request.pasid, request.group,
                                       static_cast<std::uint32_t>(group->pages.size()), mixed});
    if (kernel_.probes().fails(kGroupAllocation)) {
        respond(ctx, *group, IopfCode::Failure, "no_memory");
        return Errno::Ok;
    }
    if (kernel_.probes().fails(kHandlerRefusal)) {
        if (!kernel_.probes().has(kRefusalUnanswered)) {
            respond(ctx, *group, IopfCode::Failure, "refused");
        }
        return Errno::Ok;
    }
    if (group->user != nullptr) {
        deliver(ctx, group);
        return Errno::Ok;
    }
    pending_.push_back(group);
    ctx.wake_all(timers_);
    queue_.push_back(std::move(group));
    ctx.wake_one(work_);
    return Errno::Ok;
}

std::vector<vtd::PageRequest> IoPageFaults::take_partials(Device& device, std::uint16_t group) {
    std::vector<vtd::PageRequest>& all = partials_[device.rid().value()];
    std::vector<vtd::PageRequest> taken;
    const auto of_group = [group](const vtd::PageRequest& page) { return page.group == group; };
    std::copy_if(all.begin(), all.end(), std::back_inserter(taken), of_group);
    all.erase(std::remove_if(all.begin(), all.end(), of_group), all.end());
    return taken;
}

void IoPageFaults::discard_partials(ExecContext& ctx) {
    for (auto& [rid, pages] : partials_) {
        const Device* const device = kernel_.find_device(unit_, Rid{rid});
        if (!pages.empty() && device != nullptr) {
            kernel_.probes().hit(kPartialsDiscarded);
            kernel_.emit(ctx, trace::IopfDropped{kernel_.intern(device->name()),
                                                 static_cast<std::uint32_t>(pages.size()),
                                                 kernel_.intern("overflow")});
        }
        pages.clear();
    }
}

std::size_t IoPageFaults::partials(const Device& device) const {
    const auto found = partials_.find(device.rid().value());
    return found == partials_.end() ? 0 : found->second.size();
}

// --- user space ---------------------------------------------------------------------------------

void IoPageFaults::deliver(ExecContext& ctx, const std::shared_ptr<Group>& group) {
    const std::vector<const Device*>& leaving = group->domain->leaving;
    if (std::find(leaving.begin(), leaving.end(), group->device) != leaving.end()) {
        respond(ctx, *group, IopfCode::Invalid, "leaving");
        return;
    }
    delivered_.push_back(group);  // before the user can answer
    ctx.wake_all(timers_);
    const Errno error = group->user->report(ctx, *group);
    if (error != Errno::Ok) {
        withdraw(group);
        respond(ctx, *group, IopfCode::Invalid,
                error == Errno::Enospc   ? "queue_full"
                : error == Errno::Enodev ? "nobody_reads"
                                         : "no_guest_pasid");
    }
}

void IoPageFaults::withdraw(const std::shared_ptr<Group>& group) {
    delivered_.erase(std::remove(delivered_.begin(), delivered_.end(), group), delivered_.end());
}

void IoPageFaults::detach(ExecContext& ctx, const Device& device, Pasid pasid,
                          const PasidDomain* domain) {
    answer_delivered(ctx, device, pasid, domain, "detached");
}

void IoPageFaults::stop(ExecContext& ctx, const Device& device, Pasid pasid) {
    PasidDomain* const domain =
        device.group() == nullptr ? nullptr : device.group()->domain_at(pasid);
    if (domain == nullptr || domain->faults == nullptr ||
        kernel_.probes().has(kWaitsWithOpenFaults)) {
        return;
    }
    domain->leaving.push_back(&device);
    answer_delivered(ctx, device, pasid, domain, "leaving");
}

void IoPageFaults::answer_delivered(ExecContext& ctx, const Device& device, Pasid pasid,
                                    const PasidDomain* domain, const char* why) {
    const std::vector<std::shared_ptr<Group>> before = delivered_;
    for (const auto& group : before) {
        if (group->device != &device || group->last().pasid != pasid ||
            (domain != nullptr && group->domain != domain) ||
            kernel_.probes().has(kGuestGroupsKept)) {
            continue;
        }
        group->user->forget(group->serial);
        if (!kernel_.probes().has(kLateAnswerTaken)) {
            withdraw(group);
        }
        respond(ctx, *group, IopfCode::Invalid, why);
    }
}

Errno IoPageFaults::respond_to(ExecContext& ctx, std::uint64_t serial, IopfCode code) {
    const auto found =
        std::find_if(delivered_.begin(), delivered_.end(),
                     [serial](const std::shared_ptr<Group>& g) { return g->serial == serial; });
    if (found == delivered_.end()) {
        return Errno::Einval;
    }
    const std::shared_ptr<Group> group = *found;
    delivered_.erase(found);
    respond(ctx, *group, code, "user");
    return Errno::Ok;
}

Errno IoPageFaults::respond_from(ExecContext& ctx, const PageFaultHandler& handler,
                                 const Device& device, Pasid pasid, std::uint16_t index,
                                 IopfCode code) {
    const auto found =
        std::find_if(delivered_.begin(), delivered_.end(), [&](const std::shared_ptr<Group>& g) {
            return g->user == &handler && g->device == &device && g->last().pasid == pasid &&
                   g->last().group == index;
        });
    if (found == delivered_.end()) {
        return Errno::Einval;
    }
    const std::shared_ptr<Group> group = *found;
    delivered_.erase(found);
    if (kernel_.probes().has(kLateAnswerTaken)) {
        group->answered = false;
    }
    respond(ctx, *group, code, "guest");
    return Errno::Ok;
}

// --- time-outs ----------------------------------------------------------------------------------

void IoPageFaults::start_timer(Group& group, ExecContext& ctx) {
    group.expires = ctx.now() + kernel_.params().prq_timeout;
}

std::optional<TimePs> IoPageFaults::next_expiry() const {
    std::optional<TimePs> next;
    for (const auto* list : {&pending_, &delivered_}) {
        for (const auto& group : *list) {
            if (!group->answered && (!next || group->expires < *next)) {
                next = group->expires;
            }
        }
    }
    return next;
}

void IoPageFaults::expire(ExecContext& ctx) {
    std::vector<std::shared_ptr<Group>> all = pending_;
    all.insert(all.end(), delivered_.begin(), delivered_.end());
    for (const auto& group : all) {
        if (group->answered || group->expires > ctx.now()) {
            continue;
        }
        if (!kernel_.probes().has(kLateAnswerTaken)) {
            withdraw(group);
        }
        kernel_.probes().hit(kGroupExpired);
        kernel_.emit(ctx, trace::IopfTimeout{kernel_.intern(group->device->name()),
                                             group->last().pasid, group->last().group, ++expired_});
        respond(ctx, *group, IopfCode::Invalid, "timeout");
    }
}

// --- answers ------------------------------------------------------------------------------------

void IoPageFaults::answer(ExecContext& ctx, const std::string& device, const vtd::PageRequest& last,
                          IopfCode code, const char* why) {
    kernel_.emit(ctx, trace::IopfResponse{kernel_.intern(device), last.pasid, last.group,
                                          kernel_.intern(name_of(code)), kernel_.intern(why)});
    const auto wire = code == IopfCode::Failure
                          ? static_cast<vtd::PageResponse>(kernel_.params().iopf_failure_code)
                          : static_cast<vtd::PageResponse>(code);
    static_cast<void>(unit_.queue().submit(
        ctx, {vtd::page_group_response(last.rid, last.group, wire, last.has_pasid, last.pasid)}));
}

void IoPageFaults::respond(ExecContext& ctx, Group& group, IopfCode code, const char* why) {
    if (std::exchange(group.answered, true) && !kernel_.probes().has(kAnsweredTwice)) {
        kernel_.probes().hit(kAnswerOvertaken);
        return;
    }
    answer(ctx, group.device->name(), group.last(), code, why);
}

std::size_t IoPageFaults::remove_device(ExecContext& ctx, Device& device) {
    std::vector<vtd::PageRequest>& pages = partials_[device.rid().value()];
    if (!pages.empty()) {
        kernel_.emit(ctx, trace::IopfDropped{kernel_.intern(device.name()),
                                             static_cast<std::uint32_t>(pages.size()),
                                             kernel_.intern("removed")});
    }
    std::size_t ended = pages.size();
    pages.clear();
    std::vector<std::shared_ptr<Group>> left = pending_;
    left.insert(left.end(), delivered_.begin(), delivered_.end());
    delivered_.erase(std::remove_if(delivered_.begin(), delivered_.end(),
                                    [&](const auto& group) { return group->device == &device; }),
                     delivered_.end());
    for (const auto& group : left) {
        if (group->device == &device) {
            if (group->user != nullptr) {
                group->user->forget(group->serial);
            }
            respond(ctx, *group, IopfCode::Invalid, "removed");
            ended += group->pages.size();
        }
    }
    return ended;
}

// --- handling -----------------------------------------------------------------------------------

bool IoPageFaults::run_one(ExecContext& ctx) {
    if (queue_.empty()) {
        return false;
    }
    const std::shared_ptr<Group> group = queue_.front();
    const bool late = kernel_.probes().has(kPoppedAfter);
    if (!late) {
        queue_.pop_front();
    }
    handle(ctx, *group);
    if (late && !queue_.empty()) {
        queue_.pop_front();
    }
    pending_.erase(std::remove(pending_.begin(), pending_.end(), group), pending_.end());
    ctx.wake_all(idle_);
    return true;
}

void IoPageFaults::handle(ExecContext& ctx, Group& group) {
    Frame frame{ctx, "iommu_sva_handle_iopf"};
    IopfCode code = IopfCode::Success;
    const char* why = "present";
    for (const vtd::PageRequest& page : group.pages) {
        if (code != IopfCode::Success && !kernel_.probes().has(kErrorNotSticky)) {
            break;
        }
        code = fix(ctx, group, page, why);
    }
    respond(ctx, group, code, why);
}

IopfCode IoPageFaults::fix(ExecContext& ctx, Group& group, const vtd::PageRequest& page,
                           const char*& why) {
    if (!group.handle->attached) {
        // The drain of unbind waits for this very work: a handle is never gone before.
        kernel_.emit(ctx, trace::IoasidHazard{
                              kernel_.intern(kernel_.name()), trace::IoasidHazardKind::FreedObject,
                              kernel_.intern(ctx.name()), kernel_.intern("attach_handle"),
                              kernel_.intern(ctx.call_chain())});
        why = "detached";
        return IopfCode::Invalid;
    }
    Process& process = *group.handle->domain->process;
    const Mm::Fault fault = process.mm.handle_fault(ctx, page.address, page.write, page.execute);
    why = name_of(fault);
    kernel_.emit(ctx, trace::IopfFault{kernel_.intern(process.name), Iova{page.address}, page.write,
                                       kernel_.intern(why)});
    return fault <= Mm::Fault::Major ? IopfCode::Success : IopfCode::Invalid;
}

Errno IoPageFaults::flush(ExecContext& ctx, TimePs deadline) {
    if (kernel_.probes().has(kFaultWorkNotFlushed)) {
        return Errno::Ok;
    }
    std::vector<std::shared_ptr<Group>> before = pending_;
    if (before.size() > 1 && kernel_.probes().has(kFlushFirstOnly)) {
        before.resize(1);
    }
    for (const auto& group : before) {
        const auto waits = [this, &group] {
            return std::find(pending_.begin(), pending_.end(), group) != pending_.end();
        };
        while (waits()) {
            if (ctx.now() >= deadline) {
                return Errno::Etimedout;
            }
            kernel_.probes().hit(kFlushWaited);
            ctx.wait_until(idle_, std::min(deadline, ctx.now() + kernel_.params().flush_poll));
            if (kernel_.probes().any_defect() && waits() && kernel_.probes().has(kFlushOnce)) {
                return Errno::Ok;
            }
        }
    }
    return Errno::Ok;
}

}  // namespace ioasim::os
