// What KVM knows of non-coherent DMA into one VM: the kvm-vfio device with the files that the VMM
// named, the vote that follows from them, and what WBINVD of a guest does (Linux virt/kvm/vfio.c,
// arch/x86/kvm/x86.c). Leaves out: memory types of guest pages (guest MTRRs and PATs), so of the
// rebuilt mappings only the cost and the exits of vCPUs are there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/trace/event.hpp"
#include "models/linux/vm_host_if.hpp"

namespace ioasim::os {

class Kernel;
class KvmVfio;

// A file whose devices a VM has: a group, a device, an I/O address space or all of /dev/iommu. Its
// answer does not depend on which of them KVM was told of.
class KvmFile {
public:
    virtual ~KvmFile() = default;
    virtual const std::string& file_name() const = 0;
    // No device behind it can reach memory without snooping.
    virtual bool enforces_coherency() const = 0;
    // Devices behind it learn which VM they belong to; null: none any more.
    virtual void set_kvm(KvmVfio* kvm) = 0;
};

// The part of KVM that depends on the processors.
class KvmCoherency {
public:
    KvmCoherency(Kernel& kernel, const std::string& vm);

    void add_vcpu(VcpuControl& vcpu) { vcpus_.push_back(&vcpu); }
    void set_pages(std::uint64_t pages) { pages_ = pages; }
    // One vote each. The first and the last one make KVM build all mappings of the guest anew.
    void register_noncoherent(ExecContext& ctx);
    void unregister_noncoherent(ExecContext& ctx);
    std::uint32_t noncoherent() const { return count_; }

    // The vCPU's thread runs on this processor from now on.
    void load(const VcpuControl& vcpu, std::size_t cpu);
    // The guest executed WBINVD, and that left guest mode.
    void wbinvd(ExecContext& ctx, const VcpuControl& vcpu);
    // The vCPU's lines may be in these processors' caches.
    const std::set<std::size_t>& dirty(const VcpuControl& vcpu) { return loaded_[&vcpu].dirty; }

private:
    struct Loaded {
        int cpu = -1;
        std::set<std::size_t> dirty;
    };
    void zap(ExecContext& ctx);
    // WBINVD on these processors; returns when all have done it.
    void write_back(ExecContext& ctx, const std::set<std::size_t>& cpus);

    Kernel& kernel_;
    std::string vm_;
    trace::Name name_;
    std::vector<VcpuControl*> vcpus_;
    std::map<const VcpuControl*, Loaded> loaded_;
    std::uint32_t count_ = 0;
    std::uint64_t pages_ = 0;
};

// The kvm-vfio device of one VM: at most one vote, however many files say no.
class KvmVfio {
public:
    KvmVfio(Kernel& kernel, const std::string& vm, KvmCoherency& coherency);

    // -EBUSY: there is one.
    Errno create(ExecContext& ctx);
    // Null stands for a file that is none of VFIO's: -EINVAL. -EEXIST, -ENXIO without the device.
    Errno add(ExecContext& ctx, KvmFile* file);
    // -ENOENT: not added; the question is asked anew all the same.
    Errno remove(ExecContext& ctx, KvmFile* file);
    // The VMM's process is gone.
    void release(ExecContext& ctx);
    // The devices behind a file changed.
    void reevaluate(ExecContext& ctx);
    const std::string& vm() const { return vm_; }
    bool knows(const KvmFile& file) const;
    // What KVM was last told; a promise where changes are to be refused.
    bool noncoherent() const { return noncoherent_; }

private:
    void tell(const ExecContext& ctx, const KvmFile* file, bool added, Errno error);

    Kernel& kernel_;
    std::string vm_;
    trace::Name name_;
    KvmCoherency& coherency_;
    SimLock lock_;
    bool created_ = false;
    bool noncoherent_ = false;
    std::vector<KvmFile*> files_;
};

}  // namespace ioasim::os
