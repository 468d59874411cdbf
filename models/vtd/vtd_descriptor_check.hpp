// Validation of invalidation descriptors (VT-d specification 6.5.2, 11.4.8.5): table mode, queue
// width, type, reserved bits and field values by capability.
#pragma once

#include "models/vtd/vtd_capabilities.hpp"

namespace ioasim::vtd {

QueueFeatures queue_features(const Capabilities& caps);

// Type legal in this table mode and queue width, reserved bits clear, granularity legal.
QueueError check_descriptor(const Capabilities& caps, TableMode mode, bool wide,
                            const Descriptor& descriptor);

// Where a wait writes its status: bits beyond the host address width are ignored.
Hpa wait_status_address(const Capabilities& caps, const Descriptor& wait);

}  // namespace ioasim::vtd
