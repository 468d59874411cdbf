#include "models/linux/kvm_vfio.hpp"

#include <algorithm>

#include "core/trace/coherency_events.hpp"
#include "models/linux/coherency_probes.hpp"
#include "models/linux/kernel.hpp"

namespace ioasim::os {

// --- processors ---------------------------------------------------------------------------------

KvmCoherency::KvmCoherency(Kernel& kernel, const std::string& vm)
    : kernel_(kernel), vm_(vm), name_(kernel.intern(vm)) {}

// Every mapping of the guest goes and is built again at its next use, with the memory type that
// the new answer asks for: vCPUs leave guest mode, and each page costs a fault.
void KvmCoherency::zap(ExecContext& ctx) {
    for (VcpuControl* vcpu : vcpus_) {
        vcpu->kick(ctx);
    }
    ctx.spend(kernel_.params().kvm_zap * pages_);
    kernel_.emit(ctx, trace::KvmNoncoherent{name_, count_, pages_});
}

void KvmCoherency::register_noncoherent(ExecContext& ctx) {
    if (++count_ == 1) {
        zap(ctx);
    }
}

void KvmCoherency::unregister_noncoherent(ExecContext& ctx) {
    SIM_CHECK(count_ != 0, "{}: nobody said that DMA is not coherent", vm_);
    if (--count_ == 0) {
        zap(ctx);
    }
}

void KvmCoherency::load(const VcpuControl& vcpu, std::size_t cpu) {
    Loaded& loaded = loaded_[&vcpu];
    const int before = loaded.cpu;
    loaded.cpu = static_cast<int>(cpu);
    if (count_ == 0 || kernel_.probes().has(kVisitsForgotten)) {
        return;
    }
    if (kernel_.params().wbinvd_exit) {
        loaded.dirty.insert(cpu);
    } else if (before >= 0 && before != loaded.cpu) {
        // WBINVD of the guest will reach the new processor only.
        kernel_.scheduler().spawn_on(
            before, "host/wbinvd-" + vm_ + "-cpu" + std::to_string(before), kernel_.task_port(),
            [this](ExecContext& there) { kernel_.instructions().wbinvd(there); });
    }
}

void KvmCoherency::wbinvd(ExecContext& ctx, const VcpuControl& vcpu) {
    const trace::Name name = kernel_.intern(vcpu.name());
    const bool ignored = count_ == 0 && !kernel_.probes().has(kWbinvdAlwaysEmulated);
    if (ignored) {
        kernel_.emit(ctx, trace::KvmWbinvd{name_, name, trace::WbinvdAction::Ignored, 0});
        return;
    }
    std::set<std::size_t> cpus = loaded_[&vcpu].dirty;
    const int here = kernel_.scheduler().cpu_of(ctx);
    if (here >= 0) {
        cpus.insert(static_cast<std::size_t>(here));
        if (kernel_.probes().has(kWbinvdNotHere)) {
            cpus.erase(static_cast<std::size_t>(here));
        }
    }
    kernel_.emit(ctx, trace::KvmWbinvd{name_, name, trace::WbinvdAction::Emulated,
                                       static_cast<std::uint32_t>(cpus.size())});
    write_back(ctx, cpus);
    loaded_[&vcpu].dirty.clear();
}

void KvmCoherency::write_back(ExecContext& ctx, const std::set<std::size_t>& cpus) {
    const int here = kernel_.scheduler().cpu_of(ctx);
    auto missing = std::make_shared<std::size_t>(0);
    auto done = std::make_shared<WaitQueue>("write-back of other processors");
    for (const std::size_t cpu : cpus) {
        if (static_cast<int>(cpu) == here) {
            continue;
        }
        ++*missing;
        ctx.spend(kernel_.params().kick_send);
        kernel_.scheduler().spawn_on(
            static_cast<int>(cpu), "host/wbinvd-" + vm_ + "-cpu" + std::to_string(cpu),
            kernel_.task_port(), [this, missing, done](ExecContext& there) {
                kernel_.instructions().wbinvd(there);
                if (--*missing == 0) {
                    there.wake_all(*done);
                }
            });
    }
    if (here >= 0 && cpus.count(static_cast<std::size_t>(here)) != 0) {
        kernel_.instructions().wbinvd(ctx);
    }
    while (*missing != 0) {
        ctx.stall(*done);
    }
}

// --- the kvm-vfio device ------------------------------------------------------------------------

KvmVfio::KvmVfio(Kernel& kernel, const std::string& vm, KvmCoherency& coherency)
    : kernel_(kernel),
      vm_(vm),
      name_(kernel.intern(vm)),
      coherency_(coherency),
      lock_(SimLock::Kind::Mutex, "kvm-vfio/" + vm, "kvm_vfio") {}

bool KvmVfio::knows(const KvmFile& file) const {
    return std::find(files_.begin(), files_.end(), &file) != files_.end();
}

void KvmVfio::tell(const ExecContext& ctx, const KvmFile* file, bool added, Errno error) {
    kernel_.emit(
        ctx, trace::KvmFile{name_, kernel_.intern(file == nullptr ? "" : file->file_name()), added,
                            noncoherent_, error});
}

Errno KvmVfio::create(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    if (created_) {
        return Errno::Ebusy;
    }
    created_ = true;
    return Errno::Ok;
}

void KvmVfio::reevaluate(ExecContext& ctx) {
    const bool now = std::any_of(files_.begin(), files_.end(),
                                 [](const KvmFile* file) { return !file->enforces_coherency(); });
    if (now == noncoherent_) {
        return;
    }
    if (kernel_.probes().has(kVoteKept) && !now) {
        return;
    }
    noncoherent_ = now;
    if (now) {
        coherency_.register_noncoherent(ctx);
    } else {
        coherency_.unregister_noncoherent(ctx);
    }
}

Errno KvmVfio::add(ExecContext& ctx, KvmFile* file) {
    ctx.spend(kernel_.params().syscall);
    Errno error = Errno::Ok;
    if (!created_) {
        error = Errno::Enxio;
    } else if (file == nullptr) {
        error = Errno::Einval;
    } else {
        const bool unlocked = kernel_.probes().has(kFileSoughtUnlocked);
        const bool sought = unlocked && knows(*file);
        LockGuard guard{ctx, lock_};
        error = (unlocked ? sought : knows(*file)) ? Errno::Eexist : Errno::Ok;
        if (error == Errno::Ok) {
            files_.push_back(file);
            file->set_kvm(this);
            reevaluate(ctx);
        }
    }
    tell(ctx, file, true, error);
    return error;
}

Errno KvmVfio::remove(ExecContext& ctx, KvmFile* file) {
    ctx.spend(kernel_.params().syscall);
    LockGuard guard{ctx, lock_};
    const auto found = std::find(files_.begin(), files_.end(), file);
    const Errno error = found == files_.end() ? Errno::Enoent : Errno::Ok;
    if (error == Errno::Ok) {
        files_.erase(found);
        file->set_kvm(nullptr);
    }
    reevaluate(ctx);
    tell(ctx, file, false, error);
    return error;
}

void KvmVfio::release(ExecContext& ctx) {
    for (KvmFile* file : files_) {
        file->set_kvm(nullptr);
    }
    files_.clear();
    reevaluate(ctx);
    created_ = false;
}

}  // namespace ioasim::os
