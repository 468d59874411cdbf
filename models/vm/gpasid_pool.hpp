// The VMM's book of guest PASIDs: which guest number it handed out, and which host ID stands behind
// it. Lowest free number first. A number whose SPID is still attached to an ID that drains is not
// handed out again; the VMM asks the host for that.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "core/base/number_map.hpp"
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

    // --- moving to another host: the guest keeps its numbers, the IDs behind them change --------
    const NumberMap<std::uint32_t, Ioasid>& ids() const { return ids_; }
    std::uint32_t next() const { return next_; }
    const std::set<std::uint32_t>& returned() const { return returned_; }
    void restore(std::uint32_t next, std::set<std::uint32_t> returned) {
        next_ = next;
        returned_ = std::move(returned);
        ids_.clear();
    }
    // What stands behind a number that was handed out elsewhere.
    void back(std::uint32_t gpasid, Ioasid id) { ids_[gpasid] = id; }

private:
    std::uint32_t next_;  // numbers from here on were never used
    std::uint32_t max_;
    std::set<std::uint32_t> returned_;
    NumberMap<std::uint32_t, Ioasid> ids_;
};

}  // namespace ioasim::vm
