#include "models/linux/kvm.hpp"

#include "core/trace/software_events.hpp"
#include "models/cpu/vmx_layout.hpp"
#include "models/linux/corner_probes.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/kvm_probes.hpp"
#include "models/linux/linux_marks.hpp"
#include "models/linux/linux_probes.hpp"

namespace ioasim::os {
namespace {

// So many looks are the patience of a broken KVM.
constexpr std::uint64_t kPatience = 8;
constexpr std::uint32_t kGpasidLimit = 1U << 20U;

std::uint32_t valid_entry(Ioasid id) {
    return cpu::encode(cpu::PasidTableEntry{true, Pasid{id.value()}});
}

}  // namespace

Kvm::Kvm(Kernel& kernel, const std::string& vm)
    : NotifierBlock("kvm/" + vm, kPriorityCpu),
      kernel_(kernel),
      vm_(vm),
      vm_name_(kernel.intern(vm)),
      holder_(kernel.ioasid().holder("kvm/" + vm)) {}

Errno Kvm::start(ExecContext& ctx) {
    const auto low = kernel_.alloc_pages(ctx);
    if (!low) {
        return low.error();
    }
    const auto high = kernel_.alloc_pages(ctx);
    if (!high) {
        kernel_.free_pages(*low);
        return high.error();
    }
    vmcs_.low_pasid_directory = Hpa{*low};
    vmcs_.high_pasid_directory = Hpa{*high};
    vmcs_.enable_pasid_translation = true;
    return Errno::Ok;
}

void Kvm::stop(ExecContext& ctx, IoasidSet* set) {
    for (const auto& [gpasid, id] : bound_) {
        kernel_.ioasid().put(ctx, set, id, holder_);
    }
    bound_.clear();
    for (const auto& [index, table] : tables_) {
        kernel_.free_pages(table);
    }
    tables_.clear();
    listed_.clear();
    if (vmcs_.enable_pasid_translation) {
        kernel_.free_pages(vmcs_.low_pasid_directory.value());
        kernel_.free_pages(vmcs_.high_pasid_directory.value());
        vmcs_ = cpu::Vmcs{};
    }
}

Result<std::uint64_t> Kvm::entry(ExecContext& ctx, std::uint32_t gpasid, bool allocate) {
    if (gpasid >= kGpasidLimit || !vmcs_.enable_pasid_translation) {
        return Errno::Einval;
    }
    const std::uint32_t index = gpasid >> 10U;
    auto table = tables_.find(index);
    if (table == tables_.end()) {
        if (!allocate) {
            return Errno::Enoent;
        }
        const auto page = kernel_.alloc_pages(ctx);
        if (!page) {
            return page.error();
        }
        table = tables_.emplace(index, *page).first;
    }
    return cpu::table_entry_address(Hpa{table->second}, Pasid{gpasid}).value();
}

// A directory's present bit comes behind the table's first entry.
void Kvm::list_table(ExecContext& ctx, std::uint32_t gpasid) {
    if (!listed_.insert(gpasid >> 10U).second) {
        return;
    }
    const Hpa directory = cpu::uses_high_directory(Pasid{gpasid}) ? vmcs_.high_pasid_directory
                                                                  : vmcs_.low_pasid_directory;
    const Hpa table{tables_.at(gpasid >> 10U)};
    ctx.store(cpu::directory_entry_address(directory, Pasid{gpasid}).value(),
              cpu::encode(cpu::PasidDirectoryEntry{true, table}), 8);
}

void Kvm::write_entry(ExecContext& ctx, std::uint64_t address, std::uint32_t gpasid,
                      std::uint32_t value) {
    ctx.store(address, value, 4);
    list_table(ctx, gpasid);
    kernel_.emit(ctx, trace::KvmTableWrite{vm_name_, Hpa{address}, gpasid, trace::Hex{value}});
}

NotifyResult Kvm::handle(ExecContext& ctx, const NotifierPayload& payload) {
    switch (payload.event) {
        case IoasidNotification::Bind:
            return bind(ctx, payload.set, payload.id, payload.spid);
        case IoasidNotification::Unbind:
            if (kernel_.probes().has(kKvmLateClear)) {
                start_late_unbind(ctx, payload.set, payload.id, payload.spid);
            } else {
                unbind(ctx, payload.set, payload.id, payload.spid);
            }
            return NotifyResult::Ok;
        case IoasidNotification::Free:
            kernel_.emit(ctx, trace::KvmFree{vm_name_, payload.spid, payload.id});
            return NotifyResult::Ok;
        default:
            return NotifyResult::Done;
    }
}

NotifyResult Kvm::bind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid) {
    Frame frame{ctx, "kvm_bind"};
    const auto address = entry(ctx, spid.value(), true);
    if (!address) {
        return notify_error(address.error());
    }
    const Errno error = kernel_.ioasid().get_locked(ctx, set, id, holder_);
    if (error != Errno::Ok) {
        return notify_error(error);
    }
    bound_[spid.value()] = id;
    write_entry(ctx, *address, spid.value(), valid_entry(id));
    kernel_.emit(ctx, trace::KvmBind{vm_name_, spid, id});
    return NotifyResult::Ok;
}

