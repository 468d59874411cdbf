// Random translation tables and what software does to them: entries are mapped, changed, replaced
// and removed at every level, and each change comes with the invalidations that the specification
// asks for (VT-d 6.5.3.3, table 28), or without.
#pragma once

#include <string>

#include "tests/random/vtd_rig.hpp"

namespace ioasim::test {

class VtdWorld {
public:
    using Word = std::uint64_t;
    static constexpr std::uint16_t kFirstDevice = 0x0100;
    static constexpr std::uint16_t kSecondDevice = 0x0288;  // in the upper half of its bus

    static constexpr std::uint16_t kThirdDevice = 0x0230;  // pass-through, in legacy mode

    // What a change was and which descriptors make it known.
    struct Change {
        std::string what;
        Word at = 0;
        Word before = 0;
        std::vector<vtd::Descriptor> invalidations;  // none: nothing was present before
    };

    VtdWorld(VtdRig& rig, std::uint64_t seed, bool legacy)
        : rig_(rig), random_(seed, "test", "tables"), legacy_(legacy) {
        seconds_.push_back({kSecondDid, true, 4, rig_.page(), {}, !legacy && chance(2)});
        seconds_.push_back({kOtherSecondDid, true, 5, rig_.page(), {}, !legacy && chance(2)});
        for (Tree& tree : seconds_) {
            map_tables(tree);
        }
        directory_ = rig_.page();
        pasid_table_ = rig_.page();
        rig_.store(directory_, pasid_table_ | 1U);
        if (legacy) {
            add_legacy_device(kFirstDevice, &seconds_[0]);
            add_legacy_device(kSecondDevice, &seconds_[1]);
            add_legacy_device(kThirdDevice, nullptr);
        } else {
            add_spaces();
            add_device(kFirstDevice, 0);
            add_device(kSecondDevice, kSecondRidPasid);
        }
        for (int i = 0; i < 800; ++i) {
            change_tree();
        }
    }

    Word root_register() const { return root_ | (legacy_ ? 0U : 0x400U); }

    OracleRequest request() {
        OracleRequest r;
        if (legacy_) {
            return legacy_request();
        }
        r.rid = chance(2) ? kFirstDevice : kSecondDevice;
        if (!chance(4)) {
            r.pasid = static_cast<std::uint32_t>(random_.below(kSpaces));
        }
        const std::uint32_t space = r.pasid.value_or(r.rid == kFirstDevice ? 0 : kSecondRidPasid);
        const bool second = space == 0 || space == 5;
        r.address = chance(16) != second ? guest_address() : virtual_address();
        r.address += 8 * random_.below(512);
        r.write = chance(2);
        r.privileged = r.pasid && chance(4);
        return r;
    }

    OracleRequest legacy_request() {
        static constexpr std::uint16_t kDevices[] = {kFirstDevice, kFirstDevice, kSecondDevice,
                                                     kSecondDevice, kThirdDevice};
        OracleRequest r;
        r.rid = kDevices[random_.below(std::size(kDevices))];
        if (chance(64)) {
            r.pasid = 1;
        }
        r.address = guest_address() + 8 * random_.below(512);
        r.write = chance(2);
        return r;
    }

    // One store of software.
    Change change() {
        if (!chance(3)) {
            for (const auto& [rid, at] : contexts_) {
                if ((rig_.load(at) & context_bits()) != context_bits()) {
                    return change_device();
                }
            }
        }
        const std::uint64_t kind = random_.below(24);
        if (kind <= 1 && !legacy_) {
            return change_space();
        }
        return kind == 2 ? change_device() : change_tree();
    }

private:
    static constexpr unsigned kSpaces = 9;
    static constexpr std::uint16_t kFirstDid = 1;
    static constexpr std::uint16_t kPassDid = 2;
    static constexpr std::uint16_t kThirdDid = 3;
    static constexpr std::uint16_t kSecondDid = 20;
    static constexpr std::uint16_t kOtherSecondDid = 21;
    static constexpr std::uint32_t kSecondRidPasid = 8;
    static constexpr Word kDataBase = Word{1} << 32U;

    struct Tree {
        std::uint16_t did = 0;
        bool second = false;
        unsigned levels = 4;
        Word root = 0;
        std::uint32_t pasid = 0;  // first stage
        bool flags = false;       // second stage: SSADE
    };

    // P, and PASIDE where there is one.
    Word context_bits() const { return legacy_ ? 1U : 9U; }

    bool chance(std::uint64_t of) { return random_.below(of) == 0; }

