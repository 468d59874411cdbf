// What a VMM process asks of its host kernel for one virtual machine: /dev/kvm, /dev/ioasid and
// VFIO behind one interface, and what the kernel asks of a vCPU. models/linux implements VmHost
// (Kernel::create_vm), models/vm implements VcpuControl and calls VmHost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/cpu/cpu_if.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class GuestFaultFile;
class KvmVfio;
class VirtualDeviceIf;

// A vCPU as KVM sees it.
class VcpuControl {
public:
    virtual ~VcpuControl() = default;
    virtual const std::string& name() const = 0;
    // It has executed guest instructions ever since: one of them may have read at `since` what is
    // used later. A vCPU that left guest mode or its CPU in between reads anew.
    virtual bool in_guest_since(TimePs since) const = 0;
    // Asks it to leave guest mode (IPI).
    virtual void kick(ExecContext& by) = 0;
};

class VmHost {
public:
    virtual ~VmHost() = default;
    virtual const std::string& name() const = 0;
    // The VM's set in the host's IOASID core; null before open and after release.
    virtual IoasidSet* set() const = 0;

    // Opens what a VMM needs: KVM and VDCM notifiers are registered with the mm before the set
    // exists, then the set is made with the VM's quota, then KVM's PASID directories.
    virtual Errno open(ExecContext& ctx) = 0;
    // The VMM process is gone: device release unbinds every PASID, /dev/ioasid frees the set, KVM
    // unregisters, memory goes back. -ETIMEDOUT when IDs of the VM stay in use.
    virtual Errno release(ExecContext& ctx) = 0;

    // System reset of the machine: every PASID is unbound, then freed; the set stays.
    virtual Errno reset(ExecContext& ctx) = 0;

    // An assigned device is taken away (its mediated device is removed) while the VM lives on: the
    // VM's PASIDs are unbound from it, its VDCM unregisters. -ENODEV: the VM does not have it.
    virtual Errno remove_device(ExecContext& ctx, const std::string& device) = 0;

    // A device of the host is gone, and with it what the VM has on it: its VMM is asked to close
    // the virtual devices there, and the call waits for that.
    virtual void parent_gone(ExecContext& ctx, const std::string& device) = 0;

    // --- memory -------------------------------------------------------------------------------

    // Pages of the VM, mapped at 0..bytes in the second stage that its devices use.
    virtual Result<std::vector<Hpa>> map_memory(ExecContext& ctx, std::uint64_t bytes) = 0;

    // The pages, in the order of guest physical addresses.
    virtual const std::vector<std::uint64_t>& ram() const = 0;

    // --- /dev/ioasid ----------------------------------------------------------------------------
    virtual Result<Ioasid> alloc_ioasid(ExecContext& ctx, std::uint32_t min, std::uint32_t max) = 0;
    virtual Errno free_ioasid(ExecContext& ctx, Ioasid id) = 0;
    // The ID that the set's SPID stands for, or kInvalidIoasid.
    virtual Ioasid find_spid(ExecContext& ctx, Spid spid) = 0;

    // --- VFIO: guest page tables under the VM's second stage ------------------------------------
    virtual Errno bind_gpasid(ExecContext& ctx, const std::string& device, Ioasid id, Spid gpasid,
                              Gpa page_table) = 0;
    virtual Errno unbind_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) = 0;
    // The guest invalidated first-stage translations of a PASID (all of it).
    virtual Errno invalidate_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) = 0;
    // Every descriptor of the guest PASID that the device accepted is done. -ENOENT: not bound.
    virtual Errno drain_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) = 0;
    // Hands the device a descriptor on the guest's behalf (ENQCMDS, user privilege), under the ID
    // that the guest PASID stands for. -ENXIO: for none, -EAGAIN: the queue is full.
    virtual Result<Ioasid> submit(ExecContext& ctx, const std::string& device, std::uint32_t queue,
                                  Spid gpasid, const cpu::Descriptor64& descriptor) = 0;
    // The PASID leads to an address space of its own, empty at first, which the VMM fills with
    // pages of the VM (it shadows there what the guest's kernel maps). On further devices: the same
    // one.
    virtual Errno bind_iova(ExecContext& ctx, const std::string& device, Ioasid id,
                            Spid gpasid) = 0;
    // -ENOENT: no such space; -EFAULT: beyond its aperture, or pages that the VM does not have.
    virtual Errno map_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                           const std::vector<Gpa>& pages, bool read, bool write) = 0;
    virtual Errno unmap_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                             std::uint64_t bytes) = 0;
    // Host physical address of the portal page that the VM may use; -ENODEV for an unknown queue,
    // -EPERM while KVM's PASID translation is off.
    virtual Result<Hpa> portal(const std::string& device, std::uint32_t queue) = 0;

    // The VM's PASIDs are numbers of a space of its own: those of the guest are those on the bus,
    // and processors translate none.
    virtual bool own_pasid_space() const { return false; }
    // Page requests of what is bound; null: they do not get this far.
    virtual GuestFaultFile* page_faults() { return nullptr; }
    // A mediated device of the VM, or null.
    virtual VirtualDeviceIf* virtual_device(const std::string& device) = 0;
    // The VMM's address space, which its vCPU threads have.
    virtual std::uint64_t mm() const = 0;

    // --- KVM ------------------------------------------------------------------------------------
    virtual void add_vcpu(VcpuControl& vcpu) = 0;
    virtual const cpu::Vmcs& vmcs() const = 0;
    // The kvm-vfio device of the VM.
    virtual KvmVfio& kvm_vfio() = 0;
    // The vCPU's thread runs on this processor from now on.
    virtual void vcpu_load(const VcpuControl& vcpu, std::size_t cpu) = 0;
    // WBINVD of a guest exits; what KVM does then.
    virtual bool wbinvd_exits() const = 0;
    virtual void guest_wbinvd(ExecContext& ctx, const VcpuControl& vcpu) = 0;
    // A message of the virtual unit to this vCPU: KVM's part, up to the kick.
    virtual void raise_interrupt(ExecContext& ctx, VcpuControl& vcpu, std::uint64_t address,
                                 std::uint32_t data) {
        static_cast<void>(address);
        static_cast<void>(data);
        vcpu.kick(ctx);
    }
    // VM exit 72 or 73: true when the translation is there now and the instruction can run again.
    virtual bool resolve_pasid_miss(ExecContext& ctx, Spid gpasid) = 0;
};

}  // namespace ioasim::os
