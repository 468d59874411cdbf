#include "models/vm/vm_params.hpp"

namespace ioasim::vm {

const ParamTable<VmParams>& vm_param_table() {
    static const ParamTable<VmParams> table = [] {
        using P = VmParams;
        ParamTable<P> t{"vm"};
        t.time("entry", &P::entry, 0_ps, 1_ms, 200_ns, "VM entry: host to guest",
               "modelling choice: share of a CPUID exit, 1,742 cycles with entry and handling "
               "(TUM-DSE CVM_eval, vmexit benchmark)");
        t.time("exit", &P::exit, 0_ps, 1_ms, 200_ns, "VM exit: guest to host",
               "modelling choice: share of a CPUID exit, 1,742 cycles with entry and handling "
               "(TUM-DSE CVM_eval, vmexit benchmark)");
        t.time("handle.kernel", &P::kernel_exit, 0_ps, 1_ms, 100_ns,
               "handling of an exit inside KVM",
               "modelling choice: with entry and exit about 1,200 cycles (KVM vmexit.flat)");
        t.time("handle.user", &P::user_exit, 0_ps, 10_ms, 2'600_ns,
               "way of an exit to the VMM process and back, emulation of the access included",
               "modelling choice: with entry and exit 3 us; KVM nested-exit tables show user-space "
               "exits several times above kernel exits");
        t.time("create", &P::create, 0_ps, 10'000_ms, 10_us,
               "VMM work to make a VM, memory and tables not counted",
               "modelling choice: short, since boots are not what is studied");
        t.time("kill_poll", &P::kill_poll, 1_ps, 10_ms, 5_us,
               "longest sleep of the one who waits for vCPUs to stop",
               "modelling choice: they wake it earlier");
        t.time("kill_timeout", &P::kill_timeout, 1_us, 100'000_ms, 4_ms,
               "when the wait for vCPUs is given up",
               "modelling choice: above an exit and its handling, within default run limits");
        return t;
    }();
    return table;
}

}  // namespace ioasim::vm
