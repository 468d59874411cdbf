#include "models/linux/vm_host.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/trace/guest_fault_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "models/linux/aux_domains.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kept_command.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/vfio_probes.hpp"

namespace ioasim::os {

namespace {

// As VT-d: what has no PASID goes by the entry of PASID 0.
constexpr Spid kRequestsWithoutPasid{0};

}  // namespace

KernelVmHost::KernelVmHost(Kernel& kernel, const VmSetup& setup)
    : kernel_(kernel),
      setup_(setup),
      token_(kernel.next_token()),
      vdcm_holder_(kernel.ioasid().holder("vdcm/" + setup.name)),
      kvm_(kernel, setup.name),
      coherency_(kernel, setup.name),
      kvm_vfio_(kernel, setup.name, coherency_),
      faults_(kernel, setup.name),
      iova_(kernel, setup.name) {
    for (const std::string& device : setup.devices) {
        Device* known = kernel.find_device(device);
        SIM_CHECK(known != nullptr, "{} is given {}, which {} does not have", setup.name, device,
                  kernel.name());
        vdcms_.push_back(std::make_unique<Vdcm>(kernel, *known, setup.name, device));
    }
    for (const MdevSetup& mdev : setup.mdevs) {
        Device* parent = kernel.find_device(mdev.parent);
        SIM_CHECK(parent != nullptr, "{} has no parent {} for {}", kernel.name(), mdev.parent,
                  mdev.name);
        const auto queue = parent->queue(mdev.queue);
        SIM_CHECK(queue, "{} has no workqueue {}", mdev.parent, mdev.queue);
        virtual_devices_.push_back(std::make_unique<VirtualDevice>(
            kernel, kvm_,
            VirtualDevice::Setup{setup.name, mdev.name, parent, *queue,
                                 mdev.aux ? &stage2_ : nullptr}));
        faults_.call(mdev.parent, mdev.name);
        // What a shared queue holds of a PASID is drained as a whole function's is.
        if (virtual_devices_.back()->shared()) {
            vdcms_.push_back(std::make_unique<Vdcm>(kernel, *parent, setup.name, mdev.name));
        }
    }
    for (const std::string& function : setup.functions) {
        Device* known = kernel.find_device(function);
        SIM_CHECK(known != nullptr, "{} is given {}, which {} does not have", setup.name, function,
                  kernel.name());
        functions_.push_back(known);
    }
    stage2_.did = kernel.alloc_domain_id();
}

// --- life ---------------------------------------------------------------------------------------

Errno KernelVmHost::register_notifiers(ExecContext& ctx) {
    std::vector<NotifierBlock*> blocks{&kvm_};
    for (const auto& vdcm : vdcms_) {
        blocks.push_back(vdcm.get());
    }
    for (const auto& device : virtual_devices_) {
        blocks.push_back(device.get());
    }
    for (NotifierBlock* block : blocks) {
        const Errno error = kernel_.ioasid().register_notifier_mm(ctx, token_, *block);
        if (error != Errno::Ok) {
            return error;
        }
        registered_.push_back(block);
    }
    return Errno::Ok;
}

Errno KernelVmHost::open(ExecContext& ctx) {
    SIM_CHECK(!open_, "{} is open", setup_.name);
    ctx.spend(kernel_.params().syscall);
    open_ = true;
    // With numbers of its own nobody but the IOMMU driver has to hear of them.
    const bool heard = !own_pasid_space();
    const bool first = kernel_.params().register_first;
    Errno error = kernel_.ioasid().switches().managed_sets ? Errno::Ok : Errno::Eopnotsupp;
    if (error == Errno::Ok && first && heard) {
        error = register_notifiers(ctx);
    }
    if (error == Errno::Ok && heard) {
        error = kvm_.start(ctx);
    }
    if (error == Errno::Ok) {
        error = make_set(ctx);
    }
    if (error == Errno::Ok && !first && heard) {
        error = register_notifiers(ctx);
    }
    if (error == Errno::Ok) {
        error = take_functions(ctx);
    }
    for (const auto& device : virtual_devices_) {
        error = error == Errno::Ok ? device->open(ctx) : error;
    }
    if (error != Errno::Ok) {
        static_cast<void>(release(ctx));
        return error;
    }
    kernel_.emit(ctx, trace::RunPool{kernel_.intern(setup_.name + "/ioasids"),
                                     kernel_.intern("quota"), setup_.quota});
    return Errno::Ok;
}

Errno KernelVmHost::make_set(ExecContext& ctx) {
    const auto set =
        own_pasid_space()
            ? kernel_.ioasid().set_alloc_private(ctx, token_, SetType::Mm, setup_.name)
            : kernel_.ioasid().set_alloc(ctx, token_, static_cast<std::uint32_t>(setup_.quota),
                                         SetType::Mm, setup_.name);
    if (!set) {
        return set.error();
    }
    set_ = *set;
    faults_.open(*set_);
    return Errno::Ok;
}

// Whole functions: nobody else's process is bound to them. Where a VM has one PASID table, the
// first function's serves all that are behind the same unit.
Errno KernelVmHost::take_functions(ExecContext& ctx) {
    Errno error = Errno::Ok;
    for (Device* function : functions_) {
        if (!function->assigned_to().empty()) {
            return Errno::Ebusy;
        }
        function->assign(setup_.name);
        kernel_.emit(ctx, trace::VmFunction{kernel_.intern(setup_.name), function->rid(),
                                            own_pasid_space(), true});
        Device& first = *functions_.front();
        const bool shares = kernel_.params().pasid_tables == PasidTables::Vm &&
                            function != &first && &function->iommu() == &first.iommu();
        if (shares && error == Errno::Ok) {
            error = function->iommu().share_directory(ctx, *function, first);
        }
    }
    return error;
}

void KernelVmHost::return_function(ExecContext& ctx, Device& function) {
    if (function.assigned_to() != setup_.name) {
        return;
    }
    static_cast<void>(function.iommu().own_directory(ctx, function));
    function.assign("");
    kernel_.emit(ctx, trace::VmFunction{kernel_.intern(setup_.name), function.rid(),
                                        own_pasid_space(), false});
}

Errno KernelVmHost::release(ExecContext& ctx) {
    if (!open_) {
        return Errno::Ebadf;
    }
    open_ = false;
    ctx.spend(kernel_.params().syscall);
    Errno error = Errno::Ok;
    IoasidSet* set = std::exchange(set_, nullptr);
    for (const auto& device : virtual_devices_) {
        device->abandon();
    }
    if (!kernel_.params().ioasid_closed_first) {
        close_devices(ctx);
    }
    if (set != nullptr) {
        kernel_.sva().unbind_all(ctx, *set);
        error = kernel_.sva().free_set(ctx, *set);
    }
    iova_.collect();
    for (Device* function : functions_) {
        return_function(ctx, *function);
    }
    close_devices(ctx);
    if (default_space_ != nullptr) {
        default_space_->forget();
        default_space_->destroy();
        default_space_.reset();
    }
    // Each waits for the lock, and a device may be removed meanwhile: who takes a block off the
    // list unregisters it.
    for (NotifierBlock* block : std::exchange(registered_, {})) {
        kernel_.ioasid().unregister_notifier_mm(ctx, token_, *block);
    }
    faults_.close(ctx);
    kvm_vfio_.release(ctx);
    kvm_.stop(ctx, set);
    if (set == nullptr || kernel_.sva().bindings_of(*set) == 0) {
        free_memory(ctx);  // otherwise a PASID entry still leads there: the pages stay lost
    }
    return error;
}

Errno KernelVmHost::reset(ExecContext& ctx) {
    ctx.spend(kernel_.params().syscall);
    if (set_ == nullptr) {
        return Errno::Ebadf;
    }
    kernel_.sva().unbind_all(ctx, *set_);
    return kernel_.sva().free_ids(ctx, *set_);
}

Errno KernelVmHost::remove_device(ExecContext& ctx, const std::string& device) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    Frame frame{ctx, "vdcm_remove"};
    removed_.insert(device);  // from here on nothing is bound to it any more
    for (const auto& mdev : virtual_devices_) {
        if (mdev->name() == device) {
            mdev->close(ctx, CallingTask{token_}, "removed");
        }
    }
    kernel_.sva().unbind_device(ctx, *set_, *function);
    return_function(ctx, *function);
    // Its last drain may wait in the workqueue still: that works on the device, not on the block.
    for (NotifierBlock* block : blocks_of(device)) {
        const auto found = std::find(registered_.begin(), registered_.end(), block);
        if (found != registered_.end()) {
            registered_.erase(found);
            kernel_.ioasid().unregister_notifier_mm(ctx, token_, *block);
        }
    }
    kernel_.emit(ctx, trace::VmDeviceRemoved{kernel_.intern(setup_.name), kernel_.intern(device)});
    return Errno::Ok;
}

