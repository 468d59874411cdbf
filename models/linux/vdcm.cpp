#include "models/linux/vdcm.hpp"

#include <utility>

#include "core/trace/software_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/queue_probes.hpp"

namespace ioasim::os {

// W2. Lives from its queueing until the worker lets go of it.
class Vdcm::Drain final : public WorkItem {
public:
    enum class End : std::uint8_t { Tell, Put };
    // With `Put`: the production kernel's work of FREE, for an ID of this set.
    Drain(Vdcm& vdcm, const NotifierPayload& about, End end)
        : WorkItem(about.id), vdcm_(vdcm), spid_(about.spid), set_(about.set), end_(end) {}
    const std::string& name() const override {
        static const std::string kName = "vdcm.drain";
        return kName;
    }

    void run(ExecContext& ctx) override {
        Frame frame{ctx, "vdcm_drain"};
        const bool guests =
            spid_.value() != kInvalidIoasid && vdcm_.kernel_.probes().has(kGuestNumberDrained);
        const Pasid pasid{guests ? spid_.value() : id().value()};
        const bool finished = finish_pasid(ctx, vdcm_.kernel_, vdcm_.device_, pasid);
        if (!finished) {
            vdcm_.keep(ctx, set_, id());
        }
        if (end_ == End::Put) {
            vdcm_.kernel_.ioasid().put(ctx, set_, id(), vdcm_.holder_);
        } else if (finished || vdcm_.kernel_.probes().has(kFailedDrainIgnored)) {
            vdcm_.kernel_.emit(ctx, trace::VdcmUnbind{vdcm_.device_name_, vdcm_.vm_, spid_, id()});
        }
    }
    void finished() override { delete this; }

private:
    Vdcm& vdcm_;
    Spid spid_;
    IoasidSet* set_;
    End end_;
};

Vdcm::Vdcm(Kernel& kernel, Device& device, const std::string& vm, const std::string& assigned_as)
    : NotifierBlock("vdcm/" + vm + "/" + device.name(), kPriorityDevice),
      kernel_(kernel),
      device_(device),
      assigned_as_(assigned_as),
      vm_(kernel.intern(vm)),
      device_name_(kernel.intern(device.name())),
      holder_(kernel.ioasid().holder(name())) {}

// Owned by the workqueue from here on; it deletes itself when it ran.
void Vdcm::queue_drain(ExecContext& ctx, const NotifierPayload& payload, bool put) {
    const auto end = put ? Drain::End::Put : Drain::End::Tell;
    kernel_.ioasid().queue_work(ctx, *std::make_unique<Drain>(*this, payload, end).release());
}

bool Vdcm::freed_in_use(Ioasid id) const {
    const auto view = kernel_.ioasid().view(id);
    return view && view->state == IoasidState::FreePending;
}

// The teardown goes on. What is left in the device faults from then on, but only while the number
// is nobody else's: this reference stays until the device has finished. (Of an ID that is being
// freed there is none to get: the IOMMU driver, which still has one, drains again behind its
// entry.)
void Vdcm::keep(ExecContext& ctx, IoasidSet* set, Ioasid id) {
    if (!kernel_.probes().has(kFailedDrainIgnored) &&
        kernel_.ioasid().get(ctx, set, id, holder_) == Errno::Ok) {
        UnfinishedPasids::Unfinished what;
        what.undrained.emplace_back(device_);
        kernel_.unfinished().keep(ctx, nullptr, id, holder_, std::move(what));
    }
}

NotifyResult Vdcm::handle(ExecContext& ctx, const NotifierPayload& payload) {
    switch (payload.event) {
        case IoasidNotification::Bind:
            kernel_.emit(ctx, trace::VdcmBind{device_name_, vm_, payload.spid, payload.id});
            return NotifyResult::Ok;
        case IoasidNotification::Unbind:
            if (freed_in_use(payload.id) && !kernel_.params().drain_on_free) {
                // Nothing was programmed for the ID: its descriptors meet the cleared PASID entry,
                // and the IOMMU driver waits for that before it puts.
                kernel_.emit(ctx, trace::VdcmUnbind{device_name_, vm_, payload.spid, payload.id});
                return NotifyResult::Ok;
            }
            queue_drain(ctx, payload, false);
            return NotifyResult::Ok;
        case IoasidNotification::Free:
            kernel_.emit(ctx, trace::VdcmFree{device_name_, vm_, payload.id});
            if (kernel_.ioasid().switches().vdcm_puts_unheld ||
                kernel_.probes().has(kVdcmPutsUnheld)) {
                queue_drain(ctx, payload, true);
            }
            return NotifyResult::Ok;
        default:
            return NotifyResult::Done;
    }
}

}  // namespace ioasim::os
