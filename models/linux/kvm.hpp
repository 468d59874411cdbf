// KVM's part for one VM: the PASID translation tables that the VMCSs of its vCPUs point to (Intel
// SDM vol. 3, 26.5.8), kept in step by BIND and UNBIND of the VM's IOASID set, with kicks of vCPUs
// that run guest code. Leaves out: everything else of KVM (EPT and exits are in models/vm).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/number_map.hpp"
#include "core/ioasid/ioasid.hpp"
#include "models/cpu/cpu_if.hpp"
#include "models/linux/vm_host_if.hpp"

namespace ioasim::os {

class Kernel;

class Kvm final : public NotifierBlock {
public:
    Kvm(Kernel& kernel, const std::string& vm);

    // Makes empty directories, points the VMCS to them, turns translation on.
    Errno start(ExecContext& ctx);
    // Gives the tables back; no vCPU may run any more. References still held are dropped.
    void stop(ExecContext& ctx, IoasidSet* set);
    void add_vcpu(VcpuControl& vcpu) { vcpus_.push_back(&vcpu); }
    const cpu::Vmcs& vmcs() const { return vmcs_; }
    // VM exit 72 or 73: looks the SPID up in the set and installs what is missing.
    bool resolve_miss(ExecContext& ctx, IoasidSet& set, Spid gpasid);

    // Every vCPU that executes guest code leaves it: what it had read or cached before is gone
    // (kvm_flush_remote_tlbs).
    void kick_all(ExecContext& ctx);

    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override;

private:
    NotifyResult bind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid);
    void unbind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid);
    void start_late_unbind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid);
    // Address of the 4-byte entry of a guest PASID; makes the table when asked to.
    Result<std::uint64_t> entry(ExecContext& ctx, std::uint32_t gpasid, bool allocate);
    void list_table(ExecContext& ctx, std::uint32_t gpasid);
    void write_entry(ExecContext& ctx, std::uint64_t address, std::uint32_t gpasid,
                     std::uint32_t value);
    // Clears the translation and returns when no vCPU can use it any more.
    void clear_translation(ExecContext& ctx, Spid spid);

    Kernel& kernel_;
    std::string vm_;
    trace::Name vm_name_;
    trace::Name holder_;
    cpu::Vmcs vmcs_;
    std::vector<VcpuControl*> vcpus_;
    std::map<std::uint32_t, std::uint64_t> tables_;  // by guest PASID [19:10]
    std::set<std::uint32_t> listed_;                 // of those: which their directory tells of
    NumberMap<std::uint32_t, Ioasid> bound_;         // guest PASID to the ID referenced for it
};

}  // namespace ioasim::os
