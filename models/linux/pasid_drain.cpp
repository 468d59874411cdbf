#include "models/linux/pasid_drain.hpp"

#include <algorithm>
#include <utility>

#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"

namespace ioasim::os {
namespace {

bool drained(ExecContext& ctx, Device& device, Pasid pasid, Kernel* told) {
    const Errno error = device.drain_pasid(ctx, pasid);
    if (error == Errno::Ok || device_halted(ctx, device)) {
        return true;
    }
    if (told != nullptr) {
        tell_drain_failed(ctx, *told, device);
    }
    return error == Errno::Eio &&
           device.command(ctx, dsa::Command::AbortPasid, pasid.value()) == Errno::Ok;
}

// Whatever the entry was: translations of a PASID, or of the whole domain. A device that has gone
// without being missed holds none.
Errno flush_again(ExecContext& ctx, const Device& device, Pasid pasid, DomainId did) {
    std::vector<vtd::Descriptor> descriptors{
        vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Pasid, did, pasid),
        vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, did, pasid),
        vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, did)};
    if (device.has_tlb() && device.present(ctx)) {
        descriptors.push_back(
            vtd::pasid_device_tlb_invalidate(device.rid(), pasid, vtd::kWholeAddressSpace, true));
    }
    return device.iommu().queue().submit(ctx, descriptors);
}

}  // namespace

bool device_halted(ExecContext& ctx, Device& device) {
    const auto status = static_cast<std::uint32_t>(device.bar0(ctx, dsa::reg::kGensts, 4));
    return dsa::state_of_gensts(status) == dsa::DeviceState::Halt;
}

bool flush_failed(Errno error) {
    return error == Errno::Etimedout || error == Errno::Eio || error == Errno::Einval;
}

void stop_faults(ExecContext& ctx, Device& device, Pasid pasid) {
    if (PageRequestService* const service = device.iommu().page_requests(); service != nullptr) {
        service->faults().stop(ctx, device, pasid);
    }
}

void allow_faults(Device& device, Pasid pasid) {
    PasidDomain* const domain =
        device.group() == nullptr ? nullptr : device.group()->domain_at(pasid);
    if (domain != nullptr) {
        domain->serve_again(device);
    }
}

void tell_drain_failed(ExecContext& ctx, Kernel& kernel, const Device& device) {
    kernel.emit(
        ctx, trace::IoasidHazard{kernel.intern(kernel.name()), trace::IoasidHazardKind::DrainFailed,
                                 kernel.intern(ctx.name()), kernel.intern(device.name()),
                                 kernel.intern(ctx.call_chain())});
}

bool finish_pasid(ExecContext& ctx, Kernel& kernel, Device& device, Pasid pasid) {
    if (!device.configured_here()) {
        return true;  // whoever configures it drains it
    }
    stop_faults(ctx, device, pasid);
    return drained(ctx, device, pasid, &kernel);
}

// --- what did not finish in time ----------------------------------------------------------------

UnfinishedPasids::UnfinishedPasids(Kernel& kernel)
    : kernel_(kernel), wait_(kernel.name() + "/unfinished pasids") {}

UnfinishedPasids::Left::Left(Device& asked) : device(&asked), emptied(asked.emptied()) {}

bool UnfinishedPasids::Left::emptied_since() const {
    return device->emptied() != emptied;
}

bool UnfinishedPasids::Unfinished::forget_emptied() {
    bool any = false;
    for (std::vector<Left>* const devices : {&undrained, &running}) {
        const auto rest = std::remove_if(devices->begin(), devices->end(),
                                         [](const Left& left) { return left.emptied_since(); });
        any = any || rest != devices->end();
        devices->erase(rest, devices->end());
    }
    for (Left& left : unflushed) {
        any = any || left.emptied_since();
        left = Left{*left.device};
    }
    return any;
}

void UnfinishedPasids::keep(ExecContext& ctx, IoasidSet* numbers, Ioasid id, trace::Name holder,
                            Unfinished what) {
    if (kernel_.is_guest()) {
        return;  // its kernel's threads have no vCPU of their own
    }
    const bool emptied = what.forget_emptied();  // before anybody came to keep the number
    if (what.empty()) {
        kernel_.ioasid().put(ctx, numbers, id, holder);
        return;
    }
    const TimePs pause = kernel_.params().idxd_look_again;
    const TimePs later = kernel_.params().idxd_looks == 0 ? kOnlyEmptied : ctx.now() + pause;
    kept_.push_back(
        {numbers, id, holder, std::move(what), pause, emptied ? ctx.now() : later, 0, false});
    if (!std::exchange(serving_, true)) {
        kernel_.scheduler().spawn_service(kernel_.name() + "/kworker/idxd-unfinished",
                                          kernel_.task_port(),
                                          [this](ExecContext& task) { serve(task); });
    }
    ctx.wake_all(wait_);
}

