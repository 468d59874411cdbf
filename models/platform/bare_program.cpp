#include "models/platform/bare_program.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/base/bits.hpp"
#include "models/platform/bare_accelerator.hpp"
#include "models/platform/bare_actor.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {
namespace {

constexpr std::size_t kShownBytes = 32;
constexpr std::uint64_t kLineBytes = 64;

bool is_configuration(BareKind kind) {
    return kind == BareKind::ConfigWrite || kind == BareKind::ConfigRead ||
           kind == BareKind::ConfigPoll;
}

}  // namespace

std::string hex_bytes(const std::vector<std::uint8_t>& bytes) {
    std::string out;
    for (std::size_t i = 0; i < std::min(bytes.size(), kShownBytes); ++i) {
        out += fmt::format("{:02x}", bytes[i]);
    }
    return out + (bytes.size() > kShownBytes ? "..." : "");
}

// Where two texts of bytes begin to differ.
std::string first_difference(const std::vector<std::uint8_t>& a,
                             const std::vector<std::uint8_t>& b) {
    const auto pair = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    return fmt::format("from byte {}", pair.first - a.begin());
}

// --- tables, queue, faults, interrupts ---

std::string BareActor::unit_of(const BareStep& step) const {
    std::string named = step.name("of");
    if (named.empty() && step.kind == BareKind::Context) {
        for (const auto& [name, unit] : world_.units) {
            named = !unit.iommu && unit.rid.value() == step.number("") ? unit.unit : named;
        }
    }
    return named.empty() ? world_.first_iommu : named;
}

BareDriver& BareActor::driver(const std::string& unit) {
    return drivers_.try_emplace(unit, world_.units.at(unit).registers, builder_, unit)
        .first->second;
}

// Steps that only write tables.
BareResult BareActor::tables(const BareStep& step) {
    switch (step.kind) {
        case BareKind::Tables:
            builder_.use(step.number(""), step.number("size"));
            return {};
        case BareKind::PageTable:
            return builder_.page_table(*ctx_, step);
        case BareKind::Map:
            return builder_.map(*ctx_, step);
        case BareKind::Unmap:
            return builder_.unmap(*ctx_, step);
        case BareKind::RootTable:
            return builder_.root_table(*ctx_, step, unit_of(step));
        case BareKind::Context:
            return builder_.context(*ctx_, step, unit_of(step));
        case BareKind::PasidDirectory:
            return builder_.pasid_directory(*ctx_, step);
        case BareKind::PasidEntry:
            return builder_.pasid_entry(*ctx_, step);
        default:
            SIM_CHECK(false, "step {} builds nothing", bare_spec(step.kind).key);
    }
    return {};
}

BareResult BareActor::drive(const BareStep& step) {
    const TimePs timeout{step.number("timeout", kBareTimeout.ps())};
    switch (step.kind) {
        case BareKind::Enable:
            return driver(step.name("")).enable(*ctx_, step);
        case BareKind::Disable:
            return driver(step.name("")).disable(*ctx_, step);
        case BareKind::Invalidate:
            return driver(unit_of(step)).invalidate(*ctx_, step);
        case BareKind::Queue:
            return driver(unit_of(step)).queue(*ctx_, step);
        case BareKind::Sync:
            return driver(step.name("")).sync(*ctx_, timeout);
        case BareKind::Fault:
            settle();
            return driver(unit_of(step)).fault(*ctx_, step);
        case BareKind::NoFault:
            settle();
            return driver(step.name("")).no_fault(*ctx_);
        default:
            break;
    }
    return tables(step);
}

StepOutcome BareActor::built(const BareStep& step) {
    if (step.kind == BareKind::EntryStore || step.kind == BareKind::EntryCheck) {
        return entry(step);
    }
    const BareResult result = drive(step);
    return result.ok() ? StepOutcome{Errno::Ok, result.value}
                       : mismatch(result.expected, result.found, result.error);
}

StepOutcome BareActor::entry(const BareStep& step) {
    const std::uint64_t at = builder_.entry_address(*ctx_, step.name(""), step.number("address"),
                                                    static_cast<unsigned>(step.number("level")));
    if (at == 0) {
        return mismatch("an entry", builder_.problem().found, builder_.problem().error);
    }
    if (world_.is_poisoned(at, 8) && !step.has("value")) {
        return machine_check(at);
    }
    if (step.kind == BareKind::EntryStore) {
        const std::uint64_t old = ctx_->load(at, 8);
        const std::uint64_t value = step.number("value", old) & ~step.number("clear");
        ctx_->store(at, value | step.number("set"), 8);
        return {Errno::Ok, at};
    }
    const std::uint64_t mask = step.number("mask", ~std::uint64_t{0});
    const std::uint64_t value = ctx_->load(at, 8);
    return (value & mask) == step.number("is")
               ? StepOutcome{Errno::Ok, value}
               : mismatch(fmt::format("the entry & {:#x} is {:#x}", mask, step.number("is")),
                          fmt::format("{:#x} (all bits: {:#x})", value & mask, value));
}

