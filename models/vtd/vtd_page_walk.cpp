#include "models/vtd/vtd_page_walk.hpp"

#include <algorithm>
#include <array>

#include "core/base/check.hpp"

namespace ioasim::vtd {
namespace {

// Locked updates that keep finding a changed entry end as a failed update.
constexpr unsigned kMaxUpdateFailures = 16;

bool canonical(std::uint64_t address, unsigned bits) {
    const std::uint64_t upper = address >> (bits - 1);
    return upper == 0 || upper == (~std::uint64_t{0} >> (bits - 1));
}

WalkTable table_of(WalkTable first, unsigned level) {
    return static_cast<WalkTable>(static_cast<unsigned>(first) + level - 1);
}

}  // namespace

const char* walk_table_name(WalkTable table) {
    static constexpr std::array<const char*, static_cast<std::size_t>(WalkTable::kCount)> kNames{
        "root", "context", "pasid_dir", "pasid_entry", "fs1", "fs2", "fs3",
        "fs4",  "fs5",     "ss1",       "ss2",         "ss3", "ss4", "ss5"};
    return kNames[static_cast<std::size_t>(table)];
}

PageWalk::PageWalk(const Capabilities& caps, const PasidEntry& entry, Pasid pasid,
                   const PageAccess& access, const WalkCaches& caches, const Probes* probes)
    : caps_(caps), entry_(entry), access_(access), caches_(caches), probes_(probes) {
    result_.type = entry.pgtt;
    result_.did = entry.did;
    result_.pasid = pasid;
    result_.snoop = entry.pgsnp;
    fs_levels_ = entry.fspm == 1 ? 5 : 4;
    ss_levels_ = caps.second_stage_levels(entry.aw);
}

WalkAction PageWalk::start() {
    switch (entry_.pgtt) {
        case TranslationType::FirstStage:
        case TranslationType::Nested:
            if (!canonical(access_.address, fs_levels_ == 5 ? 57 : 48) &&
                !broken(kAddressWidthIgnored)) {
                return fault(FaultReason::NotCanonical);
            }
            return start_first_stage();
        case TranslationType::SecondStage:
            if ((access_.address >> caps_.second_stage_width(entry_.aw)) != 0 &&
                !broken(kAddressWidthIgnored)) {
                return fault(FaultReason::AboveGuestWidth);
            }
            return start_second_stage(access_.address, Purpose::Final);
        case TranslationType::PassThrough:
            if ((access_.address & caps_.above_host_width()) != 0 &&
                !broken(kAddressWidthIgnored)) {
                return fault(FaultReason::AboveHostWidth);
            }
            result_.read = result_.write = result_.dirty = true;
            return finish(Hpa{access_.address}, 3);
        default:
            break;
    }
    SIM_CHECK(false, "a walk of translation type {}", static_cast<unsigned>(entry_.pgtt));
    return {};
}

WalkAction PageWalk::fault(FaultReason reason) {
    reason_ = reason;
    return {};
}

WalkAction PageWalk::finish(Hpa address, unsigned level) {
    result_.level = level;
    result_.page = Hpa{address.value() & ~(level_page_bytes(level) - 1)};
    return {};
}

WalkAction PageWalk::on_read(std::uint64_t value, bool ok) {
    if (reading_ == Reading::FirstStage) {
        if (!ok) {
            return fault(fs_level_ == fs_levels_ ? FaultReason::FirstStageRootAccess
                                                 : FaultReason::FirstStageAccess);
        }
        return use_first_stage(value);
    }
    if (!ok) {
        return fault(ss_level_ == ss_levels_ ? FaultReason::SecondStageRootAccess
                                             : FaultReason::SecondStageAccess);
    }
    return use_second_stage(value);
}

WalkAction PageWalk::make_update(std::uint64_t desired) {
    const bool first = reading_ == Reading::FirstStage;
    WalkAction action;
    action.kind = WalkAction::Kind::Update;
    action.table =
        first ? table_of(WalkTable::Fs1, fs_level_) : table_of(WalkTable::Ss1, ss_level_);
    action.address = first ? fs_entry_address_ : ss_entry_address_;
    action.expected = first ? fs_entry_ : ss_entry_;
    action.desired = desired;
    return action;
}

WalkAction PageWalk::on_update(std::uint64_t found, bool ok) {
    const bool first = reading_ == Reading::FirstStage;
    const std::uint64_t expected = first ? fs_entry_ : ss_entry_;
    if (!ok || (found != expected && ++update_failures_ > kMaxUpdateFailures)) {
        return fault(first ? FaultReason::FirstStageUpdateFailed
                           : FaultReason::SecondStageUpdateFailed);
    }
    if (found != expected) {
        return read_again();
    }
    return first ? after_first_stage() : after_second_stage();
}

WalkAction PageWalk::read_again() {
    return reading_ == Reading::FirstStage ? read_first_stage(fs_entry_address_)
                                           : read_second_stage();
}

// --- first stage --------------------------------------------------------------------------------

WalkAction PageWalk::start_first_stage() {
    fs_level_ = fs_levels_;
    fs_table_ = entry_.first_stage;
    if (caches_.structures == nullptr) {
        return next_first_stage();
    }
    const auto hit =
        caches_.structures->find_first(result_.pasid, result_.did, access_.address, fs_levels_);
    if (!hit) {
        return next_first_stage();
    }
    fs_level_ = hit->level - 1;
    fs_above_write_ = hit->table.write;
    fs_above_user_ = hit->table.user;
    fs_entry_writable_ = hit->table.table_writable;
    return read_first_stage(hit->table.table + page_table_offset(access_.address, fs_level_));
}

// The entry of `level` leads to the host page `table`.
void PageWalk::remember_first_stage(unsigned level, Hpa table) {
    if (caches_.structures != nullptr) {
        CachedTable cached;
        cached.table = table;
        cached.write = fs_above_write_;
        cached.user = fs_above_user_;
        cached.table_writable = !nested() || fs_entry_writable_;
        const bool kept = caches_.structures->fill_first(
            caches_.generation, result_.pasid, result_.did, access_.address, level, cached);
        lost_fill_ = lost_fill_ || !kept;
    }
}

WalkAction PageWalk::next_first_stage() {
    const std::uint64_t entry = fs_table_ + page_table_offset(access_.address, fs_level_);
    if (nested()) {
        return start_second_stage(entry, Purpose::FirstStageEntry);
    }
    return read_first_stage(Hpa{entry});
}

WalkAction PageWalk::read_first_stage(Hpa address) {
    reading_ = Reading::FirstStage;
    fs_entry_address_ = address;
    WalkAction action;
    action.kind = WalkAction::Kind::Read;
    action.table = table_of(WalkTable::Fs1, fs_level_);
    action.address = address;
    action.size = static_cast<std::uint32_t>(kPageTableEntryBytes);
    action.snooped = entry_.pwsnp;
    return action;
}

bool PageWalk::first_stage_reserved(std::uint64_t value, bool leaf) const {
    std::uint64_t reserved = caps_.above_host_width() & kPageTableAddress;
    if (fs_level_ >= 4 || (fs_level_ == 3 && !caps_.first_stage_1g)) {
        reserved |= fs::kPageSize;
    }
    if (leaf && fs_level_ > 1) {
        reserved |= (level_page_bytes(fs_level_) - 1) & ~bit_mask(12, 0);
    }
    return (value & reserved) != 0 && !broken(kReservedBitsIgnored);
}

WalkAction PageWalk::use_first_stage(std::uint64_t value) {
    fs_entry_ = value;
    if ((value & fs::kPresent) == 0) {
        return fault(FaultReason::FirstStageNotPresent);
    }
    const bool leaf = is_leaf(fs_level_, value);
    if (first_stage_reserved(value, leaf)) {
        return fault(FaultReason::FirstStageReserved);
    }
    if (nested() && ((value & kPageTableAddress) >> caps_.second_stage_width(entry_.aw)) != 0) {
        return fault(FaultReason::FirstStageTooWide);
    }
    fs_write_ = fs_above_write_ && (value & fs::kWrite) != 0;
    fs_user_ = fs_above_user_ && (value & fs::kUser) != 0;
    if (leaf) {
        return use_first_stage_leaf(value);
    }
    return (value & accessed_flags()) != accessed_flags() ? update_first_stage(accessed_flags())
                                                          : after_first_stage();
}

WalkAction PageWalk::use_first_stage_leaf(std::uint64_t value) {
    if (!access_.privileged && !fs_user_ && !broken(kUserBitIgnored)) {
        return fault(FaultReason::UserAccess);
    }
    const bool protects = entry_.wpe && !broken(kWriteProtectIgnored);
    const bool writable = fs_write_ || (access_.privileged && !protects);
    if (access_.write && !writable) {
        return fault(FaultReason::NoWrite);
    }
    result_.read = true;
    result_.write = writable;
    const std::uint64_t offset_mask = level_page_bytes(fs_level_) - 1;
    final_address_ =
        Hpa{(value & kPageTableAddress & ~offset_mask) | (access_.address & offset_mask)};
    final_level_ = fs_level_;
    if (nested()) {
        return start_second_stage(final_address_.value(), Purpose::Final);
    }
    result_.dirty = true;
    const std::uint64_t wanted = accessed_flags() | (marks_dirty(result_.write) ? fs::kDirty : 0);
    return (value & wanted) != wanted ? update_first_stage(wanted) : after_first_stage();
}

WalkAction PageWalk::update_first_stage(std::uint64_t bits) {
    if (nested() && !fs_entry_writable_ && !broken(kNestedTableUnchecked)) {
        return fault(FaultReason::FirstStageNoUpdate);
    }
    if (!entry_.pwsnp) {
        return fault(FaultReason::FirstStageNoSnoop);
    }
    return make_update(fs_entry_ | bits);
}

// The entry in hand is valid and marked.
WalkAction PageWalk::after_first_stage() {
    const bool leaf = is_leaf(fs_level_, fs_entry_);
    if (leaf) {
        const bool marked = marks_dirty(result_.write) || (fs_entry_ & fs::kDirty) != 0;
        result_.dirty = result_.dirty && marked;
        return finish(final_address_, final_level_);
    }
    fs_above_write_ = fs_write_;
    fs_above_user_ = fs_user_;
    fs_table_ = fs_entry_ & kPageTableAddress;
    if (!nested()) {
        remember_first_stage(fs_level_, Hpa{fs_table_});
    }
    --fs_level_;
    return next_first_stage();
}

// --- second stage -------------------------------------------------------------------------------

WalkAction PageWalk::start_second_stage(std::uint64_t address, Purpose purpose) {
    ss_purpose_ = purpose;
    ss_input_ = address;
    ss_level_ = ss_levels_;
    ss_table_ = entry_.second_stage;
    ss_above_read_ = ss_above_write_ = true;
    if (caches_.structures != nullptr) {
        if (const auto hit = caches_.structures->find_second(result_.did, address, ss_levels_)) {
            ss_level_ = hit->level - 1;
            ss_table_ = hit->table.table;
            ss_above_read_ = hit->table.read;
            ss_above_write_ = hit->table.write;
        }
    }
    return read_second_stage();
}

void PageWalk::remember_second_stage() {
    if (caches_.structures != nullptr) {
        CachedTable cached;
        cached.table = ss_table_;
        cached.read = ss_above_read_;
        cached.write = ss_above_write_;
        const bool kept = caches_.structures->fill_second(caches_.generation, result_.did,
                                                          ss_input_, ss_level_, cached);
        lost_fill_ = lost_fill_ || !kept;
    }
}

WalkAction PageWalk::read_second_stage() {
    reading_ = Reading::SecondStage;
    ss_entry_address_ = ss_table_ + page_table_offset(ss_input_, ss_level_);
    WalkAction action;
    action.kind = WalkAction::Kind::Read;
    action.table = table_of(WalkTable::Ss1, ss_level_);
    action.address = ss_entry_address_;
    action.size = static_cast<std::uint32_t>(kPageTableEntryBytes);
    action.snooped = entry_.pwsnp;
    return action;
}

bool PageWalk::second_stage_reserved(std::uint64_t value, bool leaf) const {
    std::uint64_t reserved = caps_.above_host_width() & kPageTableAddress;
    reserved |= access_.io_permissions ? 0 : ss::kIoWrite;
    const bool no_large =
        (ss_level_ == 2 && !caps_.second_stage_2m) || (ss_level_ == 3 && !caps_.second_stage_1g);
    if (ss_level_ >= 4 || no_large) {
        reserved |= ss::kPageSize;
    }
    if (leaf && ss_level_ > 1) {
        reserved |= (level_page_bytes(ss_level_) - 1) & ~bit_mask(11, 0);
    }
    if (!leaf || !caps_.snoop_control) {
        reserved |= ss::kSnoop;
    }
    return (value & reserved) != 0 && !broken(kReservedBitsIgnored);
}

FaultReason PageWalk::check_second_stage_leaf() const {
    if (ss_purpose_ == Purpose::FirstStageEntry) {
        if (broken(kNestedTableUnchecked)) {
            return FaultReason::None;
        }
        if (!ss_read_) {
            return fs_level_ == fs_levels_ ? FaultReason::FirstStageRootNoRead
                                           : FaultReason::FirstStageNoRead;
        }
        // With SSADE even a plain read of a first-stage table counts as a write.
        return entry_.ssade && !ss_write_ ? FaultReason::FirstStageNoUpdate : FaultReason::None;
    }
    if (access_.translation) {
        return FaultReason::None;
    }
    if (access_.write) {
        return ss_write_ ? FaultReason::None : FaultReason::NoWrite;
    }
    const bool zero_length = access_.zero_length && caps_.zero_length_reads;
    return ss_read_ || (zero_length && ss_write_) ? FaultReason::None : FaultReason::NoRead;
}

WalkAction PageWalk::use_second_stage(std::uint64_t value) {
    ss_entry_ = value;
    if ((value & (read_bit() | write_bit())) == 0) {
        return fault(FaultReason::SecondStageNotPresent);
    }
    const bool leaf = is_leaf(ss_level_, value);
    if (second_stage_reserved(value, leaf)) {
        return fault(FaultReason::SecondStageReserved);
    }
    const bool alone = broken(kLeafPermissionsOnly);
    ss_read_ = (ss_above_read_ || alone) && (value & read_bit()) != 0;
    ss_write_ = (ss_above_write_ || alone) && (value & write_bit()) != 0;
    if (!ss_read_ && !ss_write_) {
        return fault(FaultReason::SecondStageNotPresent);
    }
    if (leaf) {
        const FaultReason reason = check_second_stage_leaf();
        if (reason != FaultReason::None) {
            return fault(reason);
        }
    }
    if (entry_.ssade) {
        const bool writable = ss_write_ && (!nested() || result_.write);
        const bool writes = ss_purpose_ == Purpose::FirstStageEntry || marks_dirty(writable);
        const std::uint64_t wanted = ss::kAccessed | (leaf && writes ? ss::kDirty : 0);
        if ((value & wanted) != wanted) {
            return entry_.pwsnp ? make_update(value | wanted)
                                : fault(FaultReason::SecondStageNoSnoop);
        }
    }
    return after_second_stage();
}

WalkAction PageWalk::after_second_stage() {
    const bool leaf = is_leaf(ss_level_, ss_entry_);
    if (!leaf) {
        ss_above_read_ = ss_read_;
        ss_above_write_ = ss_write_;
        ss_table_ = Hpa{ss_entry_ & kPageTableAddress};
        remember_second_stage();
        --ss_level_;
        return read_second_stage();
    }
    const std::uint64_t offset_mask = level_page_bytes(ss_level_) - 1;
    const Hpa address{(ss_entry_ & kPageTableAddress & ~offset_mask) | (ss_input_ & offset_mask)};
    if (ss_purpose_ == Purpose::FirstStageEntry) {
        fs_entry_writable_ = ss_write_;
        if (fs_level_ < fs_levels_) {
            remember_first_stage(fs_level_ + 1, Hpa{address.value() & kTableAddress});
        }
        return read_first_stage(address);
    }
    const bool writable = ss_write_ && (!nested() || result_.write);
    const bool marked = !entry_.ssade || marks_dirty(writable) || (ss_entry_ & ss::kDirty) != 0;
    final_address_ = address;
    result_.snoop = result_.snoop || (ss_entry_ & ss::kSnoop) != 0;
    if (!nested()) {
        result_.read = ss_read_;
        result_.write = ss_write_;
        result_.dirty = marked;
        return finish(address, ss_level_);
    }
    // Back to the first-stage leaf: both stages allow the access, now it may be marked.
    final_level_ = std::min(fs_level_, ss_level_);
    result_.read = result_.read && ss_read_;
    result_.write = result_.write && ss_write_;
    result_.dirty = marked;
    reading_ = Reading::FirstStage;
    const std::uint64_t wanted = accessed_flags() | (marks_dirty(result_.write) ? fs::kDirty : 0);
    return (fs_entry_ & wanted) != wanted ? update_first_stage(wanted) : after_first_stage();
}

}  // namespace ioasim::vtd
