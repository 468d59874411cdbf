#include "models/platform/program.hpp"

#include <algorithm>
#include <charconv>

#include "core/trace/run_events.hpp"
#include "models/dsa/dsa_layout.hpp"

namespace ioasim::platform {
namespace {

// Buffers beyond this are kept in part: they serve comparison, not storage.
constexpr std::uint64_t kKeptBytes = std::uint64_t{1} << 20U;

const char* step_name(StepKind kind) {
    switch (kind) {
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
        case StepKind::Exit:
            return "exit";
        case StepKind::AttachSpid:
            return "attach_spid";
        case StepKind::DetachSpid:
            return "detach_spid";
        case StepKind::Get:
            return "get";
        case StepKind::Put:
            return "put";
        case StepKind::Find:
            return "find";
        case StepKind::Kill:
            return "kill";
    }
    return "?";
}

std::uint8_t opcode_of(const std::string& op) {
    return static_cast<std::uint8_t>(op == "noop" ? dsa::Opcode::Noop : dsa::Opcode::Memmove);
}

StepOutcome outcome(Errno error) {
    return {error, 0};
}

StepOutcome outcome(const Result<Ioasid>& id) {
    return id ? StepOutcome{Errno::Ok, id.value().value()} : StepOutcome{id.error(), 0};
}

// Variables of a program: "A" after an alloc, or a number written as such.
class Variables {
public:
    std::optional<Ioasid> get(const std::string& name) const {
        std::uint32_t number = 0;
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data(), end, number);
        if (parsed.ec == std::errc{} && parsed.ptr == end) {
            return Ioasid{number};
        }
        const auto found = ids_.find(name);
        return found == ids_.end() ? std::nullopt : std::optional<Ioasid>(found->second);
    }
    void set(const std::string& name, Ioasid id) { ids_[name] = id; }

private:
    std::map<std::string, Ioasid> ids_;
};

// The calls that go to the IOASID core itself, for programs that act as a kernel user of a set.
class CoreCalls {
public:
    CoreCalls(IoasidCore& core, const std::string& holder)
        : core_(core), holder_(core.holder(holder)) {}

    IoasidSet* find_set(const std::string& name) const {
        const std::vector<IoasidSet*> sets = core_.sets();
        const auto found = std::find_if(sets.begin(), sets.end(),
                                        [&name](const IoasidSet* s) { return s->name() == name; });
        return found == sets.end() ? nullptr : *found;
    }

    StepOutcome perform(ExecContext& ctx, const Step& step, IoasidSet* set, Ioasid id) {
        switch (step.kind) {
            case StepKind::AttachSpid:
                return outcome(core_.attach_spid(ctx, set, id, Spid{step.spid}));
            case StepKind::DetachSpid:
                core_.detach_spid(ctx, id);
                return {};
            case StepKind::Get:
                return outcome(core_.get(ctx, set, id, holder_));
            case StepKind::Put:
                core_.put(ctx, set, id, holder_);
                return {};
            case StepKind::Find: {
                const Ioasid found = core_.find_by_spid(ctx, set, Spid{step.spid}, false);
                return found == kNoIoasid ? outcome(Errno::Enoent)
                                          : StepOutcome{Errno::Ok, found.value()};
            }
            default:
                return outcome(Errno::Eopnotsupp);
        }
    }

private:
    IoasidCore& core_;
    trace::Name holder_;
};

class ProcessActor final : public ProgramActor {
public:
    ProcessActor(ProgramWorld& world, os::Kernel& kernel, const std::string& name,
                 MachineToHost to_host, vm::VirtualMachine* inside)
        : world_(world),
          kernel_(kernel),
          process_(kernel.create_process(name)),
          queue_(kernel, process_),
          core_(kernel.ioasid(), name),
          to_host_(std::move(to_host)),
          inside_(inside) {}

    Errno start(ExecContext& ctx) override {
        const Errno booted = kernel_.boot(ctx);
        return booted != Errno::Ok ? booted : kernel_.start_process(ctx, process_);
    }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t index) override;

    void finish(ExecContext& ctx) override {
        for (const auto& [index, report] : reports_) {
            kept_[index] = {keep(report.source), keep(report.destination)};
        }
        if (alive() && process_.mm.alive()) {
            kernel_.exit_process(ctx, process_, "exit");
        }
    }

    bool alive() const override {
        return !process_.killed && (inside_ == nullptr || inside_->alive());
    }

    KeptBuffers kept(std::size_t step) const override {
        const auto found = kept_.find(step);
        return found == kept_.end() ? KeptBuffers{} : found->second;
    }

private:
    StepOutcome bind(ExecContext& ctx, const Step& step);
    StepOutcome submit(ExecContext& ctx, const Step& step, std::size_t index);
    std::vector<std::uint8_t> keep(std::uint64_t address) const;

