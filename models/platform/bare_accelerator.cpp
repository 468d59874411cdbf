#include "models/platform/bare_accelerator.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "models/cpu/vmx_layout.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/platform/device_commands.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;
namespace reg = dsa::reg;

constexpr TimePs kCommandTimeout{10'000'000'000};

constexpr std::array<NamedCode, 17> kOperations{{
    {"noop", 0x00},
    {"batch", 0x01},
    {"drain", 0x02},
    {"memmove", 0x03},
    {"fill", 0x04},
    {"compare", 0x05},
    {"compare_pattern", 0x06},
    {"create_delta", 0x07},
    {"apply_delta", 0x08},
    {"dualcast", 0x09},
    {"crc", 0x10},
    {"copy_crc", 0x11},
    {"dif_check", 0x12},
    {"dif_insert", 0x13},
    {"dif_strip", 0x14},
    {"dif_update", 0x15},
    {"cache_flush", 0x20},
}};
template <std::size_t N>
std::vector<const char*> names_of(const std::array<NamedCode, N>& codes) {
    std::vector<const char*> out;
    for (const NamedCode& one : codes) {
        out.push_back(one.name);
    }
    return out;
}
template <std::size_t N>
std::uint8_t code_of(const std::array<NamedCode, N>& codes, const std::string& name) {
    const auto found = std::find_if(codes.begin(), codes.end(),
                                    [&name](const NamedCode& one) { return name == one.name; });
    SIM_CHECK(found != codes.end(), "no code is called {}", name);
    return found->code;
}

}  // namespace

cpu::SubmitBy instruction_named(const std::string& name) {
    return name == "movdir64b" ? cpu::SubmitBy::Movdir64b
           : name == "enqcmds" ? cpu::SubmitBy::Enqcmds
                               : cpu::SubmitBy::Enqcmd;
}

std::vector<BareArgSpec> descriptor_args() {
    return {{"op", V::Choice, false, "the operation", "\"noop\"", names_of(kOperations)},
            {"opcode", V::Number, false, "instead: any operation code", "", {}, 0, 255},
            {"pasid", V::Number, false, "PASID of the descriptor", "0", {}, 0, 0xFFFFF},
            {"privileged", V::Flag, false, "PRIV of the descriptor", "false"},
            {"source", V::Number, false, "bytes 16 to 23: source, pattern, list", "0"},
            {"destination", V::Number, false, "bytes 24 to 31: destination, second source", "0"},
            {"size",
             V::Number,
             false,
             "bytes 32 to 35: size, or count of a batch",
             "0",
             {},
             0,
             0xFFFFFFFF},
            {"record", V::Number, false, "a completion record, there (default: none)"},
            {"handle",
             V::Number,
             false,
             "an interrupt, through this handle (default: none)",
             "",
             {},
             0,
             0xFFFF},
            {"fence", V::Flag, false, "entry of a batch: after all before it", "false"},
            {"flags", V::Number, false, "flags beside", "0", {}, 0, 0xFFFFFF},
            {"specific", V::Numbers, false, "bytes 40 to 63, in up to three quadwords"}};
}

namespace {

BareArgSpec subject(V value, const char* doc) {
    return {"", value, true, doc};
}

const char* error_text(cpu::EnqOutcome outcome) {
    switch (outcome) {
        case cpu::EnqOutcome::Accepted:
            return "accepted";
        case cpu::EnqOutcome::Retry:
            return "retry";
        case cpu::EnqOutcome::GeneralProtection:
            return "gp";
        case cpu::EnqOutcome::ExitEnqcmd:
            return "exit72";
        case cpu::EnqOutcome::ExitEnqcmds:
            return "exit73";
    }
    return "";
}

}  // namespace

