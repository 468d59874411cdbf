#include "models/platform/program.hpp"

#include <algorithm>

#include "models/dsa/dsa_layout.hpp"
#include "models/platform/device_commands.hpp"
#include "models/platform/fault_user.hpp"
#include "models/platform/id_lists.hpp"
#include "models/platform/instruction_user.hpp"
#include "models/platform/iommu_user.hpp"
#include "models/platform/iova_user.hpp"
#include "models/platform/kernel_thread.hpp"
#include "models/platform/vfio_user.hpp"

namespace ioasim::platform {
namespace {

// Buffers beyond this are kept in part: as much as an expectation may look at.
constexpr std::uint64_t kKeptBytes = std::uint64_t{1} << 26U;

std::uint8_t opcode_of(const std::string& op) {
    return static_cast<std::uint8_t>(op == "noop" ? dsa::Opcode::Noop : dsa::Opcode::Memmove);
}

vm::VirtualMachine::DeviceRequest request_of(const std::string& word) {
    using Request = vm::VirtualMachine::DeviceRequest;
    return word == "reset"           ? Request::Reset
           : word == "pause"         ? Request::Pause
           : word == "drain"         ? Request::Drain
           : word == "await_request" ? Request::AwaitRequest
           : word == "remove"        ? Request::Remove
                                     : Request::Resume;
}

// Its own, or that of the program whose thread it is.
os::Process& process_of(ProgramWorld& world, os::Kernel& kernel, const std::string& name,
                        const Descent& descent) {
    if (!descent.thread) {
        return kernel.create_process(name);
    }
    const auto other = world.threads.find(descent.parent);
    os::Process* const process =
        other != world.threads.end() ? other->second : kernel.find_process(descent.parent);
    SIM_CHECK(process != nullptr, "{} is a thread of nobody", name);
    world.threads[name] = process;
    return *process;
}

class ProcessActor final : public ProgramActor {
public:
    ProcessActor(ProgramWorld& world, os::Kernel& kernel, const std::string& name,
                 MachineToHost to_host, vm::VirtualMachine* inside, const Descent& descent)
        : world_(world),
          kernel_(kernel),
          process_(process_of(world, kernel, name, descent)),
          vfio_(world.recorder, kernel, process_),
          iommu_(world.recorder, kernel, process_.name),
          faults_(kernel, process_),
          iova_(world.recorder, kernel, name),
          instructions_(world.recorder, kernel, process_, name),
          name_(name),
          parent_(descent.parent),
          thread_(descent.thread),
          to_host_(std::move(to_host)),
          inside_(inside) {
        queue_.emplace(kernel, process_);
    }

    Errno start(ExecContext& ctx) override {
        const Errno booted = kernel_.boot(ctx);
        if (booted != Errno::Ok || !was_forked(ctx)) {
            return booted != Errno::Ok ? booted : Errno::Esrch;
        }
        if (on_host()) {
            world_.objects.name_mm(name_, process_.mm.token());
            if (world_.objects.cgroups() != nullptr) {
                world_.objects.cgroups()->add_task(name_, process_.mm.token());
            }
        }
        if (thread_) {
            return Errno::Ok;  // its extended state is the initial one
        }
        if (!parent_.empty()) {
            kernel_.start_child(ctx, process_);
            return Errno::Ok;
        }
        return kernel_.start_process(ctx, process_);
    }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t index) override;

    void finish(ExecContext& ctx) override {
        keep_buffers();
        const bool machine_runs = on_host() ? true : alive();
        if (machine_runs) {
            iova_.close_all(ctx);
        }
        const bool last = --process_.threads == 0;
        if (last && machine_runs && process_.mm.alive()) {
            if (on_host() && world_.objects.cgroups() != nullptr) {
                // exit_mm comes first: what follows runs in a task without users of its mm.
                world_.objects.cgroups()->mm_without_users(process_.mm.token());
            }
            const bool closes = closes_files_ && !process_.killed;
            kernel_.exit_process(
                ctx, process_, process_.killed ? "killed" : "exit",
                closes ? os::Kernel::ExitOrder::FilesFirst : os::Kernel::ExitOrder::MmFirst);
        }
        leave_cgroup(world_, name_);
        world_.ended.insert(name_);
        ctx.wake_all(world_.forks);
    }

