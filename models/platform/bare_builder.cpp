#include "models/platform/bare_builder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/base/bits.hpp"

namespace ioasim::platform {
namespace {

// The level whose pages have this size; 0: none has.
unsigned level_of(std::uint64_t page_bytes) {
    for (unsigned level = 1; level <= 3; ++level) {
        if (vtd::level_page_bytes(level) == page_bytes) {
            return level;
        }
    }
    return 0;
}

std::uint8_t address_width_code(unsigned levels) {
    return static_cast<std::uint8_t>(levels - 2);
}

std::uint64_t leaf_of(bool first_stage, const BareStep& step, std::uint64_t page, unsigned level) {
    const std::string access = step.name("access", "rw");
    const bool write = access == "rw" || access == "w";
    const bool read = access == "rw" || access == "r";
    std::uint64_t entry = first_stage
                              ? vtd::fs::leaf(page, write, step.number("user", 1) != 0, level)
                              : vtd::ss::leaf(Hpa{page}, read, write, level);
    if (step.number("accessed") != 0) {
        entry |= first_stage ? vtd::fs::kAccessed : vtd::ss::kAccessed;
    }
    if (step.number("dirty") != 0) {
        entry |= first_stage ? vtd::fs::kDirty : vtd::ss::kDirty;
    }
    if (step.number("snoop") != 0) {
        entry |= vtd::ss::kSnoop;
    }
    return entry | step.number("or");
}

}  // namespace

std::uint64_t BareBuilder::fail(Errno error, std::string found) {
    problem_ = {error, "tables", std::move(found), 0};
    return 0;
}

bool BareBuilder::memory_at(std::uint64_t address, std::uint64_t bytes) {
    const bool there = !is_memory_ || is_memory_(address, bytes);
    return there || fail(Errno::Efault, fmt::format("no memory at {:#x}", address)) != 0;
}

std::optional<std::uint64_t> BareBuilder::load(ExecContext& ctx, std::uint64_t address) {
    if (!memory_at(address, 8)) {
        return {};
    }
    const std::uint64_t value = ctx.load(address, 8);
    if (is_poisoned_ && is_poisoned_(address, 8)) {
        fail(Errno::Efault, fmt::format("poison at {:#x}", address));
        return {};
    }
    return value;
}

bool BareBuilder::store(ExecContext& ctx, std::uint64_t address, std::uint64_t value) {
    if (!memory_at(address, 8)) {
        return false;
    }
    ctx.store(address, value, 8);
    return true;
}

void BareBuilder::use(std::uint64_t base, std::uint64_t bytes) {
    next_ = std::max(base, kPageSize);
    end_ = base + std::min(bytes, ~std::uint64_t{0} - base);
}

std::uint64_t BareBuilder::take(ExecContext& ctx, std::uint64_t pages) {
    const std::uint64_t bytes = pages * kPageSize;
    const std::uint64_t at = (next_ + bytes - 1) / bytes * bytes;
    if (at < next_ || at >= end_ || end_ - at < bytes) {
        return fail(Errno::Enomem, "the memory for tables is used up");
    }
    if (!memory_at(at, bytes)) {
        return 0;
    }
    next_ = at + bytes;
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(bytes));
    ctx.write_bytes(at, zeros.data(), zeros.size());
    return at;
}

// --- page tables ---

const BareBuilder::Table* BareBuilder::table_of(const std::string& name) {
    const auto found = tables_.find(name);
    if (found == tables_.end()) {
        fail(Errno::Enoent, fmt::format("there is no page table {}", name));
        return nullptr;
    }
    return &found->second;
}

// Input addresses that the table distinguishes; those of a first stage may be sign-extended
// ("canonical", 3.6).
bool BareBuilder::in_reach(const Table& table, std::uint64_t address, std::uint64_t size) {
    const unsigned bits = 12 + 9 * table.levels;
    const std::uint64_t last = address + (size - 1);
    const std::uint64_t upper = table.first_stage ? ~bit_mask(bits - 2, 0) : ~std::uint64_t{0};
    const bool low = last >= address && (last >> bits) == 0;
    const bool high = table.first_stage && last >= address && address >= upper;
    return low || high || fail(Errno::Einval, fmt::format("beyond {} bits", bits)) != 0;
}

std::uint64_t BareBuilder::take_table(ExecContext& ctx, const Table& table) {
    const std::uint64_t page = take(ctx);
    if (page == 0 || table.inside.empty()) {
        return page;
    }
    const bool mapped =
        put(ctx, tables_.at(table.inside), page, 1, vtd::ss::leaf(Hpa{page}, true, true));
    return mapped ? page : 0;
}

