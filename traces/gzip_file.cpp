#include "traces/gzip_file.hpp"

#include <algorithm>
#include <array>

#include <zlib.h>

namespace ioasim::traces {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to say "with a gzip header"
constexpr int kMemoryLevel = 8;       // its default
constexpr std::size_t kTrailer = 32;  // an empty last block, the checksum and the size

}  // namespace

struct GzipFile::Deflate {
    z_stream stream{};
    bool open = false;
};

GzipFile::GzipFile(std::string path, std::size_t block_bytes)
    : file_(std::move(path)), deflate_(std::make_unique<Deflate>()), block_bytes_(block_bytes) {
    deflate_->open = deflateInit2(&deflate_->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow,
                                  kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK;
    if (!deflate_->open) {
        error_ = file_.path() + ": no memory to compress";
    }
}

GzipFile::~GzipFile() {
    close();
}

const std::string& GzipFile::error() const {
    return error_.empty() ? file_.error() : error_;
}

void GzipFile::compress(int how) {
    if (!deflate_->open) {
        return;
    }
    z_stream& z = deflate_->stream;
    z.next_in = reinterpret_cast<Bytef*>(pending_.data());
    z.avail_in = static_cast<uInt>(pending_.size());
    std::array<char, 32 * 1024> out{};
    do {
        z.next_out = reinterpret_cast<Bytef*>(out.data());
        z.avail_out = static_cast<uInt>(out.size());
        deflate(&z, how);
        file_.append({out.data(), out.size() - z.avail_out});
    } while (z.avail_out == 0);
    pending_.clear();
    file_.flush();
}

void GzipFile::write(std::string_view bytes) {
    if (!error().empty()) {
        return;
    }
    pending_.append(bytes);
    if (pending_.size() >= block_bytes_) {
        compress(Z_SYNC_FLUSH);
    }
}

void GzipFile::flush() {
    if (!pending_.empty()) {
        compress(Z_SYNC_FLUSH);
    }
}

bool GzipFile::fits(std::size_t count, std::uint64_t limit) {
    const auto most = [&] {
        return size() + deflateBound(&deflate_->stream, pending_.size() + count) + kTrailer;
    };
    if (most() > limit && !pending_.empty()) {
        compress(Z_SYNC_FLUSH);  // how much it really is
    }
    return most() <= limit;
}

void GzipFile::close() {
    if (!deflate_->open) {
        return;
    }
    compress(Z_FINISH);
    deflateEnd(&deflate_->stream);
    deflate_->open = false;
    file_.close();
}

struct GunzipBuffer::Inflate {
    z_stream stream{};
    std::array<char, 64 * 1024> in{};
    std::array<char, 256 * 1024> out{};
    bool ended = false;  // a member is whole, the next has not begun
};

GunzipBuffer::GunzipBuffer(std::streambuf& from)
    : from_(from), inflate_(std::make_unique<Inflate>()) {
    if (inflateInit2(&inflate_->stream, kGzipWindow) != Z_OK) {
        problem_ = "no memory to decompress";
    }
}

GunzipBuffer::~GunzipBuffer() {
    inflateEnd(&inflate_->stream);
}

GunzipBuffer::int_type GunzipBuffer::underflow() {
    z_stream& z = inflate_->stream;
    while (problem_.empty()) {
        if (z.avail_in == 0) {
            const auto got =
                from_.sgetn(inflate_->in.data(), static_cast<std::streamsize>(inflate_->in.size()));
            z.next_in = reinterpret_cast<Bytef*>(inflate_->in.data());
            z.avail_in = static_cast<uInt>(std::max<std::streamsize>(got, 0));
            if (z.avail_in == 0) {
                cut_ = !inflate_->ended;
                problem_ = cut_ ? "the compressed data is cut off" : "";
                return traits_type::eof();
            }
        }
        if (inflate_->ended) {
            inflateReset(&z);
            inflate_->ended = false;
        }
        z.next_out = reinterpret_cast<Bytef*>(inflate_->out.data());
        z.avail_out = static_cast<uInt>(inflate_->out.size());
        const int code = inflate(&z, Z_NO_FLUSH);
        inflate_->ended = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            problem_ = std::string("the compressed data is damaged: ") +
                       (z.msg != nullptr ? z.msg : "no gzip");
        }
        const std::size_t made = inflate_->out.size() - z.avail_out;
        if (made != 0) {
            setg(inflate_->out.data(), inflate_->out.data(), inflate_->out.data() + made);
            return traits_type::to_int_type(inflate_->out.front());
        }
    }
    return traits_type::eof();
}

}  // namespace ioasim::traces