void KernelVmHost::parent_gone(ExecContext& ctx, const std::string& device) {
    for (const auto& mdev : virtual_devices_) {
        if (mdev->parent().name() == device) {
            static_cast<void>(mdev->remove(ctx));
        }
    }
}

// The calling task may be one without an address space: exit_mm comes before exit_files.
void KernelVmHost::close_devices(ExecContext& ctx) {
    for (const auto& device : virtual_devices_) {
        device->close(ctx, CallingTask{}, "closed");
    }
}

std::vector<NotifierBlock*> KernelVmHost::blocks_of(const std::string& device) {
    std::vector<NotifierBlock*> blocks;
    for (const auto& vdcm : vdcms_) {
        if (vdcm->assigned_as() == device) {
            blocks.push_back(vdcm.get());
        }
    }
    for (const auto& mdev : virtual_devices_) {
        if (mdev->name() == device) {
            blocks.push_back(mdev.get());
        }
    }
    return blocks;
}

// --- memory -------------------------------------------------------------------------------------

Result<std::vector<Hpa>> KernelVmHost::map_memory(ExecContext& ctx, std::uint64_t bytes) {
    SIM_CHECK(pages_.empty() && bytes % kPageSize == 0 && bytes > 0, "memory of {}: {} bytes",
              setup_.name, bytes);
    ctx.spend(kernel_.params().syscall);
    std::vector<Hpa> pages;
    for (std::uint64_t i = 0; i < bytes / kPageSize; ++i) {
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            free_memory(ctx);
            return page.error();
        }
        pages_.push_back(*page);
        pages.push_back(Hpa{*page});
    }
    kernel_.set_owner(ctx, setup_.name, pages_);
    const auto root = build_second_stage(ctx, 4, 0, pages_.size());
    if (!root) {
        free_memory(ctx);
        return root.error();
    }
    stage2_.root = *root;
    for (const auto& device : virtual_devices_) {
        const Errno error = device->attach_memory(ctx);
        if (error != Errno::Ok) {
            return error;
        }
    }
    coherency_.set_pages(pages_.size());
    kernel_.emit(ctx, trace::RunPool{kernel_.intern(setup_.name + "/memory"),
                                     kernel_.intern("memory"), bytes});
    return pages;
}

