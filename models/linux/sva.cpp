#include "models/linux/sva.hpp"

#include <algorithm>
#include <utility>

#include "core/trace/software_events.hpp"
#include "models/linux/device.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/sva_binding.hpp"

namespace ioasim::os {

using Binding = SvaBinding;
using State = SvaBinding::State;

SvaBinding::SvaBinding(Sva& sva, Kernel& kernel, Ioasid ioasid, IoasidSet* owner_set,
                       std::string owner)
    : id(ioasid),
      set(owner_set),
      space(std::move(owner)),
      done(fmt::format("{}/unbind of PASID {}", kernel.name(), ioasid.value())),
      free_work("iommu.free", ioasid, sva, *this, &Sva::on_free_work),
      teardown_work("iommu.teardown", ioasid, sva, *this, &Sva::on_teardown_work) {}

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

// --- IDs of processes ---------------------------------------------------------------------------

Result<IoasidSet*> Sva::set_of(ExecContext& ctx, Process& process) {
    if (process.set == nullptr) {
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
    kernel_.run_deferred(ctx);
    return error;
}

// --- processes of this kernel -------------------------------------------------------------------

bool Sva::is_bound(const Process& process, Ioasid id) const {
    const auto found = bindings_.find(id.value());
    return found != bindings_.end() && found->second->process == &process &&
           found->second->state == State::Live;
}

bool Sva::is_bound_to(const Process& process, const Device& device, Ioasid id) const {
    return is_bound(process, id) && bindings_.at(id.value())->has(device);
}

bool Sva::entry_live(Ioasid id) const {
    return bindings_.count(id.value()) != 0;
}

Errno Sva::bind(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    ctx.spend(kernel_.params().syscall + kernel_.params().sva_bind);
    Frame frame{ctx, "sva_bind"};
    Errno error = Errno::Ok;
    {
        LockGuard guard{ctx, lock_};
        error = bind_locked(ctx, process, device, id);
    }
    if (error == Errno::Ok && !process.pasid) {
        process.pasid = Pasid{id.value()};
    }
    kernel_.emit(ctx, trace::SvaBind{kernel_.intern(process.name), kernel_.intern(device.name()),
                                     Pasid{id.value()}, error});
    return error;
}

Errno Sva::bind_locked(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    if (process.set == nullptr) {
        return Errno::Enoent;
    }
    const auto found = core_.find(ctx, process.set, id);
    if (!found) {
        return found.error();
    }
    const auto existing = bindings_.find(id.value());
    if (existing != bindings_.end()) {
        Binding& binding = *existing->second;
        if (binding.process != &process || binding.state != State::Live || binding.has(device)) {
            return Errno::Ebusy;
        }
        return add_device(ctx, binding, device);
    }
    auto binding = std::make_shared<Binding>(*this, kernel_, id, process.set, process.name);
    binding->process = &process;
    binding->first_stage = process.mm.root();
    return add_binding(ctx, std::move(binding), device);
}

Errno Sva::unbind(ExecContext& ctx, Process& process, Device& device, Ioasid id) {
    ctx.spend(kernel_.params().syscall + kernel_.params().sva_unbind);
    Frame frame{ctx, "sva_unbind"};
    std::shared_ptr<Binding> binding;
    {
        LockGuard guard{ctx, lock_};
        const auto found = bindings_.find(id.value());
        if (found == bindings_.end() || found->second->process != &process ||
            !found->second->has(device)) {
            return Errno::Enoent;
        }
        binding = found->second;
        if (binding->state != State::Live) {
            return Errno::Ebusy;
        }
    }
    const Errno error = remove_device(ctx, *binding, device);
    if (process.pasid == Pasid{id.value()} && !is_bound(process, id)) {
        process.pasid.reset();
    }
    kernel_.emit(ctx, trace::SvaUnbind{kernel_.intern(process.name), kernel_.intern(device.name()),
                                       Pasid{id.value()}});
    return error;
}

void Sva::release(ExecContext& ctx, Process& process) {
    std::vector<std::shared_ptr<Binding>> mine;
    for (const auto& [id, binding] : bindings_) {
        if (binding->process == &process) {
            mine.push_back(binding);
        }
    }
    for (const auto& binding : mine) {
        unbind_every_device(ctx, *binding);
    }
    if (process.set != nullptr && core_.switches().managed_sets) {
        free_set(ctx, *process.set);
        process.set = nullptr;
    }
}

Errno Sva::free_set(ExecContext& ctx, IoasidSet& set) {
    core_.free_all_in_set(ctx, &set);
    const Errno error = kernel_.wait_for_work(
        ctx, reclaim_wait_, [&set] { return !set.registered() || set.live() == 0; });
    if (set.registered()) {
        core_.set_free(ctx, &set);  // with IDs left: the last reclaim destroys it
    }
    return error;
}

// --- guest page tables --------------------------------------------------------------------------

Errno Sva::bind_gpasid(ExecContext& ctx, const GuestBind& request) {
    ctx.spend(kernel_.params().sva_bind);
    Frame frame{ctx, "bind_gpasid"};
    Ioasid id = core_.find_by_spid(ctx, request.set, request.spid, true, vfio_);
    if (!is_valid(id)) {
        id = request.id;
        const auto known = core_.find(ctx, request.set, id);
        if (!known) {
            return known.error();
        }
        const Errno refused = core_.get(ctx, request.set, id, vfio_);
        if (refused != Errno::Ok) {
            return refused;
        }
    }
    Errno error = Errno::Ok;
    {
        LockGuard guard{ctx, lock_};
        error = bind_gpasid_locked(ctx, request, id);
    }
    core_.put(ctx, request.set, id, vfio_);
    kernel_.emit(
        ctx, trace::SvaBind{kernel_.intern(request.space), kernel_.intern(request.device->name()),
                            Pasid{id.value()}, error});
    return error;
}

Errno Sva::bind_gpasid_locked(ExecContext& ctx, const GuestBind& request, Ioasid id) {
    const auto existing = bindings_.find(id.value());
    if (existing != bindings_.end()) {
        Binding& binding = *existing->second;
        const bool same = binding.process == nullptr && binding.spid == request.spid;
        if (!same || binding.state != State::Live || binding.has(*request.device)) {
            return Errno::Ebusy;
        }
        return add_device(ctx, binding, *request.device);
    }
    auto made = std::make_shared<Binding>(*this, kernel_, id, request.set, request.space);
    made->spid = request.spid;
    made->first_stage = request.page_table.value();
    made->stage2 = request.stage2;
    const std::shared_ptr<Binding> binding = made;
    Errno error = add_binding(ctx, std::move(made), *request.device);
    if (error != Errno::Ok) {
        return error;
    }
    // The entry is live: now the CPUs may learn the translation (BIND).
    error = core_.attach_spid(ctx, request.set, id, request.spid);
    if (error != Errno::Ok) {
        tear_down_entries(ctx, *binding);
        finish(ctx, *binding);
        return error;
    }
    binding->spid_attached = true;
    return Errno::Ok;
}

Errno Sva::unbind_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid) {
    ctx.spend(kernel_.params().sva_unbind);
    Frame frame{ctx, "unbind_gpasid"};
    const Ioasid id = core_.find_by_spid(ctx, &set, spid, true, vfio_);
    if (!is_valid(id)) {
        return Errno::Enoent;
    }
    std::shared_ptr<Binding> binding;
    {
        LockGuard guard{ctx, lock_};
        const auto found = bindings_.find(id.value());
        if (found != bindings_.end()) {
            binding = found->second;
        }
    }
    Errno error = Errno::Enoent;
    if (binding != nullptr) {
        error = !binding->has(device) ? Errno::Ok : Errno::Ebusy;
        if (binding->has(device) && binding->state == State::Live) {
            // The temporary reference goes first, so that the last put is the IOMMU's.
            core_.put(ctx, binding->set, id, vfio_);
            error = remove_device(ctx, *binding, device);
            kernel_.emit(ctx, trace::SvaUnbind{kernel_.intern(binding->space),
                                               kernel_.intern(device.name()), Pasid{id.value()}});
            return error;
        }
    }
    core_.put(ctx, nullptr, id, vfio_);
    return error;
}

Errno Sva::flush_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid) {
    const Ioasid id = core_.find_by_spid(ctx, &set, spid, true, vfio_);
    if (!is_valid(id)) {
        return Errno::Enoent;
    }
    const Errno error = device.iommu().flush_pasid(ctx, device, Pasid{id.value()});
    core_.put(ctx, &set, id, vfio_);
    return error;
}

