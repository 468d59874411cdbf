// Builds what a remapping unit reads from memory: page tables, root, context and PASID entries. It
// takes pages from a region of memory, in order, and writes real entries through a CPU, as a
// driver does; it remembers where it put them.
//
// First-stage tables inside a guest ("inside" a second-stage table) lie at guest addresses equal to
// their host addresses: each page is mapped so in the second stage when it is taken.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "models/platform/bare_step.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {

class BareBuilder {
public:
    // The region that tables come from.
    void use(std::uint64_t base, std::uint64_t bytes) {
        next_ = base;
        end_ = base + bytes;
    }
    // One or more pages of zeros, naturally aligned; 0: the region is used up.
    std::uint64_t take(ExecContext& ctx, std::uint64_t pages = 1);

    // Each returns what is wrong; empty: done.
    std::string page_table(ExecContext& ctx, const BareStep& step);
    std::string map(ExecContext& ctx, const BareStep& step);
    std::string unmap(ExecContext& ctx, const BareStep& step);
    std::string root_table(ExecContext& ctx, const BareStep& step, const std::string& unit);
    std::string context(ExecContext& ctx, const BareStep& step, const std::string& unit);
    std::string pasid_directory(ExecContext& ctx, const BareStep& step);
    std::string pasid_entry(ExecContext& ctx, const BareStep& step);
    // The address of an entry of a page table; 0: the tables above it are not there.
    std::uint64_t entry_address(ExecContext& ctx, const std::string& table, std::uint64_t address,
                                unsigned level) const;

    bool has_root(const std::string& unit) const { return roots_.count(unit) != 0; }
    bool scalable(const std::string& unit) const { return roots_.at(unit).scalable; }
    // The value of RTADDR.
    std::uint64_t root_register(const std::string& unit) const;

private:
    struct Table {
        bool first_stage = true;
        unsigned levels = 4;
        std::uint64_t root = 0;
        std::string inside;
    };
    struct Root {
        std::uint64_t address = 0;
        bool scalable = true;
        std::map<std::uint32_t, std::uint64_t> context_tables;  // by bus and half
    };
    struct Directory {
        std::uint64_t address = 0;
        std::uint8_t size = 0;                          // PDTS
        std::map<std::uint32_t, std::uint64_t> tables;  // by PASID[19:6]
    };

    std::uint64_t take_table(ExecContext& ctx, const Table& table);
    bool put(ExecContext& ctx, const Table& table, std::uint64_t address, unsigned level,
             std::uint64_t value);
    std::uint64_t next_table(ExecContext& ctx, const Table& table, std::uint64_t entry);
    std::uint64_t context_table(ExecContext& ctx, Root& root, Rid rid);
    std::string legacy_context(ExecContext& ctx, const BareStep& step, std::uint64_t table,
                               Rid rid);
    std::string scalable_context(ExecContext& ctx, const BareStep& step, std::uint64_t table,
                                 Rid rid);
    static void write(ExecContext& ctx, std::uint64_t address, std::vector<std::uint64_t> words,
                      const BareStep& step);

    std::uint64_t next_ = 0x100'0000;  // 16 MiB to 32 MiB unless a step says otherwise
    std::uint64_t end_ = 0x200'0000;
    std::map<std::string, Table> tables_;
    std::map<std::string, Root> roots_;               // by unit
    std::map<std::uint16_t, Directory> directories_;  // by requester id
};

}  // namespace ioasim::platform
