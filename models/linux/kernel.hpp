// One kernel instance, host or guest: the same class with the same drivers over a machine of its
// own (host physical memory and real devices, or guest physical memory and virtual ones).
//
// Use: add_iommu, add_device, create_process and create_vm while the platform is built; in a task
// boot(), then for each process start_process(), sva().alloc/bind/unbind/free, a UserQueue to
// submit work, exit_process(). Calls belong into contexts that run on this kernel's machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/ioasid/ioasid.hpp"
#include "core/trace/recorder.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/device.hpp"
#include "models/linux/device_groups.hpp"
#include "models/linux/hot_plug.hpp"
#include "models/linux/interrupts.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/linux/iommu_group.hpp"
#include "models/linux/kernel_params.hpp"
#include "models/linux/page_allocator.hpp"
#include "models/linux/page_pins.hpp"
#include "models/linux/pasid_drain.hpp"
#include "models/linux/process.hpp"
#include "models/linux/scheduler_if.hpp"
#include "models/linux/shared_pages.hpp"
#include "models/linux/sva.hpp"
#include "models/linux/vfio.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/linux/workqueue_file.hpp"

namespace ioasim::os {

class AuxDomains;
class Iommufd;
class VcmdAllocator;

struct KernelConfig {
    std::string name;               // "host", "vm1"
    std::uint64_t memory_base = 0;  // machine physical memory of the page allocator
    std::uint64_t memory_bytes = 0;
    bool guest = false;  // inside a VM: page ownership is the VM's, not told again
    // Deferred work runs in a worker task that the platform starts with ioasid().worker_loop().
    // Otherwise whoever waits for it runs it: guests (their vCPU is the worker's), plain tests.
    bool worker_task = true;
    // The lowest of its interrupt vectors, where several kernels share processors.
    std::uint8_t first_vector = Interrupts::kFirstVector;
    // The processor that gets the interrupts of its units.
    std::uint32_t interrupt_processor = 0;
};

struct KernelDeps {
    trace::Recorder& recorder;
    Probes& probes;
    IoasidCore& ioasid;
    cpu::Instructions& instructions;
    TaskScheduler& scheduler;
    MachinePort* port = nullptr;  // of helper tasks
};

// A workqueue of a device, given to a VM as a function of its own.
struct MdevSetup {
    std::string name;  // "vdev0"
    std::string parent;
    std::string queue;
    bool aux = false;  // the VM's memory is an auxiliary domain of the parent
};

struct VmSetup {
    std::string name;  // "vm1": also the set's name
    std::uint64_t quota = 1000;
    std::vector<std::string> devices{};    // accelerators, shared with others by their queues
    std::vector<std::string> functions{};  // whole ones, which no driver of the host mediates
    std::vector<MdevSetup> mdevs{};
};

class Kernel {
public:
    Kernel(const KernelDeps& deps, const KernelConfig& config, const KernelParams& params);
    ~Kernel();
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    // --- construction ---------------------------------------------------------------------------
    IommuDriver& add_iommu(const std::string& name, std::uint64_t registers);
    Device& add_device(DeviceSetup setup);
    VmHost& create_vm(const VmSetup& setup);
    // `name` is the full name of the program, unique in the run.
    Process& create_process(const std::string& name);

    // --- operation, in a context that runs on this kernel's machine ---------------------------

    // Probes IOMMUs, configures devices, registers notifiers, in a guest the virtual-command
    // allocator. The first caller works, others wait for it; all get its result.
    Errno boot(ExecContext& ctx);
    bool booted() const { return booted_; }
    Errno start_process(ExecContext& ctx, Process& process);
    // fork in the parent: the child gets a copy of the address space, but no PASID, no bindings and
    // no portals. -ENOMEM, -EBUSY: there is that child already.
    Errno fork(ExecContext& ctx, Process& parent, Process& child);
    // The first moment of a child's thread.
    void start_child(ExecContext& ctx, Process& child);
    // exec: a new, empty address space without PASID. The old one goes first, then the files, as
    // begin_new_exec has it. -EBUSY: somebody grabbed the old one (one mm a process here).
    Errno exec(ExecContext& ctx, Process& process);
    // FilesFirst: the program closes its devices (unbind) before it ends. MmFirst: do_exit of a
    // process that did not: exit_mm, with the release of mmu notifiers, then exit_files. The mm's
    // IDs go back with its last reference. `cause`: "exit", "killed".
    enum class ExitOrder : std::uint8_t { FilesFirst, MmFirst };
    void exit_process(ExecContext& ctx, Process& process, const std::string& cause,
                      ExitOrder order = ExitOrder::FilesFirst);
    // Ends the process at its next step. -ESRCH: it has ended.
    Errno kill(ExecContext& ctx, Process& process);
    // mmgrab and mmdrop: the structure of the address space, with its PASID, stays. `may_wait`:
    // until the IDs are reclaimed.
    Errno mm_grab(ExecContext& ctx, Process& process);
    // -ESRCH: nobody grabbed it.
    Errno mm_ungrab(ExecContext& ctx, Process& process);
    void mm_drop(ExecContext& ctx, Process& process, bool may_wait = true);
    // munmap of a whole mapping.
    Errno unmap(ExecContext& ctx, Process& process, std::uint64_t address);
    // The machine stops (its VM is gone): every process counts as killed.
    void power_off();
    bool powered_off() const { return powered_off_; }
    // Puts a PASID into the thread's IA32_PASID.
    void load_pasid(ExecContext& ctx, Pasid pasid, bool valid);