std::vector<std::shared_ptr<SvaBinding>> Sva::bound_in(const IoasidSet& set) const {
    std::vector<std::shared_ptr<Binding>> bound;
    for (const auto& [id, binding] : bindings_) {
        if (binding->set == &set) {
            bound.push_back(binding);
        }
    }
    return bound;
}

void Sva::unbind_device(ExecContext& ctx, IoasidSet& set, Device& device) {
    for (const std::shared_ptr<Binding>& binding : bound_in(set)) {
        if (!binding->has(device)) {
            continue;
        }
        const Errno error = remove_device(ctx, *binding, device);
        if (error == Errno::Ebusy) {  // a free or another unbind in progress tears it down
            static_cast<void>(kernel_.wait_for_work(ctx, binding->done,
                                                    [&] { return binding->state == State::Dead; }));
        }
        kernel_.emit(ctx,
                     trace::SvaUnbind{kernel_.intern(binding->space), kernel_.intern(device.name()),
                                      Pasid{binding->id.value()}});
    }
}

void Sva::unbind_all(ExecContext& ctx, IoasidSet& set) {
    for (const std::shared_ptr<Binding>& binding : bound_in(set)) {
        unbind_every_device(ctx, *binding);
    }
}

std::size_t Sva::bindings_of(const IoasidSet& set) const {
    return static_cast<std::size_t>(
        std::count_if(bindings_.begin(), bindings_.end(),
                      [&set](const auto& item) { return item.second->set == &set; }));
}

