// Kinds of injections that befall the IOASID core, the kernel of the host, VMMs and processes.
#include "core/ioasid/ioasid_probes.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/platform/inject_catalogue.hpp"
#include "models/vm/vm_probes.hpp"

namespace ioasim::platform {
namespace {

using T = InjectTarget;
using W = InjectWay;
using V = InjectValue;

constexpr std::uint64_t kSecond = 1'000'000'000'000;

// Who asked for memory gets -ENOMEM and nothing else changed; the same call works later.
constexpr const char* kRefused =
    "The caller gets ENOMEM, nothing of what was begun is left, and the same call works later.";

InjectKind site(std::string_view name, std::string_view effect, std::string_view source,
                std::string_view scenario, const FaultSite& where,
                std::string_view noticed = kRefused) {
    return {name, T::Anywhere, effect, noticed, source, scenario, W::Site, &where};
}

std::vector<InjectKind> allocation_kinds() {
    return {
        site("ioasid.alloc.no_memory", "ioasid_alloc finds no memory for a new ID.",
             "drivers/iommu/ioasid.c: kzalloc", "inject/ids_without_memory.json",
             ioasid_probes::kAllocNoMemory),
        site("ioasid.alloc.set_store_no_memory",
             "ioasid_alloc finds no memory for the ID's place in its set.",
             "drivers/iommu/ioasid.c: xa_store", "inject/ids_without_memory.json",
             ioasid_probes::kSetStoreNoMemory),
        site("ioasid.set_alloc.no_memory", "ioasid_set_alloc finds no memory for a set.",
             "drivers/iommu/ioasid.c: kzalloc", "inject/sets_without_memory.json",
             ioasid_probes::kSetAllocNoMemory),
        site("ioasid.register_notifier_mm.no_memory",
             "A registration by address space finds no memory for its entry.",
             "drivers/iommu/ioasid.c: kzalloc", "inject/sets_without_memory.json",
             ioasid_probes::kRegisterNoMemory),
        site("iommu.pasid_slot", "The array of a group's PASIDs cannot grow.",
             "drivers/iommu/iommu.c: xa_insert", "inject/bind_without_memory.json",
             os::kSlotAllocation),
        site("sva.handle", "There is no memory for an attach handle.",
             "drivers/iommu/iommu-sva.c: kzalloc", "inject/bind_without_memory.json",
             os::kHandleAllocation),
        site("sva.domain", "There is no memory for an SVA domain.",
             "drivers/iommu/iommu-sva.c: iommu_sva_domain_alloc", "inject/bind_without_memory.json",
             os::kDomainAllocation),
        site("sva.iommu_mm", "There is no memory for an address space's IOMMU data.",
             "drivers/iommu/iommu-sva.c: kzalloc", "inject/bind_without_memory.json",
             os::kIommuMmAllocation),
        site("linux.alloc_pages", "A kernel's page allocation fails.", "mm/page_alloc.c",
             "inject/pages_run_out.json", os::kPageAllocation),
        site("iopf.partial",
             "There is no memory for a page request that is not the last of its "
             "group.",
             "drivers/iommu/io-pgfault.c: kzalloc", "inject/partial_request_lost.json",
             os::kPartialAllocation,
             "The request is dropped; the last one of the group finds its pages missing, is "
             "answered, and the device asks again."),
        site("iopf.group", "There is no memory for a group of page requests.",
             "drivers/iommu/io-pgfault.c: iopf_group_alloc", "inject/page_request_refused.json",
             os::kGroupAllocation,
             "The group is answered with FAILURE: the device ends the descriptor with a page "
             "fault, software touches the page and submits the rest."),
        site("iopf.handler", "The handler of page requests refuses a group.",
             "drivers/iommu/iommu-sva.c: iommu_sva_iopf_handler",
             "inject/page_request_refused.json", os::kHandlerRefusal,
             "The group is answered with INVALID: the device ends the descriptor with a page "
             "fault, software touches the page and submits the rest."),
    };
}

// What users of the IOASID core get wrong.
std::vector<InjectKind> handler_kinds() {
    return {
        {"handler.slow",
         T::Block,
         "A notification handler takes longer.",
         "Everybody who wants the allocator lock waits for it; order and result stay.",
         "atomic notifier chains, drivers/iommu/ioasid.c",
         "inject/handlers.json",
         W::Site,
         &ioasid_probes::kHandlerSlow,
         {{"by", V::Time, 1, kSecond, "50us", "how much longer"}}},
        {"handler.fails", T::Block, "A notification handler does nothing and returns an error.",
         "A BIND is given up and undone; behind an UNBIND or FREE the core cannot go back: the "
         "reference of the handler stays, and the ID is not used again.",
         "notifier_from_errno", "inject/handler_fails.json", W::Site,
         &ioasid_probes::kHandlerFails},
        {"handler.sleeps",
         T::Block,
         "A notification handler sleeps in its atomic section.",
         "A kernel with lock debugging tells it (sleeping in atomic); the call goes on.",
         "might_sleep",
         "inject/handlers.json",
         W::Site,
         &ioasid_probes::kHandlerSleeps,
         {{"by", V::Time, 1, kSecond, "1us", "how long"}}},
        {"handler.forgets_put", T::Block, "Who holds a reference on an ID does not put it.",
         "The ID stays in FREE_PENDING: it is never used again, and everybody else goes on.",
         "ioasid_put", "inject/put_forgotten.json", W::Site, &ioasid_probes::kPutForgotten},
        {"handler.puts_twice", T::Block, "Who holds a reference on an ID puts it twice.",
         "The count goes down too early: the put of nobody's reference is told.", "ioasid_put",
         "inject/put_twice.json", W::Site, &ioasid_probes::kPutTwice},
        {"ioasid.work_late",
         T::Anywhere,
         "An item of the ordered workqueue begins later.",
         "The teardown waits: the ID stays in FREE_PENDING until it is done.",
         "alloc_ordered_workqueue",
         "inject/deferred_work_late.json",
         W::Site,
         &ioasid_probes::kWorkLate,
         {{"by", V::Time, 1, kSecond, "200us", "how late"}}},
        {"vm.steal",
         T::Machine,
         "A virtual CPU that left its guest goes back in later.",
         "The guest loses the time and nothing else.",
         "steal time, KVM",
         "inject/stolen_time.json",
         W::Site,
         &vm::kStolen,
         {{"by", V::Time, 1, kSecond, "100us", "how late"}}},
        {"vm.command_refused", T::Machine, "The VMM refuses an allocation of a guest PASID.",
         "The guest gets ENOSPC from its virtual command and may ask again.",
         "VT-d 10.4.45 (VCRSP)", "inject/command_refused.json", W::Site, &vm::kCommandRefused},
    };
}

}  // namespace

std::vector<InjectKind> software_kinds() {
    std::vector<InjectKind> kinds = allocation_kinds();
    const std::vector<InjectKind> handlers = handler_kinds();
    kinds.insert(kinds.end(), handlers.begin(), handlers.end());
    const std::vector<InjectKind> steps{
        {"process.kill",
         T::Process,
         "A process of the host gets SIGKILL.",
         "It ends at its next chance: its files are closed, its PASID is unbound and drained "
         "before its memory goes.",
         "kernel/signal.c, exit_mmap",
         "inject/process_killed.json",
         W::Steps,
         nullptr,
         {},
         "host/kernel",
         R"([{"kill": "${target}"}])"},
        {"vm.kill",
         T::Machine,
         "The VMM of a virtual machine gets SIGKILL.",
         "vCPUs leave, devices are quieted, every ID of the set is freed and reclaimed; other "
         "machines go on.",
         "kernel/signal.c, vfio release",
         "inject/machine_ends.json",
         W::Steps,
         nullptr,
         {},
         "host/kernel",
         R"([{"kill": "${target}"}])"},
        {"vm.hang",
         T::Machine,
         "The VMM of a virtual machine hangs: vCPUs and all of its threads stop.",
         "Page requests of the guest stay unanswered, those of others are served; whoever wants a "
         "device back asks in vain until the VMM is killed, which answers them Invalid.",
         "SIGSTOP, kernel/signal.c",
         "vm/ending_vmm_hangs.json",
         W::Steps,
         nullptr,
         {},
         "host/kernel",
         R"([{"hang": "${target}"}])"},
        {"vm.reset",
         T::Machine,
         "The VMM resets its machine.",
         "Devices are reset before memory is used again, every PASID is unbound and freed.",
         "qemu_system_reset",
         "inject/machine_ends.json",
         W::Steps,
         nullptr,
         {},
         "${target}/vmm",
         R"([{"vm_reset": true}])"},
        {"vm.unplug",
         T::Machine,
         "The VMM takes an assigned device away without asking.",
         "Submissions find no portal; work of the VM in the device is ended, its IDs are unbound "
         "there; other machines go on.",
         "vfio-pci hot unplug",
         "inject/device_taken_away.json",
         W::Steps,
         nullptr,
         {{"device", V::Text, 0, 0, "", "the device, as the guest calls it"}},
         "${target}/vmm",
         R"([{"unplug": "${device}"}])"},
        {"vdev.reset",
         T::VirtualDevice,
         "The VMM resets a virtual device (VFIO_DEVICE_RESET).",
         "Its queue is quieted and cleared, the reference on its PASID is dropped.",
         "vfio mdev",
         "inject/virtual_device.json",
         W::Steps,
         nullptr,
         {},
         "${vm}/vmm",
         R"([{"mdev": "reset", "device": "${target}"}])"},
        {"vdev.pause",
         T::VirtualDevice,
         "The VMM pauses a virtual device for a while.",
         "Submissions trap and are kept, as many as the queue has entries (more: refused, or lost "
         "as "
         "posted writes are); the resume hands them on, once each, but for those whose queue was "
         "disabled, whose PASID was unbound or whose device was reset meanwhile.",
         "vfio migration",
         "inject/virtual_device.json",
         W::Steps,
         nullptr,
         {{"by", V::Time, 1, kSecond, "50us", "how long"}},
         "${vm}/vmm",
         R"([{"mdev": "pause", "device": "${target}"}, {"sleep": "${by}"},
             {"mdev": "resume", "device": "${target}"}])"},
        {"device.function_reset",
         T::Accelerator,
         "The kernel resets a function under the PASIDs that are attached.",
         "DMA is blocked, work in the device is gone, everything is attached again behind it.",
         "pci_reset_function",
         "inject/function_reset.json",
         W::Steps,
         nullptr,
         {},
         "host/kernel",
         R"([{"function_reset": "${target}"}])"},
        {"device.fault_queue_removed",
         T::Function,
         "A device is taken off its unit's fault queue while it has page requests.",
         "What it asked for is answered, so that nothing blocks.",
         "iopf_queue_remove_device",
         "inject/fault_queue_removed.json",
         W::Steps,
         nullptr,
         {},
         "host/kernel",
         R"([{"iopf_remove": "${target}"}])",
         "",
         true},
        {"ioasid.quota_changed",
         T::Machine,
         "The quota of a machine's set changes under its feet.",
         "What it has it keeps; beyond the new quota it gets ENOSPC until enough came back.",
         "ioasid_adjust_set",
         "inject/quota_changed.json",
         W::Steps,
         nullptr,
         {{"quota", V::Number, 0, 0x100000, "", "the new quota"}},
         "host/kernel",
         R"([{"adjust_set": "${target}", "quota": "${quota}"}])"},
        {"ioasid.lock_held",
         T::Anywhere,
         "Somebody holds the allocator lock for long.",
         "Every caller spins and then goes on; nobody is passed over.",
         "ioasid_allocator_lock",
         "inject/lock_held.json",
         W::Steps,
         nullptr,
         {{"by", V::Time, 1, kSecond, "100us", "how long"}},
         "host/kernel",
         R"([{"lock": "allocator"}, {"spend": "${by}"}, {"unlock": "allocator"}])"},
        {"cpu.hog",
         T::Anywhere,
         "A process keeps a processor of the host busy.",
         "Others share it in time slices; software that waits for hardware waits longer, and "
         "nothing is lost.",
         "kernel/sched",
         "inject/processor_busy.json",
         W::Steps,
         nullptr,
         {{"cpu", V::Number, 0, 255, "0", "the processor"},
          {"by", V::Time, 1, kSecond, "500us", "how long"}},
         "host",
         R"([{"run_on": "${cpu}"}, {"spend": "${by}"}])"},
    };
    kinds.insert(kinds.end(), steps.begin(), steps.end());
    return kinds;
}

}  // namespace ioasim::platform
