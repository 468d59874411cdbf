#include "models/linux/cgroup_files.hpp"

namespace ioasim::os {

CgroupFiles::CgroupFiles(IoasidCore& core) : controller_(core, *this) {
    groups_["/"] = &controller_.root();
}

void CgroupFiles::add_task(const std::string& context, SetToken mm) {
    tasks_[context].mm = mm;
    without_users_.erase(mm);
}

void CgroupFiles::remove_task(const std::string& context) {
    tasks_.erase(context);
}

void CgroupFiles::mm_without_users(SetToken mm) {
    without_users_.insert(mm);
}

IoasidsGroup* CgroupFiles::find(const std::string& path) {
    const auto found = groups_.find(path);
    return found == groups_.end() ? nullptr : found->second;
}

Errno CgroupFiles::make(const std::string& path) {
    if (path.size() < 2 || path.front() != '/' || path.back() == '/') {
        return Errno::Einval;
    }
    if (find(path) != nullptr) {
        return Errno::Eexist;
    }
    const std::size_t slash = path.rfind('/');
    IoasidsGroup* parent = find(slash == 0 ? "/" : path.substr(0, slash));
    if (parent == nullptr) {
        return Errno::Enoent;
    }
    groups_[path] = &controller_.create(*parent, path.substr(slash + 1));
    return Errno::Ok;
}

Errno CgroupFiles::remove(ExecContext& ctx, const std::string& path) {
    IoasidsGroup* group = find(path);
    if (group == nullptr) {
        return Errno::Enoent;
    }
    for (const auto& [context, task] : tasks_) {
        if (task.group == group) {
            return Errno::Ebusy;
        }
    }
    const Errno error = controller_.remove(ctx, *group);
    if (error == Errno::Ok) {
        groups_.erase(path);
    }
    return error;
}

Errno CgroupFiles::write_max(ExecContext& ctx, const std::string& path, const std::string& text) {
    IoasidsGroup* group = find(path);
    return group == nullptr ? Errno::Enoent : controller_.write_max(ctx, *group, text);
}

Result<std::string> CgroupFiles::read(const std::string& path, const std::string& file) {
    const IoasidsGroup* group = find(path);
    if (group == nullptr) {
        return Errno::Enoent;
    }
    if (file == "max") {
        return controller_.read_max(*group);
    }
    return file == "events" ? controller_.read_events(*group) : controller_.read_current(*group);
}

Errno CgroupFiles::move(ExecContext& ctx, const std::string& path, const std::string& context,
                        bool cancel) {
    IoasidsGroup* to = find(path);
    const auto task = tasks_.find(context);
    if (to == nullptr) {
        return Errno::Enoent;
    }
    if (task == tasks_.end()) {
        return Errno::Esrch;
    }
    const std::vector<MovingTask> moving{{task->second.mm, true, task->second.group}};
    const Errno error = controller_.can_attach(ctx, *to, moving);
    if (error != Errno::Ok) {
        return error;
    }
    if (cancel) {
        controller_.cancel_attach(ctx, *to, moving);
        return Errno::Ebusy;
    }
    task->second.group = to;
    return Errno::Ok;
}

bool CgroupFiles::has_users(SetToken mm) const {
    return without_users_.count(mm) == 0;
}

CgroupTask CgroupFiles::current(ExecContext& ctx) {
    const auto found = tasks_.find(ctx.name());
    return found == tasks_.end() ? CgroupTask{} : found->second;
}

}  // namespace ioasim::os
