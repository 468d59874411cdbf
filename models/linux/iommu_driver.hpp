// The VT-d driver of a kernel for one remapping unit, real or virtual: finds out what the unit can
// do, builds root, context, PASID directory and PASID tables in memory, and keeps the unit's caches
// in step through the invalidation queue. Requests without PASID go by the entry of PASID 0. VT-d
// specification chapters 3, 6, 9; the order of teardown is that of table 28 and of Linux's
// intel_pasid_tear_down_entry. Leaves out: interrupt remapping, super pages, domains of the
// DMA API, fault events (the records stay as the unit wrote them), suspend. Page requests:
// page_request_service.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "models/linux/invalidation_queue.hpp"
#include "models/linux/reserved_regions.hpp"
#include "models/vtd/vtd_layout.hpp"

namespace ioasim::os {

class Device;
class Kernel;
class PageRequestService;

// A second-stage page table with the domain id that its translations are tagged with.
struct SecondStage {
    std::uint64_t root = 0;  // machine physical; 0: none
    DomainId did;
    std::uint8_t aw = vtd::kAddressWidth48;  // its levels, as PASID entries say them
    std::vector<std::uint64_t> tables{};     // every table page, for release
};

// What a unit walks as a second stage: levels, the code of PASID entries, the last input address.
struct SecondStageFormat {
    unsigned levels = 0;  // 0: none
    std::uint8_t aw = 0;
    std::uint64_t last = 0;

    bool operator==(const SecondStageFormat& o) const {
        return levels == o.levels && last == o.last;
    }
};

class IommuDriver {
public:
    // All first-stage entries share this domain id; 0 is forbidden in caching mode (Linux:
    // FLPT_DEFAULT_DID).
    static constexpr DomainId kFirstStageDid{1};

    IommuDriver(Kernel& kernel, std::string name, std::uint64_t registers);
    ~IommuDriver();

    // Probes, builds the root table, enables queued invalidation and translation.
    // -ENODEV: the unit lacks scalable mode, queued invalidation or PASIDs. Not `scalable`: legacy
    // mode; devices pass through untranslated and have no PASIDs.
    Errno probe(ExecContext& ctx, bool scalable = true);
    // Gives the function a PASID directory and makes its context entry present.
    Errno attach(ExecContext& ctx, Device& device);

    // The function is gone: its context entry is not present any more, what caches have of it is
    // dropped, and what waits of its page requests is answered Invalid.
    Errno release(ExecContext& ctx, Device& device);

    // PASID entries. `space` names the address space for ownership events. -EBUSY: it is present.
    // Nested: -EINVAL without the capability, -ENOSPC for a domain id that the unit does not have.
    Errno set_first_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                          std::uint64_t page_table, const std::string& space);
    Errno set_nested(ExecContext& ctx, const Device& device, Pasid pasid, Gpa page_table,
                     const SecondStage& stage2, const std::string& space);
    Errno set_second_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                           const SecondStage& stage, const std::string& space);
    // Requests of the function without PASID; -EBUSY: they go somewhere already.
    Errno set_second_stage(ExecContext& ctx, const Device& device, const SecondStage& stage2,
                           const std::string& space);
    Errno clear_second_stage(ExecContext& ctx, const Device& device);
    // Another second stage behind a live PASID (0: requests without one), with no moment in which
    // there is none; then what the former one translated is invalidated, and page requests are
    // drained (intel_pasid_replace_second_level). -ENOENT: nothing stands there, -EINVAL: something
    // else, -ENOSPC.
    Errno replace_second_stage(ExecContext& ctx, const Device& device, Pasid pasid,
                               const SecondStage& stage, const std::string& space);
    // Translations of a domain in [range] changed; `devices` are those that may have them in a TLB.
    Errno flush_second_stage(ExecContext& ctx, DomainId did, const IovaRange& range,
                             const std::vector<Device*>& devices);
    // The unit takes page requests of the function, or answers each of them Invalid by itself (PRE
    // of its context entry).
    Errno take_page_requests(ExecContext& ctx, const Device& device, bool on);
    // The widest table that the unit offers (CAP.SAGAW), as far as it takes addresses (CAP.MGAW).
    SecondStageFormat second_stage_format() const;
    bool forces_snooping() const { return vtd::ecap::kSc.get(ecap_) != 0; }
    bool remaps_interrupts() const { return vtd::ecap::kIr.get(ecap_) != 0; }
    // Not present, caches invalidated, page requests drained. With `fpd` the entry keeps fault
    // processing disabled.
    enum class TableLock : std::uint8_t {
        ForTables,   // held while the tables are written
        Throughout,  // as the posted driver's work of FREE: also while page requests drain
    };
    Errno teardown(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd,
                   TableLock hold = TableLock::ForTables);
    // The first half of that: not present, fault processing disabled, caches invalidated. Page
    // requests are not drained: teardown() of such an entry does.
    Errno disable_entry(ExecContext& ctx, const Device& device, Pasid pasid);
    // The function's own TLB forgets what it knows of a PASID.
    Errno flush_device_tlb(ExecContext& ctx, const Device& device, Pasid pasid);
    // First-stage translations of a range changed: page-selective where the unit can.
    Errno flush_range(ExecContext& ctx, const Device& device, Pasid pasid, std::uint64_t address,
                      std::uint64_t bytes);
    // First-stage translations of a PASID changed (all of it).
    Errno flush_pasid(ExecContext& ctx, const Device& device, Pasid pasid);
    // The function goes by the PASID table of another one from now on, and back by its own (a
    // table for each VM). An entry of such a table is live for all of its functions until the last
    // one leaves.
    Errno share_directory(ExecContext& ctx, const Device& device, const Device& owner);
    Errno own_directory(ExecContext& ctx, const Device& device);
    // The PASID entry as it is in memory.
    Result<vtd::PasidEntry> read_entry(ExecContext& ctx, const Device& device, Pasid pasid);

    const std::string& name() const { return name_; }
    std::uint64_t registers() const { return registers_; }
    bool has_virtual_commands() const { return vtd::ecap::kVcs.get(ecap_) != 0; }
    bool caching_mode() const { return vtd::cap::kCm.get(cap_) != 0; }
    std::uint64_t cap() const { return cap_; }
    std::uint64_t ecap() const { return ecap_; }
    // PASIDs 0 to below this are the unit's; 0 in legacy mode.
    std::uint32_t max_pasids() const { return scalable_ ? 1U << pasid_bits() : 0; }
    // Null: the unit takes no page requests.
    PageRequestService* page_requests() { return page_requests_.get(); }
    InvalidationQueue& queue() { return queue_; }

