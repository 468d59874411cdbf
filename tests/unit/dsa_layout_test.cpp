// Encodings against literal bytes: a mistake that driver and device share shows here alone.
#include <doctest/doctest.h>

#include "models/dsa/dsa_layout.hpp"

using namespace ioasim;
using namespace ioasim::dsa;

TEST_CASE("dsa descriptor: a memmove has its fields at the published offsets") {
    Descriptor d;
    d.pasid = 0x12345;
    d.privileged = true;
    d.flags = flag::kRecordAddressValid | flag::kRequestRecord;
    d.opcode = static_cast<std::uint8_t>(Opcode::Memmove);
    d.record = 0x1122334455667780;
    d.source = 0xA1A2A3A4A5A6A7A8;
    d.destination = 0xB1B2B3B4B5B6B7B8;
    d.size = 0x00100040;
    d.interrupt_handle = 0x0203;
    const DescriptorBytes expected{
        0x45, 0x23, 0x01, 0x80, 0x0C, 0x00, 0x00, 0x03,   // PASID, flags, op
        0x80, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,   // record
        0xA8, 0xA7, 0xA6, 0xA5, 0xA4, 0xA3, 0xA2, 0xA1,   // source
        0xB8, 0xB7, 0xB6, 0xB5, 0xB4, 0xB3, 0xB2, 0xB1,   // destination
        0x40, 0x00, 0x10, 0x00, 0x03, 0x02, 0x00, 0x00};  // size, handle
    CHECK(encode(d) == expected);
}

TEST_CASE("dsa descriptor: decoding returns what was encoded") {
    Descriptor d;
    d.pasid = 0xFFFFF;
    d.flags = 0xABCDEF;
    d.opcode = 0x05;
    d.record = 0x40;
    d.source = 1;
    d.destination = 2;
    d.size = 3;
    d.interrupt_handle = 4;
    d.specific = {1, 2, 3};
    CHECK(encode(decode_descriptor(encode(d))) == encode(d));
}

TEST_CASE("dsa descriptor: reserved bits of the first dword and reserved bytes are noticed") {
    DescriptorBytes bytes = encode(Descriptor{});
    CHECK(decode_descriptor(bytes).reserved_zero);
    bytes[2] = 0x10;  // bit 20
    CHECK_FALSE(decode_descriptor(bytes).reserved_zero);
    bytes[2] = 0;
    for (const std::size_t byte : {38, 39}) {
        bytes = encode(Descriptor{});
        bytes.at(byte) = 1;
        CHECK_FALSE(decode_descriptor(bytes).reserved_zero);
    }
}

TEST_CASE("dsa completion record: a page fault has its fields at the published offsets") {
    CompletionRecord r;
    r.status = Status::PageFault;
    r.fault_write = true;
    r.result = 1;
    r.bytes_completed = 0x1000;
    r.fault_address = 0x0000123456789000;
    r.invalid_flags = 0x00020001;
    const RecordBytes expected{0x83, 0x01, 0,    0,    0x00, 0x10, 0,    0,    0x00, 0x90,
                               0x78, 0x56, 0x34, 0x12, 0,    0,    0x01, 0x00, 0x02};
    CHECK(encode(r) == expected);
    CHECK(decode_record(expected).fault_address == r.fault_address);
}

