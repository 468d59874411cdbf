// The table of a VFIO user's steps.
#include "models/platform/vfio_user.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

BareArgSpec subject(V value, const char* doc, std::vector<const char*> choices = {}) {
    return {"", value, true, doc, "", std::move(choices)};
}

constexpr std::uint64_t kLongestDma = 0x8000;

std::vector<BareSpec> administration() {
    return {
        {"driver_bind",
         BareKind::DriverBind,
         subject(V::AnyDevice, "the device"),
         {{"driver", V::Choice, true, "whose it is from here on", "", {"vfio", "host"}},
          {"dma_bits",
           V::Number,
           false,
           "host: the width of the dma_mask that this driver sets",
           "64",
           {},
           1,
           64},
          {"needs_kvm", V::Flag, false, "vfio: this driver serves devices of VMs only", "false"}},
         "the administrator binds a driver (-EBUSY: it has one)"},
        {"driver_unbind",
         BareKind::DriverUnbind,
         subject(V::AnyDevice, "the device"),
         {},
         "the administrator unbinds its driver"},
        {"reserved_regions",
         BareKind::ReservedRegions,
         subject(V::Group, "the group"),
         {{"is", V::Text, true,
           "what must be listed: \"0xfee00000-0xfeefffff msi, ...\", \"none\" for nothing"}},
         "reads the group's reserved_regions in sysfs"},
    };
}

std::vector<BareSpec> files() {
    return {
        {"container_open",
         BareKind::ContainerOpen,
         subject(V::NewContainer, "names it"),
         {},
         "opens /dev/vfio/vfio"},
        {"container_close",
         BareKind::ContainerClose,
         subject(V::Container, "the container"),
         {},
         "closes its devices and groups and itself"},
        {"group_join",
         BareKind::GroupJoin,
         subject(V::Group, "the group"),
         {{"container", V::Container, true, "where it goes"}},
         "opens the group and puts it into a container"},
        {"group_leave",
         BareKind::GroupLeave,
         subject(V::Group, "the group"),
         {},
         "takes the group out of its container and closes it"},
        {"iommu_set",
         BareKind::IommuSet,
         subject(V::Container, "the container"),
         {{"type",
           V::Choice,
           false,
           "the backend; \"nesting\" also hands out IOASIDs",
           "\"type1\"",
           {"type1", "nesting"}}},
         "chooses the backend: attaches every group that joined, or none"},
        {"device_open",
         BareKind::DeviceOpen,
         subject(V::Device, "the device"),
         {},
         "gets the device's file and maps its registers; it may then do DMA"},
        {"device_close",
         BareKind::DeviceClose,
         subject(V::Device, "the device"),
         {},
         "closes it: DMA ends, the registers go"},
    };
}

std::vector<BareSpec> address_space() {
    return {
        {"iommu_info",
         BareKind::IommuInfo,
         subject(V::Container, "the container"),
         {{"ranges", V::Text, false,
           "the usable ranges as the program understands them: \"0x0-0xfedfffff, ...\", \"none\""},
          {"version", V::Number, false, "of the capability that tells them"},
          {"knows", V::Number, false,
           "the newest version that the program understands; it skips a newer one", "2"},
          {"available", V::Number, false, "mappings that the container still takes"},
          {"argsz",
           V::Number,
           false,
           "asks once, with a buffer of so many bytes; the step's value is what it would take",
           "",
           {},
           0,
           kPageSize}},
         "asks for the container's limits, with a buffer as long as the kernel says"},
        {"dma_map",
         BareKind::DmaMap,
         subject(V::Container, "the container"),
         {{"iova", V::Number, true, "first I/O virtual address"},
          {"from", V::Buffer, true, "the buffer that is mapped"},
          {"offset", V::Number, false, "first byte of it", "0"},
          {"size", V::Number, false, "bytes (default: the whole buffer)"},
          {"access",
           V::Choice,
           false,
           "what the device may do",
           "\"rw\"",
           {"rw", "r", "w", "none"}}},
         "maps a buffer for the devices of the container"},
        {"dma_unmap",
         BareKind::DmaUnmap,
         subject(V::Container, "the container"),
         {{"iova", V::Number, true, "first I/O virtual address"},
          {"size", V::Number, true, "bytes"}},
         "unmaps every mapping in the range; the step's value is their bytes"},
        {"pasid_request",
         BareKind::PasidRequest,
         subject(V::Container, "the container"),
         {{"into", V::Variable, true, "receives the ID"},
          {"min", V::Number, false, "lowest", "1", {}, 0, 0xFFFF'FFFF},
          {"max", V::Number, false, "highest", "1048575", {}, 0, 0xFFFF'FFFF}},
         "asks the container for an IOASID"},
        {"pasid_release",
         BareKind::PasidRelease,
         subject(V::Container, "the container"),
         {{"min", V::Number, true, "lowest", "", {}, 0, 0xFFFF'FFFF},
          {"max", V::Number, true, "highest", "", {}, 0, 0xFFFF'FFFF}},
         "gives every IOASID of the container in the range back"},
    };
}

std::vector<BareSpec> use() {
    return {
        {"device_dma",
         BareKind::DeviceDma,
         subject(V::Choice, "its direction", {"read", "write"}),
         {{"by", V::Device, true, "the device, which the process has open"},
          {"iova", V::Number, true, "first address"},
          {"size", V::Number, false, "bytes (default: those of \"data\")", "", {}, 1, kLongestDma},
          {"data", V::Bytes, false, "write: the bytes; read: what must have come"},
          {"pasid",
           V::Number,
           false,
           "sent with this PASID (default: without)",
           "",
           {},
           0,
           0xFFFFF},
          {"no_snoop", V::Flag, false, "the device asks for no snooping", "false"},
          {"expect",
           V::Choice,
           false,
           "how it ends; a write ends with \"ok\" when it was sent",
           "\"ok\"",
           {"ok", "ur", "ca", "timeout", "refused", "any"}}},
         "the process makes the device access memory"},
        {"device_traffic",
         BareKind::DeviceTraffic,
         subject(V::Choice, "its direction", {"read", "write"}),
         {{"by", V::Device, true, "the device, which the process has open"},
          {"iova", V::Number, true, "first address"},
          {"size",
           V::Number,
           true,
           "bytes that it goes through again and again",
           "",
           {},
           64,
           1ULL << 26U},
          {"count", V::Number, false, "lines of 64 bytes", "1000", {}, 1, 1U << 24U}},
         "the process makes the device access memory line by line, and goes on at once"},
        {"buffer",
         BareKind::Buffer,
         subject(V::NewBuffer, "names it"),
         {{"size", V::Number, true, "bytes", "", {}, 1, 1ULL << 26U},
          {"fill", V::Number, false, "each byte of it", "0", {}, 0, 255}},
         "anonymous memory of the process"},
        {"buffer_check",
         BareKind::BufferCheck,
         subject(V::Buffer, "the buffer"),
         {{"offset", V::Number, false, "first byte", "0"},
          {"bytes", V::Bytes, true, "what must be there"}},
         "the process looks into its buffer"},
    };
}

}  // namespace

std::vector<BareSpec> vfio_specs() {
    std::vector<BareSpec> all;
    for (auto* part : {&administration, &files, &address_space, &use}) {
        for (BareSpec& spec : part()) {
            spec.family = StepFamily::Process;
            all.push_back(std::move(spec));
        }
    }
    return all;
}

}  // namespace ioasim::platform
