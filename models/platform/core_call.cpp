// The table of calls: what the language accepts, what the manual lists.
#include "models/platform/core_call.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace ioasim::platform {

const std::vector<CallSpec>& call_specs() {
    using K = CallKind;
    using S = CallSubject;
    using A = CallArg;
    static const std::vector<CallSpec> specs{
        {"install_capacity", K::InstallCapacity, S::Number, {}, {}, "set the size of the pool"},
        {"reserve_capacity",
         K::ReserveCapacity,
         S::Number,
         {},
         {},
         "take so many IDs out of the pool (0: all that is left); its value is what was taken"},
        {"cancel_capacity",
         K::CancelCapacity,
         S::Number,
         {},
         {},
         "give so many back; its value is what is available then"},

        {"set_alloc",
         K::SetAlloc,
         S::NewSet,
         {},
         {A::Type, A::Token, A::Mm, A::Quota, A::Private},
         "make a set that goes by this name from here on"},
        {"declare_set",
         K::DeclareSet,
         S::NewSet,
         {},
         {},
         "a bare tag for IDs, where sets are not managed (mainline)"},
        {"set_free", K::SetFree, S::Set, {}, {}, "destroy the set, or mark it for its last ID"},
        {"set_free_v1",
         K::SetFreeV1,
         S::Set,
         {},
         {A::Destroy},
         "the call of the first series: frees every ID, then the set if told to"},
        {"free_all", K::FreeAll, S::Set, {}, {}, "free every ID of the set, ascending"},
        {"adjust_set", K::AdjustSet, S::Set, {A::Quota}, {}, "change the quota"},
        {"for_each", K::ForEach, S::Set, {}, {}, "walk the set; its value is the number of IDs"},
        {"find_mm_set",
         K::FindMmSet,
         S::Mm,
         {},
         {},
         "the set of an address space; its value is the set's number"},
        {"find_set", K::FindSet, S::Id, {}, {}, "the set of an ID; its value is its number"},
        {"find_sid",
         K::FindSid,
         S::Id,
         {},
         {},
         "the call of the first series: number of the ID's set"},
        {"is_in_set", K::IsInSet, S::Id, {}, {A::Set}, "whether the set has the ID: 1 or 0"},

        {"get", K::Get, S::Id, {}, {A::Set, A::Holder}, "take a reference"},
        {"get_locked",
         K::GetLocked,
         S::Id,
         {},
         {A::Set, A::Holder},
         "take a reference with the allocator lock held"},
        {"get_if_owned",
         K::GetIfOwned,
         S::Id,
         {},
         {A::Mm, A::Holder},
         "take a reference if the ID's set belongs to the address space"},
        {"put",
         K::Put,
         S::Id,
         {},
         {A::Set, A::Holder},
         "drop a reference; its value is 1 when that was the last one, else 0 (as for an ID that "
         "is "
         "gone: ioasid_put returns a bool and no error)"},
        {"put_locked",
         K::PutLocked,
         S::Id,
         {},
         {A::Set, A::Holder},
         "drop a reference with the allocator lock held"},
        {"lookup",
         K::Lookup,
         S::Id,
         {},
         {A::Set, A::Getter},
         "ioasid_find: its value is the private data"},
        {"attach_data", K::AttachData, S::Id, {A::Data}, {A::Set}, "give the ID private data"},
        {"detach_data", K::DetachData, S::Id, {}, {A::Set}, "take it away and wait for readers"},
        {"set_data", K::SetData, S::Id, {A::Data}, {}, "mainline: replace it, wait for readers"},

        {"attach_spid",
         K::AttachSpid,
         S::Id,
         {A::Spid},
         {A::Set},
         "give the ID this set-private ID"},
        {"detach_spid", K::DetachSpid, S::Id, {}, {A::Set}, "take the set-private ID away"},
        {"find",
         K::Find,
         S::NewId,
         {A::Spid},
         {A::Set, A::Get, A::Holder},
         "look up a set-private ID; the ID found goes into this variable"},

        {"register_notifier",
         K::RegisterNotifier,
         S::Block,
         {},
         {A::Set},
         "put a block on the chain of a set (default: on the global chain)"},
        {"unregister_notifier",
         K::UnregisterNotifier,
         S::Block,
         {},
         {A::Set},
         "take a block off its chain and wait until no call of it runs"},
        {"register_notifier_mm",
         K::RegisterNotifierMm,
         S::Block,
         {},
         {A::Mm},
         "put a block on the chain of the set of an address space, now or when it is made"},
        {"unregister_notifier_mm", K::UnregisterNotifierMm, S::Block, {}, {A::Mm}, "undo that"},
        {"notify",
         K::Notify,
         S::Id,
         {A::Event},
         {A::Scope, A::Set},
         "send an event; its value is what the last chain returned"},
        {"queue_work",
         K::QueueWork,
         S::Work,
         {},
         {A::Id},
         "put work into the ordered workqueue; its value is 0 when it waits there already"},

        {"register_allocator",
         K::RegisterAllocator,
         S::Allocator,
         {},
         {},
         "a provider of numbers precedes the default one"},
        {"unregister_allocator", K::UnregisterAllocator, S::Allocator, {}, {}, "it goes away"},

        {"cgroup_create", K::CgroupCreate, S::Group, {}, {}, "make a group (mkdir)"},
        {"cgroup_remove", K::CgroupRemove, S::Group, {}, {}, "remove a group (rmdir)"},
        {"cgroup_max", K::CgroupMax, S::Group, {A::Limit}, {}, "write ioasids.max"},
        {"cgroup_move",
         K::CgroupMove,
         S::Group,
         {},
         {A::Process, A::Cancel},
         "move a program's process into the group (write cgroup.procs)"},
        {"cgroup_read",
         K::CgroupRead,
         S::Group,
         {},
         {A::File},
         "read a file of the group; its value is the number in it"},

        {"dev_open", K::DevOpen, S::True, {}, {A::Mm}, "open /dev/ioasid as an address space"},
        {"dev_close", K::DevClose, S::True, {}, {A::Mm}, "close the file opened by it"},
        {"dev_alloc",
         K::DevAlloc,
         S::NewId,
         {},
         {A::Min, A::Max, A::Mm, A::Argsz, A::Flags},
         "ioctl: allocate an ID"},
        {"dev_free", K::DevFree, S::Id, {}, {A::Mm}, "ioctl: give an ID back"},
        {"dev_ioctl",
         K::DevIoctl,
         S::Number,
         {},
         {A::Mm, A::Argsz, A::Flags},
         "another ioctl by its number (100 version, 101 info)"},

        {"attach_domain",
         K::AttachDomain,
         S::Id,
         {A::Device, A::Domain},
         {A::Process, A::Bare},
         "attach a domain under this PASID, as other users of the group's PASID array do"},
        {"detach_domain", K::DetachDomain, S::Id, {A::Device}, {}, "undo that"},
        {"handle_get",
         K::HandleGet,
         S::Id,
         {A::Device},
         {A::Domain, A::As},
         "iommu_attach_handle_get; its value is the handle's number"},
        {"handle_use",
         K::HandleUse,
         S::Name,
         {},
         {},
         "look into a handle that was got; its value is its users"},
        {"mm_grab",
         K::MmGrab,
         S::Mm,
         {},
         {},
         "a reference on a process's mm_struct (mmgrab): its PASID stays"},
        {"mm_drop", K::MmDrop, S::Mm, {}, {}, "drop it (mmdrop)"},
        {"iopf_remove",
         K::IopfRemove,
         S::Device,
         {},
         {},
         "take a device off the fault queue: what is pending is answered Invalid"},
        {"function_reset",
         K::FunctionReset,
         S::Device,
         {},
         {},
         "reset a function under its PASIDs (pci_reset_function): blocked, reset, attached again"},

        {"mm_exit",
         K::MmExit,
         S::Mm,
         {},
         {},
         "the last user of an address space is gone; the next new one gets its address, unless a "
         "set keeps it"},
        {"fail_next",
         K::FailNext,
         S::Site,
         {},
         {},
         "the next call that comes by this fault site fails (\"ioasid.alloc.no_memory\")"},
        {"lock", K::Lock, S::Lock, {}, {}, "take a lock (\"allocator\": the core's own)"},
        {"unlock", K::Unlock, S::Lock, {}, {}, "let it go"},
        {"signal", K::Signal, S::Name, {}, {}, "whoever awaits this name goes on"},
        {"await", K::Await, S::Name, {}, {}, "until somebody signalled this name"},
    };
    return specs;
}

