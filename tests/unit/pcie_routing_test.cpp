#include <doctest/doctest.h>

#include "core/base/check.hpp"
#include "models/pcie/pcie_layout.hpp"
#include "models/pcie/routing.hpp"

using namespace ioasim;
using namespace ioasim::pcie;

TEST_CASE("pcie routing: a request must lie in one range as a whole") {
    RoutingTable table;
    table.claim(1, {0x2000, 0x1000});
    table.claim(2, {0x1000, 0x1000});
    table.claim(3, {0x8000, 0x100});
    CHECK(table.by_address(0x2000, 8) == 1);
    CHECK(table.by_address(0x2FF8, 8) == 1);
    CHECK(table.by_address(0x1FFF, 1) == 2);
    CHECK(table.by_address(0x80FF, 1) == 3);
    CHECK_FALSE(table.by_address(0x1FFC, 8).has_value());
    CHECK_FALSE(table.by_address(0xFFF, 1).has_value());
    CHECK_FALSE(table.by_address(0x8100, 4).has_value());
    CHECK_FALSE(table.by_address(0x8000, 0x101).has_value());
}

TEST_CASE("pcie routing: overlapping and empty ranges are refused") {
    RoutingTable table;
    table.claim(1, {0x2000, 0x1000});
    CHECK_THROWS_AS(table.claim(2, {0x2FFF, 0x10}), ModelBug);
    CHECK_THROWS_AS(table.claim(2, {0x1000, 0x1001}), ModelBug);
    CHECK_THROWS_AS(table.claim(2, {0x5000, 0}), ModelBug);
    CHECK_THROWS_AS(table.claim(2, {~std::uint64_t{0} - 1, 8}), ModelBug);
    table.claim(2, {0x3000, 0x10});
}

TEST_CASE("pcie routing: functions by requester id") {
    RoutingTable table;
    table.add_function(4, Rid{0x0208});
    table.add_function(5, Rid{0x0108});
    table.add_function(5, Rid{0x0109});
    CHECK(table.by_function(Rid{0x0208}) == 4);
    CHECK(table.by_function(Rid{0x0109}) == 5);
    CHECK_FALSE(table.by_function(Rid{0x0000}).has_value());
    CHECK_THROWS_AS(table.add_function(6, Rid{0x0108}), ModelBug);
}

TEST_CASE("pcie: a completion echoes its request") {
    Tlp request;
    request.requester = Rid{0x0108};
    request.tag = 42;
    request.length = 64;
    request.address = 0x1234;
    request.descriptor = 7;
    const Tlp completion = make_completion(request, CplStatus::Retry);
    CHECK(completion.kind == TlpKind::Completion);
    CHECK(completion.status == CplStatus::Retry);
    CHECK(completion.requester == Rid{0x0108});
    CHECK(completion.tag == 42);
    CHECK(completion.descriptor == 7);
}

TEST_CASE("pcie: what a transaction weighs") {
    Tlp tlp;
    CHECK(wire_bytes(tlp) == 16);
    tlp.pasid = Pasid{1};
    tlp.data.resize(64);
    CHECK(wire_bytes(tlp) == 84);
}

TEST_CASE("pcie: interrupt addresses are FEEx_xxxx") {
    CHECK(is_interrupt_address(0xFEE0'0000));
    CHECK(is_interrupt_address(0xFEEF'FFFF));
    CHECK_FALSE(is_interrupt_address(0xFEDF'FFFF));
    CHECK_FALSE(is_interrupt_address(0xFEF0'0000));
    CHECK_FALSE(is_interrupt_address(0x1'FEE0'0000));
}
