// A waveform as FST, GTKWave's compressed format, through the fstapi sources that Debian's package
// verilator installs. A build without them refuses .fst and says what to install.
//
// An ID appears when it is allocated: signals can be declared at any time. The file is of use only
// when it is closed: the library flushes seldom, and puts the names at its end.
#pragma once

#include <memory>
#include <string>

#include "traces/wave_writer.hpp"

namespace ioasim::traces {

// Why this build cannot handle FST; empty: it can.
std::string fst_problem();

// In a build that cannot, error() says so and nothing is written.
std::unique_ptr<WaveWriter> make_fst_writer(const std::string& path, const std::string& comment);

struct FstSignal {
    std::string name;  // "ioasim.dsa0.wq0.occupancy"
    unsigned width = 0;
};

// What an FST file says, in order. Values are bit strings of the full width.
class FstVisitor {
public:
    virtual ~FstVisitor() = default;
    virtual void on_signal(std::size_t /*index*/, const FstSignal&) {}
    virtual void on_change(std::size_t /*index*/, std::uint64_t /*time*/,
                           const std::string& /*bits*/) {}
};

struct FstStatus {
    std::string problem;  // empty: the file is good
    std::uint64_t timescale_ps = 0;
    std::uint64_t end = 0;
    std::uint64_t changes = 0;
    std::size_t signals = 0;
};
FstStatus read_fst_file(const std::string& path, FstVisitor& visitor);

}  // namespace ioasim::traces
