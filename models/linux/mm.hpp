// The address space of a process: 4-level x86 page tables in simulated memory, written by stores
// and walked by loads, with a TLB in front of the walk. Buffers are anonymous memory, populated at
// once; device pages are mapped as they are. Mappings live until the address space ends, so a PASID
// bound to it never outlives a page; pinned pages outlive them. Leaves out: unmapping of buffers,
// copy on write, swapping, huge pages, ASLR.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"

namespace ioasim::os {

class Kernel;

class Mm {
public:
    struct Mapping {
        std::uint64_t address = 0;  // virtual
        std::uint64_t bytes = 0;
        bool device = false;
        std::vector<std::uint64_t> pages;  // machine physical, one per 4 KiB
    };

    // `owner` is the address space's name in ownership events ("host/app"); `token` its identity
    // for IOASID sets.
    Mm(Kernel& kernel, std::string owner, std::uint64_t token);

    Errno create(ExecContext& ctx);
    // Unmaps everything and gives the pages back.
    void destroy(ExecContext& ctx);

    Result<std::uint64_t> map_anonymous(ExecContext& ctx, std::uint64_t bytes);
    Result<std::uint64_t> map_device(ExecContext& ctx, std::uint64_t machine_address,
                                     std::uint64_t bytes);
    // Takes the pages of a device mapping away from the process (zap); accesses fault from then on.
    void unmap_device(ExecContext& ctx, std::uint64_t address);

    // What the MMU does for an access of the process; -EFAULT without a mapping or the right.
    Result<std::uint64_t> translate(ExecContext& ctx, std::uint64_t address, bool write);
    Errno read(ExecContext& ctx, std::uint64_t address, void* out, std::size_t bytes);
    Errno write(ExecContext& ctx, std::uint64_t address, const void* in, std::size_t bytes);

    std::uint64_t root() const { return root_; }  // CR3: machine physical
    std::uint64_t token() const { return token_; }
    const std::string& owner() const { return owner_; }
    bool alive() const { return root_ != 0; }
    // The mapping that begins at `address`, or null.
    const Mapping* mapping(std::uint64_t address) const;

private:
    Result<std::uint64_t> next_table(ExecContext& ctx, std::uint64_t entry_address);
    Errno install(ExecContext& ctx, std::uint64_t address, std::uint64_t leaf);
    Result<std::uint64_t> walk(ExecContext& ctx, std::uint64_t address, bool write);
    Result<std::uint64_t> add_mapping(ExecContext& ctx, Mapping mapping, std::uint64_t flags);
    void release_pages(ExecContext& ctx, const Mapping& mapping);
    void free_all(const std::vector<std::uint64_t>& pages);
    void free_tables(ExecContext& ctx, std::uint64_t table, unsigned level);

    Kernel& kernel_;
    std::string owner_;
    std::uint64_t token_;
    std::uint64_t root_ = 0;
    std::uint64_t next_address_;
    std::map<std::uint64_t, Mapping> mappings_;
    // Software picture of the CPU's TLB: virtual page to machine page, writable pages only once
    // walked for a write.
    struct Translation {
        std::uint64_t page = 0;
        bool write = false;
    };
    std::map<std::uint64_t, Translation> tlb_;
};

}  // namespace ioasim::os
