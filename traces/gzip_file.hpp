// A gzip file written as it grows. Each block is flushed to a byte boundary, so that whoever reads
// the file of a killed process gets every whole block; the same bytes make the same file (no time,
// no name in its header).
#pragma once

#include <memory>
#include <streambuf>

#include "traces/byte_sink.hpp"

namespace ioasim::traces {

class GzipFile final : public ByteSink {
public:
    // Opens (and truncates) at once; see error().
    explicit GzipFile(std::string path, std::size_t block_bytes = 256 * 1024);
    ~GzipFile() override;

    void write(std::string_view bytes) override;
    void flush() override;
    bool fits(std::size_t count, std::uint64_t limit) override;
    std::uint64_t size() const override { return file_.size(); }
    const std::string& error() const override;
    void close() override;

private:
    struct Deflate;
    void compress(int how);

    OutputFile file_;
    std::unique_ptr<Deflate> deflate_;
    std::size_t block_bytes_;
    std::string pending_;
    std::string error_;
};

// What a compressed stream says, member after member, as `zcat` gives it. It ends at the first
// damage: problem() tells.
class GunzipBuffer final : public std::streambuf {
public:
    explicit GunzipBuffer(std::streambuf& from);
    ~GunzipBuffer() override;
    const std::string& problem() const { return problem_; }
    bool cut() const { return cut_; }  // the problem is that it ends too early

protected:
    int_type underflow() override;

private:
    struct Inflate;
    std::streambuf& from_;
    std::unique_ptr<Inflate> inflate_;
    std::string problem_;
    bool cut_ = false;
};

}  // namespace ioasim::traces
