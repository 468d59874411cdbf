#include "models/linux/kernel_params.hpp"

namespace ioasim::os {
namespace {

using P = KernelParams;

void add_entries(ParamTable<P>& t) {
    t.timing("entry.syscall", &P::syscall, "system call, entry and exit");
    t.timing("entry.exception", &P::exception, "exception of a user program, handled and returned");
    t.timing("entry.interrupt", &P::interrupt,
             "from the start of an interrupt handler's thread to its first line");
    t.timing("mm.minor_fault", &P::minor_fault,
             "bringing in an anonymous page: allocation, clearing, accounting; without the entry");
    t.timing("mm.major_fault", &P::major_fault, "bringing in a page that storage has");
    t.timing("entry.wrmsr", &P::wrmsr, "write of IA32_PASID");
}

void add_drivers(ParamTable<P>& t) {
    t.count("iommu.queue_size", &P::qi_size_code, 0, 7, 1,
            "IQA.QS: the invalidation queue has 128 << QS descriptors",
            "Linux intel/dmar.c: 256 descriptors of 256 bits");
    t.timing("iommu.poll", &P::iommu_poll,
             "one turn of the loop that polls a status word or GSTS, without the access");
    t.timing("iommu.timeout", &P::iommu_timeout,
             "when the driver gives up on the unit (Linux: 10 s, then panic)");
    t.flag("iommu.early_virtual_commands", &P::early_virtual_commands, false,
           "a guest's driver knows the virtual command registers as they were before VT-d 3.3",
           "Linux 5.7 (before) and 5.9 (after): intel-iommu.h, intel/pasid.h");
    t.timing("sva.bind", &P::sva_bind,
             "software part of a bind: locks, allocations, notifier registration");
    t.timing("sva.unbind", &P::sva_unbind, "software part of an unbind");
    t.count("sva.set_quota", &P::set_quota, 1, 0x100000, 1000,
            "quota of the set that a process gets at its first allocation",
            "default PASID quota of Linux VFIO of that time (pasid_quota)");
    t.timing(
        "pci.flr_wait", &P::pci_flr_wait,
        "sleep after a function-level reset, before the function is asked whether it is there");
    t.timing("pci.reset_poll", &P::pci_reset_poll,
             "first pause when it is not; each next one is twice as long");
    t.timing("pci.reset_timeout", &P::pci_reset_timeout,
             "when the PCI core gives up on it, after that sleep");
    t.timing("idxd.poll", &P::idxd_poll, "pause between two reads of CMDSTS");
    t.count("idxd.busy_looks", &P::idxd_busy_looks, 1, 1'000'000, 256,
            "looks at CMDSTS with the processor kept; it sleeps between later ones",
            "modelling choice: Linux sleeps until the completion interrupt of a command");
    t.timing("idxd.timeout", &P::idxd_timeout, "when the driver gives up on a device command");
    t.timing("idxd.look_again", &P::idxd_look_again,
             "from a drain that was given up to the first look whether the device has finished; "
             "each next pause is twice as long");
    t.count("idxd.looks", &P::idxd_looks, 0, 40, 11, "so many looks at most",
            "modelling choice: 40 ms in all, beyond what injected hangs take");
}

void add_sva(ParamTable<P>& t) {
    t.flag("sva.system_set", &P::sva_system_set, false,
           "one set for the PASIDs of all processes, taken before units are probed; when the pool "
           "is smaller, scalable mode stays off",
           "VT-d patch of the IOASID series (system set); its review: every user makes its own");
    t.count("aux.quota", &P::aux_quota, 1, 0x100000, 1000,
            "quota of the set of default PASIDs of auxiliary domains",
            "this model's choice: Linux takes them from the whole space");
    t.count("aux.last_pasid", &P::aux_last_pasid, 1, 0xFFFFF, 0xFFFFF,
            "highest default PASID of an auxiliary domain",
            "intel-iommu 5.x: the PASIDs of the unit");
    t.count("sva.system_quota", &P::sva_system_quota, 1, 0x400000, 0x8000, "quota of that set",
            "PID_MAX_DEFAULT of Linux");
    t.flag("sva.posted_form", &P::sva_posted_form, false,
           "bind as in the sixth posting of the series that removed the handle list: no test for "
           "the same mm, and -EBUSY of the look-up goes on to attach",
           "iommu: Remove sva handle list, v6 02/10, and its review");
    t.timing("sva.publish", &P::sva_publish, "from the live PASID entry to the published handle");
    t.count("iopf.queue_size", &P::prq_size_code, 0, 7, 5,
            "PQA.PQS: the page-request queue has 4 KiB << PQS", "Linux intel/prq.c: PRQ_ORDER");
    t.count("iopf.allocation", &P::pri_allocation, 1, 512, 32,
            "outstanding page requests that a function may have", "Linux intel/iommu.c: PRQ_DEPTH");
    t.timing("iopf.report", &P::iopf_report,
             "one descriptor of the page-request queue in the interrupt thread");
    t.count("iopf.workers", &P::iopf_workers, 1, 8, 2, "groups of a unit that are handled at once",
            "modelling choice: an unbound workqueue on few processors");
    t.count("iopf.failure_code", &P::iopf_failure_code, 2, 15, 2,
            "response code of FAILURE: what the driver writes, any unused code counts as failure",
            "Linux writes its own number as it is; PCI Express 10.4.2.2 has 15");
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
    t.timing("kvm.kick", &P::kick_send,
             "sending an inter-processor interrupt to a vCPU's processor");
    t.timing("kvm.kick_poll", &P::kick_poll,
             "one turn of the loop that waits for vCPUs to leave guest mode");
    t.timing("kvm.kick_timeout", &P::kick_timeout,
             "when KVM stops waiting for a vCPU (real code waits for ever)");
    t.timing("kvm.late_clear_poll", &P::late_clear_poll,
             "poll of the delayed clean-up that the defect kvm.late_clear starts");
    t.flag(
        "kvm.wbinvd_exit", &P::wbinvd_exit, true,
        "the processors can make WBINVD of a guest exit; otherwise it executes in the guest, and "
        "KVM writes back a processor that a vCPU leaves",
        "Intel SDM vol. 3, secondary processor-based controls, bit 6");
    t.timing("kvm.zap", &P::kvm_zap,
             "taking away the mapping of a guest page, when all are built anew");
    t.flag("iommufd.one_answer_for_all", &P::coherency_one_for_all, false,
           "with one device of an I/O address space whose unit cannot force snooping no unit does; "
           "otherwise each does where it can",
           "proposal and reply on the linux-iommu list, June 2021 (/dev/ioasid)");
    t.flag("iommufd.promise_kept", &P::coherency_promise, false,
           "once KVM was told that DMA is coherent, an attach that would change that is refused; "
           "otherwise KVM is asked again",
           "the same discussion: tracking or blocking of changes");
    t.flag(
        "iommufd.devices_one_by_one", &P::devices_one_by_one, false,
        "each device of a group is attached by itself, and an I/O address space takes no mappings "
        "before the group is complete; otherwise the first one takes the others with it",
        "first proposal of /dev/ioasid, May 2021; iommufd attaches groups");
    t.timing("work.poll", &P::flush_poll,
             "longest sleep of a task that waits for what need not wake it (references that others "
             "put, a guest's work in the hands of another vCPU) before it looks again");
    t.timing("work.timeout", &P::flush_timeout,
             "when a task gives up on deferred work or on references that stay");
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
    t.timing("vfio.request_interval", &P::request_interval,
             "how often a VMM is asked again to close a device that is removed");
    t.flag("vfio.ioasid_closed_first", &P::ioasid_closed_first, false,
           "when a VMM ends, /dev/ioasid is released before the files of its mediated devices",
           "exit_files closes in order of descriptors, which is the VMM's choice");
}

void add_pasid_spaces(ParamTable<P>& t) {
    t.choice("iommu.pasid_space", &P::pasid_spaces, {"system", "vm"}, PasidSpaces::System,
             "whose numbers a VM's PASIDs are: of the one space of the system, or of a space of "
             "its own, on functions that it has for itself",
             "review of \"iommu/ioasid: Create an IOASID set for host SVA use\" (2020): VT-d; Arm");
    t.choice("iommu.pasid_table", &P::pasid_tables, {"rid", "vm"}, PasidTables::Rid,
             "what has a PASID table: each function, or each VM for all functions that it has for "
             "itself",
             "the same discussion: \"the PASID table is per VM instead of per RID?\"");
    t.choice("iommu.pasid_users", &P::pasid_users, {"all", "sva", "private"}, PasidUsers::All,
             "what PASIDs are used for: address spaces of processes, domains of drivers and "
             "guests, or both",
             "the same discussion: systems using only SVA, and systems using only private PASIDs");
    t.count("sva.shared_contexts", &P::shared_contexts, 0, 0x100000, 0,
            "address spaces of processes that may be bound at once; 0: no bound of their own",
            "the same discussion: on Arm a little less than 0x10000, the number of ASIDs; arm64 "
            "pins at most all but one a processor and two");
    t.timing("iommu.prq_timeout", &P::prq_timeout,
             "a page request group that its handler has not answered after this is answered "
             "Invalid; 0: never");
    t.count(
        "iopf.storm_requests", &P::storm_groups, 0, 65536, 0,
        "so many page requests of one function within the window are a storm: its page requests "
        "are switched off, and its owner is told; 0: no limit",
        "modelling choice: Linux has no limit, and a queue is shared by all functions of a unit");
    t.timing("iopf.storm_window", &P::storm_window, "window in which page requests are counted");
}

void add_guest_faults(ParamTable<P>& t) {
    t.count("vfio.fault_ring", &P::fault_ring, 1, 4096, 64,
            "page request groups that a VMM has not read yet; more are answered Invalid",
            "modelling choice: VFIO's fault region of the vSVA series is a few pages");
    t.timing("vfio.fault", &P::vfio_fault,
             "copying a page request group to a VMM's fault region and signalling its eventfd");
    t.timing("kvm.interrupt", &P::kvm_interrupt,
             "KVM's part of an interrupt that a VMM raises in a vCPU, without the kick");
}

void add_user(ParamTable<P>& t) {
    t.timing("user.descriptor", &P::descriptor_build,
             "building a 64-byte descriptor, fence included");
    t.count("user.enqcmd_retries", &P::enqcmd_retries, 0, 1'000'000, 1000,
            "ENQCMD attempts after the first before the program gives up",
            "modelling choice: user libraries retry far longer than the kernel's 32");
    t.timing("user.backoff", &P::backoff_first,
             "pause after the first refused ENQCMD; doubles each time");
    t.timing("user.backoff_limit", &P::backoff_limit, "longest pause between two attempts");
    t.timing("user.poll", &P::completion_poll,
             "one turn of the loop that polls a completion record, without the load");
    t.timing("user.timeout", &P::completion_timeout, "when a program gives up on completions");
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
        add_sva(t);
        add_vm_host(t);
        add_vfio(t);
        add_guest_faults(t);
        add_pasid_spaces(t);
        add_user(t);
        return t;
    }();
    return table;
}

}  // namespace ioasim::os
