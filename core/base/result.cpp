#include "core/base/result.hpp"

#include <array>
#include <utility>

namespace ioasim {
namespace {

constexpr std::array<std::pair<Errno, std::string_view>, 29> kNames{{
    {Errno::Ok, "0"},
    {Errno::Eperm, "-EPERM"},
    {Errno::Enoent, "-ENOENT"},
    {Errno::Esrch, "-ESRCH"},
    {Errno::Eintr, "-EINTR"},
    {Errno::Eio, "-EIO"},
    {Errno::Enxio, "-ENXIO"},
    {Errno::E2big, "-E2BIG"},
    {Errno::Ebadf, "-EBADF"},
    {Errno::Eagain, "-EAGAIN"},
    {Errno::Enomem, "-ENOMEM"},
    {Errno::Eacces, "-EACCES"},
    {Errno::Efault, "-EFAULT"},
    {Errno::Ebusy, "-EBUSY"},
    {Errno::Eexist, "-EEXIST"},
    {Errno::Enodev, "-ENODEV"},
    {Errno::Einval, "-EINVAL"},
    {Errno::Enotty, "-ENOTTY"},
    {Errno::Enospc, "-ENOSPC"},
    {Errno::Erange, "-ERANGE"},
    {Errno::Edeadlk, "-EDEADLK"},
    {Errno::Enodata, "-ENODATA"},
    {Errno::Etime, "-ETIME"},
    {Errno::Eoverflow, "-EOVERFLOW"},
    {Errno::Eopnotsupp, "-EOPNOTSUPP"},
    {Errno::Eaddrinuse, "-EADDRINUSE"},
    {Errno::Etimedout, "-ETIMEDOUT"},
    {Errno::Ecanceled, "-ECANCELED"},
    {Errno::Enotsupp, "-ENOTSUPP"},
}};

}  // namespace

std::string_view errno_name(Errno error) {
    for (const auto& [value, name] : kNames) {
        if (value == error) {
            return name;
        }
    }
    SIM_CHECK(false, "error number {} has no name", static_cast<int>(error));
    return {};
}

bool parse_errno(std::string_view text, Errno& out) {
    for (const auto& [value, name] : kNames) {
        if (text == name || (name.size() > 1 && text == name.substr(1))) {
            out = value;
            return true;
        }
    }
    return false;
}

}  // namespace ioasim
