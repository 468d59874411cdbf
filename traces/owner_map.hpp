// Who owns which host addresses: ranges from memory.owner events, with a small cache of recent
// answers.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace ioasim::traces {

// Who owns which host addresses.
class OwnerMap {
public:
    static constexpr std::uint32_t kNobody = 0;

    void assign(std::uint64_t address, std::uint64_t bytes, std::uint32_t owner) {
        if (bytes == 0) {
            return;
        }
        split(address);
        split(address + bytes);
        ranges_.erase(ranges_.lower_bound(address), ranges_.lower_bound(address + bytes));
        ranges_[address] = {address + bytes, owner};
        ++generation_;
    }
    // The owner of `address` and where its range ends.
    std::pair<std::uint32_t, std::uint64_t> find(std::uint64_t address) {
        Recent& recent = recent_[(address >> 12U) % recent_.size()];
        if (recent.generation != generation_ || address < recent.start || address >= recent.end) {
            recent = look_up(address);
        }
        return {recent.owner, recent.end};
    }

private:
    struct Range {
        std::uint64_t end = 0;
        std::uint32_t owner = kNobody;
    };
    struct Recent {
        std::uint64_t start = 0;
        std::uint64_t end = 0;
        std::uint64_t generation = 0;
        std::uint32_t owner = kNobody;
    };
    void split(std::uint64_t at) {
        auto after = ranges_.lower_bound(at);
        if (after == ranges_.begin()) {
            return;
        }
        auto before = std::prev(after);
        if (before->first < at && before->second.end > at) {
            ranges_[at] = before->second;
            before->second.end = at;
        }
    }
    Recent look_up(std::uint64_t address) const {
        const auto after = ranges_.upper_bound(address);
        const std::uint64_t next = after == ranges_.end() ? ~std::uint64_t{0} : after->first;
        if (after != ranges_.begin()) {
            const auto range = std::prev(after);
            if (range->second.end > address) {
                return {range->first, range->second.end, generation_, range->second.owner};
            }
        }
        return {address, next, generation_, kNobody};
    }
    std::map<std::uint64_t, Range> ranges_;
    std::array<Recent, 512> recent_{};
    std::uint64_t generation_ = 1;
};

}  // namespace ioasim::traces
