// Shared virtual addressing: which PASID of which address space is live on which device. Two kinds
// of binding share the life cycle: a process of this kernel (first stage = its page tables), and a
// guest process behind VFIO (nested: guest page tables over the VM's second stage).
//
// Orderly unbind and free of an ID in use follow "Decisions" of the design: UNBIND first, then (in
// ordered work) the PASID entry, caches, page requests, put. The IOMMU's block sits on the global
// chain; its FREE handler only queues work.
//
// A process's bind is iommu_sva_bind_device: one PASID an mm, one handle for each (group, PASID)
// with a count of binds, one SVA domain for all devices. Handles stand in the groups' PASID arrays
// and in no list beside (iommu_group.hpp). The mm's structure is held by each domain, and its PASID
// goes back to the pool with the last reference on it, not at unbind.
// Leaves out: several SVA domains for one mm (drivers that refuse each other's).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/number_map.hpp"
#include "core/base/result.hpp"
#include "core/ioasid/ioasid.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/linux/iommu_driver.hpp"

namespace ioasim::os {

class Device;
class IommuBlock;
class IommuGroup;
class Kernel;
struct Process;
struct SvaBinding;

class Sva {
public:
    explicit Sva(Kernel& kernel);
    ~Sva();

    // Puts the IOMMU's notifier on the global chain.
    Errno start(ExecContext& ctx);

    // --- processes of this kernel ---------------------------------------------------------------
    // The set of all processes (parameter sva.system_set), taken before units are probed. -ENOSPC:
    // the pool is smaller; the kernel then runs without PASIDs.
    Errno reserve_system_set(ExecContext& ctx);
    // From the process's own set, which the first call makes; IDs in [min, max].
    Result<Ioasid> alloc(ExecContext& ctx, Process& process, std::uint32_t min, std::uint32_t max);
    Errno free(ExecContext& ctx, Process& process, Ioasid id);
    // The PASID of the mm, allocated for the first device. -ENODEV no group, -EOVERFLOW the mm's
    // PASID is too wide for the device, -ENOMEM, -ENOSPC the device has no PASIDs or none is free.
    Result<Ioasid> mm_pasid(ExecContext& ctx, Process& process, const Device& device,
                            std::uint32_t min, std::uint32_t max);
    // -ENODEV no group, -ENOENT unknown ID, -EACCES not of the process's set, -EOVERFLOW too wide,
    // -EBUSY the slot has another mm's handle, another domain or none, or the ID is being freed,
    // -ENOMEM. The same mm and device again: one user more.
    Errno bind(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    // One user less; the last one detaches. -ENOENT: not bound.
    Errno unbind(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    // exit_mmap: every PASID entry of the address space is disabled; bindings stay.
    void mm_release(ExecContext& ctx, Process& process);
    // Mappings went from the page table: flushes every attached device, before pages are freed.
    void mm_invalidate(ExecContext& ctx, Process& process, std::uint64_t address,
                       std::uint64_t bytes);
    // exit_files: everything that the process is bound to.
    void unbind_process(ExecContext& ctx, Process& process);
    // The last mmdrop: its IDs go back. `may_wait`: until they are reclaimed.
    void mm_gone(ExecContext& ctx, Process& process, bool may_wait);
    // exec goes on with another mm_struct although bindings hold this one still: PASID, IDs and set
    // are theirs from here on.
    void leave_mm(Process& process);
    bool is_bound(const Process& process, Ioasid id) const;

    // --- guest page tables (VFIO nested) --------------------------------------------------------
    struct GuestBind {
        IoasidSet* set = nullptr;
        Device* device = nullptr;
        Ioasid id;
        Spid spid;
        Gpa page_table;
        const SecondStage* stage2 = nullptr;
        std::string space;                   // "vm1"
        PageFaultHandler* faults = nullptr;  // of its page requests
        // Unmanaged: requests go through `stage2` alone, and there is no page table of the guest.
        DomainType type = DomainType::Nested;
    };
    Errno bind_gpasid(ExecContext& ctx, const GuestBind& request);
    Errno unbind_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid);
    Errno flush_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid);
    // Every binding of the set to the device; waits until their teardown is complete.
    void unbind_device(ExecContext& ctx, IoasidSet& set, Device& device);
    // Every binding of the set, and every set-private number that no binding of it has.
    void unbind_all(ExecContext& ctx, IoasidSet& set);

