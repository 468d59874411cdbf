#include "models/linux/kernel_params.hpp"

namespace ioasim::os {
namespace {

using P = KernelParams;

void add_entries(ParamTable<P>& t) {
    t.time("entry.syscall", &P::syscall, 0_ps, 10_us, 90_ns, "system call, entry and exit",
           "lmbench null call on a Xeon 8575C: Asterinas benchmark data, Linux baseline");
    t.time("entry.exception", &P::exception, 0_ps, 10_us, 490_ns,
           "exception of a user program, handled and returned",
           "lmbench protection fault on a Xeon 8575C: Asterinas benchmark data");
    t.time("entry.wrmsr", &P::wrmsr, 0_ps, 10_us, 50_ns, "write of IA32_PASID",
           "modelling choice: 100 cycles, the order of serialising MSR writes");
}

void add_drivers(ParamTable<P>& t) {
    t.count("iommu.queue_size", &P::qi_size_code, 0, 7, 1,
            "IQA.QS: the invalidation queue has 128 << QS descriptors",
            "Linux intel/dmar.c: 256 descriptors of 256 bits");
    t.time("iommu.poll", &P::iommu_poll, 1_ps, 1_ms, 20_ns,
           "one turn of the loop that polls a status word or GSTS, without the access",
           "modelling choice: a PAUSE of server processors, about 40 cycles");
    t.time("iommu.timeout", &P::iommu_timeout, 1_us, 100'000_ms, 1_ms,
           "when the driver gives up on the unit (Linux: 10 s, then panic)",
           "modelling choice: longer than any healthy invalidation, within default run limits");
    t.time("sva.bind", &P::sva_bind, 0_ps, 100_ms, 5_us,
           "software part of a bind: locks, allocations, notifier registration",
           "modelling choice: no published number; the table and queue accesses come on top");
    t.time("sva.unbind", &P::sva_unbind, 0_ps, 100_ms, 5_us, "software part of an unbind",
           "modelling choice: no published number; invalidation and drain come on top");
    t.count("sva.set_quota", &P::set_quota, 1, 0x100000, 1000,
            "quota of the set that a process gets at its first allocation",
            "default PASID quota of Linux VFIO of that time (pasid_quota)");
    t.time("idxd.poll", &P::idxd_poll, 1_ps, 1_ms, 200_ns, "pause between two reads of CMDSTS",
           "modelling choice: a few hundred cycles");
    t.time("idxd.timeout", &P::idxd_timeout, 1_us, 100'000_ms, 2_ms,
           "when the driver gives up on a device command",
           "modelling choice: longer than a healthy drain, within default run limits");
}

void add_vm_host(ParamTable<P>& t) {
    t.flag("vdcm.drain_on_free", &P::drain_on_free, false,
           "when an ID is freed under DMA, wait until a shared workqueue has finished its "
           "descriptors, instead of letting the cleared PASID entry block them",
           "posted IDXD mediation code drains; the IOASID document asks it of what a driver "
           "programmed, and a shared workqueue holds no PASID");
    t.flag("kvm.register_first", &P::register_first, true,
           "KVM and VDCM register for events by mm before the VM's set exists (they wait for it); "
           "otherwise behind it",
           "modelling choice: the IOASID document allows both orders");
    t.time("kvm.kick", &P::kick_send, 0_ps, 1_ms, 300_ns,
           "sending an inter-processor interrupt to a vCPU's processor",
           "modelling choice: a third of the 1,500 to 3,000 cycles of a KVM IPI round "
           "(KVM single-target IPI fast-path patch)");
    t.time("kvm.kick_poll", &P::kick_poll, 1_ps, 1_ms, 50_ns,
           "one turn of the loop that waits for vCPUs to leave guest mode",
           "modelling choice: a PAUSE and a cached load");
    t.time("kvm.kick_timeout", &P::kick_timeout, 1_us, 1'000_ms, 1_ms,
           "when KVM stops waiting for a vCPU (real code waits for ever)",
           "modelling choice: far above an exit, so that only a broken vCPU gets there");
    t.time("kvm.late_clear_poll", &P::late_clear_poll, 1_ps, 1_ms, 500_ns,
           "poll of the delayed clean-up that the defect kvm.late_clear starts",
           "modelling choice: shorter than a teardown");
    t.flag(
        "kvm.wbinvd_exit", &P::wbinvd_exit, true,
        "the processors can make WBINVD of a guest exit; otherwise it executes in the guest, and "
        "KVM writes back a processor that a vCPU leaves",
        "Intel SDM vol. 3, secondary processor-based controls, bit 6");
    t.time("kvm.zap", &P::kvm_zap, 0_ps, 100_us, 20_ns,
           "taking away the mapping of a guest page, when all are built anew",
           "modelling choice: an entry of a page table and its bookkeeping");
    t.flag("iommufd.one_answer_for_all", &P::coherency_one_for_all, false,
           "with one device of an I/O address space whose unit cannot force snooping no unit does; "
           "otherwise each does where it can",
           "proposal and reply on the linux-iommu list, June 2021 (/dev/ioasid)");
    t.flag("iommufd.promise_kept", &P::coherency_promise, false,
           "once KVM was told that DMA is coherent, an attach that would change that is refused; "
           "otherwise KVM is asked again",
           "the same discussion: tracking or blocking of changes");
    t.time("work.poll", &P::flush_poll, 1_ns, 1_ms, 10_us,
           "longest sleep of a task that waits for deferred work before it looks again",
           "modelling choice: the worker wakes it earlier");
    t.time("work.timeout", &P::flush_timeout, 1_us, 100'000_ms, 4_ms,
           "when a task gives up on deferred work or on references that stay",
           "modelling choice: above a healthy teardown and drain, within default run limits");
}

void add_vfio(ParamTable<P>& t) {
    t.choice("iommu.address_limits", &P::address_limits, {"firmware", "dma_mask", "none"},
             AddressLimits::Firmware,
             "where the list of reserved regions gets the end of a bus from: a region that the "
             "firmware's table tells; what is above the device's dma_mask and beyond the aperture "
             "it is attached to; nowhere",
             "review of the RFC \"Reserved regions for IOVAs beyond dma_mask and iommu aperture\" "
             "(2020); that RFC; Linux as it is");
    t.count("vfio.iova_range_version", &P::iova_range_version, 1, 2, 1,
            "version of the capability that tells usable ranges",
            "VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE is version 1; patch 3 of that RFC made it 2");
    t.count("vfio.dma_entry_limit", &P::dma_entry_limit, 1, 1U << 24U, 65535,
            "mappings that a container may hold",
            "module parameter dma_entry_limit of vfio_iommu_type1");
    t.count("vfio.memlock", &P::memlock_pages, 0, 1U << 30U, 0,
            "pages that a process may pin; 0: no limit, as with CAP_IPC_LOCK",
            "RLIMIT_MEMLOCK; modelling choice: VMMs are given the capability or a large limit");
    t.flag("vfio.unsafe_interrupts", &P::unsafe_interrupts, true,
           "devices may be attached although their unit remaps no interrupts",
           "module parameter allow_unsafe_interrupts of vfio_iommu_type1, there off; modelling "
           "choice: units here have no interrupt remapping");
}

void add_user(ParamTable<P>& t) {
    t.time("user.descriptor", &P::descriptor_build, 0_ps, 10_us, 15_ns,
           "building a 64-byte descriptor, fence included",
           "DSA-2LM (USENIX ATC 2025): 6 ns for a pre-built one; hw-eval of accel-datapath");
    t.count("user.enqcmd_retries", &P::enqcmd_retries, 0, 1'000'000, 1000,
            "ENQCMD attempts after the first before the program gives up",
            "modelling choice: user libraries retry far longer than the kernel's 32");
    t.time("user.backoff", &P::backoff_first, 1_ps, 1_ms, 100_ns,
           "pause after the first refused ENQCMD; doubles each time",
           "modelling choice: half an ENQCMD round trip");
    t.time("user.backoff_limit", &P::backoff_limit, 1_ps, 10_ms, 3'200_ns,
           "longest pause between two attempts", "modelling choice: a few 4-KiB copies");
    t.time("user.poll", &P::completion_poll, 1_ps, 1_ms, 20_ns,
           "one turn of the loop that polls a completion record, without the load",
           "modelling choice: a PAUSE of server processors, about 40 cycles");
    t.time("user.timeout", &P::completion_timeout, 1_us, 100'000_ms, 5_ms,
           "when a program gives up on completions",
           "modelling choice: above any healthy latency, within default run limits");
    t.count("user.window", &P::submit_window, 1, 4096, 64,
            "descriptors that a program has in flight at most",
            "hw-eval of accel-datapath: sliding windows of 16 to 128");
}

}  // namespace

const ParamTable<KernelParams>& kernel_param_table() {
    static const ParamTable<KernelParams> table = [] {
        ParamTable<P> t{"kernel"};
        add_entries(t);
        add_drivers(t);
        add_vm_host(t);
        add_vfio(t);
        add_user(t);
        return t;
    }();
    return table;
}

}  // namespace ioasim::os
