// The IOASID core of one kernel: sets with tokens and quota, IDs with references and states, SPIDs,
// notification chains, the ordered workqueue and custom allocators, after the IOASID patch series
// of 2020 and 2021. Straight-line software over ExecContext: calls take the allocator spinlock,
// spend time under it and call notification blocks with it held.
//
// Errors are those of the posted API. A call that real code would not survive (plain call from a
// handler, use of a destroyed set) is told as `ioasid.hazard` and goes on as if the `_locked`
// variant had been called, or as if the set were unknown. Left out: the memory cost of the real
// structures.
//
// `holder` names who takes or drops a reference; the same party uses the same name for both.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/defects.hpp"
#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/ioasid/ioasid_params.hpp"
#include "core/ioasid/ioasid_types.hpp"
#include "core/ioasid/ordered_work.hpp"
#include "core/ioasid/switches.hpp"
#include "core/trace/recorder.hpp"

namespace ioasim {

// The ioasids controller as the core sees it (cgroup.hpp implements it). Called under the allocator
// lock, for MM sets only.
class IoasidCharging {
public:
    virtual ~IoasidCharging() = default;
    // `counted`: a unit was taken that uncharge gives back. None is for the root group's kernel
    // contexts.
    virtual Errno charge(ExecContext& ctx, const IoasidSet& set, bool& counted) = 0;
    // At the reclaim of a counted ID, or when the allocation failed after the charge.
    virtual void uncharge(ExecContext& ctx, const IoasidSet& set) = 0;
};

using DataGetter = std::function<bool(void*)>;

class IoasidCore {
public:
    IoasidCore(const std::string& kernel, const IoasidParams& params, const Switches& switches,
               trace::Recorder& recorder, Probes& probes);
    ~IoasidCore();
    IoasidCore(const IoasidCore&) = delete;
    IoasidCore& operator=(const IoasidCore&) = delete;

    const std::string& kernel() const { return kernel_text_; }
    const Switches& switches() const { return switches_; }
    const IoasidParams& params() const { return params_; }
    trace::Recorder& recorder() { return recorder_; }
    Probes& probes() { return probes_; }
    // Name of a reference holder for traces ("kvm/vm1", "iommu"); make it once, outside hot paths.
    trace::Name holder(std::string_view name) { return recorder_.name(name); }
    // Whoever called alloc; owns the first reference.
    trace::Name owner() const { return owner_; }

    // --- lock ---------------------------------------------------------------------------------
    // For callers of *_locked outside handlers.
    void lock(ExecContext& ctx) { ctx.lock(lock_); }
    void unlock(ExecContext& ctx) { ctx.unlock(lock_); }
    const SimLock& allocator_lock() const { return lock_; }
    const SimLock& mm_list_lock() const { return mm_list_lock_; }

    // --- capacity -----------------------------------------------------------------------------
    // False when refused (installed before); the real call only warns.
    bool install_capacity(ExecContext& ctx, std::uint32_t total);
    // Takes n (0: all that is left) out of the pool; returns what was taken, or -ENOSPC.
    Result<std::uint32_t> reserve_capacity(ExecContext& ctx, std::uint32_t n);
    // Gives n back; returns the new available value, or -EINVAL.
    Result<std::uint32_t> cancel_capacity(ExecContext& ctx, std::uint32_t n);
    // As cancel_capacity for what was certainly reserved; too much is a hazard and is cut.
    void return_capacity(ExecContext& ctx, std::uint32_t n);
    std::uint32_t capacity() const { return capacity_; }
    std::uint32_t available() const { return available_; }