private:
    void enable_device(ExecContext& ctx, Device& device);
    Errno attach_legacy(ExecContext& ctx, const Device& device);
    Errno start_page_requests(ExecContext& ctx);
    Errno clear_entry(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd, TableLock hold,
                      std::optional<LockGuard>& guard);
    bool forget_disabled(ExecContext& ctx, const Device& device, Pasid pasid, bool fpd);
    std::uint64_t read(ExecContext& ctx, std::uint32_t offset, unsigned size);
    void write(ExecContext& ctx, std::uint32_t offset, std::uint64_t value, unsigned size);
    // Writes GCMD with `bit` changed and polls GSTS for `status`.
    Errno command(ExecContext& ctx, std::uint32_t bit, bool on, std::uint32_t status);
    Errno set_root_table(ExecContext& ctx);
    Errno flush_everything(ExecContext& ctx);
    Errno flush_new_entry(ExecContext& ctx, Pasid pasid, DomainId did);
    bool knows(DomainId did) const;
    // Address of the function's context entry; makes the context table if there is none.
    Result<std::uint64_t> context_entry(ExecContext& ctx, Rid rid);
    unsigned pasid_bits() const;
    Errno use_directory(ExecContext& ctx, const Device& device, std::uint64_t directory);
    std::vector<const Device*> sharing(const Device& device) const;
    bool used_by_others(const Device& device, Pasid pasid) const;
    Result<std::uint64_t> entry_address(ExecContext& ctx, const Device& device, Pasid pasid,
                                        bool allocate);
    Errno install(ExecContext& ctx, const Device& device, Pasid pasid, const vtd::PasidEntry& entry,
                  const std::string& space);
    Errno flush_after_clear(ExecContext& ctx, const Device& device, Pasid pasid,
                            const vtd::PasidEntry& old);
    Errno drain_page_requests(ExecContext& ctx, const Device& device, Pasid pasid);
    void tell_entry(ExecContext& ctx, const Device& device, Pasid pasid,
                    const vtd::PasidEntry& entry);
    void tell_space(ExecContext& ctx, const Device& device, Pasid pasid, const std::string& space);

    Kernel& kernel_;
    std::string name_;
    std::uint64_t registers_;
    SimLock lock_;            // tables
    WaitQueue page_answers_;  // of functions, to requests of a PASID that goes
    InvalidationQueue queue_;
    std::uint64_t cap_ = 0;
    std::uint64_t ecap_ = 0;
    std::uint64_t root_ = 0;
    bool ready_ = false;
    bool scalable_ = false;
    std::unique_ptr<PageRequestService> page_requests_;
    std::map<std::uint16_t, std::uint64_t> directories_;  // by RID
    std::map<std::uint16_t, std::uint64_t> own_;          // while it goes by another one's
};

}  // namespace ioasim::os
