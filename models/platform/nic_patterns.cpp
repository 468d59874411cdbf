#include "models/platform/nic_patterns.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "models/platform/nic_bench.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

namespace reg = requester::reg;
namespace traffic = requester::traffic;

constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20U;
constexpr std::uint64_t kLine = NicBench::kLine;
// Results of random reads change by less than 0.5 % beyond.
constexpr std::uint64_t kEnoughSamples = 4 * requester::kJournalEntries;
constexpr std::uint64_t kEnoughForRate = 50'000;
constexpr std::uint64_t kSettling = 1'000;
constexpr std::uint64_t kStreamBlocks = 2'000;
constexpr std::uint64_t kStreamSettling = 1'000;  // more than the unit holds
constexpr std::uint64_t kSeed = 20180820;
constexpr unsigned kMostLevels = 5;
constexpr const char* kUnit = NicBench::kUnit;
constexpr const char* kNic = NicBench::kNic;
constexpr std::uint64_t kDataBase = NicBench::kDataBase;
constexpr std::uint64_t kWindowIova = NicBench::kWindowIova;

void count(NicBench& bench, Measurement& m, std::uint64_t bytes) {
    m.operations = bench.get(reg::kTrafficEnded) - bench.get(reg::kTrafficIgnored);
    m.bytes = m.operations * bytes;
    m.elapsed = TimePs{bench.get(reg::kTrafficElapsed, 8)};
}

}  // namespace

PlatformConfig nic_platform(const Experiment& e) {
    PlatformConfig config;
    config.cpus = 1;
    config.iommus.push_back({kUnit, 0});
    DeviceConfig nic;
    nic.name = kNic;
    nic.kind = DeviceKind::Requester;
    nic.iommu = kUnit;
    config.devices.push_back(nic);
    if (e.ddio_bytes) {
        config.params.push_back({"memory", "llc.device_bytes", *e.ddio_bytes / kLine * kLine});
    }
    unsigned generation = 0;
    unsigned width = 0;
    if (std::sscanf(e.link.c_str(), "pcie_gen%u_x%u", &generation, &width) == 2) {
        config.params.push_back({kNic, "link.generation", generation});
        config.params.push_back({kNic, "link.width", width});
    }
    if (e.pattern == "dma_stream") {
        config.params.push_back({kUnit, "walkers", e.outstanding_walks});
        config.params.push_back({kUnit, "second_stage_cache.entries", e.outstanding_walks});
        config.params.push_back({kUnit, "second_stage_cache.ways", e.outstanding_walks});
        if (e.link.empty()) {
            // An adapter of 100 Gbit/s.
            config.params.push_back({kNic, "link.width", 16});
        }
    }
    return config;
}

std::uint64_t most_walk_reads(std::uint64_t block_bytes) {
    return kMostLevels + (block_bytes + kPageSize - 1) / kPageSize - 1;
}

std::uint64_t most_block_bytes() {
    return requester::kMaxLength;
}

void run_dma_read(Harness& harness) {
    const Experiment& e = harness.series.front();
    Measurement& m = harness.results.front();
    const std::uint64_t window = std::max(e.window_bytes, e.read_bytes);
    NicBench bench(harness, 4);
    bench.begin();
    const std::uint64_t base = e.iommu ? kWindowIova : kDataBase;
    if (e.iommu) {
        bench.map(base, kDataBase, window, e.page_size);
    }
    bench.enable();
    bench.prepare_buffers(base, window);
    bench.window(base, window);
    bench.set(reg::kTrafficSeed, kSeed, 8);
    bench.set(reg::kTrafficBlock, static_cast<std::uint32_t>(e.read_bytes));
    bench.set(reg::kTrafficOutstanding, e.outstanding_max ? 0 : e.outstanding);
    const auto order = e.random ? traffic::Order::Random : traffic::Order::Sequential;
    const bool write = e.direction == DmaDirection::Write;
    bench.set(reg::kTrafficControl, static_cast<std::uint32_t>(order) << traffic::kOrderShift |
                                        (e.path == DmaPath::DmaEngine ? traffic::kEngine : 0) |
                                        (write ? traffic::kWrite : 0));
    const bool one = !e.outstanding_max && e.outstanding == 1;
    const std::uint64_t wanted =
        std::max<std::uint64_t>(std::min(e.iterations, one ? kEnoughSamples : kEnoughForRate), 20);
    for (std::uint64_t done = 0; done < wanted && m.problem.empty();) {
        const std::uint64_t part =
            one ? std::min<std::uint64_t>(wanted - done, requester::kJournalEntries) : wanted;
        bench.set(reg::kTrafficSeed, kSeed + done, 8);
        if (!bench.go(part, done == 0 ? std::min(kSettling, wanted) : 0)) {
            m.problem = "reads of the adapter failed";
        }
        bench.read_journal(m.samples);
        done += part;
    }
    count(bench, m, e.read_bytes);
}

