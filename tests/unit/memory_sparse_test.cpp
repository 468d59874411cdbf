#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "core/base/check.hpp"
#include "core/base/random.hpp"
#include "models/memory/memory_params.hpp"

using namespace ioasim;
using namespace ioasim::memory;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

SparseMemory make_memory() {
    return SparseMemory({{Hpa{0}, 256 * kGiB}});
}

std::uint64_t load(const SparseMemory& memory, std::uint64_t at) {
    std::uint64_t value = 0;
    memory.read(Hpa{at}, &value, sizeof value);
    return value;
}
void store(SparseMemory& memory, std::uint64_t at, std::uint64_t value) {
    memory.write(Hpa{at}, &value, sizeof value);
}

}  // namespace

TEST_CASE("memory: bytes never written read as zero and cost nothing") {
    SparseMemory memory = make_memory();
    std::vector<std::uint8_t> out(10'000, 0xFF);
    memory.read(Hpa{123}, out.data(), out.size());
    CHECK(out == std::vector<std::uint8_t>(10'000, 0));
    memory.write(Hpa{123}, out.data(), out.size());
    CHECK(memory.pages() == 0);
    CHECK(memory.blocks() == 0);
}

TEST_CASE("memory: writes that cross blocks and pages come back") {
    SparseMemory memory = make_memory();
    std::vector<std::uint8_t> in(10'000);
    for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<std::uint8_t>(i * 7 + 1);
    }
    memory.write(Hpa{5 * kPageSize - 100}, in.data(), in.size());
    std::vector<std::uint8_t> out(in.size());
    memory.read(Hpa{5 * kPageSize - 100}, out.data(), out.size());
    CHECK(out == in);
    CHECK(memory.pages() == 4);
}

TEST_CASE("memory: a block that becomes zero is given back") {
    SparseMemory memory = make_memory();
    store(memory, 0x1000, 1);
    store(memory, 0x1008, 2);
    store(memory, 0x1040, 3);
    CHECK(memory.blocks() == 2);
    store(memory, 0x1000, 0);
    CHECK(memory.blocks() == 2);
    store(memory, 0x1008, 0);
    CHECK(memory.blocks() == 1);
    CHECK(load(memory, 0x1040) == 3);
    store(memory, 0x1040, 0);
    CHECK(memory.pages() == 0);
}

TEST_CASE("memory: random writes agree with a plain map") {
    SparseMemory memory = make_memory();
    std::map<std::uint64_t, std::uint64_t> plain;
    RandomStream random{1, "test", "memory"};
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t at = random.below(64) * kPageSize * 977 + random.below(512) * 8;
        const std::uint64_t value = random.chance(1, 2) ? 0 : random.next();
        store(memory, at, value);
        plain[at] = value;
    }
    bool equal = true;
    for (const auto& [at, value] : plain) {
        equal = equal && load(memory, at) == value;
    }
    CHECK(equal);
}

TEST_CASE("memory: a million tables of one entry fit") {
    SparseMemory memory = make_memory();
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
        store(memory, i * kPageSize + (i % 512) * 8, i + 1);
    }
    CHECK(memory.pages() == 1'000'000);
    CHECK(memory.host_bytes() < 160'000'000);
    bool equal = true;
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
        equal = equal && load(memory, i * kPageSize + (i % 512) * 8) == i + 1;
    }
    CHECK(equal);
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
        store(memory, i * kPageSize + (i % 512) * 8, 0);
    }
    CHECK(memory.pages() == 0);
}

TEST_CASE("memory: only installed ranges are memory") {
    MemoryParams params = memory_param_table().defaults();
    params.low_bytes = 2 * kGiB;
    params.high_bytes = kGiB;
    SparseMemory memory(memory_ranges(params));
    CHECK(memory.contains(Hpa{2 * kGiB - 8}, 8));
    CHECK_FALSE(memory.contains(Hpa{2 * kGiB - 4}, 8));
    CHECK_FALSE(memory.contains(Hpa{0xFED9'0000}, 4));
    CHECK(memory.contains(Hpa{4 * kGiB}, 64));
    CHECK_FALSE(memory.contains(Hpa{5 * kGiB}, 1));
    CHECK_FALSE(memory.contains(Hpa{~std::uint64_t{0} - 3}, 8));
    std::uint8_t byte = 0;
    CHECK_THROWS_AS(memory.write(Hpa{3 * kGiB}, &byte, 1), ModelBug);
}

TEST_CASE("memory: poison covers every line that the range touches, and nothing else") {
    SparseMemory memory = make_memory();
    memory.poison(Hpa{0x107F}, 2);
    CHECK_FALSE(memory.poisoned(Hpa{0x1000}, 64));
    CHECK(memory.poisoned(Hpa{0x1040}, 1));
    CHECK(memory.poisoned(Hpa{0x10BF}, 1));
    CHECK_FALSE(memory.poisoned(Hpa{0x10C0}, 64));
    CHECK(memory.poisoned(Hpa{0x1000}, 4096));
    CHECK(memory.poisoned_lines() == 2);
}

TEST_CASE("memory: only a write of the whole line ends its poison") {
    SparseMemory memory = make_memory();
    const std::vector<std::uint8_t> bytes(256);
    memory.poison(Hpa{0x1040}, 64);
    memory.write(Hpa{0x1040}, bytes.data(), 63);
    memory.write(Hpa{0x1041}, bytes.data(), 127);
    CHECK(memory.poisoned(Hpa{0x1040}, 64));
    memory.write(Hpa{0x1001}, bytes.data(), 127);
    CHECK(memory.poisoned_lines() == 0);
}
