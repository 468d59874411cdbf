#include "models/vm/vm_params.hpp"

namespace ioasim::vm {

const ParamTable<VmParams>& vm_param_table() {
    static const ParamTable<VmParams> table = [] {
        using P = VmParams;
        ParamTable<P> t{"vm"};
        t.timing("entry", &P::entry, "VM entry: host to guest");
        t.timing("exit", &P::exit, "VM exit: guest to host");
        t.timing("handle.kernel", &P::kernel_exit, "handling of an exit inside KVM");
        t.timing("handle.user", &P::user_exit,
                 "way of an exit to the VMM process and back, emulation of the access included");
        t.flag("viommu.virtual_commands", &P::virtual_commands, true,
               "the virtual IOMMU offers PASIDs through virtual commands (ECAP.VCS, VCCAP)",
               "VT-d 11.4.48");
        t.flag("viommu.second_stages", &P::second_stages, false,
               "the virtual unit takes second-stage tables of the guest, too (ECAP.SSTS); the VMM "
               "shadows them",
               "VT-d 6.1; modelling choice: off, as a VMM with nested translation has no need");
        t.flag("viommu.early_virtual_commands", &P::early_virtual_commands, false,
               "its virtual command registers lie and look as before VT-d 3.3",
               "VT-d 3.0, 10.4.43 to 10.4.45; Linux 5.7");
        t.timing("handle.page_request", &P::page_request,
                 "VMM's work for one page request group, writes and interrupt not counted");
        t.flag("viommu.page_requests", &P::page_requests, false,
               "the virtual unit has a page-request queue; the guest's thread for it runs on a "
               "further vCPU",
               "VT-d ECAP.PRS; modelling choice: units without it keep VMs as they are");
        t.timing("create", &P::create, "VMM work to make a VM, memory and tables not counted");
        t.timing("kill_poll", &P::kill_poll,
                 "longest sleep of the one who waits for vCPUs to stop");
        t.timing("kill_timeout", &P::kill_timeout, "when the wait for vCPUs is given up");
        t.timing("migration.latency", &P::migration_latency,
                 "one way of the link between the VMMs of two hosts");
        t.timing("migration.page", &P::migration_page, "a page of 4 KiB on that link");
        t.timing("migration.poll", &P::migration_poll,
                 "one turn of the loops in which a VMM waits for vCPUs or a full workqueue");
        t.count("migration.batch", &P::migration_batch, 1, 4096, 64, "pages in one message",
                "modelling choice: 256 KiB, the size of a buffer of QEMU's multifd channels is of "
                "that order");
        t.count("migration.kept_submissions", &P::kept_submissions, 1, 65536, 128,
                "submissions that a VMM keeps while its devices stand still",
                "modelling choice: as many as the largest workqueue of a DSA has entries");
        return t;
    }();
    return table;
}

}  // namespace ioasim::vm