const CallSpec& call_spec(CallKind kind) {
    const CallSpec& spec = call_specs()[static_cast<std::size_t>(kind)];
    SIM_CHECK(spec.kind == kind, "the table of calls is out of order at {}", spec.key);
    return spec;
}

const CallArgSpec& arg_spec(CallArg arg) {
    using A = CallArg;
    using V = CallValue;
    static const std::vector<CallArgSpec> specs{
        {A::Set, "set", V::Name, {}, "the set named in the call (default: the program's own)"},
        {A::Mm,
         "mm",
         V::Name,
         {},
         "an address space by name; with dev_ calls: whose file (default: the program's own)"},
        {A::Token, "token", V::Number, {}, "the token of a set without address space"},
        {A::Quota, "quota", V::Number, {}, "IDs that the set may hold; 0: all that is left"},
        {A::Type,
         "type",
         V::NumberOrName,
         {"mm", "none"},
         "kind of set (default: mm with an \"mm\", else none); a number is an illegal kind"},
        {A::Private, "private", V::Flag, {}, "a set with numbers of its own and no quota"},
        {A::Destroy, "destroy", V::Flag, {}, "destroy the set too"},
        {A::Data, "data", V::Number, {}, "private data: any number but 0; 0 is the NULL pointer"},
        {A::Getter, "getter", V::Choice, {"accept", "refuse"}, "what the caller's getter answers"},
        {A::Spid, "spid", V::NumberOrName, {"none"}, "the set-private ID"},
        {A::Get, "reference", V::Flag, {}, "take a reference too"},
        {A::Holder, "holder", V::Name, {}, "whose reference it is (default: the program's)"},
        {A::Event, "event", V::Choice, {"ALLOC", "FREE", "BIND", "UNBIND"}, "the event"},
        {A::Scope,
         "scope",
         V::NumberOrName,
         {"all", "set", "both"},
         "chains: global (all), of the set, both (default); a number is taken as flags"},
        {A::Id, "id", V::Id, {}, "the ID that it is about"},
        {A::Limit, "limit", V::NumberOrName, {"max"}, "the number, or \"max\""},
        {A::File, "file", V::Choice, {"current", "max", "events"}, "which (default: current)"},
        {A::Process,
         "process",
         V::Name,
         {},
         "whose task it is, by the program's full name (default: this one)"},
        {A::Cancel, "cancel", V::Flag, {}, "the move is undone (cancel_attach)"},
        {A::Argsz, "argsz", V::Number, {}, "size that the caller states (default: the right one)"},
        {A::Flags, "flags", V::Number, {}, "flags"},
        {A::Min, "min", V::Number, {}, "lowest ID wanted"},
        {A::Max, "max", V::Number, {}, "highest ID wanted"},
        {A::Device, "device", V::Name, {}, "the device"},
        {A::Domain,
         "domain",
         V::Choice,
         {"any", "sva", "nested", "unmanaged"},
         "type of domain (default: any)"},
        {A::Bare, "bare", V::Flag, {}, "without an attach handle"},
        {A::As, "as", V::Name, {}, "the name by which the handle is used later"},
    };
    const CallArgSpec& spec = specs[static_cast<std::size_t>(arg)];
    SIM_CHECK(spec.arg == arg, "the table of arguments is out of order at {}", spec.key);
    return spec;
}

