// A function that is pulled out of its slot while the system runs (PCI Express 6.7, surprise down).
#include <algorithm>

#include "core/sim/simulation.hpp"
#include "core/trace/vdev_events.hpp"
#include "models/pcie/config_layout.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/pcie/pcie_probes.hpp"
#include "models/pcie/root_complex.hpp"

namespace ioasim::pcie {

void RootComplex::pull(PortId device, TimePs at) {
    SIM_CHECK(ports_.at(device)->slot != nullptr, "port {} has no slot", device);
    pulls_.schedule(at, device, device);
    wake_at(at);
}

RootComplex::Slot* RootComplex::slot_of(Rid root_port) {
    if (root_port.value() >> 8U != kRootPortBus) {
        return nullptr;
    }
    const auto found = std::find_if(ports_.begin(), ports_.end(), [&](const auto& port) {
        return port->slot != nullptr && port->slot->root_port == root_port;
    });
    return found == ports_.end() ? nullptr : (*found)->slot.get();
}

// "dsa0" of "dsa0.down".
std::string_view RootComplex::device_name(PortId port) const {
    const std::string_view link = ports_[port]->name;
    return link.substr(0, link.find('.'));
}

// A root port answers for itself.
void RootComplex::configure_slot(TimePs now, PortId from, Slot& slot, const Tlp& tlp) {
    const auto offset = static_cast<std::uint32_t>(tlp.address % kConfigBytes);
    if (tlp.length > 4 || tlp.kind == TlpKind::DeferrableWrite) {
        refuse(now, from, tlp);
        return;
    }
    if (tlp.kind == TlpKind::MemWrite) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < tlp.data.size(); ++i) {
            value |= std::uint32_t{tlp.data[i]} << (8 * i);
        }
        slot.registers.write(offset, value, tlp.length);
        return;
    }
    const std::uint32_t value = slot.registers.read(offset, tlp.length);
    Tlp completion = make_completion(tlp, CplStatus::Success);
    for (unsigned i = 0; i < tlp.length; ++i) {
        completion.data.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    send_down(now, from, std::move(completion));
}

void RootComplex::to_device(TimePs now, PortId from, PortId device, Tlp&& tlp) {
    Port& port = *ports_[device];
    if (port.gone()) {
        refuse(now, from, tlp);
        return;
    }
    if (port.slot != nullptr && !is_posted(tlp.kind)) {
        port.slot->asked.push_back(tlp);
    }
    send_down(now, device, std::move(tlp));
}

void RootComplex::answered(Port& port, const Tlp& completion) {
    if (port.slot == nullptr) {
        return;
    }
    std::vector<Tlp>& asked = port.slot->asked;
    asked.erase(std::remove_if(asked.begin(), asked.end(),
                               [&](const Tlp& request) {
                                   return request.requester == completion.requester &&
                                          request.tag == completion.tag;
                               }),
                asked.end());
}

void RootComplex::surprise_down(TimePs now, PortId device) {
    Port& port = *ports_[device];
    if (port.gone()) {
        return;
    }
    emit(trace::PcieSurpriseDown{port.rid});
    const auto message = port.slot->registers.link_down();
    for (const Tlp& request : port.slot->asked) {
        if (request.kind != TlpKind::ConfigWrite) {
            hold(now + params_.completion_timeout, *cpus_,
                 make_completion(request, CplStatus::UnsupportedRequest), false);
        }
    }
    port.slot->asked.clear();
    if (message) {
        Tlp interrupt;
        interrupt.kind = TlpKind::Interrupt;
        interrupt.requester = port.slot->root_port;
        interrupt.address = message->address;
        interrupt.length = sizeof message->data;
        for (unsigned i = 0; i < sizeof message->data; ++i) {
            interrupt.data.push_back(static_cast<std::uint8_t>(message->data >> (8 * i)));
        }
        if (!disturbs_interrupt(now, interrupt, device_name(device))) {
            send_down(now, *cpus_, std::move(interrupt));
        }
    }
}

}  // namespace ioasim::pcie