    bool alive() const override {
        return !process_.killed && (inside_ == nullptr || inside_->alive());
    }

    bool in_guest() const override { return inside_ != nullptr; }

    WaitQueue* deaths() override {
        return inside_ == nullptr ? &world_.sleepers : &inside_->deaths();
    }

    KeptBuffers kept(std::size_t step) const override {
        const auto found = kept_.find(step);
        return found == kept_.end() ? KeptBuffers{} : found->second;
    }

private:
    bool on_host() const { return inside_ == nullptr; }
    bool was_forked(ExecContext& ctx);
    StepOutcome fork(ExecContext& ctx, const std::string& child);
    StepOutcome clone(ExecContext& ctx, const std::string& thread);
    StepOutcome exec(ExecContext& ctx);
    StepOutcome call(ExecContext& ctx, const Step& step);
    StepOutcome bind(ExecContext& ctx, const Step& step);
    StepOutcome with_id(ExecContext& ctx, const Step& step, Ioasid id);
    StepOutcome submit(ExecContext& ctx, const Step& step, std::size_t index);
    StepOutcome file(ExecContext& ctx, const Step& step);
    StepOutcome command(ExecContext& ctx, const Step& step);
    StepOutcome administer(ExecContext& ctx, const Step& step);
    StepOutcome map(ExecContext& ctx, const Step& step);
    StepOutcome unmap(ExecContext& ctx, const Step& step);
    std::uint64_t mapped(const std::string& name) const;
    void keep_buffers();
    std::vector<std::uint8_t> keep(std::uint64_t address) const;