void Kvm::unbind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid) {
    Frame frame{ctx, "kvm_unbind"};
    const auto bound = bound_.find(spid.value());
    if (bound == bound_.end() || bound->second != id) {
        return;  // BIND failed here: nothing is held
    }
    bound_.erase(bound);
    clear_translation(ctx, spid);
    kernel_.ioasid().put_locked(ctx, set, id, holder_);
    kernel_.emit(ctx, trace::KvmUnbind{vm_name_, spid, id});
}

void Kvm::clear_translation(ExecContext& ctx, Spid spid) {
    const auto address = entry(ctx, spid.value(), false);
    if (!address) {
        return;  // the VM's tables are gone
    }
    write_entry(ctx, *address, spid.value(), 0);
    if (!kernel_.probes().has(kKvmNoKick)) {
        kick_all(ctx);
    }
}

// A vCPU inside an ENQCMD may have read the entry before it was cleared. Once it left guest mode
// (or was not in it) it reads the table anew.
void Kvm::kick_all(ExecContext& ctx) {
    const TimePs written = ctx.now();
    std::vector<VcpuControl*> waiting;
    for (VcpuControl* vcpu : vcpus_) {
        if (!vcpu->in_guest_since(written)) {
            continue;
        }
        waiting.push_back(vcpu);
        kernel_.probes().hit(kVcpuKicked);
        kernel_.emit(ctx, trace::KvmKick{vm_name_, kernel_.intern(vcpu->name())});
        ctx.spend(kernel_.params().kick_send);
        vcpu->kick(ctx);
    }
    if (!waiting.empty() && kernel_.probes().has(kKickNotAwaited)) {
        return;
    }
    if (waiting.size() > 1 && kernel_.probes().has(kKickFirstOnly)) {
        waiting.resize(1);
    }
    const TimePs deadline = ctx.now() + kernel_.params().kick_timeout;
    for (const VcpuControl* vcpu : waiting) {
        for (std::uint64_t looks = 1; vcpu->in_guest_since(written); ++looks) {
            if (looks > kPatience && kernel_.probes().has(kKickImpatient)) {
                break;
            }
            if (ctx.now() >= deadline) {
                kernel_.emit(ctx, trace::IoasidHazard{kernel_.intern(kernel_.name()),
                                                      trace::IoasidHazardKind::KickTimeout,
                                                      kernel_.intern(ctx.name()),
                                                      kernel_.intern(vcpu->name()),
                                                      kernel_.intern(ctx.call_chain())});
                return;
            }
            kernel_.probes().hit(kKickWaited);
            ctx.spend(kernel_.params().kick_poll);
        }
    }
}

// The seeded defect: clean-up by a helper task that waits for the PASID entry to go first.
void Kvm::start_late_unbind(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid) {
    if (bound_.erase(spid.value()) == 0) {
        return;
    }
    const std::string task = ctx.name().substr(0, ctx.name().find('/')) + "/kvm-late-" + vm_ + "-" +
                             std::to_string(id.value());
    kernel_.scheduler().spawn(task, kernel_.task_port(), [this, set, id, spid](ExecContext& late) {
        const TimePs deadline = late.now() + kernel_.params().flush_timeout;
        while (kernel_.sva().entry_live(id) && late.now() < deadline) {
            late.spend(kernel_.params().late_clear_poll);
        }
        clear_translation(late, spid);
        kernel_.ioasid().put(late, set, id, holder_);
        kernel_.emit(late, trace::KvmUnbind{vm_name_, spid, id});
    });
}

bool Kvm::resolve_miss(ExecContext& ctx, IoasidSet& set, Spid gpasid) {
    if (bound_.count(gpasid.value()) != 0) {
        return true;  // installed while the vCPU was on its way out
    }
    const Ioasid id = kernel_.ioasid().find_by_spid(ctx, &set, gpasid, true, holder_);
    if (!is_valid(id)) {
        kernel_.probes().hit(kMissNotFound);
        const auto own = kernel_.probes().has(kMissMapsItself)
                             ? entry(ctx, gpasid.value(), true)
                             : Result<std::uint64_t>(Errno::Enoent);
        if (own) {
            write_entry(ctx, *own, gpasid.value(), valid_entry(Ioasid{gpasid.value()}));
        }
        return own.ok();
    }
    const auto address = entry(ctx, gpasid.value(), true);
    // The search may have waited for a BIND in progress, which took KVM's one reference.
    const bool installed = bound_.count(gpasid.value()) != 0;
    if (installed) {
        kernel_.probes().hit(kMissOvertaken);
    }
    if (installed || !address) {
        kernel_.ioasid().put(ctx, nullptr, id, holder_);
        return installed;
    }
    bound_[gpasid.value()] = id;
    write_entry(ctx, *address, gpasid.value(), valid_entry(id));
    kernel_.emit(ctx, trace::KvmBind{vm_name_, gpasid, id});
    return true;
}

}  // namespace ioasim::os