    // --- sets ---------------------------------------------------------------------------------
    // quota 0: all that is left. Errors, in this order: type out of range -EINVAL; quota over the
    // pool -ENOSPC; token rules -EINVAL; token taken -EEXIST; -ENOMEM; no set number -ENOSPC.
    // `name` appears in traces ("vm1").
    Result<IoasidSet*> set_alloc(ExecContext& ctx, SetToken token, std::uint32_t quota,
                                 SetType type, const std::string& name);
    // Own namespace, no quota, excluded from every search that does not name the set.
    Result<IoasidSet*> set_alloc_private(ExecContext& ctx, SetToken token, SetType type,
                                         const std::string& name);
    // A bare tag, where sets are not managed (mainline's DECLARE_IOASID_SET).
    IoasidSet* declare_set(const std::string& name);
    // -EBUSY with live IDs (and, by switch, the last reclaim destroys the set).
    Errno set_free(ExecContext& ctx, IoasidSet* set);
    // V1's call: frees every ID first; destroys the set only if told to.
    Errno set_free_v1(ExecContext& ctx, IoasidSet* set, bool destroy);
    // Ascending; returns how many were visited. No lock, as posted.
    std::size_t set_for_each(ExecContext& ctx, IoasidSet* set,
                             const std::function<void(Ioasid)>& visit);
    IoasidSet* find_mm_set(ExecContext& ctx, SetToken mm);
    void free_all_in_set(ExecContext& ctx, IoasidSet* set);
    Errno adjust_set(ExecContext& ctx, IoasidSet* set, std::uint32_t quota);
    Result<IoasidSet*> find_set(ExecContext& ctx, Ioasid id);
    // V1's call: the number of the ID's set.
    Result<std::uint32_t> find_sid(ExecContext& ctx, Ioasid id);
    bool is_in_set(ExecContext& ctx, IoasidSet* set, Ioasid id);

