#include "models/platform/bare_program.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "core/base/bits.hpp"
#include "core/trace/run_events.hpp"
#include "models/platform/bare_accelerator.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {
namespace {

constexpr TimePs kDefaultTimeout{10'000'000'000};
constexpr std::size_t kShownBytes = 32;

bool is_configuration(BareKind kind) {
    return kind == BareKind::ConfigWrite || kind == BareKind::ConfigRead ||
           kind == BareKind::ConfigPoll;
}

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

class BareActor final : public ProgramActor {
public:
    BareActor(BareWorld& world, const ProgramConfig& program)
        : world_(world),
          name_(world.recorder.name(program.on + "/" + program.process)),
          settles_(program.settle) {}

    Errno start(ExecContext&) override { return Errno::Ok; }
    void finish(ExecContext&) override {}
    bool alive() const override { return true; }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t index) override {
        ctx_ = &ctx;
        index_ = index;
        const StepOutcome result = one(step.bare);
        if (settles_) {
            settle();
        }
        return result;
    }

private:
    StepOutcome one(const BareStep& step) {
        switch (step.kind) {
            case BareKind::Store:
                return store(step);
            case BareKind::Check:
                return check(step);
            case BareKind::MemoryPoll:
                return memory_poll(step);
            case BareKind::MmioWrite:
            case BareKind::ConfigWrite:
                return mmio_write(step);
            case BareKind::MmioRead:
            case BareKind::ConfigRead:
                return mmio_read(step);
            case BareKind::MmioPoll:
            case BareKind::ConfigPoll:
                return mmio_poll(step);
            case BareKind::Dma:
                return dma(step);
            case BareKind::DmaWait:
                return dma_wait(step, step.name(""));
            case BareKind::Settle:
                settle();
                return {};
            case BareKind::Poison:
                return poison(step);
            case BareKind::Fail:
                world_.fail_next(step.name(""));
                return {};
            case BareKind::Interrupt:
                return interrupt(step);
            case BareKind::DsaEnable:
            case BareKind::DsaCommand:
            case BareKind::Descriptor:
            case BareKind::Enqueue:
                return accelerator(step);
            default:
                return built(step);
        }
        return {Errno::Einval, 0};
    }

    StepOutcome mismatch(const std::string& expected, const std::string& found,
                         Errno error = Errno::Eio) {
        world_.recorder.emit(
            ctx_->source(),
            trace::StepMismatch{name_, static_cast<std::uint32_t>(index_),
                                world_.recorder.name(expected), world_.recorder.name(found)});
        return {error, 0};
    }

    // Polling costs what looking costs: each turn ends when the hardware did something.
    void settle() {
        while (const auto next = world_.next_activity()) {
            ctx_->spend(*next > ctx_->now() ? *next - ctx_->now() : TimePs{1});
        }
    }

    StepOutcome built(const BareStep& step);
    StepOutcome entry(const BareStep& step);
    StepOutcome interrupt(const BareStep& step);
    StepOutcome accelerator(const BareStep& step);
    BareResult tables(const BareStep& step);
    BareResult drive(const BareStep& step);
    std::string unit_of(const BareStep& step) const;
    BareDriver& driver(const std::string& unit);
    StepOutcome store(const BareStep& step);
    StepOutcome check(const BareStep& step);
    StepOutcome memory_poll(const BareStep& step);
    StepOutcome poison(const BareStep& step);
    // A processor cannot read this: it takes a machine check.
    StepOutcome machine_check(std::uint64_t address) {
        return mismatch("memory without an error", fmt::format("poison at {:#x}", address),
                        Errno::Efault);
    }

    struct Register {
        std::uint64_t address = 0;
        unsigned size = 4;
    };
    Register locate(const BareStep& step);
    bool busy(const std::string& device, const BareUnit& unit);
    void tell(const BareStep& step, const BareUnit& unit, std::uint32_t length);
    std::uint32_t capability_offset(const BareUnit& unit, NamedRegister::Base base);
    StepOutcome mmio_write(const BareStep& step);
    StepOutcome mmio_read(const BareStep& step);
    StepOutcome mmio_poll(const BareStep& step);

    StepOutcome dma(const BareStep& step);
    StepOutcome dma_wait(const BareStep& step, const std::string& device);
    StepOutcome judge_read(const BareStep& step, const BareUnit& unit, requester::Outcome outcome);
    StepOutcome judge_write(const std::string& expect, requester::Outcome outcome);
    std::uint64_t reg(const BareUnit& unit, std::uint32_t offset, unsigned size = 4) {
        return ctx_->mmio_read(unit.registers + offset, size);
    }
    void set_reg(const BareUnit& unit, std::uint32_t offset, std::uint64_t value,
                 unsigned size = 4) {
        ctx_->mmio_write(unit.registers + offset, value, size);
    }

    BareWorld& world_;
    trace::Name name_;
    bool settles_;
    ExecContext* ctx_ = nullptr;
    std::size_t index_ = 0;
    BareBuilder builder_{world_.is_memory, world_.is_poisoned};
    std::map<std::string, BareDriver> drivers_;  // by unit
    // What was asked of a requester last.
    struct Asked {
        bool write = false;
        Rid rid;
        std::uint32_t length = 0;
        std::uint64_t number = 0;
        // A write that is an interrupt message, and how many such came before.
        std::optional<std::pair<std::uint64_t, std::uint32_t>> message;
        std::uint64_t messages = 0;
    };
    std::map<std::string, Asked> asked_;
};

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
    const TimePs timeout{step.number("timeout", kDefaultTimeout.ps())};
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
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kDefaultTimeout.ps())};
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
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kDefaultTimeout.ps())};
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
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kDefaultTimeout.ps())};
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

