#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "models/cpu/pasid_translation.hpp"
#include "models/cpu/vmx_layout.hpp"

using namespace ioasim;
using namespace ioasim::cpu;

namespace {

class ByteMap final : public memory::PhysicalMemory {
public:
    void read(Hpa address, void* out, std::size_t size) const override {
        auto* bytes = static_cast<std::uint8_t*>(out);
        for (std::size_t i = 0; i < size; ++i) {
            const auto found = bytes_.find(address.value() + i);
            bytes[i] = found == bytes_.end() ? std::uint8_t{0} : found->second;
        }
    }
    void write(Hpa address, const void* in, std::size_t size) override {
        const auto* bytes = static_cast<const std::uint8_t*>(in);
        for (std::size_t i = 0; i < size; ++i) {
            bytes_[address.value() + i] = bytes[i];
        }
    }
    bool contains(Hpa address, std::size_t size) const override {
        return address.value() + size <= limit;
    }
    std::uint64_t limit = std::uint64_t{1} << 40U;
    void put64(std::uint64_t address, std::uint64_t value) { write(Hpa{address}, &value, 8); }
    void put32(std::uint64_t address, std::uint32_t value) { write(Hpa{address}, &value, 4); }

private:
    std::map<std::uint64_t, std::uint8_t> bytes_;
};

// Guest PASIDs 101 and 0x80065 (the same with bit 19), translated to 201 and 202.
struct Directories {
    Directories() {
        vmcs.enable_pasid_translation = true;
        vmcs.low_pasid_directory = Hpa{0x10000};
        vmcs.high_pasid_directory = Hpa{0x20000};
        memory.put64(0x10000, 0x30001);
        memory.put32(0x30000 + 101 * 4, 0x800000C9);
        memory.put64(0x20000, 0x40001);
        memory.put32(0x40000 + 101 * 4, 0x800000CA);
    }
    std::optional<Pasid> translate(std::uint32_t guest) {
        return translate_pasid(vmcs, Pasid{guest}, memory);
    }
    ByteMap memory;
    Vmcs vmcs;
};

CpuState kernel() {
    return {true, nullptr};
}
constexpr Hpa kPortal{0xD000'1040};

Descriptor64 with_first_dword(std::uint32_t value) {
    Descriptor64 d{};
    std::memcpy(d.data(), &value, 4);
    d[63] = 0x5A;
    return d;
}

}  // namespace

TEST_CASE("vmx layout: entries of the worked example") {
    CHECK(encode(PasidTableEntry{true, Pasid{201}}) == 0x800000C9);
    CHECK(encode(PasidTableEntry{true, Pasid{202}}) == 0x800000CA);
    CHECK(encode(PasidDirectoryEntry{true, Hpa{0x30000}}) == 0x30001);
    CHECK(directory_entry_address(Hpa{0x1000}, Pasid{0x7FFFF}) == Hpa{0x1FF8});
    CHECK(table_entry_address(Hpa{0x1000}, Pasid{0x7FFFF}) == Hpa{0x1FFC});
}

TEST_CASE("VM entry: a PASID directory is a page within the physical-address width") {
    CHECK(is_directory_address(Hpa{0}));
    CHECK(is_directory_address(Hpa{0x000F'FFFF'FFFF'F000}));
    CHECK_FALSE(is_directory_address(Hpa{0x10008}));
    CHECK_FALSE(is_directory_address(Hpa{0x10800}));
    CHECK_FALSE(is_directory_address(Hpa{0x0010'0000'0000'0000}));
}

TEST_CASE("PASID translation: bit 19 selects the directory") {
    Directories d;
    CHECK(d.translate(101) == Pasid{201});
    CHECK(d.translate(0x80000 + 101) == Pasid{202});
}

TEST_CASE("PASID translation: a directory entry not present is a miss") {
    Directories d;
    CHECK_FALSE(d.translate(101 + 1024));
}

TEST_CASE("PASID translation: a table entry not valid is a miss") {
    Directories d;
    CHECK_FALSE(d.translate(102));
}

TEST_CASE("PASID translation: a reserved bit in either entry is a miss") {
    Directories d;
    d.memory.put32(0x30000 + 101 * 4, 0x801000C9);
    CHECK_FALSE(d.translate(101));
    d.memory.put64(0x20000, 0x40003);
    CHECK_FALSE(d.translate(0x80000 + 101));
}

TEST_CASE("PASID translation: a directory or table where no memory is reads as ones, a miss") {
    Directories d;
    d.memory.limit = 0x40000;
    d.memory.put64(0x10000, 0x70001);
    CHECK_FALSE(d.translate(101));
    d.vmcs.high_pasid_directory = Hpa{0x80000};
    CHECK_FALSE(d.translate(0x80000 + 101));
}

TEST_CASE("ENQCMD: faults without a valid IA32_PASID") {
    CHECK(faults(EnqKind::Enqcmd, CpuState{}, 101, kPortal, Descriptor64{}));
    CHECK_FALSE(
        faults(EnqKind::Enqcmd, CpuState{}, kIa32PasidValid | 101, kPortal, Descriptor64{}));
}

TEST_CASE("ENQCMD: faults on any bit of the source's first dword") {
    const std::uint64_t msr = kIa32PasidValid | 101;
    CHECK(faults(EnqKind::Enqcmd, CpuState{}, msr, kPortal, with_first_dword(1)));
    CHECK(faults(EnqKind::Enqcmd, CpuState{}, msr, kPortal, with_first_dword(1U << 31U)));
}

TEST_CASE("ENQCMD: faults on a portal that is not 64-byte aligned") {
    CHECK(faults(EnqKind::Enqcmd, CpuState{}, kIa32PasidValid, Hpa{0xD000'1020}, Descriptor64{}));
}

TEST_CASE("ENQCMDS: needs supervisor mode and no MSR, reserves bits 30 to 20") {
    CHECK(faults(EnqKind::Enqcmds, CpuState{}, kIa32PasidValid | 1, kPortal, Descriptor64{}));
    CHECK_FALSE(faults(EnqKind::Enqcmds, kernel(), 0, kPortal, with_first_dword(0x800000C9)));
    CHECK(faults(EnqKind::Enqcmds, kernel(), 0, kPortal, with_first_dword(1U << 20U)));
}

TEST_CASE("ENQCMD: sends the MSR's PASID, never privileged, the rest as it is") {
    const Descriptor64 source = with_first_dword(0);
    const Pasid pasid = submitted_pasid(EnqKind::Enqcmd, kIa32PasidValid | 0xC9, source);
    const Descriptor64 wire = wire_command(EnqKind::Enqcmd, pasid, source);
    CHECK(wire[0] == 0xC9);
    CHECK(wire[3] == 0);
    CHECK(wire[63] == 0x5A);
}

TEST_CASE("ENQCMDS: sends the source's PASID and privilege") {
    const Descriptor64 source = with_first_dword(0x800000CA);
    const Pasid pasid = submitted_pasid(EnqKind::Enqcmds, 0, source);
    CHECK(pasid == Pasid{0xCA});
    CHECK(wire_command(EnqKind::Enqcmds, Pasid{0xC9}, source)[3] == 0x80);
    CHECK(wire_command(EnqKind::Enqcmds, Pasid{0xC9}, source)[0] == 0xC9);
}
