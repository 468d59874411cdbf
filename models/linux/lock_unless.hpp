// A lock that broken code forgets to take.
#pragma once

#include <optional>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"

namespace ioasim::os {

class LockUnless {
public:
    LockUnless(ExecContext& ctx, SimLock& lock, const Probes& probes, const Defect& forgotten) {
        if (!probes.has(forgotten)) {
            guard_.emplace(ctx, lock);
        }
    }

private:
    std::optional<LockGuard> guard_;
};

}  // namespace ioasim::os
