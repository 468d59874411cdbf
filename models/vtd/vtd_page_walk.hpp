// The page-table part of a walk: first stage, second stage, nested, pass-through (VT-d
// specification 3.6 to 3.8, 9.7, 9.8). A state machine without time: it says which entry to read or
// to update next, the caller brings the answer.
//
// Accessed flags are set in every first-stage entry used, dirty in the leaf of a permitted write;
// the same for the second stage when the PASID entry asks for it (SSADE). Updates are locked; an
// entry that changed in between is read again. Order of checks within an entry: access, present,
// reserved, address width, permissions, flags; first stage before second. A translation request is
// not refused for want of one permission: its result says what is allowed. Left out: memory types.
#pragma once

#include "models/vtd/vtd_capabilities.hpp"
#include "models/vtd/vtd_probes.hpp"
#include "models/vtd/vtd_structure_cache.hpp"

namespace ioasim::vtd {

enum class WalkTable : std::uint8_t {
    Root,
    Context,
    Directory,
    PasidEntry,
    Fs1,
    Fs2,
    Fs3,
    Fs4,
    Fs5,
    Ss1,
    Ss2,
    Ss3,
    Ss4,
    Ss5,
    kCount,
};
const char* walk_table_name(WalkTable table);

struct WalkAction {
    enum class Kind : std::uint8_t { Read, Update, Done };
    Kind kind = Kind::Done;
    WalkTable table = WalkTable::Root;
    Hpa address;
    std::uint32_t size = 0;      // Read
    std::uint64_t expected = 0;  // Update
    std::uint64_t desired = 0;
    bool snooped = true;  // Read; an update is refused where walks are not
};

// A finished translation, as the IOTLB keeps it.
struct Translation {
    Hpa page;            // base of the host page
    unsigned level = 1;  // 1: 4 KiB, 2: 2 MiB, 3: 1 GiB
    bool read = false;
    bool write = false;
    bool dirty = false;  // a write needs no flag update any more
    bool snoop = false;  // accesses are snooped whatever they ask for (PGSNP, SNP)
    TranslationType type = TranslationType::None;
    DomainId did;
    Pasid pasid;  // effective: the request's, or RID_PASID

    Hpa at(std::uint64_t address) const { return page + (address & (level_page_bytes(level) - 1)); }
};

struct PageAccess {
    std::uint64_t address = 0;
    bool write = false;
    bool zero_length = false;
    bool privileged = false;
    // A translation request: what is not permitted is told, not refused; a page that may be written
    // is marked dirty, unless the device promises not to write.
    bool translation = false;
    bool no_write = false;
    bool io_permissions = false;  // RTADDR.SSIRWE: bits 61 and 62 of second-stage entries decide
};

// Where a walk may begin below the root, and what it leaves behind: nothing without caches.
struct WalkCaches {
    StructureCaches* structures = nullptr;
    std::uint64_t generation = 0;  // when the walk began
};

class PageWalk {
public:
    PageWalk(const Capabilities& caps, const PasidEntry& entry, Pasid pasid,
             const PageAccess& access, const WalkCaches& caches = {},
             const Probes* probes = nullptr);

    WalkAction start();
    WalkAction on_read(std::uint64_t value, bool ok);
    WalkAction on_update(std::uint64_t found, bool ok);

    FaultReason reason() const { return reason_; }
    const Translation& translation() const { return result_; }
    // An invalidation overtook what would have gone into a paging-structure cache.
    bool lost_fill() const { return lost_fill_; }

private:
    enum class Purpose : std::uint8_t { FirstStageEntry, Final };
    enum class Reading : std::uint8_t { FirstStage, SecondStage };

    WalkAction fault(FaultReason reason);
    WalkAction finish(Hpa address, unsigned level);
    bool nested() const { return entry_.pgtt == TranslationType::Nested; }
    // The page will be written, or may be for all that a translation request says.
    bool marks_dirty(bool writable) const {
        return (access_.write || (access_.translation && !access_.no_write && writable)) &&
               !broken(kDirtyNotSet);
    }
    bool broken(const Defect& defect) const { return probes_ != nullptr && probes_->has(defect); }

    WalkAction start_first_stage();
    void remember_first_stage(unsigned level, Hpa table);
    void remember_second_stage();
    WalkAction next_first_stage();
    WalkAction read_first_stage(Hpa address);
    WalkAction use_first_stage(std::uint64_t value);
    WalkAction use_first_stage_leaf(std::uint64_t value);
    WalkAction update_first_stage(std::uint64_t bits);
    WalkAction after_first_stage();
    bool first_stage_reserved(std::uint64_t value, bool leaf) const;

    WalkAction start_second_stage(std::uint64_t address, Purpose purpose);
    WalkAction read_second_stage();
    WalkAction use_second_stage(std::uint64_t value);
    FaultReason check_second_stage_leaf() const;
    WalkAction after_second_stage();
    bool second_stage_reserved(std::uint64_t value, bool leaf) const;
    std::uint64_t read_bit() const { return access_.io_permissions ? ss::kIoRead : ss::kRead; }
    std::uint64_t write_bit() const { return access_.io_permissions ? ss::kIoWrite : ss::kWrite; }

    std::uint64_t accessed_flags() const {
        const bool extended = entry_.eafe && !broken(kExtendedAccessedNotSet);
        return fs::kAccessed | (extended ? fs::kExtendedAccessed : 0);
    }
    // The page-size bit is at the same place in both stages.
    bool is_leaf(unsigned level, std::uint64_t value) const {
        return level == 1 || ((value & fs::kPageSize) != 0 && !broken(kLargePageAsTable));
    }

    WalkAction make_update(std::uint64_t desired);
    WalkAction read_again();

    const Capabilities& caps_;
    const PasidEntry entry_;
    const PageAccess access_;
    const WalkCaches caches_;
    const Probes* probes_;
    bool lost_fill_ = false;
    FaultReason reason_ = FaultReason::None;
    Translation result_;
    Reading reading_ = Reading::FirstStage;
    unsigned update_failures_ = 0;

    // First stage: the entry in hand, and the permissions of the entries above it.
    unsigned fs_levels_ = 0;
    unsigned fs_level_ = 0;
    std::uint64_t fs_table_ = 0;  // HPA, or GPA when nested
    Hpa fs_entry_address_;
    std::uint64_t fs_entry_ = 0;
    bool fs_entry_writable_ = true;  // by the second stage
    bool fs_above_write_ = true;
    bool fs_above_user_ = true;
    bool fs_write_ = true;
    bool fs_user_ = true;

    // Second stage.
    Purpose ss_purpose_ = Purpose::Final;
    unsigned ss_levels_ = 0;
    unsigned ss_level_ = 0;
    std::uint64_t ss_input_ = 0;
    Hpa ss_table_;
    Hpa ss_entry_address_;
    std::uint64_t ss_entry_ = 0;
    bool ss_above_read_ = true;
    bool ss_above_write_ = true;
    bool ss_read_ = true;
    bool ss_write_ = true;
    // The final page, known while the first-stage leaf is still to be marked.
    Hpa final_address_;
    unsigned final_level_ = 1;
};

}  // namespace ioasim::vtd
