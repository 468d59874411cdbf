// Costs of virtualisation: table owner "vm".
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"

namespace ioasim::vm {

struct VmParams {
    TimePs entry;                // host to guest
    TimePs exit;                 // guest to host
    TimePs kernel_exit;          // handling in KVM
    TimePs user_exit;            // handling in the VMM process (virtual IOMMU)
    TimePs page_request;         // handling of one page request group in the VMM
    bool page_requests = false;  // the virtual unit takes them
    // The virtual unit has virtual command registers; in their layout before VT-d 3.3.
    bool virtual_commands = true;
    bool early_virtual_commands = false;
    bool second_stages = false;  // it takes second-stage tables, which the VMM shadows
    TimePs create;               // VMM start: process, /dev/kvm, memory slots
    TimePs kill_poll;
    TimePs kill_timeout;
    TimePs migration_latency;  // of the link between two VMMs, one way
    TimePs migration_page;     // 4 KiB on it
    TimePs migration_poll;
    std::uint64_t migration_batch = 0;   // pages in one message
    std::uint64_t kept_submissions = 0;  // of a device that stands still
};

const ParamTable<VmParams>& vm_param_table();

}  // namespace ioasim::vm
