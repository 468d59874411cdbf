// fork and exec: pages shared until somebody writes, and PASIDs that stay with the mm they are of.
#include <array>
#include <utility>

#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "models/linux/kernel.hpp"
#include "models/linux/linux_probes.hpp"
#include "models/linux/mm.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

void Mm::renew(std::uint64_t token) {
    SIM_CHECK(root_ == 0, "address space {} is in use", owner_);
    token_ = token;
    next_address_ = kFirstAddress;
}

Result<std::uint64_t> Mm::copy_of(ExecContext& ctx, std::uint64_t page) {
    const auto fresh = kernel_.alloc_pages(ctx);
    if (fresh) {
        std::array<std::uint8_t, kPageSize> bytes{};
        const UserAccess copied(ctx);
        ctx.read_bytes(page, bytes.data(), bytes.size());
        ctx.write_bytes(*fresh, bytes.data(), bytes.size());
        kernel_.set_owner(ctx, owner_, *fresh, kPageSize);
    }
    return fresh;
}

// The pages of one mapping, as the child gets them. The parent's entries turn read-only.
Errno Mm::inherit(ExecContext& ctx, const Mapping& mapping, Mm& parent, Copied& copied) {
    Mapping mine = mapping;
    Errno error = Errno::Ok;
    for (std::size_t i = 0; i < mine.pages.size(); ++i) {
        std::uint64_t& page = mine.pages[i];
        if (page == 0 || error != Errno::Ok) {
            page = 0;
            continue;
        }
        const std::uint64_t address = mapping.address + i * kPageSize;
        const bool pinned = kernel_.pins().pinned(page) && !kernel_.probes().has(kForkSharesPinned);
        if (pinned) {
            const auto fresh = copy_of(ctx, page);
            error = fresh.error();
            page = fresh ? *fresh : 0;
            ++copied.copied;
        } else {
            error = parent.install(ctx, address, vtd::fs::leaf(page, false, true) | kTouched);
            kernel_.shared_pages().share(page, parent.owner_, owner_);
            ++copied.shared;
        }
        if (error == Errno::Ok) {
            const bool writable = pinned && mapping.writable;
            error = install(ctx, address, vtd::fs::leaf(page, writable, true) | kTouched);
        }
    }
    // What ran out of memory half-way stays known, so that its pages go with the child.
    mappings_.emplace(mapping.address, std::move(mine));
    return error;
}

Errno Mm::fork_from(ExecContext& ctx, Mm& parent, Copied& copied) {
    LockGuard guard{ctx, parent.lock_};
    Errno error = create(ctx);
    next_address_ = parent.next_address_;
    for (const auto& [address, mapping] : parent.mappings_) {
        if (error != Errno::Ok || mapping.device) {
            continue;
        }
        error = inherit(ctx, mapping, parent, copied);
        for (std::size_t i = 0; i < mapping.pages.size(); ++i) {
            parent.tlb_.erase(address + i * kPageSize);
        }
        // Whoever may still write through an old translation writes into the child's memory.
        if (!kernel_.probes().has(kForkWithoutFlush)) {
            parent.notifier_(ctx, address, mapping.pages.size() * kPageSize);
        }
        for (const std::uint64_t page : mapping.pages) {
            if (page != 0 && kernel_.shared_pages().shared(page)) {
                kernel_.set_owner(ctx, kernel_.shared_pages().owners(page), page, kPageSize);
            }
        }
    }
    return error;
}

// A write to a page that others map too: a copy of its own, and nobody may keep the translation to
// the old page. The last user of a page just takes it.
Mm::Fault Mm::break_sharing(ExecContext& ctx, std::uint64_t address, std::uint64_t& page) {
    ctx.spend(kernel_.params().minor_fault);
    SharedPages& shared = kernel_.shared_pages();
    if (shared.users(page) == 1) {
        shared.unshare(page);
        kernel_.set_owner(ctx, owner_, page, kPageSize);
        return install(ctx, address, vtd::fs::leaf(page, true, true) | kTouched) == Errno::Ok
                   ? Fault::Minor
                   : Fault::NoMemory;
    }
    const auto fresh = copy_of(ctx, page);
    if (!fresh) {
        return Fault::NoMemory;
    }
    const Errno installed = install(ctx, address, vtd::fs::leaf(*fresh, true, true) | kTouched);
    SIM_CHECK(installed == Errno::Ok, "no table for a page of {}", owner_);
    tlb_.erase(address);
    if (!kernel_.probes().has(kCopyWithoutFlush)) {
        notifier_(ctx, address, kPageSize);
    }
    shared.leave(page, owner_);
    kernel_.set_owner(ctx, shared.owners(page), page, kPageSize);
    page = *fresh;
    return Fault::Minor;
}

// --- processes ----------------------------------------------------------------------------------

Errno Kernel::fork(ExecContext& ctx, Process& parent, Process& child) {
    ctx.spend(params_.syscall);
    if (child.mm.alive() || child.mm_count == 0) {
        return Errno::Ebusy;
    }
    Frame frame{ctx, "fork"};
    Mm::Copied copied;
    const Errno error = child.mm.fork_from(ctx, parent.mm, copied);
    if (error != Errno::Ok) {
        child.mm.destroy(ctx);
        return error;
    }
    child.forked = true;
    if (probes().has(kForkKeepsPasid)) {
        child.inherited_msr = instructions().pasid_msr(ctx);
    }
    emit(ctx,
         trace::ProcessFork{intern(parent.name), intern(child.name), copied.shared, copied.copied});
    return Errno::Ok;
}

void Kernel::start_child(ExecContext& ctx, Process& child) {
    instructions().set_pasid_msr(ctx, child.inherited_msr);
    emit(ctx, trace::ProcessStart{intern(child.name)});
}

Errno Kernel::exec(ExecContext& ctx, Process& process) {
    ctx.spend(params_.syscall);
    if (process.mm_grabs != 0) {
        return Errno::Ebusy;
    }
    Frame frame{ctx, "exec"};
    const bool keeps = probes().has(kExecKeepsPasid);
    const std::uint64_t msr = instructions().pasid_msr(ctx);
    exit_mm(ctx, process);
    exit_files(ctx, process);
    mm_drop(ctx, process);
    if (process.mm_count != 0 && !probes().has(kExecKeepsMm)) {
        sva_->leave_mm(process);
    }
    process.portals.clear();
    ++process.mm_count;
    process.pasid_activated = false;
    process.mm.renew(next_token());
    instructions().set_pasid_msr(ctx, keeps ? msr : 0);
    const Errno error = process.mm.create(ctx);
    emit(ctx, trace::ProcessExec{intern(process.name)});
    return error;
}

}  // namespace ioasim::os
