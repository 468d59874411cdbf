#include <doctest/doctest.h>

#include "models/vm/migration_state.hpp"

namespace ioasim::vm::test {
namespace {

MigrationState sample() {
    MigrationState state;
    state.registers = {1, 0xFFFF'FFFF'FFFF'FFFF, 3};
    state.root_table = 0x12'3000;
    state.next_gpasid = 104;
    state.returned = {102};
    state.gpasids = {101, 103};
    KeptSubmission kept{7, 1, 2, 101, {}};
    kept.descriptor[0] = 0x11;
    kept.descriptor[63] = 0x99;
    state.submissions = {kept};
    os::VirtualDeviceState device;
    device.command = 6;
    device.gencfg = 0x11;
    device.error.valid = true;
    os::VirtualQueueState queue;
    queue.enabled = true;
    queue.config.size = 8;
    queue.config.pasid_enable = true;
    queue.config.pasid = 101;
    device.queues = {queue};
    device.trapped = {{0, 101, {}}};
    state.devices = {device};
    return state;
}

TEST_CASE("a machine's state goes over the link byte for byte") {
    const std::vector<std::uint8_t> bytes = encode(sample());
    const auto decoded = decode(bytes);
    REQUIRE(decoded);
    const MigrationState& state = *decoded;
    CHECK(state.registers == sample().registers);
    CHECK(state.root_table == 0x12'3000);
    CHECK(state.next_gpasid == 104);
    CHECK(state.returned == std::vector<std::uint32_t>{102});
    CHECK(state.gpasids == std::vector<std::uint32_t>{101, 103});
    REQUIRE(state.submissions.size() == 1);
    const KeptSubmission& kept = state.submissions.front();
    CHECK(kept.number == 7);
    CHECK(kept.device == 1);
    CHECK(kept.queue == 2);
    CHECK(kept.gpasid == 101);
    CHECK(kept.descriptor[0] == 0x11);
    CHECK(kept.descriptor[63] == 0x99);
    REQUIRE(state.devices.size() == 1);
    CHECK(state.devices.front().command == 6);
    CHECK(state.devices.front().error.valid);
    REQUIRE(state.devices.front().queues.size() == 1);
    CHECK(state.devices.front().queues.front().enabled);
    CHECK(state.devices.front().queues.front().gpasid() == 101);
    CHECK(state.devices.front().trapped.size() == 1);
    CHECK(encode(state) == bytes);
}

TEST_CASE("a machine's state that was cut, stretched or lies about a length is refused") {
    const std::vector<std::uint8_t> bytes = encode(sample());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const std::vector<std::uint8_t> cut{bytes.begin(),
                                            bytes.begin() + static_cast<std::ptrdiff_t>(length)};
        CHECK(decode(cut).error() == Errno::Einval);
    }
    std::vector<std::uint8_t> longer = bytes;
    longer.push_back(0);
    CHECK(decode(longer).error() == Errno::Einval);
    std::vector<std::uint8_t> lie = bytes;
    lie[7] = 0xFF;  // the number of registers
    CHECK(decode(lie).error() == Errno::Einval);
}

}  // namespace
}  // namespace ioasim::vm::test