Result<std::uint64_t> KernelVmHost::build_second_stage(ExecContext& ctx, unsigned level,
                                                       std::uint64_t first, std::uint64_t count) {
    const auto table = kernel_.alloc_pages(ctx);
    if (!table) {
        return table;
    }
    stage2_.tables.push_back(*table);
    const std::uint64_t span = vtd::level_page_bytes(level) / kPageSize;  // pages under one entry
    const std::uint64_t used = (count + span - 1) / span;
    std::array<std::uint64_t, vtd::kEntriesPerTable> entries{};
    for (std::uint64_t i = 0; i < used; ++i) {
        if (level == 1) {
            entries.at(i) = vtd::ss::leaf(Hpa{pages_.at(first + i)}, true, true);
            continue;
        }
        const auto next =
            build_second_stage(ctx, level - 1, first + i * span, std::min(span, count - i * span));
        if (!next) {
            return next;
        }
        entries.at(i) = vtd::ss::table(Hpa{*next});
    }
    ctx.write_bytes(*table, entries.data(), used * vtd::kPageTableEntryBytes);
    return table;
}

void KernelVmHost::free_memory(ExecContext& ctx) {
    for (const std::uint64_t table : stage2_.tables) {
        kernel_.free_pages(table);
    }
    stage2_.tables.clear();
    stage2_.root = 0;
    // What somebody else's devices reach goes with its last pin.
    const bool all = kernel_.probes().has(kPinnedMemoryFreed);
    pages_.erase(
        std::remove_if(pages_.begin(), pages_.end(),
                       [&](std::uint64_t page) { return !all && kernel_.pins().leave(page); }),
        pages_.end());
    kernel_.set_owner(ctx, "", pages_);
    for (const std::uint64_t page : pages_) {
        kernel_.free_pages(page);
    }
    pages_.clear();
}

// --- /dev/ioasid --------------------------------------------------------------------------------

