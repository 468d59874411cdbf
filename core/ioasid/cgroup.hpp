// The `ioasids` cgroup controller: limits of IDs for groups of processes, after the controller of
// the V4 patch series (Documentation/admin-guide/cgroup-v1/ioasids.rst). One unit an ID of an MM
// set, charged when the ID is allocated and given back when it is reclaimed, in the group and all
// its ancestors below the root. A limit reserves its IDs from the core's pool, whatever the
// parent's is.
//
// The controller's logic only: tasks are told through CgroupTasks, the files' names and the
// movement of tasks belong to the kernel model. Threaded mode is absent, as in the series.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/ioasid/ioasid.hpp"

namespace ioasim {

class IoasidsGroup {
public:
    const std::string& name() const { return text_; }  // "/", "/vms/vm1"
    IoasidsGroup* parent() const { return parent_; }
    bool is_root() const { return parent_ == nullptr; }
    std::uint32_t limit() const { return limit_; }
    std::int64_t current() const { return current_; }  // posted code lets it go negative
    std::uint64_t events() const { return events_; }

private:
    friend class IoasidsController;
    IoasidsGroup(std::string text, trace::Name name, IoasidsGroup* parent)
        : text_(std::move(text)), name_(name), parent_(parent) {}
    std::string text_;
    trace::Name name_;
    IoasidsGroup* parent_;
    std::uint32_t limit_ = 0;  // a new group may hold nothing until max is written
    std::int64_t current_ = 0;
    std::uint64_t events_ = 0;
    std::size_t children_ = 0;
    bool removed_ = false;
};

// The task that runs in a context.
struct CgroupTask {
    SetToken mm = 0;                // 0: a kernel thread
    IoasidsGroup* group = nullptr;  // null: the root group
};

class CgroupTasks {
public:
    virtual ~CgroupTasks() = default;
    virtual CgroupTask current(ExecContext& ctx) = 0;
    // False when the last user of the address space has gone (mm_users is 0).
    virtual bool has_users(SetToken mm) const = 0;
};

// A process that moves: one entry a thread, and only the leader carries the charges.
struct MovingTask {
    SetToken mm = 0;
    bool leader = true;
    IoasidsGroup* from = nullptr;
};

class IoasidsController final : public IoasidCharging {
public:
    // Charges every allocation of `core` from now on.
    IoasidsController(IoasidCore& core, CgroupTasks& tasks);
    ~IoasidsController() override;
    IoasidsController(const IoasidsController&) = delete;
    IoasidsController& operator=(const IoasidsController&) = delete;

    IoasidsGroup& root() { return *groups_.front(); }
    IoasidsGroup& create(IoasidsGroup& parent, std::string_view name);
    // -EBUSY with children, -EINVAL for the root.
    Errno remove(ExecContext& ctx, IoasidsGroup& group);

    // Files; the root group has none (-ENOENT).
    Errno write_max(ExecContext& ctx, IoasidsGroup& group, std::string_view text);
    Result<std::string> read_max(const IoasidsGroup& group) const;
    Result<std::string> read_current(const IoasidsGroup& group) const;
    Result<std::string> read_events(const IoasidsGroup& group) const;

    // Migration of tasks: the charges of each leader's mm set move with it. Always allowed; the
    // destination may end above its limit. cancel_attach takes back what can_attach moved.
    Errno can_attach(ExecContext& ctx, IoasidsGroup& to, const std::vector<MovingTask>& tasks);
    void cancel_attach(ExecContext& ctx, IoasidsGroup& to, const std::vector<MovingTask>& tasks);

    Errno charge(ExecContext& ctx, const IoasidSet& set, bool& counted) override;
    void uncharge(ExecContext& ctx, const IoasidSet& set) override;

private:
    // Which group holds the charges of an mm.
    struct Account {
        IoasidsGroup* group = nullptr;
        IoasidsGroup* came_from = nullptr;  // before the last can_attach
        std::int64_t units = 0;
    };
    // Whoever was charged: the group of the task that reclaims pays back.
    bool uncharges_runner() const;
    Errno add(IoasidsGroup& group);
    static void move(IoasidsGroup& from, IoasidsGroup& to, std::int64_t units);
    void tell(ExecContext& ctx, const IoasidsGroup& group, bool charge, Errno result);

    IoasidCore& core_;
    CgroupTasks& tasks_;
    std::vector<std::unique_ptr<IoasidsGroup>> groups_;
    std::map<SetToken, Account> accounts_;
};

}  // namespace ioasim