TEST_CASE("dsa WQCFG: dwords of a shared and of a dedicated workqueue") {
    WqConfig shared;
    shared.size = 32;
    shared.threshold = 31;
    shared.priority = 10;
    shared.pasid_enable = true;
    shared.max_transfer_shift = 31;
    shared.max_batch_shift = 10;
    shared.operations = {0x3F, 0, 0, std::uint64_t{1} << 63U};
    CHECK(encode(shared) == WqcfgDwords{0x20, 0x1F, 0x1000'00A0, 0x15F, 0, 0, 0, 0, 0x3F, 0, 0, 0,
                                        0, 0, 0, 0x8000'0000});

    WqConfig dedicated;
    dedicated.size = 16;
    dedicated.dedicated = true;
    dedicated.priority = 1;
    dedicated.pasid = 0xC9;
    dedicated.pasid_enable = true;
    dedicated.privileged = true;
    dedicated.state = WqState::Enabled;
    dedicated.occupancy = 3;
    dedicated.occupancy_handle = 5;
    dedicated.occupancy_limit = 2;
    dedicated.occupancy_interrupt = true;
    dedicated.operations = {};
    CHECK(encode(dedicated) == WqcfgDwords{0x10, 0, 0x3000'C911, 0, 5, 0x1'0002, 0x4000'0003});
}

TEST_CASE("dsa WQCFG: decoding returns what was encoded") {
    const WqcfgDwords dwords{0xFFFF,      0x1234, 0x3FFF'FFFF, 0x1FF, 0x1'0007, 0x1'0003,
                             0x8001'FFFF, 0,      1,           2,     3,        4,
                             5,           6,      7,           8};
    CHECK(encode(decode_wqcfg(dwords)) == dwords);
}

TEST_CASE("dsa commands: enable takes an index, the others a mask and a block of 16") {
    CHECK(encode_command(Command::EnableWq, 3) == 0x0060'0003);
    CHECK(encode_command(Command::DrainPasid, 0xC9, true) == 0x80B0'00C9);
    CHECK(wq_mask_operand(0) == 0x1);
    CHECK(wq_mask_operand(17) == 0x1'0002);
    CHECK(encode_command(Command::DisableWq, wq_mask_operand(17)) == 0x0071'0002);
}

TEST_CASE("dsa CMDSTS: error, result and active bit") {
    CHECK(encode(CommandStatus{true, CommandError::None, 0}) == 0x8000'0000);
    CHECK(encode(CommandStatus{false, CommandError::WqNotEnabled, 0xABCD}) == 0x00AB'CD32);
    CHECK(decode_cmdsts(0x00AB'CD32).result == 0xABCD);
}

TEST_CASE("dsa capabilities: published values of a Sapphire Rapids instance decode") {
    const GeneralCapabilities general = decode_gencap(0x40915F0107);
    CHECK(general.block_on_fault);
    CHECK(general.overlapping_copy);
    CHECK(general.max_transfer_shift == 31);
    CHECK(general.max_batch_shift == 10);
    CHECK(encode(WqCapabilities{128, 8, 0, true, true, true, true}) == 0x001B'0000'0008'0080);
    CHECK(encode(GroupCapabilities{4, 96}) == 0x6004);
    CHECK(encode(TableOffsets{0x1000, 0x4000, 0x3800}) == 0x0000'0038'0040'0010);
}

TEST_CASE("dsa SWERR: the first quadword tells error, queue, opcode and PASID") {
    SoftwareError e;
    e.valid = e.descriptor_valid = e.wq_valid = true;
    e.error = 0x1B;
    e.wq = 2;
    e.opcode = 3;
    e.pasid = 0x000C9;
    e.address = 0x1234;
    const auto q = encode(e);
    CHECK(q[0] == 0x0000'C903'0002'1B0D);
    CHECK(q[2] == 0x1234);
    CHECK(encode(decode_swerr(q)) == q);
    e.privileged = true;
    CHECK((encode(e)[0] ^ q[0]) == 0x40);
}

TEST_CASE("dsa portals: four pages a workqueue, every 64-byte slot of a page is the same portal") {
    CHECK(portal_offset(0, Portal::UnlimitedMsix) == 0);
    CHECK(portal_offset(2, Portal::LimitedMsix) == 0x9000);
    const auto target = decode_portal(0x9FC0);
    REQUIRE(target);
    CHECK(target->wq == 2);
    CHECK(target->portal == Portal::LimitedMsix);
    CHECK_FALSE(decode_portal(0x9020));
    CHECK(limited(Portal::LimitedIms));
    CHECK_FALSE(limited(Portal::UnlimitedIms));
}