Result<Ioasid> KernelVmHost::alloc_ioasid(ExecContext& ctx, std::uint32_t min, std::uint32_t max) {
    ctx.spend(kernel_.params().syscall);
    IoasidSet* const set =
        kernel_.probes().has(kAnotherVmsSet) ? kernel_.vms().front()->set() : set_;
    const Ioasid id = kernel_.ioasid().alloc(ctx, set, Ioasid{min}, Ioasid{max}, nullptr);
    if (!is_valid(id)) {
        return Errno::Enospc;
    }
    return id;
}

Errno KernelVmHost::free_ioasid(ExecContext& ctx, Ioasid id) {
    ctx.spend(kernel_.params().syscall);
    if (set_ == nullptr) {
        return Errno::Ebadf;
    }
    // The ioctl returns 0 whatever becomes of the call: the core tells a refusal by event only.
    kernel_.ioasid().free(ctx, set_, id);
    return Errno::Ok;
}

Ioasid KernelVmHost::find_spid(ExecContext& ctx, Spid spid) {
    return kernel_.ioasid().find_by_spid(ctx, set_, spid, false);
}

// --- VFIO ---------------------------------------------------------------------------------------

Device* KernelVmHost::assigned(const std::string& device) {
    if (removed_.count(device) != 0) {
        return nullptr;
    }
    for (const auto& vdcm : vdcms_) {
        if (vdcm->assigned_as() == device) {
            return &vdcm->device();
        }
    }
    for (Device* function : functions_) {
        if (function->name() == device) {
            return function;
        }
    }
    const VirtualDevice* mdev = virtual_device(device);
    return mdev == nullptr ? nullptr : &mdev->parent();
}

VirtualDevice* KernelVmHost::virtual_device(const std::string& device) {
    const auto found = std::find_if(virtual_devices_.begin(), virtual_devices_.end(),
                                    [&](const auto& mdev) { return mdev->name() == device; });
    return found == virtual_devices_.end() || !(*found)->is_open() ? nullptr : found->get();
}

Errno KernelVmHost::bind_gpasid(ExecContext& ctx, const std::string& device, Ioasid id, Spid gpasid,
                                Gpa page_table) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    if (gpasid == kNoSpid || id.value() == 0 || id.value() >> 20U != 0) {
        return Errno::Einval;
    }
    return kernel_.sva().bind_gpasid(
        ctx, {set_, function, id, gpasid, page_table, &stage2_, setup_.name, &faults_});
}

Errno KernelVmHost::unbind_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    if (gpasid == kRequestsWithoutPasid) {
        return unbind_default(ctx, device);
    }
    return kernel_.sva().unbind_gpasid(ctx, *set_, *function, gpasid);
}

Errno KernelVmHost::invalidate_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    return kernel_.sva().flush_gpasid(ctx, *set_, *function, gpasid);
}

Errno KernelVmHost::drain_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    const Ioasid id = kernel_.ioasid().find_by_spid(ctx, set_, gpasid, true, vdcm_holder_);
    if (!is_valid(id)) {
        return Errno::Enoent;
    }
    const Errno error = function->drain_pasid(ctx, Pasid{id.value()});
    kernel_.ioasid().put(ctx, nullptr, id, vdcm_holder_);
    return error;
}

Result<Ioasid> KernelVmHost::submit(ExecContext& ctx, const std::string& device,
                                    std::uint32_t queue, Spid gpasid,
                                    const cpu::Descriptor64& descriptor) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr || queue >= function->setup().queues.size()) {
        return Errno::Enodev;
    }
    // The reference keeps the number from standing for somebody else before the device has it.
    const Ioasid id = kernel_.ioasid().find_by_spid(ctx, set_, gpasid, true, vdcm_holder_);
    if (!is_valid(id)) {
        return Errno::Enxio;
    }
    const cpu::Descriptor64 command = kept_command(kernel_.probes(), id, descriptor);
    cpu::CpuState state;
    state.supervisor = true;
    const cpu::EnqResult result =
        kernel_.instructions().enqcmds(ctx, state, Hpa{function->portal(queue)}, command);
    kernel_.ioasid().put(ctx, nullptr, id, vdcm_holder_);
    switch (result.outcome) {
        case cpu::EnqOutcome::Accepted:
            return id;
        case cpu::EnqOutcome::Retry:
            return Errno::Eagain;
        default:
            return Errno::Eio;
    }
}

