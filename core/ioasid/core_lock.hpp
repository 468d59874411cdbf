// The allocator lock for the duration of a call. A caller that holds it already (a handler that
// forgot `_locked`) would deadlock in real code: that is told, and the call goes on without taking
// it again.
#pragma once

#include "core/ioasid/ioasid.hpp"
#include "core/ioasid/ioasid_probes.hpp"

namespace ioasim {

class CoreLock {
public:
    CoreLock(IoasidCore& core, ExecContext& ctx) : core_(core), ctx_(ctx) {
        if (ctx.holds(core.lock_)) {
            if (!core.probes().has(ioasid_probes::kSelfDeadlockUnseen)) {
                core.hazard(ctx, "self_deadlock", core.lock_.name());
            }
            return;
        }
        ctx.lock(core.lock_);
        taken_ = true;
    }
    ~CoreLock() noexcept(false) {
        if (taken_) {
            ctx_.unlock(core_.lock_);
        }
    }
    CoreLock(const CoreLock&) = delete;
    CoreLock& operator=(const CoreLock&) = delete;

private:
    IoasidCore& core_;
    ExecContext& ctx_;
    bool taken_ = false;
};

}  // namespace ioasim
