#include "traces/fst_memory.hpp"

#include <algorithm>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ioasim::traces::fst {
namespace {

constexpr const char* kOpenFiles = "/proc/self/fd/";  // proc(5)

std::uint64_t g_short_maps = 0;

bool is_memory_name(const std::string& name) {
    const std::string prefix = kOpenFiles;
    return name.rfind(prefix, 0) == 0 &&
           name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

}  // namespace

int memory_file() {
    return ::memfd_create("fst", MFD_CLOEXEC);
}

std::string memory_name(int file) {
    return kOpenFiles + std::to_string(file);
}

std::FILE* scratch() {
    const int file = memory_file();
    std::FILE* const stream = file < 0 ? nullptr : ::fdopen(file, "w+b");
    if (stream == nullptr && file >= 0) {
        ::close(file);
    }
    return stream;
}

std::FILE* open(const char* name, const char* mode) {
    return mode[0] == 'w' && !is_memory_name(name) ? scratch() : std::fopen(name, mode);
}

void* map(void* address, std::size_t length, int protection, int flags, int file, off_t offset) {
    struct stat about {};
    const bool known = ::fstat(file, &about) == 0;
    const auto size = static_cast<std::uint64_t>(known ? about.st_size : 0);
    const auto first = static_cast<std::uint64_t>(offset);
    if (size >= first + length) {
        return ::mmap(address, length, protection, flags, file, offset);
    }
    ++g_short_maps;
    void* const memory = ::mmap(nullptr, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED && size > first) {
        // What is missing anyway makes the trace one that is not whole.
        [[maybe_unused]] const ssize_t got = ::pread(file, memory, size - first, offset);
    }
    return memory;
}

std::uint64_t short_maps() {
    return g_short_maps;
}

}  // namespace ioasim::traces::fst
