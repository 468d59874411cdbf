// At the end of a run: what its locks have been through.
#pragma once

#include "core/base/locks.hpp"
#include "core/trace/recorder.hpp"
#include "core/trace/run_events.hpp"

namespace ioasim::platform {

class LockTeller {
public:
    explicit LockTeller(trace::Recorder& recorder)
        : recorder_(recorder), source_(recorder.source("platform")) {}

    void tell(const SimLock& lock) {
        const SimLock::Stats& stats = lock.stats();
        if (stats.acquired != 0) {
            recorder_.emit(
                source_,
                trace::LockStatistics{recorder_.name(lock.name()), stats.acquired, stats.contended,
                                      stats.waited, stats.longest_wait, stats.held});
        }
    }

private:
    trace::Recorder& recorder_;
    SourceId source_;
};

}  // namespace ioasim::platform
