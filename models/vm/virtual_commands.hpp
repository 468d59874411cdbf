// The virtual command registers of a virtual IOMMU, through which a guest gets PASIDs from the host
// (VT-d 11.4.45 to 11.4.48): VCMD, VCMD_EO, VCRSP, VCCAP, in the layout of VT-d 3.3 or in the one
// before it. A command is in progress until the host answered; what is written to VCMD meanwhile
// is dropped, and everything is where the unit does not offer the commands.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/trace/recorder.hpp"
#include "models/linux/vm_host_if.hpp"
#include "models/vm/gpasid_pool.hpp"
#include "models/vtd/vtd_virtual_command_layout.hpp"

namespace ioasim::vm {

struct VirtualCommandConfig {
    std::string vm;
    std::uint32_t pasid_min = 1;  // host IDs to ask for
    std::uint32_t pasid_max = 0xFFFFF;
    bool offered = true;  // ECAP.VCS, VCCAP
    bool early = false;   // the layout before VT-d 3.3
};

class VirtualCommands {
public:
    VirtualCommands(const VirtualCommandConfig& config, os::VmHost& host, GpasidPool& pool,
                    trace::Recorder& recorder, Probes& probes);

    bool offered() const { return config_.offered; }
    // As a system reset leaves them.
    void reset() { command_ = operand_ = response_ = 0; }
    // The host that gives out IDs from now on, and which to ask it for.
    void move_to(os::VmHost& host, std::uint32_t pasid_min, std::uint32_t pasid_max) {
        host_ = &host;
        config_.pasid_min = pasid_min;
        config_.pasid_max = pasid_max;
    }
    // What a moving machine takes along: VCMD, VCMD_EO and VCRSP.
    using Registers = std::array<std::uint64_t, 3>;
    Registers registers() const { return {command_, operand_, response_}; }
    void restore(const Registers& registers) {
        command_ = registers[0];
        operand_ = registers[1];
        response_ = registers[2];
    }
    // Whether the 8 bytes that the offset lies in are one of these registers.
    bool owns(std::uint32_t offset) const;
    // Accesses of the guest: aligned, 4 or 8 bytes.
    std::uint64_t read(std::uint32_t offset, unsigned size) const;
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);

private:
    std::uint64_t run(ExecContext& ctx, std::uint64_t command);
    std::uint64_t allocate(ExecContext& ctx);
    std::uint64_t free(ExecContext& ctx, std::uint32_t gpasid);
    std::uint64_t refusal() const;
    void tell(ExecContext& ctx, const char* command, std::uint32_t gpasid, std::uint64_t status);

    VirtualCommandConfig config_;
    const vtd::VirtualCommandLayout& layout_;
    os::VmHost* host_;
    GpasidPool& pool_;
    trace::Recorder& recorder_;
    Probes& probes_;
    bool busy_ = false;           // the host works on a command
    std::uint64_t command_ = 0;   // VCMD
    std::uint64_t operand_ = 0;   // VCMD_EO
    std::uint64_t response_ = 0;  // VCRSP
};

}  // namespace ioasim::vm
