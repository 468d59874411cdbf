// The host kernel's objects for one VM: the files that its VMM holds open (/dev/kvm, /dev/ioasid,
// VFIO).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/linux/guest_faults.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/kvm.hpp"
#include "models/linux/kvm_vfio.hpp"
#include "models/linux/vdcm.hpp"
#include "models/linux/virtual_device.hpp"
#include "models/linux/vm_iova.hpp"

namespace ioasim::os {

class KernelVmHost final : public VmHost {
public:
    KernelVmHost(Kernel& kernel, const VmSetup& setup);

    const std::string& name() const override { return setup_.name; }
    Errno open(ExecContext& ctx) override;
    Errno release(ExecContext& ctx) override;
    Errno reset(ExecContext& ctx) override;
    Errno remove_device(ExecContext& ctx, const std::string& device) override;
    void parent_gone(ExecContext& ctx, const std::string& device) override;
    Result<std::vector<Hpa>> map_memory(ExecContext& ctx, std::uint64_t bytes) override;
    Result<Ioasid> alloc_ioasid(ExecContext& ctx, std::uint32_t min, std::uint32_t max) override;
    Errno free_ioasid(ExecContext& ctx, Ioasid id) override;
    Ioasid find_spid(ExecContext& ctx, Spid spid) override;
    Errno bind_gpasid(ExecContext& ctx, const std::string& device, Ioasid id, Spid gpasid,
                      Gpa page_table) override;
    Errno unbind_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) override;
    Errno invalidate_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) override;
    Errno drain_gpasid(ExecContext& ctx, const std::string& device, Spid gpasid) override;
    Result<Ioasid> submit(ExecContext& ctx, const std::string& device, std::uint32_t queue,
                          Spid gpasid, const cpu::Descriptor64& descriptor) override;
    Errno bind_iova(ExecContext& ctx, const std::string& device, Ioasid id, Spid gpasid) override;
    Errno map_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova, const std::vector<Gpa>& pages,
                   bool read, bool write) override;
    Errno unmap_iova(ExecContext& ctx, Spid gpasid, std::uint64_t iova,
                     std::uint64_t bytes) override;
    Result<Hpa> portal(const std::string& device, std::uint32_t queue) override;
    VirtualDevice* virtual_device(const std::string& device) override;
    std::uint64_t mm() const override { return token_; }
    void add_vcpu(VcpuControl& vcpu) override {
        kvm_.add_vcpu(vcpu);
        coherency_.add_vcpu(vcpu);
    }
    const std::vector<std::uint64_t>& ram() const override { return pages_; }
    KvmVfio& kvm_vfio() override { return kvm_vfio_; }
    void vcpu_load(const VcpuControl& vcpu, std::size_t cpu) override {
        coherency_.load(vcpu, cpu);
    }
    bool wbinvd_exits() const override { return kernel_.params().wbinvd_exit; }
    void guest_wbinvd(ExecContext& ctx, const VcpuControl& vcpu) override {
        coherency_.wbinvd(ctx, vcpu);
    }
    bool own_pasid_space() const override {
        return kernel_.params().pasid_spaces == PasidSpaces::Vm;
    }
    GuestFaultFile* page_faults() override { return &faults_; }
    void raise_interrupt(ExecContext& ctx, VcpuControl& vcpu, std::uint64_t address,
                         std::uint32_t data) override;
    const cpu::Vmcs& vmcs() const override { return kvm_.vmcs(); }
    bool resolve_pasid_miss(ExecContext& ctx, Spid gpasid) override;
    IoasidSet* set() const override { return set_; }

private:
    Device* assigned(const std::string& device);
    std::vector<NotifierBlock*> blocks_of(const std::string& device);
    Errno register_notifiers(ExecContext& ctx);
    Errno make_set(ExecContext& ctx);
    Errno take_functions(ExecContext& ctx);
    void return_function(ExecContext& ctx, Device& function);
    void close_devices(ExecContext& ctx);
    // A second-stage table of `level` over pages_[first, first + count); returns its address.
    Result<std::uint64_t> build_second_stage(ExecContext& ctx, unsigned level, std::uint64_t first,
                                             std::uint64_t count);
    void free_memory(ExecContext& ctx);
    // What a virtual device reaches without a PASID: an address space that the VMM fills, instead
    // of the VM's memory; and back.
    Errno bind_default(ExecContext& ctx, const std::string& device);
    Errno unbind_default(ExecContext& ctx, const std::string& device);
    VirtualDevice* with_memory(const std::string& device);

    Kernel& kernel_;
    VmSetup setup_;
    std::uint64_t token_;  // the VMM's mm
    trace::Name vdcm_holder_;
    Kvm kvm_;
    KvmCoherency coherency_;
    KvmVfio kvm_vfio_;
    GuestFaults faults_;
    std::vector<std::unique_ptr<Vdcm>> vdcms_;
    std::vector<std::unique_ptr<VirtualDevice>> virtual_devices_;
    std::vector<NotifierBlock*> registered_;
    std::vector<Device*> functions_;
    std::set<std::string> removed_;
    IoasidSet* set_ = nullptr;
    SecondStage stage2_;
    VmIova iova_;
    std::unique_ptr<IommuDomain> default_space_;
    std::vector<std::uint64_t> pages_;
    bool open_ = false;
};

std::unique_ptr<VmHost> make_vm_host(Kernel& kernel, const VmSetup& setup);

}  // namespace ioasim::os
