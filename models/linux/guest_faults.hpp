// The host's side of a VM's page requests: the handler that VFIO registers for what a VM has bound,
// a bounded ring between it and the VMM, and the answers. A full ring refuses, and the fault core
// answers Invalid at once: a failure code would disable page requests of a function that others
// share.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "models/linux/guest_faults_if.hpp"
#include "models/linux/page_fault_handler.hpp"

namespace ioasim {
class IoasidSet;
}

namespace ioasim::os {

class Kernel;

class GuestFaults final : public PageFaultHandler, public GuestFaultFile {
public:
    GuestFaults(Kernel& kernel, const std::string& vm);

    void open(const IoasidSet& set) { set_ = &set; }
    // The VMM knows this device of the host by another name: a mediated device's parent.
    void call(const std::string& device, const std::string& name) { names_[device] = name; }
    void close(ExecContext& ctx);

    void listen() override { listened_ = true; }
    Errno report(ExecContext& ctx, const FaultGroup& group) override;
    void forget(std::uint64_t serial) override;

    bool wait(ExecContext& ctx) override;
    std::optional<GuestFault> read(ExecContext& ctx) override;
    bool empty() const override { return ring_.empty(); }
    Errno respond(ExecContext& ctx, const std::string& device, Ioasid id, std::uint16_t group,
                  std::uint32_t code) override;

private:
    Kernel& kernel_;
    std::string vm_;
    WaitQueue eventfd_;
    std::deque<GuestFault> ring_;
    std::map<std::string, std::string> names_;
    bool listened_ = false;
    const IoasidSet* set_ = nullptr;  // of the VM; null: the files are closed
};

}  // namespace ioasim::os
