// The files that a command was asked to write, judged before anything runs: each can be written, is
// nobody else's, and overwrites nothing without --force.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ioasim::tools {

class Outputs {
public:
    // `inputs`: files that no output may be, and what they are to the command.
    Outputs(const std::vector<std::string>& inputs, bool force,
            const std::string& what = "the scenario");
    // One more file, asked for by this option. Tells on stderr what is wrong with it.
    bool add(const std::string& option, const std::string& path);

private:
    std::map<std::string, std::string> owners_;  // who reads or writes a file, by its identity
    std::string input_;                          // what the inputs are
    bool force_;
};

// Whether each of these can be a trace; stderr is told of those that cannot: no such format, a
// format that this build lacks, two traces in one format.
bool good_traces(const std::vector<std::string>& traces);
// A trace of a run, with the files that come along with it.
bool add_trace(Outputs& outputs, const std::string& path, const std::string& option = "--trace");

}  // namespace ioasim::tools
