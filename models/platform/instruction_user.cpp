#include "models/platform/instruction_user.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "core/trace/run_events.hpp"
#include "models/dsa/dsa_layout.hpp"
#include "models/linux/device.hpp"
#include "models/platform/bare_accelerator.hpp"

namespace ioasim::platform {
namespace {

using V = BareValue;

// What of a descriptor is the name of a mapping here.
constexpr std::array<const char*, 3> kPlaces{"source", "destination", "record"};

const char* word_of(const Result<bool>& result) {
    return !result ? "fault" : *result ? "accepted" : "retry";
}

}  // namespace

std::vector<BareSpec> instruction_specs() {
    std::vector<BareArgSpec> args = descriptor_args();
    for (BareArgSpec& arg : args) {
        for (const char* place : kPlaces) {
            if (std::string(place) == arg.key) {
                arg = {place, V::Mapping, false, "a mapping of the process", ""};
            }
        }
    }
    const std::vector<BareArgSpec> how{
        {"device", V::AnyDevice, true, "the accelerator"},
        {"wq", V::Number, false, "index of the workqueue", "0", {}, 0, dsa::kMaxWorkqueues - 1},
        {"offset", V::Number, false, "where in the portal's page", "0", {}, 0, kPageSize - 1},
        {"address", V::Number, false, "kernel: instead of a portal, any physical address"},
        {"first", V::Number, false, "the source's first four bytes", "0", {}, 0, 0xFFFFFFFF},
        {"record_offset", V::Number, false, "where in its mapping", "0", {}, 0, kPageSize - 1},
        {"kernel", V::Flag, false, "at CPL 0, with physical addresses of the machine", "false"},
        {"expect",
         V::Choice,
         false,
         "ZF, or a signal (oops); a posted store is accepted",
         "\"accepted\"",
         {"accepted", "retry", "fault", "any"}},
        {"status", V::Number, false, "and then the record must have this status", "", {}, 1, 255}};
    args.insert(args.end(), how.begin(), how.end());
    return {{"instruction",
             BareKind::Instruction,
             {"", V::Choice, true, "which", "", {"enqcmd", "enqcmds", "movdir64b"}},
             std::move(args),
             "executes it once as it is, right or wrong",
             StepFamily::User}};
}

StepOutcome InstructionUser::perform(ExecContext& ctx, const BareStep& step, std::size_t index,
                                     const Mappings& mappings, os::UserQueue& queue) {
    index_ = index;
    os::Device* const device = kernel_.find_device(step.name("device"));
    if (device == nullptr || step.number("wq") >= device->setup().queues.size()) {
        return {Errno::Enodev, 0};
    }
    BareStep filled = step;
    for (const char* place : kPlaces) {
        const auto found = mappings.find(step.name(place));
        filled.names.erase(place);
        if (found != mappings.end()) {
            filled.numbers[place] = found->second;
        }
    }
    const bool has_record = filled.has("record");
    const std::uint64_t record = filled.number("record") + step.number("record_offset");
    if (has_record) {
        filled.numbers["record"] = record;
        const std::uint64_t pending = 0;
        static_cast<void>(process_.mm.write(ctx, record, &pending, sizeof pending));
    }
    dsa::DescriptorBytes source = dsa::encode(BareAccelerator::descriptor_of(filled));
    if (step.has("first") || step.name("") == "enqcmd") {
        dsa::put_le(source, 0, 4, step.number("first"));
    }
    ctx.spend(kernel_.params().descriptor_build);
    const Result<bool> result = execute(ctx, step, *device, source, queue);
    const std::string expect = step.name("expect", "accepted");
    if (!result && result.error() != Errno::Efault) {
        return {result.error(), 0};
    }
    if (expect != "any" && expect != word_of(result)) {
        return mismatch(ctx, expect, word_of(result));
    }
    const bool accepted = result && *result;
    return accepted && has_record && step.has("status")
               ? await(ctx, record, step.number("status"))
               : StepOutcome{Errno::Ok, accepted ? 1U : 0U};
}

Result<bool> InstructionUser::execute(ExecContext& ctx, const BareStep& step, os::Device& device,
                                      const cpu::Descriptor64& source, os::UserQueue& queue) {
    const auto index = static_cast<std::uint32_t>(step.number("wq"));
    if (step.number("kernel") != 0) {
        const std::uint64_t portal = device.portal(index) + step.number("offset");
        return as_kernel(ctx, step, Hpa{step.number("address", portal)}, source);
    }
    return queue.execute(
        ctx, {&device, index, step.number("offset"), instruction_named(step.name("")), source});
}

Result<bool> InstructionUser::as_kernel(ExecContext& ctx, const BareStep& step, Hpa target,
                                        const cpu::Descriptor64& source) {
    cpu::CpuState state;
    state.supervisor = true;
    const cpu::EnqOutcome outcome = cpu::submit_once(
        kernel_.instructions(), ctx, instruction_named(step.name("")), state, target, source);
    if (outcome == cpu::EnqOutcome::Accepted || outcome == cpu::EnqOutcome::Retry) {
        return outcome == cpu::EnqOutcome::Accepted;
    }
    return Errno::Efault;
}

StepOutcome InstructionUser::await(ExecContext& ctx, std::uint64_t record, std::uint64_t wanted) {
    const TimePs deadline = ctx.now() + kernel_.params().completion_timeout;
    std::uint8_t status = 0;
    while (true) {
        const Errno error = process_.mm.read(ctx, record, &status, 1);
        status &= dsa::kStatusMask;
        if (error != Errno::Ok || status != 0 || process_.killed || ctx.now() >= deadline) {
            break;
        }
        ctx.spend(kernel_.params().completion_poll);
    }
    if (process_.killed) {
        return {Errno::Eintr, 0};
    }
    if (status == 0) {
        return {Errno::Etimedout, 0};
    }
    return status == wanted ? StepOutcome{Errno::Ok, status}
                            : mismatch(ctx, fmt::format("status {:#x}", wanted),
                                       fmt::format("status {:#x}", status));
}

StepOutcome InstructionUser::mismatch(ExecContext& ctx, const std::string& expected,
                                      const std::string& found) {
    recorder_.emit(ctx.source(),
                   trace::StepMismatch{program_, static_cast<std::uint32_t>(index_),
                                       recorder_.name(expected), recorder_.name(found)});
    return {Errno::Eio, 0};
}

}  // namespace ioasim::platform
