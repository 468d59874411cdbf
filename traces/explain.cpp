#include "traces/explain.hpp"

#include <algorithm>

namespace ioasim::traces {

const std::vector<Explanation>& explanations() {
    static const std::vector<Explanation> kAll{
        {"ats.not_granted", "A translated request does what its translation does not allow.",
         "Nobody looks at permissions any more once an address is translated: a read-only page is "
         "written.",
         "A device TLB that keeps no permissions, or asks without No Write and forgets it."},
        {"ats.not_told",
         "A device TLB holds a translation that no translation completion gave the device.",
         "The device reaches host memory that software never opened to it, and nobody looks again.",
         "A page taken for bigger than it was told; an entry of a completion put down at another "
         "entry's address; an address of one PASID kept under another."},
        {"ats.overdrawn", "A function has more page requests outstanding than software allocated.",
         "The page-request queue is as long as the allocations of all functions: it overflows.",
         "Credits that are not counted, or come back before the response."},
        {"ats.stale_use",
         "A device used a translation after it had answered its invalidation, or was reset.",
         "Software gives the page to somebody else as soon as the answer is there.",
         "An entry that an invalidation missed; a completion that it overtook; an answer ahead of "
         "requests under way."},
        {"conservation.credit_not_back",
         "A device counts more page requests outstanding than wait for an answer.",
         "A credit that never comes back makes the allocation smaller for good; without any left "
         "the device can ask for no page, and its work stands still.",
         "An answer that is taken without giving its credits back, of a group that nobody waits "
         "for any more or that was refused; a group whose requests were counted twice."},
        {"conservation.descriptor_ended_twice", "A descriptor that had ended ended again.",
         "Software counts completions; a second one is taken for another descriptor's.",
         "An abort or reset that also ends work which an engine finishes; a lost generation "
         "check."},
        {"conservation.descriptor_lost",
         "A workqueue accepted a descriptor, and the run ended without any end of it.",
         "The submitter waits for ever: neither a completion record nor an abort told it.",
         "A reset that forgets queued or running work; an access whose answer never came back."},
        {"conservation.descriptor_unknown",
         "A descriptor ended that was never accepted, or one number was accepted twice.",
         "Device and queue disagree about what is in flight.",
         "A queue slot that was reused before its entry left; numbering that restarts at a reset."},
        {"conservation.page_request_answered_twice",
         "A page-request group was answered although none wanted an answer.",
         "The device takes the answer for another group with the same index and retries too early, "
         "or "
         "counts a credit twice.",
         "Software answers after the unit answered automatically; a drain that answers pending "
         "groups again."},
        {"conservation.page_request_unanswered",
         "A page-request group that wanted an answer never got one.",
         "The device keeps the credit and the descriptor for ever; when credits run out, it stops.",
         "A handler that was removed without draining; a queue overflow without automatic answer."},
        {"conservation.queue_not_empty",
         "Nothing is left to do, but a workqueue still holds descriptors.",
         "Slots that are never given back make the queue smaller until every ENQCMD is retried.",
         "An arbiter that skips a queue; a disabled group; an occupancy that is not counted down."},
        {"conservation.quota",
         "The number of available IDs does not follow from the sets that were made and freed.",
         "A leak of quota ends in -ENOSPC for new sets although no ID is in use.",
         "A set that dies without giving its quota back (posted code does that), or gives it back "
         "twice."},
        {"conservation.quota_exceeded", "A set has more live IDs than its quota.",
         "One tenant takes IDs that others were promised.",
         "The quota is not compared at allocation; IDs that are not counted."},
        {"conservation.submission_lost",
         "A submission that a VMM kept while a virtual device stood still reached no device.",
         "The guest's processor was told that it was accepted: its program waits for ever.",
         "A queue that does not travel with the device's state; a resubmission before the guest "
         "PASID is bound."},
        {"conservation.submission_twice",
         "A submission that a VMM had kept was handed to a device more than once.",
         "What is not idempotent is done twice; the record of the second run overwrites memory "
         "that the guest uses for something else.",
         "A queue that both sides of a migration work off, or that is not emptied."},
        {"hazard.real_code_breaks",
         "Software did what real code does not survive: a deadlock, sleeping in an atomic handler, "
         "use of freed memory. The simulation went on as if the right variant had been called.",
         "On a real machine this is a hang or a crash, often only under load.",
         "A plain call instead of its _locked variant in a notification handler; two locks taken "
         "in "
         "both orders; a drain in atomic context."},
        {"injection.not_delivered",
         "A fault that the scenario brings in from outside never took effect, or struck nobody.",
         "What the scenario is about did not happen: it would pass without it, too.",
         "A fault site that the run never passes; an event that does not come so often; a time "
         "behind the end; a victim that was gone."},
        {"invalidation.stale_fill",
         "Something was cached under a PASID whose entry had been cleared, flushed and waited for.",
         "The next owner of the PASID is served with the former owner's translations.",
         "A walk that began before the invalidation and fills its result in afterwards, without "
         "looking whether it is still current."},
        {"invalidation.stale_use",
         "A request was translated under a PASID whose entry had been cleared, flushed and waited "
         "for.",
         "The device reaches memory that software believes it has taken away.",
         "A translation cache that the invalidation did not reach; a walk that used a cached PASID "
         "entry."},
        {"invalidation.survived_wait",
         "A cached entry that an invalidation covers was still there when the wait behind it "
         "completed.",
         "Software frees memory or IDs after the wait; what survived it is a hole into both.",
         "A skipped or wrongly matched invalidation (domain, PASID, range); a wait that completes "
         "before the descriptors in front of it took effect."},
        {"isolation.foreign_memory",
         "A device read or wrote memory of another address space than the one that its PASID stood "
         "for when the descriptor was accepted.",
         "This is the failure that IOMMUs exist to prevent: one tenant reads or destroys another's "
         "data.",
         "A stale translation after the ID or the page changed hands; a PASID entry with a wrong "
         "page table; a look-up that crossed sets."},
        {"isolation.no_space",
         "A request reached memory under a PASID that never stood for any address space.",
         "Nobody answers for what that device did.",
         "A PASID entry that somebody else than the driver made present; translation that is off "
         "for a function."},
        {"isolation.unowned_memory", "A device reached memory that belongs to nobody.",
         "The page was freed and may be given to anyone at any moment.",
         "Pages were freed before the device's translations of them were invalidated."},
        {"level.missing_free",
         "An ID was freed while in use and went back to the pool, but FREE was never sent.",
         "Its users were not told to clean up.",
         "A notification that is refused or sent to the wrong scope (posted code of an early "
         "version did both)."},
        {"level.missing_unbind",
         "An ID went back to the pool with its SPID attached: BIND was sent, UNBIND never.",
         "KVM keeps translating a guest PASID to an ID that somebody else gets next.",
         "Free of an ID that only has an SPID and no other user (posted code is silent there)."},
        {"level.repeated_bind", "BIND was sent twice without an UNBIND between.",
         "Subscribers take a reference for each BIND and drop one: the ID never comes back.",
         "An SPID attached again for the second device, or another SPID over the first (posted "
         "code "
         "allows both)."},
        {"level.repeated_free", "FREE was sent twice in one life of an ID.",
         "Subscribers queue their clean-up twice and put a reference twice.",
         "A second ioasid_free that does not look whether the ID is pending already."},
        {"level.repeated_unbind", "UNBIND was sent although no BIND is open.",
         "Subscribers drop references that they do not hold.",
         "Detach without a look at the SPID; one detach for each device instead of for the last."},
        {"level.spid_used_twice", "Two IDs of one set have the same SPID at a time.",
         "A guest PASID leads to whichever of them a search meets first.",
         "Attach without asking whether the SPID is taken; an ID that still drains but is hidden "
         "from the search."},
        {"level.transition",
         "An ID changed its state in a way that the life of an ID does not have, or from a state "
         "that "
         "it was not in.",
         "Users and allocator disagree about whether the ID may be used.",
         "A missing or repeated state change; a reclaim of an ID in use."},
        {"liveness.deadlock",
         "Nothing was left to happen, but tasks still waited. The lines tell who waits for what.",
         "On a real machine this system hangs.",
         "A lock taken in both orders; a wake-up that was lost; a drain that waits for work which "
         "waits for it."},
        {"liveness.hang", "Activations went on without end in one instant.",
         "A loop of messages or wake-ups that takes no time is a livelock.",
         "Two models that answer each other at once; a retry without a back-off."},
        {"liveness.not_healed",
         "Faults from outside had ended, and what was under way did not end within the bound that "
         "follows from the platform's time-outs, retries and delays.",
         "A fault that is over may cost time, never the rest of the run: somebody still waits for "
         "what the fault took away.",
         "A time-out that nobody set or whose end nobody handles; an error path that forgets to "
         "wake who waits, or to give back what it took."},
        {"liveness.unfinished", "Work that had to end by itself did not end before the run did.",
         "Late is tolerable, never is not: somebody waits for it.",
         "A limit that is too short for the scenario; a lost wake-up; a stuck item on the ordered "
         "workqueue."},
        {"order.entry_before_cpu",
         "The last PASID entry of an ID was cleared while a VM's processors still translated to "
         "it.",
         "Running vCPUs go on submitting, and each submission becomes a fault.",
         "The IOMMU driver clears the entry first and sends UNBIND afterwards (posted code does); "
         "KVM "
         "that defers its part."},
        {"order.priority",
         "Within one notification a block was called after one of lower priority.",
         "CPU, IOMMU, device is the order in which users must let go: the source of work first.",
         "A block registered with the wrong priority; two chains that are called one after the "
         "other "
         "instead of merged."},
        {"order.queue_after_unbind",
         "A virtual device's dedicated workqueue was set to an ID whose last PASID entry had gone.",
         "UNBIND came and found no workqueue to clear: it keeps the ID from the pool, and what is "
         "submitted to it only faults.",
         "The VDCM notes what a workqueue is set to when it has been enabled, not before."},
        {"order.submit_after_drain",
         "A vCPU's submission reached a device behind the drain of a move to another host.",
         "Its completion comes while memory is copied, or later: the copy may lack the record, and "
         "the program waits for ever.",
         "A portal that stays mapped, or is unmapped without waiting for vCPUs inside of ENQCMD."},
        {"order.submit_after_quiet",
         "A descriptor reached a dedicated workqueue that the host had taken from a VM.",
         "The next owner enables the workqueue: what a vCPU wrote before then works for a "
         "stranger.",
         "The portal stayed mapped, vCPUs kept its translation, nobody waited for posted writes, "
         "or "
         "a VDCM that goes on hands on what it had kept for the workqueue."},
        {"order.submit_after_unbind",
         "A vCPU sent an ID to a device after KVM had finished UNBIND for it.",
         "The device drains what is there, then more arrives: the drain proved nothing.",
         "The translation was cleared without making running vCPUs leave guest mode."},
        {"order.work", "Ordered work started out of its queueing order, or while another item ran.",
         "W1, W2 and W3 of a teardown rely on that order: each undoes what the next assumes gone.",
         "A workqueue with more than one worker; an item put in front."},
        {"ownership.foreign_call",
         "A call by or for one VM changed an ID that belongs to another set.",
         "A guest that can free or unbind a neighbour's IDs takes its devices away.",
         "A missing comparison of the caller's set with the ID's."},
        {"ownership.foreign_reference",
         "A holder that works for one VM took or dropped a reference on another VM's ID.",
         "The ID's owner can no longer get rid of it, or loses it early.",
         "A look-up by SPID that ignores the set."},
        {"ownership.foreign_submit", "A vCPU sent an ID to a device that belongs to another set.",
         "Whatever the device does is done in the name of the other VM.",
         "A PASID translation entry with a wrong or outdated host ID."},
        {"ownership.foreign_translation", "A VM's PASID translation leads to an ID of another set.",
         "One ENQCMD is enough to work on the other VM's memory.",
         "A look-up by SPID that ignores the set; an entry that was kept when the ID changed "
         "hands."},
        {"queue.itag_in_use",
         "An ITag of device-TLB invalidations was given out twice, or answered by a function that "
         "had not got it.",
         "One device's answer counts as another's: software frees memory that a device still "
         "reaches.",
         "An ITag that is free again after the first of several completions, or at a time-out "
         "while the answer is on its way."},
        {"queue.page_still_cached",
         "A page request was queued although the unit still holds a translation of its page.",
         "After software mended the page the device is served with the old translation and asks "
         "again.",
         "The invalidation that every accepted page request implies was left out."},
        {"queue.passed_fence",
         "A descriptor took effect although a wait with fence before it was not done.",
         "Software relied on the order, for instance of responses against a drain.",
         "The fence flag of the wait was not looked at."},
        {"queue.tail_met_head", "A page request was queued and the queue's tail came to its head.",
         "Software takes the full queue for an empty one: the requests in it are lost.",
         "One descriptor's room must stay free; or software wrote a head that it had not read to."},
        {"queue.wait_passed_device",
         "An invalidation wait completed before every device TLB before it had answered.",
         "Software frees the page while the device still uses its own copy of the translation.",
         "A wait that looks at the unit's own caches only; a time-out that counts as an answer."},
        {"queue.wait_passed_pages",
         "A wait with page-request drain completed before page requests that came before it were "
         "in the queue.",
         "Software reuses the PASID and meets page requests of its former owner.",
         "The drain flag was not looked at; requests under way were not counted."},
        {"queue.wait_passed_request",
         "An invalidation wait completed while a request that was translated before the "
         "invalidation "
         "had not reached memory.",
         "Software frees the page and the device still writes to it.",
         "A wait that looks at the caches only and does not drain what is under way."},
        {"references.count",
         "The reference count did not move by one with a get or a put, or moved on a free ID.",
         "Counts that drift end in a leak or in use after free.",
         "A put that drops two references; an underflow; a count that is not kept under the lock."},
        {"references.foreign_put", "Somebody put a reference that it does not hold.",
         "The reference that went belongs to somebody who still uses the ID.",
         "A put for each device where one was taken at the first; free followed by put; a put "
         "after a "
         "get that failed."},
        {"references.get_when_pending",
         "A new reference was given out for an ID that had been freed.",
         "An ID that can be taken again while it drains may never come back.",
         "A look-up with get that does not look at the state (posted code has one)."},
        {"references.leak",
         "At the end of the run an ID has references that nobody will drop; the holders are named.",
         "The ID, its quota and its set stay taken until the next boot.",
         "A missing put in an error path or after a teardown; work that was queued and never ran."},
        {"references.reclaimed_in_use",
         "An ID went back to the pool although references were held.",
         "Its users go on with an ID that somebody else may get next.",
         "A reclaim that does not wait for the count; a count that was dropped too often."},
        {"use_after_free.access", "A device reached memory under an ID that is in the pool.",
         "Should the ID be given out again, this is the new owner's memory.",
         "A queue that was not drained; a translation in the device that was not invalidated."},
        {"use_after_free.address_space",
         "A PASID was made to lead to page tables that their process has given back.",
         "What the device then asks for is looked up in memory that may be anybody's.",
         "An entry that is made again (behind a reset of the function) by what was noted before "
         "the "
         "process ended."},
        {"use_after_free.cached",
         "An ID is in the pool, but translation caches still hold entries for it.",
         "The next owner of the ID is served with the former owner's translations.",
         "An invalidation that was not queued at teardown, or that did not match; a device TLB "
         "that "
         "was forgotten."},
        {"use_after_free.interrupt",
         "An ID is in the pool, but an entry of a device's interrupt message storage holds it.",
         "The next owner of the ID can raise the former owner's interrupt.",
         "The entry's user took no reference, or gave the entry back without clearing it."},
        {"use_after_free.pasid_entry", "An ID is in the pool, but a PASID entry for it is present.",
         "A device that still uses the ID reaches the former owner's memory without any fault.",
         "Teardown of one device only, although several were bound; a put before the teardown."},
        {"use_after_free.vmcs_table",
         "An ID is in the pool, but a VM's PASID translation leads to it.",
         "The VM's ENQCMD goes out in the name of the ID's next owner.",
         "No UNBIND was sent, or KVM put its reference before it cleared the entry."},
        {"use_after_free.workqueue",
         "An ID is in the pool, but an enabled dedicated workqueue is set to it.",
         "All work of that queue is done in the name of the ID's next owner.",
         "The queue's user took no reference, or put it before disabling the queue."},
    };
    return kAll;
}

const Explanation* find_explanation(std::string_view code) {
    const auto& all = explanations();
    const auto found = std::lower_bound(
        all.begin(), all.end(), code,
        [](const Explanation& entry, std::string_view wanted) { return entry.code < wanted; });
    return found != all.end() && found->code == code ? &*found : nullptr;
}

}  // namespace ioasim::traces
