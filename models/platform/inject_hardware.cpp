// Kinds of injections that befall hardware.
#include "models/dsa/dsa_probes.hpp"
#include "models/pcie/pcie_probes.hpp"
#include "models/platform/inject_catalogue.hpp"
#include "models/vtd/vtd_probes.hpp"

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
using T = InjectTarget;
using W = InjectWay;
using V = InjectValue;

constexpr std::uint64_t kSecond = 1'000'000'000'000;

InjectParam by(const char* initial, const char* doc) {
    return {"by", V::Time, 1, kSecond, initial, doc};
}

// On the links of PCIe functions.
std::vector<InjectKind> link_kinds() {
    const auto kind = [](std::string_view name, const FaultSite& site, std::string_view effect,
                         std::string_view noticed, std::string_view source,
                         std::string_view scenario, std::vector<InjectParam> params = {}) {
        return InjectKind{name,     T::Function, effect, noticed,          source,
                          scenario, W::Site,     &site,  std::move(params)};
    };
    return {
        kind("pcie.completion_lost", pcie::kCompletionLost,
             "The completion of a device's read is lost on the link.",
             "The device gives the read up after its completion timeout and ends what it was for "
             "with an error; tag and credits come back.",
             "PCIe 2.8", "inject/completions.json"),
        kind("pcie.completion_late", pcie::kCompletionLate,
             "The completion of a device's read is held up.",
             "Completions behind it pass; nothing else changes.", "PCIe 2.4.1",
             "inject/completions.json", {by("20us", "how late it is")}),
        kind("pcie.completion_poisoned", pcie::kCompletionPoisoned,
             "The data of a completion is marked as wrong (EP).",
             "The device does not use it: the descriptor ends with an error.", "PCIe 2.7.2",
             "inject/completions.json"),
        kind("pcie.completion_abort", pcie::kCompletionAbort,
             "A read of a device is answered with completer abort.",
             "The device ends the descriptor with an error at the address of the read.",
             "PCIe 2.3.1", "inject/completions.json"),
        kind("pcie.completion_duplicated", pcie::kCompletionDuplicated,
             "A completion reaches its device twice.",
             "The second one is unexpected: the device drops it, and no data is taken twice.",
             "PCIe 2.3.2", "inject/completions.json"),
        kind("pcie.dmwr_timeout", pcie::kDmwrTimeout,
             "The completion of an ENQCMD's deferrable write is lost.",
             "The root port gives up and answers unsupported request: the instruction tells that "
             "nothing was accepted, and software tries again.",
             "PCIe 2.8, 2.2.9.7; SDM ENQCMD", "inject/enqcmd_unanswered.json"),
        kind("pcie.page_request_lost", pcie::kPageRequestLost,
             "A page request does not reach its unit.",
             "The descriptor blocks for ever: PCIe knows no timeout for it. An abort of its PASID "
             "frees the engine; nobody else waits.",
             "PCIe 10.4.1", "inject/page_messages_lost.json"),
        kind("pcie.page_request_late", pcie::kPageRequestLate,
             "A page request is held up on its way to the unit.",
             "The page comes later; teardown waits for it.", "PCIe 10.4.1",
             "inject/page_messages_late.json", {by("50us", "how late it is")}),
        kind("pcie.page_response_lost", pcie::kPageResponseLost,
             "A page group response does not reach its device.",
             "As a lost request: an abort of the PASID frees the engine.", "PCIe 10.4.2",
             "inject/page_messages_lost.json"),
        kind("pcie.page_response_late", pcie::kPageResponseLate,
             "A page group response is held up on its way to the device.",
             "The descriptor goes on later; teardown waits for it.", "PCIe 10.4.2",
             "inject/page_messages_late.json", {by("50us", "how late it is")}),
        kind("pcie.invalidation_lost", pcie::kInvalidationLost,
             "The completion of a device-TLB invalidation does not arrive.",
             "The unit stops its queue with ITE when the time is over; the driver sees it, and "
             "the queue runs again once it is cleared.",
             "VT-d 6.5.2.11", "inject/invalidation_unanswered.json"),
        kind("pcie.invalidation_late", pcie::kInvalidationLate,
             "The completion of a device-TLB invalidation is held up, within its time.",
             "Waits behind it wait; nothing is reused before.", "PCIe 10.3.5",
             "inject/invalidation_late.json", {by("5us", "how late it is")}),
        kind("pcie.interrupt_lost", pcie::kInterruptLost,
             "An interrupt message of a device or unit is lost.",
             "Who only waits for interrupts waits for ever; the next message finds the work of "
             "both.",
             "PCIe 6.1.4", "inject/interrupt_lost.json"),
        kind("pcie.interrupt_late", pcie::kInterruptLate,
             "An interrupt message of a device or unit is held up.",
             "Its work is done later, and all of it.", "PCIe 6.1.4", "inject/interrupts.json",
             {by("20us", "how late it is")}),
        kind("pcie.interrupt_duplicated", pcie::kInterruptDuplicated,
             "An interrupt message arrives twice.",
             "The second one finds nothing to do: spurious interrupts are legal.", "PCIe 6.1.4",
             "inject/interrupts.json"),
    };
}

}  // namespace

