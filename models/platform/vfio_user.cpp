#include "models/platform/vfio_user.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "models/linux/iommufd.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

std::string or_none(const std::string& text) {
    return text.empty() ? "none" : text;
}

}  // namespace

StepOutcome VfioUser::mismatch(ExecContext& ctx, const std::string& expected,
                               const std::string& found) {
    recorder_.emit(
        ctx.source(),
        trace::StepMismatch{recorder_.name(process_.name), static_cast<std::uint32_t>(index_),
                            recorder_.name(expected), recorder_.name(found)});
    return {Errno::Eio, 0};
}

StepOutcome VfioUser::perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                              Variables& variables) {
    index_ = index;
    switch (step.kind) {
        case BareKind::DriverBind:
        case BareKind::DriverUnbind:
        case BareKind::ReservedRegions:
            return administer(ctx, step);
        case BareKind::ContainerOpen:
        case BareKind::ContainerClose:
        case BareKind::GroupJoin:
        case BareKind::GroupLeave:
        case BareKind::IommuSet:
            return groups(ctx, step);
        case BareKind::IommuInfo:
            return iommu_info(ctx, step);
        case BareKind::DmaMap:
            return map(ctx, step);
        case BareKind::DmaUnmap:
            return unmap(ctx, step);
        case BareKind::PasidRequest:
        case BareKind::PasidRelease:
            return pasids(ctx, step, variables);
        case BareKind::DeviceOpen:
        case BareKind::DeviceClose:
            return device(ctx, step);
        case BareKind::DeviceDma:
            return dma(ctx, step);
        case BareKind::DeviceTraffic:
            return traffic(ctx, step);
        case BareKind::Buffer:
            return buffer(ctx, step);
        case BareKind::BufferCheck:
            return buffer_check(ctx, step);
        default:
            return outcome(Errno::Enotty);
    }
}

// --- drivers and sysfs --------------------------------------------------------------------------

StepOutcome VfioUser::administer(ExecContext& ctx, const BareStep& step) {
    os::DeviceGroups& all = kernel_.device_groups();
    if (step.kind == BareKind::ReservedRegions) {
        const os::DeviceGroup* const group = all.find(step.name(""));
        SIM_CHECK(group != nullptr, "no group {}", step.name(""));
        ctx.spend(kernel_.params().syscall);
        const os::ReservedRegions regions = all.reserved(*group);
        if (or_none(regions.text()) != step.name("is")) {
            return mismatch(ctx, step.name("is"), or_none(regions.text()));
        }
        return {Errno::Ok, regions.list().size()};
    }
    os::Device* const device = kernel_.find_device(step.name(""));
    SIM_CHECK(device != nullptr, "no device {}", step.name(""));
    if (step.kind == BareKind::DriverUnbind) {
        return outcome(all.unbind_driver(ctx, *device));
    }
    const bool vfio = step.name("driver") == "vfio";
    if (vfio && !device->setup().for_users) {
        return outcome(Errno::Enodev);  // an accelerator's registers are the kernel's own
    }
    return outcome(all.bind_driver(ctx, *device, vfio ? os::DriverKind::Vfio : os::DriverKind::Host,
                                   static_cast<unsigned>(step.number("dma_bits", 64)),
                                   step.number("needs_kvm") != 0));
}

// --- files --------------------------------------------------------------------------------------

StepOutcome VfioUser::groups(ExecContext& ctx, const BareStep& step) {
    os::Vfio& vfio = kernel_.vfio();
    const std::string name = step.name("");
    if (step.kind == BareKind::ContainerOpen) {
        return outcome(vfio.open(ctx, process_, name));
    }
    if (step.kind == BareKind::ContainerClose) {
        return outcome(vfio.close(ctx, process_, name));
    }
    if (step.kind == BareKind::IommuSet) {
        os::VfioContainer* const container = vfio.container(process_, name);
        const bool nesting = step.name("type") == "nesting";
        using Backend = os::VfioContainer::Backend;
        return outcome(
            container == nullptr
                ? Errno::Ebadf
                : container->set_backend(ctx, nesting ? Backend::Nesting : Backend::Type1));
    }
    os::DeviceGroup* const group = kernel_.device_groups().find(name);
    SIM_CHECK(group != nullptr, "no group {}", name);
    return outcome(step.kind == BareKind::GroupJoin
                       ? vfio.join(ctx, process_, step.name("container"), *group)
                       : vfio.leave(ctx, process_, *group));
}

