// Interrupt message storage: whose descriptors may ask for an entry's message, masks and pending
// messages, who gets an entry next.
#include "tests/support/dsa_harness.hpp"

namespace ioasim::test {
namespace {

using namespace dsa;
using pcie::TlpKind;

constexpr std::uint32_t kEntry = 5;

// A device with storage whose entry 5 is PASID 7's.
struct Stored : DsaHarness {
    explicit Stored(std::uint64_t handles = 0) : DsaHarness(1) {
        params.message_storage = 1;
        params.interrupt_handles = handles;
        bring_up();
        write(field(kMsixAddressLow), 0xFEE0'1000);
        write(field(kMsixData), 0x55);
        control(false, 7);
    }
    std::uint64_t field(std::uint64_t offset, std::uint32_t entry = kEntry) {
        return ims_address(decode_offsets(read(reg::kOffsets, 8)).ims, entry, offset);
    }
    void control(bool masked, std::optional<std::uint32_t> pasid) {
        write(field(kImsControl), encode_ims_control(masked, pasid));
    }
    Status use(std::uint16_t handle, std::uint32_t pasid, Portal portal = Portal::LimitedIms) {
        const auto d =
            noop().privileged().flags(flag::kRequestInterrupt).handle(handle).pasid(pasid);
        core().submit(now(), portal_offset(0, portal), wire(d), true);
        settle();
        return record_at(0x9000).status;
    }
    std::size_t messages() { return sent_of(TlpKind::Interrupt).size(); }
};

}  // namespace

TEST_CASE("dsa message storage: not there unless the device has it") {
    DsaHarness h;
    CHECK(decode_gencap(h.read(reg::kGencap, 8)).message_storage == 0);
    CHECK(decode_offsets(h.read(reg::kOffsets, 8)).ims == 0);
    // nor are its portals
    h.bring_up();
    CHECK(h.submit(noop()) == pcie::CplStatus::Success);
    CHECK(h.submit(noop(), 0, Portal::LimitedIms) == pcie::CplStatus::Retry);
    CHECK(h.submit(noop(), 0, Portal::UnlimitedIms) == pcie::CplStatus::Retry);
    h.settle();
    Stored s;
    CHECK(decode_gencap(s.read(reg::kGencap, 8)).message_storage == 1);
}

TEST_CASE("dsa message storage: an entry serves descriptors of its PASID alone") {
    Stored s;
    CHECK(s.use(kEntry, 7) == Status::Success);
    REQUIRE(s.messages() == 1);
    CHECK(s.sent_of(TlpKind::Interrupt)[0].address == 0xFEE0'1000);
    CHECK(s.sent_of(TlpKind::Interrupt)[0].data.at(0) == 0x55);
    CHECK(s.use(kEntry, 8) == Status::InvalidInterruptHandle);
    CHECK(s.use(kEntry + 1, 7) == Status::InvalidInterruptHandle);  // nobody's
    CHECK(s.use(256, 7) == Status::InvalidInterruptHandle);         // beyond the table
    s.control(false, std::nullopt);
    CHECK(s.use(kEntry, 7) == Status::InvalidInterruptHandle);
    CHECK(s.messages() == 1);
}

TEST_CASE("dsa message storage: the portal says which table a handle is one of") {
    Stored s;
    CHECK(s.use(kEntry, 7, Portal::LimitedMsix) == Status::InvalidInterruptHandle);
    s.write(reg::kMsixPerm + kEntry * kMsixPermBytes, encode_msix_perm(true, 8));
    CHECK(s.use(kEntry, 8, Portal::LimitedMsix) == Status::Success);  // its vector is masked
    CHECK(s.use(kEntry, 8, Portal::UnlimitedIms) == Status::InvalidInterruptHandle);
    CHECK(s.messages() == 0);
}

TEST_CASE("dsa message storage: a masked entry keeps its message until it is unmasked") {
    Stored s;
    s.control(true, 7);
    CHECK(s.use(kEntry, 7) == Status::Success);
    CHECK(s.messages() == 0);
    CHECK(get_bit(s.read(s.field(kImsControl)), kImsPending));
    s.control(false, 7);
    CHECK(s.messages() == 1);
    CHECK_FALSE(get_bit(s.read(s.field(kImsControl)), kImsPending));
}

TEST_CASE("dsa message storage: who gets an entry next gets nothing that was pending in it") {
    Stored s;
    s.control(true, 7);
    CHECK(s.use(kEntry, 7) == Status::Success);
    s.control(false, 8);
    CHECK(s.messages() == 0);
    CHECK(s.use(kEntry, 8) == Status::Success);
    CHECK(s.messages() == 1);
}

TEST_CASE("dsa message storage: requested handles are of one table") {
    Stored s(2);
    CHECK(s.use(kEntry, 7) == Status::InvalidInterruptHandle);  // an index is no handle
    CHECK(s.command(Command::RequestInterruptHandle, kHandleOfStorage | 256) ==
          CommandError::BadInterruptIndex);
    REQUIRE(s.command(Command::RequestInterruptHandle, kHandleOfStorage | kEntry) ==
            CommandError::None);
    const std::uint32_t handle =
        decode_cmdsts(static_cast<std::uint32_t>(s.read(reg::kCmdsts))).result;
    const auto number = static_cast<std::uint16_t>(handle);
    CHECK(s.use(number, 7) == Status::Success);
    CHECK(s.messages() == 1);
    CHECK(s.use(number, 7, Portal::LimitedMsix) == Status::InvalidInterruptHandle);
    CHECK(s.command(Command::ReleaseInterruptHandle, handle) == CommandError::BadInterruptIndex);
    CHECK(s.command(Command::ReleaseInterruptHandle, kHandleOfStorage | handle) ==
          CommandError::None);
    CHECK(s.use(number, 7) == Status::InvalidInterruptHandle);
}

TEST_CASE("dsa message storage: a reset of the device clears it") {
    Stored s;
    REQUIRE(s.command(Command::ResetDevice) == CommandError::None);
    CHECK(s.read(s.field(kImsControl)) == encode_ims_control(true, std::nullopt));
    CHECK(s.read(s.field(kMsixData)) == 0);
    CHECK(s.read(s.field(kMsixAddressLow)) == 0xFEE0'0000);
}

TEST_CASE("dsa message storage: its addresses are of interrupts, whatever is written") {
    Stored s;
    CHECK(s.read(s.field(kMsixAddressLow, 9)) == 0xFEE0'0000);
    s.write(s.field(kMsixAddressLow, 9), 0x1234'5678);
    s.write(s.field(kMsixAddressHigh, 9), 1);
    CHECK(s.read(s.field(kMsixAddressLow, 9)) == 0xFEE0'0000);
    CHECK(s.read(s.field(kMsixAddressHigh, 9)) == 0);
    s.write(s.field(kMsixAddressLow, 9), 0xFEE1'2347);
    CHECK(s.read(s.field(kMsixAddressLow, 9)) == 0xFEE1'2344);
}

TEST_CASE(
    "dsa message storage: an entry that is to be ignored sends nothing, to its PASID either") {
    Stored s;
    s.write(s.field(kImsControl), encode_ims_control(false, 7) | 1U << kImsIgnore);
    CHECK(s.use(kEntry, 7) == Status::Success);
    CHECK(s.use(kEntry, 8) == Status::InvalidInterruptHandle);
    CHECK(s.messages() == 0);
    s.control(true, 7);
    CHECK(s.use(kEntry, 7) == Status::Success);
    s.write(s.field(kImsControl), encode_ims_control(false, 7) | 1U << kImsIgnore);
    CHECK(s.messages() == 1);  // what was pending comes
}

}  // namespace ioasim::test
