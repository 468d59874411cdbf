// A thread of the host's kernel as a program: calls of the IOASID core on behalf of an address
// space.
#include "models/platform/kernel_thread.hpp"

#include <memory>
#include <utility>

namespace ioasim::platform {

void leave_cgroup(ProgramWorld& world, const std::string& task) {
    if (world.objects.cgroups() != nullptr) {
        world.objects.cgroups()->remove_task(task);
    }
}

StepOutcome kill(ExecContext& ctx, ProgramWorld& world, const std::string& target) {
    const auto vm = world.vms.find(target);
    if (vm != world.vms.end()) {
        return outcome(vm->second->kill(ctx));
    }
    const auto thread = world.threads.find(target);
    os::Process* const process =
        thread != world.threads.end() ? thread->second : world.host.find_process(target);
    const Errno error = process == nullptr ? Errno::Esrch : world.host.kill(ctx, *process);
    ctx.wake_all(world.sleepers);
    return outcome(error);
}

StepOutcome hang(ExecContext& ctx, ProgramWorld& world, const std::string& target) {
    return outcome(world.vms.at(target)->hang(ctx));
}

namespace {

class KernelThread final : public ProgramActor {
public:
    KernelThread(ProgramWorld& world, const std::string& name, std::string mm)
        : world_(world), mm_(std::move(mm)) {
        caller_.name = name;
        caller_.variables = &world.objects.globals();
    }

    Errno start(ExecContext&) override {
        // Not before: whose address it gets depends on who has gone.
        caller_.mm = world_.objects.mm(mm_);
        if (world_.objects.cgroups() != nullptr) {
            world_.objects.cgroups()->add_task(caller_.name, caller_.mm);
        }
        return Errno::Ok;
    }
    void finish(ExecContext&) override { leave_cgroup(world_, caller_.name); }
    bool alive() const override { return true; }

    StepOutcome perform(ExecContext& ctx, const Step& step, std::size_t) override {
        switch (step.kind) {
            case StepKind::Alloc:
                return perform_alloc(ctx, world_.objects, step, caller_);
            case StepKind::Free:
                return perform_free(ctx, world_.objects, step, caller_);
            case StepKind::Kill:
                return kill(ctx, world_, step.target);
            case StepKind::Hang:
                return hang(ctx, world_, step.target);
            case StepKind::Exit:
                return {};
            default:
                return perform_call(ctx, world_.objects, step.call, caller_);
        }
    }

private:
    ProgramWorld& world_;
    std::string mm_;
    Caller caller_;
};

}  // namespace

std::unique_ptr<ProgramActor> make_kernel_thread(ProgramWorld& world, const std::string& name,
                                                 const std::string& mm) {
    return std::make_unique<KernelThread>(world, name, mm);
}

}  // namespace ioasim::platform
