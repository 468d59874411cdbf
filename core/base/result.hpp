// Results of operations that software sees: a value, or an error number with Linux's name.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/base/check.hpp"

namespace ioasim {

// Values are Linux's (asm-generic/errno-base.h, errno.h); printed as -ENOSPC.
enum class Errno : std::int32_t {
    Ok = 0,
    Eperm = 1,
    Enoent = 2,
    Esrch = 3,
    Eintr = 4,
    Eio = 5,
    Enxio = 6,
    E2big = 7,
    Ebadf = 9,
    Eagain = 11,
    Enomem = 12,
    Eacces = 13,
    Efault = 14,
    Ebusy = 16,
    Eexist = 17,
    Enodev = 19,
    Einval = 22,
    Enotty = 25,
    Enospc = 28,
    Erange = 34,
    Edeadlk = 35,
    Enodata = 61,
    Etime = 62,
    Eoverflow = 75,
    Eopnotsupp = 95,
    Eaddrinuse = 98,
    Etimedout = 110,
    Ecanceled = 125,
    Enotsupp = 524,  // inside the kernel only (include/linux/errno.h)
};

// "0", "-ENOSPC", ... as the kernel documentation writes return values.
std::string_view errno_name(Errno error);
// Accepts "ENOSPC", "-ENOSPC" and "0"; returns false for an unknown name.
bool parse_errno(std::string_view text, Errno& out);

// Two plain members, so that small results travel in registers.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit by design
    Result(Errno error) : error_(error) {          // NOLINT: implicit by design
        SIM_CHECK(error != Errno::Ok, "an error result needs an error");
    }
    bool ok() const { return error_ == Errno::Ok; }
    explicit operator bool() const { return ok(); }
    Errno error() const { return error_; }
    const T& value() const {
        SIM_CHECK(ok(), "value of a failed result: {}", errno_name(error()));
        return value_;
    }
    const T& operator*() const { return value(); }

private:
    T value_{};
    Errno error_ = Errno::Ok;
};

}  // namespace ioasim