StepOutcome VfioUser::device(ExecContext& ctx, const BareStep& step) {
    os::Device* const device = kernel_.find_device(step.name(""));
    SIM_CHECK(device != nullptr, "no device {}", step.name(""));
    return outcome(step.kind == BareKind::DeviceOpen
                       ? kernel_.vfio().open_device(ctx, process_, *device)
                       : kernel_.vfio().close_device(ctx, process_, *device));
}

// --- the address space --------------------------------------------------------------------------

// As a C program does it: the kernel writes into a buffer, the program reads what is there.
StepOutcome VfioUser::ask_info(ExecContext& ctx, os::VfioContainer& container, std::uint32_t argsz,
                               os::VfioInfo& info) {
    const Result<std::vector<std::uint8_t>> answer = container.info(ctx, argsz);
    if (!answer) {
        return outcome(answer.error());
    }
    if (info_page_ == 0) {
        const auto page = process_.mm.map_anonymous(ctx, kPageSize);
        if (!page) {
            return outcome(page.error());
        }
        info_page_ = *page;
    }
    const std::vector<std::uint8_t>& bytes = answer.value();
    Errno error = process_.mm.write(ctx, info_page_, bytes.data(), bytes.size());
    std::vector<std::uint8_t> seen(argsz);
    if (error == Errno::Ok) {
        error = process_.mm.read(ctx, info_page_, seen.data(), seen.size());
    }
    if (error != Errno::Ok) {
        return outcome(error);
    }
    if (!os::decode_info(seen, info)) {
        return mismatch(ctx, "a chain of capabilities", "one that leaves the buffer");
    }
    return {Errno::Ok, info.argsz};
}

StepOutcome VfioUser::iommu_info(ExecContext& ctx, const BareStep& step) {
    os::VfioContainer* const container = kernel_.vfio().container(process_, step.name(""));
    if (container == nullptr) {
        return outcome(Errno::Ebadf);
    }
    os::VfioInfo info;
    const bool once = step.has("argsz");
    const auto argsz = static_cast<std::uint32_t>(step.number("argsz", os::kVfioInfoBytes));
    StepOutcome asked = ask_info(ctx, *container, argsz, info);
    if (asked.error == Errno::Ok && !once && info.argsz > argsz) {
        asked = info.argsz > kPageSize ? outcome(Errno::Enomem)
                                       : ask_info(ctx, *container, info.argsz, info);
    }
    if (asked.error != Errno::Ok) {
        return asked;
    }
    const std::uint64_t version = info.ranges_version.value_or(0);
    if (step.has("version") && version != step.number("version")) {
        return mismatch(ctx, fmt::format("IOVA ranges of version {}", step.number("version")),
                        fmt::format("version {}", version));
    }
    const bool understood = version != 0 && version <= step.number("knows", 2);
    std::string ranges;
    for (const os::IovaRange& range : info.ranges) {
        ranges += fmt::format("{}{:#x}-{:#x}", ranges.empty() ? "" : ", ", range.first, range.last);
    }
    ranges = or_none(understood ? ranges : "");
    if (step.has("ranges") && ranges != step.name("ranges")) {
        return mismatch(ctx, step.name("ranges"), ranges);
    }
    if (step.has("available") && info.dma_available != step.number("available")) {
        return mismatch(ctx, fmt::format("{} mappings left", step.number("available")),
                        fmt::format("{}", info.dma_available.value_or(0)));
    }
    return {Errno::Ok, once ? asked.value : info.ranges.size()};
}

StepOutcome VfioUser::map(ExecContext& ctx, const BareStep& step) {
    os::VfioContainer* const container = kernel_.vfio().container(process_, step.name(""));
    if (container == nullptr) {
        return outcome(Errno::Ebadf);
    }
    const UserBuffer& from = buffers_.at(step.name("from"));
    const std::string access = step.name("access", "rw");
    os::VfioMapRequest request;
    request.vaddr = from.address + step.number("offset");
    request.iova = step.number("iova");
    request.size = step.number("size", from.bytes);
    request.flags = (access[0] == 'r' ? os::kVfioMapRead : 0) |
                    (access == "rw" || access == "w" ? os::kVfioMapWrite : 0);
    return outcome(container->map(ctx, request));
}

