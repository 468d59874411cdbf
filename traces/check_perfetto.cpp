// Reads a Perfetto trace back, without the writer's help.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/base/time.hpp"
#include "traces/perfetto_layout.hpp"
#include "traces/proto.hpp"
#include "traces/trace_check.hpp"

namespace ioasim::traces {
namespace {

using namespace perfetto;
using proto::Wire;
using Allowed = std::map<std::uint32_t, Wire>;

const Allowed& packet_fields() {
    static const Allowed fields{
        {packet::kTimestamp, Wire::Varint},     {packet::kSequenceId, Wire::Varint},
        {packet::kTrackEvent, Wire::Bytes},     {packet::kInternedData, Wire::Bytes},
        {packet::kSequenceFlags, Wire::Varint}, {packet::kTrackDescriptor, Wire::Bytes}};
    return fields;
}
const Allowed& track_fields() {
    static const Allowed fields{{track::kUuid, Wire::Varint},
                                {track::kName, Wire::Bytes},
                                {track::kParent, Wire::Varint},
                                {track::kCounter, Wire::Bytes}};
    return fields;
}
const Allowed& event_fields() {
    static const Allowed fields{
        {event::kCategory, Wire::Varint}, {event::kAnnotation, Wire::Bytes},
        {event::kType, Wire::Varint},     {event::kName, Wire::Varint},
        {event::kTrack, Wire::Varint},    {event::kCounterValue, Wire::Varint},
        {event::kFlow, Wire::Fixed64},    {event::kFlowEnd, Wire::Fixed64}};
    return fields;
}
const Allowed& annotation_fields() {
    static const Allowed fields{{annotation::kName, Wire::Varint},
                                {annotation::kBool, Wire::Varint},
                                {annotation::kUint, Wire::Varint},
                                {annotation::kPointer, Wire::Varint},
                                {annotation::kText, Wire::Varint}};
    return fields;
}

class PerfettoCheck {
public:
    CheckResult run(std::string_view bytes) {
        proto::Field field;
        bool good = true;
        while (problem_.empty() && proto::next_field(bytes, field, good)) {
            ++packets_;
            if (field.number != kTracePacket || field.wire != Wire::Bytes) {
                say(fmt::format("field {} is no packet", field.number));
            } else {
                read_packet(field.bytes);
            }
        }
        if (!good) {
            ++packets_;
            say("it is cut off or no protobuf");
        }
        if (packets_ == 0) {
            say("the file is empty");
        }
        // Those of a run that was killed, or is still going on.
        std::uint64_t open = 0;
        for (const auto& [uuid, track] : tracks_) {
            open += track.depth;
        }
        if (!problem_.empty()) {
            return {problem_, 0, {}};
        }
        return {{},
                0,
                fmt::format("{} packets, {} tracks, {} slices{}, {} flows up to {} ns", packets_,
                            tracks_.size(), slices_,
                            open == 0 ? "" : fmt::format(" ({} without an end)", open),
                            flows_.size(), last_)};
    }

private:
    struct Track {
        std::string name;
        bool counter = false;
        std::uint64_t depth = 0;
        std::uint64_t last = 0;
    };

    void say(const std::string& problem) {
        if (problem_.empty()) {
            problem_ = fmt::format("packet {}: {}", packets_, problem);
        }
    }

    // Every field of a message, each of a known number and type.
    template <class Each>
    void fields(std::string_view message, const Allowed& allowed, const char* what, Each each) {
        proto::Field field;
        bool good = true;
        while (problem_.empty() && proto::next_field(message, field, good)) {
            const auto known = allowed.find(field.number);
            if (known == allowed.end()) {
                say(fmt::format("{} has an unknown field {}", what, field.number));
            } else if (known->second != field.wire) {
                say(fmt::format("field {} of {} is of another type", field.number, what));
            } else {
                each(field);
            }
        }
        if (!good) {
            say(fmt::format("{} is damaged", what));
        }
    }

    void read_packet(std::string_view message) {
        std::uint64_t time = 0;
        bool timed = false;
        std::string_view event;
        std::string_view track;
        std::string_view interned;
        std::uint64_t sequence = 0;
        std::uint64_t flags = 0;
        fields(message, packet_fields(), "a packet", [&](const proto::Field& field) {
            switch (field.number) {
                case packet::kTimestamp:
                    time = field.value, timed = true;
                    break;
                case packet::kSequenceId:
                    sequence = field.value;
                    break;
                case packet::kSequenceFlags:
                    flags = field.value;
                    break;
                case packet::kTrackEvent:
                    event = field.bytes;
                    break;
                case packet::kInternedData:
                    interned = field.bytes;
                    break;
                default:
                    track = field.bytes;
            }
        });
        if (sequence == 0) {
            say("it belongs to no sequence");
        }
        if (packets_ == 1 && (flags & kStateCleared) == 0) {
            say("the first packet does not start the sequence");
        }
        read_interned(interned);
        if (!track.empty()) {
            read_track(track);
        }
        if (!event.empty()) {
            if (!timed || (flags & kNeedsState) == 0) {
                say("an event needs a timestamp and the sequence's state");
            }
            read_event(event, time);
        }
    }

