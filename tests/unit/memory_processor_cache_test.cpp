// The processors' own caches with data: coherent with each other and with what is snooped, blind
// to what is not.
#include <doctest/doctest.h>

#include "models/memory/memory_probes.hpp"
#include "models/memory/processor_caches.hpp"

using namespace ioasim;
using namespace ioasim::memory;

namespace {

constexpr Hpa kAt{0x1000};

struct Machine {
    explicit Machine(std::uint64_t bytes = 64 * 64) : caches(bytes, memory, probes) {}
    void store(std::size_t cpu, std::uint8_t value, Hpa at = kAt) {
        caches.write(cpu, at, &value, 1);
    }
    unsigned load(std::size_t cpu, Hpa at = kAt) {
        std::uint8_t value = 0;
        caches.read(cpu, at, &value, 1);
        return value;
    }
    unsigned snooped(Hpa at = kAt) const {
        std::uint8_t value = 0;
        caches.snoop(at, &value, 1);
        return value;
    }
    // What an access without snooping finds and leaves.
    unsigned behind(Hpa at = kAt) const {
        std::uint8_t value = 0;
        memory.read(at, &value, 1);
        return value;
    }
    void write_behind(std::uint8_t value, Hpa at = kAt) { memory.write(at, &value, 1); }

    Probes probes;
    SparseMemory memory{{{Hpa{0}, 0x10000}}};
    ProcessorCaches caches;
};

}  // namespace

TEST_CASE("processor caches: a store stays in the cache until it is written back") {
    Machine m;
    m.store(0, 7);
    CHECK(m.behind() == 0);
    CHECK(m.snooped() == 7);
    const CacheFlush flushed = m.caches.flush_all(0);
    CHECK(flushed.lines == 1);
    CHECK(flushed.modified == 1);
    CHECK(m.behind() == 7);
    CHECK(m.caches.lines() == 0);
}

TEST_CASE("processor caches: a clean line hides what was written behind it until it goes") {
    Machine m;
    CHECK(m.load(0) == 0);
    m.write_behind(9);
    CHECK(m.load(0) == 0);
    CHECK(m.snooped() == 0);
    CHECK(m.caches.flush(kAt, 1).modified == 0);
    CHECK(m.load(0) == 9);
}

TEST_CASE(
    "processor caches: a modified line goes back as a whole over what was written behind it") {
    Machine m;
    m.store(0, 1);
    m.write_behind(9, kAt + 8);
    m.caches.flush_all(0);
    CHECK(m.behind(kAt + 8) == 0);
}

TEST_CASE("processor caches: another processor's load shares a modified line through memory") {
    Machine m;
    m.store(0, 5);
    CHECK(m.load(1) == 5);
    CHECK(m.behind() == 5);
    CHECK(m.caches.flush_all(1).lines == 1);
    CHECK(m.caches.flush_all(0).lines == 1);
}

TEST_CASE("processor caches: another processor's store takes the line away, without memory") {
    Machine m;
    m.store(0, 5);
    m.store(1, 6, kAt + 1);
    CHECK(m.behind() == 0);
    CHECK(m.caches.flush_all(0).lines == 0);
    CHECK(m.caches.flush_all(1).modified == 1);
    CHECK(m.behind() == 5);
    CHECK(m.behind(kAt + 1) == 6);
}

TEST_CASE("processor caches: WBINVD of one processor leaves the lines of another") {
    Machine m;
    m.store(0, 5);
    m.store(1, 6, kAt + 64);
    m.caches.flush_all(1);
    CHECK(m.behind() == 0);
    CHECK(m.behind(kAt + 64) == 6);
}

TEST_CASE("processor caches: a snooped write keeps the other bytes of a modified line") {
    Machine m;
    m.store(0, 5);
    const std::uint8_t value = 8;
    m.caches.overwrite(kAt + 1, &value, 1);
    CHECK(m.behind() == 5);
    CHECK(m.load(0, kAt + 1) == 8);
}

TEST_CASE("processor caches: when one is full its oldest line goes back to memory") {
    Machine m{2 * 64};
    m.store(0, 1);
    m.store(0, 2, kAt + 64);
    m.load(0);
    m.store(0, 3, kAt + 128);
    CHECK(m.behind(kAt + 64) == 2);
    CHECK(m.behind() == 0);
    CHECK(m.caches.lines() == 2);
    CHECK(m.probes.hits(kLineEvicted) == 1);
}

TEST_CASE("processor caches: a line with an error is never held") {
    Machine m;
    m.memory.poison(kAt, 1);
    m.store(0, 4);
    CHECK(m.behind() == 4);
    CHECK(m.caches.lines() == 0);
}