namespace {

// One walker's part of a stream: who walks meanwhile has other tables below the root, and another
// entry of the caches.
struct StreamLane {
    std::array<std::uint64_t, kMostLevels + 1> index{};  // of each level
    std::map<std::uint64_t, std::uint64_t> next;         // page, by region
    std::uint64_t page = 0;
    std::uint64_t sum = 0;
    bool began = false;
};

}  // namespace

StreamAddresses stream_addresses(std::uint64_t reads_milli, std::uint64_t block_bytes,
                                 std::uint64_t walkers) {
    constexpr std::uint64_t kBlocks = 1000;
    constexpr std::uint64_t kPages = kLargePage / kPageSize;
    const std::uint64_t pages = (block_bytes + kPageSize - 1) / kPageSize;
    StreamAddresses s;
    const std::uint64_t most = (reads_milli + 999) / 1000;
    if (most > most_walk_reads(block_bytes)) {
        return s;
    }
    s.levels = most > 4 + pages - 1 ? kMostLevels : 4;
    std::vector<StreamLane> lanes(walkers);
    for (std::uint64_t i = 0; i < walkers; ++i) {
        lanes[i].index.at(s.levels) = 2 * i;
    }
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
        StreamLane& lane = lanes[i % walkers];
        const std::uint64_t before = lane.sum / 1000;
        lane.sum += reads_milli;
        const std::uint64_t reads = lane.sum / 1000 - before;
        // Each further page of a block costs a read of its own.
        const std::uint64_t first = reads < pages - 1 ? 0 : reads - (pages - 1);
        if (first > 1) {
            lane.index.at(first) ^= 1U;
        }
        std::uint64_t region = 0;
        for (unsigned level = 2; level <= s.levels; ++level) {
            region |= lane.index.at(level) << (12U + 9U * (level - 1));
        }
        if (first != 0 || !lane.began) {
            const std::uint64_t at = lane.next[region];
            lane.page = at + pages > kPages ? 0 : at;
            lane.next[region] = lane.page + pages;
            lane.began = true;
        }
        s.blocks.push_back(region + lane.page * kPageSize);
        if (std::find(s.regions.begin(), s.regions.end(), region) == s.regions.end()) {
            s.regions.push_back(region);
        }
    }
    return s;
}

void run_dma_stream(Harness& harness) {
    const Experiment& e = harness.series.front();
    Measurement& m = harness.results.front();
    const StreamAddresses s =
        stream_addresses(e.iommu ? e.walk_reads_milli : 1000, e.block_bytes, e.outstanding_walks);
    if (s.blocks.empty()) {
        m.problem = fmt::format("no table costs {}.{:03} reads a block", e.walk_reads_milli / 1000,
                                e.walk_reads_milli % 1000);
        return;
    }
    NicBench bench(harness, s.levels);
    bench.begin();
    for (const std::uint64_t region : s.regions) {
        if (e.iommu) {
            bench.map(region, kDataBase, kLargePage, kPageSize);
        }
    }
    bench.enable();
    for (std::size_t i = 0; i < s.blocks.size(); ++i) {
        const std::uint64_t address = e.iommu ? s.blocks[i] : kDataBase + s.blocks[i] % kLargePage;
        bench.set(static_cast<std::uint32_t>(reg::kData + 8 * i), address, 8);
    }
    bench.set(reg::kTrafficListed, s.blocks.size());
    bench.set(reg::kTrafficBlock, e.block_bytes);
    bench.set(reg::kTrafficOutstanding, 0);
    bench.set(reg::kTrafficControl, static_cast<std::uint32_t>(traffic::Order::List)
                                            << traffic::kOrderShift |
                                        (e.direction == DmaDirection::Write ? traffic::kWrite : 0));
    const std::uint64_t blocks = std::max<std::uint64_t>(std::min(e.iterations, kStreamBlocks), 20);
    if (!bench.go(blocks, kStreamSettling)) {
        m.problem = "the adapter's requests failed";
    }
    count(bench, m, e.block_bytes);
    m.count = blocks;
}

}  // namespace ioasim::platform