std::vector<BareSpec> accelerator_specs() {
    std::vector<BareArgSpec> enqueue = descriptor_args();
    const std::vector<BareArgSpec> how{
        {"wq", V::Number, false, "index of the workqueue", "0", {}, 0, dsa::kMaxWorkqueues - 1},
        {"portal", V::Choice, false, "which page", "\"limited\"", {"limited", "unlimited"}},
        {"by",
         V::Choice,
         false,
         "the instruction",
         "\"enqcmds\"",
         {"enqcmd", "enqcmds", "movdir64b"}},
        {"expect",
         V::Choice,
         false,
         "what becomes of it; a posted store is always accepted",
         "\"accepted\"",
         {"accepted", "retry", "gp", "exit72", "exit73", "entry_fails", "any"}},
        {"offset", V::Number, false, "where in the page", "0", {}, 0, kPageSize - 1},
        {"address", V::Number, false, "instead of a portal: any physical address"},
        {"ia32_pasid", V::Number, false, "enqcmd: the MSR as it is (default: `pasid`, valid)"},
        {"first",
         V::Number,
         false,
         "the source's first four bytes as they are",
         "",
         {},
         0,
         0xFFFFFFFF},
        {"user", V::Flag, false, "outside of CPL 0", "false"},
        {"low_directory", V::Number, false,
         "in a guest with PASID translation: the directory of PASIDs below 80000h"},
        {"high_directory", V::Number, false, "and the one of the others", "0"}};
    enqueue.insert(enqueue.end(), how.begin(), how.end());
    return {
        {"dsa_enable",
         BareKind::DsaEnable,
         subject(V::Accelerator, "the accelerator"),
         {{"pasid",
           V::Number,
           false,
           "of dedicated workqueues (default: none)",
           "",
           {},
           0,
           0xFFFFF},
          {"group", V::Flag, false, "writes the group: all queues, all engines", "true"},
          {"queues", V::Flag, false, "enables the workqueues too", "true"},
          {"pasids", V::Flag, false, "the function may send PASIDs, if it may not yet", "true"},
          {"block_on_fault", V::Flag, false, "descriptors may wait for their pages", "false"},
          {"ats", V::Flag, false, "of the workqueues: the device may translate", "true"},
          {"prs", V::Flag, false, "of the workqueues: it may ask for pages", "true"}},
         "configures and enables an accelerator as the platform says"},
        {"dsa_command",
         BareKind::DsaCommand,
         subject(V::Accelerator, "the accelerator"),
         {{"command", V::Choice, true, "which", "", names_of(kDeviceCommands)},
          {"operand", V::Number, false, "index, mask, PASID or handle", "0", {}, 0, 0xFFFFF},
          {"interrupt", V::Flag, false, "completion interrupt wanted", "false"},
          {"async", V::Flag, false, "goes on at once", "false"},
          {"error", V::Number, false, "the error code that it must end with", "0", {}, 0, 255},
          {"timeout", V::Time, false, "how long at most (-ETIMEDOUT)", "\"10ms\""}},
         "an administrative command"},
        {"descriptor", BareKind::Descriptor, subject(V::Number, "where"), descriptor_args(),
         "writes a descriptor into memory, for a batch"},
        {"enqueue", BareKind::Enqueue, subject(V::Accelerator, "the accelerator"),
         std::move(enqueue), "submits a descriptor through a portal"},
    };
}

dsa::Descriptor BareAccelerator::descriptor_of(const BareStep& step) {
    dsa::Descriptor d;
    d.opcode = step.has("opcode") ? static_cast<std::uint8_t>(step.number("opcode"))
                                  : code_of(kOperations, step.name("op", "noop"));
    d.pasid = static_cast<std::uint32_t>(step.number("pasid"));
    d.privileged = step.number("privileged") != 0;
    d.source = step.number("source");
    d.destination = step.number("destination");
    d.size = static_cast<std::uint32_t>(step.number("size"));
    d.flags = static_cast<std::uint32_t>(step.number("flags"));
    if (step.has("record")) {
        d.record = step.number("record");
        d.flags |= dsa::flag::kRecordAddressValid | dsa::flag::kRequestRecord;
    }
    if (step.has("handle")) {
        d.interrupt_handle = static_cast<std::uint16_t>(step.number("handle"));
        d.flags |= dsa::flag::kRequestInterrupt;
    }
    d.flags |= step.number("fence") != 0 ? dsa::flag::kFence : 0;
    const auto words = step.lists.find("specific");
    for (std::size_t i = 0;
         words != step.lists.end() && i < std::min<std::size_t>(words->second.size(), 3); ++i) {
        dsa::put_le(d.specific, 8 * i, 8, words->second[i]);
    }
    return d;
}

