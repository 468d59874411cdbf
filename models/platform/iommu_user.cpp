#include "models/platform/iommu_user.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/trace/run_events.hpp"
#include "models/linux/iommufd.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/platform/bare_actor.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

BareArgSpec subject(V value, const char* doc) {
    return {"", value, true, doc, "", {}};
}

BareSpec process_step(const char* key, BareKind kind, BareArgSpec what,
                      std::vector<BareArgSpec> args, const char* doc) {
    return {key, kind, std::move(what), std::move(args), doc, StepFamily::Process};
}

const BareArgSpec kOfPasid{"pasid", V::Number, false, "of its requests with this PASID alone",
                           "",      {},        0,     0xFFFFF};
const BareArgSpec kAddress{"address", V::Number, true, "first I/O virtual address"};

std::vector<BareSpec> objects() {
    return {
        process_step("iommu_open", BareKind::IommuOpen, subject(V::Text, "names the file"), {},
                     "opens /dev/iommu"),
        process_step("iommu_close", BareKind::IommuClose, subject(V::Text, "the file"), {},
                     "closes it; what devices or KVM hold stays"),
        process_step("space_alloc", BareKind::SpaceAlloc, subject(V::Text, "names the space"),
                     {{"of", V::Text, true, "the file"},
                      {"snoop",
                       V::Choice,
                       false,
                       "forced where a unit can, for every device or not at all, or never",
                       "\"auto\"",
                       {"auto", "enforce", "none"}},
                      {"pasids", V::Flag, false, "it may be attached to PASIDs", "false"}},
                     "makes an I/O address space"),
        process_step("space_destroy", BareKind::SpaceDestroy, subject(V::Text, "the space"), {},
                     "destroys it (-EBUSY: devices or KVM use it)"),
        process_step("space_map", BareKind::SpaceMap, subject(V::Text, "the space"),
                     {{"vm", V::Text, true, "whose memory"},
                      kAddress,
                      {"size", V::Number, true, "bytes", "", {}, 1}},
                     "maps memory of a VM at its guest physical addresses"),
        process_step("space_unmap", BareKind::SpaceUnmap, subject(V::Text, "the space"), {kAddress},
                     "undoes a mapping"),
        process_step("space_allow", BareKind::SpaceAllow, subject(V::Text, "the space"),
                     {{"ranges", V::Numbers, false,
                       "first and last address of each range (default: none is kept)"}},
                     "keeps ranges: who reserves any of them may not join"),
        process_step("space_ranges", BareKind::SpaceRanges, subject(V::Text, "the space"),
                     {{"is", V::Text, true, "\"0x0-0xfedfffff, ...\""}},
                     "what no device reserves must be this"),
        process_step("leaf_check", BareKind::LeafCheck, subject(V::Text, "the space"),
                     {kAddress,
                      {"domain", V::Number, false, "which of its page tables", "0", {}, 0, 63},
                      {"domains", V::Number, false, "how many it must have", "", {}, 0, 64},
                      {"snoop", V::Flag, true, "whether the leaf must have SNP"}},
                     "nothing: a leaf must be so"),
    };
}

