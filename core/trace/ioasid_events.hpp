// Events of the IOASID core. `kernel` names the kernel instance whose core it is ("host", "vm1").
// One life: alloc -> (get/put, bind/unbind) -> [free] -> reclaim; state changes are told separately
// and only when the state really changes.
//
// References: the one of alloc belongs to the holder "owner". ioasid_free drops it: free_call, then
// (unless the ID was pending already) put with holder "owner". Every get and put names its holder,
// and the same party uses the same name for both ("kvm/vm1", "iommu", "vdcm/dsa0"). `set` is the
// set of the ID, except in free_call and refused, where it is the set that the caller named.
#pragma once

#include <iterator>

#include "core/trace/event.hpp"
#include "core/trace/hazard_kinds.hpp"

namespace ioasim::trace {

enum class IoasidState : std::uint8_t { Free, Idle, Active, FreePending };
inline constexpr const char* kIoasidStateLabels[] = {"FREE", "IDLE", "ACTIVE", "FREE_PENDING"};
constexpr Labels labels_of(IoasidState) {
    return {kIoasidStateLabels, std::size(kIoasidStateLabels)};
}

enum class IoasidNotification : std::uint8_t { None, Alloc, Free, Bind, Unbind };
inline constexpr const char* kIoasidNotificationLabels[] = {"NONE", "ALLOC", "FREE", "BIND",
                                                            "UNBIND"};
constexpr Labels labels_of(IoasidNotification) {
    return {kIoasidNotificationLabels, std::size(kIoasidNotificationLabels)};
}

struct IoasidCapacity {
    static constexpr EventName kName{"ioasid.capacity", Category::Ioasid,
                                     "The pool of IDs of a kernel: total and still available."};
    Name kernel;
    std::uint64_t total = 0;
    std::uint64_t available = 0;
    IOASIM_FIELDS(kernel, total, available)
};
struct IoasidSetAlloc {
    static constexpr EventName kName{"ioasid.set_alloc", Category::Ioasid,
                                     "A set was made with its quota taken from the pool."};
    Name kernel;
    Name set;
    std::uint32_t number = 0;
    std::uint64_t quota = 0;
    std::uint64_t available = 0;
    IOASIM_FIELDS(kernel, set, number, quota, available)
};
struct IoasidSetQuota {
    static constexpr EventName kName{"ioasid.set_quota", Category::Ioasid,
                                     "The quota of a living set was changed."};
    Name kernel;
    Name set;
    std::uint64_t quota = 0;
    std::uint64_t available = 0;
    IOASIM_FIELDS(kernel, set, quota, available)
};
struct IoasidSetFree {
    static constexpr EventName kName{"ioasid.set_free", Category::Ioasid,
                                     "A set was destroyed; available is the pool after it."};
    Name kernel;
    Name set;
    std::uint64_t available = 0;
    IOASIM_FIELDS(kernel, set, available)
};
struct IoasidAlloc {
    static constexpr EventName kName{
        "ioasid.alloc", Category::Ioasid,
        "An ID left the pool with one reference; ALLOC goes to the set."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    std::uint64_t live = 0;
    IOASIM_FIELDS(kernel, set, ioasid, live)
};
struct IoasidGet {
    static constexpr EventName kName{"ioasid.get", Category::Ioasid,
                                     "A reference was taken; refs is the count after it."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    std::uint32_t refs = 0;
    Name holder;
    IOASIM_FIELDS(kernel, set, ioasid, refs, holder)
};
struct IoasidPut {
    static constexpr EventName kName{"ioasid.put", Category::Ioasid,
                                     "A reference was dropped; refs is the count after it."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    std::uint32_t refs = 0;
    Name holder;
    IOASIM_FIELDS(kernel, set, ioasid, refs, holder)
};
struct IoasidStateChange {
    static constexpr EventName kName{"ioasid.state", Category::Ioasid,
                                     "The state of an ID changed."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    IoasidState from = IoasidState::Free;
    IoasidState to = IoasidState::Free;
    IOASIM_FIELDS(kernel, set, ioasid, from, to)
};
struct IoasidFreeCall {
    static constexpr EventName kName{"ioasid.free_call", Category::Ioasid,
                                     "ioasid_free was called by the owner (or refused: result)."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    Errno result = Errno::Ok;
    IOASIM_FIELDS(kernel, set, ioasid, result)
};
struct IoasidBind {
    static constexpr EventName kName{"ioasid.bind", Category::Ioasid,
                                     "BIND is sent: an SPID was attached to an ID."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    Spid spid;
    IOASIM_FIELDS(kernel, set, ioasid, spid)
};
struct IoasidUnbind {
    static constexpr EventName kName{"ioasid.unbind", Category::Ioasid,
                                     "UNBIND is sent: the SPID of an ID goes away."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    Spid spid;
    IOASIM_FIELDS(kernel, set, ioasid, spid)
};
struct IoasidFree {
    static constexpr EventName kName{
        "ioasid.free", Category::Ioasid,
        "FREE is sent: an ID in use was freed and waits for its users."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    Spid spid;
    IOASIM_FIELDS(kernel, set, ioasid, spid)
};
struct IoasidHandler {
    static constexpr EventName kName{"ioasid.handler", Category::Ioasid,
                                     "A notification block is called; higher priority first."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    IoasidNotification notification = IoasidNotification::None;
    Name block;
    std::uint32_t priority = 0;
    Name chain;  // "global" or "set"
    IOASIM_FIELDS(kernel, set, ioasid, notification, block, priority, chain)
};
struct IoasidHandlerDone {
    static constexpr EventName kName{
        "ioasid.handler_done", Category::Ioasid,
        "A notification block returned; stop ends the rest of its chain."};
    Name kernel;
    Ioasid ioasid;
    Name block;
    bool stop = false;
    TimePs took;
    IOASIM_FIELDS(kernel, ioasid, block, stop, took)
};
struct IoasidReclaim {
    static constexpr EventName kName{"ioasid.reclaim", Category::Ioasid,
                                     "The last reference went: the ID is back in the pool."};
    Name kernel;
    Name set;
    Ioasid ioasid;
    std::uint64_t live = 0;
    IOASIM_FIELDS(kernel, set, ioasid, live)
};
struct IoasidWork {
    static constexpr EventName kName{"ioasid.work", Category::Ioasid,
                                     "Ordered work: phase is queued, start or done."};
    Name kernel;
    Name work;
    Ioasid ioasid;
    Name phase;
    IOASIM_FIELDS(kernel, work, ioasid, phase)
};
struct IoasidRefused {
    static constexpr EventName kName{"ioasid.refused", Category::Ioasid,
                                     "A call was refused; caller is the context that asked."};
    Name kernel;
    Name operation;
    Name set;
    Ioasid ioasid;
    Errno result = Errno::Einval;
    Name caller;
    IOASIM_FIELDS(kernel, operation, set, ioasid, result, caller)
};
struct IoasidHazard {
    static constexpr EventName kName{"ioasid.hazard", Category::Ioasid,
                                     "Where real code would deadlock, corrupt or use freed memory: "
                                     "kind, actor, lock, call chain."};
    Name kernel;
    IoasidHazardKind kind = IoasidHazardKind::SelfDeadlock;
    Name actor;
    Name lock;
    Name chain;
    IOASIM_FIELDS(kernel, kind, actor, lock, chain)
};
struct IoasidCharge {
    static constexpr EventName kName{
        "ioasid.charge", Category::Ioasid,
        "The ioasids cgroup controller charged (delta 1) or uncharged."};
    Name kernel;
    Name group;
    bool charge = true;
    Errno result = Errno::Ok;
    std::uint64_t current = 0;
    IOASIM_FIELDS(kernel, group, charge, result, current)
};

}  // namespace ioasim::trace
