#include "models/platform/prepared_memory.hpp"

#include <cstring>

#include "core/base/check.hpp"

namespace ioasim::platform {

PreparedMemory::PreparedMemory(memory::PhysicalMemory& memory)
    : memory_(memory), ctx_(monitor_, "bench/before", this) {}

void PreparedMemory::forget(std::uint64_t address, std::uint64_t bytes) {
    memory_.flush(Hpa{address}, bytes);
}

std::uint64_t PreparedMemory::load(ExecContext&, std::uint64_t pa, unsigned size) {
    std::uint64_t value = 0;
    memory_.read(Hpa{pa}, &value, size);
    return value;
}

void PreparedMemory::store(ExecContext&, std::uint64_t pa, std::uint64_t value, unsigned size) {
    memory_.write(Hpa{pa}, &value, size);
}

void PreparedMemory::read_bytes(ExecContext&, std::uint64_t pa, void* out, std::size_t size) {
    memory_.read(Hpa{pa}, out, size);
}

void PreparedMemory::write_bytes(ExecContext&, std::uint64_t pa, const void* in, std::size_t size) {
    memory_.write(Hpa{pa}, in, size);
}

std::uint64_t PreparedMemory::mmio_read(ExecContext&, std::uint64_t pa, unsigned) {
    SIM_CHECK(false, "register {:#x} is read in no time", pa);
    return 0;
}

void PreparedMemory::mmio_write(ExecContext&, std::uint64_t pa, std::uint64_t, unsigned) {
    SIM_CHECK(false, "register {:#x} is written in no time", pa);
}

}  // namespace ioasim::platform
