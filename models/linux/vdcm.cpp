#include "models/linux/vdcm.hpp"

#include "core/trace/software_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

// W2. Lives from its queueing until the worker lets go of it.
class Vdcm::Drain final : public WorkItem {
public:
    Drain(Vdcm& vdcm, Ioasid id, Spid spid)
        : WorkItem("vdcm.drain", id), vdcm_(vdcm), spid_(spid) {}

    void run(ExecContext& ctx) override {
        Frame frame{ctx, "vdcm_drain"};
        const Errno error = vdcm_.device_.drain_pasid(ctx, Pasid{id().value()});
        if (error != Errno::Ok) {
            // The teardown goes on: what is left in the device faults from then on.
            vdcm_.kernel_.emit(
                ctx, trace::IoasidHazard{vdcm_.kernel_.intern(vdcm_.kernel_.name()),
                                         vdcm_.kernel_.intern("drain_failed"),
                                         vdcm_.kernel_.intern(ctx.name()), vdcm_.device_name_,
                                         vdcm_.kernel_.intern(ctx.call_chain())});
        }
        vdcm_.kernel_.emit(ctx, trace::VdcmUnbind{vdcm_.device_name_, vdcm_.vm_, spid_, id()});
    }
    void finished() override { delete this; }

private:
    Vdcm& vdcm_;
    Spid spid_;
};

Vdcm::Vdcm(Kernel& kernel, Device& device, const std::string& vm)
    : NotifierBlock("vdcm/" + vm + "/" + device.name(), kPriorityDevice),
      kernel_(kernel),
      device_(device),
      vm_(kernel.intern(vm)),
      device_name_(kernel.intern(device.name())) {}

bool Vdcm::freed_in_use(Ioasid id) const {
    const auto view = kernel_.ioasid().view(id);
    return view && view->state == IoasidState::FreePending;
}

NotifyResult Vdcm::handle(ExecContext& ctx, const NotifierPayload& payload) {
    switch (payload.event) {
        case IoasidNotification::Bind:
            kernel_.emit(ctx, trace::VdcmBind{device_name_, vm_, payload.spid, payload.id});
            return NotifyResult::Ok;
        case IoasidNotification::Unbind:
            if (freed_in_use(payload.id) && !kernel_.params().drain_on_free) {
                // Nothing was programmed for the ID: its descriptors meet the cleared PASID entry.
                kernel_.emit(ctx, trace::VdcmUnbind{device_name_, vm_, payload.spid, payload.id});
                return NotifyResult::Ok;
            }
            // Owned by the workqueue from here on; it deletes itself when it ran.
            kernel_.ioasid().queue_work(
                ctx, *std::make_unique<Drain>(*this, payload.id, payload.spid).release());
            return NotifyResult::Ok;
        case IoasidNotification::Free:
            kernel_.emit(ctx, trace::VdcmFree{device_name_, vm_, payload.id});
            return NotifyResult::Ok;
        default:
            return NotifyResult::Done;
    }
}

}  // namespace ioasim::os
