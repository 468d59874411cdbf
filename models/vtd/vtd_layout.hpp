// Everything that a driver and the unit must agree on bit for bit: registers, translation
// structures, queue descriptors, fault reasons. VT-d specification revision 5.1; older names of
// renamed fields stand in the comments.
#pragma once

#include "models/vtd/vtd_fault_layout.hpp"
#include "models/vtd/vtd_queue_layout.hpp"
#include "models/vtd/vtd_register_layout.hpp"
#include "models/vtd/vtd_table_layout.hpp"