Errno BareAccelerator::run(dsa::Command code, std::uint32_t operand, bool interrupt, TimePs timeout,
                           dsa::CommandStatus& status) {
    write(reg::kCmd, dsa::encode_command(code, operand, interrupt), 4);
    const TimePs end = ctx_.now() + timeout;
    do {
        status = dsa::decode_cmdsts(static_cast<std::uint32_t>(read(reg::kCmdsts, 4)));
    } while (status.active && ctx_.now() < end);
    return status.active ? Errno::Etimedout : Errno::Ok;
}

void BareAccelerator::configure_queue(std::size_t index, const BareStep& step) {
    const WorkqueueConfig& wanted = unit_.workqueues[index];
    const auto gencap = dsa::decode_gencap(read(reg::kGencap, 8));
    dsa::WqConfig config;
    config.size = wanted.size;
    config.dedicated = !wanted.shared;
    config.threshold = !wanted.shared ? 0 : wanted.threshold != 0 ? wanted.threshold : wanted.size;
    config.priority = wanted.priority;
    config.pasid_enable = wanted.shared || step.has("pasid");
    config.pasid = wanted.shared ? 0 : static_cast<std::uint32_t>(step.number("pasid"));
    config.block_on_fault = step.number("block_on_fault") != 0;
    config.ats_disable = step.number("ats", 1) == 0;
    config.prs_disable = step.number("prs", 1) == 0;
    config.max_transfer_shift = gencap.max_transfer_shift;
    config.max_batch_shift = gencap.max_batch_shift;
    const auto offsets = dsa::decode_offsets(read(reg::kOffsets, 8));
    const unsigned size_code = dsa::decode_wqcap(read(reg::kWqcap, 8)).config_size_code;
    const dsa::WqcfgDwords dwords = dsa::encode(config);
    for (std::uint64_t i = 0; i < 4; ++i) {
        write(dsa::wqcfg_address(offsets.wqcfg, static_cast<std::uint32_t>(index), size_code, i),
              dwords.at(i), 4);
    }
}

void BareAccelerator::configure_group() {
    const auto offsets = dsa::decode_offsets(read(reg::kOffsets, 8));
    const std::uint64_t group = dsa::grpcfg_address(offsets.grpcfg, 0);
    const std::size_t queues = unit_.workqueues.size();
    for (std::size_t word = 0; word * 64 < queues; ++word) {
        const std::size_t here = std::min<std::size_t>(queues - word * 64, 64);
        write(group + dsa::kGrpcfgWqBitmap + 8 * word, bit_mask(static_cast<unsigned>(here) - 1, 0),
              8);
    }
    write(group + dsa::kGrpcfgEngineBitmap, bit_mask(unit_.engines - 1, 0), 8);
}

// What a driver of the function did before: locked once ATS is enabled.
void BareAccelerator::allow_pasids() {
    const std::uint64_t control = unit_.configuration + pcie::config::kPasidCtl;
    const std::uint64_t now = ctx_.mmio_read(control, 2);
    if ((now & pcie::config::kPasidEnable) == 0) {
        ctx_.mmio_write(control, now | pcie::config::kPasidEnable, 2);
    }
}

BareResult BareAccelerator::enable(const BareStep& step) {
    for (std::size_t i = 0; i < unit_.workqueues.size(); ++i) {
        configure_queue(i, step);
    }
    if (step.number("group", 1) != 0) {
        configure_group();
    }
    if (step.number("pasids", 1) != 0) {
        allow_pasids();
    }
    dsa::CommandStatus status;
    Errno error = run(dsa::Command::EnableDevice, 0, false, kCommandTimeout, status);
    const bool queues = step.number("queues", 1) != 0;
    for (std::uint32_t i = 0; queues && i < unit_.workqueues.size() && error == Errno::Ok &&
                              status.error == dsa::CommandError::None;
         ++i) {
        error = run(dsa::Command::EnableWq, i, false, kCommandTimeout, status);
    }
    if (error != Errno::Ok || status.error != dsa::CommandError::None) {
        return {Errno::Eio, "everything enabled",
                fmt::format("error {:#x}", static_cast<unsigned>(status.error)), 0};
    }
    return {};
}

