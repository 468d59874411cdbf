#include "models/platform/kernel_objects.hpp"

#include <algorithm>
#include <charconv>

#include "core/ioasid/ioasid_probes.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::platform {
namespace {

NotifyResult result_of(const std::string& name) {
    if (name == "OK") {
        return NotifyResult::Ok;
    }
    if (name == "STOP") {
        return NotifyResult::Stop;
    }
    return name == "BAD" ? NotifyResult::Bad : NotifyResult::Done;
}

bool uses_cgroups(const PlatformConfig& config) {
    const auto in = [](const std::vector<Step>& steps) {
        return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
            return step.kind == StepKind::Call &&
                   call_spec(step.call.kind).subject == CallSubject::Group;
        });
    };
    const auto in_block = [&in](const BlockConfig& block) {
        return std::any_of(block.on.begin(), block.on.end(),
                           [&in](const auto& event) { return in(event.second); });
    };
    const auto has_steps = [&in](const auto& owner) { return in(owner.steps); };
    const KernelCodeConfig& kernel = config.kernel;
    return std::any_of(config.programs.begin(), config.programs.end(), has_steps) ||
           std::any_of(kernel.works.begin(), kernel.works.end(), has_steps) ||
           std::any_of(kernel.blocks.begin(), kernel.blocks.end(), in_block);
}

}  // namespace

std::optional<Ioasid> Variables::get(const std::string& name) const {
    std::uint32_t number = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end) {
        return Ioasid{number};
    }
    const auto found = ids_.find(name);
    return found == ids_.end() ? std::nullopt : std::optional<Ioasid>(found->second);
}

// A block of the scenario: spends its cost, does its steps, returns what was asked for.
class ScriptBlock final : public NotifierBlock {
public:
    ScriptBlock(KernelObjects& objects, const BlockConfig& config)
        : NotifierBlock(config.name, config.priority), objects_(objects), config_(config) {}

    NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) override {
        ctx.spend(config_.cost);
        const std::string event =
            trace::kIoasidNotificationLabels[static_cast<std::size_t>(payload.event)];
        const auto steps = config_.on.find(event);
        if (steps != config_.on.end()) {
            Caller caller;
            caller.name = name();
            caller.own_set = payload.set;
            caller.variables = &objects_.globals();
            caller.event = payload.id;
            objects_.run_script(ctx, name() + "/" + event, steps->second, caller);
        }
        const auto result = config_.returns.find(event);
        return result_of(result == config_.returns.end() ? std::string() : result->second);
    }

private:
    KernelObjects& objects_;
    const BlockConfig& config_;
};

class ScriptWork final : public WorkItem {
public:
    ScriptWork(KernelObjects& objects, const WorkConfig& config, Ioasid id)
        : WorkItem(id), objects_(objects), config_(config) {}
    const std::string& name() const override { return config_.name; }

    void run(ExecContext& ctx) override {
        Caller caller;
        caller.name = name();
        caller.variables = &objects_.globals();
        caller.event = id();
        objects_.run_script(ctx, name(), config_.steps, caller);
    }

private:
    KernelObjects& objects_;
    const WorkConfig& config_;
};

class ScriptAllocator final : public AllocatorOps {
public:
    ScriptAllocator(const AllocatorConfig& config, const void* functions)
        : AllocatorOps(config.name), config_(config), functions_(functions) {}

    const void* functions() const override { return functions_; }

    Ioasid alloc(ExecContext& ctx, Ioasid min, Ioasid max) override {
        ctx.spend(config_.cost);
        if (given_ < config_.gives.size()) {
            const std::uint32_t number = config_.gives[given_++];
            used_.insert(number);
            return Ioasid{number};
        }
        for (std::uint64_t id = min.value(); id <= max.value(); ++id) {
            if (used_.insert(static_cast<std::uint32_t>(id)).second) {
                return Ioasid{static_cast<std::uint32_t>(id)};
            }
        }
        return kNoIoasid;
    }

    void free(ExecContext& ctx, Ioasid id) override {
        ctx.spend(config_.cost);
        used_.erase(id.value());
    }

private:
    const AllocatorConfig& config_;
    const void* functions_;
    std::size_t given_ = 0;
    std::set<std::uint32_t> used_;
};

KernelObjects::KernelObjects(os::Kernel& kernel, trace::Recorder& recorder,
                             const PlatformConfig& config)
    : kernel_(kernel),
      core_(kernel.ioasid()),
      recorder_(recorder),
      config_(config),
      device_(kernel.ioasid()) {
    for (const BlockConfig& block : config.kernel.blocks) {
        blocks_[block.name] = std::make_unique<ScriptBlock>(*this, block);
    }
    std::map<std::string, const void*> functions;
    for (const AllocatorConfig& allocator : config.kernel.allocators) {
        const void* shared = functions.emplace(allocator.functions, &allocator).first->second;
        allocators_[allocator.name] = std::make_unique<ScriptAllocator>(allocator, shared);
    }
    for (const LockConfig& lock : config.kernel.locks) {
        locks_[lock.name] =
            std::make_unique<SimLock>(lock.sleeps ? SimLock::Kind::Mutex : SimLock::Kind::Spin,
                                      kernel.name() + "/" + lock.name);
    }
    if (uses_cgroups(config)) {
        cgroups_ = std::make_unique<os::CgroupFiles>(core_);
    }
}

