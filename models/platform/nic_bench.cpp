#include "models/platform/nic_bench.hpp"

#include <algorithm>
#include <array>

#include "core/base/check.hpp"
#include "models/requester/requester_layout.hpp"

namespace ioasim::platform {
namespace {

namespace reg = requester::reg;
namespace traffic = requester::traffic;

constexpr const char* kTable = "io";
constexpr std::uint64_t kTablesBase = 0x100'0000;
constexpr std::uint64_t kTablesBytes = 0x4000'0000;
constexpr TimePs kGlance{5'000'000};  // between looks at a status register

}  // namespace

NicBench::NicBench(Harness& harness, unsigned levels)
    : harness_(harness),
      ctx_(harness.ctx),
      experiment_(harness.series.front()),
      levels_(levels),
      nic_(harness.world.units.at(kNic)),
      builder_(harness.world.is_memory, harness.world.is_poisoned),
      unit_(harness.world.units.at(kUnit).registers, builder_, kUnit) {
    builder_.use(kTablesBase, kTablesBytes);
}

void NicBench::begin() {
    if (experiment_.iommu) {
        must(builder_.page_table(ctx_, step_of(BareKind::PageTable, {{"levels", levels_}},
                                               {{"", kTable}, {"stage", "second"}})),
             "page table");
        must(builder_.root_table(ctx_, step_of(BareKind::RootTable, {}, {{"", "scalable"}}), kUnit),
             "root table");
        must(builder_.context(ctx_, step_of(BareKind::Context, {{"", nic_.rid.value()}}), kUnit),
             "context entry");
        must(
            builder_.pasid_entry(
                ctx_, step_of(BareKind::PasidEntry,
                              {{"", 0}, {"by", nic_.rid.value()}, {"did", 1}, {"snooped_walks", 1}},
                              {{"second", kTable}})),
            "PASID entry");
    }
}

void NicBench::map(std::uint64_t iova, std::uint64_t to, std::uint64_t bytes, std::uint64_t page) {
    must(builder_.map(ctx_, step_of(BareKind::Map,
                                    {{"address", iova},
                                     {"to", to},
                                     {"size", (bytes + page - 1) / page * page},
                                     {"page", page}},
                                    {{"", kTable}})),
         "mapping");
}

void NicBench::unmap(std::uint64_t iova, std::uint64_t bytes, std::uint64_t page) {
    must(
        builder_.unmap(
            ctx_,
            step_of(BareKind::Unmap,
                    {{"address", iova}, {"size", (bytes + page - 1) / page * page}, {"page", page}},
                    {{"", kTable}})),
        "removing a mapping");
}

void NicBench::enable() {
    if (experiment_.iommu) {
        must(unit_.enable(ctx_, step_of(BareKind::Enable, {})), "the remapping unit");
    }
}

void NicBench::set(std::uint32_t offset, std::uint64_t value, unsigned size) {
    ctx_.mmio_write(nic_.registers + offset, value, size);
}

std::uint64_t NicBench::get(std::uint32_t offset, unsigned size) {
    return ctx_.mmio_read(nic_.registers + offset, size);
}

void NicBench::window(std::uint64_t base, std::uint64_t bytes) {
    set(reg::kTrafficBase, base, 8);
    set(reg::kTrafficWindow, bytes, 8);
}

bool NicBench::go(std::uint64_t blocks, std::uint64_t ignored) {
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

void NicBench::read_journal(std::vector<TimePs>& samples) {
    const std::uint64_t entries = get(reg::kTrafficJournaled);
    for (std::uint32_t i = 0; i < entries; i += 2) {
        const std::uint64_t pair = get(reg::kJournal + 4 * i, 8);
        samples.push_back(TimePs{pair & 0xFFFF'FFFFU});
        if (i + 1 < entries) {
            samples.push_back(TimePs{pair >> 32U});
        }
    }
}

void NicBench::prepare_buffers(std::uint64_t base, std::uint64_t bytes) {
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

}  // namespace ioasim::platform