    ProgramWorld& world_;
    os::Kernel& kernel_;
    os::Process& process_;
    std::optional<os::UserQueue> queue_;
    VfioUser vfio_;
    IommuUser iommu_;
    FaultUser faults_;
    IovaUser iova_;
    InstructionUser instructions_;
    std::string name_;
    std::string parent_;
    bool thread_;
    MachineToHost to_host_;
    vm::VirtualMachine* inside_;
    Variables variables_;
    IdLists lists_;
    std::map<std::size_t, os::SubmitReport> reports_;
    std::map<std::size_t, KeptBuffers> kept_;
    std::map<std::string, std::uint64_t> mappings_;
    bool closes_files_ = true;
};

// A child begins where its parent forks; without that it never does.
bool ProcessActor::was_forked(ExecContext& ctx) {
    if (parent_.empty()) {
        return true;
    }
    while (world_.children.count(name_) == 0 && world_.ended.count(parent_) == 0) {
        ctx.wait(world_.forks);
    }
    const auto mine = world_.children.find(name_);
    if (mine == world_.children.end()) {
        return false;
    }
    variables_ = mine->second.variables;
    mappings_ = mine->second.mappings;
    return true;
}

StepOutcome ProcessActor::clone(ExecContext& ctx, const std::string& thread) {
    ctx.spend(kernel_.params().syscall);
    ++process_.threads;
    world_.children[thread] = {variables_, mappings_};
    ctx.wake_all(world_.forks);
    return {};
}

StepOutcome ProcessActor::fork(ExecContext& ctx, const std::string& child) {
    os::Process* const process = kernel_.find_process(child);
    const Errno error = process == nullptr ? Errno::Esrch : kernel_.fork(ctx, process_, *process);
    if (error == Errno::Ok) {
        world_.children[child] = {variables_, mappings_};
        ctx.wake_all(world_.forks);
    }
    return outcome(error);
}

// Nothing is where it was.
StepOutcome ProcessActor::exec(ExecContext& ctx) {
    keep_buffers();
    queue_.emplace(kernel_, process_);
    mappings_.clear();
    const Errno error = kernel_.exec(ctx, process_);
    if (error == Errno::Ok && on_host()) {
        world_.objects.name_mm(name_, process_.mm.token());
    }
    return outcome(error);
}

StepOutcome ProcessActor::bind(ExecContext& ctx, const Step& step) {
    os::Device* device = kernel_.find_device(step.device);
    if (device == nullptr) {
        return outcome(Errno::Enodev);
    }
    std::optional<Ioasid> id = variables_.get(step.id);
    if (!id) {
        // Native SVA: the PASID of the address space, which its first bind allocates.
        const PasidRange range = step.range.value_or(PasidRange{});
        const Result<Ioasid> fresh =
            kernel_.sva().mm_pasid(ctx, process_, *device, range.min, range.max);
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
    request.block_on_fault = step.block_on_fault;
    request.credits = step.credits;
    os::SubmitReport unseen;
    os::SubmitReport& report = step.looked_at ? reports_[index] : unseen;
    request.source_buffer = mapped(step.source);
    request.destination_buffer = mapped(step.destination);
    const Errno error = queue_->submit(ctx, request, report);
    return {error, report.completed};
}

StepOutcome ProcessActor::file(ExecContext& ctx, const Step& step) {
    os::Device* device = kernel_.find_device(step.device);
    const Result<std::uint32_t> queue =
        device == nullptr ? Result<std::uint32_t>(Errno::Enodev) : device->queue(step.workqueue);
    if (!queue) {
        return outcome(queue.error());
    }
    os::WorkqueueFiles& files = kernel_.workqueue_files();
    if (step.kind == StepKind::Close) {
        return outcome(files.close(ctx, process_, *device, *queue));
    }
    const std::optional<Ioasid> id = variables_.get(step.id);
    return outcome(id ? files.open(ctx, process_, *device, *queue, *id) : Errno::Enoent);
}

// The device of the first VM that has one of the name.
StepOutcome ProcessActor::administer(ExecContext& ctx, const Step& step) {
    if (step.op != "remove") {
        return outcome(Errno::Eperm);  // the VMM's own
    }
    for (const auto& [name, machine] : world_.vms) {
        const Errno error = machine->vmm_device(ctx, step.device, request_of(step.op));
        if (error != Errno::Enodev && error != Errno::Esrch) {
            return outcome(error);
        }
    }
    return outcome(Errno::Enodev);
}

// As the administrator of the machine has its driver do it.
StepOutcome ProcessActor::command(ExecContext& ctx, const Step& step) {
    os::Device* device = kernel_.find_device(step.device);
    if (device == nullptr || !device->configured_here()) {
        return outcome(Errno::Enodev);
    }
    if (step.kind == StepKind::QueuePasid) {
        const Result<std::uint32_t> queue = device->queue(step.workqueue);
        const std::optional<Ioasid> id = step.id.empty() ? std::nullopt : variables_.get(step.id);
        if (!queue || (!step.id.empty() && !id)) {
            return outcome(queue ? Errno::Enoent : queue.error());
        }
        device->set_queue_config_pasid(
            ctx, *queue, id ? std::optional<Pasid>(Pasid{id->value()}) : std::nullopt);
        return {};
    }
    dsa::CommandError status = dsa::CommandError::None;
    const auto code = std::find_if(kDeviceCommands.begin(), kDeviceCommands.end(),
                                   [&step](const NamedCode& c) { return step.op == c.name; });
    const Errno error = device->run(ctx, static_cast<dsa::Command>(code->code),
                                    static_cast<std::uint32_t>(step.data), status);
    return {error, static_cast<std::uint64_t>(status)};
}

std::uint64_t ProcessActor::mapped(const std::string& name) const {
    const auto found = mappings_.find(name);
    return found == mappings_.end() ? 0 : found->second;
}

StepOutcome ProcessActor::map(ExecContext& ctx, const Step& step) {
    ctx.spend(kernel_.params().syscall);
    os::Mm::Request request;
    request.bytes = step.size;
    request.populate = step.populate;
    request.writable = step.writable;
    request.on_storage = step.on_storage;
    const Result<std::uint64_t> address = process_.mm.map(ctx, request);
    if (!address) {
        return outcome(address.error());
    }
    mappings_[step.target] = *address;
    return {Errno::Ok, *address};
}

// The name stays, as a stale pointer does.
StepOutcome ProcessActor::unmap(ExecContext& ctx, const Step& step) {
    return outcome(kernel_.unmap(ctx, process_, mapped(step.target)));
}

StepOutcome ProcessActor::perform(ExecContext& ctx, const Step& step, std::size_t index) {
    switch (step.kind) {
        case StepKind::Alloc: {
            const PasidRange range = step.range.value_or(PasidRange{});
            return lists_.alloc(step, variables_, *this, [&] {
                return kernel_.sva().alloc(ctx, process_, range.min, range.max);
            });
        }
        case StepKind::Bind:
            if (!lists_.has(step.id)) {
                return bind(ctx, step);
            }
            break;
        case StepKind::Submit:
            return submit(ctx, step, index);
        case StepKind::Open:
        case StepKind::Close:
            return file(ctx, step);
        case StepKind::Command:
        case StepKind::QueuePasid:
            return command(ctx, step);
        case StepKind::Mdev:
            return administer(ctx, step);
        case StepKind::Panic:
            kernel_.power_off();
            return {};
        case StepKind::Wait: {
            os::SubmitReport report;
            const Errno error = queue_->wait_all(ctx, step.duration, report);
            return {error, report.completed};
        }
        case StepKind::Kill:
            return kill(ctx, world_, step.target);
        case StepKind::Hang:
            return hang(ctx, world_, step.target);
        case StepKind::Mmap:
            return map(ctx, step);
        case StepKind::Munmap:
            return unmap(ctx, step);
        case StepKind::Fork:
            return fork(ctx, step.target);
        case StepKind::Thread:
            return clone(ctx, step.target);
        case StepKind::Exec:
            return exec(ctx);
        case StepKind::Exit:
            closes_files_ = step.close_files;
            return {};
        case StepKind::User:
            if (is_iova_user_step(step.bare.kind)) {
                return iova_.perform(ctx, step.bare, index, variables_);
            }
            if (is_instruction_step(step.bare.kind)) {
                return instructions_.perform(ctx, step.bare, index, mappings_, *queue_);
            }
            if (is_fault_user_step(step.bare.kind)) {
                return faults_.perform(ctx, step.bare, vfio_);
            }
            return is_iommu_user_step(step.bare.kind)
                       ? iommu_.perform(ctx, step.bare, index)
                       : vfio_.perform(ctx, step.bare, index, variables_);
        case StepKind::Machine:
            return perform_machine_step(ctx, kernel_, step.bare, [&](std::size_t cpu) {
                if (on_host()) {
                    kernel_.scheduler().move(ctx, cpu);
                } else {
                    inside_->move_vcpu(ctx, cpu);
                }
            });
        default:
            break;
    }
    if (step.kind == StepKind::Call || !step.set.empty()) {
        return call(ctx, step);
    }
    if (lists_.has(step.id)) {
        return lists_.each(step.id, *this, [&](Ioasid id) { return with_id(ctx, step, id); });
    }
    const std::optional<Ioasid> id = variables_.get(step.id);
    return id ? with_id(ctx, step, *id) : outcome(Errno::Enoent);
}

StepOutcome ProcessActor::with_id(ExecContext& ctx, const Step& step, Ioasid id) {
    if (step.kind == StepKind::Free) {
        return outcome(kernel_.sva().free(ctx, process_, id));
    }
    os::Device* device = kernel_.find_device(step.device);
    if (device == nullptr) {
        return outcome(Errno::Enodev);
    }
    return outcome(step.kind == StepKind::Bind ? kernel_.sva().bind(ctx, process_, *device, id)
                                               : kernel_.sva().unbind(ctx, process_, *device, id));
}

// As a user of the core's interface in the kernel, on behalf of this process.
StepOutcome ProcessActor::call(ExecContext& ctx, const Step& step) {
    Caller caller;
    caller.name = name_;
    caller.mm = process_.mm.token();
    caller.own_set = process_.set;
    caller.variables = &variables_;
    return step.kind == StepKind::Free ? perform_free(ctx, world_.objects, step, caller)
                                       : perform_call(ctx, world_.objects, step.call, caller);
}

// Before their address space goes.
void ProcessActor::keep_buffers() {
    for (const auto& [index, report] : reports_) {
        kept_[index] = {keep(report.source), keep(report.destination)};
    }
    reports_.clear();
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
        world_.memory->look(*page, &bytes[at], std::min<std::size_t>(kPageSize, bytes.size() - at));
    }
    return bytes;
}

class VmmActor final : public ProgramActor {
public:
    VmmActor(ProgramWorld& world, vm::VirtualMachine& machine, PasidRange pasids)
        : world_(world), machine_(machine), pasids_(pasids), name_(machine.name() + "/vmm") {}