std::vector<BareSpec> devices() {
    return {
        process_step("cdev_open", BareKind::CdevOpen, subject(V::AnyDevice, "the device"), {},
                     "opens the device's own file; its driver is not called yet"),
        process_step("cdev_close", BareKind::CdevClose, subject(V::AnyDevice, "the device"), {},
                     "closes it: detached and unbound"),
        process_step("iommu_bind", BareKind::IommuBind, subject(V::AnyDevice, "the device"),
                     {{"to", V::Text, true, "the file"}}, "binds it to an open /dev/iommu"),
        process_step("space_attach", BareKind::SpaceAttach, subject(V::AnyDevice, "the device"),
                     {{"to", V::Text, true, "the space"}, kOfPasid},
                     "attaches it; its driver opens it, and it may do DMA"),
        process_step("space_detach", BareKind::SpaceDetach, subject(V::AnyDevice, "the device"),
                     {kOfPasid}, "takes it out of its space"),
        process_step("kvm_device", BareKind::KvmDevice, subject(V::Text, "the VM"), {},
                     "creates the VM's kvm-vfio device"),
        process_step("kvm_add", BareKind::KvmAdd, subject(V::Text, "the VM"),
                     {{"group", V::Group, false, "a group that is open"},
                      {"space", V::Text, false, "an I/O address space"},
                      {"file", V::Text, false, "an open /dev/iommu"}},
                     "tells KVM of a file whose devices the VM has"),
        process_step("kvm_remove", BareKind::KvmRemove, subject(V::Text, "the VM"),
                     {{"group", V::Group, false, "a group that is open"},
                      {"space", V::Text, false, "an I/O address space"},
                      {"file", V::Text, false, "an open /dev/iommu"}},
                     "takes that back"),
    };
}

os::SnoopWish wish_of(const std::string& word) {
    if (word == "enforce") {
        return os::SnoopWish::Enforce;
    }
    return word == "none" ? os::SnoopWish::None : os::SnoopWish::Auto;
}

}  // namespace

std::vector<BareSpec> iommu_user_specs() {
    std::vector<BareSpec> all = objects();
    for (BareSpec& spec : devices()) {
        all.push_back(std::move(spec));
    }
    return all;
}

bool is_iommu_user_step(BareKind kind) {
    return kind >= BareKind::IommuOpen && kind <= BareKind::KvmRemove;
}

StepOutcome IommuUser::mismatch(ExecContext& ctx, const std::string& expected,
                                const std::string& found) {
    recorder_.emit(ctx.source(),
                   trace::StepMismatch{recorder_.name(process_), static_cast<std::uint32_t>(index_),
                                       recorder_.name(expected), recorder_.name(found)});
    return {Errno::Eio, 0};
}

StepOutcome IommuUser::perform(ExecContext& ctx, const BareStep& step, std::size_t index) {
    index_ = index;
    switch (step.kind) {
        case BareKind::SpaceMap:
            return map(ctx, step);
        case BareKind::SpaceAllow:
        case BareKind::SpaceRanges:
            return ranges(ctx, step);
        case BareKind::LeafCheck:
            return leaf(ctx, step);
        case BareKind::CdevOpen:
        case BareKind::CdevClose:
        case BareKind::IommuBind:
        case BareKind::SpaceAttach:
        case BareKind::SpaceDetach:
            return device(ctx, step);
        case BareKind::KvmDevice:
        case BareKind::KvmAdd:
        case BareKind::KvmRemove:
            return kvm(ctx, step);
        default:
            return spaces(ctx, step);
    }
}

StepOutcome IommuUser::spaces(ExecContext& ctx, const BareStep& step) {
    os::Iommufd& iommufd = kernel_.iommufd();
    const std::string name = step.name("");
    switch (step.kind) {
        case BareKind::IommuOpen:
            return outcome(iommufd.open(ctx, process_, name));
        case BareKind::IommuClose:
            return outcome(iommufd.close(ctx, name));
        case BareKind::SpaceAlloc:
            return outcome(iommufd.alloc_space(ctx, step.name("of"), name,
                                               wish_of(step.name("snoop")),
                                               step.number("pasids") != 0));
        case BareKind::SpaceDestroy:
            return outcome(iommufd.destroy_space(ctx, name));
        default:
            break;
    }
    os::IommuSpace* const space = iommufd.space(name);
    return outcome(space == nullptr ? Errno::Enoent : space->unmap(ctx, step.number("address")));
}

