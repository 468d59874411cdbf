// Configuration space: what software reads, may write, and what a write orders.
#include <doctest/doctest.h>

#include "models/pcie/config_space_if.hpp"

using namespace ioasim;
using namespace ioasim::pcie;
using namespace ioasim::pcie::config;

namespace {

ConfigAbilities abilities() {
    ConfigAbilities a;
    a.vendor = 0x1234;
    a.device = 0x5678;
    a.bar0_bytes = 0x10000;
    a.max_payload = 256;
    a.ats = true;
    a.pasid = true;
    a.pasid_privileged = true;
    a.page_requests = true;
    a.page_request_capacity = 64;
    return a;
}

}  // namespace

TEST_CASE("config space: after power on nothing is enabled") {
    const ConfigSpace space(abilities());
    const ConfigView v = space.view();
    CHECK_FALSE(v.memory_space);
    CHECK_FALSE(v.bus_master);
    CHECK_FALSE(v.ats);
    CHECK_FALSE(v.pasid);
    CHECK_FALSE(v.page_requests);
    CHECK(v.max_payload == 128);
    CHECK(v.max_read_request == 512);
    CHECK(space.read(kVendor, 4) == 0x56781234);
}

TEST_CASE("config space: capabilities are found by walking the lists") {
    const ConfigSpace space(abilities());
    CHECK((space.read(kStatus, 2) & kCapabilityList) != 0);
    CHECK((space.read(space.read(kCapabilityPointer, 1), 2) & 0xFF) == kExpressId);
    std::uint32_t at = 0x100;
    std::vector<std::uint32_t> ids;
    while (at != 0) {
        ids.push_back(space.read(at, 2));
        at = space.read(at, 4) >> 20U;
    }
    CHECK(ids == std::vector<std::uint32_t>{kAtsId, kPasidId, kPriId});
}

TEST_CASE("config space: a capability that the function lacks is in no list and takes no writes") {
    ConfigAbilities a = abilities();
    a.ats = false;
    a.pasid = false;
    a.page_requests = false;
    ConfigSpace space(a);
    CHECK(space.read(0x100, 4) == 0);
    space.write(kAtsCtl, kAtsEnable, 2);
    CHECK(space.read(kAtsCtl, 2) == 0);
}

TEST_CASE("config space: a BAR tells its size and keeps its type bits") {
    ConfigSpace space(abilities());
    space.write(kBar0, ~0U, 4);
    space.write(kBar0 + 4, ~0U, 4);
    CHECK(space.read(kBar0, 4) == 0xFFFF0004);
    CHECK(space.read(kBar0 + 4, 4) == ~0U);
    space.write(kBar0, 0xE0001230, 4);
    space.write(kBar0 + 4, 1, 4);
    CHECK(space.view().bar0 == 0x1'E000'0000);
}

TEST_CASE("config space: read-only bits stay, also under a write of the whole dword") {
    ConfigSpace space(abilities());
    space.write(kVendor, 0, 4);
    space.write(kDevCap, 0, 4);
    CHECK(space.read(kVendor, 2) == 0x1234);
    CHECK((space.read(kDevCap, 4) & kCanReset) != 0);
    space.write(kCommand, ~0U, 4);
    CHECK(space.read(kCommand, 2) == (kMemorySpace | kBusMaster | kInterruptDisable));
}

TEST_CASE("config space: status bits are cleared by ones and only by ones") {
    ConfigSpace space(abilities());
    space.note_completion(CplStatus::UnsupportedRequest);
    space.note_completion(CplStatus::Abort);
    space.write(kStatus, 0, 2);
    CHECK((space.read(kStatus, 2) & (kReceivedMasterAbort | kReceivedTargetAbort)) ==
          (kReceivedMasterAbort | kReceivedTargetAbort));
    space.write(kStatus, kReceivedMasterAbort, 2);
    CHECK((space.read(kStatus, 2) & kReceivedMasterAbort) == 0);
    CHECK((space.read(kStatus, 2) & kReceivedTargetAbort) != 0);
}

TEST_CASE("config space: a payload beyond what the function can is what it can") {
    ConfigSpace space(abilities());
    space.write(kDevCtl, 5U << kMaxPayloadShift | 3U << kMaxReadShift, 2);
    CHECK(space.view().max_payload == 256);
    CHECK(space.view().max_read_request == 1024);
}

TEST_CASE("config space: a function-level reset is an order that reads as 0") {
    ConfigSpace space(abilities());
    CHECK(space.write(kDevCtl, kInitiateReset, 2).reset_function);
    CHECK((space.read(kDevCtl, 2) & kInitiateReset) == 0);
    CHECK_FALSE(space.write(kDevCtl, 0, 2).reset_function);
    // DEVSTA alone, in the same dword, orders nothing.
    CHECK_FALSE(space.write(kDevSta, 0x8000, 2).reset_function);
}

TEST_CASE("config space: a reset spares the payload size and nothing else") {
    ConfigSpace space(abilities());
    space.write(kDevCtl, 1U << kMaxPayloadShift | 5U << kMaxReadShift, 2);
    space.write(kCommand, kBusMaster, 2);
    space.write(kAtsCtl, kAtsEnable, 2);
    space.reset();
    CHECK(space.view().max_payload == 256);
    CHECK(space.view().max_read_request == 512);
    CHECK_FALSE(space.view().bus_master);
    CHECK_FALSE(space.view().ats);
}

TEST_CASE("config space: the PASID controls are closed while ATS is enabled") {
    ConfigSpace space(abilities());
    space.write(kAtsCtl, kAtsEnable, 2);
    space.write(kPasidCtl, kPasidEnable, 2);
    CHECK_FALSE(space.view().pasid);
    space.write(kAtsCtl, 0, 2);
    space.write(kPasidCtl, kPasidEnable | kPasidPrivileged | kPasidExecute, 2);
    CHECK(space.view().pasid);
    CHECK(space.view().pasid_privileged);
    CHECK_FALSE(space.view().pasid_execute);  // not claimed
}

TEST_CASE("config space: page requests start only when they have stopped") {
    ConfigSpace space(abilities());
    space.set_status(kPriStatus, kPriStopped, false);
    space.write(kPriCtl, kPriEnable, 2);
    CHECK_FALSE(space.view().page_requests);
    space.set_status(kPriStatus, kPriStopped);
    space.write(kPriCtl, kPriEnable, 2);
    CHECK(space.view().page_requests);
}

TEST_CASE("config space: page requests are reset only while disabled") {
    ConfigSpace space(abilities());
    CHECK(space.write(kPriCtl, kPriReset, 2).reset_page_requests);
    CHECK_FALSE(space.write(kPriCtl, kPriReset | kPriEnable, 2).reset_page_requests);
    space.write(kPriCtl, kPriEnable, 2);
    CHECK_FALSE(space.write(kPriCtl, kPriReset | kPriEnable, 2).reset_page_requests);
}

TEST_CASE("config space: time-out codes choose the longer end of their range") {
    CHECK_FALSE(completion_timeout_of(0).has_value());
    CHECK(completion_timeout_of(1) == 100_us);
    CHECK(completion_timeout_of(6) == 210_ms);
    CHECK_FALSE(completion_timeout_of(3).has_value());  // reserved
}
