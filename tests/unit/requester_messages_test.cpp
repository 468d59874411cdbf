// Messages that software of a test requester sends and takes by hand.
#include <doctest/doctest.h>

#include "models/pcie/ats_layout.hpp"
#include "models/requester/requester_layout.hpp"
#include "models/requester/requester_messages.hpp"

using namespace ioasim;
using namespace ioasim::requester;

namespace {

constexpr Rid kSelf{0x0108};

std::uint32_t control(Message message) {
    return static_cast<std::uint32_t>(message);
}

}  // namespace

TEST_CASE("requester messages: what arrives waits in order, with ITag, PASID and body") {
    MessageWindow window;
    CHECK(window.head() == 0);
    CHECK(window.take(pcie::invalidate_request(kSelf, Pasid{5}, 7, {0x4000, false, false})));
    CHECK(window.take(pcie::page_group_response(std::nullopt, {kSelf, 1, 9})));
    CHECK(window.waiting() == 2);
    CHECK(window.head() == (control(Message::InvalidateRequest) | message::kHasPasid |
                            7U << message::kItagShift | 5U << message::kPasidShift));
    CHECK(window.body() == 0x4000);
    window.drop();
    CHECK(window.head() == control(Message::PageGroupResponse));
    CHECK(pcie::decode_page_group_answer(window.body()).group == 9);
    window.drop();
    window.drop();
    CHECK(window.waiting() == 0);
}

TEST_CASE("requester messages: what finds no room or is of another kind is lost") {
    MessageWindow window;
    CHECK_FALSE(window.take(pcie::page_request(kSelf, std::nullopt, {})));
    for (std::size_t i = 0; i < MessageWindow::kRoom; ++i) {
        CHECK(window.take(pcie::page_group_response(std::nullopt, {kSelf, 0, 0})));
    }
    CHECK_FALSE(window.take(pcie::page_group_response(std::nullopt, {kSelf, 0, 0})));
}

TEST_CASE("requester messages: only completions and page requests can be sent") {
    const std::uint64_t header =
        pcie::encode(pcie::PageRequestMessage{0x4000, 3, true, true, false});
    const auto page = MessageWindow::make(control(Message::PageRequest), header, kSelf, Pasid{5});
    REQUIRE(page.has_value());
    CHECK(page->kind == pcie::TlpKind::PageRequest);
    CHECK(page->pasid == Pasid{5});
    CHECK(pcie::decode_page_request(page->address).group == 3);
    const auto done =
        MessageWindow::make(control(Message::InvalidateCompletion), 1, kSelf, Pasid{5});
    REQUIRE(done.has_value());
    CHECK_FALSE(done->pasid.has_value());
    CHECK_FALSE(MessageWindow::make(control(Message::PageGroupResponse), 0, kSelf, {}));
    CHECK_FALSE(MessageWindow::make(0, 0, kSelf, {}));
}
