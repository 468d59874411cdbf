#include "traces/track_writer.hpp"

#include <algorithm>

namespace ioasim::traces {
namespace {

constexpr std::size_t kFileEnd = 16;  // the closing bracket, where a format has one

}  // namespace

TrackId TrackWriter::add(TrackId parent, Kind kind, std::string name) {
    Track track;
    track.parent = parent;
    track.kind = kind;
    track.name = std::move(name);
    tracks_.push_back(std::move(track));
    return static_cast<TrackId>(tracks_.size() - 1);
}

void TrackWriter::show_track(TrackId id) {
    if (!started_) {
        started_ = true;
        put_start();
    }
    Track& track = tracks_[id];
    if (id == 0 || track.shown) {
        return;
    }
    show_track(track.parent);
    track.shown = true;
    tracks_shown_ += track.kind == Kind::Group ? 0 : 1;
    put_track(id, track);
}

void TrackWriter::written(TimePs time) {
    latest_ = std::max(latest_, time);  // what took some time is told at its end
    file_.append(due_);
    due_.clear();
    if (file_.fits(out_.size() + open_bytes_ + kFileEnd, limit_)) {
        file_.append(out_);
        out_.clear();
        ++items_;
        constexpr std::size_t kBlock = 64 * 1024;
        if (file_.buffered() >= kBlock) {
            file_.flush();  // between two items: what was flushed is whole
        }
        return;
    }
    out_.clear();
    ends_here();
}

// No more room: what is open ends, and nothing follows.
void TrackWriter::ends_here() {
    full_at_ = latest_;
    for (TrackId id = 0; id < tracks_.size(); ++id) {
        std::vector<Slice>& open = tracks_[id].open;
        for (auto slice = open.rbegin(); slice != open.rend(); ++slice) {
            if (!slice->shown) {
                continue;
            }
            put_end(id, *slice, latest_, nullptr, {});
            file_.append(due_ + out_);
            due_.clear();
            out_.clear();
        }
        open.clear();
    }
}

void TrackWriter::show_begin(TrackId id, Slice& slice) {
    show_track(id);
    put_begin(id, slice);
    slice.end_bytes = end_bytes();
    open_bytes_ += slice.end_bytes;
    written(slice.begin);
    if (!full_at_) {  // without room for it the slice is gone now
        slice.shown = true;
    }
}

void TrackWriter::begin(TrackId track, TimePs time, std::string_view name,
                        const trace::EventRecord& record, const TrackFlows& flows) {
    if (full_at_) {
        return;
    }
    std::vector<Slice>& open = tracks_[track].open;
    open.push_back({time, std::string(name), record, flows, false});
    if (showing()) {
        open.back().begin = std::max(time, from_);
        show_begin(track, open.back());
    }
}

void TrackWriter::end(TrackId track, TimePs time, const trace::EventRecord* record,
                      const TrackFlows& flows) {
    std::vector<Slice>& open = tracks_[track].open;
    if (open.empty() || full_at_) {
        return;
    }
    const Slice slice = std::move(open.back());
    open.pop_back();
    if (slice.shown) {
        open_bytes_ -= slice.end_bytes;
        put_end(track, slice, std::max(time, slice.begin), record, flows);
        written(time);
    }
}

void TrackWriter::instant(TrackId track, TimePs time, std::string_view name,
                          const trace::EventRecord& record, const TrackFlows& flows) {
    if (showing()) {
        show_track(track);
        put_instant(track, {time, std::string(name), record, flows, true});
        written(time);
    }
}

void TrackWriter::counter(TrackId track, TimePs time, std::uint64_t value) {
    std::optional<std::uint64_t>& last = tracks_[track].value;
    if (last == value) {
        return;
    }
    last = value;
    if (showing()) {
        show_track(track);
        put_counter(track, time, value);
        written(time);
    }
}

void TrackWriter::show_from(TimePs now) {
    if (!hidden_) {
        return;
    }
    hidden_ = false;
    from_ = now;
    for (TrackId id = 0; id < tracks_.size() && !full_at_; ++id) {
        for (std::size_t i = 0; i < tracks_[id].open.size() && !full_at_; ++i) {
            Slice& slice = tracks_[id].open[i];
            slice.begin = now;
            show_begin(id, slice);
        }
        if (tracks_[id].value && !full_at_) {
            show_track(id);
            put_counter(id, now, *tracks_[id].value);
            written(now);
        }
    }
}

void TrackWriter::finish(TimePs end) {
    show_from(end);
    for (TrackId id = 0; id < tracks_.size(); ++id) {
        while (!tracks_[id].open.empty() && !full_at_) {
            this->end(id, end);
        }
    }
    if (!started_) {
        started_ = true;
        put_start();
    }
    put_finish();
    file_.append(out_);
    out_.clear();
    file_.close();
}

}  // namespace ioasim::traces
