#include "models/linux/fault_queue.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "core/base/little_endian.hpp"
#include "core/trace/fault_queue_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/fault_queue_probes.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/page_request_service.hpp"
#include "models/linux/wait_in_turns.hpp"

namespace ioasim::os {
namespace {

std::uint32_t permissions_of(const vtd::PageRequest& page) {
    namespace f = fault_record;
    return (page.read ? f::kRead : 0) | (page.write ? f::kWrite : 0) |
           (page.execute ? f::kExecute : 0) | (page.privileged ? f::kPrivileged : 0);
}

}  // namespace

FaultQueue::FaultQueue(Kernel& kernel, IommuFile& file, std::string name)
    : kernel_(kernel),
      file_(file),
      name_(std::move(name)),
      readable_(kernel.name() + "/faults " + name_) {}

Errno FaultQueue::report(ExecContext& ctx, const FaultGroup& group) {
    deliver_.push_back(group);
    kernel_.emit(
        ctx, trace::IopfQueued{kernel_.intern(name_), kernel_.intern(group.device->name()),
                               group.last().pasid, group.last().group,
                               static_cast<std::uint32_t>(group.pages.size()), deliver_.size()});
    ctx.wake_all(readable_);
    return Errno::Ok;
}

void FaultQueue::forget(std::uint64_t serial) {
    deliver_.erase(std::remove_if(deliver_.begin(), deliver_.end(),
                                  [serial](const FaultGroup& g) { return g.serial == serial; }),
                   deliver_.end());
    for (auto at = responses_.begin(); at != responses_.end();) {
        at = at->second.serial == serial ? responses_.erase(at) : std::next(at);
    }
}

// --- the file -----------------------------------------------------------------------------------

Errno FaultQueue::wait(ExecContext& ctx, const Process& process, TimePs deadline) {
    ctx.spend(kernel_.params().syscall);
    return wait_in_turns(ctx, readable_, process, deadline, kernel_.params().flush_poll,
                         [this] { return !deliver_.empty(); });
}

// The lowest that is free, as xa_alloc() gives it; 0 is none.
std::uint32_t FaultQueue::next_cookie() const {
    std::uint32_t cookie = 1;
    for (const auto& [taken, group] : responses_) {
        if (taken != cookie) {
            break;
        }
        ++cookie;
    }
    return cookie;
}

Errno FaultQueue::copy_out(ExecContext& ctx, Process& process, std::uint64_t address,
                           const FaultGroup& group, std::uint32_t cookie) {
    namespace f = fault_record;
    for (std::size_t i = 0; i < group.pages.size(); ++i) {
        const vtd::PageRequest& page = group.pages[i];
        std::array<std::uint8_t, f::kBytes> record{};
        put_le(record, f::kFlags, 4,
               (page.has_pasid ? f::kPasidValid : 0) | (page.last ? f::kLastPage : 0));
        put_le(record, f::kDevice, 4, kernel_.iommufd().device_id(*group.device));
        put_le(record, f::kPasid, 4, page.pasid.value());
        put_le(record, f::kGroup, 4, page.group);
        put_le(record, f::kPermissions, 4, permissions_of(page));
        put_le(record, f::kAddress, 8, page.address);
        put_le(record, f::kCookie, 4, cookie);
        const Errno error =
            process.mm.write(ctx, address + i * f::kBytes, record.data(), record.size());
        if (error != Errno::Ok) {
            return Errno::Efault;
        }
    }
    return Errno::Ok;
}

Result<std::uint64_t> FaultQueue::read(ExecContext& ctx, Process& process, std::uint64_t address,
                                       std::uint64_t bytes) {
    ctx.spend(kernel_.params().syscall);
    if (bytes % fault_record::kBytes != 0) {
        return Errno::Einval;  // Linux: -ESPIPE
    }
    std::uint64_t done = 0;
    std::uint32_t groups = 0;
    std::uint32_t cookie = 0;
    Errno error = Errno::Ok;
    while (!deliver_.empty() && error == Errno::Ok) {
        const FaultGroup group = deliver_.front();
        const std::uint64_t length = group.pages.size() * fault_record::kBytes;
        const bool fits = length <= bytes - done;
        if (!fits && !kernel_.probes().has(kShortReadLoses)) {
            break;
        }
        deliver_.pop_front();  // before the copy, in which others may come
        if (!fits) {
            break;
        }
        cookie = next_cookie();
        responses_[cookie] = group;
        error = copy_out(ctx, process, address + done, group, cookie);
        if (error == Errno::Ok) {
            done += length;
            ++groups;
        } else if (responses_.erase(cookie) != 0 && !kernel_.probes().has(kCopyFaultLoses)) {
            deliver_.push_front(group);
        }
    }
    kernel_.emit(ctx, trace::IopfRead{kernel_.intern(name_), groups, done, cookie, error});
    if (done == 0 && error != Errno::Ok) {
        return error;
    }
    return done;
}

Errno FaultQueue::answer(ExecContext& ctx, std::uint32_t cookie, std::uint32_t code) {
    const auto highest =
        kernel_.probes().has(kFailureTaken) ? IopfCode::Failure : IopfCode::Invalid;
    const auto found = responses_.find(cookie);
    Errno error = Errno::Einval;
    if (code <= static_cast<std::uint32_t>(highest) && found != responses_.end()) {
        const FaultGroup group = found->second;
        IoPageFaults& core = group.device->iommu().page_requests()->faults();
        const auto answer = static_cast<IopfCode>(code);
        if (kernel_.probes().has(kCookieKept)) {
            core.answer(ctx, group.device->name(), group.last(), answer, "user");
            return Errno::Ok;
        }
        responses_.erase(found);
        error = core.respond_to(ctx, group.serial, answer);
    }
    kernel_.emit(ctx, trace::IopfWritten{kernel_.intern(name_), cookie, code, error});
    return error;
}

Result<std::uint64_t> FaultQueue::write(ExecContext& ctx, Process& process, std::uint64_t address,
                                        std::uint64_t bytes) {
    ctx.spend(kernel_.params().syscall);
    if (bytes % fault_response::kBytes != 0) {
        return Errno::Einval;  // Linux: -ESPIPE
    }
    std::uint64_t done = 0;
    Errno error = Errno::Ok;
    while (done < bytes && error == Errno::Ok) {
        std::array<std::uint8_t, fault_response::kBytes> response{};
        const auto field = [&response](std::size_t at) {
            return static_cast<std::uint32_t>(get_le(response, at, 4));
        };
        error = process.mm.read(ctx, address + done, response.data(), response.size());
        if (error == Errno::Ok) {
            error = answer(ctx, field(fault_response::kCookie), field(fault_response::kCode));
        }
        done += error == Errno::Ok ? fault_response::kBytes : 0;
    }
    if (done == 0 && error != Errno::Ok) {
        return error;
    }
    return done;
}

}  // namespace ioasim::os
