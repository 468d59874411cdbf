// A waveform as VCD (IEEE 1364-2005, 18.2), in the form that the strictest readers take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/byte_sink.hpp"
#include "traces/wave_writer.hpp"

namespace ioasim::traces {

class VcdWriter final : public WaveWriter {
public:
    VcdWriter(const std::string& path, std::size_t block_bytes, const std::string& comment);

    const std::string& error() const override { return file_.error(); }
    std::uint64_t bytes() const override { return file_.size(); }

private:
    void write_head() override;
    void write_initial_values() override;
    bool room_for(std::size_t changes, std::uint64_t limit) override;
    void write_stamp(std::uint64_t time) override;
    void write_value(std::uint32_t signal) override { append_value(signal, false); }
    void write_end(std::uint64_t time) override;
    bool write_name(std::uint32_t signal, const std::string& name) override;

    void write_scope(std::uint32_t scope);
    void append_value(std::uint32_t signal, bool full_width);
    void append_initial_values();
    void flush();

    OutputFile file_;
    std::string comment_;
    std::size_t block_bytes_;
    std::vector<std::string> codes_;
    std::vector<std::uint64_t> name_offsets_;
    std::uint64_t initial_offset_ = 0;  // where the values of time 0 are
    std::size_t initial_size_ = 0;
    std::size_t safe_end_ = 0;    // buffered bytes up to the last time stamp
    std::size_t most_bytes_ = 0;  // of a change
};

}  // namespace ioasim::traces
