// The device TLB and the page request groups of a test requester, without time.
#include <doctest/doctest.h>

#include "models/pcie/page_groups_if.hpp"
#include "models/requester/requester_atc.hpp"
#include "models/requester/requester_tags.hpp"

using namespace ioasim;
using namespace ioasim::requester;

namespace {

AtcEntry entry(std::optional<Pasid> pasid, std::uint64_t first, unsigned bits = 12,
               std::uint64_t target = 0x4000000) {
    AtcEntry e;
    e.pasid = pasid;
    e.first = first;
    e.last = first + (std::uint64_t{1} << bits) - 1;
    e.translation.address = target;
    e.translation.page_bits = bits;
    e.translation.read = true;
    return e;
}

pcie::InvalidateBody page(std::uint64_t address) {
    return {address, false, false};
}
pcie::InvalidateBody everything(bool global = false) {
    return {0x7FFF'FFFF'FFFF'F000, true, global};
}

}  // namespace

TEST_CASE("device TLB: an entry serves its PASID, privilege and size") {
    DeviceTlb tlb(4);
    tlb.fill(entry(Pasid{5}, 0x200000, 21));
    const AtcEntry* const found = tlb.find(Pasid{5}, false, 0x2ABCDE);
    REQUIRE(found != nullptr);
    CHECK(found->at(0x2ABCDE) == 0x40ABCDE);
    CHECK(tlb.find(Pasid{5}, false, 0x400000) == nullptr);
    CHECK(tlb.find(Pasid{6}, false, 0x200000) == nullptr);
    CHECK(tlb.find(std::nullopt, false, 0x200000) == nullptr);
    CHECK(tlb.find(Pasid{5}, true, 0x200000) == nullptr);
}

TEST_CASE("device TLB: the least recently used entry makes room") {
    DeviceTlb tlb(2);
    tlb.fill(entry({}, 0x1000));
    tlb.fill(entry({}, 0x2000));
    tlb.find({}, false, 0x1000);
    const auto gone = tlb.fill(entry({}, 0x3000));
    REQUIRE(gone.size() == 1);
    CHECK(gone[0].first == 0x2000);
    CHECK(tlb.size() == 2);
}

TEST_CASE("device TLB: a page of another size takes the place of those that it covers") {
    DeviceTlb tlb(8);
    tlb.fill(entry({}, 0x200000));
    tlb.fill(entry({}, 0x201000));
    CHECK(tlb.fill(entry({}, 0x200000, 21)).size() == 2);
    CHECK(tlb.size() == 1);
}

TEST_CASE("device TLB: an invalidation takes what overlaps its range, of its PASID") {
    DeviceTlb tlb(8);
    tlb.fill(entry(Pasid{5}, 0x200000, 21));
    tlb.fill(entry(Pasid{5}, 0x1000));
    tlb.fill(entry(Pasid{6}, 0x201000));
    tlb.fill(entry({}, 0x201000));
    CHECK(tlb.invalidate(Pasid{5}, page(0x201000), true).size() == 1);
    CHECK(tlb.size() == 3);
    CHECK(tlb.invalidate({}, everything(), true).size() == 1);
    CHECK(tlb.find(Pasid{6}, false, 0x201000) != nullptr);
}

TEST_CASE("device TLB: the Global bit means every PASID, for who understands it") {
    DeviceTlb tlb(8);
    tlb.fill(entry(Pasid{5}, 0x1000));
    tlb.fill(entry(Pasid{6}, 0x1000));
    tlb.fill(entry({}, 0x1000));
    CHECK(tlb.invalidate(Pasid{5}, everything(true), false).size() == 1);
    CHECK(tlb.invalidate(Pasid{5}, everything(true), true).size() == 1);
    CHECK(tlb.size() == 1);
}

TEST_CASE("page groups: credits are out until the group's response") {
    pcie::PageRequestGroups groups;
    CHECK(groups.credits(4) == 4);
    const auto first = groups.open(Pasid{5}, 3);
    REQUIRE(first.has_value());
    CHECK(groups.credits(4) == 1);
    CHECK(groups.credits(2) == 0);
    CHECK(groups.answer(*first, Pasid{5}) == pcie::PageRequestGroups::Match::Waited);
    CHECK(groups.credits(4) == 4);
}

TEST_CASE("page groups: an index is taken until its response, and no response comes twice") {
    pcie::PageRequestGroups groups;
    const auto first = groups.open({}, 1);
    for (unsigned i = 1; i < pcie::kPageGroupCount; ++i) {
        const auto next = groups.open({}, 1);
        REQUIRE(next.has_value());
        CHECK(*next != *first);
    }
    CHECK_FALSE(groups.open({}, 1).has_value());
    CHECK(groups.answer(*first, {}) == pcie::PageRequestGroups::Match::Waited);
    CHECK(groups.answer(*first, {}) == pcie::PageRequestGroups::Match::Unexpected);
    CHECK(groups.open({}, 1) == first);
}

TEST_CASE("page groups: a response names the PASID of its requests") {
    pcie::PageRequestGroups groups;
    const auto group = groups.open(Pasid{5}, 1);
    CHECK(groups.answer(*group, {}) == pcie::PageRequestGroups::Match::Unexpected);
    CHECK(groups.answer(*group, Pasid{6}) == pcie::PageRequestGroups::Match::Unexpected);
    CHECK(groups.outstanding() == 1);
}

TEST_CASE("page groups: an abandoned group holds its credits until the response") {
    pcie::PageRequestGroups groups;
    const auto group = groups.open(Pasid{5}, 2);
    groups.abandon(Pasid{5});
    CHECK_FALSE(groups.waits(Pasid{5}));
    CHECK(groups.outstanding() == 2);
    CHECK(groups.answer(*group, Pasid{5}) == pcie::PageRequestGroups::Match::Abandoned);
    CHECK(groups.outstanding() == 0);
}

TEST_CASE("tags: one that was given up stays taken until its completion, or long enough") {
    TagTable tags(1, TimePs{50});
    Outstanding read;
    read.deadline = TimePs{100};
    REQUIRE(tags.take(TimePs{0}, read).has_value());
    CHECK_FALSE(tags.expire(TimePs{99}).has_value());
    CHECK(tags.expire(TimePs{100}).has_value());
    CHECK(tags.waited() == 0);
    CHECK_FALSE(tags.take(TimePs{149}, read).has_value());
    Outstanding was;
    const auto completion = [](std::uint32_t tag, std::size_t bytes = 0) {
        pcie::Tlp tlp;
        tlp.kind = pcie::TlpKind::Completion;
        tlp.tag = tag;
        tlp.data.resize(bytes);
        return tlp;
    };
    CHECK(tags.complete(completion(0), was) == TagTable::Came::Late);
    CHECK(tags.take(TimePs{120}, read) == 0U);
    CHECK(tags.complete(completion(0, 4), was) == TagTable::Came::Unexpected);
    CHECK(tags.waited() == 1);
    CHECK(tags.complete(completion(0), was) == TagTable::Came::Wanted);
    CHECK(tags.complete(completion(0), was) == TagTable::Came::Unexpected);
    CHECK(tags.complete(completion(7), was) == TagTable::Came::Unexpected);
    REQUIRE(tags.take(TimePs{200}, read) == 0U);
    tags.give_up_all(TimePs{200});
    CHECK_FALSE(tags.take(TimePs{249}, read).has_value());
    CHECK(tags.take(TimePs{250}, read) == 0U);
}