    // Few addresses, so that they meet; tables of the guest lie below kMemoryBytes.
    Word virtual_address() {
        const Word high = chance(32) ? Word{0xFFFF'8000'0000'0000} : 0;
        return high | (Word{chance(4)} << 39U) | (Word{chance(4)} << 30U) |
               (random_.below(3) << 21U) | (random_.below(4) << 12U) | (Word{chance(32)} << 48U);
    }
    Word guest_address() {
        return (Word{chance(4)} << 39U) | (Word{chance(4)} << 30U) |
               ((8 + random_.below(3)) << 21U) | (random_.below(4) << 12U);
    }
    Word host_page(unsigned level) {
        const Word bytes = vtd::level_page_bytes(level);
        if (chance(64)) {
            return Word{0xFEE0'0000} & ~(bytes - 1);
        }
        return level == 3 ? bytes * (8 + random_.below(64))
                          : kDataBase + bytes * random_.below(512);
    }

    // The guest's tables are where the host's are; 4-KiB entries, so that single ones can go.
    void map_tables(Tree& tree) {
        for (Word address = 0; address < VtdRig::kMemoryBytes; address += kPageSize) {
            rig_.store(slot(tree, address, 1), address | 3U | (chance(2) ? 0x300U : 0U));
        }
    }

    void add_spaces() {
        const auto entry = [this](std::uint32_t pasid, vtd::TranslationType type,
                                  std::uint16_t did) {
            vtd::PasidEntry e;
            e.present = true;
            e.pgtt = type;
            e.did = DomainId{did};
            e.pwsnp = true;
            e.sre = chance(2);
            e.wpe = chance(2);
            types_[pasid] = type;
            return e;
        };
        using Type = vtd::TranslationType;
        const auto second = [this](vtd::PasidEntry e, const Tree& tree) {
            e.second_stage = Hpa{tree.root};
            e.aw = tree.levels == 5 ? vtd::kAddressWidth57 : vtd::kAddressWidth48;
            e.ssade = tree.flags;
            return e;
        };
        const auto first = [this](vtd::PasidEntry e, std::uint32_t pasid, unsigned levels) {
            firsts_.push_back({e.did.value(), false, levels, rig_.page(), pasid, false});
            e.first_stage = firsts_.back().root;
            e.fspm = levels == 5 ? 1 : 0;
            return e;
        };
        put(0, second(entry(0, Type::SecondStage, kSecondDid), seconds_[0]));
        put(1, first(entry(1, Type::FirstStage, kFirstDid), 1, 4));
        put(2, first(entry(2, Type::FirstStage, kFirstDid), 2, 5));
        put(3, first(second(entry(3, Type::Nested, kSecondDid), seconds_[0]), 3, 4));
        put(4, first(second(entry(4, Type::Nested, kOtherSecondDid), seconds_[1]), 4, 5));
        put(5, second(entry(5, Type::SecondStage, kOtherSecondDid), seconds_[1]));
        put(6, entry(6, Type::PassThrough, kPassDid));
        put(kSecondRidPasid,
            first(entry(kSecondRidPasid, Type::FirstStage, kThirdDid), kSecondRidPasid, 4));
    }
    void put(std::uint32_t pasid, const vtd::PasidEntry& e) {
        const vtd::PasidQwords q = vtd::encode(e);
        for (std::size_t i = 0; i < q.size(); ++i) {
            rig_.store(pasid_slot(pasid) + i * sizeof(Word), q[i]);
        }
        dids_[pasid] = e.did;
    }
    Word pasid_slot(std::uint32_t pasid) const { return pasid_table_ + pasid * 64; }

    void add_device(std::uint16_t rid, std::uint32_t rid_pasid) {
        if (root_ == 0) {
            root_ = rig_.page();
        }
        const Word half = root_ + (rid >> 8U) * 16U + ((rid & 0x80U) != 0 ? 8U : 0U);
        const Word table = rig_.page();
        rig_.store(half, table | 1U);
        vtd::ContextEntry context;
        context.present = true;
        context.paside = true;
        context.directory = Hpa{directory_};
        context.rid_pasid = rid_pasid;
        const vtd::ContextQwords q = vtd::encode(context);
        const Word at = table + (rid & 0x7FU) * 32U;
        for (std::size_t i = 0; i < q.size(); ++i) {
            rig_.store(at + i * sizeof(Word), q[i]);
        }
        contexts_.push_back({rid, at});
    }

    void add_legacy_device(std::uint16_t rid, const Tree* tree) {
        if (root_ == 0) {
            root_ = rig_.page();
        }
        const Word slot_of_bus = root_ + (rid >> 8U) * 16U;
        if (rig_.load(slot_of_bus) == 0) {
            rig_.store(slot_of_bus, rig_.page() | 1U);
        }
        const Word at = (rig_.load(slot_of_bus) & ~Word{0xFFF}) + (rid & 0xFFU) * 16U;
        // TT 00 with its table, or 10 with the widest width; DID in 23:8 of the second quadword.
        rig_.store(at, tree != nullptr ? tree->root | 1U : 9U);
        rig_.store(at + 8, (tree != nullptr ? tree->levels - 2 : 3U) |
                               (tree != nullptr ? Word{tree->did} << 8U : Word{kPassDid} << 8U));
        contexts_.push_back({rid, at});
    }

    // Where the entry of `address` at `level` is; tables are made on the way, and the level of a
    // large page that is in the way is as deep as it goes.
    Word slot(const Tree& tree, Word address, unsigned level, unsigned* reached = nullptr) {
        Word table = tree.root;
        for (unsigned at = tree.levels;; --at) {
            const Word where = table + vtd::page_table_offset(address, at);
            const Word e = rig_.load(where);
            const bool present = (e & (tree.second ? 3U : 1U)) != 0;
            if (at == level || (present && (e & 0x80U) != 0)) {
                if (reached != nullptr) {
                    *reached = at;
                }
                return where;
            }
            if (!present) {
                rig_.store(where, rig_.page() | pointer_flags(tree));
            }
            table = rig_.load(where) & vtd::kPageTableAddress;
        }
    }
    Word pointer_flags(const Tree& tree) {
        if (tree.second) {
            return (chance(16) ? 1U : 3U) | (chance(2) ? 0x100U : 0U);
        }
        return 1U | (chance(16) ? 0U : 2U) | (chance(16) ? 0U : 4U) | (chance(2) ? 0x20U : 0U);
    }
    Word leaf(const Tree& tree, unsigned level) {
        // What a nested first stage points to is a guest address.
        const bool guest = !tree.second && types_[tree.pasid] == vtd::TranslationType::Nested;
        const Word page =
            guest ? guest_address() & ~(vtd::level_page_bytes(level) - 1) : host_page(level);
        Word e = page | (level > 1 ? 0x80U : 0U) | (chance(64) ? Word{1} << 50U : 0U);
        if (tree.second) {
            return e | (chance(4) ? 1 + random_.below(3) : 3U) | (random_.below(4) << 8U);
        }
        return e | 1U | (chance(4) ? 0U : 2U) | (chance(8) ? 0U : 4U) | (random_.below(4) << 5U);
    }

    Change change_tree() {
        const bool second = legacy_ || chance(3);
        Tree& tree = second ? seconds_[random_.below(seconds_.size())]
                            : firsts_[random_.below(firsts_.size())];
        Word address = second ? guest_address() : virtual_address();
        if (!second && tree.levels == 4 && (address >> 63U) == 0) {
            address &= ~(Word{1} << 48U);  // what it leads to is not canonical
        }
        if (second && chance(8)) {
            return change_guest_table(tree);
        }
        static constexpr unsigned kLevels[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4};
        unsigned level = kLevels[random_.below(16)];
        if (second && level >= 3) {
            address |= Word{1} << 39U;  // not what holds the guest's tables
        }
        const Word at = slot(tree, address, level, &level);
        const Word before = rig_.load(at);
        const bool was_present = (before & (second ? 3U : 1U)) != 0;
        const bool was_leaf = level == 1 || (before & 0x80U) != 0;
        const Word after = new_entry(tree, level, before, was_present && !was_leaf);
        rig_.store(at, after);
        Change change{
            fmt::format("{} entry of level {} for {:#x}: {:#x} became {:#x}",
                        second ? "second-stage" : "first-stage", level, address, before, after),
            at,
            before,
            {}};
        if (was_present) {
            const bool is_leaf = after == 0 || level == 1 || (after & 0x80U) != 0;
            change.invalidations = flush(tree, address, level, was_leaf && is_leaf);
        }
        return change;
    }
    Word new_entry(const Tree& tree, unsigned level, Word before, bool was_table) {
        if (level >= 4) {
            return was_table && chance(2) ? (before & vtd::kPageTableAddress) | pointer_flags(tree)
                                          : new_table(tree, level, was_table ? before : 0);
        }
        if (chance(12)) {
            return 0;
        }
        if (level > 1 && was_table && !chance(3)) {
            return (before & vtd::kPageTableAddress) | pointer_flags(tree);
        }
        return level > 1 && (was_table || chance(3))
                   ? new_table(tree, level, was_table ? before : 0)
                   : leaf(tree, level);
    }
    // As the old one, with other leaves.
    Word new_table(const Tree& tree, unsigned level, Word before) {
        const Word table = rig_.page();
        for (Word i = 0; before != 0 && i < kPageSize; i += sizeof(Word)) {
            const Word e = rig_.load((before & vtd::kPageTableAddress) + i);
            if (e != 0) {
                rig_.store(table + i, level == 2 ? leaf(tree, 1) : e);
            }
        }
        return table | pointer_flags(tree);
    }
    // The second stage of a page that may hold a first-stage table.
    Change change_guest_table(Tree& tree) {
        const Word page = kPageSize * (1 + random_.below(128));
        const Word at = slot(tree, page, 1);
        const Word before = rig_.load(at);
        rig_.store(at, page | (chance(3) ? random_.below(4) : 3U) | (random_.below(4) << 8U));
        Change change{
            fmt::format("second-stage entry of the guest's page {:#x}: {:#x} became {:#x}", page,
                        before, rig_.load(at)),
            at,
            before,
            {}};
        if ((before & 3U) != 0) {
            change.invalidations = flush(tree, page, 1, true);
        }
        return change;
    }

    std::vector<vtd::Descriptor> flush(const Tree& tree, Word address, unsigned level,
                                       bool leaves_only) {
        const unsigned mask = 9 * (level - 1);
        const bool hint = leaves_only && !chance(4);
        const DomainId did{tree.did};
        if (tree.second) {
            // Ranges of an invalidation by domain are bounded.
            if (mask > 18 || chance(8)) {
                return {vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, did)};
            }
            return {vtd::iotlb_invalidate(vtd::IotlbGranularity::Page, did, address, mask, hint)};
        }
        const Pasid pasid{tree.pasid};
        if (chance(8)) {
            return {vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid, did, pasid)};
        }
        return {vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Page, did, pasid, address,
                                            mask, hint)};
    }

