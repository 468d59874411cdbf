// What the kernel code of a scenario is made of: notification blocks and deferred work with steps
// of their own, providers of numbers, locks, address spaces by name, cgroup files, /dev/ioasid.
// Everything acts on the host's IOASID core as kernel code does, in the context that calls it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/ioasid/dev_ioasid.hpp"
#include "core/ioasid/ioasid.hpp"
#include "models/linux/cgroup_files.hpp"
#include "models/linux/kernel.hpp"
#include "models/platform/config.hpp"

namespace ioasim::platform {

// A result and the number that the call returned (an ID, a count).
struct StepOutcome {
    Errno error = Errno::Ok;
    std::uint64_t value = 0;
};
inline StepOutcome outcome(Errno error) {
    return {error, 0};
}
inline StepOutcome outcome(const Result<Ioasid>& id) {
    return id ? StepOutcome{Errno::Ok, id.value().value()} : StepOutcome{id.error(), 0};
}

// Variables of a program: "A" after an alloc, or a number written as such.
class Variables {
public:
    std::optional<Ioasid> get(const std::string& name) const;
    void set(const std::string& name, Ioasid id) { ids_[name] = id; }

private:
    std::map<std::string, Ioasid> ids_;
};

// Who makes a call: its name, the address space it acts for, the set it means by itself.
struct Caller {
    std::string name;  // "host/kernel/a", "kvm" (a block), "w1" (work)
    SetToken mm = 0;
    IoasidSet* own_set = nullptr;
    Variables* variables = nullptr;
    std::optional<Ioasid> event;  // inside a block or work: the ID that it is about
};

class ScriptBlock;
class ScriptWork;
class ScriptAllocator;

class KernelObjects {
public:
    KernelObjects(os::Kernel& kernel, trace::Recorder& recorder, const PlatformConfig& config);
    ~KernelObjects();
    KernelObjects(const KernelObjects&) = delete;
    KernelObjects& operator=(const KernelObjects&) = delete;

    IoasidCore& core() { return core_; }
    os::Kernel& kernel() { return kernel_; }
    trace::Recorder& recorder() { return recorder_; }
    // Shared by kernel threads, blocks and work, as a kernel's globals are.
    Variables& globals() { return globals_; }

    // Sets: by the name that a set_alloc gave, else by their own ("vm1"). A destroyed set keeps
    // its name: a stale pointer.
    IoasidSet* find_set(const std::string& name) const;
    void name_set(const std::string& name, IoasidSet* set) { sets_[name] = set; }
    SetToken mm(const std::string& name);  // 0 for no name
    void name_mm(const std::string& name, SetToken token) { mms_[name] = token; }
    // The last user of an address space went. The next new one gets its place in memory, and with
    // it its token, unless somebody keeps it. ESRCH: there is none of that name, or no more.
    Errno mm_exit(const std::string& name);

    NotifierBlock& block(const std::string& name);
    WorkItem& work(const std::string& name, Ioasid id);
    AllocatorOps& allocator(const std::string& name);
    SimLock* lock(const std::string& name);  // null: the core's own
    const std::map<std::string, std::unique_ptr<SimLock>>& locks() const { return locks_; }
    void signal(ExecContext& ctx, const std::string& name);
    void await(ExecContext& ctx, const std::string& name);

    os::CgroupFiles* cgroups() { return cgroups_.get(); }
    IoasidDevice& device() { return device_; }

    // Attach handles that kernel code holds pointers to, by name.
    void name_handle(const std::string& name, std::shared_ptr<os::AttachHandle> handle) {
        handles_[name] = std::move(handle);
    }
    os::AttachHandle* handle(const std::string& name) const {
        const auto found = handles_.find(name);
        return found == handles_.end() ? nullptr : found->second.get();
    }

    // Runs steps of a block or a work item; every step ends with a program.step event of `script`.
    void run_script(ExecContext& ctx, const std::string& script, const std::vector<Step>& steps,
                    const Caller& caller);

private:
    friend class ScriptWork;
    struct Flag {
        WaitQueue queue;
        bool up = false;
    };
    Flag& flag(const std::string& name);
    bool mm_kept(SetToken token) const;

    os::Kernel& kernel_;
    IoasidCore& core_;
    trace::Recorder& recorder_;
    const PlatformConfig& config_;
    Variables globals_;
    std::map<std::string, IoasidSet*> sets_;
    std::map<std::string, SetToken> mms_;
    std::set<std::string> exited_mms_;  // a stale pointer keeps its name
    std::vector<SetToken> left_mms_;    // of processes that are gone
    std::map<std::string, std::unique_ptr<ScriptBlock>> blocks_;
    std::map<std::pair<std::string, std::uint32_t>, std::unique_ptr<ScriptWork>> works_;
    std::map<std::string, std::unique_ptr<ScriptAllocator>> allocators_;
    std::map<std::string, std::unique_ptr<SimLock>> locks_;
    std::map<std::string, std::unique_ptr<Flag>> flags_;
    std::map<std::string, std::shared_ptr<os::AttachHandle>> handles_;
    std::unique_ptr<os::CgroupFiles> cgroups_;
    IoasidDevice device_;
};

// Performs one call. The error of a call that returns only an ID, INVALID_IOASID, is -ENOSPC; of
// one that returns nothing found, -ENOENT; of a number below zero, -ERANGE.
StepOutcome perform_call(ExecContext& ctx, KernelObjects& objects, const CoreCall& call,
                         const Caller& caller);
// Those of them that act on PASID arrays, address spaces and fault queues.
StepOutcome perform_sva_call(ExecContext& ctx, KernelObjects& objects, const CoreCall& call,
                             Pasid pasid);
// alloc and free of kernel code, which name a set.
StepOutcome perform_alloc(ExecContext& ctx, KernelObjects& objects, const Step& step,
                          const Caller& caller);
StepOutcome perform_free(ExecContext& ctx, KernelObjects& objects, const Step& step,
                         const Caller& caller);
std::string step_name(const Step& step);

}  // namespace ioasim::platform
