// Messages by hand: software of a test requester sends what a device TLB or a page-request unit
// would send, and takes what the remapping unit sends to them (PCIe base specification 10.3, 10.4).
// Nothing is answered or checked by the function itself, so it stands for one that is late, silent
// or wrong. Messages wait in order of arrival; one that finds no room is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "models/pcie/pcie_if.hpp"

namespace ioasim::requester {

class MessageWindow {
public:
    static constexpr std::size_t kRoom = 64;

    // What arrives; false: no room, or a kind that is not for it.
    bool take(const pcie::Tlp& tlp);

    std::uint32_t waiting() const { return static_cast<std::uint32_t>(messages_.size()); }
    // Of the oldest, 0 when none waits.
    std::uint32_t head() const;  // as MESSAGE_HEAD shows it
    std::uint64_t body() const;  // invalidation: its body; response: header bytes 8 to 15
    void drop() {
        if (!messages_.empty()) {
            messages_.pop_front();
        }
    }

    // The message that a write of `control` to MESSAGE_SEND makes, nothing for an unknown kind.
    static std::optional<pcie::Tlp> make(std::uint32_t control, std::uint64_t header, Rid sender,
                                         std::optional<Pasid> pasid);

private:
    std::deque<pcie::Tlp> messages_;
};

}  // namespace ioasim::requester
