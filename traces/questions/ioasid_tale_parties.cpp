// What KVM, VDCM, VFIO, the IOMMU and its driver do with an ID.
#include "traces/questions/ioasid_tale.hpp"

#include <iterator>

#include <fmt/format.h>

#include "core/trace/device_events.hpp"
#include "core/trace/guest_fault_events.hpp"
#include "core/trace/software_events.hpp"
#include "core/trace/sva_events.hpp"
#include "core/trace/vdev_events.hpp"
#include "core/trace/vtd_events.hpp"

namespace ioasim::traces {

// --- KVM, VDCM, VFIO, IOMMU ----------------------------------------------------------------------

void IoasidTale::of_host(std::size_t i) {
    if (log_.is<trace::KvmTableWrite>(i)) {
        table_write(i);
    } else if (log_.is<trace::KvmUnbind>(i) && has(i, "ioasid", id_)) {
        done_[Role::Kvm] = i;
        join_or_add(i, "KVM is done: no vCPU can send it any more", Role::Kvm, "unbound");
    } else if (log_.is<trace::VdcmUnbind>(i) && has(i, "ioasid", id_)) {
        done_[Role::Vdcm] = i;
        join_or_add(i,
                    fmt::format("VDCM is done: no queue of {} is set to it any more",
                                LOG_TEXT(log_, i, VdcmUnbind, device)),
                    Role::Vdcm, "unbound");
    } else if (log_.is<trace::KvmKick>(i) && within(i)) {
        arrow(i, LOG_TEXT(log_, i, KvmKick, vcpu) + " is kicked out of its guest", Role::Kvm,
              Role::Guest, "kick");
    } else if (log_.is<trace::VdevQueue>(i) && has(i, "ioasid", id_)) {
        const bool on = LOG_FIELD(log_, i, VdevQueue, on) != 0;
        const std::string queue = fmt::format("{}/{}", LOG_TEXT(log_, i, VdevQueue, device),
                                              LOG_TEXT(log_, i, VdevQueue, wq));
        queue_vm_ = LOG_TEXT(log_, i, VdevQueue, vm);
        queue_on_ = on;
        arrow(i,
              on ? fmt::format("VDCM writes it into the dedicated workqueue of {}", queue)
                 : fmt::format("VDCM clears it from the dedicated workqueue of {}", queue),
              Role::Vdcm, Role::Device, on ? "WQCFG.PASID" : "WQCFG cleared");
    } else if (log_.is<trace::VdevQuiet>(i) && queue_on_ &&
               LOG_TEXT(log_, i, VdevQuiet, vm) == queue_vm_) {
        arrow(i,
              fmt::format("{}/{} is quiet: disabled, portal unmapped, writes flushed",
                          LOG_TEXT(log_, i, VdevQuiet, device), LOG_TEXT(log_, i, VdevQuiet, wq)),
              Role::Vdcm, Role::Device, "quiet");
    } else if (log_.is<trace::VtdInvalidation>(i)) {
        domain_invalidation(i);
    } else if (log_.is<trace::VtdInvWaitDone>(i) && wait_wanted_ == log_.source(i)) {
        wait_wanted_ = SourceId{};
        join_or_add(i, "the wait behind it completes", Role::Iommu, "wait done");
    } else if (log_.is<trace::VirtualCommand>(i)) {
        virtual_command(i);
    }
}

void IoasidTale::join_or_add(std::size_t i, const std::string& text, Role at,
                             const std::string& label) {
    if (!join(i, text)) {
        arrow(i, text, at, at, label);
    }
}

void IoasidTale::table_write(std::size_t i) {
    constexpr std::uint64_t kValid = std::uint64_t{1} << 31U;
    constexpr std::uint64_t kPasid = 0xF'FFFF;
    const std::string& vm = LOG_TEXT(log_, i, KvmTableWrite, vm);
    const std::uint64_t gpasid = LOG_FIELD(log_, i, KvmTableWrite, guest_pasid);
    const std::uint64_t value = LOG_FIELD(log_, i, KvmTableWrite, value);
    if ((value & kValid) != 0 && (value & kPasid) == id_) {
        translated_[vm] = gpasid;
        join_or_add(i, fmt::format("PASID translation of {}: {} -> {}", vm, gpasid, id_), Role::Kvm,
                    fmt::format("{} -> {}", gpasid, id_));
    } else if (translated_.count(vm) != 0 && translated_[vm] == gpasid) {
        translated_.erase(vm);
        join_or_add(i, fmt::format("PASID translation of {}: {} -> nothing", vm, gpasid), Role::Kvm,
                    fmt::format("{} -> none", gpasid));
    }
}

void IoasidTale::domain_invalidation(std::size_t i) {
    const auto domain = domains_.find(LOG_FIELD(log_, i, VtdInvalidation, did));
    if (domain == domains_.end() || cleared_ == kNever || detached_ ||
        LOG_TEXT(log_, i, VtdInvalidation, granularity) != "domain") {
        return;
    }
    invalidation(i);
}

void IoasidTale::invalidation(std::size_t i) {
    const std::string kind = LOG_TEXT(log_, i, VtdInvalidation, kind);
    const std::string what = kind == "pasid_cache" ? "PASID cache"
                             : kind == "piotlb"    ? "IOTLB, by PASID"
                             : kind == "iotlb"     ? "IOTLB, by domain"
                             : kind == "dev_tlb"   ? "device TLB"
                                                   : kind;
    if (kind == "page_request") {
        return;  // the unit drops a page before it asks for it
    }
    wait_wanted_ = log_.source(i);
    flushed_.insert(kind == "pasid_cache" ? "PASID cache" : kind == "dev_tlb" ? kind : "IOTLB");
    arrow(i,
          fmt::format("{} invalidated: {} dropped", what,
                      LOG_FIELD(log_, i, VtdInvalidation, dropped)),
          Role::Iommu, Role::Iommu, "inv " + kind);
}

// What the unit may have cached of an entry that is gone must be flushed before anybody may believe
// that it is (VT-d 6.5.3.3).
void IoasidTale::missing_flushes(std::size_t detach) {
    if (cleared_ == kNever || guest_) {
        return;
    }
    for (const char* cache : {"PASID cache", "IOTLB"}) {
        if (flushed_.count(cache) == 0) {
            missing_ = fmt::format(
                "no invalidation of the {} came between the end of its PASID entry at {} and its "
                "detach at {}",
                cache, story_time(log_.time(cleared_)), story_time(log_.time(detach)));
            add(detach, fmt::format("no invalidation of the {} came before", cache)).alarm = true;
        }
    }
}

bool IoasidTale::all_flushed() const {
    return cleared_ != kNever && flushed_.count("PASID cache") != 0 && flushed_.count("IOTLB") != 0;
}

// A life may leave its entry behind: who has the number next sees it go.
void IoasidTale::entry_cleared(std::size_t i) {
    const std::uint64_t rid = LOG_FIELD(log_, i, VtdPasidEntryClear, rid);
    const bool own = entries_.erase(rid) != 0;
    bool earlier = false;
    for (std::size_t j = 0; j < begin_ && !own && !earlier; ++j) {
        earlier = log_.is<trace::VtdPasidEntrySet>(j) && pasid_is_it(j) &&
                  LOG_FIELD(log_, j, VtdPasidEntrySet, rid) == rid;
    }
    if (own) {
        cleared_ = i;
        flushed_.clear();
        detached_ = false;  // of another device it may have been
    }
    arrow(i,
          fmt::format(
              "PASID entry of {} in {}{} is not present any more{}", log_.field_text(i, "rid"),
              log_.field_text(i, "iommu"), earlier ? ", of an earlier life of the number," : "",
              LOG_FIELD(log_, i, VtdPasidEntryClear, fpd) != 0 ? "; faults are not recorded" : ""),
          Role::Iommu, Role::Iommu, "entry cleared");
}

void IoasidTale::virtual_command(std::size_t i) {
    const bool answered = !moments_.empty() && scene_.causes().frame_of(i) != Causes::kNone &&
                          scene_.causes().frame_of(i) == last_call_frame();
    if (answered) {
        const std::uint64_t status = LOG_FIELD(log_, i, VirtualCommand, status);
        add(i,
            fmt::format("{} answers {} its command {}{}", "the virtual IOMMU",
                        LOG_TEXT(log_, i, VirtualCommand, vm),
                        LOG_TEXT(log_, i, VirtualCommand, command),
                        status == 0 ? fmt::format(": guest PASID {}", log_.field_text(i, "pasid"))
                                    : fmt::format(": status {}", status)));
        moments_.back().from = Role::Vmm;
        moments_.back().to = Role::Guest;
        moments_.back().label = fmt::format("PASID {}", log_.field_text(i, "pasid"));
        moments_.back().why.clear();
    }
}

std::size_t IoasidTale::last_call_frame() const {
    for (auto it = frames_.rbegin(); it != frames_.rend(); ++it) {
        if (*it != Causes::kNone) {
            std::size_t f = *it;
            while (scene_.causes().frame(f).parent != Causes::kNone) {
                f = scene_.causes().frame(f).parent;
            }
            return f;
        }
    }
    return Causes::kNone;
}

void IoasidTale::with_pasid(std::size_t i) {
    if (log_.is<trace::VtdPasidEntrySet>(i)) {
        static constexpr const char* kTypes[] = {"?", "first stage", "second stage", "nested",
                                                 "pass-through"};
        const std::uint64_t pgtt = LOG_FIELD(log_, i, VtdPasidEntrySet, pgtt);
        domains_[LOG_FIELD(log_, i, VtdPasidEntrySet, did)] = i;
        detached_ = false;
        cleared_ = kNever;
        entries_.insert(LOG_FIELD(log_, i, VtdPasidEntrySet, rid));
        arrow(i,
              fmt::format("PASID entry of {} in {} is live: {}, domain {}",
                          log_.field_text(i, "rid"), log_.field_text(i, "iommu"),
                          kTypes[pgtt < std::size(kTypes) ? pgtt : 0], log_.field_text(i, "did")),
              Role::Iommu, Role::Iommu, "entry live");
    } else if (log_.is<trace::VtdPasidEntryClear>(i)) {
        entry_cleared(i);
    } else if (log_.is<trace::VtdInvalidation>(i)) {
        invalidation(i);
    } else if (log_.is<trace::VtdDevTlbRequest>(i)) {
        arrow(i,
              fmt::format("device TLB of {} is asked to forget it",
                          scene_.device_of(LOG_FIELD(log_, i, VtdDevTlbRequest, rid))),
              Role::Iommu, Role::Device, "inv device TLB");
    } else if (log_.is<trace::IommuAttach>(i)) {
        devices_.insert(LOG_TEXT(log_, i, IommuAttach, device));
        join_or_add(i,
                    fmt::format("attached to {} ({})", LOG_TEXT(log_, i, IommuAttach, device),
                                LOG_TEXT(log_, i, IommuAttach, domain)),
                    Role::Iommu, "attach");
    } else if (log_.is<trace::IommuDetach>(i)) {
        detached_ = true;
        done_[Role::Iommu] = i;
        missing_flushes(i);
        join_or_add(i,
                    fmt::format("detached from {}{}", LOG_TEXT(log_, i, IommuDetach, device),
                                all_flushed() ? ": nothing of it is cached" : ""),
                    Role::Iommu, "detach");
    } else if (log_.is<trace::SvaBind>(i)) {
        join_or_add(i,
                    fmt::format("{} is bound to {}: {}", LOG_TEXT(log_, i, SvaBind, process),
                                LOG_TEXT(log_, i, SvaBind, device),
                                log_.field_text(i, "result") == "0" ? "done"
                                                                    : log_.field_text(i, "result")),
                    caller(i), "bound");
    } else if (log_.is<trace::SvaUnbind>(i)) {
        join_or_add(
            i,
            fmt::format("{} is unbound from {}: done", LOG_TEXT(log_, i, SvaUnbind, process),
                        LOG_TEXT(log_, i, SvaUnbind, device)),
            caller(i), "unbound");
    } else if (log_.is<trace::DsaWqState>(i)) {
        arrow(i,
              fmt::format("{}/{} is {} with it", LOG_TEXT(log_, i, DsaWqState, device),
                          LOG_TEXT(log_, i, DsaWqState, wq),
                          LOG_FIELD(log_, i, DsaWqState, enabled) != 0 ? "enabled" : "disabled"),
              Role::Device, Role::Device, "queue");
    } else if (log_.is<trace::IopfDrain>(i)) {
        join_or_add(i, "no page request of it is left anywhere", Role::Iommu, "PRQ drained");
    } else if (log_.is<trace::GuestPasidEntry>(i)) {
        of_guest(i);
    }
}

void IoasidTale::of_guest(std::size_t i) {
    if (log_.is<trace::GuestPasidEntry>(i) && has(i, "pasid", id_) && of_kernel(i)) {
        join_or_add(i,
                    LOG_FIELD(log_, i, GuestPasidEntry, present) != 0
                        ? "the guest's own PASID entry is present"
                        : "the guest's own PASID entry is gone",
                    Role::Guest, "guest entry");
    } else if ((log_.is<trace::KvmBind>(i) || log_.is<trace::KvmUnbind>(i)) &&
               has(i, "spid", id_) && log_.field_text(i, "vm") == kernel_) {
        const bool bind = log_.is<trace::KvmBind>(i);
        arrow(i,
              fmt::format(bind ? "host IOASID {} stands behind it from here on"
                               : "host IOASID {} stands behind it no longer",
                          log_.field_text(i, "ioasid")),
              Role::Kvm, Role::Kvm, log_.field_text(i, "ioasid"));
    }
}

}  // namespace ioasim::traces
