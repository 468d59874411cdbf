// A trace of events as a stream: plain or compressed by gzip (what it is, its first bytes tell), or
// the folder of a run's results, which holds one.
#pragma once

#include <istream>
#include <memory>
#include <string>

namespace ioasim::traces {

class TraceSource {
public:
    // See error(): empty when it could be opened.
    explicit TraceSource(const std::string& path);
    ~TraceSource();
    TraceSource(const TraceSource&) = delete;
    TraceSource& operator=(const TraceSource&) = delete;

    std::istream& stream() { return stream_; }
    // Of the file that is read.
    const std::string& path() const { return path_; }
    // Also what went wrong while reading: a damaged archive, a file that ends in the middle.
    std::string error() const;

private:
    class Buffer;
    std::string path_;
    std::string problem_;
    std::unique_ptr<Buffer> buffer_;
    std::istream stream_;
};

}  // namespace ioasim::traces