    // Bound to this device under this ID, and not on the way out.
    bool is_bound_to(const Process& process, const Device& device, Ioasid id) const;
    // True from the first device's bind until the teardown of the last one is complete.
    bool entry_live(Ioasid id) const;
    // A guest's PASID is bound to this second stage; `draining`: or was, and its end is under way.
    bool leads_through(const SecondStage& stage, bool draining) const;
    std::size_t bindings_of(const IoasidSet& set) const;
    // Frees every ID of the set, waits for the reclaims and frees the set. -ETIMEDOUT: some ID is
    // still referenced; the set then dies with its last reclaim.
    Errno free_set(ExecContext& ctx, IoasidSet& set);
    // The first half of that: the set stays.
    Errno free_ids(ExecContext& ctx, IoasidSet& set);

private:
    friend struct SvaBinding;
    friend class IommuBlock;
    using Binding = SvaBinding;
    // An ID below the number of its space: 0 is everybody's, a private set has one of its own.
    using Key = std::uint64_t;
    static Key key_of(const IoasidSet* set, Ioasid id);
    bool may_share() const;

    Result<IoasidSet*> set_of(ExecContext& ctx, Process& process);
    Errno bind_locked(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    Errno bind_gpasid_locked(ExecContext& ctx, const GuestBind& request, Ioasid id);
    Errno set_entry(ExecContext& ctx, const Binding& binding, Device& device);
    Result<std::shared_ptr<AttachHandle>> shared_handle(ExecContext& ctx, Process& process,
                                                        IommuGroup& group, Pasid pasid);
    Result<std::shared_ptr<AttachHandle>> held_handle(ExecContext& ctx, const Process& process,
                                                      Device& device, Ioasid id);
    Errno bind_new(ExecContext& ctx, Process& process, Device& device, Ioasid id,
                   const std::shared_ptr<AttachHandle>& handle);
    Errno attach(ExecContext& ctx, Binding& binding, Device& device,
                 std::shared_ptr<AttachHandle> handle);
    Errno detach(ExecContext& ctx, Binding& binding, Device& device, IommuDriver::TableLock hold);
    void tell_handle(ExecContext& ctx, const Process& process, const AttachHandle& handle);
    void tell_users(ExecContext& ctx, const Binding& binding);
    static bool has(const Binding& binding, const Device& device);
    std::vector<Device*> devices_of(const Binding& binding) const;
    std::vector<std::shared_ptr<Binding>> bindings_of_process(const Process& process) const;
    std::vector<std::pair<Device*, Pasid>> attachments_of(ExecContext& ctx,
                                                          const Process& process) const;
    void return_ids(ExecContext& ctx, IoasidSet& set, const std::vector<Ioasid>& ids,
                    bool may_wait);
    void drop_mm(ExecContext& ctx, Binding& binding);
    // Posted driver: a guest bind goes on with an ID that is being freed.
    bool ignores_refused_get(const Binding& binding) const;
    // Posted driver: a guest bind whose entry cannot be made does not put.
    bool keeps_failed_get(const Binding& binding) const;
    Errno add_binding(ExecContext& ctx, std::shared_ptr<Binding> binding, Device& device,
                      std::shared_ptr<AttachHandle> handle);
    Errno remove_device(ExecContext& ctx, Binding& binding, Device& device);
    void unbind_every_device(ExecContext& ctx, Binding& binding);
    std::vector<std::shared_ptr<Binding>> bound_in(const IoasidSet& set) const;
    void forget(const Binding& binding);
    Errno quiesce(ExecContext& ctx, Binding& binding);
    void start_teardown(ExecContext& ctx, Binding& binding, bool fpd);
    void tear_down_entries(ExecContext& ctx, Binding& binding);
    bool queue_free_work(ExecContext& ctx, const IoasidSet* set, Ioasid id, const void* data);
    void on_free_work(ExecContext& ctx, Binding& binding);
    void on_teardown_work(ExecContext& ctx, Binding& binding);
    void finish(ExecContext& ctx, Binding& binding);
    void drop_retired();

    Kernel& kernel_;
    IoasidCore& core_;
    SimLock lock_;
    std::unique_ptr<IommuBlock> block_;
    WaitQueue reclaim_wait_;
    trace::Name holder_;
    trace::Name vfio_;
    IoasidSet* system_set_ = nullptr;
    NumberMap<Key, std::shared_ptr<Binding>> bindings_;
    // Which of them are of which set, for a virtual machine's end: there may be a thousand of them.
    struct Bound {};
    std::unordered_map<const IoasidSet*, NumberMap<Key, Bound>> by_set_;
    std::vector<std::shared_ptr<Binding>> retired_;  // ended; their work items may still be queued
};

}  // namespace ioasim::os