    void read_interned(std::string_view message) {
        static const Allowed kinds{{interned::kCategories, Wire::Bytes},
                                   {interned::kNames, Wire::Bytes},
                                   {interned::kAnnotationNames, Wire::Bytes},
                                   {interned::kTexts, Wire::Bytes}};
        static const Allowed entry{{interned::kId, Wire::Varint}, {interned::kText, Wire::Bytes}};
        fields(message, kinds, "interned data", [&](const proto::Field& kind) {
            std::uint64_t id = 0;
            fields(kind.bytes, entry, "an interned text", [&](const proto::Field& field) {
                id = field.number == interned::kId ? field.value : id;
            });
            if (id == 0 || !texts_[kind.number].insert(id).second) {
                say(fmt::format("an interned text has no number of its own: {}", id));
            }
        });
    }

    void known_text(std::uint32_t kind, std::uint64_t id) {
        if (texts_[kind].count(id) == 0) {
            say(fmt::format("text {} was not told before", id));
        }
    }

    void read_track(std::string_view message) {
        std::uint64_t uuid = 0;
        std::uint64_t parent = 0;
        Track made;
        fields(message, track_fields(), "a track descriptor", [&](const proto::Field& field) {
            switch (field.number) {
                case track::kUuid:
                    uuid = field.value;
                    break;
                case track::kParent:
                    parent = field.value;
                    break;
                case track::kName:
                    made.name = field.bytes;
                    break;
                default:
                    made.counter = true;
            }
        });
        if (parent != 0 && tracks_.count(parent) == 0) {
            say(fmt::format("track {} is below a track that was not told", made.name));
        }
        if (uuid == 0 || made.name.empty() || !tracks_.emplace(uuid, made).second) {
            say(fmt::format("track {} \"{}\" has no number or name of its own", uuid, made.name));
        }
    }

    void read_event(std::string_view message, std::uint64_t time) {
        std::uint64_t type = 0;
        std::uint64_t uuid = 0;
        bool named = false;
        bool counted = false;
        fields(message, event_fields(), "an event", [&](const proto::Field& field) {
            switch (field.number) {
                case event::kType:
                    type = field.value;
                    break;
                case event::kTrack:
                    uuid = field.value;
                    break;
                case event::kName:
                    named = true;
                    known_text(interned::kNames, field.value);
                    break;
                case event::kCategory:
                    known_text(interned::kCategories, field.value);
                    break;
                case event::kAnnotation:
                    read_annotation(field.bytes);
                    break;
                case event::kCounterValue:
                    counted = true;
                    break;
                case event::kFlow:
                    flows_.insert(field.value);
                    break;
                default:
                    if (flows_.count(field.value) == 0) {
                        say(fmt::format("flow {:x} ends that has not begun", field.value));
                    }
            }
        });
        const auto track = tracks_.find(uuid);
        if (track == tracks_.end()) {
            say(fmt::format("an event is on track {}, which was not told", uuid));
            return;
        }
        Track& on = track->second;
        if (time < on.last) {
            say(fmt::format("time {} ns is before {} ns on track {}", time, on.last, on.name));
        }
        on.last = time;
        last_ = std::max(last_, time);
        if (on.counter != (type == event::Counter) || counted != on.counter) {
            say(fmt::format("counters and slices mix on track {}", on.name));
        }
        if ((type == event::Begin || type == event::Instant) != named) {
            say("slices and instants have names, ends and counters none");
        }
        if (type == event::Begin) {
            ++on.depth;
            ++slices_;
        } else if (type == event::End && on.depth-- == 0) {
            say(fmt::format("a slice of track {} ends that has not begun", on.name));
        } else if (type == 0 || type > event::Counter) {
            say(fmt::format("an event of type {}", type));
        }
    }

    void read_annotation(std::string_view message) {
        bool named = false;
        std::size_t values = 0;
        fields(message, annotation_fields(), "an annotation", [&](const proto::Field& field) {
            if (field.number == annotation::kName) {
                named = true;
                known_text(interned::kAnnotationNames, field.value);
                return;
            }
            ++values;
            if (field.number == annotation::kText) {
                known_text(interned::kTexts, field.value);
            }
        });
        if (!named || values != 1) {
            say("an annotation has one name and one value");
        }
    }

    std::string problem_;
    std::map<std::uint64_t, Track> tracks_;
    std::map<std::uint32_t, std::set<std::uint64_t>> texts_;
    std::set<std::uint64_t> flows_;
    std::uint64_t packets_ = 0;
    std::uint64_t slices_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace

CheckResult check_perfetto(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return {std::strerror(errno), 0, {}};
    }
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return PerfettoCheck().run(bytes.str());
}

}  // namespace ioasim::traces
