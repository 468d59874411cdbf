#include "models/platform/nic_patterns.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "core/base/check.hpp"
#include "models/platform/bare_driver.hpp"
#include "models/platform/bare_program.hpp"
#include "models/platform/harness_space.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

namespace reg = requester::reg;
namespace traffic = requester::traffic;

constexpr const char* kUnit = "iommu0";
constexpr const char* kNic = "nic0";
constexpr const char* kTable = "io";
constexpr std::uint64_t kTablesBase = 0x100'0000;
constexpr std::uint64_t kTablesBytes = 0x4000'0000;
constexpr std::uint64_t kDataBase = std::uint64_t{1} << 32U;  // physical
constexpr std::uint64_t kWindowIova = std::uint64_t{1} << 38U;
constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20U;
constexpr std::uint64_t kLine = 64;
// Results of random reads change by less than 0.5 % beyond.
constexpr std::uint64_t kEnoughSamples = 4 * requester::kJournalEntries;
constexpr std::uint64_t kEnoughForRate = 50'000;
constexpr std::uint64_t kSettling = 1'000;
constexpr std::uint64_t kStreamBlocks = 2'000;
constexpr std::uint64_t kStreamSettling = 1'000;  // more than the unit holds
constexpr std::uint64_t kSeed = 20180820;
constexpr TimePs kGlance{5'000'000};  // between looks at a status register
constexpr unsigned kMostLevels = 5;

// The software of an adapter's benchmark: tables, the unit, the adapter's registers.
class NicBench {
public:
    NicBench(Harness& harness, unsigned levels)
        : harness_(harness),
          ctx_(harness.ctx),
          experiment_(harness.series.front()),
          levels_(levels),
          nic_(harness.world.units.at(kNic)),
          builder_(harness.world.is_memory, harness.world.is_poisoned),
          unit_(harness.world.units.at(kUnit).registers, builder_, kUnit) {
        builder_.use(kTablesBase, kTablesBytes);
    }

    void begin() {
        if (experiment_.iommu) {
            must(builder_.page_table(ctx_, step_of(BareKind::PageTable, {{"levels", levels_}},
                                                   {{"", kTable}, {"stage", "second"}})),
                 "page table");
            must(builder_.root_table(ctx_, step_of(BareKind::RootTable, {}, {{"", "scalable"}}),
                                     kUnit),
                 "root table");
            must(
                builder_.context(ctx_, step_of(BareKind::Context, {{"", nic_.rid.value()}}), kUnit),
                "context entry");
            const BareStep entry =
                step_of(BareKind::PasidEntry,
                        {{"", 0}, {"by", nic_.rid.value()}, {"did", 1}, {"snooped_walks", 1}},
                        {{"second", kTable}});
            must(builder_.pasid_entry(ctx_, entry), "PASID entry");
        }
    }
    // What devices call `iova` lies at `to`.
    void map(std::uint64_t iova, std::uint64_t to, std::uint64_t bytes, std::uint64_t page) {
        must(builder_.map(ctx_, step_of(BareKind::Map,
                                        {{"address", iova},
                                         {"to", to},
                                         {"size", (bytes + page - 1) / page * page},
                                         {"page", page}},
                                        {{"", kTable}})),
             "mapping");
    }
    void enable() {
        if (experiment_.iommu) {
            must(unit_.enable(ctx_, step_of(BareKind::Enable, {})), "the remapping unit");
        }
    }