// --- the common life cycle ----------------------------------------------------------------------

Errno Sva::set_entry(ExecContext& ctx, const Binding& binding, Device& device) {
    const Pasid pasid{binding.id.value()};
    if (binding.process != nullptr) {
        return device.iommu().set_first_stage(ctx, device, pasid, binding.first_stage,
                                              binding.space);
    }
    return device.iommu().set_nested(ctx, device, pasid, Gpa{binding.first_stage}, *binding.stage2,
                                     binding.space);
}

Errno Sva::add_device(ExecContext& ctx, Binding& binding, Device& device) {
    const Errno error = set_entry(ctx, binding, device);
    if (error == Errno::Ok) {
        binding.devices.push_back(&device);
    }
    return error;
}

bool Sva::ignores_refused_get(const Binding& binding) const {
    return binding.process == nullptr &&
           (core_.switches().bind_get_unchecked || kernel_.probes().has(kBindGetUnchecked));
}

// First device: reference, PASID entry, private data. Undone in reverse order on failure.
Errno Sva::add_binding(ExecContext& ctx, std::shared_ptr<Binding> binding, Device& device) {
    const bool counted = core_.switches().reference_counts;
    Errno error = counted ? core_.get(ctx, binding->set, binding->id, holder_) : Errno::Ok;
    if (error != Errno::Ok && !ignores_refused_get(*binding)) {
        return error;
    }
    error = add_device(ctx, *binding, device);
    if (error == Errno::Ok) {
        error = core_.attach_data(ctx, binding->set, binding->id, binding.get());
    }
    if (error != Errno::Ok) {
        tear_down_entries(ctx, *binding);
        if (counted) {
            core_.put(ctx, binding->set, binding->id, holder_);
        }
        return error;
    }
    bindings_[binding->id.value()] = std::move(binding);
    return Errno::Ok;
}

