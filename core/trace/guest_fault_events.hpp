// Events of page requests that belong to a virtual machine: from the host's fault core through the
// VMM's virtual page-request queue to the guest, and the answer back.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct IopfForward {
    static constexpr EventName kName{"iopf.forward", Category::Software,
                                     "A complete group goes to the VMM of the machine that has the "
                                     "PASID, under the number that its guest knows."};
    Name vm;
    Name device;
    Pasid pasid;   // on the bus
    Pasid gpasid;  // of the guest
    std::uint32_t group = 0;
    std::uint32_t pages = 0;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(vm, device, pasid, gpasid, group, pages, result)
};
struct IopfUserResponse {
    static constexpr EventName kName{"iopf.user_response", Category::Software,
                                     "A VMM answers a group through its file; EINVAL: none waits, "
                                     "or not any more."};
    Name vm;
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    std::uint32_t code = 0;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(vm, device, pasid, group, code, result)
};
struct VmFunction {
    static constexpr EventName kName{"vm.function", Category::Vm,
                                     "A whole function is assigned to a virtual machine, or comes "
                                     "back; own_numbers: its PASIDs are numbers of the VM's own "
                                     "space."};
    Name vm;
    Rid rid;
    bool own_numbers = false;
    bool assigned = false;
    IOASIM_FIELDS(vm, rid, own_numbers, assigned)
};
struct IopfTimeout {
    static constexpr EventName kName{"iopf.timeout", Category::Software,
                                     "Nobody answered a group in time: so many until now."};
    Name device;
    Pasid pasid;
    std::uint32_t group = 0;
    std::uint64_t expired = 0;
    IOASIM_FIELDS(device, pasid, group, expired)
};
struct VmPageRequest {
    static constexpr EventName kName{"vm.page_request", Category::Vm,
                                     "The VMM puts a page request into the virtual unit's queue, "
                                     "or (not queued) turns it away as an overflown unit does."};
    Name vm;
    Rid rid;  // in the guest
    Pasid pasid;
    Iova address;
    bool write = false;
    bool last = false;
    std::uint32_t group = 0;
    bool queued = false;
    IOASIM_FIELDS(vm, rid, pasid, address, write, last, group, queued)
};
struct VmPageResponse {
    static constexpr EventName kName{"vm.page_response", Category::Vm,
                                     "A guest answers a group through its virtual invalidation "
                                     "queue; host_pasid: what the VMM takes its number for."};
    Name vm;
    Rid rid;
    Pasid pasid;
    Pasid host_pasid;
    std::uint32_t group = 0;
    std::uint32_t code = 0;
    IOASIM_FIELDS(vm, rid, pasid, host_pasid, group, code)
};
struct VmInterrupt {
    static constexpr EventName kName{"vm.interrupt", Category::Vm,
                                     "A message of the virtual unit becomes an interrupt of a "
                                     "vCPU."};
    Name vcpu;
    std::uint32_t vector = 0;
    Hex address;
    IOASIM_FIELDS(vcpu, vector, address)
};

}  // namespace ioasim::trace
