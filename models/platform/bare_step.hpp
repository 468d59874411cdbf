// The steps of bare programs: software without a kernel under it, which programs the hardware
// itself as a driver's unit test would; and those of processes that use VFIO (vfio_steps.cpp). One
// table names each step with its arguments; the scenario language derives its steps from it,
// `BareProgram` and `VfioUser` perform them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ioasim::platform {

enum class BareKind : std::uint8_t {
    Store,  // memory
    Check,
    MemoryPoll,
    Flush,
    Wbinvd,
    RunOn,
    MmioWrite,  // registers
    MmioRead,
    MmioPoll,
    ConfigWrite,  // configuration space of a function
    ConfigRead,
    ConfigPoll,
    Dma,  // requests of a test requester
    DmaWait,
    Settle,
    Tables,  // what a remapping unit reads from memory
    PageTable,
    Map,
    Unmap,
    EntryStore,
    EntryCheck,
    RootTable,
    Context,
    PasidDirectory,
    PasidEntry,
    Enable,  // a remapping unit's driver
    Disable,
    Invalidate,
    Queue,
    Sync,
    Fault,
    NoFault,
    Interrupt,
    DsaEnable,  // an accelerator's driver
    DsaCommand,
    Descriptor,
    Enqueue,
    Poison,  // from outside
    Fail,
    DriverBind,  // the administrator of a host
    DriverUnbind,
    ReservedRegions,
    ContainerOpen,  // a process that uses VFIO
    ContainerClose,
    GroupJoin,
    GroupLeave,
    IommuSet,
    IommuInfo,
    DmaMap,
    DmaUnmap,
    PasidRequest,
    PasidRelease,
    DeviceOpen,
    DeviceClose,
    DeviceDma,
    DeviceTraffic,
    Buffer,
    BufferCheck,
    IommuOpen,  // a process that uses /dev/iommu
    IommuClose,
    SpaceAlloc,
    SpaceDestroy,
    SpaceMap,
    SpaceUnmap,
    SpaceAllow,
    SpaceRanges,
    LeafCheck,
    CdevOpen,
    CdevClose,
    IommuBind,
    SpaceAttach,
    SpaceDetach,
    KvmDevice,  // and tells KVM
    KvmAdd,
    KvmRemove,
    HwptAlloc,  // page tables and fault objects of /dev/iommu
    HwptDestroy,
    SpaceReplace,
    FaultQueue,
    FaultClose,
    FaultDestroy,
    FaultWait,
    FaultRead,
    FaultRespond,
    DeviceErrorWait,
    IovaOpen,  // a guest's kernel: I/O virtual addresses of a PASID
    IovaClose,
    IovaMap,
    IovaUnmap,
    IovaCopy,
    VectorRequest,  // its interrupts
    VectorRelease,
    Instruction,  // a process, or its kernel
};

// Whose steps these are.
// Machine: of bare programs, and of kernels for programs on a processor of theirs. Registers: of
// bare programs, and of guests on their virtual IOMMU. User: of processes, of hosts and of guests.
enum class StepFamily : std::uint8_t { Bare, Process, Machine, Registers, Guest, User };

// What a value looks like in a scenario.
enum class BareValue : std::uint8_t {
    Number,   // 12, "0x1000" or "4KiB"
    Numbers,  // a list of them
    Bytes,    // "00ff10"
    Flag,
    Choice,
    Time,
    Text,
    Unit,    // the name of an IOMMU or device
    Device,  // the name of a test requester
    AnyDevice,
    Accelerator,
    Register,        // a name of the target's register map, or an offset
    ConfigRegister,  // a name of configuration space, or an offset
    Function,        // the name of a device, or a requester id
    NewTable,        // names a page table from here on
    Table,
    NewContainer,  // and so on
    Container,
    NewBuffer,
    Buffer,
    Mapping,   // of the process
    Variable,  // receives an ID
    Group,     // of devices
    Site,      // of a fault
    True,
};

struct BareArgSpec {
    const char* key;
    BareValue value;
    bool required;
    const char* doc;
    const char* initial = "";            // default, as JSON
    std::vector<const char*> choices{};  // Choice
    std::uint64_t low = 0;               // Number
    std::uint64_t high = ~std::uint64_t{0};
};

struct BareSpec {
    const char* key;
    BareKind kind;
    BareArgSpec subject;  // its key is empty
    std::vector<BareArgSpec> args;
    const char* doc;
    StepFamily family = StepFamily::Bare;
};

const std::vector<BareSpec>& bare_specs();
const BareSpec& bare_spec(BareKind kind);

// What a kind of descriptor has: its granularities, the first of which is the default, and the keys
// of "invalidate" that mean something for it. nullptr: no such kind.
struct DescriptorSpec {
    const char* kind;
    std::vector<const char*> granularities;
    std::vector<const char*> keys;
    std::vector<const char*> required;
};
const DescriptorSpec* descriptor_spec(const std::string& kind);

// A step as it was read: arguments by their keys, the step's own value under "".
struct BareStep {
    BareKind kind = BareKind::Settle;
    std::map<std::string, std::uint64_t> numbers;  // Number, Flag, Time (ps), Function (RID)
    std::map<std::string, std::string> names;      // Choice, Text, Unit, Device, Register
    std::map<std::string, std::vector<std::uint8_t>> bytes;
    std::map<std::string, std::vector<std::uint64_t>> lists;

    bool has(const std::string& key) const {
        return numbers.count(key) + names.count(key) + bytes.count(key) + lists.count(key) != 0;
    }
    std::uint64_t number(const std::string& key, std::uint64_t otherwise = 0) const {
        const auto found = numbers.find(key);
        return found == numbers.end() ? otherwise : found->second;
    }
    std::string name(const std::string& key, const std::string& otherwise = {}) const {
        const auto found = names.find(key);
        return found == names.end() ? otherwise : found->second;
    }
};

// What "bytes", "words" or "fill" say.
std::vector<std::uint8_t> contents_of(const BareStep& step);

// The registers of a remapping unit by name. Offsets of the IOTLB registers and of fault records
// depend on ECAP.IRO and CAP.FRO: they are told as distances from there.
struct NamedRegister {
    enum class Base : std::uint8_t { Fixed, Iotlb, Fault };
    std::uint32_t offset = 0;
    unsigned size = 4;
    Base base = Base::Fixed;
};
// "GSTS", "FRCD3.high"; false for an unknown name. `number` may be an offset ("0x18") of 4 bytes.
bool find_unit_register(const std::string& name, NamedRegister& out);
// Of the unit's page, or of a device's BAR.
std::uint64_t register_bytes(bool device);
bool find_requester_register(const std::string& name, NamedRegister& out);
bool find_accelerator_register(const std::string& name, NamedRegister& out);
// "DEVCTL"; an offset is of 4 bytes.
bool find_config_register(const std::string& name, NamedRegister& out);
std::vector<std::string> config_register_names();
std::vector<std::string> unit_register_names();
std::vector<std::string> requester_register_names();
std::vector<std::string> accelerator_register_names();

}  // namespace ioasim::platform
