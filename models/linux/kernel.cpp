#include "models/linux/kernel.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/trace/device_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "models/linux/aux_domains.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/hot_plug_probes.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/vcmd_allocator.hpp"
#include "models/linux/vm_host.hpp"

namespace ioasim::os {

Kernel::Kernel(const KernelDeps& deps, const KernelConfig& config, const KernelParams& params)
    : deps_(deps),
      config_(config),
      params_(params),
      pages_(config.memory_base, config.memory_bytes),
      boot_lock_(SimLock::Kind::Mutex, config.name + "/boot_lock"),
      work_lock_(SimLock::Kind::Mutex, config.name + "/work_lock"),
      interrupts_(deps.scheduler, config.interrupt_processor, config.first_vector),
      sva_(std::make_unique<Sva>(*this)),
      aux_domains_(std::make_unique<AuxDomains>(*this)),
      iommufd_(std::make_unique<Iommufd>(*this)) {}

Kernel::~Kernel() = default;

// --- construction -------------------------------------------------------------------------------

IommuDriver& Kernel::add_iommu(const std::string& name, std::uint64_t registers) {
    iommus_.push_back(std::make_unique<IommuDriver>(*this, name, registers));
    return *iommus_.back();
}

Device& Kernel::add_device(DeviceSetup setup) {
    SIM_CHECK(find_device(setup.name) == nullptr, "device {} twice in {}", setup.name, name());
    devices_.push_back(std::make_unique<Device>(*this, std::move(setup)));
    device_groups_.add(*devices_.back());
    return *devices_.back();
}

VmHost& Kernel::create_vm(const VmSetup& setup) {
    vms_.push_back(make_vm_host(*this, setup));
    return *vms_.back();
}

Process& Kernel::create_process(const std::string& name) {
    SIM_CHECK(find_process(name) == nullptr, "process {} twice", name);
    processes_.push_back(std::make_unique<Process>(*this, name, next_token()));
    Process& process = *processes_.back();
    process.mm.set_notifier(
        [this, &process](ExecContext& ctx, std::uint64_t first, std::uint64_t bytes) {
            sva_->mm_invalidate(ctx, process, first, bytes);
        });
    return process;
}

namespace {

template <class T, class Match>
T* find_in(const std::vector<std::unique_ptr<T>>& list, const Match& match) {
    const auto found =
        std::find_if(list.begin(), list.end(), [&match](const auto& item) { return match(*item); });
    return found == list.end() ? nullptr : found->get();
}

}  // namespace

Device* Kernel::find_device(const std::string& name) {
    return find_in(devices_,
                   [&name](const Device& d) { return d.name() == name && !d.forgotten(); });
}

Device* Kernel::find_device(const IommuDriver& unit, Rid rid) {
    return find_in(devices_, [&](const Device& d) {
        return &d.iommu() == &unit && d.rid() == rid && !d.forgotten();
    });
}

IommuDriver* Kernel::find_iommu(const std::string& name) {
    return find_in(iommus_, [&name](const IommuDriver& i) { return i.name() == name; });
}

Process* Kernel::find_process(const std::string& name) {
    return find_in(processes_, [&name](const Process& p) { return p.name == name; });
}

VmHost* Kernel::find_vm(const std::string& name) {
    return find_in(vms_, [&name](const VmHost& vm) { return vm.name() == name; });
}

// --- boot ---------------------------------------------------------------------------------------

Errno Kernel::boot(ExecContext& ctx) {
    if (booted_) {
        return boot_result_;
    }
    LockGuard guard{ctx, boot_lock_};
    if (!booted_) {
        Frame frame{ctx, "boot"};
        boot_result_ = boot_locked(ctx);
        booted_ = true;
    }
    return boot_result_;
}

Errno Kernel::boot_locked(ExecContext& ctx) {
    if (!config_.guest) {
        emit(ctx, trace::RunPool{intern(config_.name + "/memory"), intern("memory"),
                                 config_.memory_bytes});
        set_owner(ctx, config_.name, config_.memory_base, config_.memory_bytes);
    }
    const Errno units = boot_units(ctx);
    if (units != Errno::Ok) {
        return units;
    }
    for (const auto& device : devices_) {
        Errno error = device->iommu().attach(ctx, *device);
        if (error == Errno::Ok) {
            error = device->bring_up(ctx);
        }
        // Pulled out of its slot meanwhile: its probe fails, and the slot's thread will find out.
        const bool pulled = error == Errno::Enodev && device->setup().root_port != 0;
        if (pulled && !probes().has(kProbeEndsBoot)) {
            continue;
        }
        if (error != Errno::Ok) {
            return error;
        }
    }
    hot_plug_.start(ctx);
    return sva_->start(ctx);
}

Errno Kernel::boot_units(ExecContext& ctx) {
    // Without the set for host SVA there is no scalable mode, and everything else goes on.
    const bool scalable =
        sva_->reserve_system_set(ctx) == Errno::Ok || probes().has(kScalableWithoutSet);
    for (const auto& iommu : iommus_) {
        const Errno error = iommu->probe(ctx, scalable);
        if (error != Errno::Ok) {
            return error;
        }
        if (vcmd_ == nullptr && iommu->has_virtual_commands()) {
            vcmd_ = std::make_unique<VcmdAllocator>(*this, *iommu);
            const Errno refused = ioasid().register_allocator(ctx, *vcmd_);
            if (refused != Errno::Ok) {
                return refused;
            }
        }
    }
    return Errno::Ok;
}

// --- processes ----------------------------------------------------------------------------------

Errno Kernel::start_process(ExecContext& ctx, Process& process) {
    instructions().set_pasid_msr(ctx, 0);  // a new thread: its extended state is the initial one
    const Errno error = process.mm.create(ctx);
    if (error == Errno::Ok) {
        emit(ctx, trace::ProcessStart{intern(process.name)});
    }
    return error;
}

void Kernel::exit_process(ExecContext& ctx, Process& process, const std::string& cause,
                          ExitOrder order) {
    if (!process.mm.alive()) {
        return;
    }
    ctx.spend(params_.syscall);
    if (order == ExitOrder::FilesFirst) {
        exit_files(ctx, process);
        exit_mm(ctx, process);
    } else {
        exit_mm(ctx, process);
        exit_files(ctx, process);
    }
    iommufd_->close_all(ctx, process.name);
    vfio_.close_all(ctx, process);  // behind the address space: pins hold its pages
    mm_drop(ctx, process);
    emit(ctx, trace::ProcessExit{intern(process.name), intern(cause)});
}

void Kernel::exit_mm(ExecContext& ctx, Process& process) {
    Frame frame{ctx, "exit_mm"};
    sva_->mm_release(ctx, process);
    if (instructions().pasid_msr(ctx) != 0) {
        load_pasid(ctx, Pasid{}, false);
    }
    process.mm.destroy(ctx);
    if (probes().has(kPasidFreedAtExit)) {
        sva_->mm_gone(ctx, process, true);
    }
}

void Kernel::exit_files(ExecContext& ctx, Process& process) {
    Frame frame{ctx, "exit_files"};
    workqueue_files_.close_all(ctx, process);
    sva_->unbind_process(ctx, process);
}

Errno Kernel::kill(ExecContext& ctx, Process& process) {
    ctx.spend(params_.syscall);
    if (!process.mm.alive()) {
        return Errno::Esrch;
    }
    process.killed = true;
    return Errno::Ok;
}

Errno Kernel::mm_grab(ExecContext& ctx, Process& process) {
    ctx.spend(params_.syscall);
    if (process.mm_count == 0) {
        return Errno::Esrch;
    }
    ++process.mm_count;
    ++process.mm_grabs;
    return Errno::Ok;
}

Errno Kernel::mm_ungrab(ExecContext& ctx, Process& process) {
    ctx.spend(params_.syscall);
    if (process.mm_grabs == 0) {
        return Errno::Esrch;
    }
    --process.mm_grabs;
    mm_drop(ctx, process);
    return Errno::Ok;
}

void Kernel::mm_drop(ExecContext& ctx, Process& process, bool may_wait) {
    SIM_CHECK(process.mm_count > 0, "the mm of {} is dropped once too often", process.name);
    if (--process.mm_count == 0) {
        sva_->mm_gone(ctx, process, may_wait);
        emit(ctx, trace::MmDrop{intern(process.name)});
    }
}

Errno Kernel::unmap(ExecContext& ctx, Process& process, std::uint64_t address) {
    ctx.spend(params_.syscall);
    Frame frame{ctx, "munmap"};
    return process.mm.unmap(ctx, address);
}

void Kernel::power_off() {
    powered_off_ = true;
    interrupts_.stop();
    for (const auto& process : processes_) {
        process->killed = true;
    }
}

void Kernel::load_pasid(ExecContext& ctx, Pasid pasid, bool valid) {
    ctx.spend(params_.wrmsr);
    if (!instructions().set_pasid_msr(ctx, valid ? cpu::kIa32PasidValid | pasid.value() : 0)) {
        return;  // wrmsrl: the kernel complains and goes on with what was there
    }
    emit(ctx, trace::CpuPasid{intern(ctx.name()), pasid, valid});
}

// --- services -----------------------------------------------------------------------------------

Result<std::uint64_t> Kernel::alloc_pages(ExecContext& ctx, std::uint64_t pages) {
    if (probes().fails(kPageAllocation)) {
        return Errno::Enomem;
    }
    const auto run = pages_.alloc(pages);
    if (!run) {
        return run.error();
    }
    if ((*run).recycled) {
        static constexpr std::array<std::uint8_t, kPageSize> kZeros{};
        ctx.write_bytes((*run).address, kZeros.data(), kZeros.size());
    }
    return (*run).address;
}

void Kernel::free_pages(std::uint64_t address, std::uint64_t pages) {
    pages_.free(address, pages);
}

void Kernel::set_owner(const ExecContext& ctx, const std::string& owner, std::uint64_t address,
                       std::uint64_t bytes) {
    if (!config_.guest) {
        emit(ctx, trace::MemoryOwner{intern(owner), Hpa{address}, bytes});
    }
}

void Kernel::set_owner(const ExecContext& ctx, const std::string& owner,
                       const std::vector<std::uint64_t>& pages) {
    for (std::size_t first = 0; first < pages.size();) {
        std::size_t last = first + 1;
        while (last < pages.size() && pages[last] == pages[last - 1] + kPageSize) {
            ++last;
        }
        set_owner(ctx, owner, pages[first], (last - first) * kPageSize);
        first = last;
    }
}

void Kernel::unpin_page(ExecContext& ctx, std::uint64_t page) {
    if (pins_.unpin(page)) {
        set_owner(ctx, "", page, kPageSize);
        free_pages(page);
    }
}

DomainId Kernel::alloc_domain_id() {
    if (!free_dids_.empty()) {
        const DomainId did = free_dids_.back();
        free_dids_.pop_back();
        return did;
    }
    SIM_CHECK(next_did_ != 0, "{} is out of domain ids", name());
    return DomainId{next_did_++};
}

Errno Kernel::wait_for_work(ExecContext& ctx, WaitQueue& queue, const std::function<bool()>& done,
                            Wakes wakes) {
    TimePs deadline = ctx.now() + params_.flush_timeout;
    const OrderedWorkqueue& work = ioasid().workqueue();
    std::uint64_t finished = work.finished();
    while (!done()) {
        if (!config_.worker_task) {
            run_deferred(ctx);
            if (done()) {
                break;
            }
            if (work.idle()) {
                return Errno::Etimedout;  // nothing is left that could make it true
            }
        }
        if (ctx.now() >= deadline) {
            // The time-out is of one item's work: many may be before the awaited one.
            if (work.finished() == finished || probes().has(kQueueTimeOut)) {
                return Errno::Etimedout;
            }
            finished = work.finished();
            deadline = ctx.now() + params_.flush_timeout;
        }
        const bool told = wakes == Wakes::Always && config_.worker_task;
        const TimePs turn = told ? deadline : ctx.now() + params_.flush_poll;
        probes().hit(kWorkAwaited);
        ctx.wait_until(queue, std::min(deadline, turn));
        if (probes().any_defect() && !done() && probes().has(kWorkAwaitedOnce)) {
            return Errno::Ok;
        }
    }
    return Errno::Ok;
}

void Kernel::run_deferred(ExecContext& ctx) {
    if (config_.worker_task || ioasid().workqueue().idle()) {
        return;
    }
    LockGuard guard{ctx, work_lock_};
    ioasid().run_pending(ctx);
}

}  // namespace ioasim::os
