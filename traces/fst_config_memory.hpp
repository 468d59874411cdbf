// What the sources of the FST library include first: their own configuration, then files in memory
// for those that they would leave in folders. Nothing else includes this.
#pragma once

#include <cstdio>
#include <cstdlib>

#include <fst_config.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "traces/fst_memory.hpp"

#define tmpfile ioasim::traces::fst::scratch
#define fopen(name, mode) ioasim::traces::fst::open((name), (mode))
#define mmap ioasim::traces::fst::map
