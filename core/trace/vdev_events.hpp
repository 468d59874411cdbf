// Events of virtual devices (mediated devices) and of the module that composes them.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct VdevState {
    static constexpr EventName kName{
        "vdev.state", Category::Vm,
        "A virtual device: opened, paused, resumed, restored, reset, closed or removed."};
    Name vm;
    Name device;
    Name state;
    IOASIM_FIELDS(vm, device, state)
};
struct VdevCommand {
    static constexpr EventName kName{
        "vdev.command", Category::Vm,
        "A guest's command to its virtual device was carried out; status as in CMDSTS."};
    Name vm;
    Name device;
    Name command;
    std::uint32_t operand = 0;
    Hex status;
    IOASIM_FIELDS(vm, device, command, operand, status)
};
struct VdevQueue {
    static constexpr EventName kName{
        "vdev.queue", Category::Software,
        "The VDCM set a dedicated workqueue to a host PASID, or cleared it (on: false)."};
    Name vm;
    Name device;
    Name wq;  // of the parent device
    bool on = false;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(vm, device, wq, on, spid, ioasid)
};
struct VdevPortal {
    static constexpr EventName kName{
        "vdev.portal", Category::Vm,
        "A portal of a virtual device was mapped into its guest, or taken away."};
    Name vm;
    Name device;
    bool mapped = false;
    IOASIM_FIELDS(vm, device, mapped)
};
struct VdevQuiet {
    static constexpr EventName kName{
        "vdev.quiet", Category::Software,
        "The host stopped a dedicated workqueue of a VM: disabled, portal unmapped, vCPUs out, "
        "writes flushed. Nothing reaches it until it is enabled again."};
    Name vm;
    Name device;  // the parent
    Name wq;
    IOASIM_FIELDS(vm, device, wq)
};
struct VmReset {
    static constexpr EventName kName{
        "vm.reset", Category::Vm,
        "A VMM reset its machine: devices, bindings and IDs are gone, memory may be used again."};
    Name vm;
    IOASIM_FIELDS(vm)
};
struct VmHang {
    static constexpr EventName kName{
        "vm.hang", Category::Vm,
        "A VMM hangs: vCPUs leave their guest, and no thread of its process goes on."};
    Name vm;
    IOASIM_FIELDS(vm)
};
struct HotPlug {
    static constexpr EventName kName{
        "linux.hot_plug", Category::Software,
        "A kernel and a slot whose function is gone: link_down (the interrupt came), disconnected "
        "(nothing asks the function for anything any more), users_gone, removed (its requester id "
        "is nobody's)."};
    Name kernel;
    Name device;
    Name phase;
    IOASIM_FIELDS(kernel, device, phase)
};
struct PcieSurpriseDown {
    static constexpr EventName kName{
        "pcie.surprise_down", Category::Pcie,
        "A function is gone without notice: its link is down, and what was under way is lost."};
    Rid rid;
    IOASIM_FIELDS(rid)
};
struct IommuAux {
    static constexpr EventName kName{
        "iommu.aux", Category::Software,
        "Users of an auxiliary domain on a parent device after an attach or detach; its default "
        "PASID leads there as long as there are any."};
    Name device;
    Name space;
    Ioasid ioasid;
    std::uint32_t users = 0;
    IOASIM_FIELDS(device, space, ioasid, users)
};
struct IommuReset {
    static constexpr EventName kName{"iommu.reset", Category::Software,
                                     "The reset of a function: it begins, its PASIDs are blocked "
                                     "(prepare) and attached again (done), "
                                     "or stay blocked."};
    Name device;
    Name phase;
    std::uint32_t pasids = 0;
    IOASIM_FIELDS(device, phase, pasids)
};
struct VdevVector {
    static constexpr EventName kName{
        "vdev.vector", Category::Software,
        "The VDCM set an entry of its parent's interrupt message storage for a vector of a virtual "
        "device to a host PASID, or cleared it (on: false)."};
    Name vm;
    Name device;
    std::uint32_t vector = 0;
    std::uint32_t entry = 0;
    bool on = false;
    Spid spid;
    Ioasid ioasid;
    IOASIM_FIELDS(vm, device, vector, entry, on, spid, ioasid)
};
struct VdevTrapped {
    static constexpr EventName kName{
        "vdev.trapped", Category::Vm,
        "A guest's write to a portal that is not mapped: kept, submitted, refused (ENQCMD ends "
        "with "
        "Retry) or dropped; freed with its device; moved, saved to be restored in another device."};
    Name vm;
    Name device;
    Name outcome;
    std::uint32_t kept = 0;  // afterwards
    IOASIM_FIELDS(vm, device, outcome, kept)
};

}  // namespace ioasim::trace
