// Pages that must stay where they are because a device may reach them (get_user_pages, long term).
// A process that ends while its pages are pinned leaves them behind; they go with the last pin.
#pragma once

#include <cstdint>
#include <map>

namespace ioasim::os {

class PagePins {
public:
    void pin(std::uint64_t page) { ++pins_[page].count; }
    // True when that was the last pin of a page that its owner has left: it may be given back.
    bool unpin(std::uint64_t page) {
        const auto found = pins_.find(page);
        if (found == pins_.end() || --found->second.count != 0) {
            return false;
        }
        const bool left = found->second.left;
        pins_.erase(found);
        return left;
    }
    // The owner goes. False: the page is not pinned, it can go at once.
    bool leave(std::uint64_t page) {
        const auto found = pins_.find(page);
        if (found == pins_.end()) {
            return false;
        }
        found->second.left = true;
        return true;
    }
    bool pinned(std::uint64_t page) const { return pins_.count(page) != 0; }
    std::size_t pages() const { return pins_.size(); }

private:
    struct Pin {
        std::uint32_t count = 0;
        bool left = false;
    };
    std::map<std::uint64_t, Pin> pins_;
};

}  // namespace ioasim::os
