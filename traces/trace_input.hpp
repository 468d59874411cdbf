// An event trace as a stream of lines, whether it is compressed or not.
#pragma once

#include <fstream>
#include <istream>
#include <memory>
#include <string>

#include "traces/gzip_file.hpp"

namespace ioasim::traces {

class TraceInput {
public:
    // Whether it is gzip is told by its first bytes.
    explicit TraceInput(const std::string& path);
    std::istream& stream() { return *stream_; }
    // Why it could not be opened or read to its end; empty: it could.
    std::string problem() const;
    // The problem is that its compressed data ends too early: what came before is good.
    bool cut() const { return problem_.empty() && gunzip_ && gunzip_->cut(); }
    bool compressed() const { return gunzip_ != nullptr; }

private:
    std::ifstream file_;
    std::unique_ptr<GunzipBuffer> gunzip_;
    std::unique_ptr<std::istream> stream_;
    std::string problem_;
};

}  // namespace ioasim::traces
