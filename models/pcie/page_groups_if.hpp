// Page requests of a function (PCI Express base specification 10.4): groups that wait for their
// response, and the credits that software allocated.
//
// Every request holds a credit until its group's response came. A group's index is not used again
// before that. A response for no outstanding group is unexpected (UPRGI) and changes nothing else.
// After Response Failure nobody answers any more: all groups are forgotten and their credits are
// back. Plain data; the owner makes the messages.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/pcie/ats_layout.hpp"

namespace ioasim::pcie {

// PRG response codes (10.4.2.1).
enum class PageAnswer : std::uint8_t { Success = 0, Invalid = 1, Failure = 15 };

class PageRequestGroups {
public:
    std::uint64_t outstanding() const { return requests_; }
    // Requests that may leave now.
    std::uint64_t credits(std::uint64_t allocation) const {
        return allocation > requests_ ? allocation - requests_ : 0;
    }
    // Nothing when every index is in use.
    std::optional<std::uint16_t> open(std::optional<Pasid> pasid, std::uint32_t requests);

    enum class Match : std::uint8_t {
        Waited,      // somebody waits for the group
        Abandoned,   // nobody does any more
        Unexpected,  // no such group is outstanding
    };
    // A response; responses to requests with a PASID must name it.
    Match answer(std::uint16_t group, std::optional<Pasid> pasid);
    // Whoever waited for groups of the PASID does not any more; their credits are still out.
    void abandon(std::optional<Pasid> pasid);
    bool waits(std::optional<Pasid> pasid) const;
    void forget_all();

private:
    struct Group {
        std::uint16_t index;
        std::optional<Pasid> pasid;
        std::uint32_t requests;
        bool abandoned;
    };
    std::vector<Group> groups_;
    std::uint64_t requests_ = 0;
    std::uint16_t next_ = 0;
};

}  // namespace ioasim::pcie
