// What can go wrong on the way between devices and the root complex: messages are lost, late,
// doubled or marked as wrong where the protocol has an answer to it.
#include "core/sim/simulation.hpp"
#include "core/trace/device_events.hpp"
#include "models/pcie/pcie_probes.hpp"
#include "models/pcie/root_complex.hpp"

namespace ioasim::pcie {
void RootComplex::lose(const Tlp& tlp) {
    emit(trace::PcieLost{tlp.requester, tlp.tag, tlp.length, tlp.descriptor});
}

void RootComplex::hold(TimePs until, PortId at, Tlp tlp, bool up) {
    held_.schedule(until, at, Held{std::move(tlp), at, up});
}

void RootComplex::release_held(TimePs now) {
    while (held_.due(now)) {
        Held held = held_.pop();
        if (held.up) {
            Upward& up = *ports_[ports_[held.at]->iommu]->up;
            send_up(now, held.at, up, std::move(held.tlp));
        } else {
            send_down(now, held.at, std::move(held.tlp));
        }
    }
}

bool RootComplex::disturbs_down(TimePs now, PortId to, Tlp& tlp) {
    const std::string_view device = device_name(to);
    if (tlp.kind == TlpKind::Completion) {
        return disturbs_completion(now, to, tlp, device);
    }
    if (tlp.kind == TlpKind::PageGroupResponse) {
        if (probes_.fails(kPageResponseLost, device)) {
            lose(tlp);
            return true;
        }
        if (probes_.fails(kPageResponseLate, device)) {
            hold(now + TimePs{probes_.extent()}, to, tlp, false);
            return true;
        }
    }
    return false;
}

bool RootComplex::disturbs_completion(TimePs now, PortId to, Tlp& tlp, std::string_view device) {
    if (probes_.fails(kCompletionLost, device)) {
        lose(tlp);
        return true;
    }
    if (probes_.fails(kCompletionLate, device)) {
        hold(now + TimePs{probes_.extent()}, to, tlp, false);
        return true;
    }
    if (tlp.data.empty()) {
        return false;
    }
    if (probes_.fails(kCompletionAbort, device)) {
        tlp.status = CplStatus::Abort;
        tlp.data.clear();
        return false;
    }
    if (probes_.fails(kCompletionPoisoned, device)) {
        tlp.poisoned = true;
    }
    if (probes_.fails(kCompletionDuplicated, device)) {
        send_down(now, to, Tlp(tlp));
    }
    return false;
}

bool RootComplex::disturbs_up(TimePs now, PortId from, const Tlp& tlp) {
    const std::string_view device = device_name(from);
    const FaultSite* lost = nullptr;
    const FaultSite* late = nullptr;
    if (tlp.kind == TlpKind::PageRequest) {
        lost = &kPageRequestLost;
        late = &kPageRequestLate;
    } else if (tlp.kind == TlpKind::InvalidateCompletion) {
        lost = &kInvalidationLost;
        late = &kInvalidationLate;
    } else if (tlp.kind == TlpKind::Completion) {
        // Without data and not of a configuration write: a deferrable write's. The processor waits
        // for it, so the port ends the wait when its own time is over.
        if (!probes_.fails(kDmwrTimeout, device)) {
            return false;
        }
        lose(tlp);
        Tlp given_up = tlp;
        given_up.status = CplStatus::UnsupportedRequest;
        if (!probes_.has(kPortWaitsForEver)) {
            hold(now + params_.completion_timeout, *cpus_, std::move(given_up), false);
        }
        return true;
    } else {
        return false;
    }
    if (probes_.fails(*lost, device)) {
        lose(tlp);
        left(now, from, tlp);
        return true;
    }
    if (probes_.fails(*late, device)) {
        hold(now + TimePs{probes_.extent()}, from, tlp, true);
        return true;
    }
    return false;
}

bool RootComplex::disturbs_interrupt(TimePs now, const Tlp& tlp, std::string_view name) {
    if (probes_.fails(kInterruptLost, name)) {
        lose(tlp);
        return true;
    }
    if (probes_.fails(kInterruptLate, name)) {
        hold(now + TimePs{probes_.extent()}, *cpus_, tlp, false);
        return true;
    }
    if (probes_.fails(kInterruptDuplicated, name)) {
        send_down(now, *cpus_, Tlp(tlp));
    }
    return false;
}

}  // namespace ioasim::pcie
