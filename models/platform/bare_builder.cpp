#include "models/platform/bare_builder.hpp"

#include <fmt/format.h>

#include "core/base/bits.hpp"

namespace ioasim::platform {
namespace {

constexpr const char* kUsedUp = "the memory for tables is used up";

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

std::uint64_t BareBuilder::take(ExecContext& ctx, std::uint64_t pages) {
    const std::uint64_t bytes = pages * kPageSize;
    const std::uint64_t at = (next_ + bytes - 1) / bytes * bytes;
    if (at + bytes > end_) {
        return 0;
    }
    next_ = at + bytes;
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(bytes));
    ctx.write_bytes(at, zeros.data(), zeros.size());
    return at;
}

// --- page tables ---

std::uint64_t BareBuilder::take_table(ExecContext& ctx, const Table& table) {
    const std::uint64_t page = take(ctx);
    if (page == 0 || table.inside.empty()) {
        return page;
    }
    const bool mapped =
        put(ctx, tables_.at(table.inside), page, 1, vtd::ss::leaf(Hpa{page}, true, true));
    return mapped ? page : 0;
}

std::string BareBuilder::page_table(ExecContext& ctx, const BareStep& step) {
    Table table;
    table.first_stage = step.name("stage") == "first";
    table.levels = static_cast<unsigned>(step.number("levels", 4));
    table.inside = step.name("inside");
    if (!table.inside.empty() && tables_.at(table.inside).first_stage) {
        return fmt::format("{} is no second-stage table", table.inside);
    }
    table.root = take_table(ctx, table);
    tables_[step.name("")] = table;
    return table.root == 0 ? kUsedUp : "";
}

std::uint64_t BareBuilder::next_table(ExecContext& ctx, const Table& table, std::uint64_t entry) {
    const std::uint64_t value = ctx.load(entry, 8);
    const std::uint64_t present =
        table.first_stage ? vtd::fs::kPresent : vtd::ss::kRead | vtd::ss::kWrite;
    if ((value & present) != 0) {
        return value & vtd::kPageTableAddress;
    }
    const std::uint64_t next = take_table(ctx, table);
    if (next != 0) {
        ctx.store(entry, table.first_stage ? vtd::fs::table(next) : vtd::ss::table(Hpa{next}), 8);
    }
    return next;
}

bool BareBuilder::put(ExecContext& ctx, const Table& table, std::uint64_t address, unsigned level,
                      std::uint64_t value) {
    std::uint64_t at = table.root;
    for (unsigned l = table.levels; l > level; --l) {
        at = next_table(ctx, table, at + vtd::page_table_offset(address, l));
        if (at == 0) {
            return false;
        }
    }
    ctx.store(at + vtd::page_table_offset(address, level), value, 8);
    return true;
}

std::string BareBuilder::map(ExecContext& ctx, const BareStep& step) {
    const Table table = tables_.at(step.name(""));
    const std::uint64_t page = step.number("page", kPageSize);
    const unsigned level = level_of(page);
    const std::uint64_t size = step.number("size", page);
    if (level == 0 || size % page != 0 || step.number("address") % page != 0 ||
        step.number("to") % page != 0) {
        return fmt::format("address, target and size are multiples of pages of 4KiB, 2MiB or 1GiB");
    }
    for (std::uint64_t done = 0; done < size; done += page) {
        const std::uint64_t value =
            leaf_of(table.first_stage, step, step.number("to") + done, level);
        if (!put(ctx, table, step.number("address") + done, level, value)) {
            return kUsedUp;
        }
    }
    return {};
}

std::string BareBuilder::unmap(ExecContext& ctx, const BareStep& step) {
    const std::uint64_t page = step.number("page", kPageSize);
    const unsigned level = level_of(page);
    const std::uint64_t size = step.number("size", page);
    if (level == 0 || size % page != 0 || step.number("address") % page != 0) {
        return "address and size are multiples of pages of 4KiB, 2MiB or 1GiB";
    }
    for (std::uint64_t done = 0; done < size; done += page) {
        const std::uint64_t at =
            entry_address(ctx, step.name(""), step.number("address") + done, level);
        if (at == 0) {
            return fmt::format("{:#x} is not mapped", step.number("address") + done);
        }
        ctx.store(at, 0, 8);
    }
    return {};
}

std::uint64_t BareBuilder::entry_address(ExecContext& ctx, const std::string& name,
                                         std::uint64_t address, unsigned level) const {
    const Table& table = tables_.at(name);
    std::uint64_t at = table.root;
    for (unsigned l = table.levels; l > level; --l) {
        const std::uint64_t value = ctx.load(at + vtd::page_table_offset(address, l), 8);
        at = value & vtd::kPageTableAddress;
        if ((value & 3U) == 0 || at == 0) {
            return 0;
        }
    }
    return at + vtd::page_table_offset(address, level);
}

// --- root, context and PASID entries ---

void BareBuilder::write(ExecContext& ctx, std::uint64_t address, std::vector<std::uint64_t> words,
                        const BareStep& step) {
    const auto more = step.lists.find("or");
    for (std::size_t i = 0; more != step.lists.end() && i < more->second.size(); ++i) {
        if (i < words.size()) {
            words[i] |= more->second[i];
        }
    }
    // The quadword with the present bit last, so that the entry is never half there.
    for (std::size_t i = words.size(); i > 0; --i) {
        ctx.store(address + 8 * (i - 1), words[i - 1], 8);
    }
}

std::string BareBuilder::root_table(ExecContext& ctx, const BareStep& step,
                                    const std::string& unit) {
    Root& root = roots_[unit];
    root = {};
    root.scalable = step.name("") == "scalable";
    root.address = take(ctx);
    return root.address == 0 ? kUsedUp : "";
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
        ctx.store(entry + (upper ? 8 : 0), table | 1U, 8);
    }
    return table;
}

