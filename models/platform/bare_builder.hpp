// Builds what a remapping unit reads from memory: page tables, root, context and PASID entries. It
// takes pages from a region of memory, in order, and writes real entries through a CPU, as a
// driver does; it remembers where it put them.
//
// First-stage tables inside a guest ("inside" a second-stage table) lie at guest addresses equal to
// their host addresses: each page is mapped so in the second stage when it is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/platform/bare_step.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::platform {

// How a part of a step ended: what was wanted, and what was there instead.
struct BareResult {
    Errno error = Errno::Ok;
    std::string expected;
    std::string found;
    std::uint64_t value = 0;
    bool ok() const { return error == Errno::Ok; }
};

class BareBuilder {
public:
    using Ask = std::function<bool(std::uint64_t address, std::uint64_t bytes)>;
    // Tables are only read and written where there is memory, and not believed where it is
    // poisoned.
    explicit BareBuilder(Ask is_memory = {}, Ask is_poisoned = {})
        : is_memory_(std::move(is_memory)), is_poisoned_(std::move(is_poisoned)) {}

    // The region that tables come from. Page 0 is not given out.
    void use(std::uint64_t base, std::uint64_t bytes);
    // One or more pages of zeros, naturally aligned; 0: problem() says why there are none.
    std::uint64_t take(ExecContext& ctx, std::uint64_t pages = 1);
    // Of what returned 0 last.
    const BareResult& problem() const { return problem_; }

    BareResult page_table(ExecContext& ctx, const BareStep& step);
    BareResult map(ExecContext& ctx, const BareStep& step);
    BareResult unmap(ExecContext& ctx, const BareStep& step);
    BareResult root_table(ExecContext& ctx, const BareStep& step, const std::string& unit);
    BareResult context(ExecContext& ctx, const BareStep& step, const std::string& unit);
    BareResult pasid_directory(ExecContext& ctx, const BareStep& step);
    BareResult pasid_entry(ExecContext& ctx, const BareStep& step);
    // The address of an entry of a page table; 0: problem() says what is not there.
    std::uint64_t entry_address(ExecContext& ctx, const std::string& table, std::uint64_t address,
                                unsigned level);

    // Where a page table begins.
    std::uint64_t root_of(const std::string& table) const { return tables_.at(table).root; }
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

    std::uint64_t fail(Errno error, std::string found);
    bool memory_at(std::uint64_t address, std::uint64_t bytes);
    // An entry of a table; nothing: problem() says why.
    std::optional<std::uint64_t> load(ExecContext& ctx, std::uint64_t address);
    bool store(ExecContext& ctx, std::uint64_t address, std::uint64_t value);
    const Table* table_of(const std::string& name);
    bool in_reach(const Table& table, std::uint64_t address, std::uint64_t size);
    // The table that an entry of this level points to; 0 without a problem: none.
    std::uint64_t below(const Table& table, std::uint64_t value, unsigned level, Errno large);
    // The PASID table that holds this PASID's entry; makes it where there is none.
    std::uint64_t pasid_table(ExecContext& ctx, const BareStep& step, Directory*& directory,
                              bool& fresh);
    BareResult write_pasid_entry(ExecContext& ctx, const BareStep& step, std::uint64_t at);
    std::uint64_t take_table(ExecContext& ctx, const Table& table);
    bool put(ExecContext& ctx, const Table& table, std::uint64_t address, unsigned level,
             std::uint64_t value);
    std::uint64_t next_table(ExecContext& ctx, const Table& table, std::uint64_t entry,
                             unsigned level);
    std::uint64_t context_table(ExecContext& ctx, Root& root, Rid rid);
    BareResult legacy_context(ExecContext& ctx, const BareStep& step, std::uint64_t table, Rid rid);
    BareResult scalable_context(ExecContext& ctx, const BareStep& step, std::uint64_t table,
                                Rid rid);
    BareResult write(ExecContext& ctx, std::uint64_t address, std::vector<std::uint64_t> words,
                     const BareStep& step);

    std::uint64_t next_ = 0x100'0000;  // 16 MiB to 32 MiB unless a step says otherwise
    std::uint64_t end_ = 0x200'0000;
    std::map<std::string, Table> tables_;
    std::map<std::string, Root> roots_;               // by unit
    std::map<std::uint16_t, Directory> directories_;  // by requester id
    Ask is_memory_;
    Ask is_poisoned_;
    BareResult problem_;
};

}  // namespace ioasim::platform
