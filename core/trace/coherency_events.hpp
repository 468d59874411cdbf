// Events of I/O coherency: accesses that are not snooped, caches that are written back as a whole,
// and what kernels know and promise about both.
#pragma once

#include "core/trace/event.hpp"

namespace ioasim::trace {

struct MemoryUnsnooped {
    static constexpr EventName kName{
        "memory.unsnooped", Category::Memory,
        "A device's access that is not snooped passed by lines that processors hold."};
    Rid rid;
    Hpa hpa;
    std::uint64_t bytes = 0;
    bool write = false;
    std::uint64_t lines = 0;
    std::uint64_t modified = 0;  // of them; a processor holds them newer than memory
    IOASIM_FIELDS(rid, hpa, bytes, write, lines, modified)
};

struct CpuWbinvd {
    static constexpr EventName kName{
        "cpu.wbinvd", Category::Cpu,
        "A processor wrote its modified lines back and dropped all that it held."};
    Name cpu;
    std::uint64_t lines = 0;
    std::uint64_t written_back = 0;
    IOASIM_FIELDS(cpu, lines, written_back)
};

struct CoherencyAttach {
    static constexpr EventName kName{
        "coherency.attach", Category::Software,
        "A device was attached to a domain of an address space, or that was refused."};
    Name space;
    Name device;
    std::uint32_t domain = 0;
    bool enforced = false;  // the domain's tables force snooping
    bool made = false;      // the domain is new
    Errno error = Errno::Ok;
    IOASIM_FIELDS(space, device, domain, enforced, made, error)
};

struct CoherencyDetach {
    static constexpr EventName kName{"coherency.detach", Category::Software,
                                     "A device left its domain of an address space."};
    Name space;
    Name device;
    std::uint32_t domain = 0;
    bool gone = false;  // the domain, too
    IOASIM_FIELDS(space, device, domain, gone)
};

struct VfioDevice {
    static constexpr EventName kName{
        "vfio.device", Category::Software,
        "The file of a device: it was opened or closed, bound to /dev/iommu, or its driver was "
        "called to open or close the device."};
    Name device;
    Name state;
    Name vm;  // whose it is, as far as the driver knows
    IOASIM_FIELDS(device, state, vm)
};

struct KvmFile {
    static constexpr EventName kName{
        "kvm.file", Category::Software,
        "A VMM told KVM of a file whose devices the virtual machine has, or took it back."};
    Name vm;
    Name file;
    bool added = false;
    bool noncoherent = false;  // some file of the VM has a domain that does not force snooping
    Errno error = Errno::Ok;
    IOASIM_FIELDS(vm, file, added, noncoherent, error)
};

struct KvmNoncoherent {
    static constexpr EventName kName{
        "kvm.noncoherent", Category::Software,
        "The number of parties that say non-coherent DMA is possible in a VM crossed 0."};
    Name vm;
    std::uint32_t count = 0;
    std::uint64_t zapped = 0;  // pages whose memory type is built anew
    IOASIM_FIELDS(vm, count, zapped)
};

enum class WbinvdAction : std::uint8_t { Ignored, Emulated };
inline constexpr const char* kWbinvdActionLabels[] = {"ignored", "emulated"};
constexpr Labels labels_of(WbinvdAction) {
    return {kWbinvdActionLabels, std::size(kWbinvdActionLabels)};
}

struct KvmWbinvd {
    static constexpr EventName kName{"kvm.wbinvd", Category::Software,
                                     "KVM served a WBINVD of a guest."};
    Name vm;
    Name vcpu;
    WbinvdAction action = WbinvdAction::Ignored;
    std::uint32_t cpus = 0;  // whose caches were written back
    IOASIM_FIELDS(vm, vcpu, action, cpus)
};

}  // namespace ioasim::trace