    ProgramWorld& world_;
    os::Kernel& kernel_;
    os::Process& process_;
    os::UserQueue queue_;
    CoreCalls core_;
    MachineToHost to_host_;
    vm::VirtualMachine* inside_;
    Variables variables_;
    std::map<std::size_t, os::SubmitReport> reports_;
    std::map<std::size_t, KeptBuffers> kept_;
};

StepOutcome ProcessActor::bind(ExecContext& ctx, const Step& step) {
    os::Device* device = kernel_.find_device(step.device);
    if (device == nullptr) {
        return outcome(Errno::Enodev);
    }
    std::optional<Ioasid> id = variables_.get(step.id);
    if (!id) {
        // Native SVA: the first bind of an address space allocates its PASID.
        const PasidRange range = step.range.value_or(PasidRange{});
        const Result<Ioasid> fresh = kernel_.sva().alloc(ctx, process_, range.min, range.max);
        if (!fresh) {
            return outcome(fresh.error());
        }
        id = *fresh;
        variables_.set(step.id, *id);
    }
    return {kernel_.sva().bind(ctx, process_, *device, *id), id->value()};
}

StepOutcome ProcessActor::submit(ExecContext& ctx, const Step& step, std::size_t index) {
    os::Device* device = kernel_.find_device(step.device);
    const Result<std::uint32_t> queue =
        device == nullptr ? Result<std::uint32_t>(Errno::Enodev) : device->queue(step.workqueue);
    if (!queue) {
        return outcome(queue.error());
    }
    os::SubmitRequest request;
    request.device = device;
    request.queue = *queue;
    if (!step.id.empty()) {
        const std::optional<Ioasid> id = variables_.get(step.id);
        if (!id) {
            return outcome(Errno::Enoent);
        }
        request.pasid = Pasid{id->value()};
    }
    request.opcode = opcode_of(step.op);
    request.size = step.size;
    request.count = step.count;
    request.pattern = step.pattern;
    request.wait = step.wait;
    request.timeout = step.duration;
    os::SubmitReport& report = reports_[index];
    const Errno error = queue_.submit(ctx, request, report);
    return {error, report.completed};
}

StepOutcome ProcessActor::perform(ExecContext& ctx, const Step& step, std::size_t index) {
    switch (step.kind) {
        case StepKind::Alloc: {
            const PasidRange range = step.range.value_or(PasidRange{});
            const Result<Ioasid> id = kernel_.sva().alloc(ctx, process_, range.min, range.max);
            if (id) {
                variables_.set(step.id, *id);
            }
            return outcome(id);
        }
        case StepKind::Bind:
            return bind(ctx, step);
        case StepKind::Submit:
            return submit(ctx, step, index);
        case StepKind::Wait: {
            os::SubmitReport report;
            const Errno error = queue_.wait_all(ctx, step.duration, report);
            return {error, report.completed};
        }
        case StepKind::Kill: {
            const auto target = world_.vms.find(step.target);
            return outcome(target == world_.vms.end() ? Errno::Esrch : target->second->kill(ctx));
        }
        default:
            break;
    }
    const std::optional<Ioasid> id = variables_.get(step.id);
    if (!id && step.kind != StepKind::Find) {
        return outcome(Errno::Enoent);
    }
    if (step.kind == StepKind::Free && step.set.empty()) {
        return outcome(kernel_.sva().free(ctx, process_, *id));
    }
    if (step.kind == StepKind::Unbind) {
        os::Device* device = kernel_.find_device(step.device);
        return outcome(device == nullptr ? Errno::Enodev
                                         : kernel_.sva().unbind(ctx, process_, *device, *id));
    }
    IoasidSet* set = step.set.empty() ? process_.set : core_.find_set(step.set);
    if (set == nullptr) {
        return outcome(Errno::Enoent);
    }
    if (step.kind == StepKind::Free) {
        kernel_.ioasid().free(ctx, set, *id);
        return {};
    }
    const StepOutcome result = core_.perform(ctx, step, set, id.value_or(kNoIoasid));
    if (step.kind == StepKind::Find && result.error == Errno::Ok && !step.id.empty()) {
        variables_.set(step.id, Ioasid{static_cast<std::uint32_t>(result.value)});
    }
    return result;
}

std::vector<std::uint8_t> ProcessActor::keep(std::uint64_t address) const {
    const os::Mm::Mapping* mapping = process_.mm.mapping(address);
    if (mapping == nullptr || world_.memory == nullptr) {
        return {};
    }
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min(mapping->bytes, kKeptBytes)));
    for (std::size_t at = 0; at < bytes.size(); at += kPageSize) {
        const std::optional<Hpa> page = to_host_(mapping->pages.at(at / kPageSize));
        if (!page) {
            return {};
        }
        world_.memory->read(*page, &bytes[at], std::min<std::size_t>(kPageSize, bytes.size() - at));
    }
    return bytes;
}

