// Events as text: one value, one line. The same words everywhere: findings, `trace explain`,
// queries.
#pragma once

#include <string>

#include "core/trace/recorder.hpp"

namespace ioasim::traces {

std::string format_rid(std::uint16_t rid);  // "00:02.0"

// A field's value as people read it; "none" for an Id without value, quotes around no text.
std::string format_value(const trace::Recorder& recorder, const trace::FieldInfo& field,
                         std::uint64_t value);

// "12.345 us ioasid.put kernel=host set=vm1 ioasid=201 refs=1 holder=kvm/vm1 [vm1/vcpu0/app]".
// Fields that say "none" are left out.
std::string format_event(const trace::Recorder& recorder, const trace::EventRecord& record);

}  // namespace ioasim::traces
