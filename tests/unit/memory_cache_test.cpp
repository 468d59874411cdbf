// Which lines a last-level cache holds, and what has to go.
#include <doctest/doctest.h>

#include "models/memory/cached_memory.hpp"

using namespace ioasim;
using namespace ioasim::memory;

namespace {

using Filler = LastLevelCache::Filler;
constexpr std::uint64_t kPage = kPageSize;

struct Cache {
    Cache(std::uint64_t bytes, std::uint64_t device_bytes) : llc(bytes, device_bytes) {}
    std::uint64_t device_write(std::uint64_t at, std::size_t size) {
        return llc.fill(Hpa{at}, size, Filler::Device, true, back);
    }
    std::uint64_t load(std::uint64_t at, std::size_t size) {
        return llc.fill(Hpa{at}, size, Filler::Processor, false, back);
    }
    std::uint64_t held(std::uint64_t at, std::size_t size) const { return llc.held(Hpa{at}, size); }
    LastLevelCache llc;
    std::vector<CacheLines> back;
};

MemoryParams with_cache(std::uint64_t bytes) {
    MemoryParams params = memory_param_table().defaults();
    params.llc_bytes = bytes;
    return params;
}

}  // namespace

TEST_CASE("last-level cache: every line that an access touches is held afterwards, no other") {
    Cache c{64 * kPage, kPage};
    CHECK(c.load(0x1FE0, 0x40) == 0);  // the last line of a page and the first of the next
    CHECK(c.held(0x1FC0, 64) == 1);
    CHECK(c.held(0x2000, 64) == 1);
    CHECK(c.held(0x1F80, 64) == 0);
    CHECK(c.held(0x2040, 64) == 0);
    CHECK(c.llc.lines() == 2);
}

TEST_CASE("last-level cache: a second access finds what the first one brought") {
    Cache c{64 * kPage, kPage};
    c.load(0x1000, 256);
    CHECK(c.load(0x1080, 256) == 2);
    CHECK(c.llc.lines() == 6);
}

TEST_CASE("last-level cache: a look brings nothing") {
    Cache c{64 * kPage, kPage};
    CHECK(c.llc.touch(Hpa{0x1000}, 4096, false) == 0);
    CHECK(c.llc.lines() == 0);
}

TEST_CASE("last-level cache: writes of devices fill their share, the oldest page goes first") {
    Cache c{64 * kPage, 2 * kPage};
    for (std::uint64_t page = 1; page <= 3; ++page) {
        c.device_write(page * kPage, kPage);
    }
    CHECK(c.held(1 * kPage, kPage) == 0);
    CHECK(c.held(2 * kPage, kPage) == 64);
    CHECK(c.held(3 * kPage, kPage) == 64);
    CHECK(c.llc.device_lines() == 128);
}

TEST_CASE("last-level cache: a page that a device reads stays longer") {
    Cache c{64 * kPage, 2 * kPage};
    c.device_write(1 * kPage, kPage);
    c.device_write(2 * kPage, kPage);
    c.llc.touch(Hpa{1 * kPage}, 64, false);
    c.device_write(3 * kPage, kPage);
    CHECK(c.held(1 * kPage, kPage) == 64);
    CHECK(c.held(2 * kPage, kPage) == 0);
}

TEST_CASE("last-level cache: writes of devices to what processors brought take no share") {
    Cache c{64 * kPage, kPage};
    c.load(0x1000, 4 * kPage);
    CHECK(c.device_write(0x1000, 4 * kPage) == 256);
    CHECK(c.llc.device_lines() == 0);
}

TEST_CASE("last-level cache: processors may use all of it, beside what devices hold") {
    Cache c{4 * kPage, 2 * kPage};
    c.device_write(1 * kPage, 2 * kPage);
    c.load(8 * kPage, 4 * kPage);
    CHECK(c.llc.lines() == 256);
    CHECK(c.held(8 * kPage, 4 * kPage) == 256);
    CHECK(c.llc.device_lines() == 0);
}

TEST_CASE("last-level cache: without a share, writes of devices bring nothing") {
    Cache c{4 * kPage, 0};
    CHECK(c.device_write(0x1000, 64) == 0);
    CHECK(c.llc.lines() == 0);
}

TEST_CASE("last-level cache: written lines go back to memory, clean ones do not") {
    Cache c{2 * kPage, kPage};
    c.load(1 * kPage, kPage);
    c.load(2 * kPage, kPage);
    c.llc.touch(Hpa{1 * kPage + 64}, 64, true);
    c.llc.touch(Hpa{2 * kPage}, 64, false);
    CHECK(c.back.empty());
    c.load(3 * kPage, kPage);  // takes the place of page 1, a line at a time
    REQUIRE(c.back.size() == 1);
    CHECK(c.back[0].page == 1 * kPage);
    CHECK(c.back[0].lines == 2);
}

TEST_CASE("last-level cache: what is dropped is gone, written lines of it are told") {
    Cache c{64 * kPage, kPage};
    c.device_write(0x1000, 128);
    c.llc.drop(Hpa{0x1040}, 64, c.back);
    CHECK(c.held(0x1000, 128) == 1);
    REQUIRE(c.back.size() == 1);
    CHECK(c.back[0].lines == 2);
    c.llc.drop(Hpa{0}, 16 * kPage, c.back);
    CHECK(c.llc.lines() == 0);
}

TEST_CASE("last-level cache: of no size it holds nothing") {
    Cache c{0, kPage};
    CHECK_FALSE(c.llc.present());
    c.load(0x1000, 4096);
    c.device_write(0x1000, 4096);
    CHECK(c.llc.lines() == 0);
}

TEST_CASE("cached memory: what a processor reads or writes is cached until it is flushed") {
    const MemoryParams params = with_cache(16 * kPage);
    SparseMemory bytes(memory_ranges(params));
    SocketCaches caches(params);
    Probes probes;
    ProcessorCaches own(0, bytes, probes);
    CachedMemory memory(bytes, caches, own);
    std::uint64_t value = 7;
    CHECK_FALSE(memory.cached(Hpa{0x1000}, 8));
    memory.write(Hpa{0x1000}, &value, 8);
    CHECK(memory.cached(Hpa{0x1000}, 8));
    memory.flush(Hpa{0x1000}, 8);
    CHECK_FALSE(memory.cached(Hpa{0x1000}, 8));
    memory.read(Hpa{0x1000}, &value, 8);
    CHECK(value == 7);
    CHECK(memory.cached(Hpa{0x1000}, 8));
}

TEST_CASE("cached memory: where there is no last-level cache nothing is far") {
    const MemoryParams params = with_cache(0);
    SparseMemory bytes(memory_ranges(params));
    SocketCaches caches(params);
    Probes probes;
    ProcessorCaches own(0, bytes, probes);
    CachedMemory memory(bytes, caches, own);
    CHECK(memory.cached(Hpa{0x1000}, 8));
}

TEST_CASE("socket caches: a line belongs to the cache of its socket") {
    MemoryParams params = with_cache(16 * kPage);
    params.node1_bytes = 16 * kPage;
    SparseMemory bytes(memory_ranges(params));
    SocketCaches caches(params);
    Probes probes;
    ProcessorCaches own(0, bytes, probes);
    CachedMemory memory(bytes, caches, own);
    const Hpa remote = node1_base(params);
    REQUIRE(bytes.contains(remote, 16 * kPage));
    std::uint64_t value = 7;
    memory.write(remote, &value, 8);
    CHECK(caches.at(0).lines() == 0);
    CHECK(caches.at(1).lines() == 1);
}
