// A fault object of /dev/iommu (IOMMU_FAULT_QUEUE_ALLOC; Linux iommufd, eventq.c): page requests of
// what is attached to page tables that name it wait in its file. A process reads whole groups as
// records of 40 bytes, each group under a cookie, and writes back 8 bytes for each: cookie and
// code. Closing the file answers nobody; what waits is answered when its attachment ends. Leaves
// out: event queues of virtual IOMMUs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "models/linux/page_fault_handler.hpp"

namespace ioasim::os {

class IommuFile;
class Kernel;
struct Process;

// struct iommu_hwpt_pgfault and struct iommu_hwpt_page_response (uapi/linux/iommufd.h): offsets of
// fields in bytes, their lengths where they are not 4.
namespace fault_record {
inline constexpr std::uint64_t kBytes = 40;
inline constexpr std::size_t kFlags = 0;
inline constexpr std::size_t kDevice = 4;
inline constexpr std::size_t kPasid = 8;
inline constexpr std::size_t kGroup = 12;
inline constexpr std::size_t kPermissions = 16;
inline constexpr std::size_t kAddress = 24;  // 8 bytes
inline constexpr std::size_t kCookie = 36;
inline constexpr std::uint32_t kPasidValid = 1;
inline constexpr std::uint32_t kLastPage = 2;
inline constexpr std::uint32_t kRead = 1;
inline constexpr std::uint32_t kWrite = 2;
inline constexpr std::uint32_t kExecute = 4;
inline constexpr std::uint32_t kPrivileged = 8;
}  // namespace fault_record
namespace fault_response {
inline constexpr std::uint64_t kBytes = 8;
inline constexpr std::size_t kCookie = 0;
inline constexpr std::size_t kCode = 4;
}  // namespace fault_response

class FaultQueue final : public PageFaultHandler {
public:
    FaultQueue(Kernel& kernel, IommuFile& file, std::string name);

    // --- of the fault core ----------------------------------------------------------------------
    Errno report(ExecContext& ctx, const FaultGroup& group) override;
    void forget(std::uint64_t serial) override;

    // --- its file -------------------------------------------------------------------------------
    bool is_open() const { return open_; }
    void close() { open_ = false; }
    // poll() for reading; -ETIMEDOUT, -EINTR: the process was killed.
    Errno wait(ExecContext& ctx, const Process& process, TimePs deadline);
    // Whole groups as far as `bytes` reach; their length. -EINVAL: no multiple of a record
    // (Linux: -ESPIPE); -EFAULT: the first group cannot be copied, and waits on.
    Result<std::uint64_t> read(ExecContext& ctx, Process& process, std::uint64_t address,
                               std::uint64_t bytes);
    // Answers, until one is wrong; how many bytes of them were taken. For the first one -EFAULT,
    // or -EINVAL: a size as above, another code than Success or Invalid, or a cookie that nobody
    // has.
    Result<std::uint64_t> write(ExecContext& ctx, Process& process, std::uint64_t address,
                                std::uint64_t bytes);

    const std::string& name() const { return name_; }
    IommuFile& file() const { return file_; }
    bool used() const { return users_ != 0; }
    void add_user() { ++users_; }
    void drop_user() { --users_; }

private:
    Errno copy_out(ExecContext& ctx, Process& process, std::uint64_t address,
                   const FaultGroup& group, std::uint32_t cookie);
    Errno answer(ExecContext& ctx, std::uint32_t cookie, std::uint32_t code);
    std::uint32_t next_cookie() const;

    Kernel& kernel_;
    IommuFile& file_;
    std::string name_;
    WaitQueue readable_;
    std::deque<FaultGroup> deliver_;                 // not read
    std::map<std::uint32_t, FaultGroup> responses_;  // read, by cookie
    std::size_t users_ = 0;                          // page tables that name it
    bool open_ = true;
};

}  // namespace ioasim::os
