#include "models/platform/harness_space.hpp"

#include <algorithm>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim::platform {
namespace {

constexpr std::uint64_t kLargePage = std::uint64_t{2} << 20U;
// Where user memory lies: canonical, and nothing like a physical address.
constexpr std::uint64_t kUserOffset = 0x7000'0000'0000;

}  // namespace

BareStep step_of(BareKind kind, std::map<std::string, std::uint64_t> numbers,
                 std::map<std::string, std::string> names) {
    BareStep step;
    step.kind = kind;
    step.numbers = std::move(numbers);
    step.names = std::move(names);
    return step;
}

void must(const BareResult& result, const char* what) {
    SIM_CHECK(result.ok(), "{}: {} instead of {}", what, result.found, result.expected);
}

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

std::uint64_t HarnessSpace::whole(std::uint64_t bytes) const {
    return (bytes + page_size_ - 1) / page_size_ * page_size_;
}

std::uint64_t HarnessSpace::region(ExecContext& ctx, std::uint64_t bytes, HarnessMemory& memory) {
    if (page_size_ <= kLargePage) {
        const std::uint64_t at = memory.take(whole(bytes), page_size_) + offset_;
        map(ctx, at, bytes);
        return at;
    }
    // Regions share the largest pages.
    Rest& rest = rests_[&memory];
    const std::uint64_t wanted = (bytes + kPageSize - 1) / kPageSize * kPageSize;
    if (rest.bytes < wanted) {
        rest = {memory.take(whole(wanted), page_size_) + offset_, whole(wanted)};
        map(ctx, rest.at, rest.bytes);
    }
    const std::uint64_t at = rest.at;
    rest = {at + wanted, rest.bytes - wanted};
    return at;
}

std::uint64_t HarnessSpace::reserve(std::uint64_t bytes, std::uint64_t alignment) {
    return memory_.take(whole(bytes), std::max(page_size_, alignment)) + offset_;
}

void HarnessSpace::map(ExecContext& ctx, std::uint64_t address, std::uint64_t bytes) {
    for (const std::string& table : {guest_, table_}) {
        if (!table.empty()) {
            // Touched before: no walk has to set its accessed and dirty flags.
            must(builder_.map(ctx,
                              step_of(BareKind::Map,
                                      {{"address", table == guest_ ? physical(address) : address},
                                       {"to", physical(address)},
                                       {"size", whole(bytes)},
                                       {"page", page_size_},
                                       {"accessed", 1},
                                       {"dirty", 1}},
                                      {{"", table}})),
                 "mapping");
        }
    }
}

void HarnessSpace::unmap(ExecContext& ctx, std::uint64_t address, std::uint64_t bytes) {
    must(builder_.unmap(
             ctx, step_of(BareKind::Unmap,
                          {{"address", address}, {"size", whole(bytes)}, {"page", page_size_}},
                          {{"", table_}})),
         "removing a mapping");
}

}  // namespace ioasim::platform
