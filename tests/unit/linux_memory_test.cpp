#include <doctest/doctest.h>

#include "tests/unit/linux_fake_machine.hpp"

namespace ioasim::os::test {
namespace {

TEST_CASE("page allocator: memory is bounded and comes back") {
    PageAllocator pages{0x1000, 4 * kPageSize};
    const auto run = pages.alloc(3);
    REQUIRE(run.ok());
    CHECK((*run).address == 0x1000);
    CHECK_FALSE((*run).recycled);
    CHECK(pages.alloc(2).error() == Errno::Enomem);
    REQUIRE(pages.alloc().ok());
    CHECK(pages.alloc().error() == Errno::Enomem);
    pages.free(0x1000, 3);
    CHECK(pages.free_pages() == 3);
    const auto again = pages.alloc();
    CHECK((*again).address == 0x1000);
    CHECK((*again).recycled);
}

TEST_CASE("kernel pages: a recycled page is cleared before it is used again") {
    Host host;
    const auto page = host.kernel->alloc_pages(host.ctx);
    host.ctx.store(*page + 8, 0x1234, 8);
    host.kernel->free_pages(*page);
    const auto again = host.kernel->alloc_pages(host.ctx);
    REQUIRE(*again == *page);
    CHECK(host.machine.qword(*again + 8) == 0);
}

TEST_CASE("address space: tables in memory have the x86 format, four levels down to the page") {
    Host host;
    Process& app = host.process("host/app");
    const auto va = app.mm.map_anonymous(host.ctx, kPageSize);
    REQUIRE(va.ok());
    std::uint64_t table = app.mm.root();
    for (unsigned level = 4; level > 1; --level) {
        const std::uint64_t entry = host.machine.qword(table + vtd::page_table_offset(*va, level));
        CHECK((entry & 0x27U) == 0x27U);  // accessed, user, writable, present
        table = entry & vtd::kPageTableAddress;
    }
    const std::uint64_t leaf = host.machine.qword(table + vtd::page_table_offset(*va, 1));
    CHECK((leaf & 0x67U) == 0x67U);
    CHECK((leaf & vtd::kPageTableAddress) == app.mm.mapping(*va)->pages.at(0));
}

TEST_CASE("address space: an access past the end of a mapping faults") {
    Host host;
    Process& app = host.process("host/app");
    const auto va = app.mm.map_anonymous(host.ctx, kPageSize);
    std::uint64_t value = 7;
    CHECK(app.mm.write(host.ctx, *va + kPageSize - 8, &value, 8) == Errno::Ok);
    CHECK(app.mm.write(host.ctx, *va + kPageSize - 4, &value, 8) == Errno::Efault);
    CHECK(app.mm.read(host.ctx, 0x1000, &value, 8) == Errno::Efault);
}

TEST_CASE("address space: bytes cross pages that are not contiguous") {
    Host host;
    Process& app = host.process("host/app");
    host.kernel->free_pages(*host.kernel->alloc_pages(host.ctx));  // a hole that is filled first
    const auto va = app.mm.map_anonymous(host.ctx, 3 * kPageSize);
    REQUIRE(va.ok());
    const std::string text = "across the boundary";
    REQUIRE(app.mm.write(host.ctx, *va + kPageSize - 5, text.data(), text.size()) == Errno::Ok);
    std::string back(text.size(), ' ');
    REQUIRE(app.mm.read(host.ctx, *va + kPageSize - 5, back.data(), back.size()) == Errno::Ok);
    CHECK(back == text);
}

TEST_CASE("address space: its end returns every page") {
    Host host;
    const std::uint64_t before = host.kernel->pages().free_pages();
    Process& app = host.process("host/app");
    REQUIRE(app.mm.map_anonymous(host.ctx, 5 * kPageSize).ok());
    REQUIRE(app.mm.map_device(host.ctx, kPortals0 + 0x1000, kPageSize).ok());
    app.mm.destroy(host.ctx);
    CHECK(host.kernel->pages().free_pages() == before);
}

TEST_CASE("address space: pages that run out are given back and -ENOMEM is told") {
    Host host;
    Process& app = host.process("host/app");
    const std::uint64_t left = host.kernel->pages().free_pages();
    CHECK(app.mm.map_anonymous(host.ctx, (left + 1) * kPageSize).error() == Errno::Enomem);
    CHECK(host.kernel->pages().free_pages() == left);
}

TEST_CASE("ownership: user pages belong to the process and to nobody afterwards") {
    Host host;
    Process& app = host.process("host/app");
    REQUIRE(app.mm.map_anonymous(host.ctx, kPageSize).ok());
    const std::size_t given = host.log.position("memory.owner", 1);
    CHECK(host.log.field(given, "owner") == host.recorder.name("host/app").value());
    app.mm.destroy(host.ctx);
    const std::size_t taken = host.log.position("memory.owner", 2);
    CHECK(host.log.field(taken, "owner") == 0);
    CHECK(host.log.field(taken, "address") == host.log.field(given, "address"));
}

TEST_CASE("ownership: contiguous pages are told with one event") {
    Host host;
    Process& app = host.process("host/app");
    REQUIRE(app.mm.map_anonymous(host.ctx, 3 * kPageSize).ok());
    const std::size_t given = host.log.position("memory.owner", 1);
    CHECK(host.log.field(given, "bytes") == 3 * kPageSize);
    app.mm.destroy(host.ctx);
    CHECK(host.log.count("memory.owner") == 3);  // the host's at boot, given, taken
}

}  // namespace
}  // namespace ioasim::os::test
