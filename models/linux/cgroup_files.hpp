// The cgroup hierarchy as user space sees it: folders, ioasids.max, ioasids.current,
// ioasids.events, cgroup.procs. The controller's logic is in core/ioasid; this side knows which
// task runs in a context and which group it is in. Tasks that nobody added are kernel threads.
// Left out: other controllers, threaded mode, delegation.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/ioasid/cgroup.hpp"

namespace ioasim::os {

class CgroupFiles final : public CgroupTasks {
public:
    // Charges every allocation from MM sets of this core from now on.
    explicit CgroupFiles(IoasidCore& core);

    // `context` is the name of the context that the task runs in. It starts in the root group.
    void add_task(const std::string& context, SetToken mm);
    // The task has exited.
    void remove_task(const std::string& context);
    // The last user of the address space went (mm_users is 0).
    void mm_without_users(SetToken mm);

    // Paths begin with '/'; "/" is the root. -ENOENT without parent, -EEXIST when it is there.
    Errno make(const std::string& path);
    Errno remove(ExecContext& ctx, const std::string& path);
    Errno write_max(ExecContext& ctx, const std::string& path, const std::string& text);
    // `file`: "max", "current", "events". Text as read.
    Result<std::string> read(const std::string& path, const std::string& file);
    // cgroup.procs: -ESRCH for an unknown task. With `cancel` another controller refuses after
    // this one agreed: the charges go back.
    Errno move(ExecContext& ctx, const std::string& path, const std::string& context, bool cancel);

    CgroupTask current(ExecContext& ctx) override;
    bool has_users(SetToken mm) const override;

private:
    IoasidsGroup* find(const std::string& path);

    IoasidsController controller_;
    std::map<std::string, IoasidsGroup*> groups_;  // by path
    std::map<std::string, CgroupTask> tasks_;      // by context
    std::set<SetToken> without_users_;
};

}  // namespace ioasim::os
