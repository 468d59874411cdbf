// Auxiliary domains: address spaces that a parent device does DMA through under a PASID of their
// own, beside the one of its requests without PASID (Linux 5.2 to 6.0, iommu_aux_attach_device and
// the VT-d driver's aux_domain_add_dev). A mediated device of a VM has the VM's memory so: its
// queue works under the domain's default PASID as long as the guest sets no PASID of its own.
//
// The default PASID is the domain's: allocated at its first attach to any device, from a set that
// is neither a VM's nor a process's, given back behind the last detach. On each parent it leads
// through the domain's second stage; several virtual devices of one parent count as users of that
// one entry. References: owner 1, IOMMU 1 while attached.
// Leaves out: aux domains over first stages, and of devices without PASIDs in their group.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/trace/event.hpp"
#include "models/linux/attach_handle.hpp"
#include "models/linux/iommu_driver.hpp"
#include "models/linux/pasid_drain.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class Device;
class Kernel;

class AuxDomains {
public:
    explicit AuxDomains(Kernel& kernel) : kernel_(kernel) {}
    ~AuxDomains();

    // The same parent again is one user more. -ENODEV: no group or no PASIDs, or the domain gets no
    // number; -EBUSY the slot of the PASID is taken, what the IOMMU driver says.
    Errno attach(ExecContext& ctx, const SecondStage& table, const std::string& space,
                 Device& parent);
    // Nothing when it is not attached. The last user of a parent clears its entry; the last parent
    // gives the PASID back.
    void detach(ExecContext& ctx, const SecondStage& table, Device& parent);
    // The default PASID leads through `to` on this parent from now on; requests meanwhile fault.
    // -ENODEV: it is not attached there; -EBUSY: the parent is being reset.
    Errno retarget(ExecContext& ctx, const SecondStage& table, Device& parent,
                   const SecondStage& to);
    // iommu_aux_get_pasid: kNoIoasid when the domain is not attached to the parent.
    Ioasid pasid(const SecondStage& table, const Device& parent) const;
    // Whose IDs they are; null before the first attach.
    IoasidSet* set() const { return set_; }

private:
    struct Parent {
        Device* device;
        std::uint32_t users;
        SecondStage tables;  // where the default PASID leads on it
    };
    struct Domain final : PasidDomain {
        Domain(Kernel& owner, Ioasid number, trace::Name address_space)
            : PasidDomain(DomainType::Unmanaged, address_space), kernel(owner), id(number) {}
        Errno set_dev_pasid(ExecContext& ctx, Device& device, Pasid pasid) override;
        const Parent* find(const Device& device) const;

        Kernel& kernel;
        Ioasid id;
        std::vector<Parent> parents;
        UnfinishedPasids::Unfinished unfinished;  // the number is not to be used again before
    };
    Domain* find(const SecondStage& table) const;
    Result<Domain*> make(ExecContext& ctx, const SecondStage& table, const std::string& space);
    Errno enter(ExecContext& ctx, const SecondStage& table, Domain& domain, Device& parent);
    void leave(ExecContext& ctx, Domain& domain, Device& parent);
    void release(ExecContext& ctx, const SecondStage& table, Domain& domain);
    void tell(ExecContext& ctx, const Domain& domain, const Device& parent, std::uint32_t users);

    Kernel& kernel_;
    IoasidSet* set_ = nullptr;
    std::map<std::uint16_t, std::unique_ptr<Domain>> domains_;  // by domain id
};

}  // namespace ioasim::os