    // --- IDs ----------------------------------------------------------------------------------
    // Lowest free number of min..max (inclusive); kNoIoasid for every refusal (the cause is told by
    // ioasid.refused only).
    Ioasid alloc(ExecContext& ctx, IoasidSet* set, Ioasid min, Ioasid max, void* data);
    void free(ExecContext& ctx, IoasidSet* set, Ioasid id);
    Errno get(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    Errno get_locked(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    Errno get_if_owned(ExecContext& ctx, SetToken current_mm, Ioasid id, trace::Name holder);
    // True when this was the last reference. A null set skips the ownership check.
    bool put(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    bool put_locked(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    // Lock-free. -ENOENT unknown, -EACCES foreign, nullptr when the getter refuses.
    Result<void*> find(ExecContext& ctx, IoasidSet* set, Ioasid id,
                       const DataGetter* getter = nullptr);
    Errno attach_data(ExecContext& ctx, IoasidSet* set, Ioasid id, void* data);
    // Sleeps for a grace period.
    // `set` counts only if it is private: its own namespace is meant (so in the calls below).
    void detach_data(ExecContext& ctx, Ioasid id, const IoasidSet* set = nullptr);
    // Mainline's call: overwrites, then sleeps for a grace period.
    Errno set_data(ExecContext& ctx, Ioasid id, void* data);

    // --- SPIDs --------------------------------------------------------------------------------
    Errno attach_spid(ExecContext& ctx, IoasidSet* set, Ioasid id, Spid spid);
    void detach_spid(ExecContext& ctx, Ioasid id, const IoasidSet* set = nullptr);
    // With `get` a reference is taken in the holder's name.
    Ioasid find_by_spid(ExecContext& ctx, IoasidSet* set, Spid spid, bool get,
                        trace::Name holder = {});

    // --- notifiers ----------------------------------------------------------------------------
    // A null set is the global chain. Must not be called in a handler.
    Errno register_notifier(ExecContext& ctx, IoasidSet* set, NotifierBlock& block);
    void unregister_notifier(ExecContext& ctx, IoasidSet* set, NotifierBlock& block);
    Errno register_notifier_mm(ExecContext& ctx, SetToken mm, NotifierBlock& block);
    void unregister_notifier_mm(ExecContext& ctx, SetToken mm, NotifierBlock& block);
    // Explicit event with scope flags. The value of the last chain called, or -EINVAL.
    Result<NotifyResult> notify(ExecContext& ctx, Ioasid id, IoasidNotification event,
                                unsigned flags, const IoasidSet* set = nullptr);

    // --- deferred work ------------------------------------------------------------------------
    bool queue_work(ExecContext& ctx, WorkItem& item) { return work_.queue(ctx, item); }
    [[noreturn]] void worker_loop(ExecContext& ctx) { work_.worker_loop(ctx); }
    std::size_t run_pending(ExecContext& ctx) { return work_.run_pending(ctx); }
    OrderedWorkqueue& workqueue() { return work_; }
    const OrderedWorkqueue& workqueue() const { return work_; }

    // --- allocators ---------------------------------------------------------------------------
    // -EAGAIN while the default allocator has IDs outstanding; -EEXIST when registered.
    Errno register_allocator(ExecContext& ctx, AllocatorOps& ops);
    void unregister_allocator(ExecContext& ctx, AllocatorOps& ops);

    // --- cgroup -------------------------------------------------------------------------------
    void set_charging(IoasidCharging* charging) { charging_ = charging; }

    // --- looking in (checkers of the program's own tests, dumps, replays) -----------------------
    std::optional<IoasidView> view(Ioasid id, const IoasidSet* private_set = nullptr) const;
    std::vector<IoasidSet*> sets() const;  // registered, by number
    std::vector<IoasidView> ids() const;   // of the active allocator, ascending
    std::vector<IoasidView> ids_of(const IoasidSet& set) const;
    std::vector<Ioasid> with_spid(const IoasidSet& set) const;  // not freed, ascending
    std::vector<Ioasid> orphans_of(const IoasidSet& set) const;
    const NotifierChain& global_chain() const { return global_chain_; }
    struct MmEntryView {
        SetToken token;
        const NotifierBlock* block;
        bool active;
    };
    std::vector<MmEntryView> mm_list() const;  // newest first
    struct AllocatorGroupView {
        const AllocatorOps* head;
        std::vector<const AllocatorOps*> members;
        bool active;
        std::size_t ids;
    };
    std::vector<AllocatorGroupView> allocator_groups() const;
    std::vector<std::string> dump() const;

private:
    friend class CoreLock;
    struct MmEntry {
        SetToken token = 0;
        NotifierBlock* block = nullptr;
        IoasidSet* set = nullptr;
        bool active = false;
    };
    struct Group;

    // hazards and refusals
    [[gnu::noinline]] void hazard(ExecContext& ctx, const char* kind, const std::string& lock);
    void must_hold_lock(ExecContext& ctx);
    // What a look-up that finds nothing may have touched.
    void not_found(ExecContext& ctx, Ioasid id) {
        if (invalid_number_kept_ && id == kNoIoasid) {
            hazard(ctx, "freed_entry_used", kernel_text_);
        }
    }
    void grace_period(ExecContext& ctx, const NotifierChain* chain = nullptr);
    // A living set of this core; a destroyed one is told as a hazard.
    bool usable(ExecContext& ctx, const IoasidSet* set);
    void refused(ExecContext& ctx, const char* operation, const IoasidSet* set, Ioasid id,
                 Errno result) {
        if (told()) {
            tell_refused(ctx, operation, set, id, result);
        }
    }
    [[gnu::noinline]] void tell_refused(ExecContext& ctx, const char* operation,
                                        const IoasidSet* set, Ioasid id, Errno result);
    void spend(ExecContext& ctx, TimePs cost) {
        if (cost != TimePs{}) {
            ctx.spend(cost);
        }
    }
    template <class E>
    void emit(ExecContext& ctx, const E& event) {
        recorder_.emit(ctx.source(), event);
    }
    bool told() const { return recorder_.listened(); }
    bool unobserved() const { return !told() && !probes_.any_defect() && !probes_.decide; }
    void tell_capacity(ExecContext& ctx);
    static trace::Name name_of(const IoasidSet* set) {
        return set == nullptr ? trace::Name{} : set->trace_name();
    }

    // sets
    void give_back(ExecContext& ctx, std::uint32_t n);
    Errno check_new_set(SetToken token, SetType type, bool is_private) const;
    IoasidSet* make_set(ExecContext& ctx, SetToken token, SetType type, const std::string& name,
                        std::uint32_t highest, bool is_private);
    void destroy_set(ExecContext& ctx, IoasidSet& set);
    void attach_pending_blocks(IoasidSet& set);
    std::vector<Ioasid> listed_ids(const IoasidSet& set) const;

    // IDs
    IdTable& table_for(const IoasidSet* set);
    const IdTable& table_for(const IoasidSet* set) const;
    IoasidEntry* lookup(const IoasidSet* set, Ioasid id);
    IoasidEntry* lookup_dense(const IoasidSet* set, Ioasid id);
    IoasidEntry* lookup_named(const IoasidSet* set, Ioasid id);
    [[gnu::noinline]] static IoasidEntry* lookup_private(const IoasidSet* set, Ioasid id,
                                                         IoasidEntry* otherwise);
    IoasidEntry* find_listed(const IoasidSet& set, Ioasid id);
    TimePs search_cost(const IoasidSet* set) const;
    [[gnu::noinline]] void spend_search(ExecContext& ctx, TimePs cost, const IoasidSet* set);
    TimePs set_cost(const IoasidSet& set) const;
    struct Provided {
        Ioasid id = kNoIoasid;
        IoasidEntry* entry = nullptr;  // null: nothing was stored
    };
    Provided provide(ExecContext& ctx, IoasidSet* set, Ioasid min, Ioasid max);
    Provided provide_by_default(IdTable& table, Ioasid min, Ioasid max);
    Ioasid give_up_unlisted(ExecContext& ctx, IoasidSet* set, IoasidEntry& entry);
    Errno may_alloc(ExecContext& ctx, const IoasidSet* set, bool& charged);
    void list(IoasidSet& set, IoasidEntry& entry);
    void unlist(IoasidEntry& entry);
    void take(ExecContext& ctx, IoasidEntry& entry, trace::Name holder);
    [[gnu::noinline]] void tell_reference(ExecContext& ctx, const IoasidEntry& entry,
                                          IoasidState from, bool taken, trace::Name holder);
    bool drop(ExecContext& ctx, IoasidEntry& entry, trace::Name holder);
    [[gnu::noinline]] Errno refuse_get(ExecContext& ctx, const IoasidSet* set, Ioasid id,
                                       const IoasidEntry* entry);
    [[gnu::noinline]] bool refuse_put(ExecContext& ctx, const IoasidSet* set, Ioasid id,
                                      const IoasidEntry* entry);
    // get, put and find where time passes, somebody looks on, or the usual answer does not hold.
    [[gnu::noinline]] Result<void*> find_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id,
                                                  const DataGetter* getter);
    [[gnu::noinline]] Errno get_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id,
                                         trace::Name holder);
    [[gnu::noinline]] bool put_in_steps(ExecContext& ctx, IoasidSet* set, Ioasid id,
                                        trace::Name holder);
    Errno get_entry(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    bool put_entry(ExecContext& ctx, IoasidSet* set, Ioasid id, trace::Name holder);
    void free_active(ExecContext& ctx, IoasidEntry& entry);
    void free_locked(ExecContext& ctx, IoasidSet* set, Ioasid id);
    bool reclaim_calls_nobody(const IoasidEntry& entry) const;
    void reclaim(ExecContext& ctx, IoasidEntry& entry, IoasidState from);
    void tell_state(ExecContext& ctx, const IoasidEntry& entry, IoasidState from, IoasidState to);
    IoasidView view_of(const IoasidEntry& entry) const;

    // SPIDs
    IoasidEntry* find_spid(const IoasidSet& set, Spid spid) const;
    TimePs scan_cost(const IoasidSet& set) const;
    void index_spid(IoasidEntry& entry);
    void unindex_spid(IoasidEntry& entry);
    void unbind(ExecContext& ctx, IoasidEntry& entry);
    Ioasid find_unlocked(ExecContext& ctx, IoasidSet& set, Spid spid, bool get, trace::Name holder);
    Ioasid find_without_spid(ExecContext& ctx, IoasidSet& set, bool get, trace::Name holder);

    // notifications
    Errno add_mm_entry(ExecContext& ctx, SetToken mm, NotifierBlock& block);
    void pin_set(IoasidSet* set);
    void unpin_set(ExecContext& ctx, IoasidSet* set);
    void end_walk(ExecContext& ctx, NotifierChain& chain);
    void add_block(NotifierChain& chain, NotifierBlock& block);
    bool in_mm_list(const NotifierBlock& block) const;
    void remove_block(NotifierChain& chain, NotifierBlock& block);
    void tell_notification(ExecContext& ctx, const NotifierPayload& payload);
    bool heard(const IoasidSet* set) const;
    NotifyResult send(ExecContext& ctx, const IoasidEntry& entry, IoasidNotification event,
                      unsigned flags);
    NotifyResult joined(NotifyResult global, NotifyResult set) const;
    NotifyResult call_chain(ExecContext& ctx, NotifierChain& chain, trace::Name chain_name,
                            const NotifierPayload& payload);
    NotifyResult call_chains(ExecContext& ctx, const NotifierPayload& payload, unsigned flags);
    NotifyResult call_merged(ExecContext& ctx, const NotifierPayload& payload);
    NotifyResult handle_in(ExecContext& ctx, NotifierBlock& block, const NotifierPayload& payload);
    bool befallen(ExecContext& ctx, const NotifierBlock& block);
    NotifyResult call_block_told(ExecContext& ctx, NotifierBlock& block, trace::Name chain_name,
                                 const NotifierPayload& payload);
    NotifyResult call_block(ExecContext& ctx, NotifierBlock& block, trace::Name chain_name,
                            const NotifierPayload& payload);

    // allocators
    Group* group_of(const AllocatorOps& ops) const;
    Errno join_group(ExecContext& ctx, Group& group, AllocatorOps& ops);
    void remove_group(ExecContext& ctx, Group& group);

    std::string kernel_text_;
    const IoasidParams params_;
    const Switches switches_;
    const bool instant_;  // get, put and find exist and take no time
    trace::Recorder& recorder_;
    bool lost_among_waiters(const Defect& one, const Defect& two) const;

    Probes& probes_;
    trace::Name kernel_;
    trace::Name owner_;
    trace::Name chain_global_;
    trace::Name chain_set_;
    SimLock lock_;
    SimLock mm_list_lock_;
    WaitQueue grace_wait_;
    OrderedWorkqueue work_;

    std::uint32_t capacity_ = kDefaultIoasidCapacity;
    std::uint32_t available_ = kDefaultIoasidCapacity;
    bool installed_ = false;
    std::vector<std::unique_ptr<IoasidSet>> all_sets_;  // destroyed ones too
    std::vector<IoasidSet*> by_number_;
    std::set<std::uint32_t> free_numbers_;
    std::map<std::pair<std::uint32_t, SetToken>, IoasidSet*> by_token_;
    std::size_t set_count_ = 0;

    std::unique_ptr<IdTable> default_table_;
    std::list<std::unique_ptr<Group>> groups_;
    std::vector<std::unique_ptr<IdTable>> orphaned_tables_;
    Group* active_ = nullptr;           // nullptr: the default allocator
    IdTable* active_table_ = nullptr;   // of active_, or the default one
    bool invalid_number_kept_ = false;  // the default allocator's array has a freed entry there

    NotifierChain global_chain_;
    std::list<MmEntry> mm_list_;
    int notifying_ = 0;                     // notifications under way, one inside the other
    std::vector<std::uint32_t> held_back_;  // reclaimed inside them
    IoasidCharging* charging_ = nullptr;
};

}  // namespace ioasim
