// Where sinks write to. A full disk or a closed pipe is a status that the tool reports at the end,
// never a crash and never a signal; after an error everything further is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ioasim::traces {

class ByteSink {
public:
    virtual ~ByteSink() = default;
    virtual void write(std::string_view bytes) = 0;
    virtual void flush() = 0;
    // Whether so many bytes more leave it, closed, within so many bytes in all.
    virtual bool fits(std::size_t count, std::uint64_t limit) = 0;
    // Bytes so far; of a compressed file, those that were compressed already.
    virtual std::uint64_t size() const = 0;
    // Flushes and closes; errors that show only then are in error().
    virtual void close() = 0;
    // Empty: all is well. Else what failed, for people ("No space left on device").
    virtual const std::string& error() const = 0;
};

// Keeps everything in memory: tests, small conversions.
class StringSink final : public ByteSink {
public:
    void write(std::string_view bytes) override { text_.append(bytes); }
    void flush() override {}
    bool fits(std::size_t count, std::uint64_t limit) override {
        return text_.size() + count <= limit;
    }
    std::uint64_t size() const override { return text_.size(); }
    void close() override {}
    const std::string& error() const override { return error_; }
    const std::string& text() const { return text_; }

private:
    std::string text_;
    std::string error_;
};

// A file or pipe, written in blocks. What was flushed survives a kill of the process.
class OutputFile final : public ByteSink {
public:
    // Opens (and truncates) at once; see error().
    explicit OutputFile(std::string path, std::size_t block_bytes = 64 * 1024);
    ~OutputFile() override;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::string_view bytes) override;
    // Buffers without ever flushing by itself: the caller decides where a flush may fall.
    void append(std::string_view bytes) {
        if (error_.empty()) {
            buffer_.append(bytes);
        }
    }
    // What is buffered leaves the buffer without being written.
    std::string take_buffer() { return std::exchange(buffer_, {}); }
    std::size_t buffered() const { return buffer_.size(); }
    void flush() override;
    // Flushes the first `count` buffered bytes only.
    void flush_prefix(std::size_t count);
    // Overwrites bytes that were flushed before; false when the file cannot seek (a pipe).
    bool patch(std::uint64_t offset, std::string_view bytes);
    bool can_patch() const { return seekable_; }
    std::uint64_t position() const { return flushed_ + buffer_.size(); }
    bool fits(std::size_t count, std::uint64_t limit) override {
        return position() + count <= limit;
    }
    std::uint64_t size() const override { return position(); }
    const std::string& error() const override { return error_; }
    const std::string& path() const { return path_; }
    void close() override;

private:
    void write_out(std::string_view bytes);
    void fail(int error_number);

    std::string path_;
    std::size_t block_bytes_;
    int fd_ = -1;
    bool seekable_ = false;
    std::uint64_t flushed_ = 0;
    std::string buffer_;
    std::string error_;
};

// Writes a small file whole, by way of a temporary name, so that nobody ever sees half of it.
// Returns the error, empty when it worked.
std::string replace_file(const std::string& path, std::string_view content);

}  // namespace ioasim::traces