BareResult BareBuilder::page_table(ExecContext& ctx, const BareStep& step) {
    Table table;
    table.first_stage = step.name("stage") == "first";
    table.levels = static_cast<unsigned>(step.number("levels", 4));
    table.inside = step.name("inside");
    if (!table.inside.empty()) {
        const Table* const outer = table_of(table.inside);
        if (outer == nullptr) {
            return problem_;
        }
        if (outer->first_stage) {
            return {Errno::Einval, "tables",
                    fmt::format("{} is no second-stage table", table.inside), 0};
        }
    }
    table.root = take_table(ctx, table);
    if (table.root == 0) {
        return problem_;
    }
    tables_[step.name("")] = table;
    return {};
}

std::uint64_t BareBuilder::below(const Table& table, std::uint64_t value, unsigned level,
                                 Errno large) {
    constexpr unsigned kLargest = 3;
    const std::uint64_t present =
        table.first_stage ? vtd::fs::kPresent : vtd::ss::kRead | vtd::ss::kWrite;
    problem_ = {};
    if ((value & present) == 0) {
        return 0;
    }
    if (level <= kLargest && (value & vtd::ss::kPageSize) != 0) {
        return fail(large, fmt::format("a large page lies there (level {})", level));
    }
    const std::uint64_t next = value & vtd::kPageTableAddress;
    return memory_at(next, kPageSize) ? next : 0;
}

std::uint64_t BareBuilder::next_table(ExecContext& ctx, const Table& table, std::uint64_t entry,
                                      unsigned level) {
    const std::optional<std::uint64_t> value = load(ctx, entry);
    if (!value) {
        return 0;
    }
    const std::uint64_t there = below(table, *value, level, Errno::Eexist);
    if (there != 0 || !problem_.ok()) {
        return there;
    }
    const std::uint64_t next = take_table(ctx, table);
    const std::uint64_t to = table.first_stage ? vtd::fs::table(next) : vtd::ss::table(Hpa{next});
    return next != 0 && store(ctx, entry, to) ? next : 0;
}

bool BareBuilder::put(ExecContext& ctx, const Table& table, std::uint64_t address, unsigned level,
                      std::uint64_t value) {
    std::uint64_t at = table.root;
    for (unsigned l = table.levels; l > level; --l) {
        at = next_table(ctx, table, at + vtd::page_table_offset(address, l), l);
        if (at == 0) {
            return false;
        }
    }
    return store(ctx, at + vtd::page_table_offset(address, level), value);
}

BareResult BareBuilder::map(ExecContext& ctx, const BareStep& step) {
    const Table* const table = table_of(step.name(""));
    const std::uint64_t page = step.number("page", kPageSize);
    const unsigned level = level_of(page);
    const std::uint64_t size = step.number("size", page);
    const std::uint64_t to = step.number("to");
    if (level == 0 || size == 0 || size % page != 0 || step.number("address") % page != 0 ||
        to % page != 0) {
        return {Errno::Einval, "tables",
                "address, target and size are multiples of pages of 4KiB, 2MiB or 1GiB", 0};
    }
    if (table == nullptr || !in_reach(*table, step.number("address"), size)) {
        return problem_;
    }
    if (to > vtd::kPageTableAddress || size - 1 > (vtd::kPageTableAddress | 0xFFFU) - to) {
        return {Errno::Einval, "tables", "the output address is beyond 52 bits", 0};
    }
    for (std::uint64_t done = 0; done < size; done += page) {
        const std::uint64_t value = leaf_of(table->first_stage, step, to + done, level);
        if (!put(ctx, *table, step.number("address") + done, level, value)) {
            return problem_;
        }
    }
    return {};
}

BareResult BareBuilder::unmap(ExecContext& ctx, const BareStep& step) {
    const Table* const table = table_of(step.name(""));
    const std::uint64_t page = step.number("page", kPageSize);
    const unsigned level = level_of(page);
    const std::uint64_t size = step.number("size", page);
    if (level == 0 || size == 0 || size % page != 0 || step.number("address") % page != 0) {
        return {Errno::Einval, "tables",
                "address and size are multiples of pages of 4KiB, 2MiB or 1GiB", 0};
    }
    if (table == nullptr || !in_reach(*table, step.number("address"), size)) {
        return problem_;
    }
    for (std::uint64_t done = 0; done < size; done += page) {
        const std::uint64_t at =
            entry_address(ctx, step.name(""), step.number("address") + done, level);
        if (at == 0 || !store(ctx, at, 0)) {
            return problem_;
        }
    }
    return {};
}

