#include "models/platform/harness_space.hpp"

#include <utility>

#include "core/base/check.hpp"

namespace ioasim::platform {
namespace {

// Where user memory lies: canonical, and nothing like a physical address.
constexpr std::uint64_t kUserOffset = 0x7000'0000'0000;

BareStep map_step(const std::string& table, std::uint64_t address, std::uint64_t to,
                  std::uint64_t bytes, std::uint64_t page) {
    BareStep step;
    step.kind = BareKind::Map;
    step.names[""] = table;
    // Touched before: no walk has to set its accessed and dirty flags.
    step.numbers = {{"address", address}, {"to", to},      {"size", bytes},
                    {"page", page},       {"accessed", 1}, {"dirty", 1}};
    return step;
}

}  // namespace

std::uint64_t HarnessMemory::take(std::uint64_t bytes, std::uint64_t alignment) {
    const std::uint64_t at = (next_ + alignment - 1) / alignment * alignment;
    SIM_CHECK(at + bytes <= end_, "the experiment needs more memory than the platform has");
    next_ = at + bytes;
    return at;
}

HarnessSpace::HarnessSpace(BareBuilder& builder, HarnessMemory& memory, std::string table,
                           std::string guest, Pasid pasid, std::uint64_t page_size)
    : builder_(builder),
      memory_(memory),
      table_(std::move(table)),
      guest_(std::move(guest)),
      pasid_(pasid),
      page_size_(page_size),
      offset_(table_.empty() ? 0 : kUserOffset) {}

std::uint64_t HarnessSpace::region(ExecContext& ctx, std::uint64_t bytes, HarnessMemory& memory) {
    const std::uint64_t whole = (bytes + page_size_ - 1) / page_size_ * page_size_;
    const std::uint64_t at = memory.take(whole, page_size_);
    for (const std::string& table : {guest_, table_}) {
        if (!table.empty()) {
            const std::uint64_t address = table == guest_ ? at : at + offset_;
            const BareResult mapped =
                builder_.map(ctx, map_step(table, address, at, whole, page_size_));
            SIM_CHECK(mapped.ok(), "cannot map {} bytes: {}", whole, mapped.found);
        }
    }
    return at + offset_;
}

}  // namespace ioasim::platform
