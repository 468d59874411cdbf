// Tells each read and update that a walk made, of whatever kind of request.
#pragma once

#include <vector>

#include "core/trace/recorder.hpp"
#include "models/memory/memory_if.hpp"
#include "models/vtd/vtd_walk.hpp"

namespace ioasim::vtd {

class WalkTeller {
public:
    WalkTeller(trace::Recorder& recorder, SourceId source, trace::Name unit);

    // Memory answered `action` of a walk for `request`.
    void tell(const WalkAction& action, const WalkRequest& request,
              const memory::MemResponse& response);

private:
    trace::Recorder& recorder_;
    SourceId source_;
    trace::Name unit_;
    std::vector<trace::Name> tables_;  // by WalkTable
};

}  // namespace ioasim::vtd
