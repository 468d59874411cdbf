#include "core/trace/catalogue.hpp"

#include <algorithm>

#include "core/trace/ats_events.hpp"
#include "core/trace/coherency_events.hpp"
#include "core/trace/device_events.hpp"
#include "core/trace/dsa_events.hpp"
#include "core/trace/fault_queue_events.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/migration_events.hpp"
#include "core/trace/run_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "core/trace/vfio_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::trace {
namespace {

template <class... Events>
std::vector<const EventInfo*> collect() {
    std::vector<const EventInfo*> infos{&info_of<Events>()...};
    std::sort(infos.begin(), infos.end(),
              [](const EventInfo* a, const EventInfo* b) { return a->name < b->name; });
    return infos;
}

}  // namespace

const std::vector<const EventInfo*>& catalogue() {
    // One line an event, in the order of the headers. An event missing here would be missing from
    // `ioasim trace catalogue`; a test compares the two.
    static const std::vector<const EventInfo*> all = collect<
        DsaEnqueue, DsaDispatch, DsaAccess, DsaFault, DsaComplete, DsaWqState, DsaBatchEntry,
        DsaBatchEntryDone, DsaLog, DsaLookup, DsaHalt, DsaInterrupt, DsaStoredMessage, MemoryOwner,
        MemoryAccess, PasidSpace, MemoryPoison, MemoryError, MemoryUnsnooped, CpuWbinvd,
        CoherencyAttach, CoherencyDetach, VfioDevice, KvmFile, KvmNoncoherent, KvmWbinvd,
        IoasidCapacity, IoasidSetAlloc, IoasidSetQuota, IoasidSetFree, IoasidAlloc, IoasidGet,
        IoasidPut, IoasidStateChange, IoasidFreeCall, IoasidBind, IoasidUnbind, IoasidFree,
        IoasidHandler, IoasidHandlerDone, IoasidReclaim, IoasidWork, IoasidRefused, IoasidHazard,
        IoasidCharge, RunStart, RunEnd, RunPool, RunFinding, RunDefect, RunInjection, RunInject,
        RunInjectMissed, LockAcquire, LockRelease, LockStatistics, SchedRun, SchedIdle, StepResult,
        StepMismatch, KvmBind, KvmUnbind, KvmFree, KvmTableWrite, KvmKick, VmEntry, VmExit,
        VmCreate, VmEnding, VmDestroy, VmDeviceRemoved, VirtualCommand, GuestPasidEntry, VdcmBind,
        VdcmUnbind, VdcmFree, SvaBind, SvaUnbind, IommuAttach, IommuDetach, IommuHandleGet,
        SvaHandle, SvaDomain, MmRelease, MmInvalidate, MmDrop, ProcessFork, ProcessExec, IopfGroup,
        IopfFault, IopfResponse, IopfDropped, IopfDrain, IopfForward, IopfUserResponse, IopfTimeout,
        IopfQueued, IopfRead, IopfWritten, IopfStorm, VfioRegisters, VmPageRequest, VmPageResponse,
        VmInterrupt, VmFunction, ProcessStart, ProcessExit, CpuPasid, CpuInterrupt, CpuEnqcmd,
        CpuMachineCheck, RequesterStart, RequesterDone, RequesterTraffic, RequesterTrafficDone,
        RequesterInvalidation, RequesterPageGroup, RequesterPageAnswer, PcieConfigWrite,
        PcieFunctionReset, PcieMalformed, PcieUnsupported, PcieStall, PcieResume, PcieLost,
        VtdPasidEntrySet, VtdPasidEntryClear, VtdRequest, VtdTranslated, VtdTranslationCompletion,
        VtdTranslationEntry, VtdTranslatedRequest, VtdWalkRead, VtdWalkUpdate, VtdFault, VtdFill,
        VtdDrop, VtdInvalidation, VtdInvWait, VtdDevTlbRequest, VtdDevTlbDone, VtdDescriptor,
        VtdQueueStop, VtdEventMessage, VtdInvWaitDone, VtdPrq, VtdPageRequest, VtdPageResponse,
        DriverBound, VfioAttach, VfioDetach, VfioMap, VfioUnmap, VfioRelease, PcieAddressLimit,
        RunHostUnit, RunHostFunction, VmHosted, VdevSubmissionQueued, VdevSubmissionResumed,
        VmMigration, VdevState, VdevCommand, VdevQueue, VdevPortal, VdevQuiet, VdevTrapped,
        VdevVector, VmReset, IommuReset, VmHang, HotPlug, IommuAux, PcieSurpriseDown>();
    return all;
}

const EventInfo* find_event(std::string_view name) {
    for (const EventInfo* info : catalogue()) {
        if (info->name == name) {
            return info;
        }
    }
    return nullptr;
}

}  // namespace ioasim::trace