class VmmActor final : public ProgramActor {
public:
    VmmActor(ProgramWorld& world, vm::VirtualMachine& machine, PasidRange pasids)
        : world_(world),
          machine_(machine),
          pasids_(pasids),
          core_(world.host.ioasid(), machine.name() + "/vmm") {}

    Errno start(ExecContext& ctx) override { return machine_.create(ctx); }
    void finish(ExecContext&) override {}
    bool alive() const override { return machine_.alive(); }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t) override {
        if (step.kind == StepKind::Alloc) {
            const PasidRange range = step.range.value_or(pasids_);
            const Result<Ioasid> id = machine_.vmm_alloc(ctx, range.min, range.max);
            if (id) {
                variables_.set(step.id, *id);
            }
            return outcome(id);
        }
        if (step.kind == StepKind::Kill) {
            const auto target = world_.vms.find(step.target);
            return outcome(target == world_.vms.end() ? Errno::Esrch : target->second->kill(ctx));
        }
        const std::optional<Ioasid> id = variables_.get(step.id);
        if (!id && step.kind != StepKind::Find) {
            return outcome(Errno::Enoent);
        }
        if (step.kind == StepKind::Free) {
            return outcome(machine_.vmm_free(ctx, *id));
        }
        IoasidSet* set = core_.find_set(step.set.empty() ? machine_.name() : step.set);
        if (set == nullptr) {
            return outcome(Errno::Enoent);
        }
        const StepOutcome result = core_.perform(ctx, step, set, id.value_or(kNoIoasid));
        if (step.kind == StepKind::Find && result.error == Errno::Ok && !step.id.empty()) {
            variables_.set(step.id, Ioasid{static_cast<std::uint32_t>(result.value)});
        }
        return result;
    }

private:
    ProgramWorld& world_;
    vm::VirtualMachine& machine_;
    PasidRange pasids_;
    CoreCalls core_;
    Variables variables_;
};

}  // namespace

std::unique_ptr<ProgramActor> make_process_actor(ProgramWorld& world, os::Kernel& kernel,
                                                 const std::string& name, MachineToHost to_host,
                                                 vm::VirtualMachine* inside) {
    return std::make_unique<ProcessActor>(world, kernel, name, std::move(to_host), inside);
}

std::unique_ptr<ProgramActor> make_vmm_actor(ProgramWorld& world, vm::VirtualMachine& machine,
                                             PasidRange pasids) {
    return std::make_unique<VmmActor>(world, machine, pasids);
}

namespace {

// A sleeping program looks this often whether it was killed.
constexpr TimePs kSleepTurn{100'000'000};

void sleep(ExecContext& ctx, const ProgramActor& actor, TimePs duration) {
    WaitQueue timer{"sleep"};
    const TimePs end = ctx.now() + duration;
    while (ctx.now() < end && actor.alive()) {
        ctx.wait_until(timer, std::min(end, ctx.now() + kSleepTurn));
    }
}

}  // namespace

void tell_not_started(ExecContext& ctx, ProgramWorld& world, const ProgramConfig& program,
                      Errno error) {
    world.recorder.emit(
        ctx.source(), trace::StepResult{world.recorder.name(program.on + "/" + program.process), 0,
                                        world.recorder.name("start"), error, 0, TimePs{}});
}

void run_program(ExecContext& ctx, ProgramWorld& world, const ProgramConfig& program,
                 ProgramActor& actor) {
    const trace::Name name = world.recorder.name(program.on + "/" + program.process);
    const auto tell = [&](std::size_t index, const char* step, const StepOutcome& result,
                          TimePs start) {
        world.recorder.emit(ctx.source(), trace::StepResult{name, static_cast<std::uint32_t>(index),
                                                            world.recorder.name(step), result.error,
                                                            result.value, ctx.now() - start});
    };
    const Errno started = actor.start(ctx);
    if (started != Errno::Ok) {
        tell_not_started(ctx, world, program, started);
        return;
    }
    for (std::size_t i = 0; i < program.steps.size() && actor.alive(); ++i) {
        const Step& step = program.steps[i];
        const TimePs start = ctx.now();
        StepOutcome result;
        if (step.kind == StepKind::Sleep) {
            sleep(ctx, actor, step.duration);
        } else if (step.kind != StepKind::Exit) {
            result = actor.perform(ctx, step, i);
        }
        tell(i, step_name(step.kind), result, start);
        if (step.kind == StepKind::Exit || result.error != step.error.value_or(Errno::Ok)) {
            break;
        }
    }
    actor.finish(ctx);
}

}  // namespace ioasim::platform