    void set(std::uint32_t offset, std::uint64_t value, unsigned size = 4) {
        ctx_.mmio_write(nic_.registers + offset, value, size);
    }
    std::uint64_t get(std::uint32_t offset, unsigned size = 4) {
        return ctx_.mmio_read(nic_.registers + offset, size);
    }
    void window(std::uint64_t base, std::uint64_t bytes) {
        set(reg::kTrafficBase, base, 8);
        set(reg::kTrafficWindow, bytes, 8);
    }
    // Until it ends; false: requests failed.
    bool go(std::uint64_t blocks, std::uint64_t ignored) {
        set(reg::kTrafficCount, blocks);
        set(reg::kTrafficIgnored, ignored);
        set(reg::kTrafficGo, 1);
        std::uint64_t status = 0;
        do {
            ctx_.spend(kGlance);
            status = get(reg::kTrafficStatus);
        } while (requester::state_of(status) == requester::State::Busy);
        return requester::outcome_of(status) == requester::Outcome::Ok;
    }
    void read_journal(std::vector<TimePs>& samples) {
        const std::uint64_t entries = get(reg::kTrafficJournaled);
        for (std::uint32_t i = 0; i < entries; i += 2) {
            const std::uint64_t pair = get(reg::kJournal + 4 * i, 8);
            samples.push_back(TimePs{pair & 0xFFFF'FFFFU});
            if (i + 1 < entries) {
                samples.push_back(TimePs{pair >> 32U});
            }
        }
    }

    // Brings the window into the state that the experiment begins with.
    void prepare_buffers(std::uint64_t base, std::uint64_t bytes) {
        const bool by_cpu = experiment_.buffers == BufferState::Warm;
        std::array<std::uint8_t, kPageSize> page{};
        for (std::uint64_t at = 0; by_cpu && at < bytes; at += page.size()) {
            ctx_.read_bytes(kDataBase + at, page.data(),
                            std::min<std::uint64_t>(page.size(), bytes - at));
        }
        for (std::uint64_t at = 0; experiment_.buffers == BufferState::Flushed && at < bytes;
             at += kLine) {
            harness_.world.cpus->clflushopt(ctx_, Hpa{kDataBase + at});
        }
        if (experiment_.buffers == BufferState::DeviceWarm) {
            const auto block = static_cast<std::uint32_t>(std::min(bytes, kPageSize));
            window(base, bytes);
            set(reg::kTrafficBlock, block);
            set(reg::kTrafficOutstanding, 1);
            set(reg::kTrafficControl, traffic::kWrite);
            SIM_CHECK(go((bytes + block - 1) / block, 0), "the adapter cannot write its window");
        }
    }

private:
    Harness& harness_;
    ExecContext& ctx_;
    const Experiment& experiment_;
    unsigned levels_;
    const BareUnit& nic_;
    BareBuilder builder_;
    BareDriver unit_;
};

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
    if (e.ddio_bytes != 0) {
        config.params.push_back({"memory", "llc.device_bytes", e.ddio_bytes / kLine * kLine});
    }
    unsigned generation = 0;
    unsigned width = 0;
    if (std::sscanf(e.link.c_str(), "pcie_gen%u_x%u", &generation, &width) == 2) {
        config.params.push_back({kNic, "link.generation", generation});
        config.params.push_back({kNic, "link.width", width});
    }
    if (e.pattern == "dma_stream") {
        config.params.push_back({kUnit, "walkers", e.outstanding_walks});
        config.params.push_back({kUnit, "second_stage_cache.entries", 1});
        config.params.push_back({kUnit, "second_stage_cache.ways", 1});
        if (e.link.empty()) {
            // An adapter of 100 Gbit/s.
            config.params.push_back({kNic, "link.width", 16});
        }
    }
    return config;
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

StreamAddresses stream_addresses(std::uint64_t reads_milli, std::uint64_t block_bytes) {
    constexpr std::uint64_t kBlocks = 1000;
    constexpr std::uint64_t kPages = kLargePage / kPageSize;
    const std::uint64_t pages = (block_bytes + kPageSize - 1) / kPageSize;
    StreamAddresses s;
    const std::uint64_t most = (reads_milli + 999) / 1000;
    if (most > kMostLevels + pages - 1) {
        return s;
    }
    s.levels = most > 4 + pages - 1 ? kMostLevels : 4;
    std::array<std::uint64_t, kMostLevels + 1> index{};  // of each level, 0 or 1
    std::map<std::uint64_t, std::uint64_t> next;         // page, by region
    std::uint64_t page = 0;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
        const std::uint64_t before = sum / 1000;
        sum += reads_milli;
        const std::uint64_t reads = sum / 1000 - before;
        // Each further page of a block costs a read of its own.
        const std::uint64_t first = reads < pages - 1 ? 0 : reads - (pages - 1);
        if (first > 1) {
            index.at(first) ^= 1U;
        }
        std::uint64_t region = 0;
        for (unsigned level = 2; level <= s.levels; ++level) {
            region |= index.at(level) << (12U + 9U * (level - 1));
        }
        if (first != 0 || i == 0) {
            const std::uint64_t at = next[region];
            page = at + pages > kPages ? 0 : at;
            next[region] = page + pages;
        }
        s.blocks.push_back(region + page * kPageSize);
        if (std::find(s.regions.begin(), s.regions.end(), region) == s.regions.end()) {
            s.regions.push_back(region);
        }
    }
    return s;
}

void run_dma_stream(Harness& harness) {
    const Experiment& e = harness.series.front();
    Measurement& m = harness.results.front();
    const StreamAddresses s = stream_addresses(e.iommu ? e.walk_reads_milli : 1000, e.block_bytes);
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
