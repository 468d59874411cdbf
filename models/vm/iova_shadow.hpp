// I/O virtual addresses of a guest's kernel, shadowed. A guest's PASID entry that names a
// second-stage table of the guest cannot go to the hardware as it is: its output is guest physical.
// The virtual unit has caching mode, so the guest invalidates the IOTLB after each change, also
// when something became present; the VMM then reads the part of the table that the invalidation
// names and maps the guest's pages behind the same addresses in a second stage of the host
// (VT-d 6.1, caching mode; as vfio maps what a virtual IOMMU tells it). Leaves out: large pages
// (the virtual unit offers none).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::vm {

class IovaShadow {
public:
    IovaShadow(std::string vm, os::VmHost& host, const GuestMemory& memory, Probes& probes)
        : host_(host),
          memory_(memory),
          probes_(probes),
          lock_(SimLock::Kind::Mutex, vm + "/iova_shadow", "iova_shadow") {}

    // The guest's PASID entry on a function is so now; `id` stands behind the number. True: this is
    // the shadow's business, nobody else binds the entry.
    bool apply(ExecContext& ctx, const std::string& function, std::uint32_t gpasid,
               std::optional<Ioasid> id, const vtd::PasidEntry& entry);
    // The guest invalidated a domain's translations, in these addresses; without `did` all.
    void sync(ExecContext& ctx, std::optional<DomainId> did, std::uint64_t first,
              std::uint64_t last);
    // The machine was reset: the host has unbound all of them.
    void reset() { spaces_.clear(); }
    // Guest PASIDs that are shadowed on the function.
    std::set<std::uint32_t> on(const std::string& function) const;

private:
    struct Leaf {
        std::uint64_t page = 0;  // guest physical
        bool read = false;
        bool write = false;
        bool operator==(const Leaf& o) const {
            return page == o.page && read == o.read && write == o.write;
        }
    };
    using Leaves = std::map<std::uint64_t, Leaf>;  // by address
    struct Space {
        Ioasid id;
        DomainId did;
        std::uint64_t root = 0;
        unsigned levels = 0;
        std::set<std::string> functions;
        Leaves shadowed;
    };

    void attach(ExecContext& ctx, const std::string& function, std::uint32_t gpasid, Ioasid id,
                const vtd::PasidEntry& entry);
    void detach(ExecContext& ctx, const std::string& function, std::uint32_t gpasid);
    void sync_space(ExecContext& ctx, std::uint32_t gpasid, std::uint64_t first,
                    std::uint64_t last);
    // What the guest's table maps in [first, last].
    void walk(ExecContext& ctx, std::uint64_t table, unsigned level, std::uint64_t base,
              std::uint64_t first, std::uint64_t last, Leaves& found) const;
    void unmap(ExecContext& ctx, std::uint32_t gpasid, Space& space, const Leaves& gone);
    void map(ExecContext& ctx, std::uint32_t gpasid, Space& space, const Leaves& fresh);

    os::VmHost& host_;
    const GuestMemory& memory_;
    Probes& probes_;
    SimLock lock_;                           // vCPUs invalidate at the same time
    std::map<std::uint32_t, Space> spaces_;  // by guest PASID
};

}  // namespace ioasim::vm
