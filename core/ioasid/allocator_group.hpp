// Providers with the same functions: one group, one array of IDs.
#pragma once

#include <memory>
#include <vector>

#include "core/ioasid/id_table.hpp"
#include "core/ioasid/ioasid.hpp"

namespace ioasim {

struct IoasidCore::Group {
    const void* functions = nullptr;
    AllocatorOps* head = nullptr;        // whose functions and data are used
    std::vector<AllocatorOps*> members;  // in order of registration
    std::unique_ptr<IdTable> table = std::make_unique<IdTable>();
};

}  // namespace ioasim
