// Shared virtual addressing: which PASID of which address space is live on which device. Two kinds of
// binding share the life cycle: a process of this kernel (first stage = its page tables), and a guest
// process behind VFIO (nested: guest page tables over the VM's second stage).
//
// Orderly unbind and free of an ID in use follow "Decisions" of the design: UNBIND first, then (in
// ordered work) the PASID entry, caches, page requests, put. The IOMMU's block sits on the global
// chain; its FREE handler only queues work.
// Leaves out: mmu notifiers (invalidation on unmap), attach handles, page-request service.
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
class Kernel;
struct Process;

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

    // --- guest page tables (VFIO nested) ----------------------------------------------------------
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
    // Every binding of the set.
    void unbind_all(ExecContext& ctx, IoasidSet& set);

    // True while some device has a live PASID entry for the ID.
    bool entry_live(Ioasid id) const;

private:
    struct Binding;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ioasim::os