// --- DMA ---

// The function ignores GO while an operation is under way.
bool BareActor::busy(const std::string& device, const BareUnit& unit) {
    const BareWorld::Engaged engaged = world_.engaged[device];
    return engaged == BareWorld::Engaged::Told ||
           (engaged == BareWorld::Engaged::Started &&
            requester::state_of(reg(unit, requester::reg::kStatus)) == requester::State::Busy);
}

void BareActor::tell(const BareStep& step, const BareUnit& unit, std::uint32_t length) {
    namespace reg = requester::reg;
    namespace request = requester::request;
    const auto data = step.bytes.find("data");
    const bool write = step.name("") == "write";
    std::uint32_t flags = static_cast<std::uint32_t>(write ? requester::Operation::Write
                                                           : requester::Operation::Read);
    flags |= step.number("privileged") != 0 ? request::kPrivileged : 0;
    flags |= step.number("execute") != 0 ? request::kExecute : 0;
    flags |= step.number("no_snoop") != 0 ? request::kNoSnoop : 0;
    flags |= step.number("relaxed") != 0 ? request::kRelaxedOrdering : 0;
    flags |= step.number("id_ordering") != 0 ? request::kIdOrdering : 0;
    flags |= step.number("poisoned") != 0 ? request::kPoisoned : 0;
    flags |= step.number("translated") != 0 ? 2U << request::kAtShift : 0;
    flags |= step.number("ats") != 0 ? request::kAutomatic : 0;
    set_reg(unit, reg::kAddress, step.number("iova"), 8);
    set_reg(unit, reg::kLength, length);
    set_reg(unit, reg::kPasid,
            step.has("pasid") ? step.number("pasid") | requester::kValid : std::uint64_t{0});
    set_reg(unit, reg::kRequest, flags);
    set_reg(unit, reg::kRequester,
            step.has("rid") ? step.number("rid") | requester::kValid : std::uint64_t{0});
    if (write && data != step.bytes.end()) {
        for (std::uint32_t at = 0; at < length; at += 4) {
            std::uint32_t word = 0;
            for (std::uint32_t i = 0; i < std::min(4U, length - at); ++i) {
                word |= std::uint32_t{data->second[at + i]} << (8 * i);
            }
            set_reg(unit, reg::kData + at, word);
        }
    }
}

StepOutcome BareActor::dma(const BareStep& step) {
    const std::string device = step.name("by");
    const BareUnit& unit = world_.units.at(device);
    if (busy(device, unit)) {
        return mismatch(device + " takes an operation", "an operation is still under way",
                        Errno::Ebusy);
    }
    world_.engaged[device] = BareWorld::Engaged::Told;
    const auto data = step.bytes.find("data");
    const bool has_data = data != step.bytes.end();
    const auto length =
        static_cast<std::uint32_t>(step.number("size", has_data ? data->second.size() : 0));
    tell(step, unit, length);
    Asked asked;
    asked.write = step.name("") == "write";
    asked.rid = step.has("rid") ? Rid{static_cast<std::uint16_t>(step.number("rid"))} : unit.rid;
    asked.length = length;
    constexpr std::uint32_t kMessageBytes = 4;
    if (asked.write && has_data && length == kMessageBytes) {
        std::uint32_t value = 0;
        for (std::uint32_t i = 0; i < kMessageBytes; ++i) {
            value |= std::uint32_t{data->second[i]} << (8 * i);
        }
        asked.message = {step.number("iova"), value};
        asked.messages = world_.interrupts.came(step.number("iova"), value);
    }
    // Asked for beforehand: the answer to a later read would come behind the writes.
    asked.number = reg(unit, requester::reg::kNumber) + 1;
    set_reg(unit, requester::reg::kGo, 1);
    world_.engaged[device] = BareWorld::Engaged::Started;
    asked_[device] = asked;
    return step.number("async") == 0 ? dma_wait(step, device) : StepOutcome{};
}

