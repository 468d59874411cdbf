// A trace for Perfetto (ui.perfetto.dev, trace_processor): protobuf packets of track descriptors
// and track events. Field numbers: perfetto/protos/perfetto/trace, trace_packet.proto and
// track_event/*.proto. Packets follow one another without any frame at the end, so that what a
// killed process left is a trace. Perfetto counts nanoseconds: an instant between two of them has
// its picoseconds as an argument.
#pragma once

#include <map>
#include <string>

#include "traces/track_writer.hpp"

namespace ioasim::traces {

class PerfettoWriter final : public TrackWriter {
public:
    using TrackWriter::TrackWriter;

private:
    void put_start() override;
    void put_track(TrackId id, const Track& track) override;
    void put_begin(TrackId id, const Slice& slice) override;
    void put_end(TrackId id, const Slice& slice, TimePs end, const trace::EventRecord* record,
                 const TrackFlows& flows) override;
    void put_instant(TrackId id, const Slice& slice) override;
    void put_counter(TrackId id, TimePs time, std::uint64_t value) override;
    std::size_t end_bytes() const override { return 48; }

    // Texts are told once and named by number afterwards.
    using Interned = std::map<std::string, std::uint64_t, std::less<>>;
    std::uint64_t intern(Interned& table, std::uint32_t field, std::string_view text);
    void start_event(TrackId id, unsigned type);
    void put_name(const Slice& slice);
    void put_flows(const TrackFlows& flows);
    void put_fields(const trace::EventRecord& record);
    void put_value(std::string_view name, const trace::FieldInfo& field, std::uint64_t value);
    void put_time_argument(TimePs time);
    void finish_packet(TimePs time);

    Interned names_;
    Interned categories_;
    Interned field_names_;
    Interned texts_;
    std::string event_;     // the TrackEvent under way
    std::string interned_;  // what it is the first to use
};

}  // namespace ioasim::traces
