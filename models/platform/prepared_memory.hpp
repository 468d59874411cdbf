// What a test bench does before the clock starts, and between operations where a measurement leaves
// it out: loads and stores that take no time. Software that is measured uses its own context.
#pragma once

#include "core/base/exec_context.hpp"
#include "models/memory/memory_if.hpp"

namespace ioasim::platform {

class PreparedMemory final : private MachinePort {
public:
    explicit PreparedMemory(memory::PhysicalMemory& memory);
    ExecContext& ctx() { return ctx_; }
    // The lines leave all caches.
    void forget(std::uint64_t address, std::uint64_t bytes);

private:
    std::uint64_t load(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void store(ExecContext& ctx, std::uint64_t pa, std::uint64_t value, unsigned size) override;
    void read_bytes(ExecContext& ctx, std::uint64_t pa, void* out, std::size_t size) override;
    void write_bytes(ExecContext& ctx, std::uint64_t pa, const void* in, std::size_t size) override;
    std::uint64_t mmio_read(ExecContext& ctx, std::uint64_t pa, unsigned size) override;
    void mmio_write(ExecContext& ctx, std::uint64_t pa, std::uint64_t value,
                    unsigned size) override;

    memory::PhysicalMemory& memory_;
    LockMonitor monitor_;
    ImmediateContext ctx_;
};

}  // namespace ioasim::platform
