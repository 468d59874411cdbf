#include "tools/cli/report/lanes.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace ioasim::tools::report {
namespace {

struct KindText {
    const char* name;
    const char* meaning;
};
constexpr std::array<KindText, kKinds> kKindTexts{{
    {"work", "works"},
    {"wait", "waits"},
    {"idle", "idle, or answered from a cache"},
    {"active", "in use"},
    {"pending", "freed, still held"},
    {"bad", "fault, failure or finding"},
    {"note", "something happened"},
    {"guest", "a guest runs"},
}};

std::uint64_t length(const Slice& slice) {
    return slice.end - slice.begin;
}

// A power of two, so that steps of one resolution are made of whole steps of the one before.
std::uint64_t first_resolution(std::uint64_t span, std::size_t most) {
    std::uint64_t resolution = 1;
    while (resolution < span / most) {
        resolution *= 2;
    }
    return resolution;
}

void join(Slice& into, const Slice& other) {
    into.end = std::max(into.end, other.end);
    into.text = into.text == other.text ? into.text : 0;
    into.number = into.number == other.number ? into.number : kNoNumber;
    const std::uint64_t count = std::uint64_t{into.count} + other.count;
    into.count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

// One pass: short slices of one kind that begin in the same step become one.
std::vector<Slice> merged(const std::vector<Slice>& slices, std::uint64_t resolution) {
    std::vector<Slice> out;
    out.reserve(slices.size() / 2);
    std::array<std::size_t, kKinds> last{};  // position + 1 in `out`
    for (const Slice& slice : slices) {
        std::size_t& at = last[static_cast<std::size_t>(slice.kind)];
        const bool fits = at != 0 && length(slice) <= resolution &&
                          out[at - 1].begin / resolution == slice.begin / resolution;
        if (fits) {
            join(out[at - 1], slice);
            continue;
        }
        out.push_back(slice);
        if (length(slice) <= resolution) {
            at = out.size();
        }
    }
    return out;
}

void sort_slices(std::vector<Slice>& slices) {
    std::stable_sort(slices.begin(), slices.end(),
                     [](const Slice& a, const Slice& b) { return a.begin < b.begin; });
}

}  // namespace

const char* kind_name(Kind kind) {
    return kKindTexts[static_cast<std::size_t>(kind)].name;
}
const char* kind_meaning(Kind kind) {
    return kKindTexts[static_cast<std::size_t>(kind)].meaning;
}

std::uint32_t Texts::add(const std::string& text) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) {
        return found->second;
    }
    if (text.empty()) {
        return 0;
    }
    if (list_.size() == kMost) {
        list_.emplace_back("...");
    }
    if (list_.size() > kMost) {
        return static_cast<std::uint32_t>(kMost);
    }
    list_.push_back(text);
    const auto number = static_cast<std::uint32_t>(list_.size() - 1);
    numbers_.emplace(text, number);
    return number;
}

std::uint64_t merge_slices(std::vector<Slice>& slices, std::uint64_t resolution, std::size_t most) {
    sort_slices(slices);
    if (slices.size() <= most) {
        return resolution;
    }
    std::uint64_t latest = 0;
    for (const Slice& slice : slices) {
        latest = std::max(latest, slice.end);
    }
    const std::uint64_t span = latest - slices.front().begin + 1;
    resolution = std::max(resolution, first_resolution(span, most));
    slices = merged(slices, resolution);
    while (slices.size() > most && resolution <= span) {
        resolution *= 2;
        slices = merged(slices, resolution);
    }
    return resolution;
}

void Lane::add(const Slice& slice) {
    ++total_;
    bad_ += slice.kind == Kind::Bad ? 1 : 0;
    slices_.push_back(slice);
    if (slices_.size() > kMost) {
        resolution_ = merge_slices(slices_, resolution_, kMost / 2);
    }
}

void Lane::finish(std::size_t most) {
    resolution_ = merge_slices(slices_, resolution_, most);
    put_in_rows();
}

// The first row that is free; what finds none lies on top of the last one.
void Lane::put_in_rows() {
    std::array<std::uint64_t, kRows> busy_until{};
    for (Slice& slice : slices_) {
        std::uint8_t row = 0;
        while (row + 1 < kRows && busy_until[row] > slice.begin) {
            ++row;
        }
        slice.row = row;
        busy_until[row] = std::max(busy_until[row], slice.end);
        rows_ = std::max<std::uint8_t>(rows_, static_cast<std::uint8_t>(row + 1));
    }
}

void Series::add(std::uint64_t time, std::uint64_t value) {
    highest_ = std::max(highest_, value);
    if (!points_.empty() && points_.back().time == time) {
        points_.back().high = std::max(points_.back().high, value);
        points_.back().last = value;
        return;
    }
    points_.push_back({time, value, value});
    if (points_.size() > kMost) {
        merge(kMost / 2);
    }
}

void Series::merge(std::size_t most) {
    if (points_.size() <= most) {
        return;
    }
    const std::uint64_t span = points_.back().time - points_.front().time + 1;
    resolution_ = std::max(resolution_ * 2, first_resolution(span, most));
    std::vector<Point> out;
    for (const Point& point : points_) {
        if (!out.empty() && out.back().time / resolution_ == point.time / resolution_) {
            out.back().high = std::max(out.back().high, point.high);
            out.back().last = point.last;
        } else {
            out.push_back(point);
        }
    }
    points_.swap(out);
    merge(most);
}

void Series::finish(std::size_t most) {
    merge(most);
}

}  // namespace ioasim::tools::report