StepOutcome BareActor::interrupt(const BareStep& step) {
    const std::uint64_t address = step.number("");
    const auto data = static_cast<std::uint32_t>(step.number("data"));
    const std::uint64_t wanted = step.number("count", 1);
    if (wanted == 0) {
        settle();
    }
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kBareTimeout.ps())};
    while (world_.interrupts.waiting(address, data) < wanted && ctx_->now() < end) {
        const auto next = world_.next_activity();
        ctx_->spend(next && *next > ctx_->now() ? std::min(*next, end) - ctx_->now() : TimePs{1});
        if (!next) {
            break;  // nobody is left who could send one
        }
    }
    const std::uint64_t came = world_.interrupts.waiting(address, data);
    if (came < wanted || (wanted == 0 && came != 0)) {
        return mismatch(fmt::format("{} messages {:#x} to {:#x}", wanted, data, address),
                        fmt::format("{}", came), Errno::Etimedout);
    }
    world_.interrupts.take(address, data, wanted);
    return {Errno::Ok, came};
}

StepOutcome BareActor::accelerator(const BareStep& step) {
    if (step.kind == BareKind::Descriptor) {
        const dsa::DescriptorBytes bytes = dsa::encode(BareAccelerator::descriptor_of(step));
        if (!world_.is_memory(step.number(""), bytes.size())) {
            return mismatch("memory", fmt::format("nothing at {:#x}", step.number("")),
                            Errno::Efault);
        }
        ctx_->write_bytes(step.number(""), bytes.data(), bytes.size());
        return {Errno::Ok, bytes.size()};
    }
    BareAccelerator driver(*ctx_, world_.units.at(step.name("")), *world_.cpus);
    const BareResult result = step.kind == BareKind::DsaEnable    ? driver.enable(step)
                              : step.kind == BareKind::DsaCommand ? driver.command(step)
                                                                  : driver.enqueue(step);
    return result.ok() ? StepOutcome{Errno::Ok, result.value}
                       : mismatch(result.expected, result.found, result.error);
}

// --- memory ---

StepOutcome BareActor::store(const BareStep& step) {
    const std::vector<std::uint8_t> bytes = contents_of(step);
    if (!world_.is_memory(step.number(""), bytes.size())) {
        return mismatch("memory", fmt::format("nothing at {:#x}", step.number("")), Errno::Efault);
    }
    ctx_->write_bytes(step.number(""), bytes.data(), bytes.size());
    return {Errno::Ok, bytes.size()};
}

StepOutcome BareActor::check(const BareStep& step) {
    const std::vector<std::uint8_t> wanted = contents_of(step);
    if (!world_.is_memory(step.number(""), wanted.size())) {
        return mismatch("memory", fmt::format("nothing at {:#x}", step.number("")), Errno::Efault);
    }
    std::vector<std::uint8_t> found(wanted.size());
    ctx_->read_bytes(step.number(""), found.data(), found.size());
    if (world_.is_poisoned(step.number(""), found.size())) {
        return machine_check(step.number(""));
    }
    if (found != wanted) {
        return mismatch(fmt::format("{} at {:#x}", hex_bytes(wanted), step.number("")),
                        fmt::format("{}, {}", hex_bytes(found), first_difference(wanted, found)));
    }
    return {Errno::Ok, wanted.size()};
}

StepOutcome BareActor::memory_poll(const BareStep& step) {
    const auto size = static_cast<unsigned>(step.number("size", 4));
    const std::uint64_t address = step.number("");
    const std::uint64_t mask = step.number("mask", bit_mask(8 * size - 1, 0));
    if (!world_.is_memory(address, size) || address % size != 0) {
        return mismatch("aligned memory", fmt::format("{:#x}", address), Errno::Efault);
    }
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kBareTimeout.ps())};
    std::uint64_t value = ctx_->load(address, size);
    while ((value & mask) != step.number("is")) {
        if (ctx_->now() >= end) {
            return mismatch(fmt::format("{:#x} at {:#x}", step.number("is"), address),
                            fmt::format("{:#x}", value & mask), Errno::Etimedout);
        }
        value = ctx_->load(address, size);
    }
    return world_.is_poisoned(address, size) ? machine_check(address)
                                             : StepOutcome{Errno::Ok, value};
}