std::uint64_t BareBuilder::entry_address(ExecContext& ctx, const std::string& name,
                                         std::uint64_t address, unsigned level) {
    const Table* const table = table_of(name);
    if (table == nullptr || !in_reach(*table, address, 1)) {
        return 0;
    }
    if (level > table->levels) {
        return fail(Errno::Einval, fmt::format("{} has {} levels", name, table->levels));
    }
    std::uint64_t at = table->root;
    for (unsigned l = table->levels; l > level; --l) {
        const std::optional<std::uint64_t> value =
            load(ctx, at + vtd::page_table_offset(address, l));
        at = value ? below(*table, *value, l, Errno::Einval) : 0;
        if (at == 0) {
            return problem_.ok() ? fail(Errno::Enoent, fmt::format("{:#x} has no table of level {}",
                                                                   address, l - 1))
                                 : 0;
        }
    }
    return at + vtd::page_table_offset(address, level);
}

// --- root, context and PASID entries ---

BareResult BareBuilder::write(ExecContext& ctx, std::uint64_t address,
                              std::vector<std::uint64_t> words, const BareStep& step) {
    const auto more = step.lists.find("or");
    for (std::size_t i = 0; more != step.lists.end() && i < more->second.size(); ++i) {
        if (i < words.size()) {
            words[i] |= more->second[i];
        }
    }
    // The quadword with the present bit last, so that the entry is never half there.
    for (std::size_t i = words.size(); i > 0; --i) {
        if (!store(ctx, address + 8 * (i - 1), words[i - 1])) {
            return problem_;
        }
    }
    return {};
}

BareResult BareBuilder::root_table(ExecContext& ctx, const BareStep& step,
                                   const std::string& unit) {
    const std::uint64_t address = take(ctx);
    if (address == 0) {
        return problem_;
    }
    roots_[unit] = {address, step.name("") == "scalable", {}};
    return {};
}

std::uint64_t BareBuilder::root_register(const std::string& unit) const {
    const Root& root = roots_.at(unit);
    return vtd::rtaddr::make(Hpa{root.address},
                             root.scalable ? vtd::TableMode::Scalable : vtd::TableMode::Legacy);
}

std::uint64_t BareBuilder::context_table(ExecContext& ctx, Root& root, Rid rid) {
    const bool upper = root.scalable && vtd::uses_upper_table(rid);
    const std::uint32_t key = (rid.value() >> 8U) * 2U + (upper ? 1U : 0U);
    std::uint64_t& table = root.context_tables[key];
    if (table == 0 && (table = take(ctx)) != 0) {
        const std::uint64_t entry = vtd::root_entry_address(Hpa{root.address}, rid).value();
        return store(ctx, entry + (upper ? 8 : 0), table | 1U) ? table : 0;
    }
    return table;
}

BareResult BareBuilder::context(ExecContext& ctx, const BareStep& step, const std::string& unit) {
    const auto root = roots_.find(unit);
    if (root == roots_.end()) {
        return {Errno::Einval, "tables",
                fmt::format("{} has no root table: \"root_table\" makes one", unit), 0};
    }
    const Rid rid{static_cast<std::uint16_t>(step.number(""))};
    const std::uint64_t table = context_table(ctx, root->second, rid);
    if (table == 0) {
        return problem_;
    }
    return root->second.scalable ? scalable_context(ctx, step, table, rid)
                                 : legacy_context(ctx, step, table, rid);
}

BareResult BareBuilder::legacy_context(ExecContext& ctx, const BareStep& step, std::uint64_t table,
                                       Rid rid) {
    vtd::LegacyContextEntry entry;
    entry.present = step.number("present", 1) != 0;
    entry.fpd = step.number("fault_disable") != 0;
    const std::string type = step.name("type", "second");
    entry.type = type == "pass_through"           ? vtd::LegacyType::PassThrough
                 : step.number("device_tlb") != 0 ? vtd::LegacyType::WithDeviceTlb
                                                  : vtd::LegacyType::SecondStage;
    if (step.has("table")) {
        const Table* const pages = table_of(step.name("table"));
        if (pages == nullptr) {
            return problem_;
        }
        entry.second_stage = Hpa{pages->root};
        entry.aw = address_width_code(pages->levels);
    }
    entry.aw = step.has("levels") ? address_width_code(static_cast<unsigned>(step.number("levels")))
                                  : entry.aw;
    entry.did = DomainId{static_cast<std::uint16_t>(step.number("did"))};
    const auto words = vtd::encode(entry);
    return write(ctx, vtd::legacy_context_entry_address(Hpa{table}, rid).value(),
                 {words.begin(), words.end()}, step);
}