Errno Sva::remove_device(ExecContext& ctx, Binding& binding, Device& device) {
    if (binding.process != nullptr && device.configured_here()) {
        // As closing the workqueue's file does: what the process submitted is finished first. For a
        // guest's PASID that is the VDCM's part of UNBIND.
        static_cast<void>(device.drain_pasid(ctx, Pasid{binding.id.value()}));
    }
    {
        LockGuard guard{ctx, lock_};
        if (binding.state != State::Live) {
            return Errno::Ebusy;
        }
        if (!binding.has(device)) {
            return Errno::Enoent;  // somebody else unbound it during the drain
        }
        if (binding.devices.size() > 1 && !kernel_.probes().has(kUnbindOfOneIsAll)) {
            binding.devices.erase(
                std::find(binding.devices.begin(), binding.devices.end(), &device));
            return device.iommu().teardown(ctx, device, Pasid{binding.id.value()}, false);
        }
        binding.state = State::Unbinding;
    }
    return quiesce(ctx, binding);
}

void Sva::unbind_every_device(ExecContext& ctx, Binding& binding) {
    const std::vector<Device*> devices = binding.devices;
    for (Device* device : devices) {
        // -EBUSY: a free in progress tears it down; wait for that below.
        static_cast<void>(remove_device(ctx, binding, *device));
    }
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    kernel_.wait_for_work(ctx, alive->done, [&alive] { return alive->state == State::Dead; });
}

// Orderly end of a binding, in the task that asks for it: UNBIND, then W3 behind the device drains
// that UNBIND queued, and wait for it.
Errno Sva::quiesce(ExecContext& ctx, Binding& binding) {
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    start_teardown(ctx, binding, false);
    const Errno error =
        kernel_.wait_for_work(ctx, alive->done, [&alive] { return alive->state == State::Dead; });
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
        core_.detach_spid(ctx, binding.id);
    }
    core_.queue_work(ctx, binding.teardown_work);
}

void Sva::tear_down_entries(ExecContext& ctx, Binding& binding) {
    const bool throughout = binding.fpd && (core_.switches().drain_under_spinlock ||
                                            kernel_.probes().has(kDrainUnderSpinlock));
    const auto hold =
        throughout ? IommuDriver::TableLock::Throughout : IommuDriver::TableLock::ForTables;
    for (Device* device : binding.devices) {
        const Errno error =
            device->iommu().teardown(ctx, *device, Pasid{binding.id.value()}, binding.fpd, hold);
        binding.result = error != Errno::Ok ? error : binding.result;
        if (device != binding.devices.front() && kernel_.probes().has(kPutPerDevice)) {
            core_.put(ctx, binding.set, binding.id, holder_);
        }
    }
    binding.devices.clear();
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

// W3.
void Sva::on_teardown_work(ExecContext& ctx, Binding& binding) {
    tear_down_entries(ctx, binding);
    LockGuard guard{ctx, lock_};
    finish(ctx, binding);
}

void Sva::finish(ExecContext& ctx, Binding& binding) {
    const std::shared_ptr<Binding> alive = binding.shared_from_this();
    core_.detach_data(ctx, binding.id);
    if (core_.switches().reference_counts && !kernel_.probes().has(kMissingPut)) {
        core_.put(ctx, binding.set, binding.id, holder_);
    }
    binding.state = State::Dead;
    bindings_.erase(binding.id.value());
    retired_.push_back(alive);
    ctx.wake_all(alive->done);
    ctx.wake_all(reclaim_wait_);
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
                      sva_.queue_free_work(ctx, payload.id, payload.data);
    return ours ? NotifyResult::Ok : NotifyResult::Done;
}

// Private data is a binding only where this driver attached it: other users' IDs come by too.
bool Sva::queue_free_work(ExecContext& ctx, Ioasid id, const void* data) {
    const auto found = bindings_.find(id.value());
    if (found == bindings_.end() || found->second.get() != data) {
        return false;
    }
    core_.queue_work(ctx, found->second->free_work);
    return true;
}

}  // namespace ioasim::os