StepOutcome IommuUser::map(ExecContext& ctx, const BareStep& step) {
    os::IommuSpace* const space = kernel_.iommufd().space(step.name(""));
    os::VmHost* const vm = kernel_.find_vm(step.name("vm"));
    if (space == nullptr || vm == nullptr) {
        return outcome(Errno::Enoent);
    }
    const std::uint64_t first = step.number("address") / kPageSize;
    const std::uint64_t count = step.number("size") / kPageSize;
    const std::vector<std::uint64_t>& ram = vm->ram();
    if (count == 0 || count > ram.size() || first > ram.size() - count) {
        return outcome(Errno::Efault);
    }
    const auto begin = ram.begin() + static_cast<std::ptrdiff_t>(first);
    return outcome(space->map(ctx, step.number("address"),
                              {begin, begin + static_cast<std::ptrdiff_t>(count)}));
}

StepOutcome IommuUser::ranges(ExecContext& ctx, const BareStep& step) {
    os::IommuSpace* const space = kernel_.iommufd().space(step.name(""));
    if (space == nullptr) {
        return outcome(Errno::Enoent);
    }
    if (step.kind == BareKind::SpaceRanges) {
        ctx.spend(kernel_.params().syscall);
        const std::string found = space->usable().text();
        return found == step.name("is") ? StepOutcome{} : mismatch(ctx, step.name("is"), found);
    }
    std::vector<os::IovaRange> wanted;
    const auto list = step.lists.find("ranges");
    const std::size_t numbers = list == step.lists.end() ? 0 : list->second.size();
    for (std::size_t i = 0; i + 1 < numbers; i += 2) {
        wanted.push_back({list->second[i], list->second[i + 1]});
    }
    return outcome(space->allow(ctx, wanted));
}

StepOutcome IommuUser::leaf(ExecContext& ctx, const BareStep& step) {
    const os::IommuSpace* const space = kernel_.iommufd().space(step.name(""));
    if (space == nullptr) {
        return outcome(Errno::Enoent);
    }
    if (step.number("domains", space->domains()) != space->domains()) {
        return mismatch(ctx, fmt::format("{} page tables", step.number("domains")),
                        fmt::format("{}", space->domains()));
    }
    const std::uint64_t index = step.number("domain");
    if (index >= space->domains()) {
        return mismatch(ctx, fmt::format("page table {}", index), "there are fewer");
    }
    const auto entry = space->domain(index).leaf_entry(ctx, step.number("address"));
    if (!entry) {
        return outcome(entry.error());
    }
    const bool snoop = (*entry & vtd::ss::kSnoop) != 0;
    const bool wanted = step.number("snoop") != 0;
    return snoop == wanted ? StepOutcome{}
                           : mismatch(ctx, wanted ? "a leaf with SNP" : "a leaf without SNP",
                                      fmt::format("{:#x}", *entry));
}

StepOutcome IommuUser::device(ExecContext& ctx, const BareStep& step) {
    os::Iommufd& iommufd = kernel_.iommufd();
    os::Device* const device = kernel_.find_device(step.name(""));
    SIM_CHECK(device != nullptr, "no device {}", step.name(""));
    const Pasid pasid{static_cast<std::uint32_t>(step.number("pasid"))};
    switch (step.kind) {
        case BareKind::CdevOpen:
            return outcome(iommufd.open_device(ctx, process_, *device));
        case BareKind::CdevClose:
            return outcome(iommufd.close_device(ctx, process_, *device));
        case BareKind::IommuBind:
            return outcome(iommufd.bind(ctx, *device, step.name("to")));
        case BareKind::SpaceAttach:
            if (step.has("pasid")) {
                return outcome(iommufd.attach_pasid(ctx, *device, step.name("to"), pasid));
            }
            return outcome(iommufd.attach(ctx, *device, step.name("to")));
        default:
            return outcome(step.has("pasid") ? iommufd.detach_pasid(ctx, *device, pasid)
                                             : iommufd.detach(ctx, *device));
    }
}

