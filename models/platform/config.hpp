// What a platform is made of, typed and validated: the scenario language fills it in, the builder
// (platform.hpp) turns it into objects and bindings. No JSON here, no models there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/params.hpp"
#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/base/types.hpp"
#include "models/platform/bare_step.hpp"
#include "models/platform/core_call.hpp"
#include "models/platform/injections.hpp"

namespace ioasim::platform {

// A parameter of a component set away from its default: component is an instance name ("iommu0",
// "dsa0") or a kind ("iommu", "device", "cpu", "kernel", "memory", "ioasid", "dispatcher").
struct ParamOverride {
    std::string component;
    std::string path;
    std::uint64_t value = 0;
};

struct IommuConfig {
    std::string name;
    std::uint32_t node = 0;  // the socket that it and its devices belong to
    std::string host = "host";
};

struct WorkqueueConfig {
    std::string name;
    bool shared = true;
    std::uint32_t size = 16;      // entries
    std::uint32_t threshold = 0;  // shared: 0 means size
    std::uint32_t priority = 10;  // 1..15
};

// An accelerator, or a function that bare programs drive as they like.
enum class DeviceKind : std::uint8_t { Dsa, Requester };

// What firmware says of a device: addresses that it needs or that are taken, by the words of sysfs
// ("direct", "direct-relaxable", "reserved", "msi", "software-msi"), and how far the bus reaches.
struct RegionConfig {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::string type;
};
struct FirmwareConfig {
    std::vector<RegionConfig> regions;
    std::uint32_t address_bits = 64;
};

struct DeviceConfig {
    std::string name;
    DeviceKind kind = DeviceKind::Dsa;
    std::string iommu;
    std::optional<Rid> rid;  // none: assigned in order of listing
    bool ats = false;
    bool grouped = true;   // false: the kernel has no IOMMU group for it
    bool hotplug = false;  // it is in a slot, from which it can be pulled
    std::uint32_t engines = 1;
    std::vector<WorkqueueConfig> workqueues;
    std::string group;                // the IOMMU group; empty: one of its own
    std::uint32_t address_bits = 64;  // that the bus above it passes on
    FirmwareConfig firmware;
};

// The requester id of the device at this position.
Rid rid_of(const DeviceConfig& device, std::size_t index);

struct PasidRange {
    std::uint32_t min = 1;
    std::uint32_t max = 0xFFFFF;
};

// A mediated device: a workqueue of an accelerator as a function of its own.
struct MdevConfig {
    std::string name;
    std::string device;  // the parent
    std::string workqueue;
    bool aux = false;  // the VM's memory is an auxiliary domain of the parent
};

struct VmConfig {
    std::string name;
    std::uint32_t vcpus = 1;
    std::uint64_t quota = 1000;
    std::uint64_t memory_bytes = std::uint64_t{4} << 20U;
    PasidRange gpasids;                    // guest PASIDs (SPIDs) that the VMM hands out
    PasidRange pasids;                     // host IDs that the VMM asks for
    std::vector<std::string> functions{};  // requesters that it has for itself
    std::vector<MdevConfig> mdevs{};       // none: all accelerators, by their queues
    std::string host = "host";             // where it starts
};

enum class StepKind : std::uint8_t {
    Alloc,  // get a PASID into variable `id` (guest: virtual command; host: ioasid_alloc)
    Free,   // give the PASID back
    Bind,   // bind the process's address space to `device` under PASID `id`
    Unbind,
    Submit,      // `count` descriptors `op` of `size` bytes to `device`/`workqueue`
    Wait,        // until every submitted descriptor has a completion record (or `timeout`)
    Sleep,       // let `duration` pass
    Spend,       // keep the CPU for `duration`
    Exit,        // the process ends here
    Kill,        // kill the VM's VMM process `target`, or the process of a program
    Hang,        // the VMM process `target` stops where it is
    Call,        // `call`
    Bare,        // `bare`, of a bare program
    Machine,     // `bare`, executed by the kernel under the program
    User,        // `bare`, of a process that uses VFIO
    Unplug,      // take `device` away from the VM
    Migrate,     // move the VM to the host `target`, with host IDs of `range`
    Mdev,        // the VMM asks `op` of the virtual device `device`
    Command,     // command `op` with `data` to the device, through its registers
    QueuePasid,  // WQCFG of `device`/`workqueue`: the PASID of `id`, or none
    Open,        // `device`/`workqueue` for the address space of PASID `id`
    Close,
    Panic,    // the guest's kernel stops where it is
    VmReset,  // the VMM resets its machine
    Mmap,     // a mapping of `size` under the name `target`
    Munmap,
    Fork,    // the process gets the child `target`, a program of its own
    Thread,  // the process gets the thread `target`, a program of its own
    Exec,    // the process goes on with an empty address space
    Absent,  // not in this cell
};

struct Step {
    StepKind kind = StepKind::Sleep;
    std::string id;   // variable name ("A") or a number in decimal ("202")
    std::string set;  // the set that the call names; empty: the program's own
    std::string device;
    std::string workqueue;
    std::string target;
    std::string op;          // "noop", "memmove"
    std::uint64_t size = 0;  // bytes per descriptor
    std::uint64_t count = 1;
    std::uint64_t pattern = 0;  // first byte of the source data; each page of the buffer differs
    std::optional<PasidRange> range;
    std::uint64_t data = 0;  // Alloc by a kernel thread: private data
    bool wait = true;        // Submit: wait for the completions before the next step
    std::string source;      // Submit: mappings to use instead of fresh buffers
    std::string destination;
    bool block_on_fault = false;  // Submit: the device may ask for pages
    bool credits = true;          // Submit: never more than the dedicated queue holds
    bool populate = true;         // Mmap: all pages at once
    bool writable = true;
    bool on_storage = false;
    bool close_files = true;  // Exit: the program closes what it has open
    TimePs duration;          // Sleep, Spend; Wait: timeout (0: none)
    CoreCall call;
    BareStep bare;
    // The wanted result; any other is a failed expectation. Unset: must succeed.
    std::optional<Errno> error;
    bool any_result = false;  // whatever comes: expectations judge it
    bool looked_at = false;   // Submit: an expectation wants its buffers, which are kept for it
    std::string where;        // "file:line:col" of the step, for messages
};

constexpr const char* kBare = "bare";  // where a program without a kernel runs

struct ProgramConfig {
    std::string on;       // "host", "host/kernel", "vm1/vcpu0", "vm2/vmm", "bare"
    std::string process;  // "app"; the program's full name is on/process
    std::string parent;   // its first moment is that program's fork; empty: `start`
    bool thread = false;  // not a child, but a thread of `parent`'s process
    std::string mm;       // kernel thread: the address space that it acts for; empty: none
    TimePs start;
    bool settle = false;  // bare: each step ends when the hardware is idle
    bool go_on = false;   // bare: a failing step does not end the program
    std::vector<Step> steps;
};

// What kernel code of a scenario consists of beside its threads.
struct BlockConfig {
    std::string name;
    int priority = 0;
    TimePs cost;                                  // each call
    std::map<std::string, std::vector<Step>> on;  // by event: "FREE"
    std::map<std::string, std::string> returns;   // by event: "OK", "STOP", "BAD"; else DONE
};
struct WorkConfig {
    std::string name;
    std::vector<Step> steps;
};
// A provider of numbers: first those of `gives`, whatever was asked for, then the lowest free ones.
struct AllocatorConfig {
    std::string name;
    std::string functions;  // providers of equal functions share a group
    std::vector<std::uint32_t> gives;
    TimePs cost;
};
struct LockConfig {
    std::string name;
    bool sleeps = false;  // a mutex
};
struct KernelCodeConfig {
    std::vector<BlockConfig> blocks;
    std::vector<WorkConfig> works;
    std::vector<AllocatorConfig> allocators;
    std::vector<LockConfig> locks;
};

// A fault from outside and what starts it: a time, an event, or nothing. Then every call of a fault
// site counts, or every matching event: the n-th one is it, or each draws its lot.
struct InjectionConfig {
    InjectFault fault;
    std::optional<TimePs> at;
    std::optional<InjectEvent> when;
    std::uint64_t nth = 1;        // of the events
    std::uint64_t nth_call = 1;   // of the calls of a fault site, from then on
    std::uint64_t chance_of = 0;  // so many of...; 0: no chance, but the n-th
    std::uint64_t chance_in = 1;
    std::string stream;                              // of the draws
    std::uint64_t count = 1;                         // so often at most; 0: any number
    std::uint64_t extent = 0;                        // Site: how much
    std::map<std::string, std::uint64_t> numbers{};  // parameters of other ways
    ProgramConfig program{};                         // Steps
    std::size_t act = 0;                             // the step of it that is the fault
    bool certain = true;                             // it must take effect
    std::string trigger;                             // as text
};

// When faults from outside end, and how long the same run takes without them.
struct HealConfig {
    TimePs at;
    TimePs work;
};

struct PlatformConfig {
    std::uint64_t cpus = 4;
    std::string ioasid_profile = "spec";
    // Single switches away from the profile's preset: name, value ("on", "off", a label).
    std::vector<std::pair<std::string, std::string>> ioasid_switches;
    std::uint64_t ioasid_capacity = 0x100000;
    std::vector<std::string> hosts;  // beside "host"
    std::vector<IommuConfig> iommus;
    std::vector<DeviceConfig> devices;
    std::vector<VmConfig> vms;
    std::vector<ProgramConfig> programs;
    std::vector<InjectionConfig> injections{};
    std::optional<HealConfig> heal{};
    KernelCodeConfig kernel;
    bool stop_at_hazard = false;  // instead of going on as if the right call had been made
    // Nobody boots a kernel: every program is bare, and there is one.
    bool without_kernel() const;
    std::vector<ParamOverride> params;
    std::vector<std::string> defects;
    // Determinism test: modules that do nothing, and another order of construction.
    std::uint32_t bystanders = 0;
    std::uint64_t shuffle = 0;
};

// The names of all hosts, "host" first.
std::vector<std::string> host_names(const PlatformConfig& config);
// The host whose kernel owns the device: that of its unit.
const std::string& host_of(const PlatformConfig& config, const DeviceConfig& device);

// The lists of steps by their names in results: of a program ("host/app"), of a notification block
// for an event ("kvm/FREE"), of deferred work ("w1").
std::map<std::string, const std::vector<Step>*> step_lists(const PlatformConfig& config);
std::map<std::string, std::vector<Step>*> step_lists(PlatformConfig& config);

}  // namespace ioasim::platform