BareResult BareAccelerator::command(const BareStep& step) {
    const auto code = static_cast<dsa::Command>(code_of(kDeviceCommands, step.name("command")));
    const auto operand = static_cast<std::uint32_t>(step.number("operand"));
    const bool interrupt = step.number("interrupt") != 0;
    if (step.number("async") != 0) {
        write(reg::kCmd, dsa::encode_command(code, operand, interrupt), 4);
        return {};
    }
    dsa::CommandStatus status;
    const TimePs timeout{step.number("timeout", kCommandTimeout.ps())};
    if (run(code, operand, interrupt, timeout, status) != Errno::Ok) {
        return {Errno::Etimedout, "the command ends", "it is active", 0};
    }
    if (static_cast<std::uint64_t>(status.error) != step.number("error")) {
        return {Errno::Eio, fmt::format("error {:#x}", step.number("error")),
                fmt::format("error {:#x}", static_cast<unsigned>(status.error)), 0};
    }
    return {Errno::Ok, {}, {}, status.result};
}

std::string BareAccelerator::submit(const BareStep& step, Hpa target,
                                    const dsa::Descriptor& descriptor) {
    cpu::Vmcs vmcs;
    vmcs.enable_pasid_translation = true;
    vmcs.low_pasid_directory = Hpa{step.number("low_directory")};
    vmcs.high_pasid_directory = Hpa{step.number("high_directory")};
    cpu::CpuState mode;
    mode.supervisor = step.number("user") == 0;
    mode.vmcs = step.has("low_directory") ? &vmcs : nullptr;
    const bool enters = cpu::is_directory_address(vmcs.low_pasid_directory) &&
                        cpu::is_directory_address(vmcs.high_pasid_directory);
    if (mode.vmcs != nullptr && !enters) {
        return "entry_fails";
    }
    return error_text(execute(step, mode, target, dsa::encode(descriptor)));
}

cpu::EnqOutcome BareAccelerator::execute(const BareStep& step, const cpu::CpuState& mode,
                                         Hpa target, dsa::DescriptorBytes source) {
    const cpu::SubmitBy by = instruction_named(step.name("by", "enqcmds"));
    if (by == cpu::SubmitBy::Enqcmd) {
        dsa::put_le(source, 0, 4, 0);  // the instruction fills in PASID and PRIV
        const std::uint64_t msr =
            step.number("ia32_pasid", cpu::kIa32PasidValid | step.number("pasid"));
        if (!cpus_.set_pasid_msr(ctx_, msr)) {
            return cpu::EnqOutcome::GeneralProtection;  // of WRMSR
        }
    }
    if (step.has("first")) {
        dsa::put_le(source, 0, 4, step.number("first"));
    }
    return cpu::submit_once(cpus_, ctx_, by, mode, target, source);
}

BareResult BareAccelerator::enqueue(const BareStep& step) {
    const dsa::Descriptor descriptor = descriptor_of(step);
    const auto portal = step.name("portal", "limited") == "limited" ? dsa::Portal::LimitedMsix
                                                                    : dsa::Portal::UnlimitedMsix;
    const auto wq = static_cast<std::uint32_t>(step.number("wq"));
    const Hpa target{step.number(
        "address", unit_.portals + dsa::portal_offset(wq, portal) + step.number("offset"))};
    const std::string result = submit(step, target, descriptor);
    const std::string expect = step.name("expect", "accepted");
    if (expect != "any" && expect != result) {
        return {Errno::Eio, expect, result, 0};
    }
    return {Errno::Ok, {}, {}, result == error_text(cpu::EnqOutcome::Accepted) ? 1U : 0U};
}

}  // namespace ioasim::platform
