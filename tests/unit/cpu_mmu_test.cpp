#include <doctest/doctest.h>

#include <map>

#include "models/cpu/mmu_if.hpp"

using namespace ioasim::cpu;

namespace {

using Entries = std::map<std::uint64_t, std::uint64_t>;
constexpr std::uint64_t kUserPage = paging::kPresent | paging::kWritable | paging::kUser;
constexpr std::uint64_t kEptAll = paging::kEptRead | paging::kEptWrite | paging::kEptExecute;
constexpr std::uint64_t kVa = 0x0000'0080'4020'1234;  // index 1 at each of the four levels

struct Tables {
    Entries entries;
    unsigned reads = 0;
    Translation walk(PagingRoots roots, PageAccess access = {}) {
        return walk_pages(roots, kVa, access, [this](std::uint64_t address) {
            ++reads;
            const auto found = entries.find(address);
            return found == entries.end() ? std::uint64_t{0} : found->second;
        });
    }
    // CR3 0x1000 -> 0x2000 -> 0x3000 -> 0x4000 -> page 0x55000.
    static Tables four_levels() {
        Tables t;
        t.entries = {{0x1008, 0x2000 | kUserPage},
                     {0x2008, 0x3000 | kUserPage},
                     {0x3008, 0x4000 | kUserPage},
                     {0x4008, 0x55000 | kUserPage}};
        return t;
    }
};

constexpr PageAccess kWrite{true, true, false};

}  // namespace

TEST_CASE("page walk: four levels end at the page's byte") {
    Tables t = Tables::four_levels();
    const Translation walked = t.walk({0x1000, {}}, kWrite);
    CHECK(walked.result == WalkResult::Ok);
    CHECK(walked.address == 0x55234);
    CHECK(walked.page_bytes == 4096);
    CHECK(t.reads == 4);
}

TEST_CASE("page walk: a 2-MiB page ends one level earlier") {
    Tables t = Tables::four_levels();
    t.entries[0x3008] = 0x1200000 | kUserPage | paging::kLarge;
    const Translation walked = t.walk({0x1000, {}});
    CHECK(walked.address == 0x1201234);
    CHECK(walked.page_bytes == 0x200000);
}

TEST_CASE("page walk: an absent entry is a fault of a page not present") {
    Tables t = Tables::four_levels();
    t.entries.erase(0x4008);
    const Translation walked = t.walk({0x1000, {}}, kWrite);
    CHECK(walked.result == WalkResult::PageFault);
    CHECK(walked.error == (paging::kErrorWrite | paging::kErrorUser));
}

TEST_CASE("page walk: rights are the least of all levels") {
    Tables t = Tables::four_levels();
    t.entries[0x2008] = 0x3000 | paging::kPresent | paging::kUser;
    CHECK(t.walk({0x1000, {}}).result == WalkResult::Ok);
    const Translation denied = t.walk({0x1000, {}}, kWrite);
    CHECK(denied.error == (paging::kErrorPresent | paging::kErrorWrite | paging::kErrorUser));
    t.entries[0x2008] = 0x3000 | paging::kPresent | paging::kWritable;
    CHECK(t.walk({0x1000, {}}).result == WalkResult::PageFault);
    CHECK(t.walk({0x1000, {}}, {false, false, false}).result == WalkResult::Ok);
}

TEST_CASE("page walk: execute disable stops fetches only") {
    Tables t = Tables::four_levels();
    t.entries[0x4008] |= paging::kExecuteDisable;
    CHECK(t.walk({0x1000, {}}).result == WalkResult::Ok);
    CHECK(t.walk({0x1000, {}}, {false, true, true}).result == WalkResult::PageFault);
}

TEST_CASE("nested page walk: every guest table and the page go through the second level") {
    Tables t = Tables::four_levels();
    // EPT root 0x100000: guest frames 1..4 at host frame 0x70 + n, frame 0x55 at 0x99.
    t.entries[0x100000] = 0x101000 | kEptAll;
    t.entries[0x101000] = 0x102000 | kEptAll;
    t.entries[0x102000] = 0x103000 | kEptAll;
    Entries host;
    for (std::uint64_t frame = 1; frame <= 4; ++frame) {
        t.entries[0x103000 + frame * 8] = ((0x70 + frame) << 12U) | kEptAll;
        const std::uint64_t entry = frame * 0x1000 + 8;
        host[((0x70 + frame) << 12U) + 8] = t.entries[entry];
        t.entries.erase(entry);
    }
    t.entries.insert(host.begin(), host.end());
    t.entries[0x103000 + 0x55 * 8] = 0x99000 | paging::kEptRead;
    const Translation walked = t.walk({0x1000, 0x100000});
    CHECK(walked.address == 0x99234);
    CHECK(walked.guest_address == 0x55234);
    CHECK(t.reads == 24);
    const Translation violation = t.walk({0x1000, 0x100000}, kWrite);
    CHECK(violation.result == WalkResult::EptViolation);
    CHECK(violation.guest_address == 0x55234);
}
