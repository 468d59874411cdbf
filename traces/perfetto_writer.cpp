#include "traces/perfetto_writer.hpp"

#include "core/base/result.hpp"
#include "traces/event_text.hpp"
#include "traces/fields.hpp"
#include "traces/perfetto_layout.hpp"
#include "traces/proto.hpp"

namespace ioasim::traces {

using namespace perfetto;

namespace {

constexpr std::uint64_t kOnlySequence = 1;
constexpr std::uint64_t kPsOfNs = 1000;

}  // namespace

void PerfettoWriter::put_start() {
    std::string packet;
    proto::put_number(packet, packet::kSequenceId, kOnlySequence);
    proto::put_number(packet, packet::kSequenceFlags, kStateCleared);
    proto::put_bytes(out_, kTracePacket, packet);
}

void PerfettoWriter::put_track(TrackId id, const Track& track) {
    std::string descriptor;
    proto::put_number(descriptor, track::kUuid, id);
    if (track.parent != 0) {
        proto::put_number(descriptor, track::kParent, track.parent);
    }
    proto::put_bytes(descriptor, track::kName, track.name);
    if (track.kind == Kind::Counter) {
        std::string counted;
        proto::put_number(counted, counter::kUnit, counter::kCount);
        proto::put_bytes(descriptor, track::kCounter, counted);
    }
    std::string packet;
    proto::put_number(packet, packet::kSequenceId, kOnlySequence);
    proto::put_bytes(packet, packet::kTrackDescriptor, descriptor);
    proto::put_bytes(out_, kTracePacket, packet);
}

std::uint64_t PerfettoWriter::intern(Interned& table, std::uint32_t field, std::string_view text) {
    const auto found = table.find(text);
    if (found != table.end()) {
        return found->second;
    }
    const std::uint64_t id = table.size() + 1;
    table.emplace(text, id);
    std::string entry;
    proto::put_number(entry, interned::kId, id);
    proto::put_bytes(entry, interned::kText, text);
    proto::put_bytes(interned_, field, entry);
    return id;
}

void PerfettoWriter::start_event(TrackId id, unsigned type) {
    event_.clear();
    interned_.clear();
    proto::put_number(event_, event::kType, type);
    proto::put_number(event_, event::kTrack, id);
}

void PerfettoWriter::put_name(const Slice& slice) {
    proto::put_number(event_, event::kCategory,
                      intern(categories_, interned::kCategories,
                             trace::category_name(slice.record.info->category)));
    proto::put_number(event_, event::kName, intern(names_, interned::kNames, slice.name));
}

void PerfettoWriter::put_flows(const TrackFlows& flows) {
    for (const TrackFlows::One& flow : flows) {
        proto::put_fixed64(event_, flow.ends ? event::kFlowEnd : event::kFlow, flow.id);
    }
}

void PerfettoWriter::put_value(std::string_view name, const trace::FieldInfo& field,
                               std::uint64_t value) {
    std::string note;
    proto::put_number(note, annotation::kName,
                      intern(field_names_, interned::kAnnotationNames, name));
    switch (field.type) {
        case trace::FieldType::Bool:
            proto::put_number(note, annotation::kBool, value);
            break;
        case trace::FieldType::Hex:
            proto::put_number(note, annotation::kPointer, value);
            break;
        case trace::FieldType::Count:
        case trace::FieldType::Time:
        case trace::FieldType::Id:
            proto::put_number(note, annotation::kUint, value);
            break;
        default:
            proto::put_number(
                note, annotation::kText,
                intern(texts_, interned::kTexts, format_value(recorder_, field, value)));
    }
    proto::put_bytes(event_, event::kAnnotation, note);
}

void PerfettoWriter::put_fields(const trace::EventRecord& record) {
    tell_fields(record, [this](std::string_view name, const trace::FieldInfo& field,
                               std::uint64_t value) { put_value(name, field, value); });
}

void PerfettoWriter::put_time_argument(TimePs time) {
    if (time.ps() % kPsOfNs != 0) {
        static const trace::FieldInfo kCounted{"time_ps", trace::FieldType::Count};
        put_value(kCounted.name, kCounted, time.ps());
    }
}

void PerfettoWriter::finish_packet(TimePs time) {
    std::string packet;
    proto::put_number(packet, packet::kTimestamp, time.ps() / kPsOfNs);
    proto::put_number(packet, packet::kSequenceId, kOnlySequence);
    proto::put_number(packet, packet::kSequenceFlags, kNeedsState);
    if (!interned_.empty()) {
        proto::put_bytes(packet, packet::kInternedData, interned_);
    }
    proto::put_bytes(packet, packet::kTrackEvent, event_);
    proto::put_bytes(out_, kTracePacket, packet);
}

void PerfettoWriter::put_begin(TrackId id, const Slice& slice) {
    start_event(id, event::Begin);
    put_name(slice);
    put_flows(slice.flows);
    put_fields(slice.record);
    put_time_argument(slice.begin);
    finish_packet(slice.begin);
}

void PerfettoWriter::put_end(TrackId id, const Slice& slice, TimePs end,
                             const trace::EventRecord* record, const TrackFlows& flows) {
    start_event(id, event::End);
    put_flows(flows);
    if (record != nullptr) {
        tell_new_fields(slice.record, *record,
                        [this](std::string_view name, const trace::FieldInfo& field,
                               std::uint64_t value) { put_value(name, field, value); });
    }
    finish_packet(end);
}

void PerfettoWriter::put_instant(TrackId id, const Slice& slice) {
    start_event(id, event::Instant);
    put_name(slice);
    put_flows(slice.flows);
    put_fields(slice.record);
    put_time_argument(slice.begin);
    finish_packet(slice.begin);
}

void PerfettoWriter::put_counter(TrackId id, TimePs time, std::uint64_t value) {
    start_event(id, event::Counter);
    proto::put_number(event_, event::kCounterValue, value);
    finish_packet(time);
}

}  // namespace ioasim::traces