KernelObjects::~KernelObjects() = default;

IoasidSet* KernelObjects::find_set(const std::string& name) const {
    const auto named = sets_.find(name);
    if (named != sets_.end()) {
        return named->second;
    }
    const std::vector<IoasidSet*> sets = core_.sets();
    const auto found = std::find_if(sets.begin(), sets.end(),
                                    [&name](const IoasidSet* s) { return s->name() == name; });
    return found == sets.end() ? nullptr : *found;
}

SetToken KernelObjects::mm(const std::string& name) {
    if (name.empty()) {
        return 0;
    }
    const auto [found, fresh] = mms_.emplace(name, 0);
    if (!fresh) {
        return found->second;
    }
    const auto left = std::find_if(left_mms_.rbegin(), left_mms_.rend(),
                                   [this](SetToken token) { return !mm_kept(token); });
    if (left == left_mms_.rend()) {
        found->second = kernel_.next_token();
    } else {
        found->second = *left;  // as a slab does: the last one freed first
        left_mms_.erase(std::next(left).base());
    }
    return found->second;
}

bool KernelObjects::mm_kept(SetToken token) const {
    if (!core_.switches().mm_pinned || core_.probes().has(ioasid_probes::kMmNotPinned)) {
        return false;
    }
    const std::vector<IoasidSet*> sets = core_.sets();
    return std::any_of(sets.begin(), sets.end(), [token](const IoasidSet* set) {
        return set->type() == SetType::Mm && set->token() == token;
    });
}

Errno KernelObjects::mm_exit(const std::string& name) {
    const auto known = mms_.find(name);
    if (known == mms_.end() || !exited_mms_.insert(name).second) {
        return Errno::Esrch;
    }
    const SetToken token = known->second;
    if (cgroups_ != nullptr) {
        cgroups_->mm_without_users(token);
    }
    left_mms_.push_back(token);
    return Errno::Ok;
}

NotifierBlock& KernelObjects::block(const std::string& name) {
    return *blocks_.at(name);
}

WorkItem& KernelObjects::work(const std::string& name, Ioasid id) {
    std::unique_ptr<ScriptWork>& item = works_[{name, id.value()}];
    if (!item) {
        const auto config = std::find_if(config_.kernel.works.begin(), config_.kernel.works.end(),
                                         [&name](const WorkConfig& w) { return w.name == name; });
        item = std::make_unique<ScriptWork>(*this, *config, id);
    }
    return *item;
}

AllocatorOps& KernelObjects::allocator(const std::string& name) {
    return *allocators_.at(name);
}

SimLock* KernelObjects::lock(const std::string& name) {
    const auto found = locks_.find(name);
    return found == locks_.end() ? nullptr : found->second.get();
}

KernelObjects::Flag& KernelObjects::flag(const std::string& name) {
    std::unique_ptr<Flag>& flag = flags_[name];
    if (!flag) {
        flag = std::make_unique<Flag>(Flag{WaitQueue{"signal " + name}, false});
    }
    return *flag;
}

void KernelObjects::signal(ExecContext& ctx, const std::string& name) {
    Flag& f = flag(name);
    f.up = true;
    ctx.wake_all(f.queue);
}

void KernelObjects::await(ExecContext& ctx, const std::string& name) {
    Flag& f = flag(name);
    while (!f.up) {
        ctx.wait(f.queue);
    }
}

void KernelObjects::run_script(ExecContext& ctx, const std::string& script,
                               const std::vector<Step>& steps, const Caller& caller) {
    const trace::Name name = recorder_.name(script);
    std::uint32_t index = 0;
    for (const Step& step : steps) {
        const TimePs start = ctx.now();
        StepOutcome result;
        switch (step.kind) {
            case StepKind::Absent:
                ++index;
                continue;
            case StepKind::Spend:
                ctx.spend(step.duration);
                break;
            case StepKind::Sleep: {
                WaitQueue timer{"sleep"};
                const TimePs end = ctx.now() + step.duration;
                while (ctx.now() < end) {
                    ctx.wait_until(timer, end);
                }
                break;
            }
            case StepKind::Alloc:
                result = perform_alloc(ctx, *this, step, caller);
                break;
            case StepKind::Free:
                result = perform_free(ctx, *this, step, caller);
                break;
            default:
                result = perform_call(ctx, *this, step.call, caller);
        }
        recorder_.emit(ctx.source(),
                       trace::StepResult{name, index++, recorder_.name(step_name(step)),
                                         result.error, result.value, ctx.now() - start});
    }
}

}  // namespace ioasim::platform