BareResult BareBuilder::scalable_context(ExecContext& ctx, const BareStep& step,
                                         std::uint64_t table, Rid rid) {
    vtd::ContextEntry entry;
    entry.present = step.number("present", 1) != 0;
    entry.fpd = step.number("fault_disable") != 0;
    entry.dte = step.number("device_tlb") != 0;
    entry.paside = step.number("pasids") != 0;
    entry.pre = step.number("page_requests") != 0;
    entry.eptr = step.number("translated_pasids") != 0;
    entry.rid_pasid = static_cast<std::uint32_t>(step.number("rid_pasid"));
    entry.rid_priv = step.number("rid_privileged") != 0;
    Directory& directory = directories_[rid.value()];
    if (directory.address == 0 || step.has("directory_size")) {
        const auto size = static_cast<std::uint8_t>(step.number("directory_size"));
        const std::uint64_t bytes = vtd::directory_entries(size) * vtd::kDirectoryEntryBytes;
        const std::uint64_t at = take(ctx, (bytes + kPageSize - 1) / kPageSize);
        if (at == 0) {
            return problem_;
        }
        directory = {at, size, {}};
    }
    entry.pdts = directory.size;
    entry.directory = Hpa{directory.address};
    const auto words = vtd::encode(entry);
    return write(ctx, vtd::context_entry_address(Hpa{table}, rid).value(),
                 {words.begin(), words.end()}, step);
}

std::uint64_t BareBuilder::pasid_table(ExecContext& ctx, const BareStep& step,
                                       Directory*& directory, bool& fresh) {
    const auto found = directories_.find(static_cast<std::uint16_t>(step.number("by")));
    if (found == directories_.end() || found->second.address == 0) {
        return fail(Errno::Einval, "the function has no PASID directory: \"context\" makes one");
    }
    directory = &found->second;
    const auto slot = static_cast<std::uint32_t>(step.number("")) / vtd::kPasidsPerTable;
    const std::uint64_t slots = vtd::directory_entries(directory->size);
    if (slot >= slots) {
        return fail(Errno::Erange, fmt::format("the directory ends at PASID {:#x}",
                                               slots * vtd::kPasidsPerTable - 1));
    }
    std::uint64_t& table = directory->tables[slot];
    fresh = table == 0;
    if (fresh) {
        table = take(ctx);
    }
    return table;
}

BareResult BareBuilder::pasid_directory(ExecContext& ctx, const BareStep& step) {
    const Pasid pasid{static_cast<std::uint32_t>(step.number(""))};
    Directory* directory = nullptr;
    bool fresh = false;
    const std::uint64_t table = pasid_table(ctx, step, directory, fresh);
    if (table == 0) {
        return problem_;
    }
    const vtd::DirectoryEntry entry{step.number("present", 1) != 0,
                                    step.number("fault_disable") != 0, Hpa{table}};
    return write(ctx, vtd::directory_entry_address(Hpa{directory->address}, pasid).value(),
                 {vtd::encode(entry)}, step);
}

BareResult BareBuilder::pasid_entry(ExecContext& ctx, const BareStep& step) {
    const Pasid pasid{static_cast<std::uint32_t>(step.number(""))};
    Directory* directory = nullptr;
    bool fresh = false;
    const std::uint64_t table = pasid_table(ctx, step, directory, fresh);
    const std::uint64_t leads =
        table == 0 ? 0 : vtd::directory_entry_address(Hpa{directory->address}, pasid).value();
    if (table == 0 ||
        (fresh && !store(ctx, leads, vtd::encode(vtd::DirectoryEntry{true, false, Hpa{table}})))) {
        return problem_;
    }
    return write_pasid_entry(ctx, step, vtd::pasid_entry_address(Hpa{table}, pasid).value());
}

BareResult BareBuilder::write_pasid_entry(ExecContext& ctx, const BareStep& step,
                                          std::uint64_t at) {
    vtd::PasidEntry entry;
    entry.present = step.number("present", 1) != 0;
    entry.fpd = step.number("fault_disable") != 0;
    if (step.has("first")) {
        const Table* const pages = table_of(step.name("first"));
        if (pages == nullptr) {
            return problem_;
        }
        entry.pgtt = vtd::TranslationType::FirstStage;
        entry.first_stage = pages->root;
        entry.fspm = pages->levels == 5 ? 1 : 0;
    }
    if (step.has("second")) {
        const Table* const pages = table_of(step.name("second"));
        if (pages == nullptr) {
            return problem_;
        }
        entry.pgtt =
            step.has("first") ? vtd::TranslationType::Nested : vtd::TranslationType::SecondStage;
        entry.second_stage = Hpa{pages->root};
        entry.aw = address_width_code(pages->levels);
    }
    if (step.number("pass_through") != 0) {
        entry.pgtt = vtd::TranslationType::PassThrough;
    }
    entry.did = DomainId{static_cast<std::uint16_t>(step.number("did"))};
    entry.ssade = step.number("accessed_dirty") != 0;
    entry.pwsnp = step.number("snooped_walks") != 0;
    entry.pgsnp = step.number("snooped_pages") != 0;
    entry.sre = step.number("supervisor") != 0;
    entry.wpe = step.number("write_protect") != 0;
    entry.eafe = step.number("extended_accessed") != 0;
    const auto words = vtd::encode(entry);
    return write(ctx, at, {words.begin(), words.end()}, step);
}

}  // namespace ioasim::platform
