// One function that asks for pages without end would keep the queue of its unit full, for all
// others, too: hardware knows no fairness there. So requests are counted for each function.
#include <algorithm>

#include "core/trace/fault_queue_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/linux/wait_in_turns.hpp"
#include "models/pcie/config_layout.hpp"

namespace ioasim::os {

namespace config = pcie::config;

bool PageRequestService::stopped(const Device& device) const {
    return stopped_.count(device.rid().value()) != 0;
}

bool PageRequestService::floods(ExecContext& ctx, const Device& device) {
    const std::uint64_t limit = kernel_.params().storm_groups;
    if (limit == 0 || stopped(device)) {
        return false;
    }
    Window& window = windows_[device.rid().value()];
    if (window.requests == 0 || ctx.now() - window.since >= kernel_.params().storm_window) {
        window = {ctx.now(), 0};
    }
    return ++window.requests > limit && !kernel_.probes().has(kStormUnnoticed);
}

void PageRequestService::switch_on(ExecContext& ctx, Device& device) const {
    const std::uint64_t configuration = device.setup().configuration;
    ctx.mmio_write(configuration + config::kPriCtl, config::kPriReset, 2);
    const std::uint64_t capacity = ctx.mmio_read(configuration + config::kPriCapacity, 4);
    const std::uint64_t wanted = kernel_.params().pri_allocation;
    ctx.mmio_write(configuration + config::kPriAllocation,
                   kernel_.probes().has(kCapacityUnread) ? wanted : std::min(wanted, capacity), 4);
    ctx.mmio_write(configuration + config::kPriCtl, config::kPriEnable, 2);
    device.set_page_requests(true);
}

void PageRequestService::stop(ExecContext& ctx, Device& device) {
    Frame frame{ctx, "iopf_storm"};
    const std::uint64_t requests = windows_[device.rid().value()].requests;
    stopped_.insert(device.rid().value());
    windows_.erase(device.rid().value());
    if (device.setup().configuration != 0) {
        ctx.mmio_write(device.setup().configuration + config::kPriCtl, 0, 2);
    }
    // A function that sends on what it is not asked to has to be refused by hardware.
    if (!kernel_.probes().has(kStormLeftToFunction)) {
        static_cast<void>(unit_.take_page_requests(ctx, device, false));
    }
    if (!kernel_.probes().has(kStormUnanswered)) {
        static_cast<void>(faults_.remove_device(ctx, device));
    }
    kernel_.emit(ctx, trace::IopfStorm{kernel_.intern(device.name()), requests, true});
    ctx.wake_all(errors_);
}

Errno PageRequestService::wait_for_error(ExecContext& ctx, const Device& device,
                                         const Process& process, TimePs deadline) {
    ctx.spend(kernel_.params().syscall);
    return wait_in_turns(ctx, errors_, process, deadline, kernel_.params().flush_poll,
                         [&] { return stopped(device); });
}

void PageRequestService::restart(ExecContext& ctx, Device& device) {
    if (!stopped(device)) {
        return;
    }
    static_cast<void>(unit_.take_page_requests(ctx, device, true));
    switch_on(ctx, device);
    stopped_.erase(device.rid().value());
    kernel_.emit(ctx, trace::IopfStorm{kernel_.intern(device.name()), 0, false});
}

}  // namespace ioasim::os
