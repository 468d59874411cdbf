// Latencies of the processors' way to memory and to devices (owner kind "cpu").
#pragma once

#include <cstdint>

#include "core/base/params.hpp"
#include "core/base/time.hpp"

namespace ioasim::cpu {

struct CpuParams {
    TimePs load;               // a load or store of software, cached
    TimePs block;              // read_bytes, write_bytes: each 64-byte line
    TimePs line_miss;          // the same for a line that comes from memory
    TimePs mmio_write;         // the store instruction itself; delivery is posted
    TimePs mmio_issue;         // core to uncore for MMIO reads and ENQCMD
    TimePs movdir64b;          // MOVDIR64B to the same portal line, back to back
    TimePs movdir64b_other;    // to another line
    TimePs movdir64b_issue;    // the instruction itself
    TimePs fence;              // SFENCE
    TimePs timestamp;          // RDTSCP and LFENCE
    TimePs poll_turn;          // one turn of a polling loop
    TimePs poll_fetch;         // a line that a device wrote, into the processor
    TimePs umwait_wake;        // from the store to the monitored line to the next instruction
    TimePs flush;              // CLFLUSHOPT: each line
    TimePs wbinvd;             // WBINVD of empty caches
    TimePs wbinvd_line;        // and each line that they hold
    TimePs completion;         // uncore to core: the instruction retires
    TimePs pasid_translation;  // VMX PASID translation: two cached memory reads
    TimePs interrupt;          // MSI at the CPU complex to the sink
    TimePs ipi;
    // The link to the root complex.
    TimePs link_latency;
    std::uint64_t link_bandwidth = 0;
};

const ParamTable<CpuParams>& cpu_param_table();

}  // namespace ioasim::cpu