std::vector<InjectKind> hardware_kinds() {
    std::vector<InjectKind> kinds = link_kinds();
    const std::vector<InjectKind> others{
        {"dsa.submission_retry", T::Accelerator,
         "A submission to a shared workqueue that has room is answered with retry.",
         "The submitting instruction sets ZF; software tries again, and nothing is lost or "
         "doubled.",
         "DSA specification 3.2, ENQCMD", "inject/retry_without_need.json", W::Site,
         &dsa::kSubmissionRetry},
        {"dsa.command_fails", T::Accelerator,
         "An administrative command ends with a hardware error in CMDSTS.",
         "The driver sees the status; a drain that failed is told, and what it was to wait for "
         "faults from then on.",
         "DSA specification 9.2.11", "inject/command_fails.json", W::Site, &dsa::kCommandFails},
        {"dsa.hardware_error", T::Accelerator,
         "An engine that begins a descriptor finds an error in itself: the device halts.",
         "Submissions are refused, GENSTS tells the reset that is wanted, work in the device is "
         "gone; a reset brings it back.",
         "DSA specification 5.12", "inject/device_halts.json", W::Site, &dsa::kHardwareError},
        {"dsa.hang",
         T::Accelerator,
         "An engine stands still before it decodes a descriptor.",
         "Queues fill and submissions are retried; drains and teardown wait; when it goes on "
         "nothing is lost.",
         "DSA specification 3.8",
         "inject/device_hangs.json",
         W::Site,
         &dsa::kEngineHangs,
         {by("100us", "how long it stands")}},
        {"pcie.surprise_removal", T::Slot,
         "An accelerator is pulled out of its slot while it works.",
         "Its registers read all ones, what was under way is lost without records. The slot's "
         "interrupt tells the kernel, which asks it nothing more and has its users close it; the "
         "PASIDs are unbound there, and go on elsewhere.",
         "PCIe 6.7, pciehp", "vm/ending_surprise_removed.json", W::Pull},
        {"iommu.page_queue_overflow", T::Unit,
         "A page request finds the unit's queue full, whatever its head says.",
         "PRO is set; hardware answers what finds no room with success, the device asks again "
         "and gets its page when software has cleared PRO.",
         "VT-d 7.5.2, 7.10", "inject/page_queue_overflows.json", W::Site, &vtd::kPageQueueFull},
        {"iommu.invalidation_slow",
         T::Anywhere,
         "A descriptor of the invalidation queue takes longer.",
         "Software that waits for it polls longer; nothing is reused before.",
         "VT-d 6.5.2",
         "inject/slow_unit.json",
         W::Site,
         &vtd::kInvalidationSlow,
         {by("20us", "how much longer")}},
        {"iommu.walk_slow",
         T::Anywhere,
         "A step of a page walk takes longer.",
         "The request waits; an invalidation behind it waits for the request, and what the walk "
         "found is not cached when an invalidation overtook it.",
         "VT-d 6.5.2.8",
         "inject/slow_unit.json",
         W::Site,
         &vtd::kWalkSlow,
         {by("5us", "how much longer")}},
        {"memory.poison",
         T::Anywhere,
         "Lines of 64 bytes get an error that cannot be corrected.",
         "Who reads them is told: a processor by a machine check, a device by a poisoned "
         "completion; everybody else goes on. A kernel that reads them in what is its own, "
         "as its tables, panics, and the run ends.",
         "PCIe 2.7.2.1, machine check architecture",
         "inject/memory_error.json",
         W::Memory,
         nullptr,
         {{"address", V::Address, 0, kAll, "", "host physical address of the first byte"},
          {"size", V::Size, 1, 1ULL << 30U, "64B", "bytes: all lines that they touch"}}},
    };
    kinds.insert(kinds.end(), others.begin(), others.end());
    return kinds;
}

}  // namespace ioasim::platform
