// A trace that is made anew while an older one of its name is there: it is written in a folder of
// its own beside the old one, and takes its place when it is whole. Of a run that is killed, or
// whose disk is full, the old one stays.
#pragma once

#include <string>

namespace ioasim::traces {

// Where a file is written before it takes the place of `path`: beside it, and this process's own
// even where several hosts share the folder.
std::string name_aside(const std::string& path);

class Replacement {
public:
    // Where nothing is replaced (no such file yet, a pipe, a device) writing happens in place.
    explicit Replacement(std::string path);
    // What was not moved is dropped.
    ~Replacement();
    Replacement(const Replacement&) = delete;
    Replacement& operator=(const Replacement&) = delete;

    // The name to write under; what comes along with a waveform belongs beside it.
    const std::string& written() const { return written_; }
    // All is closed. Moves it to where it belongs, unless `problem` tells that it is not whole.
    // Returns what went wrong, told of the file that was asked for; empty: it is there.
    std::string finish(const std::string& problem);
    // It is not wanted: what was there before stays, what is written in place is removed.
    void discard();
    bool replaces() const { return !folder_.empty(); }
    // A text about the written file, with the name that was asked for.
    std::string told(std::string text) const;

private:
    void drop();

    std::string path_;
    std::string target_;  // `path_` without links
    std::string folder_;  // empty: in place
    std::string written_;
    std::string problem_;
    unsigned mode_ = 0;  // of what was there
};

}  // namespace ioasim::traces