Errno KernelVmHost::bind_iova(ExecContext& ctx, const std::string& device, Ioasid id, Spid gpasid) {
    ctx.spend(kernel_.params().syscall);
    Device* function = assigned(device);
    if (function == nullptr || set_ == nullptr) {
        return Errno::Enodev;
    }
    return gpasid == kRequestsWithoutPasid ? bind_default(ctx, device)
                                           : iova_.bind(ctx, set_, *function, id, gpasid);
}

VirtualDevice* KernelVmHost::with_memory(const std::string& device) {
    VirtualDevice* const mdev = virtual_device(device);
    const bool attached =
        mdev != nullptr && is_valid(kernel_.aux_domains().pasid(stage2_, mdev->parent()));
    return attached ? mdev : nullptr;
}

Errno KernelVmHost::bind_default(ExecContext& ctx, const std::string& device) {
    VirtualDevice* const mdev = with_memory(device);
    if (mdev == nullptr) {
        return Errno::Enodev;
    }
    if (default_space_ != nullptr) {
        return Errno::Ebusy;
    }
    Device& parent = mdev->parent();
    auto space = std::make_unique<IommuDomain>(kernel_, parent.iommu(), setup_.name);
    Errno error = space->create(ctx);
    if (error == Errno::Ok) {
        error = kernel_.aux_domains().retarget(ctx, stage2_, parent, space->table());
        if (error != Errno::Ok) {
            space->destroy();
            return error;
        }
        space->follow(parent, Pasid{kernel_.aux_domains().pasid(stage2_, parent).value()});
        default_space_ = std::move(space);
    }
    return error;
}

Errno KernelVmHost::unbind_default(ExecContext& ctx, const std::string& device) {
    VirtualDevice* const mdev = with_memory(device);
    if (mdev == nullptr || default_space_ == nullptr) {
        return Errno::Enoent;
    }
    const Errno error = kernel_.aux_domains().retarget(ctx, stage2_, mdev->parent(), stage2_);
    default_space_->forget();
    default_space_->destroy();
    default_space_.reset();
    return error;
}

Errno KernelVmHost::map_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                             const std::vector<Gpa>& pages, bool read, bool write) {
    ctx.spend(kernel_.params().syscall);
    std::vector<std::uint64_t> behind;
    for (const Gpa page : pages) {
        const std::uint64_t index = page.value() / kPageSize;
        if (index >= pages_.size()) {
            return Errno::Efault;
        }
        behind.push_back(pages_[index]);
    }
    if (gpasid == kRequestsWithoutPasid) {
        return default_space_ == nullptr ? Errno::Enoent
                                         : default_space_->map(ctx, iova, behind, {read, write});
    }
    return iova_.map(ctx, gpasid, iova, behind, read, write);
}

Errno KernelVmHost::unmap_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                               std::uint64_t bytes) {
    ctx.spend(kernel_.params().syscall);
    if (gpasid == kRequestsWithoutPasid) {
        return default_space_ == nullptr ? Errno::Enoent : default_space_->unmap(ctx, iova, bytes);
    }
    return iova_.unmap(ctx, gpasid, iova, bytes);
}

Result<Hpa> KernelVmHost::portal(const std::string& device, std::uint32_t queue) {
    Device* function = assigned(device);
    if (function == nullptr || queue >= function->setup().queues.size()) {
        return Errno::Enodev;
    }
    if (!kvm_.vmcs().enable_pasid_translation) {
        return Errno::Eperm;
    }
    return Hpa{function->portal(queue)};
}

void KernelVmHost::raise_interrupt(ExecContext& ctx, VcpuControl& vcpu, std::uint64_t address,
                                   std::uint32_t data) {
    ctx.spend(kernel_.params().kvm_interrupt);
    kernel_.emit(
        ctx, trace::VmInterrupt{kernel_.intern(vcpu.name()), data & 0xFFU, trace::Hex{address}});
    vcpu.kick(ctx);
}

bool KernelVmHost::resolve_pasid_miss(ExecContext& ctx, Spid gpasid) {
    return set_ != nullptr && kvm_.resolve_miss(ctx, *set_, gpasid);
}

std::unique_ptr<VmHost> make_vm_host(Kernel& kernel, const VmSetup& setup) {
    return std::make_unique<KernelVmHost>(kernel, setup);
}

}  // namespace ioasim::os
