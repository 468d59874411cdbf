#include "core/ioasid/dev_ioasid.hpp"

namespace ioasim {

IoasidDevice::IoasidDevice(IoasidCore& core)
    : core_(core), list_lock_(SimLock::Kind::Mutex, core.kernel() + "/ioasid_dev") {}

IoasidFile* IoasidDevice::file_of(SetToken mm) const {
    const auto found = files_.find(mm);
    return found == files_.end() ? nullptr : found->second.get();
}

Result<IoasidFile*> IoasidDevice::open(ExecContext& ctx, SetToken mm, const std::string& name) {
    const Frame frame(ctx, "ioasid_dev_open");
    const LockGuard guard(ctx, list_lock_);
    if (file_of(mm) != nullptr) {
        return Errno::Ebusy;
    }
    const std::uint32_t quota = core_.switches().dev_takes_whole_pool
                                    ? 0
                                    : static_cast<std::uint32_t>(core_.params().dev_quota);
    const auto set = core_.set_alloc(ctx, mm, quota, SetType::Mm, name);
    if (!set.ok()) {
        return set.error();
    }
    auto& place = files_[mm];
    place = std::unique_ptr<IoasidFile>(new IoasidFile(core_.kernel() + "/" + name, mm, *set));
    return place.get();
}

Errno IoasidDevice::may_use(const IoasidFile& file, SetToken current_mm) const {
    return core_.switches().dev_checks_mm && current_mm != file.mm_ ? Errno::Eperm : Errno::Ok;
}

Result<std::uint32_t> IoasidDevice::request_alloc(ExecContext& ctx, IoasidFile& file,
                                                  const DevIoasidArgs& args) {
    constexpr std::uint32_t kLimit = 1U << kDevIoasidBits;
    if (args.argsz < DevIoasidArgs::kAllocSize || args.flags != 0 || args.min > args.max ||
        args.min >= kLimit || args.max >= kLimit) {
        return Errno::Einval;
    }
    const Ioasid id = core_.alloc(ctx, file.set_, Ioasid{args.min}, Ioasid{args.max}, nullptr);
    if (!is_valid(id)) {
        return Errno::Einval;  // whatever the cause
    }
    return id.value();
}

Result<std::uint32_t> IoasidDevice::ioctl(ExecContext& ctx, IoasidFile& file, SetToken current_mm,
                                          std::uint32_t call, DevIoasidArgs* args) {
    const Frame frame(ctx, "ioasid_dev_ioctl");
    if (const Errno error = may_use(file, current_mm); error != Errno::Ok) {
        return error;
    }
    ++file.references_;
    Result<std::uint32_t> result = serve(ctx, file, call, args);
    if (file.references_ > 1) {
        --file.references_;
    } else {
        release(ctx, file);
    }
    return result;
}

Result<std::uint32_t> IoasidDevice::serve(ExecContext& ctx, IoasidFile& file, std::uint32_t call,
                                          DevIoasidArgs* args) {
    const LockGuard guard(ctx, file.mutex_);
    switch (static_cast<DevIoasidCall>(call)) {
        case DevIoasidCall::GetApiVersion:
            return kDevIoasidApiVersion;
        case DevIoasidCall::GetInfo:
        case DevIoasidCall::RequestAlloc:
        case DevIoasidCall::RequestFree:
            break;
        default:
            return Errno::Einval;
    }
    if (args == nullptr) {
        return Errno::Efault;
    }
    if (static_cast<DevIoasidCall>(call) == DevIoasidCall::RequestAlloc) {
        return request_alloc(ctx, file, *args);
    }
    if (static_cast<DevIoasidCall>(call) == DevIoasidCall::GetInfo) {
        if (args->argsz < DevIoasidArgs::kInfoSize || args->flags != 0) {
            return Errno::Einval;
        }
        args->bits = kDevIoasidBits;
        return std::uint32_t{0};
    }
    if (args->id < 0 || args->id > std::int64_t{kInvalidIoasid}) {
        return Errno::Einval;
    }
    // 0 also for an ID that is unknown or somebody else's: the core only logs.
    core_.free(ctx, file.set_, Ioasid{static_cast<std::uint32_t>(args->id)});
    return std::uint32_t{0};
}

void IoasidDevice::close(ExecContext& ctx, IoasidFile& file) {
    SIM_CHECK(file.open_, "/dev/ioasid closed twice");
    file.open_ = false;
    release(ctx, file);
}

void IoasidDevice::hold(ExecContext& ctx, IoasidFile& file) {
    const LockGuard guard(ctx, list_lock_);
    ++file.references_;
}

void IoasidDevice::release(ExecContext& ctx, IoasidFile& file) {
    const Frame frame(ctx, "ioasid_dev_release");
    const LockGuard guard(ctx, list_lock_);
    SIM_CHECK(file.references_ > 0, "/dev/ioasid released more often than held");
    if (--file.references_ != 0) {
        return;
    }
    core_.free_all_in_set(ctx, file.set_);
    core_.set_free(ctx, file.set_);
    files_.erase(file.mm_);
}

}  // namespace ioasim
