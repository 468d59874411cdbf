// Performs the calls of core_call.hpp. Arguments were checked when the scenario was read; what
// depends on the run (a variable that was never set) ends the step with an error.
#include <charconv>

#include "models/platform/kernel_objects.hpp"

namespace ioasim::platform {
namespace {

using K = CallKind;
using A = CallArg;

// Private data is told apart, never looked into.
void* data_of(std::uint64_t number) {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
}

StepOutcome found(Ioasid id, Errno otherwise) {
    return id == kNoIoasid ? outcome(otherwise) : StepOutcome{Errno::Ok, id.value()};
}

template <class T>
StepOutcome number(const Result<T>& result) {
    return result ? StepOutcome{Errno::Ok, *result} : outcome(result.error());
}

StepOutcome set_number(const IoasidSet* set) {
    return set == nullptr ? outcome(Errno::Enoent) : StepOutcome{Errno::Ok, set->number()};
}

class Performer {
public:
    Performer(ExecContext& ctx, KernelObjects& objects, const CoreCall& call, const Caller& caller)
        : ctx_(ctx), objects_(objects), core_(objects.core()), call_(call), caller_(caller) {}

    StepOutcome perform() {
        if (call_spec(call_.kind).subject == CallSubject::Id) {
            const std::optional<Ioasid> id = id_named(call_.subject);
            if (!id) {
                return outcome(Errno::Enoent);
            }
            id_ = *id;
        }
        if (names_no_set()) {
            return outcome(Errno::Einval);
        }
        switch (call_.kind) {
            case K::InstallCapacity:
            case K::ReserveCapacity:
            case K::CancelCapacity:
                return capacity();
            case K::SetAlloc:
            case K::DeclareSet:
            case K::SetFree:
            case K::SetFreeV1:
            case K::FreeAll:
            case K::AdjustSet:
            case K::ForEach:
                return sets();
            case K::FindMmSet:
            case K::FindSet:
            case K::FindSid:
            case K::IsInSet:
            case K::Lookup:
            case K::Find:
                return look_up();
            case K::Get:
            case K::GetLocked:
            case K::GetIfOwned:
            case K::Put:
            case K::PutLocked:
                return references();
            case K::AttachData:
            case K::DetachData:
            case K::SetData:
            case K::AttachSpid:
            case K::DetachSpid:
                return attachments();
            case K::RegisterNotifier:
            case K::UnregisterNotifier:
            case K::RegisterNotifierMm:
            case K::UnregisterNotifierMm:
            case K::Notify:
            case K::QueueWork:
                return notifications();
            case K::RegisterAllocator:
                return outcome(core_.register_allocator(ctx_, objects_.allocator(call_.subject)));
            case K::UnregisterAllocator:
                core_.unregister_allocator(ctx_, objects_.allocator(call_.subject));
                return {};
            case K::CgroupCreate:
            case K::CgroupRemove:
            case K::CgroupMax:
            case K::CgroupMove:
            case K::CgroupRead:
                return cgroup(*objects_.cgroups());
            case K::DevOpen:
            case K::DevClose:
            case K::DevAlloc:
            case K::DevFree:
            case K::DevIoctl:
                return device();
            case K::AttachDomain:
            case K::DetachDomain:
            case K::HandleGet:
            case K::HandleUse:
            case K::MmGrab:
            case K::MmDrop:
            case K::IopfRemove:
            case K::FunctionReset:
                return perform_sva_call(ctx_, objects_, call_, Pasid{id_.value()});
            case K::MmExit:
            case K::FailNext:
            case K::Lock:
            case K::Unlock:
            case K::Signal:
            case K::Await:
                return surroundings();
        }
        return outcome(Errno::Eopnotsupp);
    }

private:
    std::optional<Ioasid> id_named(const std::string& name) const {
        return name == "event" && caller_.event ? caller_.event : caller_.variables->get(name);
    }
    // The set that the call names; by itself the caller's own. None: the NULL pointer.
    IoasidSet* set() const {
        return call_.has(A::Set) ? objects_.find_set(call_.name_of(A::Set)) : caller_.own_set;
    }
    IoasidSet* subject_set() const { return objects_.find_set(call_.subject); }
    // A set that was never made (set_alloc was refused) is no NULL pointer.
    bool names_no_set() const {
        const bool as_subject = call_spec(call_.kind).subject == CallSubject::Set;
        return (call_.has(A::Set) && set() == nullptr) || (as_subject && subject_set() == nullptr);
    }
    trace::Name holder() const { return core_.holder(call_.name_of(A::Holder, caller_.name)); }
    SetToken mm() const {
        return call_.has(A::Mm) ? objects_.mm(call_.name_of(A::Mm)) : caller_.mm;
    }
    Spid spid() const {
        return call_.has(A::Spid) && call_.name_of(A::Spid) != "none"
                   ? Spid{static_cast<std::uint32_t>(call_.number_of(A::Spid))}
                   : kNoSpid;
    }