// Null: it is none of VFIO's files.
os::KvmFile* IommuUser::kvm_file(const BareStep& step) {
    if (step.has("space")) {
        return kernel_.iommufd().space(step.name("space"));
    }
    if (step.has("file")) {
        return kernel_.iommufd().file(step.name("file"));
    }
    os::DeviceGroup* const group =
        step.has("group") ? kernel_.device_groups().find(step.name("group")) : nullptr;
    return group == nullptr ? nullptr : kernel_.vfio().kvm_file(*group);
}

StepOutcome IommuUser::kvm(ExecContext& ctx, const BareStep& step) {
    os::VmHost* const vm = kernel_.find_vm(step.name(""));
    if (vm == nullptr) {
        return outcome(Errno::Enoent);
    }
    os::KvmVfio& device = vm->kvm_vfio();
    switch (step.kind) {
        case BareKind::KvmDevice:
            return outcome(device.create(ctx));
        case BareKind::KvmAdd:
            return outcome(device.add(ctx, kvm_file(step)));
        default:
            return outcome(device.remove(ctx, kvm_file(step)));
    }
}

namespace {

StepOutcome machine_mismatch(ExecContext& ctx, os::Kernel& kernel, const std::string& expected,
                             const std::string& found) {
    kernel.emit(ctx, trace::StepMismatch{kernel.intern(ctx.name()), 0, kernel.intern(expected),
                                         kernel.intern(found)});
    return {Errno::Eio, 0};
}

// A register of the kernel's first remapping unit, in a guest its virtual one.
StepOutcome register_step(ExecContext& ctx, os::Kernel& kernel, const BareStep& step) {
    NamedRegister found;
    SIM_CHECK(find_unit_register(step.name(""), found) && !kernel.iommus().empty(),
              "no register {}", step.name(""));
    const auto size = static_cast<unsigned>(step.number("size", found.size));
    const std::uint64_t at = kernel.iommus().front()->registers() + found.offset;
    if (step.kind == BareKind::MmioWrite) {
        ctx.mmio_write(at, step.number("value"), size);
        return {};
    }
    const std::uint64_t mask = step.number("mask", ~std::uint64_t{0});
    const TimePs deadline = ctx.now() + TimePs{step.number("timeout", kBareTimeout.ps())};
    while (true) {
        const std::uint64_t value = ctx.mmio_read(at, size);
        if ((value & mask) == step.number("is")) {
            return {Errno::Ok, value};
        }
        if (step.kind == BareKind::MmioRead) {
            return machine_mismatch(ctx, kernel, fmt::format("{:#x}", step.number("is")),
                                    fmt::format("{:#x}", value));
        }
        if (ctx.now() >= deadline) {
            return {Errno::Etimedout, value};
        }
    }
}

}  // namespace

StepOutcome perform_machine_step(ExecContext& ctx, os::Kernel& kernel, const BareStep& step,
                                 const std::function<void(std::size_t)>& move) {
    switch (step.kind) {
        case BareKind::Wbinvd:
            kernel.instructions().wbinvd(ctx);
            return {};
        case BareKind::RunOn:
            move(step.number(""));
            return {};
        case BareKind::MmioWrite:
        case BareKind::MmioRead:
        case BareKind::MmioPoll:
            return register_step(ctx, kernel, step);
        default:
            break;
    }
    const std::vector<std::uint8_t> bytes = contents_of(step);
    if (step.kind == BareKind::Store) {
        ctx.write_bytes(step.number(""), bytes.data(), bytes.size());
        return {Errno::Ok, bytes.size()};
    }
    std::vector<std::uint8_t> found(bytes.size());
    {
        const UserAccess own(ctx);
        ctx.read_bytes(step.number(""), found.data(), found.size());
    }
    if (found == bytes) {
        return {Errno::Ok, bytes.size()};
    }
    const std::size_t at = static_cast<std::size_t>(
        std::mismatch(bytes.begin(), bytes.end(), found.begin()).first - bytes.begin());
    return machine_mismatch(ctx, kernel, fmt::format("byte {} is {:#04x}", at, bytes[at]),
                            fmt::format("{:#04x}", found[at]));
}

}  // namespace ioasim::platform
