// What users of the IOASID core hold in their hands: sets, notification blocks, deferred work,
// allocator providers. Behaviour: ioasid.hpp.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/exec_context.hpp"
#include "core/base/result.hpp"
#include "core/base/types.hpp"
#include "core/trace/ioasid_events.hpp"

namespace ioasim {

using trace::IoasidNotification;
using trace::IoasidState;

constexpr Ioasid kNoIoasid{kInvalidIoasid};
constexpr Spid kNoSpid{kInvalidIoasid};
constexpr std::uint32_t kDefaultIoasidCapacity = 0x100000;  // 20 bits: PCIe PASID width

constexpr bool is_valid(Ioasid id) {
    return id != kNoIoasid;
}

// Values as in the V4 patch series; other numbers are illegal and refused.
enum class SetType : std::uint32_t { None = 1, Mm = 2 };
constexpr std::uint32_t kSetTypeCount = 3;

// 0 is the NULL pointer. For SetType::Mm it names an mm of the kernel.
using SetToken = std::uint64_t;

// The document's order: CPU, IOMMU, DEVICE. A block that says nothing is Last.
enum NotifierPriority : int {
    kPriorityLast = 0,
    kPriorityDevice = 1,
    kPriorityIommu = 2,
    kPriorityCpu = 3
};

constexpr unsigned kNotifyAll = 1U << 0U;  // the global chain
constexpr unsigned kNotifySet = 1U << 1U;  // the chain of the ID's set

class IoasidSet;
class IoasidCore;
struct IoasidEntry;
class IdTable;

// Copied from the ID when the notification starts: a later handler sees these values even when an
// earlier one dropped the last reference.
struct NotifierPayload {
    IoasidNotification event = IoasidNotification::None;
    Ioasid id = kNoIoasid;
    Spid spid = kNoSpid;
    IoasidSet* set = nullptr;
    void* data = nullptr;
};

// Values of Linux's notifier return codes; the stop bit ends the rest of the chain.
enum class NotifyResult : std::int32_t { Done = 0, Ok = 1, Stop = 0x8001, Bad = 0x8002 };
constexpr bool stops_chain(NotifyResult r) {
    return (static_cast<std::int32_t>(r) & 0x8000) != 0;
}
// As notifier_from_errno(): an error with the stop bit.
constexpr NotifyResult notify_error(Errno error) {
    return static_cast<NotifyResult>(0x8000 | (1 + static_cast<std::int32_t>(error)));
}

// Subscriber. handle() runs in the context of whoever caused the event, in an atomic section with
// the allocator lock held: only *_locked calls, find, find_set and queue_work are allowed in it.
class NotifierBlock {
public:
    NotifierBlock(std::string name, int priority) : name_(std::move(name)), priority_(priority) {}
    virtual ~NotifierBlock() = default;
    NotifierBlock(const NotifierBlock&) = delete;
    NotifierBlock& operator=(const NotifierBlock&) = delete;
    const std::string& name() const { return name_; }
    int priority() const { return priority_; }
    // By descending priority; equal ones keep their order.
    bool is_called_before(const NotifierBlock& other, bool reversed) const {
        return reversed ? priority_ < other.priority_ : priority_ > other.priority_;
    }
    virtual NotifyResult handle(ExecContext& ctx, const NotifierPayload& payload) = 0;

private:
    std::string name_;
    int priority_;
};

// One piece of deferred work; at most once in the queue at a time. The object must live until it
// ran. It keeps no name of its own: there may be a million of them waiting.
class WorkItem {
public:
    explicit WorkItem(Ioasid id) : id_(id) {}
    virtual ~WorkItem() = default;
    WorkItem(const WorkItem&) = delete;
    WorkItem& operator=(const WorkItem&) = delete;
    virtual const std::string& name() const = 0;
    Ioasid id() const { return id_; }
    bool pending() const { return pending_; }
    virtual void run(ExecContext& ctx) = 0;
    // Called by the worker after `done` was told; the item may delete itself here.
    virtual void finished() {}

private:
    friend class OrderedWorkqueue;
    Ioasid id_;
    bool pending_ = false;
};

// A provider of numbers (a guest's virtual command registers). Both functions run with the
// allocator spinlock held: a provider that waits for MMIO spends that time under the lock, as the
// real one does.
class AllocatorOps {
public:
    explicit AllocatorOps(std::string name) : name_(std::move(name)) {}
    virtual ~AllocatorOps() = default;
    AllocatorOps(const AllocatorOps&) = delete;
    AllocatorOps& operator=(const AllocatorOps&) = delete;
    const std::string& name() const { return name_; }
    // Providers with equal function identity share one group and one array (same two function
    // pointers, other private data: several vIOMMUs).
    virtual const void* functions() const { return this; }
    // kNoIoasid when nothing is free.
    virtual Ioasid alloc(ExecContext& ctx, Ioasid min, Ioasid max) = 0;
    virtual void free(ExecContext& ctx, Ioasid id) = 0;

private:
    std::string name_;
};

// A notification chain: descending priority, registration order among equals. Blocks may come and
// go while somebody walks it (posted code registers without the allocator lock).
class NotifierChain {
public:
    NotifierChain() = default;
    NotifierChain(const NotifierChain&) = delete;
    NotifierChain& operator=(const NotifierChain&) = delete;
    bool contains(const NotifierBlock& block) const;
    // False when the block is on the chain already; then nothing changes.
    bool add(NotifierBlock& block, bool reversed);
    void insert(NotifierBlock& block, bool reversed);  // whether it is there or not
    bool remove(const NotifierBlock& block);
    std::vector<const NotifierBlock*> blocks() const;  // in call order

