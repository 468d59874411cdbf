#include "models/linux/sva.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/device.hpp"
#include "models/linux/drain_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/lock_unless.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/sva_binding.hpp"

namespace ioasim::os {

using Binding = SvaBinding;
using State = SvaBinding::State;

const std::string SvaBinding::kFreeWork = "iommu.free";
const std::string SvaBinding::kTeardownWork = "iommu.teardown";

SvaBinding::SvaBinding(Sva& owner, DomainType kind, Ioasid ioasid, IoasidSet* owner_set,
                       trace::Name address_space)
    : PasidDomain(kind, address_space),
      sva(owner),
      id(ioasid),
      set(owner_set),
      free_work(*this),
      teardown_work(*this) {}

WaitQueue& SvaBinding::end_of(const Kernel& kernel) {
    if (waits_for_end == nullptr) {
        waits_for_end = std::make_unique<WaitQueue>(
            fmt::format("{}/unbind of PASID {}", kernel.name(), id.value()));
    }
    return *waits_for_end;
}

Sva::Sva(Kernel& kernel)
    : kernel_(kernel),
      core_(kernel.ioasid()),
      lock_(SimLock::Kind::Mutex, kernel.name() + "/pasid_mutex"),
      block_(std::make_unique<IommuBlock>(*this)),
      reclaim_wait_(kernel.name() + "/ioasid reclaim"),
      holder_(core_.holder("iommu")),
      vfio_(core_.holder("vfio")) {}

Sva::~Sva() = default;

Errno Sva::start(ExecContext& ctx) {
    if (!core_.switches().managed_sets) {
        return Errno::Ok;  // mainline has no notifications
    }
    const Errno error = core_.register_notifier(ctx, nullptr, *block_);
    // A kernel built without the subsystem has no SVA; everything else runs.
    return error == Errno::Enotsupp ? Errno::Ok : error;
}

Sva::Key Sva::key_of(const IoasidSet* set, Ioasid id) {
    const bool own = set != nullptr && set->is_private();
    const std::uint64_t space = own ? set->number() + 1 : 0;
    return space << 32U | id.value();
}

// --- IDs of processes ---------------------------------------------------------------------------

Result<IoasidSet*> Sva::set_of(ExecContext& ctx, Process& process) {
    if (process.set == nullptr) {
        if (kernel_.params().sva_system_set && core_.switches().managed_sets) {
            if (system_set_ == nullptr) {
                return Errno::Enospc;
            }
            process.set = system_set_;
            return process.set;
        }
        if (!core_.switches().managed_sets) {
            process.set = core_.declare_set(process.name);
            return process.set;
        }
        const auto quota = static_cast<std::uint32_t>(kernel_.params().set_quota);
        const auto set = core_.set_alloc(ctx, process.mm.token(), quota, SetType::Mm, process.name);
        if (!set) {
            return set.error();
        }
        process.set = *set;
    }
    return process.set;
}

Result<Ioasid> Sva::alloc(ExecContext& ctx, Process& process, std::uint32_t min,
                          std::uint32_t max) {
    ctx.spend(kernel_.params().syscall);
    const auto set = set_of(ctx, process);
    if (!set) {
        return set.error();
    }
    const Ioasid id = core_.alloc(ctx, *set, Ioasid{min}, Ioasid{max}, nullptr);
    if (!is_valid(id)) {
        return Errno::Enospc;  // ioasid_alloc tells no cause
    }
    process.ids.push_back(id);
    return id;
}

Errno Sva::free(ExecContext& ctx, Process& process, Ioasid id) {
    ctx.spend(kernel_.params().syscall);
    if (process.set == nullptr) {
        return Errno::Enoent;
    }
    // ioasid_free returns nothing and refuses in silence: the program learns the reason from find.
    const Errno error = core_.find(ctx, process.set, id).error();
    core_.free(ctx, process.set, id);
    process.ids.erase(std::remove(process.ids.begin(), process.ids.end(), id), process.ids.end());
    if (error == Errno::Ok && process.pasid == Pasid{id.value()}) {
        process.pasid.reset();
    }
    kernel_.run_deferred(ctx);
    return error;
}

// --- processes of this kernel -------------------------------------------------------------------

bool Sva::is_bound(const Process& process, Ioasid id) const {
    const auto found = bindings_.find(key_of(process.set, id));
    return found != bindings_.end() && found->second->process == &process &&
           found->second->state == State::Live;
}

bool Sva::is_bound_to(const Process& process, const Device& device, Ioasid id) const {
    return is_bound(process, id) && has(*bindings_.at(key_of(process.set, id)), device);
}

bool Sva::entry_live(Ioasid id) const {
    return bindings_.count(key_of(nullptr, id)) != 0;
}

bool Sva::has(const Binding& binding, const Device& device) {
    return device.group() != nullptr &&
           device.group()->domain_at(Pasid{binding.id.value()}) == &binding;
}

std::vector<Device*> Sva::devices_of(const Binding& binding) const {
    std::vector<Device*> attached;
    for (const auto& device : kernel_.devices()) {
        if (has(binding, *device)) {
            attached.push_back(device.get());
        }
    }
    return attached;
}

Errno Sva::bind(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    ctx.spend(kernel_.params().syscall + kernel_.params().sva_bind);
    Frame frame{ctx, "sva_bind"};
    Errno error = Errno::Ok;
    {
        const LockUnless guard{ctx, lock_, kernel_.probes(), kBindUnlocked};
        error = bind_locked(ctx, process, device, id);
    }
    if (error == Errno::Ok && !process.pasid) {
        process.pasid = Pasid{id.value()};
    }
    kernel_.emit(ctx, trace::SvaBind{kernel_.intern(process.name), kernel_.intern(device.name()),
                                     Pasid{id.value()}, error});
    return error;
}

void Sva::tell_handle(ExecContext& ctx, const Process& process, const AttachHandle& handle) {
    kernel_.emit(
        ctx, trace::SvaHandle{kernel_.intern(process.name), kernel_.intern(handle.device->name()),
                              handle.pasid, handle.serial, handle.users});
}

// The look-up of iommu_sva_bind_device: a handle to share, an error, or null: nothing is there.
Result<std::shared_ptr<AttachHandle>> Sva::shared_handle(ExecContext& ctx, Process& process,
                                                         IommuGroup& group, Pasid pasid) {
    const bool posted = kernel_.params().sva_posted_form || kernel_.probes().has(kNoSameMmTest);
    const auto found = group.handle_get(ctx, pasid, DomainType::Sva);
    if (found) {
        if ((*found)->domain->process != &process && !posted) {
            return Errno::Ebusy;
        }
        return found;
    }
    if (found.error() != Errno::Enoent && !kernel_.params().sva_posted_form) {
        return found.error();
    }
    return std::shared_ptr<AttachHandle>{};
}

Errno Sva::bind_locked(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    if (device.group() == nullptr) {
        return Errno::Enodev;
    }
    if (kernel_.params().pasid_users == PasidUsers::Private &&
        !kernel_.probes().has(kPasidUsersIgnored)) {
        return Errno::Eopnotsupp;
    }
    if (!device.assigned_to().empty()) {
        return Errno::Ebusy;  // a VM has the whole function
    }
    if (process.set == nullptr || !process.mm.alive()) {
        return Errno::Enoent;
    }
    const auto owned = core_.find(ctx, process.set, id);
    if (!owned) {
        return owned.error();
    }
    if (id.value() >= device.max_pasids() && !kernel_.probes().has(kNoWidthTest)) {
        return Errno::Eoverflow;
    }
    const auto existing = bindings_.find(key_of(process.set, id));
    if (existing != bindings_.end() &&
        (existing->second->process != &process || existing->second->state != State::Live)) {
        return Errno::Ebusy;
    }
    const auto known = shared_handle(ctx, process, *device.group(), Pasid{id.value()});
    if (!known) {
        return known.error();
    }
    if (*known != nullptr) {
        kernel_.probes().hit(kHandleShared);
        ++(*known)->users;
        tell_handle(ctx, process, **known);
        return Errno::Ok;
    }
    const std::shared_ptr<AttachHandle> handle = device.group()->new_handle();
    if (handle == nullptr) {
        return Errno::Enomem;
    }
    const Errno error = bind_new(ctx, process, device, id, handle);
    if (error == Errno::Ok) {
        handle->users = 1;
        tell_handle(ctx, process, *handle);
    }
    return error;
}

// An SVA domain of the mm serves further devices; without one a new domain is made.
Errno Sva::bind_new(ExecContext& ctx, Process& process, Device& device, Ioasid id,
                    const std::shared_ptr<AttachHandle>& handle) {
    const auto existing = bindings_.find(key_of(process.set, id));
    if (existing != bindings_.end()) {
        return attach(ctx, *existing->second, device, handle);
    }
    if (kernel_.probes().fails(kDomainAllocation)) {
        return Errno::Enomem;
    }
    if (!may_share() && !kernel_.probes().has(kSharedContextsUnbounded)) {
        return Errno::Enospc;
    }
    auto binding = std::make_shared<Binding>(*this, DomainType::Sva, id, process.set,
                                             kernel_.intern(process.name));
    binding->process = &process;
    binding->first_stage = process.mm.root();
    const Errno error = add_binding(ctx, std::move(binding), device, handle);
    if (error == Errno::Ok) {
        ++process.mm_count;  // mmgrab: the structure stays, not the pages
    }
    return error;
}

// Address spaces of processes are bounded where each of them keeps a number of the CPUs (arm64: a
// pinned ASID); domains of drivers and of guests are not.
bool Sva::may_share() const {
    const std::uint64_t bound = kernel_.params().shared_contexts;
    return bound == 0 || static_cast<std::uint64_t>(std::count_if(
                             bindings_.begin(), bindings_.end(), [](const auto& item) {
                                 return item.second->process != nullptr;
                             })) < bound;
}

// What a caller of unbind holds: the binding and its handle at this device.
Result<std::shared_ptr<AttachHandle>> Sva::held_handle(ExecContext& ctx, const Process& process,
                                                       Device& device, Ioasid id) {
    if (device.group() == nullptr) {
        return Errno::Enoent;
    }
    const auto handle = device.group()->handle_get(ctx, Pasid{id.value()}, DomainType::Sva);
    if (!handle || ((*handle)->domain->process != &process && !kernel_.params().sva_posted_form)) {
        return Errno::Enoent;
    }
    return handle;
}

Errno Sva::unbind(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    ctx.spend(kernel_.params().syscall + kernel_.params().sva_unbind);
    Frame frame{ctx, "sva_unbind"};
    std::shared_ptr<Binding> binding;
    {
        LockGuard guard{ctx, lock_};
        const auto handle = held_handle(ctx, process, device, id);
        if (!handle) {
            return handle.error();
        }
        const auto found = bindings_.find(key_of(process.set, id));
        const bool shared = (*handle)->users > 1 && !kernel_.probes().has(kFirstUnbindTearsDown);
        if (shared || found == bindings_.end() || !has(*found->second, device)) {
            --(*handle)->users;
            tell_handle(ctx, process, **handle);
            return Errno::Ok;
        }
        binding = found->second;
        if (binding->state != State::Live) {
            return Errno::Ebusy;
        }
        (*handle)->users = 0;
        tell_handle(ctx, process, **handle);
    }
    const Errno error = remove_device(ctx, *binding, device);
    kernel_.emit(ctx, trace::SvaUnbind{kernel_.intern(process.name), kernel_.intern(device.name()),
                                       Pasid{id.value()}});
    return error;
}

Errno Sva::free_ids(ExecContext& ctx, IoasidSet& set) {
    core_.free_all_in_set(ctx, &set);
    return kernel_.wait_for_work(
        ctx, reclaim_wait_, [&set] { return !set.registered() || set.live() == 0; },
        Kernel::Wakes::Perhaps);
}

Errno Sva::free_set(ExecContext& ctx, IoasidSet& set) {
    const Errno error = free_ids(ctx, set);
    if (set.registered()) {
        core_.set_free(ctx, &set);  // with IDs left: the last reclaim destroys it
    }
    return error;
}

// --- the common life cycle ----------------------------------------------------------------------

Errno Sva::set_entry(ExecContext& ctx, const Binding& binding, Device& device) {
    const Pasid pasid{binding.id.value()};
    const std::string& space = kernel_.text(binding.space);
    if (binding.process != nullptr) {
        return device.iommu().set_first_stage(ctx, device, pasid, binding.first_stage, space);
    }
    if (binding.type == DomainType::Unmanaged) {
        return device.iommu().set_second_stage(ctx, device, pasid, *binding.stage2, space);
    }
    return device.iommu().set_nested(ctx, device, pasid, Gpa{binding.first_stage}, *binding.stage2,
                                     space);
}

Errno Sva::attach(ExecContext& ctx, Binding& binding, Device& device,
                  std::shared_ptr<AttachHandle> handle) {
    binding.serve_again(device);
    const Errno error =
        device.group()->attach(ctx, Pasid{binding.id.value()}, binding, std::move(handle));
    if (error == Errno::Ok) {
        tell_users(ctx, binding);
    }
    return error;
}

void Sva::tell_users(ExecContext& ctx, const Binding& binding) {
    if (binding.process != nullptr) {
        kernel_.emit(ctx,
                     trace::SvaDomain{binding.space, Pasid{binding.id.value()}, binding.users});
    }
}

bool Sva::ignores_refused_get(const Binding& binding) const {
    return binding.process == nullptr &&
           (core_.switches().bind_get_unchecked || kernel_.probes().has(kBindGetUnchecked));
}

bool Sva::keeps_failed_get(const Binding& binding) const {
    return binding.process == nullptr && kernel_.probes().has(kBindBeforeEntry);
}

// First device: reference, PASID entry, private data. Undone in reverse order on failure.
Errno Sva::add_binding(ExecContext& ctx, std::shared_ptr<Binding> binding, Device& device,
                       std::shared_ptr<AttachHandle> handle) {
    const bool counted = core_.switches().reference_counts;
    Errno error = counted ? core_.get(ctx, binding->set, binding->id, holder_) : Errno::Ok;
    if (error != Errno::Ok && !ignores_refused_get(*binding)) {
        return error;
    }
    error = attach(ctx, *binding, device, std::move(handle));
    if (error == Errno::Ok) {
        error = core_.attach_data(ctx, binding->set, binding->id, binding.get());
    }
    if (error != Errno::Ok) {
        tear_down_entries(ctx, *binding);
        if (counted && !keeps_failed_get(*binding)) {
            core_.put(ctx, binding->set, binding->id, holder_);
        }
        return error;
    }
    const Key key = key_of(binding->set, binding->id);
    by_set_[binding->set][key];
    bindings_[key] = std::move(binding);
    return Errno::Ok;
}

Errno Sva::remove_device(ExecContext& ctx, Binding& binding, Device& device) {
    if (binding.process != nullptr && device.configured_here()) {
        // As closing the workqueue's file does: what the process submitted is finished first. For a
        // guest's PASID that is the VDCM's part of UNBIND.
        if (!finish_pasid(ctx, kernel_, device, Pasid{binding.id.value()})) {
            binding.unfinished.undrained.emplace_back(device);
        }
    }
    {
        LockGuard guard{ctx, lock_};
        if (binding.state != State::Live) {
            kernel_.probes().hit(kUnbindOvertaken);
        }
        if (binding.state != State::Live && !kernel_.probes().has(kUnbindUnchecked)) {
            return Errno::Ebusy;
        }
        if (!has(binding, device) && !kernel_.probes().has(kUnbindUnchecked)) {
            return Errno::Enoent;  // somebody else unbound it during the drain
        }
        if (binding.users > 1 && !kernel_.probes().has(kUnbindOfOneIsAll)) {
            return detach(ctx, binding, device, IommuDriver::TableLock::ForTables);
        }
        binding.state = State::Unbinding;
    }
    return quiesce(ctx, binding);
}

Errno Sva::detach(ExecContext& ctx, Binding& binding, Device& device, IommuDriver::TableLock hold) {
    const Errno error = device.group()->detach(ctx, Pasid{binding.id.value()}, binding.fpd, hold);
    if (flush_failed(error) && !kernel_.probes().has(kUnflushedFreed)) {
        binding.unfinished.unflushed.emplace_back(device);
        binding.unfinished.did =
            binding.stage2 != nullptr ? binding.stage2->did : IommuDriver::kFirstStageDid;
    }
    tell_users(ctx, binding);
    return error;
}

void Sva::unbind_every_device(ExecContext& ctx, Binding& binding) {
    for (Device* device : devices_of(binding)) {
        // -EBUSY: a free in progress tears it down; wait for that below.
        static_cast<void>(remove_device(ctx, binding, *device));
    }
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    kernel_.wait_for_work(ctx, alive->end_of(kernel_),
                          [&alive] { return alive->state == State::Dead; });
}

// Orderly end of a binding, in the task that asks for it: UNBIND, then W3 behind the device drains
// that UNBIND queued, and wait for it.
Errno Sva::quiesce(ExecContext& ctx, Binding& binding) {
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    start_teardown(ctx, binding, false);
    const Errno error = kernel_.wait_for_work(ctx, alive->end_of(kernel_),
                                              [&alive] { return alive->state == State::Dead; });
    return error != Errno::Ok ? error : alive->result;
}

void Sva::start_teardown(ExecContext& ctx, Binding& binding, bool fpd) {
    binding.fpd = fpd;
    if (core_.switches().entry_cleared_before_unbind ||
        kernel_.probes().has(kEntryClearedBeforeUnbind)) {
        tear_down_entries(ctx, binding);
    }
    if (binding.spid_attached) {
        binding.spid_attached = false;
        core_.detach_spid(ctx, binding.id, binding.set);
    }
    core_.queue_work(ctx, binding.teardown_work);
}

void Sva::tear_down_entries(ExecContext& ctx, Binding& binding) {
    const bool throughout = binding.fpd && (core_.switches().drain_under_spinlock ||
                                            kernel_.probes().has(kDrainUnderSpinlock));
    const auto hold =
        throughout ? IommuDriver::TableLock::Throughout : IommuDriver::TableLock::ForTables;
    const std::vector<Device*> devices = devices_of(binding);
    for (Device* device : devices) {
        const Errno error = detach(ctx, binding, *device, hold);
        binding.result = error != Errno::Ok ? error : binding.result;
        if (device != devices.front() && kernel_.probes().has(kPutPerDevice)) {
            core_.put(ctx, binding.set, binding.id, holder_);
        }
    }
}

// W1: the FREE handler queued it, outside of the allocator lock.
void Sva::on_free_work(ExecContext& ctx, Binding& binding) {
    {
        LockGuard guard{ctx, lock_};
        if (binding.state != State::Live) {
            // An unbind is under way or done. Here the binding lives until its work ran.
            if (core_.switches().unbind_frees_queued_work ||
                kernel_.probes().has(kUnbindFreesQueuedWork)) {
                kernel_.emit(ctx, trace::IoasidHazard{kernel_.intern(kernel_.name()),
                                                      trace::IoasidHazardKind::FreedObject,
                                                      kernel_.intern(ctx.name()),
                                                      kernel_.intern(binding.free_work.name()),
                                                      kernel_.intern(ctx.call_chain())});
            }
            return;
        }
        binding.state = State::Unbinding;
    }
    start_teardown(ctx, binding, true);
}

// W3. An ID that was freed in use takes its descriptors along into faults: nobody drained it before
// its entry went. What they have in the devices ends before the number goes back (dsa.md 7.4).
void Sva::on_teardown_work(ExecContext& ctx, Binding& binding) {
    const std::vector<Device*> devices = devices_of(binding);
    tear_down_entries(ctx, binding);
    const bool own = binding.set != nullptr && binding.set->is_private();
    const auto view = core_.view(binding.id, own ? binding.set : nullptr);
    if (view && view->state == IoasidState::FreePending &&
        !kernel_.probes().has(kNoDrainBehindFree)) {
        for (Device* device : devices) {
            const Pasid pasid{binding.id.value()};
            if (!finish_pasid(ctx, kernel_, *device, pasid)) {
                binding.unfinished.undrained.emplace_back(*device);
            }
        }
    }
    LockGuard guard{ctx, lock_};
    finish(ctx, binding);
}

void Sva::finish(ExecContext& ctx, Binding& binding) {
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    core_.detach_data(ctx, binding.id, binding.set);
    const bool kept = !binding.unfinished.empty() && !kernel_.probes().has(kFailedDrainIgnored);
    const bool counted = core_.switches().reference_counts && !kernel_.probes().has(kMissingPut);
    if (counted && kept) {
        IoasidSet* const numbers =
            binding.set != nullptr && binding.set->is_private() ? binding.set : nullptr;
        kernel_.unfinished().keep(ctx, numbers, binding.id, holder_, binding.unfinished);
    } else if (counted) {
        core_.put(ctx, binding.set, binding.id, holder_);
    }
    drop_mm(ctx, binding);
    binding.state = State::Dead;
    forget(binding);
    retired_.push_back(alive);
    if (alive->waits_for_end != nullptr) {
        ctx.wake_all(*alive->waits_for_end);
    }
    ctx.wake_all(reclaim_wait_);
}

void Sva::forget(const Binding& binding) {
    const Key key = key_of(binding.set, binding.id);
    const auto mine = by_set_.find(binding.set);
    if (mine != by_set_.end() && mine->second.erase(key) != 0 && mine->second.empty()) {
        by_set_.erase(mine);
    }
    bindings_.erase(key);
}

void Sva::drop_retired() {
    // Work items must live until the worker let go of them.
    retired_.erase(
        std::remove_if(retired_.begin(), retired_.end(),
                       [](const std::shared_ptr<Binding>& binding) { return binding->idle(); }),
        retired_.end());
}

NotifyResult IommuBlock::handle(ExecContext& ctx, const NotifierPayload& payload) {
    const bool ours = payload.event == IoasidNotification::Free && payload.data != nullptr &&
                      sva_.queue_free_work(ctx, payload.set, payload.id, payload.data);
    return ours ? NotifyResult::Ok : NotifyResult::Done;
}

// Private data is a binding only where this driver attached it: other users' IDs come by too.
bool Sva::queue_free_work(ExecContext& ctx, const IoasidSet* set, Ioasid id, const void* data) {
    const auto found = bindings_.find(key_of(set, id));
    if (found == bindings_.end() || found->second.get() != data) {
        return false;
    }
    core_.queue_work(ctx, found->second->free_work);
    return true;
}

}  // namespace ioasim::os
