// Which events a scope takes: globs over event names and over the components that an event names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/trace/recorder.hpp"
#include "traces/flat_map.hpp"

namespace ioasim::traces {

class TraceScope {
public:
    TraceScope(const trace::Recorder& recorder, std::vector<std::string> globs);

    // One of the globs fits the event's name, its source or a name among its fields, or something
    // above such a name ("vm1" above "vm1/vcpu0").
    bool takes(const trace::EventRecord& record);
    bool takes_component(std::string_view component) const;
    bool takes_event(std::string_view event) const;

private:
    bool takes_name(trace::Name name);

    const trace::Recorder& recorder_;
    std::vector<std::string> globs_;
    enum Known : std::uint8_t { Unknown, Out, In };
    FlatMap<std::uint8_t> names_;
    FlatMap<std::uint8_t> sources_;
    FlatMap<std::uint8_t> events_;  // by address, looked up only
};

}  // namespace ioasim::traces
