// The address space of a process: 4-level x86 page tables in simulated memory, written by stores
// and walked by loads, with a TLB in front of the walk. Buffers are anonymous memory, populated at
// once, or page by page when the CPU or a device touches them; device pages are mapped as they are.
// A mapping that goes is flushed from secondary TLBs (mmu notifiers) before its pages are freed;
// pinned pages outlive it. A fork shares its pages read-only with the child's until one of them
// writes (copy on write); the devices' translations of the parent are flushed like those of the
// CPU. Leaves out: unmapping parts, swapping, huge pages, ASLR.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Kernel;

class Mm {
public:
    struct Mapping {
        std::uint64_t address = 0;  // virtual
        std::uint64_t bytes = 0;
        bool device = false;
        bool writable = true;
        bool on_storage = false;           // a page that is missing has to be read first
        std::vector<std::uint64_t> pages;  // machine physical, one per 4 KiB; 0: not there yet
    };
    struct Request {
        std::uint64_t bytes = 0;
        bool populate = true;
        bool writable = true;
        bool on_storage = false;
    };
    // What a fault came to (handle_mm_fault); up to Major the page is there.
    enum class Fault : std::uint8_t {
        Present,
        Minor,
        Major,
        NoMapping,
        NoRight,
        NoMemory,
        Exiting
    };
    // Tells the users of a range in other TLBs that its translations went.
    using Invalidate =
        std::function<void(ExecContext& ctx, std::uint64_t address, std::uint64_t bytes)>;

    // `owner` is the address space's name in ownership events ("host/app"); `token` its identity
    // for IOASID sets.
    Mm(Kernel& kernel, std::string owner, std::uint64_t token);
    // Whom to tell; once, before anything is mapped.
    void set_notifier(Invalidate notifier) { notifier_ = std::move(notifier); }

    Errno create(ExecContext& ctx);
    // dup_mmap into this empty address space: pages shared read-only; those that a device has
    // pinned are copied at once, since it goes on writing to the parent's; devices are not mapped
    // (VM_DONTCOPY). Counts pages of both kinds. -ENOMEM.
    struct Copied {
        std::uint64_t shared = 0;
        std::uint64_t copied = 0;
    };
    Errno fork_from(ExecContext& ctx, Mm& parent, Copied& copied);
    // exec: the next address space of the process, empty, is another one for IOASID sets.
    void renew(std::uint64_t token);
    // Unmaps everything and gives the pages back.
    void destroy(ExecContext& ctx);

    Result<std::uint64_t> map_anonymous(ExecContext& ctx, std::uint64_t bytes) {
        Request request;
        request.bytes = bytes;
        return map(ctx, request);
    }
    Result<std::uint64_t> map(ExecContext& ctx, const Request& request);
    Result<std::uint64_t> map_device(ExecContext& ctx, std::uint64_t machine_address,
                                     std::uint64_t bytes);
    // Takes the pages of a device mapping away from the process (zap); accesses fault from then on.
    void unmap_device(ExecContext& ctx, std::uint64_t address);

    // The whole mapping that begins there: entries, then the notifier, then pages. -EINVAL: none.
    Errno unmap(ExecContext& ctx, std::uint64_t address);
    // Makes the page present if the mapping allows the access.
    Fault handle_fault(ExecContext& ctx, std::uint64_t address, bool write, bool execute);

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
    static constexpr std::uint64_t kFirstAddress = 0x7000'0000'0000;
    // As Linux's _PAGE_TABLE and populated user pages: accessed and dirty from the start, so that
    // neither the CPU nor the IOMMU has to update entries.
    static constexpr std::uint64_t kTouched = vtd::fs::kAccessed | vtd::fs::kDirty;

    Result<std::uint64_t> next_table(ExecContext& ctx, std::uint64_t entry_address);
    Fault fault_locked(ExecContext& ctx, std::uint64_t address, bool write, bool execute);
    Mapping* mapping_of(std::uint64_t address);
    Errno install(ExecContext& ctx, std::uint64_t address, std::uint64_t leaf);
    Result<std::uint64_t> walk(ExecContext& ctx, std::uint64_t address, bool write);
    Result<std::uint64_t> add_mapping(ExecContext& ctx, Mapping mapping, std::uint64_t flags);
    void release_pages(ExecContext& ctx, const Mapping& mapping);
    void free_all(const std::vector<std::uint64_t>& pages);
    Result<std::uint64_t> copy_of(ExecContext& ctx, std::uint64_t page);
    Errno inherit(ExecContext& ctx, const Mapping& mapping, Mm& parent, Copied& copied);
    Fault break_sharing(ExecContext& ctx, std::uint64_t address, std::uint64_t& page);
    void free_tables(ExecContext& ctx, std::uint64_t table, unsigned level);

    Kernel& kernel_;
    std::string owner_;
    std::uint64_t token_;
    Invalidate notifier_;
    SimLock lock_;  // mmap_lock
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

const char* name_of(Mm::Fault fault);

}  // namespace ioasim::os
