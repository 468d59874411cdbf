#include "models/vtd/vtd_walk_events.hpp"

#include <cstring>

#include "core/trace/vtd_events.hpp"

namespace ioasim::vtd {

WalkTeller::WalkTeller(trace::Recorder& recorder, SourceId source, trace::Name unit)
    : recorder_(recorder), source_(source), unit_(unit) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(WalkTable::kCount); ++i) {
        tables_.push_back(recorder.name(walk_table_name(static_cast<WalkTable>(i))));
    }
}

void WalkTeller::tell(const WalkAction& action, const WalkRequest& request,
                      const memory::MemResponse& response) {
    if (!recorder_.listened()) {
        return;
    }
    // Of wider entries the first quadword, of a root entry the half in use.
    const bool upper = action.table == WalkTable::Root && uses_upper_table(request.rid);
    const std::size_t offset = upper ? sizeof(std::uint64_t) : 0;
    std::uint64_t value = 0;
    if (response.data.size() >= offset + sizeof value) {
        std::memcpy(&value, response.data.data() + offset, sizeof value);
    }
    const trace::Name table = tables_[static_cast<std::size_t>(action.table)];
    const Pasid pasid = request.pasid.value_or(Pasid{kInvalidIoasid});
    if (action.kind == WalkAction::Kind::Read) {
        recorder_.emit(source_,
                       trace::VtdWalkRead{unit_, table, action.address, trace::Hex{value}, pasid});
    } else {
        recorder_.emit(
            source_, trace::VtdWalkUpdate{unit_, table, action.address, trace::Hex{action.desired},
                                          pasid, value == action.expected});
    }
}

}  // namespace ioasim::vtd