StepOutcome BareActor::flush(const BareStep& step) {
    const std::uint64_t end = step.number("") + step.number("size", 1);
    if (!world_.is_memory(step.number(""), step.number("size", 1))) {
        return mismatch("memory", fmt::format("nothing at {:#x}", step.number("")), Errno::Efault);
    }
    for (std::uint64_t at = step.number("") & ~(kLineBytes - 1); at < end; at += kLineBytes) {
        world_.cpus->clflushopt(*ctx_, Hpa{at});
    }
    return {};
}

StepOutcome BareActor::poison(const BareStep& step) {
    const std::uint64_t size = step.number("size", 1);
    if (!world_.is_memory(step.number(""), size)) {
        return mismatch("memory", fmt::format("nothing at {:#x}", step.number("")), Errno::Efault);
    }
    world_.poison(step.number(""), size);
    return {};
}

// --- registers ---

std::uint32_t BareActor::capability_offset(const BareUnit& unit, NamedRegister::Base base) {
    constexpr std::uint32_t kUnit = 16;
    if (base == NamedRegister::Base::Iotlb) {
        return static_cast<std::uint32_t>(vtd::ecap::kIro.get(reg(unit, vtd::reg::kEcap, 8))) *
               kUnit;
    }
    if (base == NamedRegister::Base::Fault) {
        return static_cast<std::uint32_t>(vtd::cap::kFro.get(reg(unit, vtd::reg::kCap, 8))) * kUnit;
    }
    return 0;
}

BareActor::Register BareActor::locate(const BareStep& step) {
    const BareUnit& unit = world_.units.at(step.name("of", world_.first_iommu));
    NamedRegister named;
    if (unit.configuration != 0 && is_configuration(step.kind)) {
        SIM_CHECK(find_config_register(step.name(""), named), "register {}", step.name(""));
        return {unit.configuration + named.offset,
                static_cast<unsigned>(step.number("size", named.size))};
    }
    const bool known = unit.iommu           ? find_unit_register(step.name(""), named)
                       : unit.accelerator() ? find_accelerator_register(step.name(""), named)
                                            : find_requester_register(step.name(""), named);
    SIM_CHECK(known, "register {}", step.name(""));
    return {unit.registers + named.offset + capability_offset(unit, named.base),
            static_cast<unsigned>(step.number("size", named.size))};
}

StepOutcome BareActor::mmio_write(const BareStep& step) {
    const Register target = locate(step);
    const std::string of = step.name("of", world_.first_iommu);
    const BareUnit& unit = world_.units.at(of);
    if (unit.requester && target.address == unit.registers + requester::reg::kGo) {
        world_.engaged[of] = BareWorld::Engaged::Started;
    }
    ctx_->mmio_write(target.address, step.number("value"), target.size);
    return {};
}

StepOutcome BareActor::mmio_read(const BareStep& step) {
    const Register target = locate(step);
    const std::uint64_t mask = step.number("mask", bit_mask(8 * target.size - 1, 0));
    const std::uint64_t value = ctx_->mmio_read(target.address, target.size);
    if ((value & mask) != step.number("is")) {
        return mismatch(fmt::format("{} & {:#x} is {:#x}", step.name(""), mask, step.number("is")),
                        fmt::format("{:#x} (all bits: {:#x})", value & mask, value));
    }
    return {Errno::Ok, value};
}

StepOutcome BareActor::mmio_poll(const BareStep& step) {
    const Register target = locate(step);
    const std::uint64_t mask = step.number("mask", bit_mask(8 * target.size - 1, 0));
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kBareTimeout.ps())};
    std::uint64_t value = ctx_->mmio_read(target.address, target.size);
    while ((value & mask) != step.number("is")) {
        if (ctx_->now() >= end) {
            return mismatch(
                fmt::format("{} & {:#x} becomes {:#x}", step.name(""), mask, step.number("is")),
                fmt::format("{:#x} (all bits: {:#x})", value & mask, value), Errno::Etimedout);
        }
        value = ctx_->mmio_read(target.address, target.size);
    }
    return {Errno::Ok, value};
}

std::unique_ptr<ProgramActor> make_bare_actor(BareWorld& world, const ProgramConfig& program) {
    return std::make_unique<BareActor>(world, program);
}

}  // namespace ioasim::platform
