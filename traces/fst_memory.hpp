// Files in memory for the library that writes and reads FST. It keeps half a dozen of them beside
// the trace and in /tmp, maps them, and never looks whether a write came through: on a full disk it
// dies by SIGBUS. In memory there is room, and only the finished trace goes to the disk, by way of
// an OutputFile, which can tell what failed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include <sys/types.h>

namespace ioasim::traces::fst {

// A file without a name; -1: see errno.
int memory_file();
// By which it can be opened.
std::string memory_name(int file);

// What the library calls instead of tmpfile, fopen and mmap (fst_config_memory.hpp).
std::FILE* scratch();
std::FILE* open(const char* name, const char* mode);
void* map(void* address, std::size_t length, int protection, int flags, int file, off_t offset);

// How often a file was shorter than what was to be mapped of it: a write had failed
// (setrlimit(2), RLIMIT_FSIZE), and what comes out is not whole.
std::uint64_t short_maps();

}  // namespace ioasim::traces::fst
