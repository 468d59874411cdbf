// Builds translation structures in memory the way a driver does, for tests of the remapping unit.
// Guest physical addresses map to host ones at a fixed distance.
#pragma once

#include <vector>

#include "models/memory/sparse_memory.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::test {

class VtdTables {
public:
    static constexpr std::uint64_t kGuestOffset = std::uint64_t{1} << 30U;
    static constexpr std::uint64_t kFirstPage = kGuestOffset + (std::uint64_t{1} << 28U);

    VtdTables() : bytes_({{Hpa{0}, std::uint64_t{16} << 30U}}), next_(kFirstPage) {}

    memory::SparseMemory& bytes() { return bytes_; }
    Hpa page() {
        next_ += kPageSize;
        return Hpa{next_ - kPageSize};
    }
    static Hpa host(std::uint64_t guest) { return Hpa{guest + kGuestOffset}; }
    static std::uint64_t guest(Hpa host) { return host.value() - kGuestOffset; }

    std::uint64_t load(Hpa at) const {
        std::uint64_t value = 0;
        bytes_.read(at, &value, sizeof value);
        return value;
    }
    void store(Hpa at, std::uint64_t value) { bytes_.write(at, &value, sizeof value); }

    // Root, context (PASID allowed, 2^(PDTS+7) directory entries) and directory for a function.
    Hpa root() {
        if (root_ == Hpa{0}) {
            root_ = page();
        }
        return root_;
    }
    vtd::ContextEntry make_context(std::uint8_t pdts = 0) {
        vtd::ContextEntry context;
        context.present = true;
        context.paside = true;
        context.pdts = pdts;
        context.directory = page();
        return context;
    }
    void set_context(Rid rid, const vtd::ContextEntry& context) {
        const Hpa slot =
            vtd::root_entry_address(root(), rid) + (vtd::uses_upper_table(rid) ? 8 : 0);
        if (load(slot) == 0) {
            store(slot, page().value() | 1U);
        }
        const Hpa table{load(slot) & vtd::kTableAddress};
        const vtd::ContextQwords q = vtd::encode(context);
        bytes_.write(vtd::context_entry_address(table, rid), q.data(), sizeof q);
    }
    Hpa pasid_slot(const vtd::ContextEntry& context, Pasid pasid) {
        const Hpa slot = vtd::directory_entry_address(context.directory, pasid);
        if (load(slot) == 0) {
            store(slot, vtd::encode(vtd::DirectoryEntry{true, false, page()}));
        }
        return vtd::pasid_entry_address(vtd::decode_directory(load(slot)).table, pasid);
    }
    void set_pasid(const vtd::ContextEntry& context, Pasid pasid, const vtd::PasidEntry& entry) {
        const vtd::PasidQwords q = vtd::encode(entry);
        bytes_.write(pasid_slot(context, pasid), q.data(), sizeof q);
    }

    // The slot of `address` at `level` of a first-stage tree; tables are made on the way. With
    // `in_guest` pointers are guest addresses.
    Hpa first_slot(std::uint64_t root, std::uint64_t address, unsigned levels, unsigned level,
                   bool in_guest = false) {
        std::uint64_t table = root;
        for (unsigned at = levels;; --at) {
            const std::uint64_t slot = table + vtd::page_table_offset(address, at);
            const Hpa where = in_guest ? host(slot) : Hpa{slot};
            if (at == level) {
                return where;
            }
            if (load(where) == 0) {
                const Hpa next = page();
                store(where,
                      vtd::fs::table(in_guest ? guest(next) : next.value()) | vtd::fs::kAccessed);
            }
            table = load(where) & vtd::kPageTableAddress;
        }
    }
    Hpa second_slot(Hpa root, std::uint64_t address, unsigned levels, unsigned level) {
        Hpa table = root;
        for (unsigned at = levels;; --at) {
            const Hpa where = table + vtd::page_table_offset(address, at);
            if (at == level) {
                return where;
            }
            if (load(where) == 0) {
                store(where, vtd::ss::table(page()));
            }
            table = Hpa{load(where) & vtd::kPageTableAddress};
        }
    }
    // Leaves with accessed and dirty set, so that walks need no updates.
    void map_first(std::uint64_t root, std::uint64_t address, std::uint64_t target,
                   bool in_guest = false, unsigned levels = 4, unsigned level = 1) {
        store(first_slot(root, address, levels, level, in_guest),
              vtd::fs::leaf(target, true, true, level) | vtd::fs::kAccessed | vtd::fs::kDirty);
    }
    void map_second(Hpa root, std::uint64_t address, Hpa target, unsigned levels = 4,
                    unsigned level = 1) {
        store(second_slot(root, address, levels, level), vtd::ss::leaf(target, true, true, level));
    }

    static vtd::PasidEntry entry(vtd::TranslationType type, std::uint16_t did) {
        vtd::PasidEntry e;
        e.present = true;
        e.pgtt = type;
        e.did = DomainId{did};
        e.pwsnp = true;
        return e;
    }
    vtd::PasidEntry first_stage(std::uint16_t did, unsigned levels = 4) {
        vtd::PasidEntry e = entry(vtd::TranslationType::FirstStage, did);
        e.first_stage = page().value();
        e.fspm = levels == 5 ? 1 : 0;
        return e;
    }
    vtd::PasidEntry second_stage(std::uint16_t did, unsigned levels = 4) {
        vtd::PasidEntry e = entry(vtd::TranslationType::SecondStage, did);
        e.second_stage = page();
        e.aw = levels == 5 ? vtd::kAddressWidth57 : vtd::kAddressWidth48;
        return e;
    }
    // First-stage tables in guest memory, and the second stage that maps them; data pages are
    // mapped with map_nested.
    vtd::PasidEntry nested(std::uint16_t did, unsigned fs_levels = 4, unsigned ss_levels = 4) {
        vtd::PasidEntry e = second_stage(did, ss_levels);
        e.pgtt = vtd::TranslationType::Nested;
        e.first_stage = guest(page());
        e.fspm = fs_levels == 5 ? 1 : 0;
        return e;
    }
    void map_nested(const vtd::PasidEntry& e, std::uint64_t address, std::uint64_t guest_page) {
        const unsigned fs_levels = e.fspm == 1 ? 5 : 4;
        const unsigned ss_levels = e.aw == vtd::kAddressWidth57 ? 5 : 4;
        map_first(e.first_stage, address, guest_page, true, fs_levels);
        std::uint64_t table = e.first_stage;
        for (unsigned level = fs_levels; level >= 1; --level) {
            map_second(e.second_stage, table, host(table), ss_levels);
            table =
                load(host(table + vtd::page_table_offset(address, level))) & vtd::kPageTableAddress;
        }
        map_second(e.second_stage, guest_page, host(guest_page), ss_levels);
    }

private:
    memory::SparseMemory bytes_;
    std::uint64_t next_;
    Hpa root_;
};

}  // namespace ioasim::test