StepOutcome BareActor::dma_wait(const BareStep& step, const std::string& device) {
    namespace reg = requester::reg;
    const BareUnit& unit = world_.units.at(device);
    const TimePs end = ctx_->now() + TimePs{step.number("timeout", kDefaultTimeout.ps())};
    std::uint64_t status = this->reg(unit, reg::kStatus);
    while (requester::state_of(status) == requester::State::Busy) {
        if (ctx_->now() >= end) {
            return mismatch("the operation ends", "it is under way", Errno::Etimedout);
        }
        status = this->reg(unit, reg::kStatus);
    }
    world_.engaged[device] = BareWorld::Engaged::No;
    if (requester::state_of(status) == requester::State::Idle) {
        return mismatch("an operation of " + device, "none was started", Errno::Einval);
    }
    constexpr std::uint64_t kNoAnswer = 0xFFFF'FFFF;  // what the host bridge makes of a failed read
    if (status == kNoAnswer && step.name("expect", "ok") != "any") {
        return mismatch("the operation ends: " + step.name("expect", "ok"),
                        device + " does not answer");
    }
    const Asked& asked = asked_[device];
    const requester::Outcome outcome = requester::outcome_of(status);
    if (!asked.write) {
        return judge_read(step, unit, outcome);
    }
    if (step.name("expect", "ok") != "any") {
        settle();  // posted: what memory does not have by then, it never gets
    }
    std::uint64_t landed = world_.writes.bytes(asked.rid, asked.number);
    if (asked.message &&
        world_.interrupts.came(asked.message->first, asked.message->second) > asked.messages) {
        landed += asked.length;
    }
    StepOutcome judged = judge_write(step.name("expect", "ok"), outcome);
    if (judged.error != Errno::Ok || outcome != requester::Outcome::Ok) {
        return judged;
    }
    const std::string expect = step.name("expect", "ok");
    if ((expect == "ok" && landed != asked.length) || (expect == "blocked" && landed != 0)) {
        return mismatch(expect == "ok" ? fmt::format("{} bytes written", asked.length)
                                       : std::string("no byte written"),
                        fmt::format("{} bytes reached memory or a processor", landed));
    }
    return {Errno::Ok, landed};
}

StepOutcome BareActor::judge_read(const BareStep& step, const BareUnit& unit,
                                  requester::Outcome outcome) {
    using requester::Outcome;
    const std::string expect = step.name("expect", "ok");
    const std::string found = requester::outcome_name(outcome);
    const bool blocked =
        outcome == Outcome::UnsupportedRequest || outcome == Outcome::CompleterAbort;
    if (expect != "any" && expect != found && !(expect == "blocked" && blocked)) {
        return mismatch("the read ends: " + expect, found);
    }
    const auto data = step.bytes.find("data");
    if (outcome == Outcome::Ok && data != step.bytes.end()) {
        std::vector<std::uint8_t> came;
        for (std::uint32_t at = 0; came.size() < data->second.size(); at += 4) {
            const std::uint64_t word = reg(unit, requester::reg::kData + at);
            for (unsigned i = 0; i < 4 && came.size() < data->second.size(); ++i) {
                came.push_back(static_cast<std::uint8_t>(word >> (8 * i)));
            }
        }
        if (came != data->second) {
            return mismatch(
                fmt::format("{} read", hex_bytes(data->second)),
                fmt::format("{}, {}", hex_bytes(came), first_difference(data->second, came)));
        }
    }
    return {Errno::Ok, reg(unit, requester::reg::kMoved)};
}

StepOutcome BareActor::judge_write(const std::string& expect, requester::Outcome outcome) {
    const std::string found = requester::outcome_name(outcome);
    // A posted write is sent or refused; what became of it is asked of memory.
    const bool sent = expect == "ok" || expect == "blocked";
    if (expect != "any" && found != (sent ? "ok" : expect)) {
        return mismatch("the write ends: " + expect, found);
    }
    return {};
}

}  // namespace

std::unique_ptr<ProgramActor> make_bare_actor(BareWorld& world, const ProgramConfig& program) {
    return std::make_unique<BareActor>(world, program);
}

}  // namespace ioasim::platform