StepOutcome VfioUser::unmap(ExecContext& ctx, const BareStep& step) {
    os::VfioContainer* const container = kernel_.vfio().container(process_, step.name(""));
    if (container == nullptr) {
        return outcome(Errno::Ebadf);
    }
    os::VfioUnmapRequest request;
    request.iova = step.number("iova");
    request.size = step.number("size");
    const Result<std::uint64_t> bytes = container->unmap(ctx, request);
    return bytes ? StepOutcome{Errno::Ok, *bytes} : outcome(bytes.error());
}

StepOutcome VfioUser::pasids(ExecContext& ctx, const BareStep& step, Variables& variables) {
    os::VfioContainer* const container = kernel_.vfio().container(process_, step.name(""));
    if (container == nullptr) {
        return outcome(Errno::Ebadf);
    }
    const auto min = static_cast<std::uint32_t>(step.number("min", 1));
    const auto max = static_cast<std::uint32_t>(step.number("max", 0xFFFFF));
    if (step.kind == BareKind::PasidRelease) {
        return outcome(container->free_ioasids(ctx, min, max));
    }
    const Result<Ioasid> id = container->alloc_ioasid(ctx, min, max);
    if (id) {
        variables.set(step.name("into"), *id);
    }
    return outcome(id);
}

// --- DMA ----------------------------------------------------------------------------------------

Errno VfioUser::read(ExecContext& ctx, std::uint32_t offset, unsigned size, std::uint64_t& value) {
    const auto address = process_.mm.translate(ctx, registers_ + offset, false);
    if (address) {
        value = ctx.mmio_read(*address, size);
    }
    return address.error();
}

Errno VfioUser::write(ExecContext& ctx, std::uint32_t offset, unsigned size, std::uint64_t value) {
    const auto address = process_.mm.translate(ctx, registers_ + offset, true);
    if (address) {
        ctx.mmio_write(*address, value, size);
    }
    return address.error();
}

Errno VfioUser::find_registers(const BareStep& step) {
    const os::Device* const device = kernel_.find_device(step.name("by"));
    SIM_CHECK(device != nullptr, "no device {}", step.name("by"));
    auto registers = kernel_.vfio().registers(process_, *device);
    if (!registers) {
        registers = kernel_.iommufd().registers(process_.name, *device);
    }
    registers_ = registers ? *registers : 0;
    return registers.error();
}

StepOutcome VfioUser::traffic(ExecContext& ctx, const BareStep& step) {
    namespace reg = requester::reg;
    constexpr std::uint64_t kLine = 64;
    Errno error = find_registers(step);
    const auto set = [&](std::uint32_t offset, unsigned size, std::uint64_t value) {
        error = error == Errno::Ok ? write(ctx, offset, size, value) : error;
    };
    set(reg::kPasid, 4, 0);
    set(reg::kRequest, 4, 0);
    set(reg::kTrafficBase, 8, step.number("iova"));
    set(reg::kTrafficWindow, 8, step.number("size"));
    set(reg::kTrafficBlock, 4, kLine);
    set(reg::kTrafficCount, 4, step.number("count", 1000));
    set(reg::kTrafficIgnored, 4, 0);
    set(reg::kTrafficOutstanding, 4, 1);
    set(reg::kTrafficControl, 4, step.name("") == "write" ? requester::traffic::kWrite : 0);
    set(reg::kTrafficGo, 4, 1);
    return outcome(error);
}