    Device* find_device(const std::string& name);
    Device* find_device(const IommuDriver& unit, Rid rid);
    const std::vector<std::unique_ptr<Device>>& devices() const { return devices_; }
    IommuDriver* find_iommu(const std::string& name);
    Process* find_process(const std::string& name);
    VmHost* find_vm(const std::string& name);
    const std::vector<std::unique_ptr<VmHost>>& vms() const { return vms_; }
    const std::vector<std::unique_ptr<IommuDriver>>& iommus() const { return iommus_; }

    // --- services for the parts of the kernel -------------------------------------------------

    // A page (or a contiguous run) of zeros.
    Result<std::uint64_t> alloc_pages(ExecContext& ctx, std::uint64_t pages = 1);
    void free_pages(std::uint64_t address, std::uint64_t pages = 1);
    // Tells whose a range of host memory is; nothing in a guest.
    void set_owner(const ExecContext& ctx, const std::string& owner, std::uint64_t address,
                   std::uint64_t bytes);
    // The same for single pages: one event for each contiguous run of them.
    void set_owner(const ExecContext& ctx, const std::string& owner,
                   const std::vector<std::uint64_t>& pages);
    // Without a worker task: runs what is queued, as the worker on this CPU would between two
    // system calls. Nothing otherwise.
    void run_deferred(ExecContext& ctx);
    // Lets queued work be done until `done` holds; -ETIMEDOUT. Must not hold a lock that work
    // takes. `Perhaps`: what makes it hold need not be work, so nobody may wake who waits.
    enum class Wakes : std::uint8_t { Always, Perhaps };
    Errno wait_for_work(ExecContext& ctx, WaitQueue& queue, const std::function<bool()>& done,
                        Wakes wakes = Wakes::Always);
    template <class E>
    void emit(const ExecContext& ctx, const E& event) {
        deps_.recorder.emit(ctx.source(), event);
    }
    trace::Name intern(const std::string& text) { return deps_.recorder.name(text); }
    const std::string& text(trace::Name name) const { return deps_.recorder.names().text(name); }
    // A pin less; the page goes back with the last one when its owner has left it.
    void unpin_page(ExecContext& ctx, std::uint64_t page);
    DomainId alloc_domain_id();
    void free_domain_id(DomainId did) { free_dids_.push_back(did); }
    std::uint64_t next_token() { return ++last_token_; }
    std::uint64_t next_handle() { return ++last_handle_; }
    MachinePort* task_port() const { return deps_.port; }

    const std::string& name() const { return config_.name; }
    bool is_guest() const { return config_.guest; }
    bool has_worker_task() const { return config_.worker_task; }
    const KernelParams& params() const { return params_; }
    Probes& probes() { return deps_.probes; }
    IoasidCore& ioasid() { return deps_.ioasid; }
    cpu::Instructions& instructions() { return deps_.instructions; }
    TaskScheduler& scheduler() { return deps_.scheduler; }
    PageAllocator& pages() { return pages_; }
    PagePins& pins() { return pins_; }
    SharedPages& shared_pages() { return shared_pages_; }
    Sva& sva() { return *sva_; }
    UnfinishedPasids& unfinished() { return unfinished_; }
    Interrupts& interrupts() { return interrupts_; }
    WorkqueueFiles& workqueue_files() { return workqueue_files_; }
    DeviceGroups& device_groups() { return device_groups_; }
    Vfio& vfio() { return vfio_; }
    Iommufd& iommufd() { return *iommufd_; }
    AuxDomains& aux_domains() { return *aux_domains_; }

private:
    Errno boot_locked(ExecContext& ctx);
    Errno boot_units(ExecContext& ctx);
    void exit_mm(ExecContext& ctx, Process& process);
    void exit_files(ExecContext& ctx, Process& process);

    KernelDeps deps_;
    KernelConfig config_;
    KernelParams params_;
    PageAllocator pages_;
    PagePins pins_;
    SharedPages shared_pages_;
    SimLock boot_lock_;
    SimLock work_lock_;  // without a worker task: one runner at a time
    bool booted_ = false;
    bool powered_off_ = false;
    Errno boot_result_ = Errno::Ok;
    Interrupts interrupts_;
    std::vector<std::unique_ptr<IommuDriver>> iommus_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::vector<std::unique_ptr<Process>> processes_;
    std::vector<std::unique_ptr<VmHost>> vms_;
    std::unique_ptr<Sva> sva_;
    UnfinishedPasids unfinished_{*this};
    WorkqueueFiles workqueue_files_{*this};
    DeviceGroups device_groups_{*this};
    Vfio vfio_{*this};
    HotPlug hot_plug_{*this};
    std::unique_ptr<AuxDomains> aux_domains_;
    std::unique_ptr<Iommufd> iommufd_;
    std::unique_ptr<VcmdAllocator> vcmd_;
    std::uint64_t last_token_ = 0;
    std::uint64_t last_handle_ = 0;
    std::vector<DomainId> free_dids_;
    std::uint16_t next_did_ = 2;  // 0 is reserved (caching mode), 1 is for first-stage entries
};

}  // namespace ioasim::os
