// The logic of /dev/ioasid (misc minor 129, mode 0666): a process opens it once, gets an MM set for
// its mm, allocates and frees IDs with ioctls, and loses everything at the last close. One mutex an
// open file. Numbers of the calls: type 'i', 100 to 103. The character device and the descriptor
// table belong to the kernel model.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/ioasid/ioasid.hpp"

namespace ioasim {

constexpr std::uint32_t kDevIoasidApiVersion = 0;
constexpr std::uint32_t kDevIoasidBits = 31;  // GET_INFO: numbers below 2^31

enum class DevIoasidCall : std::uint32_t {
    GetApiVersion = 100,
    GetInfo = 101,
    RequestAlloc = 102,
    RequestFree = 103,
};

// What the user's pointer points to.
struct DevIoasidArgs {
    std::uint32_t argsz = 0;
    std::uint32_t flags = 0;
    std::uint32_t bits = 0;  // GetInfo: out
    std::uint32_t min = 0;   // RequestAlloc
    std::uint32_t max = 0;
    std::int64_t id = 0;  // RequestFree
    static constexpr std::uint32_t kInfoSize = 12;
    static constexpr std::uint32_t kAllocSize = 16;
};

class IoasidDevice;

class IoasidFile {
public:
    IoasidFile(const IoasidFile&) = delete;
    IoasidFile& operator=(const IoasidFile&) = delete;
    IoasidSet* set() const { return set_; }
    SetToken mm() const { return mm_; }
    std::uint32_t references() const { return references_; }
    // False once close() was called, whoever else keeps the object.
    bool is_open() const { return open_; }

private:
    friend class IoasidDevice;
    IoasidFile(const std::string& name, SetToken mm, IoasidSet* set)
        : mm_(mm), set_(set), mutex_(SimLock::Kind::Mutex, name + "/ioasid_file", "ioasid_file") {}
    SetToken mm_;
    IoasidSet* set_;
    SimLock mutex_;
    std::uint32_t references_ = 1;
    bool open_ = true;
};

class IoasidDevice {
public:
    explicit IoasidDevice(IoasidCore& core);

    // -EBUSY when the mm has it open; errors of set_alloc as they are. `name` names the set.
    Result<IoasidFile*> open(ExecContext& ctx, SetToken mm, const std::string& name);
    // A number (version, ID) or 0. `args` null: a pointer that cannot be read (-EFAULT). A call
    // keeps the object: what another thread closes meanwhile goes when the call returns.
    Result<std::uint32_t> ioctl(ExecContext& ctx, IoasidFile& file, SetToken current_mm,
                                std::uint32_t call, DevIoasidArgs* args);
    // The descriptor goes and with it its reference.
    void close(ExecContext& ctx, IoasidFile& file);
    // Another user of the object (a VFIO container).
    void hold(ExecContext& ctx, IoasidFile& file);
    // Drops a reference; the last one frees every ID of the set and the set.
    void release(ExecContext& ctx, IoasidFile& file);
    IoasidFile* file_of(SetToken mm) const;

private:
    Errno may_use(const IoasidFile& file, SetToken current_mm) const;
    Result<std::uint32_t> serve(ExecContext& ctx, IoasidFile& file, std::uint32_t call,
                                DevIoasidArgs* args);
    Result<std::uint32_t> request_alloc(ExecContext& ctx, IoasidFile& file,
                                        const DevIoasidArgs& args);
    IoasidCore& core_;
    SimLock list_lock_;
    std::map<SetToken, std::unique_ptr<IoasidFile>> files_;
};

}  // namespace ioasim
