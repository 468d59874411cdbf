// What the record of a page fault tells is enough to go on: operations over pages that come one by
// one, continued as their records say (DSA Architecture Specification 8.3), end with what they
// would have done at once.
#include <doctest/doctest.h>

#include <functional>

#include "core/base/random.hpp"
#include "models/dsa/transfer.hpp"
#include "tests/support/dsa_harness.hpp"

using namespace ioasim;
using namespace ioasim::dsa;
using namespace ioasim::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kRuns = 60;
constexpr std::uint64_t kSource = 0x10000;
constexpr std::uint64_t kDestination = 0x18000;
constexpr std::uint64_t kOther = 0x20000;
constexpr std::uint64_t kRecord = 0x9000;
constexpr std::uint64_t kLongest = 0x6000;

class Continued : public DsaHarness {
public:
    explicit Continued(std::uint64_t seed, std::string_view what)
        : DsaHarness(1, 1), draw(seed, "dsa", what) {
        params.engine_depth = draw.between(1, 4);
        params.ats_ahead = draw.below(4);
        params.ats_requests = draw.between(1, 4);
        params.read_buffers = draw.between(8, 96);
        params.max_read_request = 64ULL << draw.below(5);
        enable_ats();
        configure(0, shared_wq(8, 8));
        enable();
        for (std::uint64_t a = kSource; a < kOther; ++a) {
            memory[a] = static_cast<std::uint8_t>(draw.next());
        }
    }
    std::uint32_t any_size() { return static_cast<std::uint32_t>(draw.between(1, kLongest)); }
    // Some of its pages are not there, or cannot be written.
    void make_holes(std::uint64_t first, std::uint64_t bytes) {
        for (std::uint64_t page = first / kPageSize; page * kPageSize < first + bytes; ++page) {
            if (draw.chance(1, 3)) {
                pcie::TranslationEntry entry;
                entry.address = page * kPageSize;
                entry.read = draw.chance(1, 3);
                pages[page * kPageSize] = entry;
            }
        }
    }
    // Runs what `next` says until one of them succeeds; `so_far` is told each partial record.
    CompletionRecord run(const std::function<DescriptorBuilder()>& next,
                         const std::function<void(const CompletionRecord&)>& so_far) {
        for (unsigned faults = 0; faults < 200; ++faults) {
            submit(next());
            settle();
            const CompletionRecord record = record_at(kRecord);
            if (record.status != Status::PageFault) {
                CHECK(record.status == Status::Success);
                return record;
            }
            REQUIRE(pages.erase(record.fault_address / kPageSize * kPageSize) == 1);
            so_far(record);
        }
        FAIL("no end of faults");
        return {};
    }

    RandomStream draw;
};

void each_run(const char* what, const std::function<void(Continued&)>& body) {
    for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
        CAPTURE(seed);
        Continued h(seed, what);
        body(h);
    }
}

}  // namespace

TEST_CASE("dsa continuation: copies, onto themselves too") {
    each_run("copy", [](Continued& h) {
        std::uint32_t left = h.any_size();
        std::uint64_t from = kSource + h.draw.below(kPageSize);
        std::uint64_t to = h.draw.chance(1, 2) ? from + h.draw.between(1, 3000)
                                               : kDestination + h.draw.below(kPageSize);
        const std::uint64_t begin = to;
        const Bytes wanted = h.get(from, left);
        h.make_holes(from, left);
        h.make_holes(to, left);
        h.run([&] { return memmove_of(from, to, left).flags(flag::kDestinationReadback); },
              [&](const CompletionRecord& r) {
                  left -= r.bytes_completed;
                  from += r.result == 0 ? r.bytes_completed : 0;
                  to += r.result == 0 ? r.bytes_completed : 0;
              });
        CHECK(h.get(begin, wanted.size()) == wanted);
    });
}

TEST_CASE("dsa continuation: a dualcast has written as much to both") {
    each_run("dualcast", [](Continued& h) {
        const std::uint32_t size = h.any_size();
        const std::uint64_t offset = h.draw.below(kPageSize);
        const Bytes wanted = h.get(kSource, size);
        for (std::uint32_t i = 0; i < size; ++i) {
            h.memory[kDestination + offset + i] = 0;
        }
        for (const std::uint64_t place : {kSource, kDestination + offset, kOther + offset}) {
            h.make_holes(place, size);
        }
        std::uint32_t done = 0;
        h.run(
            [&] {
                return DescriptorBuilder(Opcode::Dualcast)
                    .from(kSource + done)
                    .to(kDestination + offset + done)
                    .size(size - done)
                    .with(specific::kDestination2, 8, kOther + offset + done);
            },
            [&](const CompletionRecord& r) {
                done += r.bytes_completed;
                CHECK(h.get(kDestination + offset, size) == h.get(kOther + offset, size));
            });
        CHECK(h.get(kDestination + offset, size) == wanted);
        CHECK(h.get(kOther + offset, size) == wanted);
    });
}

