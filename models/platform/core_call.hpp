// The calls that a program may make at the IOASID core and at what stands around it: cgroup files,
// /dev/ioasid, ordered work, notification blocks, locks. One table names each call with its
// arguments; the scenario language derives its steps from it and `CoreCalls` performs them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/ioasid/switches.hpp"

namespace ioasim::platform {

enum class CallKind : std::uint8_t {
    // capacity
    InstallCapacity,
    ReserveCapacity,
    CancelCapacity,
    // sets
    SetAlloc,
    DeclareSet,
    SetFree,
    SetFreeV1,
    FreeAll,
    AdjustSet,
    ForEach,
    FindMmSet,
    FindSet,
    FindSid,
    IsInSet,
    // IDs
    Get,
    GetLocked,
    GetIfOwned,
    Put,
    PutLocked,
    Lookup,
    AttachData,
    DetachData,
    SetData,
    // SPIDs
    AttachSpid,
    DetachSpid,
    Find,
    // notifiers and deferred work
    RegisterNotifier,
    UnregisterNotifier,
    RegisterNotifierMm,
    UnregisterNotifierMm,
    Notify,
    QueueWork,
    // allocators
    RegisterAllocator,
    UnregisterAllocator,
    // cgroup files
    CgroupCreate,
    CgroupRemove,
    CgroupMax,
    CgroupMove,
    CgroupRead,
    // /dev/ioasid
    DevOpen,
    DevClose,
    DevAlloc,
    DevFree,
    DevIoctl,
    // PASID arrays of groups, references on address spaces, faults of devices
    AttachDomain,
    DetachDomain,
    HandleGet,
    HandleUse,
    MmGrab,
    MmDrop,
    IopfRemove,
    FunctionReset,
    // what surrounds them
    MmExit,
    FailNext,
    Lock,
    Unlock,
    Signal,
    Await,
};

// What the value of a step's own key is.
enum class CallSubject : std::uint8_t {
    NewId,   // a variable that receives an ID
    Id,      // a variable, "event" or a number
    Number,  // below 2^32
    NewSet,  // names a set from here on
    Set,
    Block,
    Work,
    Allocator,
    Mm,     // names an address space
    Group,  // a path of the cgroup hierarchy ("/vms/vm1")
    Site,   // a fault site by name
    Lock,
    Device,
    Name,  // of a signal, of a handle
    True,
};

enum class CallArg : std::uint8_t {
    Set,
    Mm,
    Token,
    Quota,
    Type,
    Private,
    Destroy,
    Data,
    Getter,
    Spid,
    Get,
    Holder,
    Event,
    Scope,
    Id,
    Limit,
    File,
    Process,
    Cancel,
    Argsz,
    Flags,
    Min,
    Max,
    Device,
    Domain,
    Bare,
    As,
};

enum class CallValue : std::uint8_t { Number, Flag, Name, Choice, Id, NumberOrName };

struct CallArgSpec {
    CallArg arg;
    const char* key;
    CallValue value;
    std::vector<const char*> choices;  // Choice; NumberOrName: the names, empty for any
    const char* doc;
};

struct CallSpec {
    const char* key;
    CallKind kind;
    CallSubject subject;
    std::vector<CallArg> required;
    std::vector<CallArg> optional;
    const char* doc;
};

const std::vector<CallSpec>& call_specs();
const CallSpec& call_spec(CallKind kind);
const CallArgSpec& arg_spec(CallArg arg);
// Why a profile has no such call; empty: it has it. What a profile merely answers with an error
// (mainline's sets) is a call too, where the real function exists.
std::string missing_in(CallKind kind, const Switches& switches);

struct CoreCall {
    CallKind kind = CallKind::Get;
    std::string subject;       // name, variable, or a number in decimal
    std::uint64_t number = 0;  // Number
    std::map<CallArg, std::uint64_t> numbers;
    std::map<CallArg, std::string> names;

    bool has(CallArg arg) const { return numbers.count(arg) != 0 || names.count(arg) != 0; }
    std::uint64_t number_of(CallArg arg, std::uint64_t otherwise = 0) const {
        const auto found = numbers.find(arg);
        return found == numbers.end() ? otherwise : found->second;
    }
    std::string name_of(CallArg arg, const std::string& otherwise = {}) const {
        const auto found = names.find(arg);
        return found == names.end() ? otherwise : found->second;
    }
};

}  // namespace ioasim::platform
