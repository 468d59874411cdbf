// Events of machines with several hosts, and of virtual machines that move between them.
#pragma once

#include <iterator>

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct RunHostUnit {
    static constexpr EventName kName{
        "run.host_unit", Category::Run,
        "At time 0, where there are several hosts: whose remapping unit it is."};
    Name host;
    Name iommu;
    IOASIM_FIELDS(host, iommu)
};
struct RunHostFunction {
    static constexpr EventName kName{"run.host_function", Category::Run,
                                     "At time 0, where there are several hosts: whose device it "
                                     "is."};
    Name host;
    Name device;
    Rid rid;
    IOASIM_FIELDS(host, device, rid)
};
struct VmHosted {
    static constexpr EventName kName{"vm.hosted", Category::Vm,
                                     "From here on KVM and VFIO of this host serve the virtual "
                                     "machine, and its set is one of that host's core."};
    Name vm;
    Name host;
    IOASIM_FIELDS(vm, host)
};
struct VdevSubmissionQueued {
    static constexpr EventName kName{
        "vdev.submission_queued", Category::Vm,
        "A submission to a portal that is not mapped trapped, and the VMM keeps it while the "
        "virtual device stands still."};
    Name vm;
    Name device;
    std::uint32_t wq = 0;
    std::uint64_t number = 0;  // of the VM's queue, counted from 1
    Pasid gpasid;
    IOASIM_FIELDS(vm, device, wq, number, gpasid)
};
struct VdevSubmissionResumed {
    static constexpr EventName kName{
        "vdev.submission_resumed", Category::Vm,
        "The VMM handed a submission that it kept to a device, under the ID that the guest PASID "
        "stands for by then; or it could not (result), and the submission is lost."};
    Name vm;
    Name device;
    std::uint32_t wq = 0;
    std::uint64_t number = 0;
    Pasid gpasid;
    Pasid pasid;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(vm, device, wq, number, gpasid, pasid, result)
};
enum class MigrationPhase : std::uint8_t {
    Precopied,
    PortalsUnmapped,
    Drained,
    Stopped,
    Saved,
    Unbound,
    Copied,
    Loaded,
    Bound,
    QueueOff,
    Resubmitted,
    Resumed,
    Failed,
    Cancelled,
};
inline constexpr const char* kMigrationPhaseLabels[] = {
    "precopied",   "portals_unmapped", "drained", "stopped",  "saved",
    "unbound",     "copied",           "loaded",  "bound",    "queue_off",
    "resubmitted", "resumed",          "failed",  "cancelled"};
constexpr Labels labels_of(MigrationPhase) {
    return {kMigrationPhaseLabels, std::size(kMigrationPhaseLabels)};
}
struct VmMigration {
    static constexpr EventName kName{"vm.migration", Category::Vm,
                                     "A step of a virtual machine's way to another host is done; "
                                     "how many things it was about (pages, bytes, IDs)."};
    Name vm;
    Name to;
    MigrationPhase phase = MigrationPhase::Precopied;
    std::uint64_t count = 0;
    IOASIM_FIELDS(vm, to, phase, count)
};

}  // namespace ioasim::trace
