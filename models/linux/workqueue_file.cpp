#include "models/linux/workqueue_file.hpp"

#include <algorithm>
#include <utility>

#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/queue_probes.hpp"

namespace ioasim::os {

bool WorkqueueFiles::opened_by(const Process& process, const Device& device,
                               std::uint32_t queue) const {
    const bool anybody = kernel_.probes().has(kQueueOfAnybody);
    return std::any_of(files_.begin(), files_.end(), [&](const auto& item) {
        return item.first.first == &device && item.first.second == queue &&
               (anybody || item.second.process == &process);
    });
}

trace::Name WorkqueueFiles::holder(const Device& device, std::uint32_t queue) {
    return kernel_.ioasid().holder("idxd/" + device.name() + "/" +
                                   device.setup().queues.at(queue).name);
}

Errno WorkqueueFiles::open(ExecContext& ctx, Process& process, Device& device, std::uint32_t queue,
                           Ioasid id) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "idxd_cdev_open"};
    if (!kernel_.sva().is_bound_to(process, device, id) && !kernel_.probes().has(kOpenUnbound)) {
        return Errno::Eperm;
    }
    LockGuard guard{ctx, device.queue_lock(queue)};
    const Place place{&device, queue};
    const bool shared = device.setup().queues.at(queue).shared;
    if (!shared && (files_.count(place) != 0 || device.claimed(queue))) {
        return Errno::Ebusy;
    }
    File file{&process, id, false};
    if (!shared) {
        const Errno error = program(ctx, place, process, id, file);
        if (error != Errno::Ok) {
            return error;
        }
    }
    files_.emplace(place, file);
    return Errno::Ok;
}

// The reference comes before the queue is set: hardware names no ID that may go meanwhile.
Errno WorkqueueFiles::program(ExecContext& ctx, const Place& place, Process& process, Ioasid id,
                              File& file) {
    Device& device = *place.first;
    file.held = !kernel_.probes().has(kQueueUnreferenced);
    if (file.held) {
        const Errno refused =
            kernel_.ioasid().get(ctx, process.set, id, holder(device, place.second));
        if (refused != Errno::Ok) {  // it is being freed
            return refused;
        }
    }
    const Errno error = device.set_queue_pasid(ctx, place.second, Pasid{id.value()});
    if (kernel_.probes().has(kEnableFailureIgnored)) {
        return Errno::Ok;
    }
    if (error != Errno::Ok && file.held) {  // not enabled: nothing works under the ID
        device.set_queue_config_pasid(ctx, place.second, std::nullopt);
        kernel_.ioasid().put(ctx, process.set, id, holder(device, place.second));
    }
    return error;
}

Errno WorkqueueFiles::close(ExecContext& ctx, Process& process, Device& device,
                            std::uint32_t queue) {
    ctx.spend(kernel_.params().syscall);
    Frame frame{ctx, "idxd_cdev_release"};
    LockGuard guard{ctx, device.queue_lock(queue)};
    const auto [first, last] = files_.equal_range({&device, queue});
    const auto found = std::find_if(
        first, last, [&process](const auto& item) { return item.second.process == &process; });
    if (found == last) {
        return Errno::Enoent;
    }
    const File file = found->second;
    const Errno error = clear(ctx, found->first, file);
    files_.erase(found);
    return error;
}

Errno WorkqueueFiles::clear(ExecContext& ctx, const Place& place, const File& file) {
    Device& device = *place.first;
    if (device.setup().queues.at(place.second).shared) {
        return kernel_.probes().has(kCloseUndrained)
                   ? Errno::Ok
                   : device.drain_pasid(ctx, Pasid{file.id.value()});
    }
    const auto put = [&] {
        if (file.held) {
            kernel_.ioasid().put(ctx, file.process->set, file.id, holder(device, place.second));
        }
    };
    if (kernel_.probes().has(kQueuePutBeforeClear)) {
        put();
        return device.set_queue_pasid(ctx, place.second, std::nullopt);
    }
    const Errno error = device.set_queue_pasid(ctx, place.second, std::nullopt);
    const bool kept = kernel_.probes().has(kQueueKeptForGood);
    if (error == Errno::Ok || (!kept && device_halted(ctx, device))) {
        put();
    } else if (file.held && !kept) {
        keep(ctx, place, file);
    }
    return error;
}

// The queue may still work under its PASID, until the device is reset or pulled out.
void WorkqueueFiles::keep(ExecContext& ctx, const Place& place, const File& file) {
    UnfinishedPasids::Unfinished what;
    what.running.emplace_back(*place.first);
    IoasidSet* const set = file.process->set;
    kernel_.unfinished().keep(ctx, set != nullptr && set->is_private() ? set : nullptr, file.id,
                              holder(*place.first, place.second), std::move(what));
}

void WorkqueueFiles::close_all(ExecContext& ctx, Process& process) {
    while (true) {
        const auto found = std::find_if(files_.begin(), files_.end(), [&process](const auto& item) {
            return item.second.process == &process;
        });
        if (found == files_.end()) {
            return;
        }
        const Place place = found->first;
        static_cast<void>(close(ctx, process, *place.first, place.second));
    }
}

}  // namespace ioasim::os
