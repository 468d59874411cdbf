#include "models/vm/gpasid_pool.hpp"

#include "core/base/check.hpp"

namespace ioasim::vm {

std::optional<std::uint32_t> GpasidPool::pick(const std::function<bool(std::uint32_t)>& usable) {
    for (const std::uint32_t gpasid : returned_) {
        if (usable(gpasid)) {
            return gpasid;
        }
    }
    for (std::uint32_t gpasid = next_; gpasid <= max_; ++gpasid) {
        if (usable(gpasid)) {
            return gpasid;
        }
    }
    return std::nullopt;
}

void GpasidPool::assign(std::uint32_t gpasid, Ioasid id) {
    SIM_CHECK(ids_.count(gpasid) == 0, "guest PASID {} handed out twice", gpasid);
    ids_[gpasid] = id;
    returned_.erase(gpasid);
    while (next_ < gpasid) {
        returned_.insert(next_++);
    }
    if (next_ == gpasid) {
        ++next_;
    }
}

std::optional<Ioasid> GpasidPool::find(std::uint32_t gpasid) const {
    const auto found = ids_.find(gpasid);
    return found == ids_.end() ? std::nullopt : std::optional<Ioasid>{found->second};
}

bool GpasidPool::release(std::uint32_t gpasid) {
    if (ids_.erase(gpasid) == 0) {
        return false;
    }
    returned_.insert(gpasid);
    return true;
}

void GpasidPool::release_id(Ioasid id) {
    for (const auto& [gpasid, owner] : ids_) {
        if (owner == id) {
            release(gpasid);
            return;
        }
    }
}

}  // namespace ioasim::vm
