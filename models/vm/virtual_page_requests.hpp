// The page-request registers and queue of a virtual unit (VT-d 7.4, 11.4.9), emulated by the VMM: a
// thread of it reads the groups that the host kernel delivers, writes them as descriptors into the
// guest's queue and raises the unit's interrupt in a vCPU; the guest's page group responses go back
// to the host under the number of the bus. With no room it does as hardware: overflow, Success for
// the group, and the function asks again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/guest_faults_if.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/guest_memory.hpp"
#include "models/vm/pasid_shadow.hpp"
#include "models/vm/run_control.hpp"
#include "models/vm/vm_params.hpp"

namespace ioasim::vm {

class VirtualPageRequests {
public:
    // A message of the unit: to the vCPU that its address names.
    using Interrupt = std::function<void(ExecContext&, std::uint64_t address, std::uint32_t data)>;

    VirtualPageRequests(const std::string& vm, os::VmHost& host, const GuestMemory& memory,
                        std::vector<VirtualFunction> functions, const VmParams& params,
                        RunControl& control, trace::Recorder& recorder, Probes& probes)
        : vm_(vm),
          host_(host),
          memory_(memory),
          functions_(std::move(functions)),
          params_(params),
          run_(control),
          recorder_(recorder),
          probes_(probes),
          idle_(vm + "/page requests delivered") {}

    void on_interrupt(Interrupt interrupt) { interrupt_ = std::move(interrupt); }
    bool enabled() const { return params_.page_requests && host_.page_faults() != nullptr; }

    static bool has_register(std::uint32_t offset);
    std::uint64_t read(std::uint32_t offset, unsigned size) const;
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);
    // The registers as after power-on. What the host delivers from then on finds no queue.
    void reset();
    // A page group response of the guest.
    void respond(ExecContext& ctx, const vtd::Descriptor& response);
    // A wait with page-request drain: what the host delivered before is in the guest's queue.
    void settle(ExecContext& ctx);
    // The VMM's thread, until the VM's files are closed.
    void serve(ExecContext& ctx);

private:
    void inject(ExecContext& ctx, const os::GuestFault& fault);
    bool room_for(std::size_t descriptors) const;
    void turn_away(ExecContext& ctx, const os::GuestFault& fault, Rid rid);
    void raise(ExecContext& ctx);
    void tell(ExecContext& ctx, const vtd::PageRequest& request, bool queued);

    std::string vm_;
    os::VmHost& host_;
    const GuestMemory& memory_;
    std::vector<VirtualFunction> functions_;
    const VmParams& params_;
    RunControl& run_;
    trace::Recorder& recorder_;
    Probes& probes_;
    Interrupt interrupt_;
    WaitQueue idle_;
    bool busy_ = false;
    std::uint64_t head_ = 0;
    std::uint64_t tail_ = 0;
    std::uint64_t base_ = 0;  // PQA
    std::uint32_t status_ = 0;
    std::uint32_t control_ = vtd::event_control::kMasked;
    std::uint32_t data_ = 0;
    std::uint32_t address_ = 0;
    std::uint32_t upper_ = 0;
};

}  // namespace ioasim::vm
