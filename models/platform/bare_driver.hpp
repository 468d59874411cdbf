// What a driver of a remapping unit does with its registers and its invalidation queue: enable,
// disable, queue descriptors, wait for them, read fault records. One for each unit of a bare
// program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "models/platform/bare_builder.hpp"
#include "models/platform/bare_step.hpp"

namespace ioasim::platform {

class BareDriver {
public:
    BareDriver(std::uint64_t registers, BareBuilder& builder, std::string unit)
        : registers_(registers), builder_(builder), unit_(std::move(unit)) {}

    BareResult enable(ExecContext& ctx, const BareStep& step);
    BareResult disable(ExecContext& ctx, const BareStep& step);
    // Puts a descriptor into the queue and tells the unit, unless the step holds that back.
    BareResult queue(ExecContext& ctx, const BareStep& step);
    BareResult invalidate(ExecContext& ctx, const BareStep& step);
    // A wait descriptor, until its status is there.
    BareResult sync(ExecContext& ctx, TimePs timeout);
    // Descriptors and a wait behind them in one go, then polls its status and FSTS, as Linux's
    // qi_submit_sync does.
    BareResult submit_sync(ExecContext& ctx, const std::vector<vtd::Descriptor>& descriptors);
    // A recorded fault must be so; it is cleared.
    BareResult fault(ExecContext& ctx, const BareStep& step);
    BareResult no_fault(ExecContext& ctx);

private:
    std::uint64_t read(ExecContext& ctx, std::uint32_t offset, unsigned size = 4) const {
        return ctx.mmio_read(registers_ + offset, size);
    }
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value,
               unsigned size = 4) const {
        ctx.mmio_write(registers_ + offset, value, size);
    }
    BareResult command(ExecContext& ctx, std::uint32_t bit, bool on, TimePs timeout);
    BareResult start_queue(ExecContext& ctx, const BareStep& step);
    BareResult set_root(ExecContext& ctx, const BareStep& step);
    BareResult put(ExecContext& ctx, const std::vector<std::uint64_t>& words, bool submit);
    vtd::FaultRecord wanted_fault(const BareStep& step) const;

    std::uint64_t registers_;
    BareBuilder& builder_;
    std::string unit_;
    std::uint64_t queue_base_ = 0;
    std::uint64_t queue_bytes_ = 0;
    std::uint64_t tail_ = 0;
    bool wide_ = true;
    std::uint64_t status_ = 0;  // the word that waits write
    std::uint32_t waits_ = 0;
};

}  // namespace ioasim::platform
