// An address space of an experiment's software: memory that it has touched, mapped in real tables.
// Addresses that software and devices use differ from physical ones by a constant.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/base/exec_context.hpp"
#include "models/platform/bare_builder.hpp"
#include "models/platform/experiment.hpp"

namespace ioasim::platform {

// What a builder or a driver is asked for, as a step of a bare program says it; and that it was
// done.
BareStep step_of(BareKind kind, std::map<std::string, std::uint64_t> numbers,
                 std::map<std::string, std::string> names = {});
void must(const BareResult& result, const char* what);

// Physical memory, given out in order and never taken back.
class HarnessMemory {
public:
    HarnessMemory(std::uint64_t base, std::uint64_t bytes) : next_(base), end_(base + bytes) {}
    std::uint64_t take(std::uint64_t bytes, std::uint64_t alignment);

private:
    std::uint64_t next_;
    std::uint64_t end_;
};

class HarnessSpace {
public:
    // `table`: the page table that maps it; empty: addresses are physical. `guest`: the second
    // stage under it, where there is one.
    HarnessSpace(BareBuilder& builder, HarnessMemory& memory, std::string table, std::string guest,
                 Pasid pasid, std::uint64_t page_size);

    Pasid pasid() const { return pasid_; }
    // Whole pages, mapped and touched.
    std::uint64_t region(ExecContext& ctx, std::uint64_t bytes) {
        return region(ctx, bytes, memory_);
    }
    std::uint64_t region(ExecContext& ctx, std::uint64_t bytes, HarnessMemory& memory);
    // Addresses of whole pages that nothing is mapped at yet; map() does.
    std::uint64_t reserve(std::uint64_t bytes, std::uint64_t alignment = kPageSize);
    void map(ExecContext& ctx, std::uint64_t address, std::uint64_t bytes);
    void unmap(ExecContext& ctx, std::uint64_t address, std::uint64_t bytes);
    // The page table, as a processor's CR3 has it.
    std::uint64_t root() const { return builder_.root_of(table_); }
    std::uint64_t physical(std::uint64_t address) const { return address - offset_; }
    std::uint64_t page_size() const { return page_size_; }

private:
    std::uint64_t whole(std::uint64_t bytes) const;

    BareBuilder& builder_;
    HarnessMemory& memory_;
    std::string table_;
    std::string guest_;
    Pasid pasid_;
    std::uint64_t page_size_;
    std::uint64_t offset_;
    struct Rest {
        std::uint64_t at = 0;
        std::uint64_t bytes = 0;
    };
    std::map<HarnessMemory*, Rest> rests_;  // of the largest pages, not given out yet
};

}  // namespace ioasim::platform