void UnfinishedPasids::keep_unflushed(ExecContext& ctx, Errno flushed, Device& device, Pasid pasid,
                                      DomainId did) {
    if (!flush_failed(flushed) || kernel_.is_guest() || kernel_.probes().has(kUnflushedFreed)) {
        return;
    }
    const Ioasid id{pasid.value()};
    const trace::Name holder = kernel_.ioasid().holder("iommu");
    if (kernel_.ioasid().get(ctx, nullptr, id, holder) == Errno::Ok) {
        Unfinished what;
        what.unflushed.emplace_back(device);
        what.did = did;
        keep(ctx, nullptr, id, holder, std::move(what));
    }
}

// What is just looked at sees it at the end of the look.
void UnfinishedPasids::emptied(ExecContext& ctx, Device& device) {
    if (kernel_.probes().has(kResetKeepsNumbers)) {
        return;
    }
    device.count_emptied();
    std::list<Kept> free;
    for (auto kept = kept_.begin(); kept != kept_.end();) {
        const auto next = std::next(kept);
        if (!kept->looked_at && kept->what.forget_emptied()) {
            kept->next = ctx.now();
            if (kept->what.empty()) {
                free.splice(free.end(), kept_, kept);
            }
        }
        kept = next;
    }
    for (const Kept& kept : free) {
        kernel_.ioasid().put(ctx, kept.numbers, kept.id, kept.holder);
    }
    ctx.wake_all(wait_);
}

void UnfinishedPasids::serve(ExecContext& ctx) {
    while (!kernel_.powered_off()) {
        const auto first =
            std::min_element(kept_.begin(), kept_.end(),
                             [](const Kept& a, const Kept& b) { return a.next < b.next; });
        if (first == kept_.end() || first->next == kOnlyEmptied) {
            ctx.wait(wait_);
        } else if (first->next > ctx.now()) {
            ctx.wait_until(wait_, first->next);
        } else {
            look(ctx, first);
        }
    }
}

void UnfinishedPasids::look(ExecContext& ctx, std::list<Kept>::iterator at) {
    Kept& kept = *at;
    kept.looked_at = true;  // others may come, and devices be reset, while the devices are asked
    ask(ctx, kept);
    kept.looked_at = false;
    const bool emptied = kept.what.forget_emptied();
    if (kept.what.empty()) {
        std::list<Kept> free;
        free.splice(free.end(), kept_, at);
        kernel_.ioasid().put(ctx, kept.numbers, kept.id, kept.holder);
    } else if (emptied) {
        kept.next = ctx.now();
    } else if (++kept.looks >= kernel_.params().idxd_looks) {
        kept.next = kOnlyEmptied;
    } else {
        kept.pause = kept.pause * 2;
        kept.next = ctx.now() + kept.pause;
    }
}

void UnfinishedPasids::ask(ExecContext& ctx, Kept& kept) {
    Frame frame{ctx, "idxd_look_again"};
    if (kernel_.probes().has(kLateFinishAssumed)) {
        kept.what = Unfinished{};
    }
    if (kernel_.probes().has(kNotLookedAgain)) {
        return;
    }
    const Pasid pasid{kept.id.value()};
    const auto without = [](std::vector<Left>& devices, const auto& done) {
        for (const Left& left : std::vector<Left>{devices}) {
            if (done(left.device)) {
                devices.erase(
                    std::remove_if(devices.begin(), devices.end(),
                                   [&](const Left& one) { return one.device == left.device; }),
                    devices.end());
            }
        }
    };
    without(kept.what.undrained, [&](Device* device) {
        return device->executes(ctx) ? device_halted(ctx, *device)
                                     : drained(ctx, *device, pasid, nullptr);
    });
    without(kept.what.unflushed, [&](Device* device) {
        return flush_again(ctx, *device, pasid, kept.what.did) == Errno::Ok;
    });
}

}  // namespace ioasim::os