    Errno start(ExecContext& ctx) override { return machine_.create(ctx); }
    void finish(ExecContext&) override {}
    bool alive() const override { return machine_.alive(); }
    WaitQueue* deaths() override { return &machine_.deaths(); }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t) override {
        machine_.wait_while_hung(ctx);
        if (step.kind == StepKind::Alloc) {
            const PasidRange range = step.range.value_or(pasids_);
            return lists_.alloc(step, variables_, *this,
                                [&] { return machine_.vmm_alloc(ctx, range.min, range.max); });
        }
        if (step.kind == StepKind::Kill) {
            return kill(ctx, world_, step.target);
        }
        if (step.kind == StepKind::Hang) {
            return hang(ctx, world_, step.target);
        }
        if (step.kind == StepKind::Free && step.set.empty()) {
            if (lists_.has(step.id)) {
                return lists_.each(step.id, *this, [&](Ioasid each) {
                    return outcome(machine_.vmm_free(ctx, each));
                });
            }
            const std::optional<Ioasid> id = variables_.get(step.id);
            return outcome(id ? machine_.vmm_free(ctx, *id) : Errno::Enoent);
        }
        if (step.kind == StepKind::Exit) {
            return {};
        }
        if (step.kind == StepKind::Unplug) {
            return outcome(machine_.vmm_unplug(ctx, step.device));
        }
        if (step.kind == StepKind::Migrate) {
            const PasidRange range = step.range.value_or(pasids_);
            return outcome(machine_.migrate(ctx, step.target, range.min, range.max));
        }
        if (step.kind == StepKind::VmReset) {
            return outcome(machine_.vmm_reset(ctx));
        }
        if (step.kind == StepKind::Mdev) {
            return outcome(step.op == "remove"
                               ? Errno::Eperm
                               : machine_.vmm_device(ctx, step.device, request_of(step.op)));
        }
        Caller caller;
        caller.name = name_;
        caller.own_set = world_.objects.find_set(machine_.name());
        caller.mm = caller.own_set == nullptr ? 0 : caller.own_set->token();
        caller.variables = &variables_;
        return step.kind == StepKind::Free ? perform_free(ctx, world_.objects, step, caller)
                                           : perform_call(ctx, world_.objects, step.call, caller);
    }

private:
    ProgramWorld& world_;
    vm::VirtualMachine& machine_;
    PasidRange pasids_;
    std::string name_;
    Variables variables_;
    IdLists lists_;
};

}  // namespace

std::unique_ptr<ProgramActor> make_process_actor(ProgramWorld& world, os::Kernel& kernel,
                                                 const std::string& name, MachineToHost to_host,
                                                 vm::VirtualMachine* inside,
                                                 const Descent& descent) {
    return std::make_unique<ProcessActor>(world, kernel, name, std::move(to_host), inside, descent);
}

std::unique_ptr<ProgramActor> make_vmm_actor(ProgramWorld& world, vm::VirtualMachine& machine,
                                             PasidRange pasids) {
    return std::make_unique<VmmActor>(world, machine, pasids);
}

}  // namespace ioasim::platform