namespace {

std::string missing_where_sets_are_tags(CallKind kind) {
    switch (kind) {
        case CallKind::AttachSpid:
        case CallKind::DetachSpid:
        case CallKind::Find:
            return "it has no SPIDs";
        case CallKind::SetAlloc:
        case CallKind::SetFree:
        case CallKind::SetFreeV1:
        case CallKind::FreeAll:
        case CallKind::AdjustSet:
        case CallKind::ForEach:
        case CallKind::FindMmSet:
        case CallKind::FindSet:
        case CallKind::FindSid:
        case CallKind::IsInSet:
        case CallKind::DevOpen:
        case CallKind::DevClose:
        case CallKind::DevAlloc:
        case CallKind::DevFree:
        case CallKind::DevIoctl:
            return "its sets are bare tags (declare_set)";
        case CallKind::AttachData:
        case CallKind::DetachData:
            return "private data is given with alloc and replaced with set_data";
        case CallKind::GetLocked:
        case CallKind::PutLocked:
        case CallKind::GetIfOwned:
            return "it has no such call";
        case CallKind::RegisterNotifier:
        case CallKind::UnregisterNotifier:
        case CallKind::RegisterNotifierMm:
        case CallKind::UnregisterNotifierMm:
        case CallKind::Notify:
        case CallKind::QueueWork:
            return "it has no notifications";
        case CallKind::InstallCapacity:
        case CallKind::ReserveCapacity:
        case CallKind::CancelCapacity:
            return "it has no pool";
        case CallKind::CgroupCreate:
        case CallKind::CgroupRemove:
        case CallKind::CgroupMax:
        case CallKind::CgroupMove:
        case CallKind::CgroupRead:
            return "it has no controller";
        default:
            return {};
    }
}

}  // namespace

std::string missing_in(CallKind kind, const Switches& switches) {
    if (!switches.subsystem) {
        return {};  // the header's stubs are there, and answer
    }
    const bool counts = kind == CallKind::Get || kind == CallKind::GetLocked ||
                        kind == CallKind::GetIfOwned || kind == CallKind::Put ||
                        kind == CallKind::PutLocked;
    if (counts && !switches.reference_counts) {
        return "it does not count references";
    }
    if (!switches.managed_sets) {
        return missing_where_sets_are_tags(kind);
    }
    if (kind == CallKind::DeclareSet) {
        return "sets are made with set_alloc";
    }
    return kind == CallKind::SetData ? "private data is attached and detached" : "";
}

}  // namespace ioasim::platform
