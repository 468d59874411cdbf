// Programs from their first step to their last, whoever carries the steps out.
#include <algorithm>

#include "core/trace/run_events.hpp"
#include "models/platform/program.hpp"

namespace ioasim::platform {
namespace {

// A sleeping program notices at the end of such a turn that it was killed.
constexpr TimePs kSleepTurn{100'000'000};

void sleep(ExecContext& ctx, ProgramActor& actor, TimePs duration) {
    WaitQueue timer{"sleep"};
    WaitQueue& queue = actor.deaths() != nullptr ? *actor.deaths() : timer;
    const TimePs start = ctx.now();
    const TimePs end = start + duration;
    while (ctx.now() < end && actor.alive()) {
        ctx.wait_until(queue, end);
    }
    const std::uint64_t turns = ((ctx.now() - start).ps() + kSleepTurn.ps() - 1) / kSleepTurn.ps();
    const TimePs notices = std::min(end, start + kSleepTurn * turns);
    while (ctx.now() < notices) {
        ctx.wait_until(timer, notices);
    }
}

// Who awaits a program that has ended learns it, as the reader of a pipe does.
void signal_the_rest(ExecContext& ctx, const ProgramConfig& program, ProgramActor& actor,
                     std::size_t from) {
    for (std::size_t i = from; i < program.steps.size(); ++i) {
        const Step& step = program.steps[i];
        if (step.kind == StepKind::Call && step.call.kind == CallKind::Signal) {
            static_cast<void>(actor.perform(ctx, step, i));
        }
    }
}

}  // namespace

std::string step_name(const Step& step) {
    switch (step.kind) {
        case StepKind::Alloc:
            return "alloc";
        case StepKind::Free:
            return "free";
        case StepKind::Bind:
            return "bind";
        case StepKind::Unbind:
            return "unbind";
        case StepKind::Submit:
            return "submit";
        case StepKind::Wait:
            return "wait";
        case StepKind::Sleep:
            return "sleep";
        case StepKind::Spend:
            return "spend";
        case StepKind::Exit:
            return "exit";
        case StepKind::Kill:
            return "kill";
        case StepKind::Hang:
            return "hang";
        case StepKind::Call:
            return call_spec(step.call.kind).key;
        case StepKind::Unplug:
            return "unplug";
        case StepKind::Migrate:
            return "migrate";
        case StepKind::Mdev:
            return "mdev";
        case StepKind::Command:
            return "device_command";
        case StepKind::QueuePasid:
            return "queue_pasid";
        case StepKind::Panic:
            return "panic";
        case StepKind::VmReset:
            return "vm_reset";
        case StepKind::Open:
            return "open";
        case StepKind::Close:
            return "close";
        case StepKind::Mmap:
            return "mmap";
        case StepKind::Munmap:
            return "munmap";
        case StepKind::Fork:
            return "fork";
        case StepKind::Exec:
            return "exec";
        case StepKind::Bare:
        case StepKind::User:
        case StepKind::Machine:
            return bare_spec(step.bare.kind).key;
        case StepKind::Absent:
            return "absent";
    }
    return "?";
}

void tell_not_started(ExecContext& ctx, trace::Recorder& recorder, const ProgramConfig& program,
                      Errno error) {
    recorder.emit(ctx.source(), trace::StepResult{recorder.name(program.on + "/" + program.process),
                                                  0, recorder.name("start"), error, 0, TimePs{}});
}

void run_program(ExecContext& ctx, trace::Recorder& recorder, const ProgramConfig& program,
                 ProgramActor& actor, const StepWatch* watch) {
    const trace::Name name = recorder.name(program.on + "/" + program.process);
    const Errno started = actor.start(ctx);
    if (started != Errno::Ok) {
        tell_not_started(ctx, recorder, program, started);
        return;
    }
    std::size_t i = 0;
    for (; i < program.steps.size() && actor.alive(); ++i) {
        const Step& step = program.steps[i];
        const TimePs start = ctx.now();
        StepOutcome result;
        if (step.kind == StepKind::Absent) {
            continue;
        }
        if (watch != nullptr) {
            watch->begins(i);
        }
        if (step.kind == StepKind::Sleep) {
            sleep(ctx, actor, step.duration);
        } else if (step.kind == StepKind::Spend) {
            ctx.spend(step.duration);
        } else {
            result = actor.perform(ctx, step, i);
        }
        recorder.emit(ctx.source(), trace::StepResult{name, static_cast<std::uint32_t>(i),
                                                      recorder.name(step_name(step)), result.error,
                                                      result.value, ctx.now() - start});
        if (watch != nullptr) {
            watch->ended(i, result);
        }
        const bool wanted = step.any_result || result.error == step.error.value_or(Errno::Ok);
        if (step.kind == StepKind::Exit || (!wanted && !program.go_on)) {
            break;
        }
    }
    signal_the_rest(ctx, program, actor, i);
    actor.finish(ctx);
}

}  // namespace ioasim::platform