    // Removed links keep their place, empty, until the last walk ended.
    using Links = std::list<NotifierBlock*>;
    Links& begin_walk() {
        ++walkers_;
        return links_;
    }
    void end_walk() {
        if (--walkers_ == 0 && has_empty_) {
            drop_empty();
        }
    }
    bool walked() const { return walkers_ > 0; }
    bool empty() const { return links_.empty(); }

private:
    void drop_empty();
    Links links_;
    int walkers_ = 0;
    bool has_empty_ = false;
};

// A group of IDs with owner token and quota. Objects outlive their destruction, so that a stale
// pointer is recognised (`registered()` is false) instead of being undefined.
class IoasidSet {
public:
    ~IoasidSet();
    IoasidSet(const IoasidSet&) = delete;
    IoasidSet& operator=(const IoasidSet&) = delete;

    const std::string& name() const { return text_; }
    trace::Name trace_name() const { return name_; }
    std::uint32_t number() const { return number_; }
    SetType type() const { return type_; }
    SetToken token() const { return token_; }
    std::int64_t quota() const { return quota_; }  // negative only with a signed quota
    // IDs counted against the quota, FREE_PENDING and orphans included.
    std::uint32_t live() const { return live_; }
    bool registered() const { return registered_; }
    // set_free was refused; the last reclaim destroys the set.
    bool marked() const { return marked_; }
    bool is_private() const { return own_ids_ != nullptr; }
    const NotifierChain& chain() const { return chain_; }

private:
    friend class IoasidCore;
    IoasidSet(std::string text, trace::Name name);

    std::string text_;
    trace::Name name_;
    std::uint32_t number_ = 0;
    SetType type_ = SetType::None;
    SetToken token_ = 0;
    std::int64_t quota_ = 0;
    std::uint32_t share_ = 0;  // what the set took from the pool
    std::uint32_t live_ = 0;
    std::uint32_t orphans_ = 0;  // listed IDs of allocators that are gone
    bool registered_ = false;
    bool marked_ = false;
    std::uint32_t highest_id_ = 0;      // ever listed: height of the set's tree
    std::vector<IoasidEntry*> listed_;  // the set's array; position is kept in the entry
    std::unordered_map<std::uint32_t, IoasidEntry*> by_spid_;  // of listed_; never iterated
    std::unique_ptr<IdTable> own_ids_;                         // private set: its own namespace
    NotifierChain chain_;
};

// An ID as a reader sees it.
struct IoasidView {
    Ioasid id = kNoIoasid;
    IoasidSet* set = nullptr;
    IoasidState state = IoasidState::Free;  // ACTIVE is derived: more than one reference
    std::uint32_t refs = 0;
    Spid spid = kNoSpid;
    void* data = nullptr;
    bool listed = false;  // still in its set's array
};

}  // namespace ioasim
