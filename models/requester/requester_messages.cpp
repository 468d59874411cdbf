#include "models/requester/requester_messages.hpp"

#include "models/pcie/ats_layout.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::requester {

bool MessageWindow::take(const pcie::Tlp& tlp) {
    const bool known = tlp.kind == pcie::TlpKind::InvalidateRequest ||
                       tlp.kind == pcie::TlpKind::PageGroupResponse;
    if (!known || messages_.size() == kRoom) {
        return false;
    }
    messages_.push_back(tlp);
    return true;
}

std::uint32_t MessageWindow::head() const {
    if (messages_.empty()) {
        return 0;
    }
    const pcie::Tlp& tlp = messages_.front();
    const bool invalidation = tlp.kind == pcie::TlpKind::InvalidateRequest;
    const auto kind = invalidation ? Message::InvalidateRequest : Message::PageGroupResponse;
    return static_cast<std::uint32_t>(kind) | (tlp.tag & 0x1FU) << message::kItagShift |
           (tlp.pasid ? message::kHasPasid | tlp.pasid->value() << message::kPasidShift : 0);
}

std::uint64_t MessageWindow::body() const {
    if (messages_.empty()) {
        return 0;
    }
    const pcie::Tlp& tlp = messages_.front();
    return tlp.kind == pcie::TlpKind::InvalidateRequest ? pcie::load_quadword(tlp.data)
                                                        : tlp.address;
}

std::optional<pcie::Tlp> MessageWindow::make(std::uint32_t control, std::uint64_t header,
                                             Rid sender, std::optional<Pasid> pasid) {
    pcie::Tlp tlp;
    tlp.requester = sender;
    tlp.address = header;
    switch (static_cast<Message>(control & message::kKind)) {
        case Message::InvalidateCompletion:
            tlp.kind = pcie::TlpKind::InvalidateCompletion;
            return tlp;
        case Message::PageRequest:
            tlp.kind = pcie::TlpKind::PageRequest;
            tlp.pasid = pasid;
            return tlp;
        default:
            return std::nullopt;
    }
}

}  // namespace ioasim::requester
