#include "models/cpu/pasid_translation.hpp"

#include "models/cpu/vmx_layout.hpp"

namespace ioasim::cpu {

namespace {

std::uint64_t read_le(const memory::PhysicalMemory& memory, Hpa address, unsigned size) {
    std::array<std::uint8_t, 8> bytes{};
    bytes.fill(0xFF);  // where no memory is
    if (memory.contains(address, size)) {
        memory.read(address, bytes.data(), size);
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
        value |= std::uint64_t{bytes[i]} << (8 * i);
    }
    return value;
}

std::uint32_t first_dword(const Descriptor64& descriptor) {
    return descriptor[0] | (std::uint32_t{descriptor[1]} << 8U) |
           (std::uint32_t{descriptor[2]} << 16U) | (std::uint32_t{descriptor[3]} << 24U);
}

}  // namespace

std::optional<Pasid> translate_pasid(const Vmcs& vmcs, Pasid guest,
                                     const memory::PhysicalMemory& memory) {
    const Hpa directory =
        uses_high_directory(guest) ? vmcs.high_pasid_directory : vmcs.low_pasid_directory;
    const std::uint64_t raw_directory =
        read_le(memory, directory_entry_address(directory, guest), kPasidDirectoryEntryBytes);
    const PasidDirectoryEntry entry = decode_pasid_directory(raw_directory);
    if (!entry.present || (raw_directory & kPasidDirectoryReserved) != 0) {
        return std::nullopt;
    }
    const auto raw = static_cast<std::uint32_t>(
        read_le(memory, table_entry_address(entry.table, guest), kPasidTableEntryBytes));
    const PasidTableEntry translated = decode_pasid_table(raw);
    if (!translated.valid || (raw & kPasidTableReserved) != 0) {
        return std::nullopt;
    }
    return translated.pasid;
}

bool faults(EnqKind kind, const CpuState& state, std::uint64_t ia32_pasid, Hpa portal,
            const Descriptor64& descriptor) {
    if (kind == EnqKind::Enqcmds) {
        if (!state.supervisor || get_bits(first_dword(descriptor), 30, 20) != 0) {
            return true;
        }
    } else if ((ia32_pasid & kIa32PasidValid) == 0 || first_dword(descriptor) != 0) {
        return true;
    }
    return portal.value() % sizeof(Descriptor64) != 0;
}

Pasid submitted_pasid(EnqKind kind, std::uint64_t ia32_pasid, const Descriptor64& descriptor) {
    const std::uint64_t from =
        kind == EnqKind::Enqcmds ? std::uint64_t{first_dword(descriptor)} : ia32_pasid;
    return Pasid{static_cast<std::uint32_t>(get_bits(from, 19, 0))};
}

Descriptor64 wire_command(EnqKind kind, Pasid pasid, const Descriptor64& descriptor) {
    const bool privileged = kind == EnqKind::Enqcmds && get_bit(first_dword(descriptor), 31);
    const std::uint64_t first = set_bit(pasid.value() & 0xFFFFFU, 31, privileged);
    Descriptor64 wire = descriptor;
    for (unsigned i = 0; i < 4; ++i) {
        wire[i] = static_cast<std::uint8_t>(first >> (8 * i));
    }
    return wire;
}

}  // namespace ioasim::cpu
