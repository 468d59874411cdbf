// Programs from their first step to their last, whoever carries the steps out.
#include <algorithm>

#include "core/trace/run_events.hpp"
#include "models/platform/program.hpp"
#include "models/vm/run_control.hpp"

namespace ioasim::platform {
namespace {

// A program that sleeps or computes notices at the end of such a turn that it was killed.
constexpr TimePs kSleepTurn{100'000'000};

StepOutcome spend(ExecContext& ctx, const ProgramActor& actor, TimePs duration) {
    const TimePs turn = actor.in_guest() ? duration : kSleepTurn;
    TimePs left = duration;
    while (left > TimePs{} && actor.alive()) {
        const TimePs now = std::min(left, turn);
        ctx.spend(now);
        left = left - now;
    }
    return outcome(left > TimePs{} ? Errno::Eintr : Errno::Ok);
}

StepOutcome sleep(ExecContext& ctx, ProgramActor& actor, TimePs duration) {
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
    return outcome(notices < end ? Errno::Eintr : Errno::Ok);
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
        case StepKind::Thread:
            return "thread";
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

namespace {

// What a killed machine was at ends there, whatever it would have come to.
template <class Work>
StepOutcome unless_killed(const Work& work) {
    try {
        return work();
    } catch (const vm::GuestEnded&) {
        return outcome(Errno::Eintr);
    }
}

StepOutcome carry_out(ExecContext& ctx, ProgramActor& actor, const Step& step, std::size_t index) {
    if (step.kind == StepKind::Sleep) {
        return sleep(ctx, actor, step.duration);
    }
    if (step.kind == StepKind::Spend) {
        return spend(ctx, actor, step.duration);
    }
    return actor.perform(ctx, step, index);
}

}  // namespace

void run_program(ExecContext& ctx, trace::Recorder& recorder, const ProgramConfig& program,
                 ProgramActor& actor, const StepWatch* watch) {
    const trace::Name name = recorder.name(program.on + "/" + program.process);
    const Errno started = unless_killed([&] { return outcome(actor.start(ctx)); }).error;
    if (started != Errno::Ok) {
        tell_not_started(ctx, recorder, program, started);
        return;
    }
    std::size_t i = 0;
    for (; i < program.steps.size() && actor.alive(); ++i) {
        const Step& step = program.steps[i];
        const TimePs start = ctx.now();
        if (step.kind == StepKind::Absent) {
            continue;
        }
        if (watch != nullptr) {
            watch->begins(i);
        }
        const StepOutcome result = unless_killed([&] { return carry_out(ctx, actor, step, i); });
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