    StepOutcome capacity() {
        const auto n = static_cast<std::uint32_t>(call_.number);
        if (call_.kind == K::InstallCapacity) {
            const Errno refused = core_.switches().subsystem ? Errno::Ebusy : Errno::Enotsupp;
            return outcome(core_.install_capacity(ctx_, n) ? Errno::Ok : refused);
        }
        return number(call_.kind == K::ReserveCapacity ? core_.reserve_capacity(ctx_, n)
                                                       : core_.cancel_capacity(ctx_, n));
    }

    StepOutcome sets();
    StepOutcome make_set();
    StepOutcome look_up();
    StepOutcome references();
    StepOutcome attachments();
    StepOutcome notifications();
    StepOutcome cgroup(os::CgroupFiles& files);
    StepOutcome device();
    StepOutcome surroundings();

    ExecContext& ctx_;
    KernelObjects& objects_;
    IoasidCore& core_;
    const CoreCall& call_;
    const Caller& caller_;
    Ioasid id_ = kNoIoasid;
};

StepOutcome Performer::make_set() {
    const bool of_mm = call_.has(A::Mm);
    SetType type = of_mm ? SetType::Mm : SetType::None;
    if (call_.has(A::Type)) {
        const std::string name = call_.name_of(A::Type);
        type = name == "mm"     ? SetType::Mm
               : name == "none" ? SetType::None
                                : static_cast<SetType>(call_.number_of(A::Type));
    }
    const SetToken token = of_mm ? mm() : call_.number_of(A::Token);
    const auto quota = static_cast<std::uint32_t>(call_.number_of(A::Quota));
    const Result<IoasidSet*> set = call_.number_of(A::Private) != 0
                                       ? core_.set_alloc_private(ctx_, token, type, call_.subject)
                                       : core_.set_alloc(ctx_, token, quota, type, call_.subject);
    if (!set) {
        return outcome(set.error());
    }
    objects_.name_set(call_.subject, *set);
    return set_number(*set);
}

StepOutcome Performer::sets() {
    switch (call_.kind) {
        case K::SetAlloc:
            return make_set();
        case K::DeclareSet:
            objects_.name_set(call_.subject, core_.declare_set(call_.subject));
            return {};
        case K::SetFree:
            return outcome(core_.set_free(ctx_, subject_set()));
        case K::SetFreeV1:
            return outcome(
                core_.set_free_v1(ctx_, subject_set(), call_.number_of(A::Destroy) != 0));
        case K::FreeAll:
            core_.free_all_in_set(ctx_, subject_set());
            return {};
        case K::AdjustSet:
            return outcome(core_.adjust_set(ctx_, subject_set(),
                                            static_cast<std::uint32_t>(call_.number_of(A::Quota))));
        default:  // ForEach
            return {Errno::Ok, core_.set_for_each(ctx_, subject_set(), [](Ioasid) {})};
    }
}

StepOutcome Performer::look_up() {
    switch (call_.kind) {
        case K::FindMmSet:
            return set_number(core_.find_mm_set(ctx_, objects_.mm(call_.subject)));
        case K::FindSet: {
            const Result<IoasidSet*> set = core_.find_set(ctx_, id_);
            return set ? set_number(*set) : outcome(set.error());
        }
        case K::FindSid:
            return number(core_.find_sid(ctx_, id_));
        case K::IsInSet:
            return {Errno::Ok, core_.is_in_set(ctx_, set(), id_) ? 1U : 0U};
        case K::Lookup: {
            const bool accepts = call_.name_of(A::Getter) != "refuse";
            const DataGetter getter = [accepts](void*) { return accepts; };
            const Result<void*> data =
                core_.find(ctx_, set(), id_, call_.has(A::Getter) ? &getter : nullptr);
            return data ? StepOutcome{Errno::Ok, reinterpret_cast<std::uintptr_t>(*data)}
                        : outcome(data.error());
        }
        default: {
            const Ioasid id =
                core_.find_by_spid(ctx_, set(), spid(), call_.number_of(A::Get) != 0, holder());
            if (id != kNoIoasid) {
                caller_.variables->set(call_.subject, id);
            }
            return found(id, Errno::Enoent);
        }
    }
}

StepOutcome Performer::references() {
    switch (call_.kind) {
        case K::Get:
            return outcome(core_.get(ctx_, set(), id_, holder()));
        case K::GetLocked:
            return outcome(core_.get_locked(ctx_, set(), id_, holder()));
        case K::GetIfOwned:
            return outcome(core_.get_if_owned(ctx_, mm(), id_, holder()));
        case K::Put:
            return {Errno::Ok, core_.put(ctx_, set(), id_, holder()) ? 1U : 0U};
        default:
            return {Errno::Ok, core_.put_locked(ctx_, set(), id_, holder()) ? 1U : 0U};
    }
}

StepOutcome Performer::attachments() {
    switch (call_.kind) {
        case K::AttachData:
            return outcome(core_.attach_data(ctx_, call_.has(A::Set) ? set() : nullptr, id_,
                                             data_of(call_.number_of(A::Data))));
        case K::DetachData:
            core_.detach_data(ctx_, id_, set());
            return {};
        case K::SetData:
            return outcome(core_.set_data(ctx_, id_, data_of(call_.number_of(A::Data))));
        case K::AttachSpid:
            return outcome(core_.attach_spid(ctx_, set(), id_, spid()));
        default:
            core_.detach_spid(ctx_, id_, set());
            return {};
    }
}

StepOutcome Performer::notifications() {
    switch (call_.kind) {
        case K::RegisterNotifier:
            return outcome(core_.register_notifier(ctx_, call_.has(A::Set) ? set() : nullptr,
                                                   objects_.block(call_.subject)));
        case K::UnregisterNotifier:
            core_.unregister_notifier(ctx_, call_.has(A::Set) ? set() : nullptr,
                                      objects_.block(call_.subject));
            return {};
        case K::RegisterNotifierMm:
            return outcome(core_.register_notifier_mm(ctx_, mm(), objects_.block(call_.subject)));
        case K::UnregisterNotifierMm:
            core_.unregister_notifier_mm(ctx_, mm(), objects_.block(call_.subject));
            return {};
        case K::Notify: {
            IoasidNotification event = IoasidNotification::None;
            for (std::size_t i = 0; i < std::size(trace::kIoasidNotificationLabels); ++i) {
                if (call_.name_of(A::Event) == trace::kIoasidNotificationLabels[i]) {
                    event = static_cast<IoasidNotification>(i);
                }
            }
            const std::string scope = call_.name_of(A::Scope, "both");
            const unsigned flags = scope == "all"   ? kNotifyAll
                                   : scope == "set" ? kNotifySet
                                                    : kNotifyAll | kNotifySet;
            const Result<NotifyResult> result = core_.notify(
                ctx_, id_, event, static_cast<unsigned>(call_.number_of(A::Scope, flags)), set());
            return result ? StepOutcome{Errno::Ok, static_cast<std::uint64_t>(*result)}
                          : outcome(result.error());
        }
        default: {
            const std::string about = call_.name_of(A::Id);
            const std::optional<Ioasid> id = about.empty() ? caller_.event : id_named(about);
            WorkItem& work = objects_.work(call_.subject, id.value_or(kNoIoasid));
            return {Errno::Ok, core_.queue_work(ctx_, work) ? 1U : 0U};
        }
    }
}

StepOutcome Performer::cgroup(os::CgroupFiles& files) {
    switch (call_.kind) {
        case K::CgroupCreate:
            return outcome(files.make(call_.subject));
        case K::CgroupRemove:
            return outcome(files.remove(ctx_, call_.subject));
        case K::CgroupMax:
            return outcome(files.write_max(
                ctx_, call_.subject,
                call_.name_of(A::Limit, std::to_string(call_.number_of(A::Limit)))));
        case K::CgroupMove:
            return outcome(files.move(ctx_, call_.subject, call_.name_of(A::Process, caller_.name),
                                      call_.number_of(A::Cancel) != 0));
        default: {
            const std::string file = call_.name_of(A::File, "current");
            const Result<std::string> text = files.read(call_.subject, file);
            if (!text) {
                return outcome(text.error());
            }
            // "max N" in the file of events.
            const std::size_t digits = (*text).find_first_of("-0123456789");
            std::int64_t value = 0;
            std::from_chars((*text).data() + digits, (*text).data() + (*text).size(), value);
            return value < 0 ? outcome(Errno::Erange)
                             : StepOutcome{Errno::Ok, static_cast<std::uint64_t>(value)};
        }
    }
}

StepOutcome Performer::device() {
    IoasidDevice& dev = objects_.device();
    if (call_.kind == K::DevOpen) {
        const std::string name = "dev/" + call_.name_of(A::Mm, caller_.name);
        const Result<IoasidFile*> file = dev.open(ctx_, mm(), name);
        return file ? set_number((*file)->set()) : outcome(file.error());
    }
    IoasidFile* file = dev.file_of(mm());
    if (file == nullptr || !file->is_open()) {
        return outcome(Errno::Ebadf);
    }
    DevIoasidArgs args;
    args.flags = static_cast<std::uint32_t>(call_.number_of(A::Flags));
    DevIoasidCall request = DevIoasidCall::RequestAlloc;
    args.argsz = DevIoasidArgs::kAllocSize;
    switch (call_.kind) {
        case K::DevClose:
            dev.close(ctx_, *file);
            return {};
        case K::DevFree:
            request = DevIoasidCall::RequestFree;
            args.id = static_cast<std::int32_t>(id_.value());
            break;
        case K::DevIoctl:
            request = static_cast<DevIoasidCall>(call_.number);
            args.argsz = DevIoasidArgs::kInfoSize;
            break;
        default:
            args.min = static_cast<std::uint32_t>(call_.number_of(A::Min, 1));
            args.max = static_cast<std::uint32_t>(call_.number_of(A::Max, 0xFFFFF));
    }
    args.argsz = static_cast<std::uint32_t>(call_.number_of(A::Argsz, args.argsz));
    const Result<std::uint32_t> result =
        dev.ioctl(ctx_, *file, caller_.mm, static_cast<std::uint32_t>(request), &args);
    if (!result) {
        return outcome(result.error());
    }
    if (call_.kind == K::DevAlloc) {
        caller_.variables->set(call_.subject, Ioasid{*result});
    }
    const bool info = request == DevIoasidCall::GetInfo;
    return {Errno::Ok, info ? args.bits : *result};
}

StepOutcome Performer::surroundings() {
    switch (call_.kind) {
        case K::MmExit:
            return outcome(objects_.mm_exit(call_.subject));
        case K::FailNext:
            core_.probes().fail_next(static_cast<const FaultSite&>(
                *Declaration::find(Declaration::Kind::FaultSite, call_.subject)));
            return {};
        case K::Lock:
        case K::Unlock: {
            SimLock* lock = objects_.lock(call_.subject);
            if (call_.kind == K::Lock) {
                lock == nullptr ? core_.lock(ctx_) : ctx_.lock(*lock);
            } else {
                lock == nullptr ? core_.unlock(ctx_) : ctx_.unlock(*lock);
            }
            return {};
        }
        case K::Signal:
            objects_.signal(ctx_, call_.subject);
            return {};
        default:
            objects_.await(ctx_, call_.subject);
            return {};
    }
}

}  // namespace

StepOutcome perform_call(ExecContext& ctx, KernelObjects& objects, const CoreCall& call,
                         const Caller& caller) {
    return Performer(ctx, objects, call, caller).perform();
}

StepOutcome perform_alloc(ExecContext& ctx, KernelObjects& objects, const Step& step,
                          const Caller& caller) {
    const PasidRange range = step.range.value_or(PasidRange{});
    IoasidSet* set = step.set.empty() ? caller.own_set : objects.find_set(step.set);
    Ioasid first = kNoIoasid;
    for (std::uint64_t i = 0; i < step.count; ++i) {
        const Ioasid id = objects.core().alloc(ctx, set, Ioasid{range.min}, Ioasid{range.max},
                                               data_of(step.data));
        if (id == kNoIoasid) {
            return outcome(Errno::Enospc);
        }
        if (i == 0) {
            first = id;
            caller.variables->set(step.id, id);
        }
    }
    return {Errno::Ok, first.value()};
}

StepOutcome perform_free(ExecContext& ctx, KernelObjects& objects, const Step& step,
                         const Caller& caller) {
    const std::optional<Ioasid> id =
        step.id == "event" && caller.event ? caller.event : caller.variables->get(step.id);
    if (!id) {
        return outcome(Errno::Enoent);
    }
    IoasidSet* set = step.set.empty() ? caller.own_set : objects.find_set(step.set);
    objects.core().free(ctx, set, *id);
    return {};
}

}  // namespace ioasim::platform
