// A process of a kernel: its address space, the set that its IOASIDs come from, and the PASID that
// its threads would put into ENQCMD, each of which has a `UserQueue` of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/types.hpp"
#include "models/linux/mm.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class Device;

struct Process {
    Process(Kernel& kernel, std::string process_name, std::uint64_t token)
        : name(std::move(process_name)), mm(kernel, name, token) {}

    std::string name;  // "host/app", "vm1/vcpu0/app"
    Mm mm;
    std::uint32_t threads = 1;     // it ends with the last one
    bool pasid_activated = false;  // some thread has loaded IA32_PASID: each has to for itself
    std::optional<Pasid> pasid;    // of the mm: from the first bind to the last mmdrop
    std::vector<Ioasid> ids;       // that it allocated and did not free
    std::uint32_t mm_grabs = 0;    // of them those that mm_grab took
    std::uint32_t mm_count = 1;  // references on the mm_struct: its users together, domains, others
    IoasidSet* set = nullptr;    // made at the first allocation
    std::map<std::string, std::uint64_t> portals;  // "dsa0/0": virtual address of a mapped portal
    std::uint64_t locked_pages = 0;                // that VFIO pinned
    bool killed = false;                           // operations end with -EINTR
    bool forked = false;                           // what it knows of PASIDs is its parent's
    std::uint64_t inherited_msr = 0;  // IA32_PASID of a child: the initial state, as of any thread
};

}  // namespace ioasim::os
