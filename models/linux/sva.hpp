// Shared virtual addressing: which PASID of which address space is live on which device. Two kinds
// of binding share the life cycle: a process of this kernel (first stage = its page tables), and a
// guest process behind VFIO (nested: guest page tables over the VM's second stage).
//
// Orderly unbind and free of an ID in use follow "Decisions" of the design: UNBIND first, then (in
// ordered work) the PASID entry, caches, page requests, put. The IOMMU's block sits on the global
// chain; its FREE handler only queues work.
// Leaves out: mmu notifiers (mappings never end before their process), attach handles, page-request
// service.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/ioasid/ioasid.hpp"
#include "models/linux/iommu_driver.hpp"

namespace ioasim::os {

class Device;
class IommuBlock;
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
    // From the process's own set, which the first call makes; IDs in [min, max].
    Result<Ioasid> alloc(ExecContext& ctx, Process& process, std::uint32_t min, std::uint32_t max);
    Errno free(ExecContext& ctx, Process& process, Ioasid id);
    // -ENOENT unknown, -EACCES not of the process's set, -EBUSY bound already or being freed.
    Errno bind(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    Errno unbind(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    // Everything that the process is bound to, then its set. Part of process exit.
    void release(ExecContext& ctx, Process& process);
    bool is_bound(const Process& process, Ioasid id) const;

    // --- guest page tables (VFIO nested) --------------------------------------------------------
    struct GuestBind {
        IoasidSet* set = nullptr;
        Device* device = nullptr;
        Ioasid id;
        Spid spid;
        Gpa page_table;
        const SecondStage* stage2 = nullptr;
        std::string space;  // "vm1"
    };
    Errno bind_gpasid(ExecContext& ctx, const GuestBind& request);
    Errno unbind_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid);
    Errno flush_gpasid(ExecContext& ctx, IoasidSet& set, Device& device, Spid spid);
    // Every binding of the set to the device; waits until their teardown is complete.
    void unbind_device(ExecContext& ctx, IoasidSet& set, Device& device);
    // Every binding of the set.
    void unbind_all(ExecContext& ctx, IoasidSet& set);

    // Bound to this device under this ID, and not on the way out.
    bool is_bound_to(const Process& process, const Device& device, Ioasid id) const;
    // True from the first device's bind until the teardown of the last one is complete.
    bool entry_live(Ioasid id) const;
    std::size_t bindings_of(const IoasidSet& set) const;
    // Frees every ID of the set, waits for the reclaims and frees the set. -ETIMEDOUT: some ID is
    // still referenced; the set then dies with its last reclaim.
    Errno free_set(ExecContext& ctx, IoasidSet& set);

private:
    friend struct SvaBinding;
    friend class IommuBlock;
    using Binding = SvaBinding;

    Result<IoasidSet*> set_of(ExecContext& ctx, Process& process);
    Errno bind_locked(ExecContext& ctx, Process& process, Device& device, Ioasid id);
    Errno bind_gpasid_locked(ExecContext& ctx, const GuestBind& request, Ioasid id);
    Errno set_entry(ExecContext& ctx, const Binding& binding, Device& device);
    Errno add_device(ExecContext& ctx, Binding& binding, Device& device);
    // Posted driver: a guest bind goes on with an ID that is being freed.
    bool ignores_refused_get(const Binding& binding) const;
    Errno add_binding(ExecContext& ctx, std::shared_ptr<Binding> binding, Device& device);
    Errno remove_device(ExecContext& ctx, Binding& binding, Device& device);
    void unbind_every_device(ExecContext& ctx, Binding& binding);
    std::vector<std::shared_ptr<Binding>> bound_in(const IoasidSet& set) const;
    Errno quiesce(ExecContext& ctx, Binding& binding);
    void start_teardown(ExecContext& ctx, Binding& binding, bool fpd);
    void tear_down_entries(ExecContext& ctx, Binding& binding);
    bool queue_free_work(ExecContext& ctx, Ioasid id, const void* data);
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
    std::map<std::uint32_t, std::shared_ptr<Binding>> bindings_;  // by ID
    std::vector<std::shared_ptr<Binding>> retired_;  // ended; their work items may still be queued
};

}  // namespace ioasim::os