std::string BareBuilder::context(ExecContext& ctx, const BareStep& step, const std::string& unit) {
    const auto root = roots_.find(unit);
    if (root == roots_.end()) {
        return fmt::format("{} has no root table: \"root_table\" makes one", unit);
    }
    const Rid rid{static_cast<std::uint16_t>(step.number(""))};
    const std::uint64_t table = context_table(ctx, root->second, rid);
    if (table == 0) {
        return kUsedUp;
    }
    return root->second.scalable ? scalable_context(ctx, step, table, rid)
                                 : legacy_context(ctx, step, table, rid);
}

std::string BareBuilder::legacy_context(ExecContext& ctx, const BareStep& step, std::uint64_t table,
                                        Rid rid) {
    vtd::LegacyContextEntry entry;
    entry.present = step.number("present", 1) != 0;
    entry.fpd = step.number("fault_disable") != 0;
    const std::string type = step.name("type", "second");
    entry.type = type == "pass_through"           ? vtd::LegacyType::PassThrough
                 : step.number("device_tlb") != 0 ? vtd::LegacyType::WithDeviceTlb
                                                  : vtd::LegacyType::SecondStage;
    if (step.has("table")) {
        const Table& pages = tables_.at(step.name("table"));
        entry.second_stage = Hpa{pages.root};
        entry.aw = address_width_code(pages.levels);
    }
    entry.aw = step.has("levels") ? address_width_code(static_cast<unsigned>(step.number("levels")))
                                  : entry.aw;
    entry.did = DomainId{static_cast<std::uint16_t>(step.number("did"))};
    const auto words = vtd::encode(entry);
    write(ctx, vtd::legacy_context_entry_address(Hpa{table}, rid).value(),
          {words.begin(), words.end()}, step);
    return {};
}

std::string BareBuilder::scalable_context(ExecContext& ctx, const BareStep& step,
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
        directory = {take(ctx, (bytes + kPageSize - 1) / kPageSize), size, {}};
        if (directory.address == 0) {
            return kUsedUp;
        }
    }
    entry.pdts = directory.size;
    entry.directory = Hpa{directory.address};
    const auto words = vtd::encode(entry);
    write(ctx, vtd::context_entry_address(Hpa{table}, rid).value(), {words.begin(), words.end()},
          step);
    return {};
}

std::string BareBuilder::pasid_directory(ExecContext& ctx, const BareStep& step) {
    const auto found = directories_.find(static_cast<std::uint16_t>(step.number("by")));
    const Pasid pasid{static_cast<std::uint32_t>(step.number(""))};
    if (found == directories_.end()) {
        return "the function has no PASID directory: \"context\" makes one";
    }
    const std::uint32_t slot = pasid.value() / vtd::kPasidsPerTable;
    std::uint64_t& table = found->second.tables[slot];
    if (table == 0 && (table = take(ctx)) == 0) {
        return kUsedUp;
    }
    const vtd::DirectoryEntry entry{step.number("present", 1) != 0,
                                    step.number("fault_disable") != 0, Hpa{table}};
    write(ctx, vtd::directory_entry_address(Hpa{found->second.address}, pasid).value(),
          {vtd::encode(entry)}, step);
    return {};
}

std::string BareBuilder::pasid_entry(ExecContext& ctx, const BareStep& step) {
    const Pasid pasid{static_cast<std::uint32_t>(step.number(""))};
    const auto found = directories_.find(static_cast<std::uint16_t>(step.number("by")));
    if (found == directories_.end()) {
        return "the function has no PASID directory: \"context\" makes one";
    }
    std::uint64_t& table = found->second.tables[pasid.value() / vtd::kPasidsPerTable];
    if (table == 0) {
        if ((table = take(ctx)) == 0) {
            return kUsedUp;
        }
        ctx.store(vtd::directory_entry_address(Hpa{found->second.address}, pasid).value(),
                  vtd::encode(vtd::DirectoryEntry{true, false, Hpa{table}}), 8);
    }
    vtd::PasidEntry entry;
    entry.present = step.number("present", 1) != 0;
    entry.fpd = step.number("fault_disable") != 0;
    if (step.has("first")) {
        const Table& pages = tables_.at(step.name("first"));
        entry.pgtt = vtd::TranslationType::FirstStage;
        entry.first_stage = pages.root;
        entry.fspm = pages.levels == 5 ? 1 : 0;
    }
    if (step.has("second")) {
        const Table& pages = tables_.at(step.name("second"));
        entry.pgtt =
            step.has("first") ? vtd::TranslationType::Nested : vtd::TranslationType::SecondStage;
        entry.second_stage = Hpa{pages.root};
        entry.aw = address_width_code(pages.levels);
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
    write(ctx, vtd::pasid_entry_address(Hpa{table}, pasid).value(), {words.begin(), words.end()},
          step);
    return {};
}

}  // namespace ioasim::platform
