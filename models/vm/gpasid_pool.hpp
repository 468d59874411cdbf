// The VMM's book of guest PASIDs: which guest number it handed out, and which host ID stands behind
// it. Lowest free number first. A number whose SPID is still attached to an ID that drains is not
// handed out again; the VMM asks the host for that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "core/base/types.hpp"

namespace ioasim::vm {

class GpasidPool {
public:
    GpasidPool(std::uint32_t min, std::uint32_t max) : next_(min), max_(max) {}

    // A number that is free and for which `usable` holds; none when the range is exhausted.
    std::optional<std::uint32_t> pick(const std::function<bool(std::uint32_t)>& usable);
    void assign(std::uint32_t gpasid, Ioasid id);
    std::optional<Ioasid> find(std::uint32_t gpasid) const;
    // The number is free again; false when it was not assigned.
    bool release(std::uint32_t gpasid);
    // The host ID is gone: so is whatever number stood for it.
    void release_id(Ioasid id);
    // Every number that was handed out is free.
    void reset() {
        for (const auto& [gpasid, id] : ids_) {
            returned_.insert(gpasid);
        }
        ids_.clear();
    }
    std::size_t assigned() const { return ids_.size(); }

private:
    std::uint32_t next_;  // numbers from here on were never used
    std::uint32_t max_;
    std::set<std::uint32_t> returned_;
    std::map<std::uint32_t, Ioasid> ids_;
};

}  // namespace ioasim::vm
