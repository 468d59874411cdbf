// The files that a command was asked to write, judged before anything runs: each can be written, is
// nobody else's, and overwrites nothing without --force.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ioasim::tools {

class Outputs {
public:
    // `inputs`: files that no output may be.
    Outputs(const std::vector<std::string>& inputs, bool force);
    // One more file, asked for by this option. Tells on stderr what is wrong with it.
    bool add(const std::string& option, const std::string& path);

private:
    std::map<std::string, std::string> owners_;  // who reads or writes a file, by its identity
    bool force_;
};

// NAME.vcd comes with files for its viewer: all of them.
std::vector<std::string> waveform_files(const std::string& path);

}  // namespace ioasim::tools