StepOutcome VfioUser::dma(ExecContext& ctx, const BareStep& step) {
    namespace reg = requester::reg;
    if (const Errno error = find_registers(step); error != Errno::Ok) {
        return outcome(error);
    }
    const bool is_write = step.name("") == "write";
    const auto data = step.bytes.find("data");
    const std::uint64_t have = data == step.bytes.end() ? 0 : data->second.size();
    const std::uint64_t length = step.number("size", have);
    const std::uint64_t pasid =
        step.has("pasid") ? step.number("pasid") | requester::kValid : std::uint64_t{0};
    if (Errno error = write(ctx, reg::kAddress, 8, step.number("iova")); error != Errno::Ok) {
        return outcome(error);
    }
    static_cast<void>(write(ctx, reg::kLength, 4, length));
    static_cast<void>(write(ctx, reg::kPasid, 4, pasid));
    static_cast<void>(write(ctx, reg::kRequester, 4, 0));
    static_cast<void>(write(ctx, reg::kRequest, 4,
                            static_cast<std::uint64_t>(is_write ? requester::Operation::Write
                                                                : requester::Operation::Read) |
                                (step.number("no_snoop") != 0 ? requester::request::kNoSnoop : 0)));
    for (std::uint32_t at = 0; is_write && at < have; at += 4) {
        std::uint64_t word = 0;
        for (std::uint32_t i = 0; i < 4 && at + i < have; ++i) {
            word |= std::uint64_t{data->second[at + i]} << (8 * i);
        }
        static_cast<void>(write(ctx, reg::kData + at, 4, word));
    }
    static_cast<void>(write(ctx, reg::kGo, 4, 1));
    // The first read comes behind the write of GO; the last one, behind the device's own writes.
    std::uint64_t status = 0;
    const TimePs deadline = ctx.now() + kernel_.params().completion_timeout;
    static_cast<void>(read(ctx, reg::kStatus, 4, status));
    while (requester::state_of(status) == requester::State::Busy) {
        if (ctx.now() >= deadline) {
            return outcome(Errno::Etimedout);
        }
        ctx.spend(kernel_.params().completion_poll);
        static_cast<void>(read(ctx, reg::kStatus, 4, status));
    }
    return judge(ctx, step, status);
}

StepOutcome VfioUser::judge(ExecContext& ctx, const BareStep& step, std::uint64_t status) {
    namespace reg = requester::reg;
    const requester::Outcome ended = requester::outcome_of(status);
    const std::string expect = step.name("expect", "ok");
    if (expect != "any" && expect != requester::outcome_name(ended)) {
        return mismatch(ctx, "the operation ends: " + expect, requester::outcome_name(ended));
    }
    const auto data = step.bytes.find("data");
    if (step.name("") == "write" || data == step.bytes.end() || ended != requester::Outcome::Ok) {
        return {};
    }
    for (std::size_t at = 0; at < data->second.size(); at += 4) {
        std::uint64_t word = 0;
        static_cast<void>(read(ctx, reg::kData + static_cast<std::uint32_t>(at), 4, word));
        for (std::size_t i = 0; i < 4 && at + i < data->second.size(); ++i) {
            const auto came = static_cast<std::uint8_t>(word >> (8 * i));
            if (came != data->second[at + i]) {
                return mismatch(ctx,
                                fmt::format("byte {} is {:#04x}", at + i, data->second[at + i]),
                                fmt::format("{:#04x}", came));
            }
        }
    }
    return {};
}

// --- memory of the process ----------------------------------------------------------------------

StepOutcome VfioUser::buffer(ExecContext& ctx, const BareStep& step) {
    const std::uint64_t bytes = step.number("size");
    const auto address = process_.mm.map_anonymous(ctx, bytes);
    if (!address) {
        return outcome(address.error());
    }
    buffers_[step.name("")] = {*address, bytes};
    const std::vector<std::uint8_t> contents(static_cast<std::size_t>(bytes),
                                             static_cast<std::uint8_t>(step.number("fill")));
    return outcome(process_.mm.write(ctx, *address, contents.data(), contents.size()));
}

StepOutcome VfioUser::buffer_check(ExecContext& ctx, const BareStep& step) {
    const std::vector<std::uint8_t>& wanted = step.bytes.at("bytes");
    std::vector<std::uint8_t> found(wanted.size());
    const Errno error =
        process_.mm.read(ctx, buffers_.at(step.name("")).address + step.number("offset"),
                         found.data(), found.size());
    if (error != Errno::Ok) {
        return outcome(error);
    }
    const auto [want, have] = std::mismatch(wanted.begin(), wanted.end(), found.begin());
    if (want != wanted.end()) {
        return mismatch(
            ctx,
            fmt::format("byte {} is {:#04x}",
                        step.number("offset") + static_cast<std::uint64_t>(want - wanted.begin()),
                        *want),
            fmt::format("{:#04x}", *have));
    }
    return {};
}

}  // namespace ioasim::platform
