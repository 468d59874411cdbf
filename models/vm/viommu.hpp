// The virtual IOMMU of a VM, emulated by its VMM: scalable mode with caching mode, queued
// invalidation, and the virtual command registers through which the guest gets PASIDs from the host
// (VT-d 11.4.45 to 11.4.48). Runs in the VMM (a host context) during a VM exit; every access
// completes before the guest goes on. Page requests: virtual_page_requests.hpp. Leaves out: fault
// records and invalidation-completion interrupts of the unit, second-stage tables of the guest.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/virtual_page_requests.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::vm {

struct ViommuConfig {
    std::string vm;
    std::uint32_t pasid_min = 1;  // host IDs to ask for
    std::uint32_t pasid_max = 0xFFFFF;
};

class Viommu {
public:
    Viommu(const ViommuConfig& config, os::VmHost& host, const GuestMemory& memory,
           GpasidPool& pool, PasidShadow& shadow, VirtualPageRequests& page_requests,
           trace::Recorder& recorder);

    // Accesses of the guest; offset within the register page, size 4 or 8.
    std::uint64_t read(std::uint32_t offset, unsigned size) const;
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);

    // As after power-on.
    void reset();

private:
    std::uint64_t get(std::uint32_t offset, unsigned size) const;
    void set(std::uint32_t offset, std::uint64_t value, unsigned size);
    void on_command(std::uint32_t value);
    void on_virtual_command(ExecContext& ctx, std::uint64_t value);
    std::uint64_t allocate_pasid(ExecContext& ctx);
    std::uint64_t free_pasid(ExecContext& ctx, std::uint32_t gpasid);
    void tell_command(ExecContext& ctx, const char* command, std::uint32_t gpasid,
                      std::uint64_t status);
    void serve_queue(ExecContext& ctx);
    // Fetches and serves the descriptor at the head; anything but None stops the queue there.
    vtd::QueueError serve_head(ExecContext& ctx, std::uint64_t iqa, std::uint64_t head);
    vtd::QueueError serve(ExecContext& ctx, const vtd::Descriptor& descriptor);

    ViommuConfig config_;
    os::VmHost& host_;
    const GuestMemory& memory_;
    GpasidPool& pool_;
    PasidShadow& shadow_;
    VirtualPageRequests& page_requests_;
    trace::Recorder& recorder_;
    std::array<std::uint64_t, vtd::kRegisterBytes / 8> registers_{};
};

}  // namespace ioasim::vm
