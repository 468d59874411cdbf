#include "core/sim/lock_telling.hpp"

#include <array>
#include <string>

#include "core/base/exec_context.hpp"
#include "core/trace/ioasid_events.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::sim {
namespace {

trace::IoasidHazardKind event_kind(HazardKind kind) {
    using K = trace::IoasidHazardKind;
    static constexpr std::array<K, 5> kKinds{K::SelfDeadlock, K::LockOrder, K::SleepInAtomic,
                                             K::UnlockNotOwner, K::EndedWithLock};
    return kKinds.at(static_cast<std::size_t>(kind));
}

}  // namespace

void tell_locks(LockMonitor& monitor, trace::Recorder& recorder) {
    monitor.on_lock = [&recorder](const ExecContext& ctx, const SimLock& lock, bool acquired,
                                  TimePs waited) {
        // Half of all events of a busy kernel, and mostly nobody looks at them.
        if (acquired) {
            recorder.emit_made<trace::LockAcquire>(ctx.source(), [&] {
                return trace::LockAcquire{recorder.name(lock.name()), recorder.name(ctx.name()),
                                          waited};
            });
        } else {
            recorder.emit_made<trace::LockRelease>(ctx.source(), [&] {
                return trace::LockRelease{recorder.name(lock.name()), recorder.name(ctx.name())};
            });
        }
    };
    monitor.on_hazard = [&recorder](const Hazard& hazard) {
        const std::string& actor = hazard.actor->name();
        const std::string lock =
            hazard.other_lock.empty() ? hazard.lock : hazard.other_lock + " then " + hazard.lock;
        recorder.emit(hazard.actor->source(),
                      trace::IoasidHazard{recorder.name(actor.substr(0, actor.find('/'))),
                                          event_kind(hazard.kind), recorder.name(actor),
                                          recorder.name(lock), recorder.name(hazard.chain)});
    };
}

}  // namespace ioasim::sim