    // A PASID entry comes or goes, or lets other requests pass.
    Change change_space() {
        auto pasid = static_cast<std::uint32_t>(random_.below(kSpaces));
        for (const auto& [known, did] : dids_) {
            if ((rig_.load(pasid_slot(known)) & 1U) == 0 && !chance(4)) {
                pasid = known;  // what went comes back soon
            }
        }
        const Word slot = pasid_slot(pasid);
        if (dids_.count(pasid) == 0) {
            return {"nothing", slot, rig_.load(slot), {}};
        }
        const bool present = (rig_.load(slot) & 1U) != 0;
        const bool whole = !present || chance(2);
        const Word at = whole ? slot : slot + 16;
        const Word before = rig_.load(at);
        rig_.store(at, whole ? before ^ 1U : before ^ (chance(2) ? 1U : 0x10U));  // P, SRE, WPE
        Change change{fmt::format("PASID entry {}, quadword {}: {:#x} became {:#x}", pasid,
                                  whole ? 0 : 2, before, rig_.load(at)),
                      at,
                      before,
                      {}};
        if (present) {
            const DomainId did = dids_[pasid];
            change.invalidations.push_back(
                vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Pasid, did, Pasid{pasid}));
            const bool second = types_[pasid] == vtd::TranslationType::SecondStage ||
                                types_[pasid] == vtd::TranslationType::Nested;
            change.invalidations.push_back(
                whole && second ? vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, did)
                                : vtd::pasid_iotlb_invalidate(vtd::PasidIotlbGranularity::Pasid,
                                                              did, Pasid{pasid}));
        }
        return change;
    }

    Change change_device() {
        const auto& [rid, at] = contexts_[random_.below(contexts_.size())];
        const Word before = rig_.load(at);
        const Word off = ~before & context_bits();
        const Word bit = off != 0 ? off & (~off + 1) : legacy_ || chance(2) ? 1U : 8U;
        rig_.store(at, before ^ bit);
        Change change{
            fmt::format("context entry of {:#06x}: {:#x} became {:#x}", rid, before, before ^ bit),
            at,
            before,
            {}};
        if ((before & 1U) != 0 && legacy_) {
            const DomainId did{static_cast<std::uint16_t>(rig_.load(at + 8) >> 8U)};
            change.invalidations = {
                vtd::context_cache_invalidate(vtd::ContextGranularity::Device, did, Rid{rid}),
                vtd::iotlb_invalidate(vtd::IotlbGranularity::Domain, did)};
        } else if ((before & 1U) != 0) {
            change.invalidations = {vtd::context_cache_invalidate(vtd::ContextGranularity::Device,
                                                                  DomainId{0}, Rid{rid}),
                                    vtd::pasid_cache_invalidate(vtd::PasidCacheGranularity::Global),
                                    vtd::iotlb_invalidate(vtd::IotlbGranularity::Global)};
        }
        return change;
    }

    VtdRig& rig_;
    RandomStream random_;
    const bool legacy_;
    std::vector<Tree> firsts_;
    std::vector<Tree> seconds_;
    std::map<std::uint32_t, vtd::TranslationType> types_;
    std::map<std::uint32_t, DomainId> dids_;
    std::vector<std::pair<std::uint16_t, Word>> contexts_;
    Word root_ = 0;
    Word directory_ = 0;
    Word pasid_table_ = 0;
};

}  // namespace ioasim::test