TEST_CASE("dsa continuation: the CRC so far is the seed of the rest") {
    each_run("crc", [](Continued& h) {
        const std::uint32_t size = h.any_size();
        const std::uint32_t flags =
            static_cast<std::uint32_t>(h.draw.below(4)) * flag::kBypassReflection;
        auto seed = static_cast<std::uint32_t>(h.draw.next());
        const Bytes wanted = h.get(kSource, size);
        Crc32c whole;
        whole.start(seed, flags);
        whole.add(wanted);
        h.make_holes(kSource, size);
        h.make_holes(kDestination, size);
        std::uint32_t done = 0;
        const CompletionRecord end = h.run(
            [&] {
                return DescriptorBuilder(Opcode::CopyCrc)
                    .from(kSource + done)
                    .to(kDestination + done)
                    .size(size - done)
                    .with(specific::kCrcSeed, 4, seed)
                    .flags(flags);
            },
            [&](const CompletionRecord& r) {
                done += r.bytes_completed;
                seed = r.bytes_completed != 0 ? static_cast<std::uint32_t>(r.values[0]) : seed;
            });
        CHECK(end.values[0] == whole.value());
        CHECK(h.get(kDestination, size) == wanted);
    });
}

TEST_CASE("dsa continuation: delta records, created and applied in parts") {
    each_run("delta", [](Continued& h) {
        struct Part {
            std::uint64_t at = 0;
            std::uint32_t size = 0;
            std::uint32_t base = 0;
        };
        const std::uint32_t size = h.any_size() / 8 * 8 + 8;
        for (std::uint32_t i = 0; i < size; ++i) {
            h.memory[kDestination + i] = h.memory[kSource + i];
        }
        for (std::uint32_t i = 0; i < size;
             i += static_cast<std::uint32_t>(h.draw.between(1, 64))) {
            h.memory[kDestination + i] ^= 1U;
        }
        const Bytes wanted = h.get(kDestination, size);
        for (const std::uint64_t place : {kSource, kDestination, kOther}) {
            h.make_holes(place, kLongest);
        }
        std::vector<Part> parts;
        std::uint64_t to = kOther + h.draw.below(kPageSize);
        std::uint32_t done = 0;
        const auto part = [&](const CompletionRecord& r) {
            const auto bytes = static_cast<std::uint32_t>(r.values[0]);
            parts.push_back({to, bytes, done});
            to += bytes;
            done += r.bytes_completed;
        };
        CompletionRecord end;
        do {
            const std::uint64_t most = h.draw.between(80, 4000);
            end = h.run(
                [&] {
                    return DescriptorBuilder(Opcode::CreateDelta)
                        .from(kSource + done)
                        .to(kDestination + done)
                        .size(size - done)
                        .with(specific::kDeltaAddress, 8, to)
                        .with(specific::kMaxDeltaSize, 4, most);
                },
                part);
            part(end);
        } while (end.result == 2);
        for (const Part& one : parts) {
            std::uint32_t applied = 0;
            h.make_holes(kSource, size);
            if (one.size != 0) {
                h.run(
                    [&] {
                        return DescriptorBuilder(Opcode::ApplyDelta)
                            .from(one.at + applied)
                            .to(kSource + one.base)
                            .size(size - one.base)
                            .with(specific::kDeltaSize, 4, one.size - applied);
                    },
                    [&](const CompletionRecord& r) { applied += r.bytes_completed; });
            }
        }
        CHECK(h.get(kSource, size) == wanted);
    });
}

TEST_CASE("dsa continuation: protection information goes on with the tags of the record") {
    each_run("dif", [](Continued& h) {
        constexpr std::uint32_t kBlock = 512;
        constexpr std::uint32_t kWhole = kBlock + dif::kTupleBytes;
        const auto blocks = static_cast<std::uint32_t>(h.draw.between(1, 30));
        const std::uint64_t from = kSource + h.draw.below(kPageSize);
        const Bytes wanted = h.get(from, std::uint64_t{blocks} * kBlock);
        const std::uint64_t tags = h.draw.next();
        h.make_holes(from, wanted.size());
        h.make_holes(kOther, std::uint64_t{blocks} * kWhole);
        std::uint32_t done = 0;
        std::uint64_t now = tags;
        h.run(
            [&] {
                return DescriptorBuilder(Opcode::DifInsert)
                    .from(from + std::uint64_t{done} * kBlock)
                    .to(kOther + std::uint64_t{done} * kWhole)
                    .size((blocks - done) * kBlock)
                    .with(specific::kDifDestinationTags, 8, now);
            },
            [&](const CompletionRecord& r) {
                done += r.bytes_completed / kBlock;
                now = r.values[1];
            });
        // Stripped, all of it is checked against the tags of the beginning.
        done = 0;
        now = tags;
        h.make_holes(kOther, std::uint64_t{blocks} * kWhole);
        h.make_holes(kDestination, wanted.size());
        h.run(
            [&] {
                return DescriptorBuilder(Opcode::DifStrip)
                    .from(kOther + std::uint64_t{done} * kWhole)
                    .to(kDestination + std::uint64_t{done} * kBlock)
                    .size((blocks - done) * kWhole)
                    .with(specific::kDifSourceTags, 8, now);
            },
            [&](const CompletionRecord& r) {
                done += r.bytes_completed / kWhole;
                now = r.values[0];
            });
        CHECK(h.get(kDestination, wanted.size()) == wanted);
    });
}
